"""Recurrences over a whole sequence (LSTM, gated recurrent units, plain ones), forward and back, each in one call.

A step is the product of the states with the weight, and what the gates make of it. The weight is packed once for all
steps, in *panels*: for forward a panel has the columns of all gates of a few units, so that the sums of a block of
rows and these units are in registers when the gates are computed; for backward it has some columns of the weight.
The rows of a batch do not meet: threads share them.

With a mask or a projection, the gates of LSTM alone are a kernel (see `gates`), which the op calls for each step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backend import Array

from . import compiler, packing
from . import mathematics as m
from .calling import address
from .emitter import Emitter, Value, Variable, vector
from .pieces import clearing
from .pool import Run
from .table import TYPES, Kernel, rows

LEAST = 512  # cells of a step: below, a call costs as much as it saves
_PRODUCTS = 1 << 21  # products of numbers that a thread takes at least
_VECTORS = 2  # of a row of a block in backward
_STEPS = ("batch", "size", "steps", "first", "turn")  # `turn` is 1, or -1 from the last step to the first


class _Lanes:
    """Loads and stores of `width` numbers, as vectors of `lanes`; where it is less, the others are not touched."""

    def __init__(self, k: Emitter, type: str, lanes: int) -> None:
        self.k, self.type, self.lanes, self.kind = k, type, lanes, vector(lanes, type)

    def load(self, pointer: Value, at: Value, width: int) -> Value:
        if width >= self.lanes:
            return self.k.load(self.kind, pointer, at)
        return self.k.load_first(self.kind, width, pointer, at)

    def store(self, value: Value, pointer: Value, at: Value, width: int) -> None:
        if width >= self.lanes:
            self.k.store(value, pointer, at)
        else:
            self.k.store_first(value, width, pointer, at)

    def product(self, sums: list[list[Variable]], left: Value, apart: Value, panel: Value, depth: Value) -> None:
        """sums[row][v] += Σ left[row · apart + p] · panel[p][v] over p < depth; a panel's rows are side by side."""
        k, wide = self.k, len(sums[0]) * self.lanes
        with k.loop(0, depth) as p:
            lines = range(len(sums))
            parts = range(len(sums[0]))

            def entry(part: int) -> Value:
                return k.load(self.kind, panel, p * wide + part * self.lanes)

            def factor(line: int) -> Value:
                return k.broadcast(k.load(self.type, left, apart * line + p), self.kind)

            def meet(line: int, part: int, number: Value, other: Value) -> None:
                total = sums[line][part]
                total.set(k.intrinsic("fmuladd", number, other, total.get()))

            if len(lines) < len(parts):  # the fewer are held in registers, the others come one by one
                held = [factor(line) for line in lines]
                for part in parts:
                    loaded = entry(part)
                    for line in lines:
                        meet(line, part, held[line], loaded)
            else:
                held = [entry(part) for part in parts]
                for line in lines:
                    loaded = factor(line)
                    for part in parts:
                        meet(line, part, loaded, held[part])


Block = Callable[[Value, int, Value, int], None]


def _blocks(k: Emitter, height: int, rows: int, wide: int, units: int, block: Block) -> None:
    """block(first row, rows, panel, units of it) for all panels, in each for the blocks of rows from start to stop.

    `rows` and `units` are what is left at the end of a batch and of a row.
    """
    whole, panels = k.batch / height, k.size / wide

    def panel(number: Value, width: int) -> None:
        with k.loop(k.start, k.smaller(k.stop, whole)) as item:
            block(item * height, height, number, width)
        if rows:
            with k.when(k.stop > whole):
                block(whole * height, rows, number, width)

    with k.loop(0, panels) as number:
        panel(number, wide)
    if units:
        panel(panels, units)


