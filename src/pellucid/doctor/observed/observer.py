"""The observer: behind the door, and around modules, optimisers, loaders and losses, while the user's program runs.

It notes what happens in a `ProgramRecord` and lets treatments change it. Nothing of the program's text is touched: the
classes of pellucid are, from `start` on, in a process of the doctor's own (see `hooks`); `stop` puts them back.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from pellucid.core import Interpreter, Tensor, apply, below, state
from pellucid.nn import Module
from pellucid.nn.modules import loss as losses

from . import criterion, mixing, rounds
from .arrays import given_to
from .aside import Aside
from .batches import BatchNotes
from .calling import CallingLines
from .compare import is_behind, stands
from .criterion import LossCall, SeenOp
from .evaluations import EvaluationNotes
from .functions import examine as slope_of
from .functions import way_of
from .hooks import Hooks, install
from .parameters import ParameterNotes
from .passes import PassNotes
from .places import is_own, place
from .record import ClipRecord, LoaderRecord, OptimizerRecord, Place, ProgramRecord, StepRecord
from .rows import distinct, held
from .treatments import Treatment

LOOKS = frozenset(
    (0, 1, 2, 3, 5, 20, 60, 150, 400, 1000)
)  # the backwards before which the forward pass is looked at in full
AGAIN = (20, 150)  # backwards after which a custom function is asked again, of what it is given by then
CALLS = 4  # of a custom function that are asked each time, which differ in what it is given
EVENTS = 40
AWAY = 8  # losses in a row that are no number
COSTLY = frozenset(("sklearn", "scipy", "pandas", "matplotlib"))  # to import
LOSSES = frozenset(kind for kind in vars(losses).values() if isinstance(kind, type) and kind is not Module)
FOLLOWED = frozenset(
    ("eq", "ne", "argmax", "max_along", "topk", "part", "index", "gt", "ge", "squeeze", "view", "reshape", "round",
     "softmax", "log_softmax", "sigmoid", "exp")
)  # fmt: skip
UPDATES = ("sub", "sub_", "add", "add_", "isub", "copy_", "copy", "addcdiv", "addcmul")


class Enough(BaseException):
    """The program was watched for long enough."""


class Observer(Interpreter):
    """Watches a program, up to a number of backwards or a moment in time; then calls `enough`."""

    joins = False  # whether it begins when the program runs already, and knows only some of its optimisers

    def __init__(
        self,
        treatments: Sequence[Treatment] = (),
        steps: int = 2000,
        seconds: float = 1e9,
        enough: Callable[[], Any] | None = None,
        looks: Sequence[int] = (),
        pace: Sequence[float] = (),
    ) -> None:
        self.record = ProgramRecord()
        self.treatments, self.planned, self.most = list(treatments), list(treatments), steps
        self.started, self.began = time.monotonic(), time.process_time()
        self.until = self.started + seconds
        self.enough, self.pace = enough, pace
        self.parameters = ParameterNotes(self.record)
        self.batches = BatchNotes(self.record)
        self.evaluations = EvaluationNotes(self.record, self.apart)
        self.stack: list[Any] = []  # modules that are being called
        self.roots: dict[int, Any] = {}  # the outermost networks of passes that train
        self.optimizers: dict[int, tuple[Any, OptimizerRecord]] = {}
        self.passes = PassNotes(self.record, self.parameters, self.batches, self.apart)
        self.calling = CallingLines()
        self.within_loss = 0
        self.last = ""  # of the events
        self.unstepped = 0  # backwards since the last update, or since gradients were cleared
        # that were asked for their slopes, and how often before: the shapes that they were given
        self.functions: dict[tuple[str, int], set[Any]] = {}
        self.examining = False
        self.by_backward = False
        self.stilled: Place | None = None  # where eval() was called last
        self.outside = set[Place]()  # loops in which optimisers are made
        self.inside = 0  # in a backward, a step, or work of our own
        self.looks = LOOKS | set(looks)
        self._hooks = Hooks()

    # Beginning and end ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From here on it watches."""
        state.interpreters = (*state.interpreters, self)
        state.watchers.append(self)
        self._hooks = install(self)

    def stop(self) -> None:
        """Put back what `start` changed."""
        self._hooks.undo()
        if self in state.watchers:
            state.watchers.remove(self)
        state.interpreters = tuple(i for i in state.interpreters if i is not self)

    def finish(self) -> ProgramRecord:
        """What was noted, once nothing more is to come."""
        record = self.record
        with self.aside():
            roots = list(self.roots.values())
            networks = self.passes.finish(roots)
            self.parameters.finish(roots, [optimizer for optimizer, _ in self.optimizers.values()])
            record.final = self.apart(lambda: mixing.final(networks, record, self.passes.last_call, self.treatments))
            if self.passes.last_batch is not None and stands(record):
                batch, as_at_first = self.passes.last_batch, self.parameters.as_at_first
                record.unused = self.apart(lambda: mixing.unused(networks, batch, as_at_first))
            self.evaluations.finish(networks)
        record.seconds = time.monotonic() - self.started
        record.processor_seconds = time.process_time() - self.began
        record.modules = sorted({name.split(".")[0] for name in sys.modules} & COSTLY)
        return record

    def aside(self) -> Aside:
        """For the length of a block it does not stand behind the door, as where nobody watches."""
        return Aside(self)

    def apart(self, work: Callable[[], Any]) -> Any:
        """Work of the doctor's own that calls what the user wrote; None where it cannot be done."""
        return work()

    @property
    def looking(self) -> bool:
        return len(self.record.steps) in self.looks

    # The door -------------------------------------------------------------------------------------------------------

    def apply(self, op: Any, args: Any, kwargs: Any) -> Any:
        if self.inside:
            return below(self, op, args, kwargs)
        if not state.grad:
            result = below(self, op, args, kwargs)
            if op.name in criterion.EDGES:
                self.passes.note_beside(op.name, args, kwargs, result)
            if self.stack and self.looking:
                self.parameters.note_ungraded(args)
            if self.record.steps:
                self._without_grad(op.name, args, result)
            return result
        name = op.name
        number = self.passes.counts[name]
        self.passes.counts[name] = number + 1
        key = (name, number)
        if self.treatments:
            with self.aside():
                for treatment in self.treatments:
                    args, kwargs = treatment.op(key, args, kwargs)
                result = apply(op, args, kwargs)
                for treatment in self.treatments:
                    result = treatment.result(key, args, result)
        else:
            result = below(self, op, args, kwargs)
        if name in UPDATES and self.record.steps and not self.stack:
            self._updates(args)
        if name == "dropout_mask":
            self.parameters.note_dropout(kwargs)
        if name in criterion.WEIGHTED and self.stack and self.passes.batch is None:
            self.passes.note_first_weights(self.stack[0], args)
        elif not self.stack and self.passes.batch is None:
            self.passes.note_bare(name, args)
        if self.record.held_out:
            self.evaluations.with_gradients(name, args, result, name in FOLLOWED)
        if self.looking or self.passes.written:
            at, called = (self._place_of_op(), place()) if self.looking else (None, None)
            self.passes.seen.append(SeenOp(key, args, kwargs, result, at, tuple(self.stack[-1:]), called, op))
        return result

    def _without_grad(self, name: str, args: Any, result: Any) -> None:
        """An op under no_grad(): what becomes of an evaluation, or an update that the program makes by itself."""
        self.evaluations.op(name, args, result)
        if self.passes.first is not None and not self.stack and name in criterion.WEIGHTED:
            self.passes.note_asked(args)
        if name in UPDATES:
            self._updates(args)

    def _updates(self, args: Any) -> None:
        """An op that may be the update of a program without an optimiser, `p -= lr * p.grad` or `p.data += …`."""
        if self.optimizers or "step" in self.record.lines or not args or not isinstance(args[0], Tensor):
            return
        if (args[0] in self.parameters or self.parameters.has(args[0])) and (at := place()) is not None:
            self.record.lines["step"] = at

    def _place_of_op(self) -> Place | None:
        """The line of the user's for an op: where a layer of pellucid's was made, or the function was called."""
        layer = self.stack[-1] if self.stack and is_own(type(self.stack[-1])) else None
        again = self.passes.called[id(layer)] > 1  # one layer for several places, as an activation may be
        made = self.parameters.line_of(layer) if layer is not None and not again else None
        return made if made is not None else place()

    def read(self, tensor: Tensor) -> None:
        if self.looking and not self.inside:
            self.passes.read.add(id(tensor))
        if not self.inside and tensor.requires_grad and tensor.grad_fn is not None and self.stack:
            self.record.cut = self.record.cut or place()

    def cut(self, result: Tensor, source: Tensor) -> None:
        """A result that had a gradient was made one without, which counts where the pass goes on with it."""
        if self.looking:
            self.passes.read.add(id(source))
            self.passes.loose[id(result)] = (result, place())

    def function(self, kind: type[Any], args: Any, kwargs: Any) -> None:
        at = (kind.__name__, sum(len(self.record.steps) >= step for step in AGAIN))
        asked = self.functions.setdefault(at, set())
        if is_own(kind) or kwargs or len(asked) >= CALLS or (way := way_of(args)) in asked:
            return
        asked.add(way)
        self.examining = True  # its own backwards are not the program's
        with self.aside():
            self.record.functions += self.apart(lambda: slope_of(kind, args)) or []
        self.examining = False

    # Modules --------------------------------------------------------------------------------------------------------

    def call(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        """A module is called."""
        outermost = not self.stack and not self.within_loss
        at: Place | None = None
        if outermost and type(module) not in LOSSES and not self.inside:
            at = place() if state.grad else None
            known = id(module) in self.roots and len(self.optimizers) == 1
            stilled = self.passes.mode is True and not module.training
            if at is not None and known and self.calling.evaluates(at, len(self.record.steps), stilled):
                result = self._evaluation(call, module, args, kwargs)
                self.calling.gave(at, mixing.first_of(result), len(self.record.steps))
                return result
            if state.grad:
                args = self._train_call(module, args, kwargs)
            elif self.record.steps:
                self.record.without_grad += 1
                if id(module) in self.roots:
                    return self._evaluation(call, module, args, kwargs)
        if self.looking and getattr(module, "batch_first", True) is False and not self.inside:
            self.passes.note_time_first(module, args)
        before = len(self.passes.calls)
        if not self.stack:
            self.passes.called.clear()  # a network that is called twice has each of its layers once
        self.passes.called[id(module)] += 1
        self.stack.append(module)
        try:
            result = call(module, *args, **kwargs)
        finally:
            self.stack.pop()
        if outermost and state.grad and type(module) not in LOSSES:
            self.passes.output = mixing.first_of(result)
            self.calling.gave(at, self.passes.output, len(self.record.steps))
            self.passes.was_called(module, args, kwargs, result, before, at)
        return result

    def _evaluation(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        with self.aside():
            began = time.monotonic()
            self.evaluations.note_mode(call, module, args, kwargs)
            self.record.own_seconds += time.monotonic() - began
            result = self.evaluations.called(call, module, args, kwargs)
            began = time.monotonic()
            self.evaluations.note(given_to(args, kwargs), result)
            self.record.own_seconds += time.monotonic() - began
        return result

    def _train_call(self, module: Any, args: Any, kwargs: Any) -> Any:
        if any(True for _ in module.parameters()):
            given = given_to(args, kwargs)
            first = given[0] if given else None
            if id(module) in self.roots and (
                (self.passes.mode is False and module.training) or self.passes.is_other(module, first)
            ):
                self.passes.forget()  # an evaluation without no_grad()
            self.roots.setdefault(id(module), module)
            if self.passes.batch is None and first is not None and not first.requires_grad:
                self.passes.given, self.passes.network = given, module
            self.passes.mode = bool(module.training)
            if not module.training and self.stilled is not None:
                self.record.lines.setdefault("eval", self.stilled)
            self.record.calls += 1
            if "forward" not in self.record.lines and (at := place()) is not None:
                self.record.lines["forward"] = at
            with self.aside():
                for treatment in self.treatments:
                    args = treatment.module(module, args)
                self.parameters.note_module(module)
        return args

    # Losses ---------------------------------------------------------------------------------------------------------

    def criterion(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A loss of pellucid's is called."""
        if self.within_loss or self.inside:
            return function(*args, **kwargs)
        if not state.grad or (args and self.evaluations.is_of(args[0])):
            with self.aside():
                result = function(*args, **kwargs)
            self.evaluations.loss(name, args, kwargs, result)
            return result
        for treatment in self.treatments:
            with self.aside():
                kwargs = treatment.criterion(name, args, kwargs)
        given, unit = args, 1.0
        for treatment in self.treatments:
            with self.aside():
                given, factor = treatment.compared(name, given)
            unit *= factor
        self.within_loss += 1
        try:
            result = function(*given, **kwargs)
        except (IndexError, RuntimeError, ValueError):
            self.record.refused = criterion.refused(args)
            raise
        finally:
            self.within_loss -= 1
        call = LossCall.of(name, given if unit == 1.0 else args, kwargs, result, place())
        if call is not None:
            call.value, call.unit = (call.value or 0.0) * unit, unit
            self.passes.calls.append(call)
            self.evaluations.trains_on([call.target])
        return result

    # Backward and the update ----------------------------------------------------------------------------------------

    def before_backward(self, roots: Sequence[Tensor]) -> None:
        """A backward is about to run."""
        if self.examining:
            return
        began = time.monotonic()
        with self.aside():
            self.event("backward")
            if not self.record.steps:
                epochs = next((loop for loop in rounds.around() if loop not in self.outside), None)
                self.record.lines |= {"epochs": epochs} if epochs is not None else {}
            first = self.calling.before_backward(roots[0], [result for result, *_ in self.passes.heads])
            self.passes.begin_at(first)
            self.passes.end(roots[0], list(self.roots.values()), len(self.optimizers), self.looking)
            parameters = self.parameters.all()
            for treatment in self.treatments:
                treatment.before_backward(parameters)
        self.record.own_seconds += time.monotonic() - began
        self.passes.forget()
        if self.enough is not None and is_behind(self.record.losses, self.pace):
            self.record.behind = True
            self.enough()
        if len(self.record.steps) >= self.most or time.monotonic() > self.until or self._ran_away():
            if self.enough is not None:
                self.finish()
                self.enough()
            raise Enough

    def _ran_away(self) -> bool:
        """Whether a treatment made the loss no number, from which it does not come back."""
        last = self.record.steps[-AWAY:]
        return bool(self.treatments) and len(last) == AWAY and not any(math.isfinite(step.loss) for step in last)

    def after_backward(self) -> None:
        """A backward has run."""
        if self.examining:
            return
        began = time.monotonic()
        parameters = self.parameters.all()
        self.passes.leftovers.after_backward()
        self.passes.note_gradients(parameters)
        self.record.own_seconds += time.monotonic() - began
        for treatment in self.treatments:
            treatment.after_backward(parameters, len(self.optimizers))

    def trains(self, root: Any, leaves: list[Any]) -> bool:
        """Whether `autograd.grad` is asked for what an update is to be made of, in a program that calls no backward."""
        if self.by_backward or not isinstance(root, Tensor) or root.numel() != 1 or root.grad_fn is None:
            return False
        if not all(isinstance(leaf, Tensor) and leaf.is_leaf for leaf in leaves):
            return False
        return self.passes.network is None or all(leaf in self.parameters for leaf in leaves)

    def trains_by_backward(self) -> None:
        """A backward is called: what gradients were asked for before was of no use for a training."""
        if self.by_backward or self.inside:
            return
        self.by_backward = True
        if self.record.steps:
            fresh, record = ProgramRecord(), self.record
            for name in ("steps", "loss", "start", "inputs", "targets", "rows", "answers", "terms", "rewarded"):
                setattr(record, name, getattr(fresh, name))

    def after_grad(self, leaves: list[Any], gradients: Any) -> tuple[Any, ...]:
        """These gradients are about to be given to the program, as treatments leave them."""
        before = [leaf.grad for leaf in leaves]
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf.grad = gradient
        self.after_backward()
        given = tuple(leaf.grad for leaf in leaves)
        for leaf, gradient in zip(leaves, before, strict=True):
            leaf.grad = gradient
        return given

    def clip(self, kind: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Gradients are to be clipped."""
        if self.inside:
            return function(*args, **kwargs)
        limit = args[1] if len(args) > 1 else kwargs.get("max_norm", kwargs.get("clip_value", 0.0))
        if not self.record.clips:
            self.record.clips.append(ClipRecord(kind, float(limit), place()))
        steps = self.record.steps
        if steps and steps[-1].norm is not None:
            self.record.clips[0].norms.append(steps[-1].norm)
        if not all(treatment.clips() for treatment in self.treatments):
            return None if kind == "clip_grad_value_" else _last_norm(steps, self.parameters.all())
        with self.aside():
            return function(*args, **kwargs)

    def watches(self, optimizer: Any) -> bool:
        return not self.inside and id(optimizer) in self.optimizers

    def before_step(self, optimizer: Any) -> None:
        """An optimiser is about to make an update."""
        note = self.optimizers[id(optimizer)][1]
        note.first = note.first if note.steps else len(self.record.steps)
        note.steps += 1
        note.rates.append(float(optimizer.param_groups[0].get("lr") or 0.0))
        self.event("step")
        with self.aside():
            began = time.monotonic()
            self.parameters.note_gradients(optimizer)
            self.passes.leftovers.before_step(optimizer, note)
            self.record.own_seconds += time.monotonic() - began
            every = self.parameters.all()
            for treatment in self.treatments:
                treatment.before_step(optimizer, every)

    def after_step(self, optimizer: Any) -> None:
        """An optimiser made an update."""
        self.optimizers[id(optimizer)][1].last = len(self.record.steps)
        with self.aside():
            for treatment in self.treatments:
                treatment.after_step(optimizer)
            trained = any(p.requires_grad for g in optimizer.param_groups for p in g["params"])
            self.optimizers[id(optimizer)][1].idle += not trained
            self.passes.leftovers.after_step(optimizer)

    def optimizer(self, optimizer: Any) -> None:
        """An optimiser was made."""
        at, held = place(), {id(p) for group in optimizer.param_groups for p in group["params"]}
        for identity, (other, note) in list(self.optimizers.items()):
            same = at is not None and note.place == at and type(other) is type(optimizer)
            if same and held == {id(p) for group in other.param_groups for p in group["params"]}:
                # The program makes it anew, as in a function that makes one update: one and the same, for a reader.
                del self.optimizers[identity]
                note.anew += 1
                self.optimizers[id(optimizer)] = (optimizer, note)
                return
        self.outside |= set(rounds.around())
        options = {k: v for k, v in optimizer.param_groups[0].items() if isinstance(v, int | float)}
        note = OptimizerRecord(type(optimizer).__name__, options, at)
        note.shared, note.held = self.parameters.knows(optimizer), frozenset(held)
        self.optimizers[id(optimizer)] = (optimizer, note)
        self.record.optimizers.append(note)
        self.parameters.are_known(optimizer)

    def event(self, what: str) -> None:
        """A "backward", "step" or "zero_grad" of the program's."""
        if not self.inside or what == "backward":
            at = place()
            if at is not None:
                self.record.lines.setdefault(what, at)
            if what == "backward":
                self.unstepped += self.passes.batch is not None
            elif what == "zero_grad":
                self.record.wasted += self.unstepped
                if self.last == "backward" and self.record.steps:  # nor is what the update before left in the next one
                    self.record.steps[-1].stale = False
            self.unstepped *= what == "backward"
            self.last = what
            if len(self.record.events) < EVENTS:
                self.record.events.append((what, at))

    def loader(self, loader: Any) -> None:
        """A DataLoader was made."""
        try:
            rows = len(loader.dataset)
        except TypeError:
            return
        shuffled = "Sequential" not in type(loader.sampler).__name__
        first = next(iter(getattr(loader.dataset, "tensors", ())), None)
        apart, size = distinct(first) if isinstance(first, Tensor) else 0, int(loader.batch_size or 0)
        self.record.loaders.append(LoaderRecord(rows, size, shuffled, place(), apart, held(loader.dataset)))
        self.evaluations.was_made(loader, self.record.loaders[-1].place)


def _last_norm(steps: list[StepRecord], parameters: list[Any]) -> Any:
    """The norm of the last gradients, which clipping gives back."""
    size = steps[-1].norm if steps and steps[-1].norm is not None else 0.0
    return parameters[0].detach().new_tensor(size) if parameters else size
