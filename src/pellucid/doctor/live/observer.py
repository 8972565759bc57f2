"""The observer of what runs already: its optimisers, layers and loaders were made before it was there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pellucid.core import Tensor, below
from pellucid.doctor.observed.observer import Enough, Observer
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.treatments import Treatment
from pellucid.doctor.process.child import Lost, ask
from pellucid.optim import Optimizer
from pellucid.utils.data import DataLoader, RandomSampler, SequentialSampler

from .lines import Lines

LONGEST = 10.0  # seconds of a piece of work that is done apart


class LiveObserver(Observer):
    """Takes optimisers, layers and loaders as it meets them.

    Args:
        lines: where they may have been made.
    """

    joins = True

    def __init__(
        self,
        lines: Lines,
        treatments: Sequence[Treatment] = (),
        steps: int = 2000,
        seconds: float = 1e9,
        enough: Callable[[], Any] | None = None,
    ) -> None:
        super().__init__(treatments, steps, seconds, enough)
        self.lines = lines
        self._loaders: set[int] = set()

    def start(self) -> None:
        super().start()
        iterate = DataLoader.__iter__

        def iterated(loader: Any) -> Any:
            self._met_loader(loader)
            return iterate(loader)

        self._hooks.set(DataLoader, "__iter__", iterated)

    def watches(self, optimizer: Any) -> bool:
        if not self.inside and id(optimizer) not in self.optimizers:
            self.met_optimizer(optimizer)
        return super().watches(optimizer)

    def met_optimizer(self, optimizer: Any) -> None:
        """An optimiser that was made before."""
        self.optimizer(optimizer)
        self.optimizers[id(optimizer)][1].place = self.lines.of_call(type(optimizer).__name__)

    def call(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        if not self.stack and id(module) not in self.roots:
            for inner, at in self.lines.of_layers(module):
                self.parameters.made.setdefault(id(inner), (inner, at))
        return super().call(call, module, args, kwargs)

    def _met_loader(self, loader: Any) -> None:
        if id(loader) in self._loaders or self.inside:
            return
        self._loaders.add(id(loader))
        count = len(self.record.loaders)
        self.loader(loader)
        for note in self.record.loaders[count:]:
            note.place = self.lines.of_call(type(loader).__name__) or note.place
        options: dict[str, Any] = {"shuffle": False}
        for treatment in self.treatments:
            treatment.loader(options)
        if options["shuffle"]:
            shuffle(loader)


def shuffle(loader: Any) -> None:
    """Have a loader that goes through its rows in order shuffle them from now on. For forks."""
    inner = loader.batch_sampler
    if isinstance(getattr(inner, "sampler", None), SequentialSampler):
        inner.sampler = RandomSampler(loader.dataset, generator=loader.generator)


class Bystander(LiveObserver):
    """Observes in the user's own process, where nothing may be changed, and everything goes on when it has seen enough.

    What calls the user's network, to see what it does, is done in forks.
    """

    over = False

    def apart(self, work: Callable[[], Any]) -> Any:
        try:
            return ask(work, LONGEST)
        except (Lost, AttributeError):  # no fork on this system
            return None

    def before_backward(self, roots: Sequence[Tensor]) -> None:
        if self.over:
            return
        try:
            super().before_backward(roots)
        except Enough:
            self.finish()

    def finish(self) -> ProgramRecord:
        if not self.over:
            self._met_holders()
            super().finish()
            self.over = True
        return self.record

    def _met_holders(self) -> None:
        """An optimiser of the parameters that made no step all the while."""
        if self.optimizers or not self.record.steps:
            return
        import gc

        trained = {id(parameter) for parameter in self.parameters.all()}
        for found in gc.get_objects():
            # Not isinstance: that asks any object of the process for its `__class__`, and some answer with a warning.
            if issubclass(type(found), Optimizer):
                groups = getattr(found, "param_groups", ())
                if any(id(parameter) in trained for group in groups for parameter in group["params"]):
                    self.met_optimizer(found)

    def apply(self, op: Any, args: Any, kwargs: Any) -> Any:
        return below(self, op, args, kwargs) if self.over else super().apply(op, args, kwargs)

    def call(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        return call(module, *args, **kwargs) if self.over else super().call(call, module, args, kwargs)

    def criterion(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        return function(*args, **kwargs) if self.over else super().criterion(name, function, args, kwargs)

    def watches(self, optimizer: Any) -> bool:
        return not self.over and super().watches(optimizer)
