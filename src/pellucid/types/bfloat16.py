"""bfloat16, which NumPy lacks: how its numbers are kept, and how they come from the types that NumPy has.

A bfloat16 is the upper half of a float32: its sign, its 8 bits of exponent and 7 of the 23 bits of its fraction. It is
kept in 2 bytes of NumPy's type `V2`, with which nothing can be computed: what would take the bits for another number
fails. All numbers of bfloat16 are numbers of float32, and computing is done there (`core.narrow`).

Kalamkar et al. (2019), A Study of BFLOAT16 for Deep Learning Training: https://arxiv.org/abs/1905.12322
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.backend import Array

BITS = np.dtype("V2")
"""NumPy's type of the arrays that hold bfloat16; the only one of kind "V" here."""

_NAN = 0xFFFF  # as PyTorch's vector code has it


def is_narrow(array: Any) -> bool:
    """Whether `array` is an array of bfloat16."""
    if type(array) is np.ndarray:
        return array.dtype.kind == "V"
    kind = getattr(array, "dtype", None)
    return isinstance(kind, np.dtype) and kind.kind == "V"


def widened(array: Array) -> Array:
    """The numbers of an array of bfloat16 as float32, exactly."""
    made = np.empty_like(array, np.float32)
    np.left_shift(array.view(np.uint16), np.uint32(16), out=made.view(np.uint32))
    return made


def rounded(array: Array) -> Array:
    """Numbers of any type as bfloat16: the nearest one, of two equally near the one whose last bit is 0.

    float64 and integers are rounded to float32 before, as in PyTorch.

    >>> widened(rounded(np.array([1 + 2**-8, 1 + 3 * 2**-8, np.inf])))
    array([1.      , 1.015625,      inf], dtype=float32)
    """
    with np.errstate(all="ignore"):
        wide = np.asarray(array.real if array.dtype.kind == "c" else array).astype(np.float32)
    bits = wide.view(np.uint32)
    made = np.empty_like(wide, BITS)
    half = made.view(np.uint16)
    half[...] = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) >> np.uint32(16)
    half[np.isnan(wide)] = _NAN
    return made


def filled(xp: Any, shape: Any, value: float, kind: np.dtype[Any]) -> Array:
    """`xp.full(shape, value, kind)`, where the type may be bfloat16."""
    return rounded(np.full(shape, value, np.float32)) if kind.kind == "V" else xp.full(shape, value, kind)


def converted(array: Array, kind: np.dtype[Any]) -> Array:
    """`array.astype(kind)`, where either may be bfloat16; always a copy."""
    if array.dtype.kind == "V":
        return array.copy() if kind.kind == "V" else widened(array).astype(kind, copy=False)
    return rounded(array) if kind.kind == "V" else array.astype(kind)
