"""A saved state: whether it fits an optimiser, and a copy of it for the parameters at hand."""

from __future__ import annotations

from typing import Any

from .. import backend
from ..core import Tensor, wrap
from .names import Options

__all__ = ["adopt", "check_state"]


def check_state(optimizer: Any, state_dict: Options) -> None:
    """Refuse the state of another kind of optimiser: a step with it would fail, or go on from the wrong numbers.

    PyTorch lets it pass, and its next step fails by a KeyError, mostly. What a newer version added (an option that is
    off) may be missing, and what is none of an optimiser's (a schedule's ``initial_lr``, a name of the group) may stay.
    """
    kind = type(optimizer)
    if kind.formula is None:
        return
    own = optimizer.defaults
    for place, group in enumerate(state_dict["param_groups"]):
        foreign = sorted(kind.known.intersection(group).difference(own))
        missing = sorted(name for name, default in own.items() if default and name not in group)
        if foreign or missing:
            raise ValueError(
                f"loaded state dict belongs to another kind of optimizer than {kind.__name__}: its group {place} "
                + " and ".join(
                    [f"has {', '.join(foreign)}, which {kind.__name__} has not"] * bool(foreign)
                    + [f"lacks {', '.join(missing)}"] * bool(missing)
                )
            )
    slots = dict(kind._slots)
    groups = state_dict["param_groups"]
    options = {number: group for group in groups for number in group["params"]}
    for number, saved in state_dict["state"].items():
        if not isinstance(saved, dict) or number not in options:
            continue
        needed = {name for name, option in slots.items() if option is None or options[number].get(option)}
        if saved and (set(saved) - set(slots) or needed - set(saved)):
            raise ValueError(
                f"loaded state dict belongs to another kind of optimizer than {kind.__name__}: of parameter {number} "
                f"it remembers {', '.join(map(str, saved))}, but {kind.__name__} needs {', '.join(sorted(needed))}"
            )


def adopt(value: Any, param: Tensor | None, counts: bool, name: str | None = None) -> Any:
    """A copy of one saved value, with the device and dtype of the parameter it belongs to (a counter keeps its own).

    Where the formula `counts` steps, a counter that is a plain number becomes a tensor.
    """
    if isinstance(value, Tensor):
        if param is None or name == "step":
            return value.detach().clone()
        dtype = param.dtype if param.is_floating_point() else value.dtype
        return value.detach().to(device=param.device, dtype=dtype, copy=True)
    if (
        name == "step" and counts and param is not None and isinstance(value, (int, float))
    ):  # as PyTorch before 1.12 counted
        return scalar_beside(param, value)
    if isinstance(value, dict):
        return {key: adopt(item, param, counts, key) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(adopt(item, param, counts) for item in value)
    return value


def scalar_beside(param: Tensor, value: float) -> Tensor:
    """A 0-d float32 tensor, as PyTorch counts steps in, beside the parameter."""
    xp = backend.of_array(param._array).xp
    return wrap(xp.full((), value, xp.float32))