def _lstm(name: str, type: str, lanes: int, height: int, rows: int, units: int) -> Emitter:
    """i, f, g, o = σ, σ, tanh, σ of gates + state · weight; cell = f · cell + i · g, state = o · tanh(cell): all steps.

    `gated` gets the four, `cells` and `states` what they make.
    """
    pointers = ("gates", "weight", "hidden", "cell", "gated", "cells", "states")
    k = Emitter(f"{name}_{lanes}_{height}_{rows}_{units}",
                {**dict.fromkeys(pointers, "ptr"), **dict.fromkeys(_STEPS, "i64")}, blocked=True)  # fmt: skip
    v = _Lanes(k, type, lanes)
    with k.loop(0, k.steps) as s:
        t = k.first + s * k.turn
        earlier = (t - k.turn) * k.batch * k.size
        old = k.select(s > 0, k.at(k.states, earlier, type), k.hidden)
        before = k.select(s > 0, k.at(k.cells, earlier, type), k.cell)

        def block(i: Value, height: int, panel: Value, width: int, t=t, old=old, before=before) -> None:
            j = panel * lanes
            places = [[((t * k.batch + i + row) * 4 + gate) * k.size + j for gate in range(4)] for row in range(height)]
            sums = [[k.variable(v.load(k.gates, place, width)) for place in line] for line in places]
            v.product(sums, k.at(old, i * k.size, type), k.size, k.at(k.weight, panel * k.size * (4 * lanes), type),
                      k.size)  # fmt: skip
            for row, (line, totals) in enumerate(zip(places, sums, strict=True)):
                functions = (m.sigmoid, m.sigmoid, m.tanh, m.sigmoid)
                made = [function(k, total.get()) for total, function in zip(totals, functions, strict=True)]
                for gate, value in zip(line, made, strict=True):
                    v.store(value, k.gated, gate, width)
                inward, forget, new, outward = made
                cell = forget * v.load(before, (i + row) * k.size + j, width) + inward * new
                place = (t * k.batch + i + row) * k.size + j
                v.store(cell, k.cells, place, width)
                v.store(outward * m.tanh(k, cell), k.states, place, width)

        _blocks(k, height, rows, lanes, units, block)
    return k


Cell = Callable[[Value, Value, Value, int, Value, Value], None]


def _steps_back(
    v: _Lanes, gates: int, delta: Value, kept: tuple[Value, Value], sizes: tuple[int, int, int], cell: Cell,
    begin: Value | None = None,
) -> None:  # fmt: skip
    """Go through the steps of a backward pass: what the states get is their own gradient and what comes through time.

    The latter is the product of the weight with the gradient of the `gates` of the step after, in `delta`. `kept` has
    what was kept of all steps, and the first. `cell` is called for the units of a vector: with their place in a batch,
    their row and column in all steps, how many they are, what they get, and where those of the step before are. The
    first step has no product, unless `begin` is what it multiplies.
    """
    k, type, lanes = v.k, v.type, v.lanes
    wide, row_of = _VECTORS * lanes, k.size * gates
    with k.loop(0, k.steps) as s:
        t = k.first + s * k.turn
        later = k.at(delta, (t - k.turn) * k.batch * row_of, type)
        before = k.select(s + 1 < k.steps, k.at(kept[0], (t + k.turn) * k.batch * k.size, type), kept[1])
        depth = row_of if begin is not None else k.select(s > 0, row_of, 0)
        if begin is not None:
            later = k.select(s > 0, later, begin)

        def block(
            i: Value, height: int, panel: Value, width: int, t=t, later=later, before=before, depth=depth
        ) -> None:
            j = panel * wide
            parts = [(part, min(lanes, width - part)) for part in range(0, width, lanes)]
            lines = [(t * k.batch + i + row) * k.size + j for row in range(height)]
            sums = [[k.variable(v.load(k.of_states, line + part, own)) for part, own in parts] for line in lines]
            sums = [[*line, *(k.variable(k.zero(v.kind)) for _ in range(_VECTORS - len(line)))] for line in sums]
            v.product(sums, k.at(later, i * row_of, type), row_of, k.at(k.weight, panel * row_of * wide, type), depth)
            for row, totals in enumerate(sums):
                for (part, own), total in zip(parts, totals, strict=False):
                    at = (i + row) * k.size + j + part
                    cell(at, t * k.batch + i + row, j + part, own, total.get(), before)

        _blocks(k, *sizes[:2], wide, sizes[2], block)


def _lstm_backward(name: str, type: str, lanes: int, height: int, rows: int, units: int) -> Emitter:
    """From the gradients of all states and cells those of the four sums (`delta`), and of the first cell (in `inner`).

    The steps are given in the order of backward; `inner` begins as zeros.
    """
    pointers = ("of_states", "of_cells", "weight", "cell", "gated", "cells", "inner", "delta")
    k = Emitter(f"{name}_{lanes}_{height}_{rows}_{units}",
                {**dict.fromkeys(pointers, "ptr"), **dict.fromkeys(_STEPS, "i64")}, blocked=True)  # fmt: skip
    v = _Lanes(k, type, lanes)

    def cell(at: Value, line: Value, column: Value, own: int, raw: Value, before: Value) -> None:
        gates = [(line * 4 + gate) * k.size + column for gate in range(4)]
        inward, forget, new, outward = (v.load(k.gated, gate, own) for gate in gates)
        place = line * k.size + column
        shown = m.tanh(k, v.load(k.cells, place, own))
        change = v.load(k.of_cells, place, own) + v.load(k.inner, at, own)
        change = change + raw * (outward * (1 - shown * shown))
        slopes = (
            change * (new * inward * (1 - inward)),
            change * (v.load(before, at, own) * forget * (1 - forget)),
            change * (inward * (1 - new * new)),
            raw * (shown * outward * (1 - outward)),
        )
        for gate, slope in zip(gates, slopes, strict=True):
            v.store(slope, k.delta, gate, own)
        v.store(change * forget, k.inner, at, own)

    _steps_back(v, 4, k.delta, (k.cells, k.cell), (height, rows, units), cell)
    return k


