"""The observer: behind the door, and around modules, optimisers, loaders and losses, while the user's program runs.

It notes what happens in a `ProgramRecord` and lets treatments change it. Nothing of the program's text is touched: the
classes of pellucid are, from `start` on, in a process of the doctor's own; `stop` puts them back.
"""

from __future__ import annotations

import functools
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import pellucid.optim as optim
from pellucid.core import Interpreter, Tensor, apply, below, no_grad, state
from pellucid.errors import user_frame
from pellucid.nn import Module, Parameter, init
from pellucid.nn import functional as F
from pellucid.nn.modules import loss as losses
from pellucid.random import get_rng_state, set_rng_state
from pellucid.utils.data import DataLoader

from . import criterion, mixing
from .criterion import LossCall, SeenOp
from .functions import examine as slope_of
from .record import LoaderRecord, ModeRecord, OptimizerRecord, ParameterRecord, Place, ProgramRecord, StepRecord
from .treatments import Treatment

LOOKS = frozenset(
    (0, 1, 2, 3, 5, 20, 60, 150, 400, 1000)
)  # the backwards before which the forward pass is looked at in full
KEPT = 4000  # rows of the batches that are kept
WIDTH = 4096  # numbers of a row that are kept
EVENTS = 40
COSTLY = frozenset(("sklearn", "scipy", "pandas", "matplotlib"))  # to import
LOSSES = frozenset(kind for kind in vars(losses).values() if isinstance(kind, type) and kind is not Module)
TAKING = ("part", "index", "index_select")  # ops that take rows


class Enough(BaseException):
    """The program was watched for long enough."""


