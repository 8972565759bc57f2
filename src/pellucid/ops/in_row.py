"""Several arrays in a row, for ops that have several results of which a gradient may ask for any."""

from __future__ import annotations

import math
from typing import Any


def in_row(m: Any, *arrays: Any) -> Any:
    """One vector: the arrays one behind the other."""
    return m.cat(*[m.reshape(array, shape=(-1,)) for array in arrays], dim=0)


def out_of_row(m: Any, row: Any, *shapes: tuple[int, ...]) -> list[Any]:
    """What `in_row` put together, as views."""
    made: list[Any] = []
    start = 0
    for shape in shapes:
        stop = start + math.prod(shape)
        made.append(m.reshape(row[start:stop], shape=shape))
        start = stop
    return made