def _gru(name: str, type: str, lanes: int, height: int, rows: int, units: int) -> Emitter:
    """With u = state · weight + bias: r, z = σ(gates + u), n = tanh(gates + r · u); state = (1 - z) · n + z · state.

    `gated` gets r, z, n and the last u.
    """
    pointers = ("gates", "weight", "bias", "hidden", "gated", "states")
    k = Emitter(f"{name}_{lanes}_{height}_{rows}_{units}",
                {**dict.fromkeys(pointers, "ptr"), **dict.fromkeys(_STEPS, "i64")}, blocked=True)  # fmt: skip
    v = _Lanes(k, type, lanes)
    with k.loop(0, k.steps) as s:
        t = k.first + s * k.turn
        old = k.select(s > 0, k.at(k.states, (t - k.turn) * k.batch * k.size, type), k.hidden)

        def block(i: Value, height: int, panel: Value, width: int, t=t, old=old) -> None:
            j = panel * lanes
            sums: list[list[Variable]] = []
            for row in range(height):
                given = (t * k.batch + i + row) * 3 * k.size + j
                shifts = [v.load(k.bias, k.size * part + j, width) for part in range(3)]
                both = [v.load(k.gates, given + k.size * part, width) + shifts[part] for part in range(2)]
                sums.append([k.variable(value) for value in (*both, shifts[2])])
            v.product(sums, k.at(old, i * k.size, type), k.size, k.at(k.weight, panel * k.size * (3 * lanes), type),
                      k.size)  # fmt: skip
            for row, totals in enumerate(sums):
                line = t * k.batch + i + row
                place = line * 4 * k.size + j
                reset, update, last = m.sigmoid(k, totals[0].get()), m.sigmoid(k, totals[1].get()), totals[2].get()
                new = m.tanh(k, v.load(k.gates, line * 3 * k.size + k.size * 2 + j, width) + reset * last)
                for gate, value in enumerate((reset, update, new, last)):
                    v.store(value, k.gated, place + k.size * gate, width)
                state = (v.load(old, (i + row) * k.size + j, width) - new) * update + new
                v.store(state, k.states, line * k.size + j, width)

        _blocks(k, height, rows, lanes, units, block)
    return k


def _gru_backward(name: str, type: str, lanes: int, height: int, rows: int, units: int) -> Emitter:
    """From the gradients of all states those of the gates, of u, and of the first state but for its product.

    The last is in `inner`, which begins as zeros. The steps are given in the order of backward.
    """
    pointers = ("of_states", "weight", "hidden", "gated", "states", "inner", "of_gates", "of_u")
    k = Emitter(f"{name}_{lanes}_{height}_{rows}_{units}",
                {**dict.fromkeys(pointers, "ptr"), **dict.fromkeys(_STEPS, "i64")}, blocked=True)  # fmt: skip
    v = _Lanes(k, type, lanes)

    def cell(at: Value, line: Value, column: Value, own: int, raw: Value, before: Value) -> None:
        place, gates = line * k.size * 3 + column, line * 4 * k.size + column
        reset, update, new, last = (v.load(k.gated, gates + k.size * gate, own) for gate in range(4))
        whole = raw + v.load(k.inner, at, own)
        to_new = whole * ((1 - update) * (1 - new * new))
        of_reset = to_new * (last * reset * (1 - reset))
        of_update = whole * ((v.load(before, at, own) - new) * update * (1 - update))
        for pointer, of_last in ((k.of_gates, to_new), (k.of_u, to_new * reset)):
            for gate, value in enumerate((of_reset, of_update, of_last)):
                v.store(value, pointer, place + k.size * gate, own)
        v.store(whole * update, k.inner, at, own)

    _steps_back(v, 3, k.of_u, (k.states, k.hidden), (height, rows, units), cell)
    return k


