"""Logic of each element: on truth values, and on the bits of integers."""

from __future__ import annotations

from typing import Any

from pellucid.core import integers, real
from pellucid.declare import elementwise

from .elements import is_bool, refuse_bools, refuse_floats


@elementwise(kind="compare", domain=real(), tensors=("input", "other"), in_place=True)
def logical_and(xp: Any, input: Any, other: Any) -> Any:
    """Whether both elements are not 0."""
    return xp.logical_and(input, other)


@elementwise(kind="compare", domain=real(), tensors=("input", "other"), in_place=True)
def logical_or(xp: Any, input: Any, other: Any) -> Any:
    """Whether one element or both are not 0."""
    return xp.logical_or(input, other)


@elementwise(kind="compare", domain=real(), tensors=("input", "other"), in_place=True)
def logical_xor(xp: Any, input: Any, other: Any) -> Any:
    """Whether exactly one of both elements is not 0."""
    return xp.logical_xor(input, other)


@elementwise(kind="compare", domain=real(), in_place=True)
def logical_not(xp: Any, input: Any) -> Any:
    """Whether the element is 0."""
    return xp.logical_not(input)


@elementwise(kind="arith", domain=integers(), in_place=True)
def bitwise_and(xp: Any, input: Any, other: Any) -> Any:
    """The bits that both integers have; for bools, their conjunction."""
    refuse_floats("bitwise_and", input, other)
    return input & other


@elementwise(kind="arith", domain=integers(), in_place=True)
def bitwise_or(xp: Any, input: Any, other: Any) -> Any:
    """The bits that one of both integers has; for bools, their disjunction."""
    refuse_floats("bitwise_or", input, other)
    return input | other


@elementwise(kind="arith", domain=integers(), in_place=True)
def bitwise_xor(xp: Any, input: Any, other: Any) -> Any:
    """The bits that exactly one of both integers has; for bools, whether they differ."""
    refuse_floats("bitwise_xor", input, other)
    return input ^ other


@elementwise(kind="arith", domain=integers(), in_place=True)
def bitwise_not(xp: Any, input: Any) -> Any:
    """All bits of each integer turned over; for bools, their negation."""
    if not is_bool(input):
        refuse_floats("bitwise_not", input)
    return ~input


@elementwise(kind="arith", domain=integers(), in_place=True)
def bitwise_left_shift(xp: Any, input: Any, other: Any) -> Any:
    """input · 2^other, the bits moved to the left; 0 where all are moved out."""
    refuse_floats("bitwise_left_shift", input, other)
    refuse_bools("bitwise_left_shift", input, other)
    return xp.left_shift(input, other)


@elementwise(kind="arith", domain=integers(), in_place=True)
def bitwise_right_shift(xp: Any, input: Any, other: Any) -> Any:
    """input / 2^other rounded down, the bits moved to the right."""
    refuse_floats("bitwise_right_shift", input, other)
    refuse_bools("bitwise_right_shift", input, other)
    return xp.right_shift(input, other)
