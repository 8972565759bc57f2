"""The base class of optimisers: parameter groups, state, checkpoints. A subclass is its formula and its defaults."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar

from .. import backend
from ..core import Tensor, apply, enable_grad, no_grad, state, wrap
from ..declare import Op
from ..errors import warn
from ..kernels.optimisers import DType, Loop
from ..sparse import SparseTensor
from ..types.bfloat16 import filled
from .constructor import constructor
from .differentiable import follow
from .hooks import (
    OptimizerHooks,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
    with_hooks,
)
from .hyperparameters import AS_IT_IS, plain
from .names import Options
from .saved import adopt, check_state, scalar_beside
from .together import update_together

ParamsT = Collection[object]  # what an optimiser takes: parameters, groups, or pairs of names and parameters


class _Required:
    """The default of a hyperparameter that each group must be given, in optimisers that programs bring with them."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]


class Optimizer(OptimizerHooks):
    """What every optimiser shares.

    ``param_groups`` is a list of dicts: the key ``"params"`` holds the parameters, the others the hyperparameters
    that apply to them, filled in from ``defaults``. ``state`` holds what the optimiser remembers of each parameter.

    A subclass names its ``formula``: an op that changes one parameter in place. Its tensors are the parameter, the
    gradient and then the state, each under its own name; its attributes are the hyperparameters, with their defaults,
    in the order of the constructor, which is made from them: the first ``by_position`` may be given by position.
    Those that only choose between implementations in PyTorch (``foreach``, ``fused``, ``capturable``) are declared,
    kept in the groups, and not read. ``check`` refuses what no range common to all optimisers does. State
    that only some options need is named in ``needs``, with the option: ``{"momentum_buffer": "momentum"}``.
    State begins as zeros of the parameter's shape; what is a single number is named in ``scalars``, with its first
    value. A subclass of such a class may have ``own_defaults``, and hyperparameters that are ``fixed``.

    With ``differentiable=True`` the same formula runs on tensors, and a gradient flows through the step.

    Instead, a subclass may hand its ``defaults`` to ``super().__init__`` and define ``update(param, grad, state,
    options)``, or ``step`` itself, as optimisers written for PyTorch do.

    Raises:
        ValueError: the list of parameters is empty, or a hyperparameter is out of its range.
        TypeError: a single tensor, a set, or something that is not a tensor was given.
    """

    formula: ClassVar[Op | None] = None
    by_position: ClassVar[int] = 0
    own_defaults: ClassVar[Options] = {}
    fixed: ClassVar[Options] = {}
    stored_first: ClassVar[str] = ""  # hyperparameters as PyTorch's groups have them, where that is another order
    needs: ClassVar[dict[str, str]] = {}
    scalars: ClassVar[dict[str, float]] = {"step": 0.0}
    needs_closure: ClassVar[bool] = False  # whether a step computes the loss and the gradients anew
    foreach_follows: ClassVar[bool] = False  # whether PyTorch's foreach=True and differentiable=True go together
    known: ClassVar[set[str]] = set()  # the hyperparameters of all optimisers with a formula
    _has_loop: ClassVar[bool] = False  # whether `at_once` may give one
    _slots: ClassVar[tuple[tuple[str, str | None], ...]] = ()  # each piece of state, and the option that asks for it

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.formula is not None:
            cls._slots = tuple((name, cls.needs.get(name)) for name in cls.formula.inputs[2:])
            Optimizer.known.update(cls.formula.attributes)
            if "__init__" not in vars(cls) and {"formula", "own_defaults", "fixed"} & set(vars(cls)):
                cls.__init__ = constructor(cls)  # type: ignore[method-assign]
        if {"formula", "update"} & set(vars(cls)) and "at_once" not in vars(cls):
            cls.at_once = Optimizer.at_once  # its base's loop is not what it does
        cls._has_loop = cls.at_once is not Optimizer.at_once
        if "step" in vars(cls):
            cls.step = with_hooks(cls.step)  # type: ignore[method-assign]

    if TYPE_CHECKING:  # each optimiser's constructor is made from its formula, which a type checker does not follow

        def __init__(self, params: object, *defaults: object, **hyperparameters: object) -> None: ...

    else:

        def __init__(self, params: object, defaults: Options) -> None:
            self._begin(params, defaults)

    def _begin(self, params: Any, defaults: Options) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got a Tensor: "
                "write [param], or model.parameters()"
            )
        self.defaults = defaults
        self.state: defaultdict[Any, Options] = defaultdict(dict)
        self.param_groups: list[Options] = []
        self._without_hooks()
        groups = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list: the model has no parameters (are the layers attributes of "
                "it, or in an nn.ModuleList?), or an iterator over them was already used up"
            )
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    @staticmethod
    def check(given: Options) -> None:
        """Refuse hyperparameters that this optimiser cannot work with; the common ranges are checked after it."""

    # ------------------------------------------------------------------------------------------------ stepping

    @with_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient; ``closure`` recomputes the loss, which is returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        recording = state.grad  # as set_grad_enabled(...), in a tenth of the time
        state.grad = bool(self.defaults.get("differentiable"))
        try:
            for group in self.param_groups:
                options = self.options(group)
                if self._has_loop and update_together(self, group, options):
                    continue
                for param in group["params"]:
                    grad = param.grad
                    if grad is None:
                        continue
                    if grad.is_sparse:
                        self.update_sparse(param, grad.coalesce(), self.state[param], options)
                    else:
                        self.update(param, grad, self.state[param], options)
        finally:
            state.grad = recording
        return loss

    def options(self, group: Options) -> Options:
        """The hyperparameters of a group that the formula has, as plain numbers; differentiable ones stay tensors."""
        formula = type(self).formula
        if formula is None:
            return group
        if group.get("capturable") and not group.get("fused"):
            raise AssertionError(
                "If capturable=True, params and state_steps must be on supported devices: there is none here, since "
                "capturing a step in a graph of CUDA is what the flag is for; leave it out"
            )
        if self.defaults.get("differentiable"):
            if group.get("foreach") and not self.foreach_follows:
                raise AssertionError("_foreach ops don't support autograd: give foreach=True or differentiable=True")
            return {name: group[name] for name in formula.attributes}
        return {name: v if type(v := group[name]) in AS_IT_IS else plain(v) for name in formula.attributes}

    def update(self, param: Tensor, grad: Tensor, state: Options, options: Options) -> None:
        """Change ``param`` in place by the formula. ``state`` is this parameter's own dict, empty at first."""
        if self.formula is None:
            raise NotImplementedError(
                f"{type(self).__name__} must define update(param, grad, state, options), or step(), or name its formula"
            )
        held: list[Tensor | None] = []
        new = not state
        for name, option in self._slots:
            if option is not None and not options[option]:
                held.append(None)
                continue
            if state.get(name) is None:
                state[name] = self.begin(name, param)
            held.append(state[name])
        if options.get("differentiable"):
            follow(self.formula, (param, grad, *held), options, self.constants(new))
        else:
            apply(self.formula, (param, grad, *held), options)

    def at_once(self, dtype: DType, steps: float, options: Options) -> Loop | None:
        """The loop of a kernel, with its numbers, that is `update` for a parameter in its step number `steps`."""
        return None

    def update_sparse(self, param: Tensor, grad: SparseTensor, state: Options, options: Options) -> None:
        """Change the rows of ``param`` that a sparse gradient has, each coordinate of it coming once."""
        name = "Adam" if type(self).__name__ == "AdamW" else type(self).__name__  # in PyTorch Adam itself says it
        raise RuntimeError(f"{name} does not support sparse gradients, please consider SparseAdam instead")

    def constants(self, new: bool) -> frozenset[int]:
        """The inputs of the formula through which no gradient flows, in the first step of a parameter (``new``)."""
        return frozenset()

    def begin(self, name: str, param: Tensor) -> Tensor:
        """A new piece of state."""
        return self.scalar(param, self.scalars[name]) if name in self.scalars else self.zeros_like(param)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients (or fill them with zeros): they add up otherwise."""
        for group in self.param_groups:
            for param in group["params"]:
                if param._grad is not None:
                    if set_to_none:
                        param._grad = None
                    else:
                        with no_grad():
                            param.grad = param.grad.detach().zero_()

    # -------------------------------------------------------------------------------------------------- groups

    def add_param_group(self, param_group: Options) -> None:
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
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)
        self.param_groups.append(param_group)

    # --------------------------------------------------------------------------------------------------- state

    def state_dict(self) -> Options:
        """``{"state": {number: ...}, "param_groups": [...]}``, with a number in place of each parameter."""
        for hook in list(self._state_pre_hooks.values()):
            hook(self)
        numbers: dict[int, int] = {}
        packed_groups = []
        for group in self.param_groups:
            for param in group["params"]:
                numbers.setdefault(id(param), len(numbers))
            packed = {name: value for name, value in group.items() if name != "params"}
            if not packed.get("l1") and not self.defaults.get("l1"):
                packed.pop("l1", None)  # PyTorch has no l1, and programs print a state
            packed_groups.append({**packed, "params": [numbers[id(param)] for param in group["params"]]})
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: value for key, value in self.state.items() if value
        }
        packed = {"state": state, "param_groups": packed_groups}
        for hook in list(self._state_post_hooks.values()):
            changed = hook(self, packed)
            packed = packed if changed is None else changed
        return packed

    def load_state_dict(self, state_dict: Options) -> None:
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
            self.state[number if param is None else param] = adopt(saved, param, "step" in dict(self._slots))
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
        xp = backend.of_array(array).xp
        return wrap(
            xp.full_like(array, value) if array.dtype.kind != "V" else filled(xp, array.shape, value, array.dtype)
        )

    @staticmethod
    def zeros(param: Tensor, shape: tuple[int, ...]) -> Tensor:
        """New state of another shape than the parameter's."""
        array = param._array
        return wrap(backend.of_array(array).xp.zeros(shape, array.dtype))

    @staticmethod
    def scalar(param: Tensor, value: float) -> Tensor:
        """New state that is one number: a 0-d float32 tensor, as in PyTorch."""
        return scalar_beside(param, value)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for place, group in enumerate(self.param_groups):
            text += f"\nParameter Group {place}\n"
            shown = {name for name in group if name != "params" and (name != "l1" or group[name])}  # PyTorch has no l1
            text += "".join(f"    {name}: {group[name]}\n" for name in sorted(shown))
        return text + ")"

    def __getstate__(self) -> Options:
        # Not the hooks, as in PyTorch; and ``step`` may hold a scheduler's wrapper, which refers to this very object.
        state = {
            name: value
            for name, value in vars(self).items()
            if name != "step" and not name.endswith("_hooks") and name != "_together"
        }
        groups = [self.defaults, *self.param_groups]
        if any(group.get("l1") for group in groups):
            return state
        defaults, *groups = [{name: value for name, value in group.items() if name != "l1"} for group in groups]
        return {**state, "defaults": defaults, "param_groups": groups}  # PyTorch has no l1

    def __setstate__(self, state: Options) -> None:
        self._without_hooks()
        self.__dict__.update(state)
        for group in (self.defaults, *self.param_groups):
            group.setdefault("l1", 0)
        self.defaults.setdefault("differentiable", False)
