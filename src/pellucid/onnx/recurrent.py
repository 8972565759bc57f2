"""Recurrences: ONNX's LSTM, GRU and RNN, or step by step where those have no form (projections, packed sequences).

pellucid's scans take what the input contributes to the gates, `linear(input, weight_ih, bias)`. ONNX's operators take
the input and both weights, so the product before a scan is taken into it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import OnnxExporterError
from .table import writes
from .writer import Term, Writer

Origin = tuple[Term, Term, Term | None]  # of gates: input, weight, bias


class Row(Term):
    """What `lstm_scan` returns, all hidden states and all cells in one row, as the terms that it was made of.

    ONNX's LSTM gives all hidden states and the last cell; that is what the layers read of the row.
    """

    def __init__(self, states: Term, cells: Term | None, last: Term, split: Any, piece: str = "") -> None:
        super().__init__(states.writer, "", states.dtype)
        self.states, self.cells, self.last, self.split, self.piece = states, cells, last, split, piece
        self.wanted: Any = None  # the shape in which the layer sees the piece

    @property
    def name(self) -> str:
        if self.cells is None:
            raise OnnxExporterError("all cells of an LSTM were asked for, and ONNX's LSTM gives only the last")
        return self.whole().name

    def whole(self) -> Term:
        w = self.writer
        if self.piece == "cells":
            return w.reshape(self.cells, self.wanted or [-1])  # type: ignore[arg-type]
        if self.piece == "states":
            return w.reshape(self.states, self.wanted or [-1])
        return w.Concat(w.reshape(self.states, [-1]), w.reshape(self.cells, [-1]), axis=0)  # type: ignore[arg-type]

    def part(self, key: tuple[Any, ...]) -> Term:
        entry = key[0]
        if not self.piece and isinstance(entry, slice) and entry.step is None:
            if entry.start in (None, 0) and entry.stop == self.split:
                return Row(self.states, self.cells, self.last, self.split, "states")
            if entry.start == self.split and entry.stop is None:
                return Row(self.states, self.cells, self.last, self.split, "cells")
        if self.piece == "cells" and self.wanted and len(self.wanted) == 3 and entry in (0, -1):
            return self.writer.Identity(self.last)
        raise OnnxExporterError(f"this part of the states of an LSTM is not written as ONNX: {key}")

    def reshaped(self, shape: Any) -> Term:
        made = Row(self.states, self.cells, self.last, self.split, self.piece)
        made.wanted = tuple(shape)
        return made.whole() if (self.cells is not None and self.piece == "cells") or self.piece == "states" else made


def _turned(w: Writer, packed: Term, order: list[int], parts: int) -> Term:
    """Rows of gates in ONNX's order."""
    rows = packed.known[0]
    if not isinstance(rows, int):
        raise OnnxExporterError("the number of gates must be fixed")
    size = rows // parts
    places = np.concatenate([np.arange(size) + size * gate for gate in order])
    return w.Gather(packed, w.constant(places, np.int64), axis=0)


def _scan(
    w: Writer, kind: str, gates: Term, weight: Term, hidden: Term, order: list[int], reverse: bool,
    cell: Term | None = None, bias: Term | None = None, **more: Any,
) -> Any:  # fmt: skip
    parts = len(order)
    size = weight.known[0] // parts  # type: ignore[operator]
    origin: Origin | None = getattr(gates, "origin", None)
    if origin is None:
        rows = gates.known[-1]
        input, input_weight, input_bias = gates, w.constant(np.eye(rows)[_order(order, size)], gates.dtype), None  # type: ignore[arg-type]
    else:
        input, input_weight, input_bias = origin[0], _turned(w, origin[1], order, parts), origin[2]
    zero = w.constant(np.zeros(parts * size), gates.dtype)
    biases = None
    if input_bias is not None or bias is not None:
        halves = [zero if term is None else _turned(w, term, order, parts) for term in (input_bias, bias)]
        biases = w.unsqueeze(w.Concat(*halves, axis=0), 0)
    state = w.unsqueeze(hidden, 0)
    cells = [] if cell is None else [w.unsqueeze(cell, 0)]
    outputs = 3 if cell is not None else 2
    made = w.node(
        kind, input, w.unsqueeze(input_weight, 0), w.unsqueeze(_turned(w, weight, order, parts), 0), biases, None,
        state, *cells, outputs=outputs, hidden_size=size, direction="reverse" if reverse else "forward", **more,
    )  # fmt: skip
    return [w.squeeze(made[0], 1), *(w.squeeze(term, 0) for term in made[1:])]


