"""Fisher and Yates' shuffle, which goes number by number: each change of places depends on those before."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from pellucid.backend import Array

from . import compiler
from .emitter import Emitter

LEAST = 1000  # numbers: below, the lines beside it take no longer


def shuffled(n: int, partners: Array) -> Array | None:
    """0 … n - 1, with number i and number partners[i] changing places for each i in turn; None where lines are to run.

    Shape: (up to n,) -> (n,), of int64.
    """
    function = _function() if n >= LEAST else None
    if function is None:
        return None
    order, partners = np.arange(n), np.ascontiguousarray(partners, np.int64)
    function(0, len(partners), partners, order)
    return order


@functools.cache
def _function() -> Callable[..., None] | None:
    k = Emitter("shuffle", {"partners": "ptr", "order": "ptr"})
    with k.loop(k.start, k.stop) as i:
        j = k.load("i64", k.partners, i)
        here, there = k.load("i64", k.order, i), k.load("i64", k.order, j)
        k.store(there, k.order, i)
        k.store(here, k.order, j)
    return compiler.function(k)
