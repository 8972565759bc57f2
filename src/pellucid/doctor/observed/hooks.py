"""What of pellucid's classes is changed so that an observer is called, and put back at the end."""

from __future__ import annotations

import builtins
import functools
import itertools
import linecache
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

import pellucid.optim as optim
from pellucid.core import Tensor, no_grad, state
from pellucid.nn import Module, Parameter, init, utils
from pellucid.nn import functional as F
from pellucid.nn.modules import loss as losses
from pellucid.nn.utils import clip_grad
from pellucid.ops.tensor_types import TensorType
from pellucid.utils.data import DataLoader

from . import criterion, rounds
from .batches import BatchNotes
from .evaluations import EvaluationNotes
from .parameters import ParameterNotes
from .passes import PassNotes
from .places import place
from .record import Place, ProgramRecord
from .treatments import Treatment

CLIPS = ("clip_grad_norm_", "clip_grad_value_")
INITIAL = ("constant_", "zeros_", "ones_", "normal_", "uniform_", "trunc_normal_", "eye_")

IN_PLACE = ("uniform_", "normal_", "fill_", "zero_")
MAKING = ("zeros", "ones", "full", "rand", "randn", "tensor", "zeros_like", "ones_like", "full_like", "randn_like")
MOST = 1000  # tensors, of which it is kept where they were made