def _rnn(name: str, type: str, lanes: int, height: int, rows: int, units: int, relu: bool) -> Emitter:
    """state = tanh(of_states + state · weight), or max(·, 0): all steps, `of_states` being what the gates are given."""
    k = Emitter(f"{name}_{lanes}_{height}_{rows}_{units}_{int(relu)}",
                {**dict.fromkeys(("of_states", "weight", "hidden", "states"), "ptr"), **dict.fromkeys(_STEPS, "i64")},
                blocked=True)  # fmt: skip
    v = _Lanes(k, type, lanes)

    def cell(at: Value, line: Value, column: Value, own: int, raw: Value, before: Value) -> None:
        made = k.select(raw < 0, k.like(raw, 0.0), raw) if relu else m.tanh(k, raw)
        v.store(made, k.states, line * k.size + column, own)

    _steps_back(v, 1, k.states, (k.states, k.hidden), (height, rows, units), cell, begin=k.hidden)
    return k


def _rnn_backward(name: str, type: str, lanes: int, height: int, rows: int, units: int, relu: bool) -> Emitter:
    """From the gradients of all states those of the gates (`delta`). The steps are given in the order of backward."""
    k = Emitter(f"{name}_{lanes}_{height}_{rows}_{units}_{int(relu)}",
                {**dict.fromkeys(("of_states", "weight", "states", "delta"), "ptr"), **dict.fromkeys(_STEPS, "i64")},
                blocked=True)  # fmt: skip
    v = _Lanes(k, type, lanes)

    def cell(at: Value, line: Value, column: Value, own: int, raw: Value, before: Value) -> None:
        place = line * k.size + column
        shown = v.load(k.states, place, own)
        slope = k.select(shown > 0, k.like(raw, 1.0), 0.0) if relu else 1 - shown * shown
        v.store(raw * slope, k.delta, place, own)

    _steps_back(v, 1, k.delta, (k.states, k.states), (height, rows, units), cell)
    return k


_lstm_all, _lstm_all_back = Kernel("lstm_sequence", _lstm), Kernel("lstm_sequence_backward", _lstm_backward)
_gru_all, _gru_all_back = Kernel("gru_sequence", _gru), Kernel("gru_sequence_backward", _gru_backward)
_rnn_all, _rnn_all_back = Kernel("rnn_sequence", _rnn), Kernel("rnn_sequence_backward", _rnn_backward)


