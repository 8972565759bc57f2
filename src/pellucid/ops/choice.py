"""Choice between elements: by a condition, by size, by a bound."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core import Tensor, real, result_type
from pellucid.declare import TABLE, elementwise, function
from pellucid.errors import warn
from pellucid.kernels import choice as native
from pellucid.kernels.elementwise import hardtanh
from pellucid.types.dtypes import number_in

from .elements import check_number, check_numbers, is_integral
from .node_names import by_operand, clamped


@elementwise(name="where", kind="arith", promotes=("input", "other"), numbers=True, method=False, public=False)
def choose(xp: Any, condition: Any, input: Any, other: Any) -> Any:
    """The element of `input` where the condition holds, else that of `other`."""
    made = native.where(condition, input, other)
    return xp.where(condition, input, other) if made is None else made


# The branch not taken gets 0, whatever the gradient is: a NaN from there must not come back.
choose.vjp(
    input=lambda m, g, condition: m.where(condition, g, 0),
    other=lambda m, g, condition: m.where(condition, 0, g),
)


def _where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`where(condition, input, other)`: the element of `input` where the condition holds, else that of `other`.

    `where(condition)` alone: the indices where it holds, a tensor for each dimension, as `nonzero(as_tuple=True)`.
    Raises RuntimeError for a condition that is not bool.

    >>> from pellucid import tensor, where
    >>> where(tensor([True, False]), tensor([1.0, 2.0]), 0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)  # pyright: ignore[reportAttributeAccessIssue]
    if input is None or other is None:
        raise TypeError("where() takes a condition alone, or a condition, an input and an other")
    kind = condition.dtype.numpy
    if kind == np.uint8:
        warn(
            "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future "
            "version of PyTorch. Use a boolean condition instead."
        )
        condition = condition.bool()  # pyright: ignore[reportAttributeAccessIssue]
    elif kind.kind != "b":
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype!r}; "
            "write condition.bool() or condition != 0"
        )
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        kind = result_type(input, other).numpy
        for value in (input, other):
            if not isinstance(value, Tensor):
                number_in(value, kind)
    return TABLE["where"](condition, input, other)


function(method=False, name="where")(_where)


@function(public=False, name="where")
def where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor's element where the condition holds, else that of `other`."""
    return _where(condition, self, other)


# --- by size ---------------------------------------------------------------------------------------------------------
# At a tie, each of both gets half of the gradient.


@elementwise(kind="arith", domain=real(), tensors=("input", "other"))
def maximum(xp: Any, input: Any, other: Any) -> Any:
    """The larger of each pair of elements; NaN if one is. Equal elements share the gradient."""
    return xp.maximum(input, other)


@elementwise(kind="arith", domain=real(), tensors=("input", "other"))
def minimum(xp: Any, input: Any, other: Any) -> Any:
    """The smaller of each pair of elements; NaN if one is. Equal elements share the gradient."""
    return xp.minimum(input, other)


def _shared(m: Any, g: Any, own: Any, other: Any, loses: Any) -> Any:
    return m.where(loses, 0, m.where(own == other, g / 2, g))


maximum.vjp(
    input=lambda m, g, input, other: _shared(m, g, input, other, input < other),
    other=lambda m, g, input, other: _shared(m, g, input, other, input > other),
)
minimum.vjp(
    input=lambda m, g, input, other: _shared(m, g, input, other, input > other),
    other=lambda m, g, input, other: _shared(m, g, input, other, input < other),
)


@elementwise(kind="arith", domain=real(), tensors=("input", "other"))
def fmax(xp: Any, input: Any, other: Any) -> Any:
    """The larger of each pair of elements, the one that is not NaN if one is. At a tie, input gets the gradient."""
    return xp.fmax(input, other)


@elementwise(kind="arith", domain=real(), tensors=("input", "other"))
def fmin(xp: Any, input: Any, other: Any) -> Any:
    """The smaller of each pair of elements, the one that is not NaN if one is. At a tie, input gets the gradient."""
    return xp.fmin(input, other)


