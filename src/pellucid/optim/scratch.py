"""Working memory for the formulas: a step allocates nothing after the first."""

from __future__ import annotations

import threading
from typing import Any

from ..backend import Array
from .differentiable import Ref
from .names import Library


class _Kept(threading.local):
    """One thread's memory: a flat array for each library, dtype and place, and views of it by shape."""

    def __init__(self) -> None:
        self.flat: dict[Any, Array] = {}
        self.views: dict[Any, tuple[Array, ...]] = {}


_kept = _Kept()


def scratch(xp: Library, like: Array, count: int = 2) -> tuple[Array, ...]:
    """Arrays of the shape and dtype of ``like``, with arbitrary content, good until the next call.

    All parameters share the same memory, as much as the largest needs, which so stays in the processor's cache.
    """
    key = (xp, like.dtype, like.shape, count)
    return _kept.views.get(key) or _made(xp, like, key)


def _made(xp: Library, like: Array, key: Any) -> tuple[Array, ...]:
    count = key[3]
    if isinstance(like, Ref):  # a step to be differentiated: what it computes on the way must last
        return like.scratch(count)
    flat = _kept.flat.get(key[:2])
    if flat is None or flat.size < count * like.size:
        flat = _kept.flat[key[:2]] = xp.empty(count * like.size, like.dtype)
        _kept.views = {other: views for other, views in _kept.views.items() if other[:2] != key[:2]}
    parts = flat[: count * like.size].reshape(count, *like.shape)
    views = _kept.views[key] = tuple(parts[place, ...] for place in range(count))
    return views


def ascent(
    xp: Library,
    param: Array,
    grad: Array,
    s: Array,
    t: Array,
    *,
    maximize: bool = False,
    weight_decay: float = 0.0,
    l1: float = 0.0,
) -> Array:
    """The gradient of what is minimised: turned round by ``maximize``, with the penalties' parts. In s, if not grad."""
    g = grad
    if maximize:
        g = xp.negative(g, out=s)
    if weight_decay:
        g = xp.add(g, xp.multiply(param, weight_decay, out=t), out=s)
    if l1:
        g = xp.add(g, xp.multiply(xp.sign(param, out=t), l1, out=t), out=s)
    return g


def average(xp: Library, mean: Array, value: Array, beta: float, t: Array) -> None:
    """mean ← beta · mean + (1 - beta) · value, as a step from the mean towards the value."""
    xp.subtract(value, mean, out=t)
    xp.add(mean, xp.multiply(t, 1 - beta, out=t), out=mean)


def average_square(xp: Library, mean: Array, value: Array, beta: float, t: Array) -> None:
    """mean ← beta · mean + (1 - beta) · value²."""
    xp.multiply(mean, beta, out=mean)
    xp.multiply(value, 1 - beta, out=t)
    xp.add(mean, xp.multiply(t, value, out=t), out=mean)
