"""Weights put into panels, in the order in which a recurrence goes through them (see `recurrent`)."""

from __future__ import annotations

import numpy as np

from pellucid.backend import Array

from . import compiler
from .calling import address
from .emitter import Emitter, vector
from .pieces import copying
from .pool import Run
from .table import TYPES, Kernel


def _panels(name: str, type: str, lanes: int) -> Emitter:
    """out[panel, state, gate, unit] = weight[gate, panel · lanes + unit, state]; items are panels."""
    k = Emitter(f"{name}_{lanes}", {"weight": "ptr", "out": "ptr", "gates": "i64", "size": "i64"}, blocked=True)
    kind = vector(lanes, type)
    with k.loop(k.start, k.stop) as panel, k.loop(0, k.gates) as gate, k.loop(0, k.size, lanes) as p:
        first = gate * k.size + panel * lanes
        lines = [k.load(kind, k.weight, (first + unit) * k.size + p) for unit in range(lanes)]
        for state, line in enumerate(k.turned(lines)):
            k.store(line, k.out, ((panel * k.size + p + state) * k.gates + gate) * lanes)
    return k


PANELS = Kernel("panels", _panels)


def in_panels(weight: Array, gates: int, wide: int) -> tuple[Array, list[Run]]:
    """(Memory for the weight (gates · H, H) in panels of `wide` units, the call that fills it).

    A panel has for each state what goes to each gate. Where the last is not whole, the memory is filled already.
    """
    target, size = compiler.target(), weight.shape[-1]
    count = -(-size // wide)
    made = np.empty((count, size, gates, wide), weight.dtype)
    fits = target is not None and weight.dtype in TYPES and wide == target.lanes * 4 // weight.dtype.itemsize
    function = PANELS.function(weight.dtype, wide) if fits and size % wide == 0 and weight.flags.c_contiguous else None
    if function is not None:
        return made, [Run(function, count, size, (address(weight), address(made), gates, size), (weight, made))]
    padded = weight.reshape(gates, size, size)
    if size % wide:
        padded = np.zeros((gates, count * wide, size), weight.dtype)
        padded[:, :size] = weight.reshape(gates, size, size)
    made[...] = padded.reshape(gates, count, wide, size).transpose(1, 3, 0, 2)
    return made, []


def in_columns(weight: Array, wide: int) -> tuple[Array, list[Run]]:
    """(Memory for the weight in panels of `wide` of its columns, the call that fills it), likewise."""
    rows, size = weight.shape
    count = -(-size // wide)
    made = np.empty((count, rows, wide), weight.dtype)
    if size % wide == 0:
        run = copying(weight.reshape(rows, count, wide).transpose(1, 0, 2), made)
        if run is not None:
            return made, [run._replace(memory=(weight, made))]
    padded = weight
    if size % wide:
        padded = np.zeros((rows, count * wide), weight.dtype)
        padded[:, :size] = weight
    made[...] = padded.reshape(rows, count, wide).transpose(1, 0, 2)
    return made, []


def panels(weight: Array, gates: int, wide: int) -> Array:
    """The weight in panels, now."""
    made, runs = in_panels(weight, gates, wide)
    for run in runs:
        run()
    return made


def columns(weight: Array, wide: int) -> Array:
    """The weight in panels of its columns, now."""
    made, runs = in_columns(weight, wide)
    for run in runs:
        run()
    return made