fmax.vjp(
    input=lambda m, g, input, other: m.where((input >= other) | m.isnan(other), g, 0),
    other=lambda m, g, input, other: m.where((input >= other) | m.isnan(other), 0, g),
)
fmin.vjp(
    input=lambda m, g, input, other: m.where((input <= other) | m.isnan(other), g, 0),
    other=lambda m, g, input, other: m.where((input <= other) | m.isnan(other), 0, g),
)


# --- by bounds -------------------------------------------------------------------------------------------------------


@elementwise(
    kind="arith", check=check_numbers, tensors=("input",), node=clamped, in_place="function", aliases=("clip",)
)
def clamp(xp: Any, input: Any, min: Any = None, max: Any = None) -> Any:
    """Each element brought between `min` and `max`: numbers or tensors, one of them may be None. NaN stays NaN.

    Where min > max, the result is max. The gradient passes within the bounds and at them. Raises RuntimeError without
    any bound.

    >>> from pellucid import tensor
    >>> clamp(tensor([-2.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    for bound in (min, max):
        check_number(bound, input.dtype)
    if isinstance(min, int | float) and isinstance(max, int | float) and min <= max:
        made = hardtanh(input, numbers=(min, max))
        if made is not None:
            return made
    if min is not None:
        input = xp.maximum(input, min)
    return input if max is None else xp.minimum(input, max)


def _within(m: Any, g: Any, input: Any, min: Any, max: Any) -> Any:
    if max is None:
        return m.where(input >= min, g, 0)
    if min is None:
        return m.where(input <= max, g, 0)
    return m.where((input >= min) & (input <= max), g, 0)


def _at_min(m: Any, g: Any, input: Any, min: Any, max: Any) -> Any:
    return m.where(input < min if max is None else (input < min) & (min < max), g, 0)


def _at_max(m: Any, g: Any, input: Any, min: Any, max: Any) -> Any:
    return m.where(input > max if min is None else (input > max) | (max < min), g, 0)


clamp.vjp(input=_within, min=_at_min, max=_at_max)


@elementwise(
    kind="arith", domain=real(), check=check_numbers, tensors=("input",), node=by_operand("ClampMin"),
    in_place="function",
)  # fmt: skip
def clamp_min(xp: Any, input: Any, min: Any) -> Any:
    """Each element, or `min` where that is larger."""
    check_number(min, input.dtype)
    return xp.maximum(input, min)


clamp_min.vjp(
    input=lambda m, g, input, min: m.where(input >= min, g, 0),
    min=lambda m, g, input, min: m.where(input < min, g, 0),
)


@elementwise(
    kind="arith", domain=real(), check=check_numbers, tensors=("input",), node=by_operand("ClampMax"),
    in_place="function",
)  # fmt: skip
def clamp_max(xp: Any, input: Any, max: Any) -> Any:
    """Each element, or `max` where that is smaller."""
    check_number(max, input.dtype)
    return xp.minimum(input, max)


clamp_max.vjp(
    input=lambda m, g, input, max: m.where(input <= max, g, 0),
    max=lambda m, g, input, max: m.where(input > max, g, 0),
)


@elementwise(kind="arith", domain=real(), in_place="function")
def nan_to_num(
    xp: Any, input: Any, *, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """`nan` (0) in place of NaN, `posinf` and `neginf` (the largest finite numbers) in place of the infinities."""
    if is_integral(input):
        return input.copy()
    info = np.finfo(input.dtype)
    high, low = info.max if posinf is None else posinf, info.min if neginf is None else neginf
    out = xp.where(input == math.inf, input.dtype.type(high), input)
    out = xp.where(input == -math.inf, input.dtype.type(low), out)
    return xp.where(xp.isnan(input), input.dtype.type(nan or 0.0), out)


nan_to_num.vjp(input=lambda m, g, input: m.where(m.isfinite(input), g, 0))
