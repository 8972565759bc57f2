"""The base class of optimisers: parameter groups, state, checkpoints. A subclass is its formula and its defaults."""

from __future__ import annotations

import itertools
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from typing import Any, ClassVar

from .. import backend
from ..core import Op, Tensor, apply, enable_grad, no_grad, state, wrap
from ..core.errors import warn
from .hyperparameters import check_state, plain

__all__ = ["Optimizer"]


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """``step`` with the step hooks around it, once, also where a subclass's ``step`` calls that of its base."""

    @wraps(step)
    def with_hooks(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if self._stepping or not (self._step_pre_hooks or self._step_post_hooks):
            return step(self, *args, **kwargs)
        given: tuple[Any, ...] = (self, *args)
        self._stepping = True
        try:
            for hook in list(self._step_pre_hooks.values()):
                changed = hook(self, given, kwargs)
                if changed is not None:
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(
                            "an optimizer's step pre hook must return None or a tuple of (new_args, new_kwargs), "
                            f"but got {changed}."
                        )
                    given, kwargs = changed
            result = step(*given, **kwargs)
        finally:
            self._stepping = False
        for hook in list(self._step_post_hooks.values()):
            hook(self, given, kwargs)
        return result

    return with_hooks


class Optimizer:
    """What every optimiser shares.

    ``param_groups`` is a list of dicts: the key ``"params"`` holds the parameters, the others the hyperparameters
    that apply to them, filled in from ``defaults``. ``state`` holds what the optimiser remembers of each parameter.

    A subclass hands its hyperparameters to ``super().__init__`` as ``defaults`` (with `hyperparameters`, which also
    checks them), and names its ``formula``: an op that changes one parameter in place. Its tensors are the parameter,
    the gradient and then the state, each under its own name; its attributes are the hyperparameters it reads. State
    that only some options need is named in ``needs``, with the option: ``{"momentum_buffer": "momentum"}``.
    State begins as zeros of the parameter's shape; what is a single number is named in ``scalars``, with its first
    value.

    Instead, a subclass may define ``update(param, grad, state, options)``, or ``step`` itself, as optimisers written
    for PyTorch do.

    Raises:
        ValueError: the list of parameters is empty, or a hyperparameter is out of its range.
        TypeError: a single tensor, a set, or something that is not a tensor was given.
    """

    formula: ClassVar[Op | None] = None
    needs: ClassVar[dict[str, str]] = {}
    scalars: ClassVar[dict[str, float]] = {"step": 0.0}
    known: ClassVar[set[str]] = set()  # the hyperparameters of all optimisers with a formula
    _slots: ClassVar[tuple[tuple[str, str | None], ...]] = ()  # each piece of state, and the option that asks for it
    _stepping = False  # whether a step is under way whose hooks have been called

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.formula is not None:
            cls._slots = tuple((name, cls.needs.get(name)) for name in cls.formula.inputs[2:])
            code = cls.__init__.__code__
            Optimizer.known.update(code.co_varnames[2 : code.co_argcount + code.co_kwonlyargcount])
        if "step" in vars(cls):
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got a Tensor: "
                "write [param], or model.parameters()"
            )
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._step_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._step_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._state_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._state_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._load_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        self._load_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
        groups = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list: the model has no parameters (are the layers attributes of "
                "it, or in an nn.ModuleList?), or an iterator over them was already used up"
            )
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    # ------------------------------------------------------------------------------------------------ stepping

    @_with_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; ``closure`` recomputes the loss, which is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        recording, state.grad = state.grad, False  # as no_grad(), in a tenth of the time
        try:
            for group in self.param_groups:
                options = self.options(group)
                for param in group["params"]:
                    grad = param.grad
                    if grad is not None:
                        self.update(param, grad, self.state[param], options)
        finally:
            state.grad = recording
        return loss

    def options(self, group: dict[str, Any]) -> dict[str, Any]:
        """The hyperparameters of a group that the formula reads, as plain numbers."""
        return group if self.formula is None else {name: plain(group[name]) for name in self.formula.attributes}

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], options: dict[str, Any]) -> None:
        """Change ``param`` in place by the formula. ``state`` is this parameter's own dict, empty at first."""
        if self.formula is None:
            raise NotImplementedError(
                f"{type(self).__name__} must define update(param, grad, state, options), or step(), or name its formula"
            )
        held: list[Tensor | None] = []
        for name, option in self._slots:
            if option is not None and not options[option]:
                held.append(None)
                continue
            if state.get(name) is None:
                state[name] = self.begin(name, param)
            held.append(state[name])
        apply(self.formula, (param, grad, *held), options)

    def begin(self, name: str, param: Tensor) -> Tensor:
        """A new piece of state."""
        return self.scalar(param, self.scalars[name]) if name in self.scalars else self.zeros_like(param)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients (or fill them with zeros): they add up otherwise."""
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    if set_to_none:
                        param.grad = None
                    else:
                        with no_grad():
                            param.grad = param.grad.detach().zero_()

    # -------------------------------------------------------------------------------------------------- groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, ``{"params": [...], "lr": ...}``: to train more layers, or train them differently.

        The dict itself becomes the group, with what it lacks filled in.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                "sets will change between runs. Please use a list instead."
            )
        params: list[Any] = [given] if isinstance(given, Tensor) else list(given)
        named = [param for param in params if isinstance(param, tuple)]
        if named and len(named) < len(params):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing: of "
                f"{len(params)} parameters {len(named)} are (name, parameter) pairs"
            )
        if named:
            params = [param for _, param in named]
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}")
            if param.grad_fn is not None and not param.retains_grad:
                raise ValueError(
                    "can't optimize a non-leaf Tensor: it is computed from others; give the tensors it is computed "
                    "from, or param.detach().requires_grad_()"
                )
        if len({id(param) for param in params}) < len(params):
            warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information"
            )
        for group in self.param_groups:
            if ("param_names" in group) != bool(named or "param_names" in param_group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param group "
                    f"{'with' if named else 'without'} names to the optimizer: its other groups are "
                    f"{'without' if named else 'with'}"
                )
        taken = {id(param) for group in self.param_groups for param in group["params"]}
        if any(id(param) in taken for param in params):
            raise ValueError("some parameters appear in more than one parameter group")
        param_group["params"] = params
        if named:
            param_group["param_names"] = [name for name, _ in named]
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        self.param_groups.append(param_group)

    # --------------------------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {number: ...}, "param_groups": [...]}``, with a number in place of each parameter."""
        for hook in list(self._state_pre_hooks.values()):
            hook(self)
        numbers: dict[int, int] = {}
        packed_groups = []
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            packed = {name: value for name, value in group.items() if name != "params"}
            packed_groups.append({**packed, "params": [numbers[id(param)] for param in group["params"]]})
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: value for key, value in self.state.items() if value
        }
        packed = {"state": state, "param_groups": packed_groups}
        for hook in list(self._state_post_hooks.values()):
            changed = hook(self, packed)
            packed = packed if changed is None else changed
        return packed

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over hyperparameters and state (copied) from a `state_dict` of an optimiser with the same groups.

        Raises:
            ValueError: other groups, or the state of another kind of optimiser; the message says what differs.
        """
        state_dict = dict(state_dict)
        for hook in list(self._load_pre_hooks.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(saved_groups) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved_groups)}, but this optimizer has {len(self.param_groups)}"
            )
        for place, (saved, own) in enumerate(zip(saved_groups, self.param_groups, strict=True)):
            if len(saved["params"]) != len(own["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                    f"group {place} has {len(saved['params'])} parameters there and {len(own['params'])} here"
                )
        check_state(self, state_dict)
        numbers = itertools.chain.from_iterable(group["params"] for group in saved_groups)
        params = dict(
            zip(numbers, itertools.chain.from_iterable(group["params"] for group in self.param_groups), strict=True)
        )
        self.state = defaultdict(dict)
        for number, saved in state_dict["state"].items():
            param = params.get(number)
            self.state[number if param is None else param] = _adopt(saved, param, None)
        for saved, own in zip(saved_groups, self.param_groups, strict=True):
            kept = {name: own[name] for name in ("params", "param_names") if name in own}
            defaults = {name: value for name, value in self.defaults.items() if name not in saved}
            own.clear()
            own.update({**saved, **defaults, **kept})
        for hook in list(self._load_post_hooks.values()):
            hook(self)

    @staticmethod
    def zeros_like(param: Tensor, value: float = 0.0) -> Tensor:
        """New state of the parameter's shape, dtype and device.

        It is made outside the door: to a recorded step it is memory that was there before, as the parameter is, and
        not something to be made anew in each replay.
        """
        array = param._array
        return wrap(backend.of_array(array).xp.full_like(array, value))

    @staticmethod
    def scalar(param: Tensor, value: float) -> Tensor:
        """New state that is one number: a 0-d float32 tensor, as in PyTorch."""
        xp = backend.of_array(param._array).xp
        return wrap(xp.full((), value, xp.float32))

    # --------------------------------------------------------------------------------------------- hooks, text

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Any:
        """``hook(optimizer, args, kwargs)`` before each step; ``args`` begins with the optimiser.

        It may return ``(args, kwargs)`` to be used instead. Called also where a subclass defines ``step`` itself.
        """
        return _Hook(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Any:
        """``hook(optimizer, args, kwargs)`` after each step that did not fail."""
        return _Hook(self._step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Any:
        """``hook(optimizer)`` before `state_dict` collects."""
        return _Hook(self._state_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Any:
        """``hook(optimizer, state_dict)`` after `state_dict` has collected; what it returns is used instead."""
        return _Hook(self._state_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Any:
        """``hook(optimizer, state_dict)`` before a load, with a shallow copy; what it returns is used instead."""
        return _Hook(self._load_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Any:
        """``hook(optimizer)`` after a load."""
        return _Hook(self._load_post_hooks, hook, prepend)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for place, group in enumerate(self.param_groups):
            text += f"\nParameter Group {place}\n"
            text += "".join(f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params")
        return text + ")"

    def __getstate__(self) -> dict[str, Any]:
        # ``step`` may hold a learning-rate scheduler's wrapper, which refers to this very object.
        return {name: value for name, value in self.__dict__.items() if name != "step"}


class _Hook:
    """What registering a hook returns: ``remove()`` takes it away again."""

    _numbers = itertools.count()

    def __init__(
        self, table: OrderedDict[int, Callable[..., Any]], hook: Callable[..., Any], prepend: bool = False
    ) -> None:
        self._table, self._number = table, next(self._numbers)
        table[self._number] = hook
        if prepend:
            table.move_to_end(self._number, last=False)

    def remove(self) -> None:
        self._table.pop(self._number, None)


def _adopt(value: Any, param: Tensor | None, name: str | None) -> Any:
    """A copy of one saved value, with the device and dtype of the parameter it belongs to (a counter keeps its own)."""
    if isinstance(value, Tensor):
        if param is None or name == "step":
            return value.detach().clone()
        dtype = param.dtype if param.is_floating_point() else value.dtype
        return value.detach().to(device=param.device, dtype=dtype, copy=True)
    if name == "step" and param is not None and isinstance(value, (int, float)):  # as PyTorch before 1.12 counted
        return Optimizer.scalar(param, value)
    if isinstance(value, dict):
        return {key: _adopt(item, param, key) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_adopt(item, param, None) for item in value)
    return value
