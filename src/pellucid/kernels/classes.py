"""Cross-entropy over classes, and the gradient of an embedding: what rows of numbers and one class for each make.

A class out of range is never looked up: it is counted, and what was made is then not to be used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backend import Array

from . import compiler
from . import mathematics as m
from .emitter import Emitter, Value, Variable, vector
from .pool import share
from .table import TYPES, Kernel, rows

LEAST = 129  # scores: below, NumPy's calls cost less than the package that compiles costs to load
_MOST = 1 << 16  # classes: above, the lines of NumPy cost no more
_PLACED = 2048  # numbers of a gradient: below, a call costs as much as it saves
_LINE = 16  # columns that a thread takes at least: a line of the cache
_EACH = 1 << 16  # numbers that a thread takes at least


def _cross_entropy(name: str, type: str, lanes: int, classes: int) -> Emitter:
    """loss = Σ (log Σ exp(z) - z[target]) / divisor over the rows, summed in float64; probs = softmax(scores).

    `count` becomes the number of rows whose class is out of range, which is then not looked up.
    """
    pointers = dict.fromkeys(("scores", "target", "probs", "loss", "count"), "ptr")
    k = Emitter(f"{name}_{lanes}_{classes}", {**pointers, "divisor": "double"}, blocked=True)
    kind, whole, rest = vector(lanes, type), classes // lanes * lanes, classes % lanes
    first_of_rest = k.constant("i64", whole)
    total, odd = k.variable(k.constant("double", 0.0)), k.variable(k.constant("double", 0.0))

    def each_vector(own: Callable[[Value, int], None]) -> None:
        """Call own(first column, how many) for the vectors of a row."""
        if whole:
            with k.loop(0, first_of_rest, lanes) as j:
                own(j, lanes)
        if rest:
            own(first_of_rest, rest)

    with k.loop(k.start, k.stop) as row:
        scores, probs = (k.at(each, row * classes, type) for each in (k.scores, k.probs))
        peak, summed = k.variable(k.like(k.zero(kind), -math.inf)), k.variable(k.zero(kind))

        def shown(value: Value, count: int, otherwise: float) -> Value:
            return value if count == lanes else k.select(k.below(lanes, k.constant("i64", count)), value, otherwise)

        def find(j: Value, count: int, scores: Value = scores, peak: Variable = peak) -> None:
            z = shown(k.load_first(kind, count, scores, j), count, -math.inf)
            peak.set(k.intrinsic("maximum", peak.get(), z))

        each_vector(find)
        top = k.largest_of(peak.get())
        level = k.broadcast(top, kind)

        def raise_(j: Value, count: int, scores: Value = scores, probs: Value = probs, summed: Variable = summed,
                   level: Value = level) -> None:  # fmt: skip
            power = shown(m.exp(k, k.load_first(kind, count, scores, j) - level), count, 0.0)
            summed.set(summed.get() + power)
            k.store_first(power, count, probs, j)

        each_vector(raise_)
        found = k.total_of(summed.get())
        part = k.broadcast(1.0 / found, kind)

        def divide(j: Value, count: int, probs: Value = probs, part: Value = part) -> None:
            k.store_first(k.load_first(kind, count, probs, j) * part, count, probs, j)

        each_vector(divide)
        own = k.load(type, scores, _class(k, row, classes, odd)) - top
        total.add(k.convert(k.intrinsic("log", found) - own, "double"))
    k.store(k.convert(total.get() / k.divisor, type), k.loss)
    k.store(odd.get(), k.count)
    return k


def _class(k: Emitter, row: Value, classes: int, odd: Variable) -> Value:
    """The class of a row; 0 for one that is out of range, which is counted."""
    given = k.load("i64", k.target, row)
    raised = k.select(given < 0, k.constant("i64", classes), given)
    within = raised < classes
    odd.add(k.select(within, k.constant("double", 0.0), 1.0))
    return k.select(within, raised, 0)


def _cross_entropy_backward(name: str, type: str, classes: int) -> Emitter:
    """out = scale · probs, less `scale` at each row's class; scale = grad / rows, or grad."""
    pointers = dict.fromkeys(("probs", "target", "grad", "out", "count"), "ptr")
    k = Emitter(f"{name}_{classes}", {**pointers, "rows": type})
    scale = k.load(type, k.grad) / k.rows
    odd = k.variable(k.constant("double", 0.0))
    with k.loop(k.start, k.stop) as row:
        first = row * classes
        with k.loop(0, k.constant("i64", classes)) as j:
            k.store(k.load(type, k.probs, first + j) * scale, k.out, first + j)
        at = first + _class(k, row, classes, odd)
        k.store(k.load(type, k.out, at) - scale, k.out, at)
    k.store(odd.get(), k.count)
    return k


