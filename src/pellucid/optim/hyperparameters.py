"""Hyperparameters: the ranges that are refused, and whether saved ones fit."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from .names import Options

__all__ = ["check_ranges"]

# The least value of what is called so in every optimiser.
_NOT_NEGATIVE = (
    "lr",
    "eps",
    "momentum",
    "weight_decay",
    "lr_decay",
    "momentum_decay",
    "initial_accumulator_value",
    "l1",
)
_LABELS = {"lr": "learning rate", "eps": "epsilon value"}


def check_ranges(given: Options) -> None:
    """Refuse hyperparameters that are out of their range in every optimiser that has them.

    Raises:
        ValueError: one of them is out of its range, or is a tensor of more than one element.
        RuntimeError: ``fused`` together with ``foreach`` or ``differentiable``.
    """
    lr = given.get("lr")
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError(f"Tensor lr must be 1-element, but got one of shape {tuple(lr.shape)}")
    for name in _NOT_NEGATIVE:
        if name in given and not isinstance(given[name], tuple):
            at_least(0.0, **{name: given[name]})
    for place, beta in enumerate(given.get("betas", ())):
        if isinstance(beta, Tensor) and beta.numel() != 1:
            raise ValueError(f"Tensor betas[{place}] must be 1-element, but got one of shape {tuple(beta.shape)}")
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {place}: {beta}: it must be in [0, 1)")
    if given.get("fused") and given.get("differentiable"):
        raise RuntimeError("`fused` does not support `differentiable`")
    if given.get("fused") and given.get("foreach"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def at_least(minimum: float, **values: Any) -> None:
    """Refuse a hyperparameter below ``minimum``, in PyTorch's words."""
    for name, value in values.items():
        if not value >= minimum:
            raise ValueError(f"Invalid {_LABELS.get(name, f'{name} value')}: {value}: it must be at least {minimum}")


AS_IT_IS = frozenset((float, int, bool, str, type(None)))  # types that `plain` leaves alone


def plain(value: Any) -> Any:
    """A hyperparameter as a number (or a flag, or a tuple of numbers), whatever it was given as.

    A NumPy scalar or a tensor would have its own dtype, which mixes with that of the parameters.
    """
    if type(value) is float or value is None or isinstance(value, (bool, int, str)):
        return value
    return tuple(plain(item) for item in value) if isinstance(value, (tuple, list)) else float(value)
