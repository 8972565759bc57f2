"""Ops whose kernels a plan calls itself: normalisation, attention, recurrences, their gradients, and copies.

Their kernels are those of eager mode. There Python makes memory for the results, finds the addresses and calls; here
all of it is the same in each run, so that the calls stand among others in a segment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backend import NUMPY, Array
from pellucid.kernels import attention, pieces, products, recurrent, rows
from pellucid.kernels.pool import Run
from pellucid.kernels.table import TYPES
from pellucid.ops.attention import apart
from pellucid.reverse.vocabulary import of_array

from .graph import Node
from .passes.normalising import Joined

Given = list[Any]  # arrays, and None where there is none
Runs = list[Run] | None


def _normalise(node: Node, given: Given, made: list[Array]) -> Runs:
    by_unit, count = node.name == "batch_norm", len(given)
    each = None
    if isinstance(node, Joined):
        each = node.each
        count -= each.expression.count - 1
    x, weight, bias = [*given[:count], None, None][:3]
    out, normal, scale = made[:3]
    units = made[3:] or [np.empty(scale.shape, scale.dtype) for _ in range(2)]
    expression, others = (None, []) if each is None else (each.expression, given[count:])
    dims, eps = node.kwargs["dims"], node.kwargs.get("eps", 1e-5)
    run = rows.normalising(x, weight, bias, dims, eps, by_unit, (out, normal, *units, scale), expression, others)
    return None if run is None else [run]


def _normalise_gradients(node: Node, given: Given, made: list[Array]) -> Runs:
    *first, weight, normal, scale = given
    (row,), dims, by_unit = made, node.kwargs["dims"], node.kwargs["channel"]
    if isinstance(node, Joined):
        run = rows.joining_gradients(node.each.expression, first, weight, normal, scale, dims, row)
        return None if run is None else [run]
    of_weight, of_bias = row[normal.size :].reshape(2, -1)
    parts = [row[: normal.size].reshape(normal.shape), of_weight, of_bias]
    return rows.gradients_of_normalising(first[0], weight, normal, scale, dims, by_unit, parts)


def _attend(node: Node, given: Given, made: list[Array]) -> Runs:
    q, k, v, mask = given
    run = attention.forward_run(q, k, v, mask, node.kwargs["scale"], node.kwargs.get("causal", False), made[0])
    return None if run is None else [run]


def _attend_backward(node: Node, given: Given, made: list[Array]) -> Runs:
    grad, q, k, v, mask = given
    scale, causal = node.kwargs["scale"], node.kwargs.get("causal", False)
    parts = apart(of_array(made[0]), made[0], (q, k, v), node.kwargs.get("beside", (False,) * 3))
    run = attention.backward_run(grad, q, k, v, mask, scale, causal, parts)
    return None if run is None else [run]


def _copied(*pairs: tuple[Array, Array], first: list[Run | None] | None = None) -> Runs:
    """Each first array copied to the second, after the calls `first`."""
    runs = [*(first or ()), *(pieces.copying(given, out) for given, out in pairs)]
    whole = [run for run in runs if run is not None]
    return whole if len(whole) == len(runs) else None


def _put_together(node: Node, given: Given, made: list[Array]) -> Runs:
    first = [] if node.kwargs["whole"] else [pieces.clearing(made[0])]
    return _copied(*((part, made[0][key]) for key, part in zip(node.kwargs["keys"], given, strict=True)), first=first)


def _embed(node: Node, given: Given, made: list[Array]) -> Runs:
    return _copied((given[0], made[0][node.kwargs["key"]]), first=[pieces.clearing(made[0])])


def _join(node: Node, given: Given, made: list[Array]) -> Runs:
    axis = node.kwargs.get("dim", 0) % made[0].ndim
    ends = np.cumsum([part.shape[axis] for part in given])
    return _copied(*zip(given, np.split(made[0], ends[:-1], axis), strict=True))


def _reshape(node: Node, given: Given, made: list[Array]) -> Runs:
    """One that copies."""
    return _copied((given[0], made[0].reshape(given[0].shape)))


def _lstm(node: Node, given: Given, made: list[Array]) -> Runs:
    gates, weight, hidden, cell, *others = given
    packed, gated = made
    if any(each is not None for each in others) or hidden.shape != cell.shape:
        return None
    states, cells = packed.reshape(2, len(gates), *cell.shape)
    runs = recurrent.lstm_runs(gates, weight, hidden, cell, states, cells, gated, node.kwargs.get("reverse", False))
    return runs if runs and len(runs) == 2 else None


def _lstm_backward(node: Node, given: Given, made: list[Array]) -> Runs:
    grad, packed, gated, weight, hidden, cell, *others = given
    if any(each is not None for each in others) or hidden.shape != cell.shape:
        return None
    reverse = node.kwargs.get("reverse", False)
    of_states, of_cells = grad.reshape(2, len(gated), *cell.shape)
    delta, rest = made[0][: gated.size].reshape(gated.shape), made[0][gated.size :]
    along, inner = rest.reshape(2, *cell.shape)
    cells = packed.reshape(2, len(gated), *cell.shape)[1]
    runs = recurrent.lstm_backward_runs(of_states, of_cells, weight, cell, gated, cells, delta, inner, reverse)
    last = products.run(delta[-1 if reverse else 0], weight, along)
    return [*runs, last] if runs and len(runs) == 3 and last is not None else None


NATIVE: dict[str, Callable[[Node, Given, list[Array]], Runs]] = {
    "layer_norm": _normalise, "batch_norm": _normalise, "normalize_gradients": _normalise_gradients,
    "attention": _attend, "attention_gradients": _attend_backward, "lstm_scan": _lstm, "lstm_delta": _lstm_backward,
    "pieces": _put_together, "part_embed": _embed, "cat": _join, "reshape": _reshape,
}  # fmt: skip


def laid(node: Node, array: Array, strides: tuple[int, ...]) -> Array:
    """Memory for a result as the op laid it when it was recorded."""
    if node.name != "attention" or array.ndim < 4 or strides[-3] >= strides[-2]:
        return array
    shape = array.shape
    return array.reshape(*shape[:-3], shape[-2], shape[-3], shape[-1]).swapaxes(-2, -3)


def usual(node: Node) -> bool:
    """Whether it is one of these ops, in numbers that kernels compute with."""
    if node.name not in NATIVE or node.xp is not NUMPY.xp or not node.outputs or not node.pure:
        return False
    dtypes = {value.dtype for value in (*node.reads(), *node.outputs)}
    return len(dtypes) == 1 and dtypes <= TYPES.keys()