def _row(k: Emitter, i: Value, odd: Variable) -> Value:
    """The row of a table of `table` rows that `index` names; the first for one that it has not, which is counted."""
    given = k.load("i64", k.index, i)
    raised = k.select(given < 0, k.table, given)
    within = raised < k.table
    odd.add(k.select(within, k.constant("double", 0.0), 1.0))
    return k.select(within, raised, 0)


def _embedding_gradient(name: str, type: str) -> Emitter:
    """out[index[i], j] += rows[i, j], for the columns j from start to stop, in the order of i."""
    numbers = dict.fromkeys(("count", "width", "table"), "i64")
    k = Emitter(name, {**dict.fromkeys(("rows", "index", "out", "bad"), "ptr"), **numbers})
    odd = k.variable(k.constant("double", 0.0))
    with k.loop(0, k.count) as i:
        to, given = _row(k, i, odd) * k.width, i * k.width
        with k.loop(k.start, k.stop) as j:
            k.store(k.load(type, k.out, to + j) + k.load(type, k.rows, given + j), k.out, to + j)
    k.store(odd.get(), k.bad)
    return k


def _embedding(name: str, type: str) -> Emitter:
    """out[i] = rows[index[i]]; items are i."""
    k = Emitter(name, {**dict.fromkeys(("rows", "index", "out", "bad"), "ptr"), "width": "i64", "table": "i64"})
    odd = k.variable(k.constant("double", 0.0))
    with k.loop(k.start, k.stop) as i:
        given, to = _row(k, i, odd) * k.width, i * k.width
        with k.loop(0, k.width) as j:
            k.store(k.load(type, k.rows, given + j), k.out, to + j)
    k.store(odd.get(), k.bad)
    return k


LOSS = Kernel("cross_entropy", _cross_entropy)
SLOPE = Kernel("cross_entropy_backward", _cross_entropy_backward)
PLACED = Kernel("embedding_gradient", _embedding_gradient)
LOOKED_UP = Kernel("embedding", _embedding)


def of_loss(dtype: Any, classes: int) -> Any:
    """The function of the loss for this many classes, or None."""
    target = compiler.target()
    return None if target is None else LOSS.function(dtype, target.lanes * 4 // dtype.itemsize, classes)


def usual(scores: Array, target: Array, ignore_index: int, reduction: str) -> bool:
    """Whether scores (N, C), or probabilities, with a class for each row are of the kind that has a kernel."""
    shape = scores.shape
    if len(shape) != 2 or target.shape != shape[:1] or shape[0] * shape[1] < LEAST or shape[1] > _MOST:
        return False
    if scores.dtype not in TYPES or target.dtype != np.int64 or reduction not in ("mean", "sum"):
        return False
    return (
        rows(scores) and type(target) is np.ndarray and target.flags.c_contiguous and not 0 <= ignore_index < shape[1]
    )


def loss(scores: Array, target: Array, ignore_index: int, reduction: str) -> tuple[Array, Array] | None:
    """(The loss, the probabilities); None where the NumPy lines are to run, as for a class that is out of range."""
    if not usual(scores, target, ignore_index, reduction):
        return None
    count, classes = scores.shape
    function = of_loss(scores.dtype, classes)
    if function is None:
        return None
    probs, found, odd = np.empty(scores.shape, scores.dtype), np.empty((), scores.dtype), np.empty(1)
    divisor = float(count) if reduction == "mean" else 1.0
    function(0, count, scores, target, probs, found, odd, divisor)
    return None if odd[0] else (found, probs)


def slope(grad: Array, probs: Array, target: Array, ignore_index: int, reduction: str) -> Array | None:
    """The gradient of the scores; None where the NumPy lines are to run."""
    if not usual(probs, target, ignore_index, reduction) or grad.shape or grad.dtype != probs.dtype:
        return None
    count, classes = probs.shape
    function = SLOPE.function(probs.dtype, classes)
    if function is None:
        return None
    out, odd = np.empty(probs.shape, probs.dtype), np.empty(1)
    divisor = float(count) if reduction == "mean" else 1.0
    function(0, count, probs, target, np.asarray(grad), out, odd, divisor)
    return None if odd[0] else out


def place(given: Array, index: Array, out: Array) -> bool:
    """Add each row of `given` to the row of `out` that `index` names; False where the NumPy lines are to run."""
    if given.size < _PLACED or given.ndim != 2 or given.dtype not in TYPES or not rows(given, out):
        return False
    if type(index) is not np.ndarray or index.dtype != np.int64 or not index.flags.c_contiguous:
        return False
    if out.shape[1:] != given.shape[1:] or index.min() < 0 or index.max() >= len(out):
        return False
    function = PLACED.function(given.dtype)
    if function is None:
        return False
    count, width = given.shape
    least, odd = max(_LINE, -(-_EACH // count)), np.empty(1)
    share(function, width, least, given, index, out, odd, count, width, len(out))
    return True