def _order(order: list[int], size: int) -> Any:
    return np.concatenate([np.arange(size) + size * gate for gate in order])


def _steps(gates: Term, reverse: bool) -> range:
    count = gates.known[0]
    if not isinstance(count, int):
        raise OnnxExporterError("the number of steps must be fixed for a projection or a packed sequence")
    return range(count - 1, -1, -1) if reverse else range(count)


def _at(w: Writer, x: Term, step: int) -> Term:
    return w.Gather(x, w.constant(step, np.int64), axis=0)


def _held(w: Writer, mask: Term | None, step: int, new: Term, old: Term) -> Term:
    return new if mask is None else w.where(_at(w, mask, step), new, old)


def _stacked(w: Writer, rows: dict[int, Term]) -> Term:
    return w.Concat(*(w.unsqueeze(rows[step], 0) for step in sorted(rows)), axis=0)


def _split(w: Writer, x: Term, parts: int) -> list[Term]:
    return w.Split(x, outputs=parts, axis=-1, num_outputs=parts)


@writes("rnn_scan")
def rnn_scan(
    w: Writer, gates: Term, weight: Term, hidden: Term, mask: Term | None = None, *, relu: bool = False,
    reverse: bool = False,
) -> Term:  # fmt: skip
    if mask is None:
        return _scan(w, "RNN", gates, weight, hidden, [0], reverse, activations=["Relu" if relu else "Tanh"])[0]
    across, rows = w.permute(weight, [1, 0]), {}
    for step in _steps(gates, reverse):
        total = w.MatMul(hidden, across) + _at(w, gates, step)
        rows[step] = hidden = _held(w, mask, step, w.Relu(total) if relu else w.Tanh(total), hidden)
    return _stacked(w, rows)


@writes("gru_scan")
def gru_scan(
    w: Writer, gates: Term, weight: Term, hidden: Term, bias: Term | None = None, mask: Term | None = None, *,
    reverse: bool = False,
) -> tuple[Term, None]:  # fmt: skip
    if mask is None:  # r, z, n here; z, r, n in ONNX
        states = _scan(w, "GRU", gates, weight, hidden, [1, 0, 2], reverse, bias=bias, linear_before_reset=1)
        return states[0], None
    across, rows = w.permute(weight, [1, 0]), {}
    for step in _steps(gates, reverse):
        inner = w.MatMul(hidden, across)
        r, z, n = _split(w, inner if bias is None else inner + bias, 3)
        of_r, of_z, of_n = _split(w, _at(w, gates, step), 3)
        new = w.Tanh(of_n + w.Sigmoid(of_r + r) * n)
        rows[step] = hidden = _held(w, mask, step, new + w.Sigmoid(of_z + z) * (hidden - new), hidden)
    return _stacked(w, rows), None


@writes("lstm_scan")
def lstm_scan(
    w: Writer, gates: Term, weight: Term, hidden: Term, cell: Term, projection: Term | None = None,
    mask: Term | None = None, *, reverse: bool = False,
) -> tuple[Term, None]:  # fmt: skip
    split: Any = gates.known[0] * hidden.known[0] * hidden.known[1]  # type: ignore[operator]
    if mask is None and projection is None:  # i, f, g, o here; i, o, f, g in ONNX
        states, _, last = _scan(w, "LSTM", gates, weight, hidden, [0, 3, 1, 2], reverse, cell)
        return Row(states, last if gates.known[0] == 1 else None, last, split), None
    across = w.permute(weight, [1, 0])
    onto = None if projection is None else w.permute(projection, [1, 0])
    rows: dict[int, Term] = {}
    cells: dict[int, Term] = {}
    for step in _steps(gates, reverse):
        i, f, g, o = _split(w, w.MatMul(hidden, across) + _at(w, gates, step), 4)
        new = w.Sigmoid(f) * cell + w.Sigmoid(i) * w.Tanh(g)
        shown = w.Sigmoid(o) * w.Tanh(new)
        shown = shown if onto is None else w.MatMul(shown, onto)
        rows[step] = hidden = _held(w, mask, step, shown, hidden)
        cells[step] = cell = _held(w, mask, step, new, cell)
    return Row(_stacked(w, rows), _stacked(w, cells), cell, split), None
