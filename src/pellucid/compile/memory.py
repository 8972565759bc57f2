"""Memory of what a plan hands out: a loss, a gradient.

The caller may keep what it got, so the next run must not write there. Where nobody has it any longer (the references
that Python counts say so; a view counts, too), the same memory is used again: it is still in the processor's cache,
and the system need not be asked for other.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

from pellucid.backend import Array
from pellucid.kernels.calling import address


class Kept:
    """Memory for one value. `places` are the entries of tables that hold its address."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype
        self.array: Array = np.empty(shape, dtype)
        self.places: list[tuple[Any, int]] = []

    def put(self, table: Any, place: int) -> None:
        """Have a table hold the address."""
        self.places.append((table, place))
        table[place] = address(self.array)

    def anew(self) -> Array:
        """New memory, where somebody else has what there was: where `getrefcount(kept.array)` is not `ALONE`."""
        self.array = np.empty(self.shape, self.dtype)
        where = address(self.array)
        for table, place in self.places:
            table[place] = where
        return self.array


def _references() -> int:
    kept = Kept((), np.float32)
    return getrefcount(kept.array)


ALONE = _references()
