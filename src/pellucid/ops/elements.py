"""What the elementwise chapters share: the kinds of numbers, and float16 computed in float32."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core import result_type
from pellucid.types.dtypes import number_in

Forward = Callable[..., Any]

_NUMBERS = frozenset((bool, int, float))
_HALF, _LARGEST_HALF = np.dtype(np.float16), 65504.0


def is_bool(value: Any) -> bool:
    """Whether an argument (an array, a tensor or a number) is of bools."""
    return isinstance(value, bool) or kind_of(value) == "b"


def is_integral(*values: Any) -> bool:
    """Whether all arguments are of integers or bools."""
    return all(kind_of(value) in "iub" if hasattr(value, "dtype") else isinstance(value, int) for value in values)


def kind_of(value: Any) -> str:
    """NumPy's letter for the kind of an array's or a tensor's dtype; empty for a number."""
    dtype = getattr(value, "dtype", None)
    return "" if dtype is None else getattr(dtype, "numpy", dtype).kind


def refuse_floats(name: str, *values: Any) -> None:
    """Raise for an op on the bits of integers that was given floating-point numbers."""
    if not is_integral(*values):
        raise NotImplementedError(f"{name} is not implemented for floating-point numbers; write .to(pellucid.int64)")


def refuse_bools(name: str, *values: Any) -> None:
    """Raise for an op that PyTorch does not have for bools alone."""
    if all(is_bool(value) for value in values):
        raise NotImplementedError(f"{name} is not implemented for bool tensors; write .to(pellucid.int64)")


def check_number(value: Any, kind: Any) -> None:
    """Raise for a number that the type cannot hold: as `number_in`, and for one that float16 would make infinite.

    PyTorch lets `tensor(70000.0, dtype=float16)` be infinite, and refuses to fill with the number.
    """
    if not isinstance(value, int | float):
        return
    number_in(value, kind)
    if kind == _HALF and math.isfinite(value) and abs(value) > _LARGEST_HALF:
        raise RuntimeError(
            f"value cannot be converted to type {kind} without overflow: {value} is larger than {_LARGEST_HALF}; "
            "choose a wider dtype"
        )


def check_numbers(*values: Any) -> None:
    """Raise for a number among the tensors and numbers that the dtype they mix to cannot hold, as `check_number`."""
    kind = result_type(*[value for value in values if value is not None]).numpy
    for value in values:
        check_number(value, kind)


def half_and_number(input: Any, other: Any) -> bool:
    """Whether one operand is of float16 and the other a Python number, which float16 need not have.

    PyTorch computes such a pair in float32: 60000 / 70000 is 0.857.
    """
    if other.__class__ in _NUMBERS:
        return getattr(input, "dtype", None) is _HALF
    return input.__class__ in _NUMBERS and other.dtype is _HALF


def with_numbers(forward: Forward) -> Forward:
    """Compute a forward of two operands in float32 where `half_and_number` holds."""
    wide = in_float32(forward)

    @functools.wraps(forward)
    def computed(xp: Any, input: Any, other: Any) -> Any:
        return (wide if half_and_number(input, other) else forward)(xp, input, other)

    return computed


def in_float32(forward: Forward) -> Forward:
    """Compute a forward of several steps in float32 where it is given float16, and round once."""

    @functools.wraps(forward)
    def computed(xp: Any, input: Any, *others: Any, **attributes: Any) -> Any:
        if getattr(input, "dtype", None) != np.float16 and not any(
            getattr(other, "dtype", None) == np.float16 for other in others
        ):
            return forward(xp, input, *others, **attributes)
        arrays = [tensor.astype(np.float32) if hasattr(tensor, "dtype") else tensor for tensor in (input, *others)]
        return xp.asarray(forward(xp, *arrays, **attributes)).astype(np.float16)

    return computed
