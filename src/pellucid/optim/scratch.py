"""Working memory for the formulas: a step allocates nothing after the first."""

from __future__ import annotations

import threading
from typing import Any

from ..backend import Array


class _Kept(threading.local):
    """One thread's memory: a flat array for each library, dtype and place, and views of it by shape."""

    def __init__(self) -> None:
        self.flat: dict[Any, Array] = {}
        self.views: dict[Any, tuple[Array, Array]] = {}


_kept = _Kept()


def scratch(xp: Any, like: Array) -> tuple[Array, Array]:
    """Two arrays of the shape and dtype of ``like``, with arbitrary content, good until the next call.

    All parameters share the same memory, as much as the largest needs, which so stays in the processor's cache.
    """
    key = (xp, like.dtype, like.shape)
    return _kept.views.get(key) or _made(xp, like, key)


def _made(xp: Any, like: Array, key: Any) -> tuple[Array, Array]:
    flat = _kept.flat.get(key[:2])
    if flat is None or flat.size < 2 * like.size:
        flat = _kept.flat[key[:2]] = xp.empty(2 * like.size, like.dtype)
        _kept.views = {other: views for other, views in _kept.views.items() if other[:2] != key[:2]}
    pair = flat[: 2 * like.size].reshape(2, *like.shape)
    views = _kept.views[key] = (pair[0, ...], pair[1, ...])
    return views
