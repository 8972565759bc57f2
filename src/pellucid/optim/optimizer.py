"""The base class of optimisers: parameter groups, state, checkpoints. A subclass is mostly its formula."""

from __future__ import annotations

import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import wraps
from itertools import chain
from typing import Any

from .. import backend
from ..core import Tensor, enable_grad, no_grad, state, wrap

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

    A subclass hands its hyperparameters to ``super().__init__`` as ``defaults`` and defines
    ``options(group)``, the attributes of its op, and ``update(param, grad, state, options)``, which changes one
    parameter in place; or it defines ``step`` itself, as optimisers written for PyTorch do.

    Raises:
        ValueError: the list of parameters is empty, or a hyperparameter is out of its range.
        TypeError: a single tensor, a set, or something that is not a tensor was given.
    """

    _stepping = False  # whether a step is under way whose hooks have been called

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
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
        """The hyperparameters of a group as `update` wants them: what is the same for all its parameters."""
        return group

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], options: dict[str, Any]) -> None:
        """Change ``param`` in place: the formula. ``state`` is this parameter's own dict, empty at first."""
        raise NotImplementedError(f"{type(self).__name__} must define update(param, grad, state, options), or step()")

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
        """Add a group, ``{"params": [...], "lr": ...}``: to train more layers, or train them differently."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = dict(param_group)
        given = group["params"]
        if isinstance(given, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                "sets will change between runs. Please use a list instead."
            )
        params: list[Any] = [given] if isinstance(given, Tensor) else list(given)
        if params and all(isinstance(param, tuple) for param in params):
            group["param_names"] = [name for name, _ in params]
            params = [param for _, param in params]
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}")
            if param.grad_fn is not None:
                raise ValueError(
                    "can't optimize a non-leaf Tensor: it is computed from others; give the tensors it is computed "
                    "from, or param.detach().requires_grad_()"
                )
        if len({id(param) for param in params}) < len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        taken = {id(param) for other in self.param_groups for param in other["params"]}
        if any(id(param) in taken for param in params):
            raise ValueError("some parameters appear in more than one parameter group")
        group["params"] = params
        for name, default in self.defaults.items():
            group.setdefault(name, default)
        self.param_groups.append(group)

    # --------------------------------------------------------------------------------------------------- state

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {number: ...}, "param_groups": [...]}``, with a number in place of each parameter."""
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
        return {"state": state, "param_groups": packed_groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over hyperparameters and state (copied) from a `state_dict` of an optimiser with the same groups."""
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
        numbers = chain.from_iterable(group["params"] for group in saved_groups)
        params = dict(zip(numbers, chain.from_iterable(group["params"] for group in self.param_groups), strict=True))
        self.state = defaultdict(dict)
        for number, saved in state_dict["state"].items():
            param = params.get(number)
            self.state[number if param is None else param] = _adopt(saved, param, None)
        for saved, own in zip(saved_groups, self.param_groups, strict=True):
            kept = {name: own[name] for name in ("params", "param_names") if name in own}
            defaults = {name: value for name, value in self.defaults.items() if name not in saved}
            own.clear()
            own.update({**saved, **defaults, **kept})

    @staticmethod
    def zeros_like(param: Tensor, value: float = 0.0) -> Tensor:
        """New state of the parameter's shape, dtype and device.

        It is made outside the door: to a recorded step it is memory that was there before, as the parameter is, and
        not something to be made anew in each replay.
        """
        array = param._array
        return wrap(backend.of_array(array).xp.full_like(array, value))

    @staticmethod
    def counter(param: Tensor) -> Tensor:
        """A new count of steps: a 0-d float32 tensor, as in PyTorch."""
        xp = backend.of_array(param._array).xp
        return wrap(xp.zeros((), xp.float32))

    # --------------------------------------------------------------------------------------------- hooks, text

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Any:
        """``hook(optimizer, args, kwargs)`` before each step; ``args`` begins with the optimiser.

        It may return ``(args, kwargs)`` to be used instead. Called also where a subclass defines ``step`` itself.
        """
        return _StepHook(self._step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Any:
        """``hook(optimizer, args, kwargs)`` after each step that did not fail."""
        return _StepHook(self._step_post_hooks, hook)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for place, group in enumerate(self.param_groups):
            text += f"\nParameter Group {place}\n"
            text += "".join(f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params")
        return text + ")"

    def __getstate__(self) -> dict[str, Any]:
        # ``step`` may hold a learning-rate scheduler's wrapper, which refers to this very object.
        return {name: value for name, value in self.__dict__.items() if name != "step"}


class _StepHook:
    def __init__(self, table: OrderedDict[int, Callable[..., Any]], hook: Callable[..., Any]) -> None:
        self._table = table
        table[id(self)] = hook

    def remove(self) -> None:
        self._table.pop(id(self), None)


def _adopt(value: Any, param: Tensor | None, name: str | None) -> Any:
    """A copy of one saved value, with the device and dtype of the parameter it belongs to (a counter keeps its own)."""
    if isinstance(value, Tensor):
        if param is None or name == "step":
            return value.detach().clone()
        dtype = param.dtype if param.is_floating_point() else value.dtype
        return value.detach().to(device=param.device, dtype=dtype, copy=True)
    if isinstance(value, dict):
        return {key: _adopt(item, param, key) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_adopt(item, param, None) for item in value)
    return value


def check_at_least(minimum: float, **values: float) -> None:
    """Refuse a hyperparameter below ``minimum``, in PyTorch's words."""
    for name, value in values.items():
        if not value >= minimum:
            label = {"lr": "learning rate", "eps": "epsilon value"}.get(name, f"{name} value")
            raise ValueError(f"Invalid {label}: {value}: it must be at least {minimum}")


def check_betas(betas: Iterable[float]) -> None:
    """Refuse decay rates outside [0, 1)."""
    for place, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {place}: {beta}: it must be in [0, 1)")


def check_undifferentiable(differentiable: bool) -> None:
    """Say that a step through which gradients flow is not offered."""
    if differentiable:
        raise NotImplementedError(
            "differentiable=True: a step changes parameters in place and no gradient flows through it; write the "
            "update as an expression, new = param - lr * grad, and differentiate that"
        )
