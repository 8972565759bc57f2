"""The gates of a long short-term memory: what follows the product in each step, in one pass, and the way back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.backend import Array

from . import mathematics as m
from .emitter import Emitter
from .pool import share
from .table import TYPES, Kernel, address, rows

LEAST = 512  # cells of a step: below, a call costs as much as it saves
_EACH = 1 << 14  # cells that a thread takes at least


def _forward(name: str, type: str) -> Emitter:
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


def _backward(name: str, type: str) -> Emitter:
    """From the gradients of state and cell those of the four sums (`delta`), and of the cell before (in `inner`)."""
    pointers = ("of_state", "along", "of_cell", "inner", "gated", "cell", "before", "delta")
    k = Emitter(name, {**dict.fromkeys(pointers, "ptr"), "size": "i64"})
    with k.loop(k.start, k.stop) as row, k.loop(0, k.size) as j:
        place = row * k.size + j
        gates = [(row * 4 + part) * k.size + j for part in range(4)]
        inward, forget, new, outward = (k.load(type, k.gated, gate) for gate in gates)
        shown = m.tanh(k, k.load(type, k.cell, place))
        raw = k.load(type, k.of_state, place) + k.load(type, k.along, place)
        change = k.load(type, k.of_cell, place) + k.load(type, k.inner, place) + raw * (outward * (1 - shown * shown))
        slopes = (
            change * (new * inward * (1 - inward)),
            change * (k.load(type, k.before, place) * forget * (1 - forget)),
            change * (inward * (1 - new * new)),
            raw * (shown * outward * (1 - outward)),
        )
        for gate, slope in zip(gates, slopes, strict=True):
            k.store(slope, k.delta, gate)
        k.store(change * forget, k.inner, place)
    return k


_step = Kernel("lstm", _forward)
_step_back = Kernel("lstm_backward", _backward)

Step = Callable[..., None]


def lstm(gates: Array, cell: Array) -> Step | None:
    """What does a step of `gates` (T, B, 4H), the first cell being `cell` (B, H); None where NumPy's lines are to run.

    It is called as step(product, gates, before, gated, cell, state), all of one step and row by row; it fills the last
    three.
    """
    return _run(_step, cell) if rows(gates, cell) else None


def lstm_backward(gated: Array, cells: Array, cell: Array, of: Array, weight: Array) -> Step | None:
    """The same backward: step(of_state, along, of_cell, inner, gated, cell, before, delta); `inner` is changed, too."""
    return _run(_step_back, cell) if rows(gated, cells, cell, of, weight) else None


def _run(kernel: Kernel, cell: Array) -> Step | None:
    if type(cell) is not np.ndarray or cell.dtype not in TYPES or cell.size < LEAST:
        return None
    function = kernel.function(cell.dtype)
    if function is None:
        return None
    batch, size = cell.shape
    least = -(-_EACH // size)
    found = function

    def step(*arrays: Array) -> None:
        share(found, batch, least, *map(address, arrays), size)

    return step
