"""Comparisons of each pair of elements, tests of each element, and tensors compared as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor, real
from pellucid.declare import TABLE, elementwise, function, op


@elementwise(kind="compare", domain=real(), tensors=("input",), in_place=True)
def eq(xp: Any, input: Any, other: Any) -> Any:
    """Whether each element of `input` equals that of `other`."""
    return input == other


@elementwise(kind="compare", domain=real(), tensors=("input",), in_place=True, aliases=("not_equal",))
def ne(xp: Any, input: Any, other: Any) -> Any:
    """Whether each element of `input` differs from that of `other`."""
    return input != other


@elementwise(kind="compare", domain=real(), tensors=("input",), in_place=True, aliases=("less",))
def lt(xp: Any, input: Any, other: Any) -> Any:
    """Whether each element of `input` is less than that of `other`."""
    return input < other


@elementwise(kind="compare", domain=real(), tensors=("input",), in_place=True, aliases=("less_equal",))
def le(xp: Any, input: Any, other: Any) -> Any:
    """Whether each element of `input` is at most that of `other`."""
    return input <= other


@elementwise(kind="compare", domain=real(), tensors=("input",), in_place=True, aliases=("greater",))
def gt(xp: Any, input: Any, other: Any) -> Any:
    """Whether each element of `input` is greater than that of `other`."""
    return input > other


@elementwise(kind="compare", domain=real(), tensors=("input",), in_place=True, aliases=("greater_equal",))
def ge(xp: Any, input: Any, other: Any) -> Any:
    """Whether each element of `input` is at least that of `other`."""
    return input >= other


@elementwise(kind="compare", domain=real())
def isnan(xp: Any, input: Any) -> Any:
    """Whether each element is NaN."""
    return xp.isnan(input)


@elementwise(kind="compare", domain=real())
def isinf(xp: Any, input: Any) -> Any:
    """Whether each element is infinite."""
    return xp.isinf(input)


@elementwise(kind="compare", domain=real())
def isfinite(xp: Any, input: Any) -> Any:
    """Whether each element is neither infinite nor NaN."""
    return xp.isfinite(input)


@elementwise(kind="compare", domain=real())
def isposinf(xp: Any, input: Any) -> Any:
    """Whether each element is +inf."""
    return input == xp.inf


@elementwise(kind="compare", domain=real())
def isneginf(xp: Any, input: Any) -> Any:
    """Whether each element is -inf."""
    return input == -xp.inf


@op(tensors=("input", "other"))
def isclose(
    xp: Any, input: Any, other: Any, *, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Whether |input - other| <= atol + rtol · |other|, or both are the same infinity (or NaN, with `equal_nan`)."""
    if input.dtype != other.dtype:
        raise RuntimeError(f"isclose: {input.dtype} did not match {other.dtype}; write .to(other.dtype)")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"rtol and atol must be greater than or equal to zero, but got rtol={rtol}, atol={atol}")
    close = input == other
    if equal_nan:
        close = close | (xp.isnan(input) & xp.isnan(other))
    if rtol == 0 and atol == 0:
        return close
    wide = np.float64 if input.dtype.kind in "iu" else input.dtype
    if input.dtype.kind == "b":
        return close
    a, b = input.astype(wide, copy=False), other.astype(wide, copy=False)
    error = xp.abs(a - b)
    return close | (xp.isfinite(error) & (error <= atol + xp.abs(rtol * b)))


@function()
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds for all elements."""
    return bool(TABLE["isclose"](input, other, rtol=rtol, atol=atol, equal_nan=equal_nan).numpy().all())


@function()
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements."""
    if input.dtype is not other.dtype:
        raise RuntimeError(f"Expected object of data type {input.dtype!r} but got {other.dtype!r} for argument 'other'")
    return tuple(input.shape) == tuple(other.shape) and bool(TABLE["eq"](input, other).numpy().all())
