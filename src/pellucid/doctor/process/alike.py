"""Whether values that were seen are those of another time: asked of ten thousands in a pass with a loop in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SMALL = 4096  # bytes, up to which two arrays are compared as bytes first: that takes a tenth of the time


def same(first: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays have one shape and the same numbers, NaN being like NaN.

    >>> same(np.array([1.0, np.nan]), np.array([1.0, np.nan])), same(np.zeros(2), np.zeros((2, 1)))
    (True, False)
    """
    if first is other:
        return True
    if first.shape != other.shape:
        return False
    if first.nbytes <= SMALL and first.dtype == other.dtype and first.tobytes() == other.tobytes():
        return True
    return bool(np.array_equal(first, other)) or bool(np.array_equal(first, other, equal_nan=True))


def same_series(first: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Whether the values of two series are the same, one by one. What a series holds again and again, such as the
    inputs at each turn of a loop, is compared once."""
    if len(first) != len(other):
        return False
    known: set[tuple[int, int]] = set()
    for a, b in zip(first, other, strict=True):
        pair = (id(a), id(b))
        if pair not in known:
            if not same(a, b):
                return False
            known.add(pair)
    return True