class Observer(Interpreter):
    """Watches a program, up to a number of backwards or a moment in time; then calls `enough`."""

    def __init__(
        self,
        treatments: Sequence[Treatment] = (),
        steps: int = 2000,
        seconds: float = 1e9,
        enough: Callable[[], Any] | None = None,
    ) -> None:
        self.record = ProgramRecord()
        self.treatments, self.most = list(treatments), steps
        self.started = time.monotonic()
        self.until = self.started + seconds
        self.enough = enough
        self.made: dict[int, tuple[Any, Place | None]] = {}  # modules and where they were made
        self.stack: list[Any] = []  # modules that are being called
        self.roots: dict[int, Any] = {}  # the outermost networks of passes that train
        self.parameters: dict[int, Any] = {}
        self.names: dict[int, str] = {}
        self.first: dict[int, np.ndarray] = {}
        self.optimizers: dict[int, tuple[Any, OptimizerRecord]] = {}
        self.pending: dict[int, tuple[Any, float]] = {}  # optimiser -> a parameter, and its gradient at the last step
        self.seen: list[SeenOp] = []  # the ops of this pass
        self.counts: Counter[str] = Counter()
        self.calls: list[LossCall] = []
        self.within_loss = 0
        self.batch: Any = None
        self.functions: set[str] = set()
        self.loaded: set[int] = set()
        self.kept = 0
        self.examining = False
        self.inside = 0  # in a backward, a step, or work of our own
        self._undo: list[tuple[Any, str, Any]] = []
        self._projections: dict[int, np.ndarray] = {}
        self._modes: set[int] = set()
        self._last_input: tuple[Any, int] = (None, -1)  # of an evaluation, and at which step
        self._cut: Tensor | None = None

    # Beginning and end ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """From here on it watches."""
        state.interpreters = (*state.interpreters, self)
        state.watchers.append(self)
        observer = self
        module_call, module_init = Module.__call__, Module.__init__

        @functools.wraps(module_call)
        def call(module: Any, *args: Any, **kwargs: Any) -> Any:
            return observer._call(module_call, module, args, kwargs)

        @functools.wraps(module_init)
        def made(module: Any, *args: Any, **kwargs: Any) -> None:
            module_init(module, *args, **kwargs)
            observer.made[id(module)] = (module, place())

        self._set(Module, "__call__", call)
        self._set(Module, "__init__", made)
        backward = Tensor.backward

        @functools.wraps(backward)
        def run_backward(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            with observer._aside():
                return backward(tensor, *args, **kwargs)

        self._set(Tensor, "backward", run_backward)
        detach = Tensor.detach

        @functools.wraps(detach)
        def detached(tensor: Any) -> Any:
            result = detach(tensor)
            if not observer.inside and tensor.requires_grad and tensor.grad_fn is not None and observer.looking:
                observer.record.cut = observer.record.cut or place()
            return result

        self._set(Tensor, "detach", detached)
        for kind in {optim.Optimizer, *_subclasses(optim.Optimizer)}:
            if "step" in vars(kind):
                self._set(kind, "step", self._step(vars(kind)["step"]))
        self._set(optim.Optimizer, "_begin", self._optimizer(optim.Optimizer._begin))
        self._set(optim.Optimizer, "zero_grad", self._zero_grad(optim.Optimizer.zero_grad))
        load = Module.load_state_dict

        @functools.wraps(load)
        def loaded(module: Any, *args: Any, **kwargs: Any) -> Any:
            observer.loaded |= {id(parameter) for parameter in module.parameters()}
            return load(module, *args, **kwargs)

        self._set(Module, "load_state_dict", loaded)
        self._set(Module, "zero_grad", self._zero_grad(Module.zero_grad))
        loader_init = DataLoader.__init__

        @functools.wraps(loader_init)
        def loader(made: Any, dataset: Any, batch_size: Any = 1, shuffle: Any = None, **options: Any) -> None:
            options["shuffle"] = shuffle
            for treatment in observer.treatments:
                treatment.loader(options)
            loader_init(made, dataset, batch_size, **options)
            observer._loader(made, place())

        self._set(DataLoader, "__init__", loader)
        iterate = DataLoader.__iter__

        def iterated(made: Any) -> Any:
            with observer._aside():
                batches = iter(iterate(made))
            while True:
                with observer._aside():
                    try:
                        batch = next(batches)
                    except StopIteration:
                        return
                yield batch

        self._set(DataLoader, "__iter__", iterated)
        for name in ("constant_", "zeros_", "ones_", "normal_", "uniform_", "trunc_normal_", "eye_"):
            self._set(init, name, self._initial(getattr(init, name)))
        for name in criterion.FUNCTIONS:
            original = getattr(F, name)
            watched = self._criterion(name, original)
            self._set(F, name, watched)
            for kind in vars(losses).values():
                if isinstance(kind, type) and vars(kind).get("function") is not None and kind.function is original:
                    self._set(kind, "function", staticmethod(watched))

    def stop(self) -> None:
        """Put back what `start` changed."""
        for owner, name, value in reversed(self._undo):
            setattr(owner, name, value)
        self._undo.clear()
        if self in state.watchers:
            state.watchers.remove(self)
        state.interpreters = tuple(i for i in state.interpreters if i is not self)

    def _set(self, owner: Any, name: str, value: Any) -> None:
        owner = next((kind for kind in getattr(owner, "__mro__", ()) if name in vars(kind)), owner)
        self._undo.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def _aside(self) -> _Aside:
        """For the length of a block it does not stand behind the door, as where nobody watches."""
        return _Aside(self)

    @property
    def looking(self) -> bool:
        return len(self.record.steps) in LOOKS

    # The door -------------------------------------------------------------------------------------------------------

    def apply(self, op: Any, args: Any, kwargs: Any) -> Any:
        if not state.grad or self.inside:
            return below(self, op, args, kwargs)
        name = op.name
        number = self.counts[name]
        self.counts[name] = number + 1
        key = (name, number)
        if self.treatments:
            with self._aside():
                for treatment in self.treatments:
                    args, kwargs = treatment.op(key, args, kwargs)
                result = apply(op, args, kwargs)
                for treatment in self.treatments:
                    result = treatment.result(key, args, result)
        else:
            result = below(self, op, args, kwargs)
        if self.looking:
            self.seen.append(SeenOp(key, args, kwargs, result, self._place_of_op(), tuple(self.stack[-1:])))
        return result

    def _place_of_op(self) -> Place | None:
        """The line of the user's for an op: where a layer of pellucid's was made, or the function was called."""
        if self.stack:
            module = self.stack[-1]
            if is_own(type(module)) and id(module) in self.made:
                at = self.made[id(module)][1]
                if at is not None:
                    return at
        return place()

    def read(self, tensor: Tensor) -> None:
        if not self.inside and tensor.requires_grad and tensor.grad_fn is not None and self.stack:
            self.record.cut = self.record.cut or place()

    def function(self, kind: type[Any], args: Any, kwargs: Any) -> None:
        if is_own(kind) or kind.__name__ in self.functions or kwargs:
            return
        self.functions.add(kind.__name__)
        self.examining = True  # its own backwards are not the program's
        with self._aside():
            self.record.functions += slope_of(kind, args)
        self.examining = False

    # Modules --------------------------------------------------------------------------------------------------------

    def _call(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any:
        outermost = not self.stack and not self.within_loss
        is_loss = type(module) in LOSSES
        if outermost and not is_loss and not self.inside:
            if state.grad and module.training is not None and self.optimizers:
                args = self._train_call(module, args)
            elif not state.grad and self.record.steps:
                self.record.without_grad += 1
                self._evaluation(call, module, args, kwargs)
        self.stack.append(module)
        try:
            return call(module, *args, **kwargs)
        finally:
            self.stack.pop()

    def _train_call(self, module: Any, args: Any) -> Any:
        if any(True for _ in module.parameters()):
            self.roots.setdefault(id(module), module)
            first = args[0] if args else None
            if self.batch is None and isinstance(first, Tensor) and not first.requires_grad:
                self.batch = first
            self._mode = bool(module.training)
            if "forward" not in self.record.lines and (at := place()) is not None:
                self.record.lines["forward"] = at
            with self._aside():
                for treatment in self.treatments:
                    args = treatment.module(module, args)
                self._note_parameters(module)
        return args

    _mode: bool | None = None
    last_call: LossCall | None = None

    def _evaluation(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> None:
        """A network is evaluated: whether it is in train(), and what difference that makes."""
        if id(module) not in self.roots or not module.training:
            return
        given = args[0] if args else None
        if not isinstance(given, Tensor):
            return
        before, step = self._last_input
        if given is before and step == len(self.record.steps):
            self.record.evaluated.clear()  # the same once more, with no step in between: it is to be drawn at random
        self._last_input = (given, len(self.record.steps))
        if id(module) in self._modes:
            return
        names = ("Dropout", "BatchNorm")
        layers = [type(m).__name__ for m in module.modules() if type(m).__name__.startswith(names) and m.training]
        if not layers:
            return
        self._modes.add(id(module))
        with self._aside(), no_grad():
            kept = get_rng_state()
            modes = [(m, m.training) for m in module.modules()]
            buffers = [(b, b.detach().numpy().copy()) for b in module.buffers()]
            try:
                noisy = call(module, *args, **kwargs)
                for m, _ in modes:
                    m.training = False
                still = call(module, *args, **kwargs)
            finally:
                for m, training in modes:
                    m.training = training
                for buffer, values in buffers:
                    buffer._array[...] = values  # no change that backward would notice
                set_rng_state(kept)
        if isinstance(noisy, Tensor) and isinstance(still, Tensor):
            a, b = noisy.detach().numpy().astype(float), still.detach().numpy().astype(float)
            spread = float(np.abs(b - b.mean()).mean()) or 1.0
            self.record.evaluated.append(ModeRecord(place(), sorted(set(layers)), float(np.abs(a - b).mean()) / spread))

    def _note_parameters(self, module: Any) -> None:
        new = [(name, p) for name, p in module.named_parameters() if id(p) not in self.parameters]
        owners = {id(p): m for m in module.modules() for p in m._parameters.values() if p is not None} if new else {}
        for name, parameter in new:
            owner = owners.get(id(parameter))
            self._parameter(parameter, name, self.made.get(id(owner), (None, None))[1]).listed = True
        if new:
            kinds = [type(m).__name__ for m in module.modules()]
            self.record.layers += kinds
            leaves = [m for m in module.modules() if not any(True for _ in m.children())]
            if leaves and "Norm" in type(leaves[0]).__name__:
                self.record.norm_first = True
            drops = [float(m.p) for m in module.modules() if type(m).__name__.startswith("Dropout")]
            self.record.dropout = max([self.record.dropout, *drops])
            for m in module.modules():
                for kind in ("Dropout", "BatchNorm", "Softmax"):
                    at = self.made.get(id(m), (None, None))[1]
                    if type(m).__name__.startswith(kind) and at is not None:
                        self.record.lines.setdefault(kind, at)

    def _parameter(self, parameter: Any, name: str, at: Place | None) -> ParameterRecord:
        if id(parameter) not in self.parameters:
            at = at or self._home(parameter)
            self.parameters[id(parameter)] = parameter
            given, n = name, 2
            while name in self.record.parameters:
                name, n = f"{given} ({n})", n + 1
            self.names[id(parameter)] = name
            values = parameter.detach().numpy()
            self.first[id(parameter)] = values.copy()
            note = ParameterRecord(name, tuple(values.shape), at, frozen=not parameter.requires_grad)
            if values.size:
                note.std, note.mean = float(values.std()), float(values.mean())
            if values.ndim >= 2:
                note.fan_in = int(np.prod(values.shape[1:]))
                note.alike = values.shape[0] > 1 and bool((values == values[:1]).all())
            self.record.parameters[name] = note
        return self.record.parameters[self.names[id(parameter)]]

    def _home(self, parameter: Any) -> Place | None:
        """Where the layer was made that holds a parameter, also one that no network lists."""
        for module, at in self.made.values():
            if any(own is parameter for own in vars(module).get("_parameters", {}).values()):
                return at
        return None

    # Losses ---------------------------------------------------------------------------------------------------------

    def _criterion(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)  # its signature is read by the layer of a loss
        def called(*args: Any, **kwargs: Any) -> Any:
            if self.within_loss or self.inside or not state.grad:
                return function(*args, **kwargs)
            self.within_loss += 1
            try:
                result = function(*args, **kwargs)
            except (IndexError, RuntimeError, ValueError):
                self.record.refused = criterion.refused(args)
                raise
            finally:
                self.within_loss -= 1
            call = LossCall.of(name, args, kwargs, result, place())
            if call is not None:
                self.calls.append(call)
            return result

        return called

    # Backward and the update ----------------------------------------------------------------------------------------

    def before_backward(self, roots: Sequence[Tensor]) -> None:
        if self.examining:
            return
        root = roots[0]
        record = self.record
        with self._aside():
            parameters = list(self.parameters.values())
            loss = float(root.detach().numpy().mean())
            self._event("backward")
            if root.grad_fn is None:
                record.leaf_loss = True
            call = self.calls[-1] if self.calls else criterion.written_out(self.seen, root)
            step = StepRecord(loss, mode=self._mode)
            if call is not None and call.value is not None and len(self.calls) < 2:
                step.factor = loss / call.value if call.value else None
                if self.calls:
                    step.loss = call.value
            if len(self.optimizers) == 1 or "zero_grad" not in record.lines:  # one may clear what the other left
                step.stale = any(_holds(held) for held in self.pending.values())
            self.pending.clear()
            if call is not None:
                step.accuracy = call.accuracy()
                self._batch_of(call, step)
            if self.looking:
                self._look(root, call)
            if len(record.steps) == 5 and self.batch is not None:
                record.mixing = mixing.measure(list(self.roots.values()), self.batch, call)
            self.last_call = call or self.last_call
            if not np.isfinite(loss) and not record.first_bad:
                record.first_bad = "loss"
            record.steps.append(step)
            for treatment in self.treatments:
                treatment.before_backward(parameters)
        self._clear()
        if len(record.steps) >= self.most or time.monotonic() > self.until:
            self._enough()

    def _clear(self) -> None:
        self.seen, self.calls, self.batch = [], [], None
        self.counts.clear()

    def _enough(self) -> None:
        if self.enough is not None:
            self.finish()
            self.enough()
        raise Enough

    def _look(self, root: Any, call: LossCall | None) -> None:
        """The forward pass in full: what the loss is made of, and which parameters it reaches."""
        record = self.record
        for leaf in criterion.leaves(root):
            if isinstance(leaf, Parameter) or id(leaf) in self.parameters:
                self._parameter(leaf, f"tensor {tuple(leaf.shape)}", None).reached = True
        for seen in self.seen:
            for argument in seen.args:
                if id(argument) in self.parameters:
                    self._parameter(argument, "", None).used = True
            if not record.first_bad and not seen.finite and all(criterion.finite(a) for a in seen.args):
                record.first_bad = seen.key[0]
                if seen.place:
                    record.lines["first bad"] = seen.place
        if call is not None:
            described = criterion.describe(call, self.seen, self.names)
            if described.chain or described.body or not record.loss.kind:
                record.loss = described
                record.start = record.start or described
            source = next((s for s in self.seen if s.output is self.batch and s.key[0] in TAKING), None)
            if source is not None and len(source.args[0].shape):
                record.available = max(record.available, len(source.args[0]))

    def _batch_of(self, call: LossCall, step: StepRecord) -> None:
        record = self.record
        batch = self.batch
        target = call.target_array()
        if batch is None or target is None or batch.dim() == 0:
            return
        x = batch.detach().numpy()
        step.count = len(x)
        record.whole_numbers = not batch.is_floating_point()
        record.shape = tuple(x.shape[1:])
        flat = x.reshape(len(x), -1)
        record.bad_inputs = record.bad_inputs or not bool(np.isfinite(flat).all())
        record.bad_targets = record.bad_targets or not bool(np.isfinite(target.astype(float)).all())
        if flat.shape[1] not in self._projections:
            self._projections[flat.shape[1]] = np.random.default_rng(7).normal(size=flat.shape[1])
        record.rows.append(flat @ self._projections[flat.shape[1]])
        if self.kept < KEPT:
            self.kept += len(x)
            record.inputs.append(flat[:, :WIDTH].copy())
            record.targets.append(target.copy())

    def _step(self, step: Callable[..., Any]) -> Callable[..., Any]:
        observer = self

        @functools.wraps(step)
        def stepped(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            if observer.inside or id(optimizer) not in observer.optimizers:
                return step(optimizer, *args, **kwargs)
            note = observer.optimizers[id(optimizer)][1]
            note.steps += 1
            observer._event("step")
            with observer._aside():
                observer._gradients(optimizer)
                every = list(observer.parameters.values())
                for treatment in observer.treatments:
                    treatment.before_step(optimizer, every)
            if args or kwargs.get("closure"):
                result = step(optimizer, *args, **kwargs)
            else:
                with observer._aside():
                    result = step(optimizer, *args, **kwargs)
            with observer._aside():
                for treatment in observer.treatments:
                    treatment.after_step(optimizer)
                held = next((p for g in optimizer.param_groups for p in g["params"] if p.grad is not None), None)
                if held is not None:
                    observer.pending[id(optimizer)] = (held, float(held.grad.detach().numpy().sum()))
            return result

        return stepped

    def _gradients(self, optimizer: Any) -> None:
        """Before an update: the size of gradients at the first, and whether the units of a layer all have the same."""
        first = len(self.record.steps) <= 1
        late = len(self.record.steps) == 20
        if not first and not late:
            return
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                note = self._parameter(parameter, f"tensor {tuple(parameter.shape)}", None)
                note.known = True
                if parameter.grad is None:
                    continue
                gradient = parameter.grad.detach().numpy()
                if first:
                    note.gradient = float(np.linalg.norm(gradient))
                if late and gradient.ndim >= 2 and gradient.shape[0] > 1:
                    scale = float(np.abs(gradient).max())
                    note.same_gradients = scale > 0 and bool(np.abs(gradient - gradient[:1]).max() < 1e-5 * scale)

    def _optimizer(self, begin: Callable[..., Any]) -> Callable[..., Any]:
        observer = self

        @functools.wraps(begin)
        def begun(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            result = begin(optimizer, *args, **kwargs)
            options = {k: v for k, v in optimizer.param_groups[0].items() if isinstance(v, int | float)}
            note = OptimizerRecord(type(optimizer).__name__, options, place())
            observer.optimizers[id(optimizer)] = (optimizer, note)
            observer.record.optimizers.append(note)
            with observer._aside():
                for group in optimizer.param_groups:
                    for parameter in group["params"]:
                        observer._known.add(id(parameter))
                        observer._alive.append(parameter)
            return result

        return begun

    def _zero_grad(self, function: Callable[..., Any]) -> Callable[..., Any]:
        observer = self

        @functools.wraps(function)
        def zeroed(owner: Any, *args: Any, **kwargs: Any) -> Any:
            observer._event("zero_grad")
            return function(owner, *args, **kwargs)

        return zeroed

    def _initial(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            at = place()
            if at is not None and sys._getframe(1).f_code.co_filename == at[0]:
                self.record.lines.setdefault("init", at)
            return function(*args, **kwargs)

        return called

    def _event(self, what: str) -> None:
        if not self.inside or what == "backward":
            at = place()
            if at is not None:
                self.record.lines.setdefault(what, at)
            if len(self.record.events) < EVENTS:
                self.record.events.append((what, at))

    def _loader(self, loader: Any, at: Place | None) -> None:
        try:
            rows = len(loader.dataset)
        except TypeError:
            return
        shuffled = "Sequential" not in type(loader.sampler).__name__
        self.record.loaders.append(LoaderRecord(rows, int(loader.batch_size or 0), shuffled, at))

    @property
    def _known(self) -> set[int]:
        return self.__dict__.setdefault("_known_ids", set())

    @property
    def _alive(self) -> list[Any]:
        return self.__dict__.setdefault("_alive_objects", [])

    # The record -----------------------------------------------------------------------------------------------------

    def finish(self) -> ProgramRecord:
        """What was noted, once nothing more is to come."""
        record = self.record
        with self._aside():
            for root in self.roots.values():
                self._note_parameters(root)
            for optimizer, _ in self.optimizers.values():
                for group in optimizer.param_groups:
                    for parameter in group["params"]:
                        self._parameter(parameter, f"tensor {tuple(parameter.shape)}", None)
            for identity, parameter in self.parameters.items():
                note = self._parameter(parameter, "", None)
                note.known = identity in self._known or note.known
                note.frozen = not parameter.requires_grad
                note.loaded = identity in self.loaded
                first, now = self.first[identity], parameter.detach().numpy()
                size = float(np.linalg.norm(first))
                note.moved = float(np.linalg.norm(now - first)) / (size or 1.0) if now.shape == first.shape else 0.0
            record.final = mixing.final(list(self.roots.values()), record, self.last_call)
        record.seconds = time.monotonic() - self.started
        record.modules = sorted(
            {name.split(".")[0] for name in sys.modules} & {"sklearn", "scipy", "pandas", "matplotlib"}
        )
        return record


class _Aside:
    """See `Observer._aside`."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer

    def __enter__(self) -> None:
        self.before = state.interpreters
        state.interpreters = tuple(i for i in self.before if i is not self.observer)
        self.observer.inside += 1

    def __exit__(self, *error: object) -> None:
        state.interpreters = self.before
        self.observer.inside -= 1


def is_own(kind: type) -> bool:
    """Whether a class is pellucid's own, which for a program of PyTorch's says that it is torch's."""
    return kind.__module__.startswith(("pellucid.", "torch."))


def place() -> Place | None:
    """File and line of the user's, where this was called from."""
    frame = user_frame()
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


def _holds(held: tuple[Any, float]) -> bool:
    """Whether a gradient is as it was at the last update."""
    parameter, value = held
    if parameter.grad is None or value == 0:
        return False
    now = float(parameter.grad.detach().numpy().sum())
    return now == value or not (np.isfinite(now) or np.isfinite(value))


def _subclasses(kind: type) -> set[Any]:
    found: set[Any] = set()
    for sub in kind.__subclasses__():
        found |= {sub, *_subclasses(sub)}
    return found