class Watching(Protocol):
    """What is called: an observer."""

    record: ProgramRecord
    stilled: Place | None
    parameters: ParameterNotes
    passes: PassNotes
    batches: BatchNotes
    treatments: list[Treatment]
    planned: list[Treatment]  # of which `treatments` are those at work
    inside: int
    stack: list[Any]

    @property
    def looking(self) -> bool: ...
    def aside(self) -> AbstractContextManager[Any]: ...
    def call(self, call: Callable[..., Any], module: Any, args: Any, kwargs: Any) -> Any: ...
    def criterion(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any: ...
    def optimizer(self, optimizer: Any) -> None: ...
    def watches(self, optimizer: Any) -> bool: ...
    def before_step(self, optimizer: Any) -> None: ...
    def after_step(self, optimizer: Any) -> None: ...
    def event(self, what: str) -> None: ...
    def loader(self, loader: Any) -> None: ...
    def cut(self, result: Any, source: Any) -> None: ...
    def before_backward(self, roots: Sequence[Any]) -> None: ...
    def after_backward(self) -> None: ...
    def trains_by_backward(self) -> None: ...
    def trains(self, root: Any, leaves: list[Any]) -> bool: ...
    def after_grad(self, leaves: list[Any], gradients: Any) -> Any: ...
    def clip(self, kind: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any: ...
    @property
    def evaluations(self) -> EvaluationNotes: ...


class Hooks:
    """Attributes that were replaced, with what was there."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []
        self._errors: tuple[Any, Any] | None = None

    def set(self, owner: Any, name: str, value: Any) -> None:
        owner = next((kind for kind in getattr(owner, "__mro__", ()) if name in vars(kind)), owner)
        self._undo.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def errors(self, call: Callable[[str, int], None]) -> None:
        """Have arrays that lose their numbers call a function, where they would warn."""
        self._errors = np.seterrcall(call), np.seterr(divide="call", invalid="call")

    def undo(self) -> None:
        if self._errors is not None:
            np.seterrcall(self._errors[0])
            np.seterr(**self._errors[1])
            self._errors = None
        for owner, name, value in reversed(self._undo):
            setattr(owner, name, value)
        self._undo.clear()


def install(observer: Watching) -> Hooks:
    """Have modules, optimisers, loaders and losses call the observer."""
    hooks = Hooks()
    _modules(observer, hooks)
    _tensors(observer, hooks)
    _gradients(observer, hooks)
    _optimizers(observer, hooks)
    _loaders(observer, hooks)
    _losses(observer, hooks)
    _seeds(observer, hooks)
    _functions(observer, hooks)
    for place_and_times in filter(None, (treatment.rounds() for treatment in observer.planned)):
        hooks.set(builtins, "range", rounds.longer(*place_and_times, lambda: bool(observer.treatments)))
    for name in CLIPS:
        for module in (utils, clip_grad):
            hooks.set(module, name, _clip(observer, name, getattr(module, name)))
    for name in INITIAL:
        hooks.set(init, name, _initial(observer, getattr(init, name)))
    for name in IN_PLACE:
        hooks.set(Tensor, name, _filled(observer, getattr(Tensor, name)))
    root = sys.modules["pellucid"]
    for owner, name in [*((root, name) for name in MAKING), (Tensor, "requires_grad_")]:
        hooks.set(owner, name, _by_hand(observer, getattr(owner, name)))
    origins = observer.batches.origins
    for owner, name in [*((root, name) for name in ("tensor", "as_tensor", "from_numpy")), (TensorType, "__call__")]:
        hooks.set(owner, name, origins.making(getattr(owner, name)))
    hooks.errors(origins.lost)
    return hooks


def _modules(observer: Watching, hooks: Hooks) -> None:
    module_call, module_init, load = Module.__call__, Module.__init__, Module.load_state_dict
    parameter_init = Parameter.__init__
    wrapped: set[Any] = set()

    def reached(kind: type) -> None:
        """Have `model.forward(x)`, which passes by `__call__`, count as a call of the model."""
        owner = next(one for one in kind.__mro__ if "forward" in vars(one))
        if owner not in wrapped and owner is not Module and callable(vars(owner)["forward"]):
            wrapped.add(owner)
            hooks.set(owner, "forward", _forward(observer, vars(owner)["forward"]))

    @functools.wraps(module_call)
    def call(module: Any, *args: Any, **kwargs: Any) -> Any:
        return observer.call(module_call, module, args, kwargs)

    @functools.wraps(module_init)
    def made(module: Any, *args: Any, **kwargs: Any) -> None:
        module_init(module, *args, **kwargs)
        reached(type(module))
        observer.parameters.was_made(module)

    @functools.wraps(parameter_init)
    def born(parameter: Any, *args: Any, **kwargs: Any) -> None:
        parameter_init(parameter, *args, **kwargs)
        at = place()
        if at is not None and sys._getframe(1).f_code.co_filename == at[0]:
            observer.parameters.was_written(parameter, at)

    @functools.wraps(load)
    def loaded(module: Any, *args: Any, **kwargs: Any) -> Any:
        observer.parameters.were_loaded(module)
        return load(module, *args, **kwargs)

    mode = Module.train

    @functools.wraps(mode)
    def trained(module: Any, mode_: bool = True) -> Any:
        if not observer.inside and (at := place()) is not None:
            if mode_:
                observer.evaluations.woken = at, len(observer.record.steps)
            else:
                observer.stilled = at
        return mode(module, mode_)

    hooks.set(Module, "train", trained)
    hooks.set(Module, "__call__", call)
    hooks.set(Module, "__init__", made)
    hooks.set(Module, "load_state_dict", loaded)
    hooks.set(Parameter, "__init__", born)
    hooks.set(Module, "zero_grad", _zero_grad(observer, Module.zero_grad))
    for kind in _subclasses(Module):
        reached(kind)


def _forward(observer: Watching, forward: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def called(module: Any, *args: Any, **kwargs: Any) -> Any:
        if observer.inside or (observer.stack and observer.stack[-1] is module):
            return forward(module, *args, **kwargs)
        return observer.call(forward, module, args, kwargs)

    return called


def _seeds(observer: Watching, hooks: Hooks) -> None:
    """Where a program sets the seed anew while it trains."""
    root = sys.modules["pellucid"]
    seed = root.manual_seed

    @functools.wraps(seed)
    def seeded(*args: Any, **kwargs: Any) -> Any:
        if observer.record.steps and not observer.inside and (at := place()) is not None:
            observer.record.lines["seed"] = at
        return seed(*args, **kwargs)

    hooks.set(root, "manual_seed", seeded)


def _functions(observer: Watching, hooks: Hooks) -> None:
    """Custom Functions, which a treatment may compute in another way."""
    kind = sys.modules["pellucid"].autograd.Function
    apply = vars(kind)["apply"].__func__

    @functools.wraps(apply)
    def applied(function: Any, *args: Any, **kwargs: Any) -> Any:
        for treatment in observer.treatments:
            other = treatment.function(function)
            if other is not None:
                return other(*args, **kwargs)
        return apply(function, *args, **kwargs)

    hooks.set(kind, "apply", classmethod(applied))


def _tensors(observer: Watching, hooks: Hooks) -> None:
    backward, detach = Tensor.backward, Tensor.detach

    @functools.wraps(backward)
    def run_backward(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        observer.trains_by_backward()
        with observer.aside():
            result = backward(tensor, *args, **kwargs)
            observer.after_backward()
        return result

    @functools.wraps(detach)
    def detached(tensor: Any) -> Any:
        result = detach(tensor)
        observer.evaluations.goes_on(result, tensor)
        if observer.inside or not tensor.requires_grad or tensor.grad_fn is None:
            return result
        observer.cut(result, tensor)
        if observer.stack:
            if not observer.record.steps:
                observer.record.detached[place()] += 1
            if not all(treatment.detaches() for treatment in observer.treatments):
                return tensor
        return result

    enter = no_grad.__enter__

    @functools.wraps(enter)
    def entered(mode: Any) -> None:
        trains = state.grad and bool(observer.stack) and not observer.inside
        enter(mode)
        if trains and not state.grad and not all(treatment.detaches() for treatment in observer.treatments):
            state.grad = True

    hooks.set(no_grad, "__enter__", entered)
    freeze = Tensor.requires_grad_

    @functools.wraps(freeze)
    def frozen(tensor: Any, requires_grad: bool = True) -> Any:
        if not requires_grad and not observer.inside and isinstance(tensor, Parameter) and (at := place()) is not None:
            observer.record.lines.setdefault("frozen", at)
        return freeze(tensor, requires_grad)

    hooks.set(Tensor, "requires_grad_", frozen)
    data: property = next(vars(kind)["data"] for kind in Tensor.__mro__ if "data" in vars(kind))

    def bare(tensor: Any) -> Any:
        result = data.__get__(tensor)
        observer.evaluations.goes_on(result, tensor)
        if not observer.inside and tensor.requires_grad and tensor.grad_fn is not None:
            observer.cut(result, tensor)
        return result

    hooks.set(Tensor, "data", property(bare, data.fset))
    hooks.set(Tensor, "backward", run_backward)
    hooks.set(Tensor, "detach", detached)


def _gradients(observer: Watching, hooks: Hooks) -> None:
    """`autograd.grad(loss, parameters)`, by which a program may train without a backward."""
    autograd = sys.modules["pellucid"].autograd
    grad = autograd.grad

    @functools.wraps(grad)
    def gradients(outputs: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        asked = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if observer.inside or len(args) > 2 or kwargs.get("create_graph") or not observer.trains(outputs, asked):
            with observer.passes.backwards():
                return grad(outputs, inputs, *args, **kwargs)
        observer.before_backward([outputs])
        with observer.aside():
            return observer.after_grad(asked, grad(outputs, asked, *args, **kwargs))

    hooks.set(autograd, "grad", gradients)


def _optimizers(observer: Watching, hooks: Hooks) -> None:
    for kind in {optim.Optimizer, *_subclasses(optim.Optimizer)}:
        if "step" in vars(kind):
            hooks.set(kind, "step", _step(observer, vars(kind)["step"]))
    begin = optim.Optimizer._begin

    @functools.wraps(begin)
    def begun(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        result = begin(optimizer, *args, **kwargs)
        observer.optimizer(optimizer)
        return result

    for kind in {optim.lr_scheduler.LRScheduler, *_subclasses(optim.lr_scheduler.LRScheduler)}:
        if "step" in vars(kind):
            hooks.set(kind, "step", _scheduled(observer, vars(kind)["step"]))
    hooks.set(optim.Optimizer, "_begin", begun)
    hooks.set(optim.Optimizer, "zero_grad", _zero_grad(observer, optim.Optimizer.zero_grad))


def _step(observer: Watching, step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def stepped(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        if not observer.watches(optimizer):
            return step(optimizer, *args, **kwargs)
        observer.before_step(optimizer)
        if args or kwargs.get("closure"):
            result = step(optimizer, *args, **kwargs)
        else:
            with observer.aside():
                result = step(optimizer, *args, **kwargs)
        observer.after_step(optimizer)
        return result

    return stepped


def _scheduled(observer: Watching, step: Callable[..., Any]) -> Callable[..., Any]:
    """The line by which a schedule goes on: that of its last step, as its first is made with it."""

    @functools.wraps(step)
    def stepped(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
        if (at := place()) is not None:
            observer.record.lines["schedule"] = at
        return step(scheduler, *args, **kwargs)

    return stepped


def _zero_grad(observer: Watching, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def zeroed(owner: Any, *args: Any, **kwargs: Any) -> Any:
        observer.event("zero_grad")
        return function(owner, *args, **kwargs)

    return zeroed


def _loaders(observer: Watching, hooks: Hooks) -> None:
    loader_init, iterate = DataLoader.__init__, DataLoader.__iter__

    @functools.wraps(loader_init)
    def loader(made: Any, dataset: Any, batch_size: Any = 1, shuffle: Any = None, **options: Any) -> None:
        options["shuffle"] = shuffle
        for treatment in observer.planned:
            treatment.loader(options)
        loader_init(made, dataset, batch_size, **options)
        observer.loader(made)

    def iterated(made: Any) -> Any:
        times = max((treatment.epochs() for treatment in observer.treatments), default=1) if state.grad else 1
        if state.grad and (at := place()) is not None and "islice(" in linecache.getline(*at):
            observer.record.lines["some of"] = (
                at  # the first batches alone, the same in each epoch if none are shuffled
            )
        for _ in range(times):
            with observer.aside():
                batches = iter(iterate(made))
            for number in itertools.count():
                with observer.aside():
                    try:
                        batch = next(batches)
                    except StopIteration:
                        break
                observer.evaluations.loader, observer.evaluations.batch = made, batch
                observer.record.passed += bool(number and state.grad)
                if state.grad and (at := place()) is not None and "next(" in linecache.getline(*at):
                    observer.record.lines["drawn"] = at
                yield batch

    hooks.set(DataLoader, "__init__", loader)
    hooks.set(DataLoader, "__iter__", iterated)


def _losses(observer: Watching, hooks: Hooks) -> None:
    for name in criterion.FUNCTIONS:
        original = getattr(F, name)
        watched = _criterion(observer, name, original)
        hooks.set(F, name, watched)
        for kind in vars(losses).values():
            if isinstance(kind, type) and vars(kind).get("function") is not None and kind.function is original:
                hooks.set(kind, "function", staticmethod(watched))


def _criterion(observer: Watching, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)  # its signature is read by the layer of a loss
    def called(*args: Any, **kwargs: Any) -> Any:
        return observer.criterion(name, function, args, kwargs)

    return called


def _initial(observer: Watching, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        at = place()
        if at is not None and sys._getframe(1).f_code.co_filename == at[0]:
            observer.record.lines.setdefault("init", at)
        return function(*args, **kwargs)

    return called


def _filled(observer: Watching, function: Callable[..., Any]) -> Callable[..., Any]:
    """What fills a tensor with numbers, as in `parameter.data.uniform_(-1, 1)`: how the weights of a layer begin."""

    @functools.wraps(function)
    def called(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        at = place() if not (observer.record.steps or observer.inside) else None
        by_program = at is not None and sys._getframe(1).f_code.co_filename == at[0]
        if at is not None and by_program and observer.parameters.holds(tensor):
            observer.record.lines.setdefault("init", at)
        return function(tensor, *args, **kwargs)

    return called


def _by_hand(observer: Watching, function: Callable[..., Any]) -> Callable[..., Any]:
    """What makes a tensor that is trained, as `torch.ones(3, requires_grad=True)` does."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        notes = observer.parameters
        early = not (observer.record.steps or observer.inside) and len(notes.written) < MOST
        at = place() if early and made.requires_grad and made.is_leaf else None
        if at is not None and sys._getframe(1).f_code.co_filename == at[0]:
            notes.was_written(made, at)
        return made

    return called


def _clip(observer: Watching, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return observer.clip(name, function, args, kwargs)

    return called


def _subclasses(kind: type) -> set[Any]:
    found: set[Any] = set()
    for sub in kind.__subclasses__():
        found |= {sub, *_subclasses(sub)}
    return found