class _Run:
    """A kernel over a sequence, for arrays of these shapes."""

    def __init__(self, kernel: Kernel, like: Array, steps: int, reverse: bool, back: bool, *options: Any) -> None:
        target = compiler.target()
        self.batch, self.size = like.shape
        self.steps, self.reverse = steps, reverse
        self.function = None
        if target is None or type(like) is not np.ndarray or like.dtype not in TYPES or like.size < LEAST:
            return
        self.lanes = target.lanes * 4 // like.dtype.itemsize
        many = target.lanes == 16  # 32 vector registers, else 16
        self.height = (8 if many else 4) if back else (4 if many else 3)
        self.wide = self.lanes * (_VECTORS if back else 1)
        sizes = self.lanes, self.height, self.batch % self.height, self.size % self.wide
        self.function = kernel.function(like.dtype, *sizes, *options)

    def __call__(self, *arrays: Array) -> None:
        self.ready(*arrays)()

    def ready(self, *arrays: Array) -> Run:
        """The call for these arrays."""
        if self.function is None:
            raise RuntimeError("there is no kernel")
        least = -(-_PRODUCTS // (self.height * self.steps * 3 * self.size * self.size))
        first, turn = (self.steps - 1, -1) if self.reverse else (0, 1)
        numbers = self.batch, self.size, self.steps, first, turn
        return Run(self.function, -(-self.batch // self.height), least, (*map(address, arrays), *numbers), arrays)


def lstm_sequence(
    gates: Array, weight: Array, hidden: Array, cell: Array, states: Array, cells: Array, reverse: bool
) -> Array | None:
    """Fill `states` and `cells` (T, B, H); the gates (T, B, 4H) as they were. None where the NumPy lines are to run."""
    if type(gates) is not np.ndarray:
        return None
    gated = np.empty_like(gates)
    runs = lstm_runs(gates, weight, hidden, cell, states, cells, gated, reverse)
    for run in runs or ():
        run()
    return None if runs is None else gated


def lstm_runs(
    gates: Array, weight: Array, hidden: Array, cell: Array, states: Array, cells: Array, gated: Array, reverse: bool
) -> list[Run] | None:
    """The calls that do it, in order: the weight into panels (missing if the last is not whole), and the steps."""
    if not rows(gates, hidden, cell, states, cells, gated) or weight.dtype != gates.dtype:
        return None
    run = _Run(_lstm_all, cell, len(gates), reverse, back=False)
    if run.function is None:
        return None
    packed, runs = packing.in_panels(weight, 4, run.wide)
    return [*runs, run.ready(gates, packed, hidden, cell, gated, cells, states)]


def lstm_sequence_backward(
    of_states: Array, of_cells: Array, weight: Array, cell: Array, gated: Array, cells: Array, delta: Array,
    inner: Array, reverse: bool,
) -> bool:  # fmt: skip
    """Fill `delta` (T, B, 4H), the gradient of the gates, and `inner` (B, H), that of the first cell.

    False where the NumPy lines are to run.
    """
    runs = lstm_backward_runs(of_states, of_cells, weight, cell, gated, cells, delta, inner, reverse)
    for run in runs or ():
        run()
    return runs is not None


def lstm_backward_runs(
    of_states: Array, of_cells: Array, weight: Array, cell: Array, gated: Array, cells: Array, delta: Array,
    inner: Array, reverse: bool,
) -> list[Run] | None:  # fmt: skip
    """The calls that do it, in order; the first, of the weight, is missing if the last panel is not whole."""
    if not rows(of_states, of_cells, cell, gated, cells, delta, inner) or weight.dtype != cell.dtype:
        return None
    run = _Run(_lstm_all_back, cell, len(gated), not reverse, back=True)
    clear = None if run.function is None else clearing(inner)
    if clear is None:
        return None
    packed, runs = packing.in_columns(weight, run.wide)
    return [*runs, clear, run.ready(of_states, of_cells, packed, cell, gated, cells, inner, delta)]


def gru_sequence(
    gates: Array, weight: Array, bias: Array | None, hidden: Array, reverse: bool
) -> tuple[Array, Array] | None:
    """(States (T, B, H), r, z, n and the last u (T, B, 4H)); None where the NumPy lines are to run."""
    shift: Array = np.zeros(gates.shape[-1], gates.dtype) if bias is None else bias
    if not rows(gates, hidden, shift) or weight.dtype != gates.dtype:
        return None
    steps, (batch, size) = len(gates), hidden.shape
    run = _Run(_gru_all, hidden, steps, reverse, back=False)
    if run.function is None:
        return None
    states, gated = np.empty((steps, batch, size), gates.dtype), np.empty((steps, batch, 4 * size), gates.dtype)
    run(gates, packing.panels(weight, 3, run.wide), shift, hidden, gated, states)
    return states, gated


def gru_sequence_backward(
    of_states: Array, weight: Array, hidden: Array, gated: Array, states: Array, of_gates: Array, of_u: Array,
    inner: Array, reverse: bool,
) -> bool:  # fmt: skip
    """Fill `of_gates` and `of_u` (T, B, 3H), and `inner` (B, H): the first state's gradient but for its product.

    False where the NumPy lines are to run.
    """
    of_states = np.ascontiguousarray(of_states) if type(of_states) is np.ndarray else of_states
    if not rows(of_states, hidden, gated, states, of_gates, of_u, inner) or weight.dtype != hidden.dtype:
        return False
    run = _Run(_gru_all_back, hidden, len(gated), not reverse, back=True)
    if run.function is None:
        return False
    inner[...] = 0
    run(of_states, packing.columns(weight, run.wide), hidden, gated, states, inner, of_gates, of_u)
    return True


def rnn_sequence(gates: Array, weight: Array, hidden: Array, relu: bool, reverse: bool) -> Array | None:
    """All states (T, B, H); None where the NumPy lines are to run."""
    if not rows(gates, hidden) or weight.dtype != gates.dtype:
        return None
    run = _Run(_rnn_all, hidden, len(gates), reverse, True, relu)
    if run.function is None:
        return None
    states = np.empty_like(gates)
    run(gates, packing.columns(weight.T, run.wide), hidden, states)
    return states


def rnn_sequence_backward(
    of_states: Array, weight: Array, states: Array, delta: Array, relu: bool, reverse: bool
) -> bool:
    """Fill `delta` (T, B, H), the gradient of the gates; False where the NumPy lines are to run."""
    of_states = np.ascontiguousarray(of_states) if type(of_states) is np.ndarray else of_states
    if not rows(of_states, states, delta) or weight.dtype != states.dtype:
        return False
    run = _Run(_rnn_all_back, states[0], len(states), not reverse, True, relu)
    if run.function is None:
        return False
    run(of_states, packing.columns(weight, run.wide), states, delta)
    return True
