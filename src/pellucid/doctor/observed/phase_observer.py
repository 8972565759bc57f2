"""The observer of one of several trainings that a program makes one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pellucid.core import Tensor, below

from .observer import Enough, Observer
from .phases import Phase
from .record import LoaderRecord, OptimizerRecord, ProgramRecord
from .treatments import Longer, Treatment

GROWING = ("steps", "rows", "answers", "inputs", "targets", "every", "layers")  # lists of a record


class PhaseObserver(Observer):
    """Notes nothing and changes nothing before its phase begins. An update by an optimiser of another phase ends it."""

    def __init__(
        self,
        phase: Phase,
        treatments: Sequence[Treatment] = (),
        steps: int = 2000,
        seconds: float = 1e9,
        enough: Callable[[], Any] | None = None,
        looks: Sequence[int] = (),
        pace: Sequence[float] = (),
    ) -> None:
        super().__init__(treatments, steps, seconds, enough, looks, pace)
        self.phase = phase
        self.record.continues = phase.continues
        self.count = 0  # backwards of the program so far
        self.asleep = phase.first > 0
        self.every: dict[int, tuple[Any, OptimizerRecord]] = {}  # all optimisers, those of other phases, too
        self.notes: list[OptimizerRecord] = []
        self.last_lengths: dict[str, int] = {}  # of lists of the record, after its last update
        self.last_count = 0  # of parameters
        self.last_roots: dict[int, Any] = {}
        self.met: dict[int, Any] = {}  # networks that are called in it
        self.fed: dict[int, LoaderRecord] = {}  # by the id of a loader
        self.feeding: list[int] = []  # of those that gave the batches of this phase
        if self.asleep:
            self.treatments = []
            self.inside += 1

    def _wake(self) -> None:
        self.asleep = False
        self.inside -= 1
        self.treatments = self.planned
        self.parameters.loaded |= self.parameters.known  # to an optimiser before

    def _ends(self) -> None:
        """Another phase has begun: what was noted of its first pass is put away."""
        for name, length in self.last_lengths.items():
            del getattr(self.record, name)[length:]
        for identity in list(self.parameters.parameters)[self.last_count :]:
            del self.parameters.parameters[identity], self.record.parameters[self.parameters.names[identity]]
        self.record.ended = True
        self.finish()
        if self.enough is not None:
            self.enough()
        raise Enough

    def finish(self) -> ProgramRecord:
        if self.last_roots:
            self.roots = self.last_roots
        own = [self.fed[loader] for loader in dict.fromkeys(self.feeding) if loader in self.fed]
        self.record.loaders = [*own, *(note for note in self.record.loaders if all(note is not o for o in own))]
        record, parameters = super().finish(), self.parameters
        held = frozenset[int]().union(*(note.held for note in record.optimizers))
        for identity, name in parameters.names.items():
            if name in record.parameters:
                record.parameters[name].elsewhere = identity in parameters.known - held
        return record

    def optimizer(self, optimizer: Any) -> None:
        self.optimizers, self.record.optimizers = self.every, self.notes
        super().optimizer(optimizer)
        own = [note for number, note in enumerate(self.notes) if number in self.phase.optimizers]
        self.record.optimizers = own
        self.optimizers = {key: pair for key, pair in self.every.items() if any(pair[1] is note for note in own)}

    def watches(self, optimizer: Any) -> bool:
        other = not self.inside and id(optimizer) in self.every.keys() - self.optimizers.keys()
        if other and self.record.steps:
            self._ends()
        return super().watches(optimizer)

    def after_step(self, optimizer: Any) -> None:
        super().after_step(optimizer)
        self.last_lengths = {name: len(getattr(self.record, name)) for name in GROWING}
        self.last_count = len(self.parameters.parameters)
        self.last_roots = dict(self.roots)
        # What the program freezes or lets go of behind its last update is that of the next phase.
        self.parameters.frozen = {i for i, p in self.parameters.parameters.items() if not p.requires_grad}

    def loader(self, loader: Any) -> None:
        count = len(self.record.loaders)
        super().loader(loader)
        self.fed |= {id(loader): note for note in self.record.loaders[count:]}

    def apply(self, op: Any, args: Any, kwargs: Any) -> Any:
        return below(self, op, args, kwargs) if self.asleep else super().apply(op, args, kwargs)

    def call(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        if self.asleep:
            return call(module, *args, **kwargs)
        if not self.stack and id(module) not in self.met:
            self.met[id(module)] = module
            held = {id(parameter) for parameter in module.parameters()}
            others = (n for n, note in enumerate(self.notes) if n not in self.phase.optimizers and note.held & held)
            self.record.builds_on |= frozenset(others)
        return super().call(call, module, args, kwargs)

    def before_backward(self, roots: Sequence[Tensor]) -> None:
        if self.examining:
            return
        self.count += 1
        if len(self.record.steps) >= self.phase.steps and not any(isinstance(t, Longer) for t in self.treatments):
            self._ends()
        if not self.asleep:
            self.feeding.append(id(self.evaluations.loader))
            super().before_backward(roots)

    def after_backward(self) -> None:
        if not self.asleep:
            super().after_backward()
        elif self.count == self.phase.first:
            self._wake()
