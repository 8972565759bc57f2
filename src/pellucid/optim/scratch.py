"""Working memory for the formulas: a step allocates nothing after the first."""

from __future__ import annotations

import threading
from typing import Any

from ..backend import Array

_local = threading.local()


def scratch(xp: Any, like: Array, count: int) -> list[Array]:
    """``count`` arrays of the shape and dtype of ``like``, with arbitrary content, good until the next call.

    They are kept between calls, one set for each thread, array library and dtype, as long as the largest array asked
    for; the formula for one parameter after the other uses the same memory, which stays in the processor's cache.
    """
    kept: dict[Any, Array] = _local.__dict__
    arrays = []
    for place in range(count):
        key = (xp, like.dtype, place)
        flat = kept.get(key)
        if flat is None or flat.size < like.size:
            flat = kept[key] = xp.empty(like.size, like.dtype)
        arrays.append(flat[: like.size].reshape(like.shape))
    return arrays
