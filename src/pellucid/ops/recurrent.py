"""Recurrences over a whole sequence, one op each: `rnn_scan`, `lstm_scan`, `gru_scan`.

What the input contributes to the gates of all steps is one product before the scan, so a scan gets `gates`,
(T, B, n·H), and adds to each step what the state before it contributes. Backward runs through the steps the other way
and multiplies by the weight at each; the gradient of the weight is one product over all steps at the end
(backpropagation through time: Werbos, "Backpropagation Through Time: What It Does and How to Do It", 1990). It is an
op, too (`rnn_delta`, `lstm_delta`, `gru_delta`), which gives all gradients in one row.

A `mask` (T, B, 1) of booleans has sequences of different lengths in one batch: where it is False the state stays what
it was. With `reverse` the scan begins at the last step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pellucid.declare import op
from pellucid.errors import ShapeError
from pellucid.kernels import gates as gates_of_step
from pellucid.kernels import products
from pellucid.kernels import recurrent as native
from pellucid.reverse.vocabulary import of_array

from .in_row import in_row, out_of_row
from .reduction import widened

# ----------------------------------------------------------------------------------------- what the three share


def _steps(count: int, reverse: bool) -> Iterable[int]:
    return range(count - 1, -1, -1) if reverse else range(count)


def _before(m: Any, states: Any, first: Any, reverse: bool) -> Any:
    """The state that each step began with, (T, B, H): that of the step before, `first` for the first."""
    first = first[None]
    return m.cat(states[1:], first) if reverse else m.cat(first, states[:-1])


def _ordered(rows: list[Any], reverse: bool) -> list[Any]:
    """Rows that were made in the order of backward, by step."""
    return rows if reverse else rows[::-1]


def _into(xp: Any, a: Any, b: Any, out: Any) -> None:
    """out = a · b, by the kernels that share their threads with those of the steps if one fits."""
    if products.matmul(a, b, out=out) is None:
        xp.matmul(a, b, out=out)


def _outer(m: Any, left: Any, right: Any) -> Any:
    """Σ over steps and batch of left · rightᵀ: (T, B, n) and (T, B, k) -> (n, k)."""
    left = m.reshape(left, shape=(-1, left.shape[-1]))
    right = m.reshape(right, shape=(-1, right.shape[-1]))
    return m.matmul(m.transpose(left, dim0=0, dim1=1), right)


def _check(name: str, gates: Any, weight: Any, hidden: Any, times: int, size: int) -> None:
    rows, width = weight.shape
    if gates.ndim != 3 or not rows == gates.shape[-1] == times * size or hidden.shape != (gates.shape[1], width):
        raise ShapeError(
            f"{name}: gates (steps, batch, {times}·H), weight ({times}·H, hidden) and hidden (batch, hidden) were "
            f"expected, but got {tuple(gates.shape)}, {tuple(weight.shape)} and {tuple(hidden.shape)}"
        )
    if not len(gates):
        raise ShapeError(f"{name}: Expected sequence length to be larger than 0 in RNN")


def _held(xp: Any, mask: Any, step: int, new: Any, old: Any) -> Any:
    """`new`, and `old` in the rows that the mask leaves out."""
    return new if mask is None else xp.where(mask[step], new, old)


# ------------------------------------------------------------------------------------------------------------- rnn


@op(public=False, method=False, node="RnnBackward0")
def rnn_scan(
    xp: Any, gates: Any, weight: Any, hidden: Any, mask: Any = None, *, relu: bool = False, reverse: bool = False
) -> Any:
    """hₜ = tanh(gatesₜ + weight · hₜ₋₁), or max(·, 0): all states, (T, B, H), from `hidden` (B, H) on.

    Shape: gates (T, B, H), weight (H, H). Source: Elman, "Finding Structure in Time", 1990.
    """
    _check("rnn_scan", gates, weight, hidden, 1, weight.shape[-1])
    kind = gates.dtype
    gates, weight, hidden = widened(xp, gates), widened(xp, weight), widened(xp, hidden)
    found = native.rnn_sequence(gates, weight, hidden, relu, reverse) if mask is None else None
    if found is not None:
        return found.astype(kind, copy=False)
    back = xp.ascontiguousarray(weight.T)
    states = xp.empty(gates.shape, gates.dtype)
    for t in _steps(len(gates), reverse):
        state = xp.matmul(hidden, back, out=states[t])
        state += gates[t]
        if relu:
            xp.maximum(state, 0, out=state)
        else:
            xp.tanh(state, out=state)
        if mask is not None:
            state[...] = _held(xp, mask, t, state, hidden)
        hidden = state
    return states.astype(kind, copy=False)


def _rnn_steps(m: Any, grad: Any, out: Any, weight: Any, mask: Any = None, *, relu: bool, reverse: bool) -> Any:
    """What `rnn_delta` gives, as ops."""
    slope = m.sign(out) if relu else 1 - out * out
    rows: list[Any] = []
    carried: Any = None
    for t in _steps(len(out), not reverse):
        whole = grad[t] if carried is None else grad[t] + carried
        row = whole * slope[t]
        if mask is not None:
            row = row * mask[t]
        rows.append(row)
        carried = row @ weight
        if mask is not None:
            carried = carried + whole * ~mask[t]
    return in_row(m, m.stack(*_ordered(rows, reverse)), carried)


@op(public=False, method=False)
def rnn_delta(
    xp: Any, grad: Any, states: Any, weight: Any, mask: Any = None, *, relu: bool = False, reverse: bool = False
) -> Any:
    """The gradients of the gates and of the first state of `rnn_scan`, in a row, from that of its result `states`."""
    if mask is None:
        shape = states.shape[1:]
        made = xp.empty(states.size + math.prod(shape), states.dtype)
        delta, along = out_of_row(of_array(made), made, states.shape, shape)
        if native.rnn_sequence_backward(grad, weight, states, delta, relu, reverse):
            _into(xp, delta[-1 if reverse else 0], weight, along)
            return made
    return _rnn_steps(of_array(grad), grad, states, weight, mask, relu=relu, reverse=reverse)


def _rnn_delta(m: Any, g: Any, out: Any, weight: Any, hidden: Any, mask: Any, relu: bool, reverse: bool) -> Any:
    """(The gradient of the gates, that of the first state)."""
    row = m.rnn_delta(g, out, weight, mask, relu=relu, reverse=reverse)
    return out_of_row(m, row, tuple(out.shape), tuple(hidden.shape))


rnn_delta.composes(_rnn_steps)
rnn_scan.shares(delta=_rnn_delta)
rnn_scan.vjp(
    gates=lambda m, g, delta: delta[0],
    weight=lambda m, g, delta, out, hidden, reverse: _outer(m, delta[0], _before(m, out, hidden, reverse)),
    hidden=lambda m, g, delta: delta[1],
)


# ------------------------------------------------------------------------------------------------------------ lstm


def _lstm_parts(m: Any, packed: Any, steps: int, hidden: Any, cell: Any) -> Any:
    """(Hidden states (T, B, P), cells (T, B, H)) of what `lstm_scan` returns in one row."""
    split = steps * hidden.shape[0] * hidden.shape[1]
    return (
        m.reshape(packed[:split], shape=(steps, *hidden.shape)),
        m.reshape(packed[split:], shape=(steps, *cell.shape)),
    )


@op(public=False, method=False, aux=("gated",), node="LstmBackward0")
def lstm_scan(
    xp: Any, gates: Any, weight: Any, hidden: Any, cell: Any, projection: Any = None, mask: Any = None, *,
    reverse: bool = False,
) -> Any:  # fmt: skip
    """Long short-term memory: all hidden states and all cells, (T, B, P) and (T, B, H), one after the other in a row.

    With (i, f, g, o) = (σ, σ, tanh, σ) of gatesₜ + weight · hₜ₋₁: cₜ = f · cₜ₋₁ + i · g and hₜ = o · tanh(cₜ),
    which `projection` (P, H) multiplies if given. Without it, P = H.

    Shape: gates (T, B, 4H), weight (4H, P), hidden (B, P), cell (B, H) -> (T·B·P + T·B·H,). Sources: Hochreiter and
    Schmidhuber, "Long Short-Term Memory", 1997; Gers, Schmidhuber and Cummins, "Learning to Forget", 2000; for
    projections Sak, Senior and Beaufays, arXiv:1402.1128.
    """
    size = cell.shape[-1]
    _check("lstm_scan", gates, weight, hidden, 4, size)
    kind = gates.dtype
    gates, weight, hidden, cell = (widened(xp, array) for array in (gates, weight, hidden, cell))
    steps, batch, width = *gates.shape[:2], hidden.shape[-1]
    packed = xp.empty(steps * batch * (width + size), gates.dtype)
    split = steps * batch * width
    states, cells = packed[:split].reshape(steps, batch, width), packed[split:].reshape(steps, batch, size)
    if projection is None and mask is None:
        gated = native.lstm_sequence(gates, weight, hidden, cell, states, cells, reverse)
        if gated is not None:
            return packed.astype(kind, copy=False), gated
    across = None if projection is None else xp.ascontiguousarray(widened(xp, projection).T)
    room = xp.empty((batch, 4 * size), gates.dtype)
    fused = gates_of_step.lstm(gates, cell)
    if fused is not None:
        gated, back = xp.empty(gates.shape, gates.dtype), xp.ascontiguousarray(weight.T)
        shown = None if across is None else xp.empty((batch, size), gates.dtype)
        for t in _steps(steps, reverse):
            row, state = cells[t], states[t]
            xp.matmul(hidden, back, out=room)
            fused(room, gates[t], cell, gated[t], row, state if shown is None else shown)
            if shown is not None:
                xp.matmul(shown, across, out=state)
            if mask is not None:
                state[...], row[...] = _held(xp, mask, t, state, hidden), _held(xp, mask, t, row, cell)
            hidden, cell = state, row
        return packed.astype(kind, copy=False), gated
    # σ(x) = (1 + tanh(x / 2)) / 2: one tanh over all four gates, the halves are taken beforehand.
    half = xp.full(4 * size, 0.5, gates.dtype)
    half[2 * size : 3 * size] = 1
    lift = 1 - half
    lift[2 * size : 3 * size] = 0
    gated = gates * half
    back = xp.ascontiguousarray((weight * half[:, None]).T)
    for t in _steps(steps, reverse):
        now = gated[t]
        now += xp.matmul(hidden, back, out=room)
        xp.tanh(now, out=now)
        now *= half
        now += lift
        inward, forget, new, outward = (now[:, i * size : (i + 1) * size] for i in range(4))
        row = xp.multiply(forget, cell, out=cells[t])
        row += inward * new
        state = xp.tanh(row) if across is not None else xp.tanh(row, out=states[t])
        state *= outward
        if across is not None:
            state = xp.matmul(state, across, out=states[t])
        if mask is not None:
            state[...], row[...] = _held(xp, mask, t, state, hidden), _held(xp, mask, t, row, cell)
        hidden, cell = state, row
    return packed.astype(kind, copy=False), gated


def _lstm_gated(m: Any, gates: Any, weight: Any, hidden: Any, cell: Any, out: Any, reverse: bool) -> Any:
    states, _ = _lstm_parts(m, out, gates.shape[0], hidden, cell)
    whole = gates + _before(m, states, hidden, reverse) @ m.transpose(weight, dim0=0, dim1=1)
    size = cell.shape[-1]
    return m.cat(
        m.sigmoid(whole[..., : 2 * size]),
        m.tanh(whole[..., 2 * size : 3 * size]),
        m.sigmoid(whole[..., 3 * size :]),
        dim=-1,
    )


def _lstm_steps(
    m: Any, grad: Any, packed: Any, gated: Any, weight: Any, hidden: Any, cell: Any, projection: Any = None,
    mask: Any = None, *, reverse: bool,
) -> Any:  # fmt: skip
    """What `lstm_delta` gives, as ops."""
    steps, size = len(gated), cell.shape[-1]
    _, cells = _lstm_parts(m, packed, steps, hidden, cell)
    of_states, of_cells = _lstm_parts(m, grad, steps, hidden, cell)
    inward, forget, new, outward = (gated[..., i * size : (i + 1) * size] for i in range(4))
    shown = m.tanh(cells)
    to_cell = outward * (1 - shown * shown)
    slopes = m.cat(
        new * inward * (1 - inward),
        _before(m, cells, cell, reverse) * forget * (1 - forget),
        inward * (1 - new * new),
        shown * outward * (1 - outward),
        dim=-1,
    )
    rows: list[Any] = []
    wholes: list[Any] = []
    along: Any = None
    inner: Any = None
    for t in _steps(steps, not reverse):
        whole = of_states[t] if along is None else of_states[t] + along
        before = of_cells[t] if inner is None else of_cells[t] + inner
        raw = whole if projection is None else whole @ projection
        change = before + raw * to_cell[t]
        row = m.cat(change, change, change, raw, dim=-1) * slopes[t]
        if mask is not None:
            row = row * mask[t]
        along, inner = row @ weight, change * forget[t]
        if mask is not None:
            left = ~mask[t]
            along, inner = along + whole * left, inner * mask[t] + before * left
            whole = whole * mask[t]
        rows.append(row)
        if projection is not None:
            wholes.append(whole)
    rest = [m.stack(*_ordered(wholes, reverse))] if wholes else []
    return in_row(m, m.stack(*_ordered(rows, reverse)), along, inner, *rest)


@op(public=False, method=False)
def lstm_delta(
    xp: Any, grad: Any, packed: Any, gated: Any, weight: Any, hidden: Any, cell: Any, projection: Any = None,
    mask: Any = None, *, reverse: bool = False,
) -> Any:  # fmt: skip
    """The gradients of the gates, the first hidden state and the first cell of `lstm_scan`, in a row.

    With a projection that of all hidden states follows. `grad` is the gradient of the result `packed`.
    """
    steps, batch = gated.shape[:2]
    if projection is None and mask is None:
        made = xp.empty(gated.size + 2 * cell.size, gated.dtype)
        delta, along, inner = out_of_row(of_array(made), made, gated.shape, hidden.shape, cell.shape)
        of_states, of_cells = _lstm_parts(of_array(grad), grad, steps, hidden, cell)
        cells = packed[-steps * batch * cell.shape[-1] :].reshape(steps, *cell.shape)
        if native.lstm_sequence_backward(of_states, of_cells, weight, cell, gated, cells, delta, inner, reverse):
            _into(xp, delta[-1 if reverse else 0], weight, along)
            return made
    return _lstm_steps(
        of_array(gated), grad, packed, gated, weight, hidden, cell, projection, mask, reverse=reverse
    )  # fmt: skip


lstm_delta.composes(_lstm_steps)


def _lstm_delta(
    m: Any, g: Any, out: Any, gates: Any, gated: Any, weight: Any, hidden: Any, cell: Any, projection: Any, mask: Any,
    reverse: bool,
) -> Any:  # fmt: skip
    """The gradients (of the gates, of the first hidden state, of the first cell, of the hidden states in all).

    `gates` is asked for so that it is kept: `gated` is computed anew from it where backward is differentiated.
    """
    row = m.lstm_delta(g, out, gated, weight, hidden, cell, projection, mask, reverse=reverse)
    shapes = [tuple(array.shape) for array in (gated, hidden, cell)]
    return out_of_row(m, row, *shapes, *([] if projection is None else [(len(gated), *shapes[1])]))


def _of_projection(m: Any, of_hidden: Any, gated: Any, out: Any, hidden: Any, cell: Any) -> Any:
    size = cell.shape[-1]
    _, cells = _lstm_parts(m, out, len(gated), hidden, cell)
    return _outer(m, of_hidden, gated[..., 3 * size :] * m.tanh(cells))


lstm_scan.recomputes(gated=_lstm_gated)
lstm_scan.shares(delta=_lstm_delta)
lstm_scan.vjp(
    gates=lambda m, g, delta: delta[0],
    weight=lambda m, g, delta, out, gated, hidden, cell, reverse: _outer(
        m, delta[0], _before(m, _lstm_parts(m, out, len(gated), hidden, cell)[0], hidden, reverse)
    ),
    hidden=lambda m, g, delta: delta[1],
    cell=lambda m, g, delta: delta[2],
    projection=lambda m, g, delta, gated, out, hidden, cell: _of_projection(m, delta[3], gated, out, hidden, cell),
)


# ------------------------------------------------------------------------------------------------------------- gru


@op(public=False, method=False, aux=("gated",), node="GruBackward0")
def gru_scan(
    xp: Any, gates: Any, weight: Any, hidden: Any, bias: Any = None, mask: Any = None, *, reverse: bool = False
) -> Any:
    """Gated recurrent unit: all states, (T, B, H), from `hidden` (B, H) on.

    With u = weight · hₜ₋₁ + bias in three parts: r = σ(gatesᵣ + uᵣ), z = σ(gates_z + u_z), n = tanh(gatesₙ + r · uₙ)
    and hₜ = (1 - z) · n + z · hₜ₋₁.

    Shape: gates (T, B, 3H), weight (3H, H), bias (3H). Source: Cho et al., arXiv:1406.1078, with the reset gate after
    the product, as in cuDNN.
    """
    size = hidden.shape[-1]
    _check("gru_scan", gates, weight, hidden, 3, size)
    kind = gates.dtype
    gates, weight, hidden = (widened(xp, array) for array in (gates, weight, hidden))
    found = native.gru_sequence(gates, weight, bias, hidden, reverse) if mask is None else None
    if found is not None:
        return found[0].astype(kind, copy=False), found[1]
    steps, batch = gates.shape[:2]
    states = xp.empty((steps, batch, size), gates.dtype)
    gated = xp.empty((steps, batch, 4 * size), gates.dtype)  # r, z, n and uₙ
    back = xp.ascontiguousarray(weight.T)
    room = xp.empty((batch, 3 * size), gates.dtype)
    for t in _steps(steps, reverse):
        inner = xp.matmul(hidden, back, out=room)
        if bias is not None:
            inner += bias
        now, given = gated[t], gates[t]
        both = xp.add(inner[:, : 2 * size], given[:, : 2 * size], out=now[:, : 2 * size])
        both *= 0.5
        xp.tanh(both, out=both)
        both *= 0.5
        both += 0.5
        now[:, 3 * size :] = inner[:, 2 * size :]
        new = xp.multiply(now[:, :size], inner[:, 2 * size :], out=now[:, 2 * size : 3 * size])
        new += given[:, 2 * size :]
        xp.tanh(new, out=new)
        state = xp.subtract(hidden, new, out=states[t])
        state *= now[:, size : 2 * size]
        state += new
        if mask is not None:
            state[...] = _held(xp, mask, t, state, hidden)
        hidden = state
    return states.astype(kind, copy=False), gated


def _gru_gated(m: Any, gates: Any, weight: Any, hidden: Any, bias: Any, out: Any, reverse: bool) -> Any:
    size = hidden.shape[-1]
    inner = _before(m, out, hidden, reverse) @ m.transpose(weight, dim0=0, dim1=1)
    if bias is not None:
        inner = inner + bias
    both = m.sigmoid(gates[..., : 2 * size] + inner[..., : 2 * size])
    last = inner[..., 2 * size :]
    return m.cat(both, m.tanh(gates[..., 2 * size :] + both[..., :size] * last), last, dim=-1)


def _gru_steps(
    m: Any, grad: Any, states: Any, gated: Any, weight: Any, hidden: Any, mask: Any = None, *, reverse: bool
) -> Any:
    """What `gru_delta` gives, as ops."""
    size = hidden.shape[-1]
    reset, update, new, inner = (gated[..., i * size : (i + 1) * size] for i in range(4))
    to_new = (1 - update) * (1 - new * new)
    slopes = m.cat(
        to_new * inner * reset * (1 - reset),
        (_before(m, states, hidden, reverse) - new) * update * (1 - update),
        to_new * reset,
        to_new,
        dim=-1,
    )
    rows: list[Any] = []
    along: Any = None
    for t in _steps(len(states), not reverse):
        whole = grad[t] if along is None else grad[t] + along
        row = m.cat(whole, whole, whole, whole, dim=-1) * slopes[t]
        if mask is not None:
            row = row * mask[t]
        along = row[:, : 3 * size] @ weight
        if mask is None:
            along = along + whole * update[t]
        else:
            along = along + whole * (update[t] * mask[t] + ~mask[t])
        rows.append(row)
    whole = m.stack(*_ordered(rows, reverse))
    return in_row(m, m.cat(whole[..., : 2 * size], whole[..., 3 * size :], dim=-1), whole[..., : 3 * size], along)


@op(public=False, method=False)
def gru_delta(
    xp: Any, grad: Any, states: Any, gated: Any, weight: Any, hidden: Any, mask: Any = None, *, reverse: bool = False
) -> Any:
    """The gradients of the gates, of u and of the first state of `gru_scan`, in a row, from that of its `states`."""
    if mask is None:
        sums = (*gated.shape[:2], 3 * hidden.shape[-1])
        made = xp.empty(2 * math.prod(sums) + hidden.size, gated.dtype)
        of_gates, of_u, along = out_of_row(of_array(made), made, sums, sums, hidden.shape)
        if native.gru_sequence_backward(grad, weight, hidden, gated, states, of_gates, of_u, along, reverse):
            through = xp.empty(hidden.shape, hidden.dtype)
            _into(xp, of_u[-1 if reverse else 0], weight, through)
            along += through
            return made
    return _gru_steps(of_array(gated), grad, states, gated, weight, hidden, mask, reverse=reverse)


gru_delta.composes(_gru_steps)


def _gru_delta(
    m: Any, g: Any, out: Any, gates: Any, gated: Any, weight: Any, hidden: Any, bias: Any, mask: Any, reverse: bool
) -> Any:
    """The gradients (of the gates, of u, of the first state).

    `gates` and `bias` are asked for so that they are kept, as in `_lstm_delta`.
    """
    row = m.gru_delta(g, out, gated, weight, hidden, mask, reverse=reverse)
    sums = (*gated.shape[:2], 3 * hidden.shape[-1])
    return out_of_row(m, row, sums, sums, tuple(hidden.shape))


gru_scan.recomputes(gated=_gru_gated)
gru_scan.shares(delta=_gru_delta)
gru_scan.vjp(
    gates=lambda m, g, delta: delta[0],
    weight=lambda m, g, delta, out, hidden, reverse: _outer(m, delta[1], _before(m, out, hidden, reverse)),
    hidden=lambda m, g, delta: delta[2],
    bias=lambda m, g, delta: m.sum(delta[1], dim=(0, 1)),
)
