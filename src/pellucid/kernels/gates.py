"""The gates of one step of long short-term memory, for what has no kernel over a whole sequence: masks, projections."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.backend import Array

from . import mathematics as m
from .emitter import Emitter
from .pool import share
from .table import TYPES, Kernel, rows

LEAST = 512  # cells of a step: below, a call costs as much as it saves
_EACH = 1 << 15  # cells that a thread takes at least


def _gates(name: str, type: str) -> Emitter:
    """i, f, g, o = σ, σ, tanh, σ of product + gates; cell = f · before + i · g; state = o · tanh(cell). By rows."""
    pointers = ("product", "gates", "before", "gated", "cell", "state")
    k = Emitter(name, {**dict.fromkeys(pointers, "ptr"), "size": "i64"})
    with k.loop(k.start, k.stop) as row, k.loop(0, k.size) as j:
        made = []
        for part, function in enumerate((m.sigmoid, m.sigmoid, m.tanh, m.sigmoid)):
            place = (row * 4 + part) * k.size + j
            made.append(function(k, k.load(type, k.product, place) + k.load(type, k.gates, place)))
            k.store(made[-1], k.gated, place)
        inward, forget, new, outward = made
        place = row * k.size + j
        cell = forget * k.load(type, k.before, place) + inward * new
        k.store(cell, k.cell, place)
        k.store(outward * m.tanh(k, cell), k.state, place)
    return k


_step = Kernel("lstm", _gates)

Step = Callable[..., None]


def lstm(gates: Array, cell: Array) -> Step | None:
    """What does a step of `gates` (T, B, 4H), the first cell being `cell` (B, H); None where NumPy's lines are to run.

    It is called as step(product, gates, before, gated, cell, state), all of one step and row by row; it fills the last
    three.
    """
    if not rows(gates, cell) or cell.dtype not in TYPES or cell.size < LEAST:
        return None
    found = _step.function(cell.dtype)
    if found is None:
        return None
    batch, size = cell.shape
    least = -(-_EACH // size)

    def step(*arrays: Array) -> None:
        share(found, batch, least, *arrays, size)

    return step
