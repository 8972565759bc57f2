"""Attention of each head in one call, forward and backward: small products, and the softmax of their rows in between.

A head's queries go through four rows at a time, and backward some of these together. Their scores and probabilities are
in a room that is used again for the rows after: no matrix of all scores is there at any time, and backward computes the
probabilities anew (Dao et al., arXiv:2205.14135; Rabe and Staats, arXiv:2112.05682). With `causal`, the keys after the
last of the rows are never looked at, which is nearly half of the work. Queries, keys and values may be views, as those
are which are parts of one product, as long as the numbers of a row lie side by side.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pellucid.backend import Array

from . import compiler
from . import mathematics as m
from .calling import address
from .emitter import Emitter, Value, vector
from .pool import Run
from .table import TYPES, Kernel

LEAST = 1 << 14  # products of a head's scores: below, NumPy's calls cost no more
_ROWS, _VECTORS = 4, 2  # of a block of a product
_TOGETHER = 32  # queries whose probabilities backward has at a time
_MARGIN = _ROWS - 1  # rows before them, since the last four queries may begin before they do
_EACH = 1 << 19  # products that a thread takes at least

Store = Callable[[int, Value, Value], None]  # which row, which column is the first of the vector, the vector

BLOCKS, VECTORS = "blocks", "vectors"  # what the rows of a matrix may fill


class _Maker:
    """An emitter, and what the kernels below have in common.

    `fills` says what the rows of queries, keys and values fill: "blocks", "vectors", so that none needs a mask, or "".
    """

    def __init__(self, e: Emitter, type: str, lanes: int, fills: str) -> None:
        self.e, self.type, self.lanes, self.fills, self.whole = e, type, lanes, fills, bool(fills)
        self.kind = vector(lanes, type)

    def load(self, pointer: Value, at: Value, left: Value, whole: bool) -> Value:
        return self.e.load(self.kind, pointer, at) if whole else self.e.load_first(self.kind, left, pointer, at)

    def store(self, value: Value, pointer: Value, at: Value, left: Value, whole: bool) -> None:
        if whole:
            self.e.store(value, pointer, at)
        else:
            self.e.store_first(value, left, pointer, at)

    def product(
        self, lefts: list[Value], along: Value | int, right: Value, row: Value, out: Value, out_row: Value,
        columns: Value, begin: Value | int, end: Value, *, room: bool = False, adds: bool = False,
        scale: Value | None = None,
    ) -> None:  # fmt: skip
        """out[i · out_row + j] = Σ_p left_i[p · along] · right[p · row + j], times `scale`, or added to what is there.

        In the `room` rows have numbers enough for whole vectors.
        """
        e, lanes, whole = self.e, self.lanes, room or self.whole

        def block(j: Value, vectors: int) -> None:
            parts = [(j + v * lanes, columns - (j + v * lanes), whole or v < vectors - 1) for v in range(vectors)]
            places = [(i, v) for i in range(len(lefts)) for v in range(vectors)]
            sums = {
                (i, v): e.variable(
                    self.load(out, out_row * i + parts[v][0], *parts[v][1:]) if adds else e.zero(self.kind)
                )
                for i, v in places
            }
            with e.loop(begin, end) as p:
                loaded = [self.load(right, p * row + at, left, plain) for at, left, plain in parts]
                for i, left in enumerate(lefts):
                    factor = e.broadcast(e.load(self.type, left, p * along), self.kind)
                    for v, entry in enumerate(loaded):
                        total = sums[i, v]
                        total.set(e.intrinsic("fmuladd", factor, entry, total.get()))
            for i, v in places:
                value = sums[i, v].get()
                if scale is not None:
                    value = value * e.broadcast(scale, self.kind)
                at, left, plain = parts[v]
                self.store(value, out, out_row * i + at, left, plain)

        with e.loop(0, columns, _VECTORS * lanes) as j:
            if self.fills == BLOCKS and not room:
                block(j, _VECTORS)
                return
            more = columns - j > lanes
            with e.when(more):
                block(j, _VECTORS)
            with e.when(e.compare("==", e.select(more, e.constant("i64", 1), 0), 0)):
                block(j, 1)

    def rows(self, pointer: Value, first: Value, row: Value, count: int = _ROWS) -> list[Value]:
        """Where the rows of a block begin."""
        return [self.e.at(pointer, (first + t) * row, self.type) for t in range(count)]

    def clear(self, matrix: Value, row: Value, count: Value, width: Value) -> None:
        """Make the rows of a matrix zeros."""
        e = self.e
        with e.loop(0, count) as i, e.loop(0, width, self.lanes) as j:
            self.store(e.zero(self.kind), matrix, i * row + j, width - j, self.whole)

    def turn(self, matrix: Value, row: Value, count: Value, width: Value, room: Value, pad: Value) -> None:
        """Put the columns of a matrix side by side, `pad` numbers from each other."""
        e, lanes = self.e, self.lanes
        with e.loop(0, count, lanes) as j, e.loop(0, width, lanes) as p:
            places = [e.smaller(j + c, count - 1) * row + p for c in range(lanes)]
            for c, line in enumerate(e.turned([self.load(matrix, at, width - p, self.whole) for at in places])):
                e.store(line, room, (p + c) * pad + j)

    def softmax(self, rows: list[Value], seen: list[Value], end: Value, masks: list[Value]) -> None:
        """The first `seen` numbers of each row become their softmax, those after up to `end` 0.

        The masks, if there are any, are added first. Where all are -inf, all become 0. The rows go together, so that
        none waits for its own maximum and sum.
        """
        e, kind, lanes, type = self.e, self.kind, self.lanes, self.type
        low, some = e.constant(type, -math.inf), range(len(rows))
        highest = [e.variable(e.broadcast(low, kind)) for _ in some]
        with e.loop(0, end, lanes) as j:
            for r in some:
                found = e.load(kind, rows[r], j)
                if masks:
                    found = found + e.load_first(kind, seen[r] - j, masks[r], j)
                found = e.select(e.below(lanes, seen[r] - j), found, -math.inf)
                e.store(found, rows[r], j)
                highest[r].set(e.intrinsic("maximum", highest[r].get(), found))
        tops = [e.largest_of(each.get()) for each in highest]
        none = [e.compare("==", top, low) for top in tops]
        peaks = [e.broadcast(e.select(n, e.constant(type, 0.0), top), kind) for n, top in zip(none, tops, strict=True)]
        totals = [e.variable(e.zero(kind)) for _ in some]
        with e.loop(0, end, lanes) as j:
            for row, peak, total in zip(rows, peaks, totals, strict=True):
                power = m.exp(e, e.load(kind, row, j) - peak)
                e.store(power, row, j)
                total.set(total.get() + power)
        sums = [e.select(n, e.constant(type, 1.0), e.total_of(t.get())) for n, t in zip(none, totals, strict=True)]
        parts = [e.broadcast(1.0 / each, kind) for each in sums]
        with e.loop(0, end, lanes) as j:
            for row, part in zip(rows, parts, strict=True):
                e.store(e.load(kind, row, j) * part, row, j)

    def softmax_backward(
        self, probs: list[Value], delta: list[Value], seen: list[Value], end: Value, scale: Value
    ) -> None:
        """delta = scale · probs · (delta - Σ delta · probs) for the first `seen` numbers, 0 for those up to `end`."""
        e, kind, lanes = self.e, self.kind, self.lanes
        totals = [e.variable(e.zero(kind)) for _ in probs]
        with e.loop(0, end, lanes) as j:
            for row, change, mine, total in zip(probs, delta, seen, totals, strict=True):
                found = e.select(e.below(lanes, mine - j), e.load(kind, change, j), 0.0)
                e.store(found, change, j)
                total.set(e.intrinsic("fmuladd", e.load(kind, row, j), found, total.get()))
        factor = e.broadcast(scale, kind)
        means = [e.broadcast(e.total_of(total.get()), kind) for total in totals]
        with e.loop(0, end, lanes) as j:
            for row, change, mean in zip(probs, delta, means, strict=True):
                e.store(e.load(kind, row, j) * factor * (e.load(kind, change, j) - mean), change, j)

    def blank(self, rows: list[Value], first: Value, end: Value) -> None:
        """Make the vectors of each row from the one after the first `first` numbers on zeros, up to `end`."""
        e, lanes = self.e, self.lanes
        with e.loop((first + (lanes - 1)) / lanes * lanes, end, lanes) as j:
            for row in rows:
                e.store(e.zero(self.kind), row, j)


_LENGTHS = dict.fromkeys(("queries", "keys", "width", "depth", "pad", "each", "second", "third", "fourth"), "i64")


def _operands(*names: str) -> dict[str, str]:
    """Arrays of heads: where each head begins is in a table, and so is how far its rows are from each other."""
    return {f"{name}{part}": "i64" if part == "_row" else "ptr" for name in names for part in ("", "_at", "_row")}


def _seen(e: Emitter, more: Value, causal: bool) -> Value:
    """How many keys the queries before `more` see."""
    return e.smaller(more, e.keys) if causal else e.keys


def _begin(
    name: str, type: str, lanes: int, causal: bool, masked: bool, fills: str, operands: tuple[str, ...],
    results: tuple[str, ...],
) -> Any:  # fmt: skip
    """(The emitter, the maker) of a kernel."""
    given = _operands(*operands, *(["mask"] if masked else []), *results)
    flags = f"{int(causal)}{int(masked)}{fills}"
    e = Emitter(f"{name}_{lanes}_{flags}", {**given, "room": "ptr", **_LENGTHS, "scale": type}, blocked=True)
    return e, _Maker(e, type, lanes, fills)


def _of_head(e: Emitter, head: Value, type: str, *names: str) -> list[Value]:
    """Where the head begins in each of the operands."""
    return [e.at(getattr(e, each), e.load("i64", getattr(e, f"{each}_at"), head), type) for each in names]


def _forward(name: str, type: str, lanes: int, causal: bool, masked: bool, fills: str) -> Emitter:
    """out = softmax(scale · q kᵀ + mask) v of the heads from start to stop."""
    e, made = _begin(name, type, lanes, causal, masked, fills, ("q", "k", "v"), ("out",))
    room = e.at(e.room, e.start * e.each, type)  # one for all heads that are done one after the other
    scores = e.at(room, e.second, type)
    with e.loop(e.start, e.stop) as head:
        q, k, v, out = _of_head(e, head, type, "q", "k", "v", "out")
        (mask,) = _of_head(e, head, type, "mask") if masked else [None]
        made.turn(k, e.k_row, e.keys, e.width, room, e.pad)
        with e.loop(0, e.queries, _ROWS) as start:
            i = e.smaller(start, e.queries - _ROWS)  # the last rows may be done twice
            seen = _seen(e, i + _ROWS, causal)
            made.product(
                made.rows(q, i, e.q_row), 1, room, e.pad, scores, e.pad, seen, 0, e.width, room=True, scale=e.scale
            )
            lefts = made.rows(scores, e.constant("i64", 0), e.pad)
            mine = [_seen(e, i + (t + 1), causal) for t in range(_ROWS)]
            made.softmax(lefts, mine, seen, made.rows(mask, i, e.mask_row) if masked else [])
            made.product(lefts, 1, v, e.v_row, e.at(out, i * e.out_row, type), e.out_row, e.depth, 0, seen)
    return e


def _backward(name: str, type: str, lanes: int, causal: bool, masked: bool, fills: str) -> Emitter:
    """The gradients of q, k and v, of the heads from start to stop."""
    e, made = _begin(name, type, lanes, causal, masked, fills, ("g", "q", "k", "v"), ("of_q", "of_k", "of_v"))
    of_keys = e.at(e.room, e.start * e.each, type)
    of_values, probs, delta = (e.at(of_keys, place, type) for place in (e.second, e.third, e.fourth))
    one = e.constant("i64", 1)
    with e.loop(e.start, e.stop) as head:
        g, q, k, v = _of_head(e, head, type, "g", "q", "k", "v")
        (mask,) = _of_head(e, head, type, "mask") if masked else [None]
        of_q, of_k, of_v = _of_head(e, head, type, "of_q", "of_k", "of_v")
        made.clear(of_k, e.of_k_row, e.keys, e.width)
        made.clear(of_v, e.of_v_row, e.keys, e.depth)
        made.turn(k, e.k_row, e.keys, e.width, of_keys, e.pad)
        made.turn(v, e.v_row, e.keys, e.depth, of_values, e.pad)
        with e.loop(0, e.queries, _TOGETHER) as first:
            last = e.smaller(first + _TOGETHER, e.queries)
            widest = _seen(e, last, causal)
            with e.loop(first, last, _ROWS) as start:
                i = e.smaller(start, e.queries - _ROWS)
                seen, at = _seen(e, i + _ROWS, causal), (i - first + _MARGIN) * e.pad
                here, there = e.at(probs, at, type), e.at(delta, at, type)
                made.product(
                    made.rows(q, i, e.q_row), 1, of_keys, e.pad, here, e.pad, seen, 0, e.width, room=True, scale=e.scale
                )
                made.product(made.rows(g, i, e.g_row), 1, of_values, e.pad, there, e.pad, seen, 0, e.depth, room=True)
                zero = e.constant("i64", 0)
                probabilities, lefts = made.rows(here, zero, e.pad), made.rows(there, zero, e.pad)
                mine = [_seen(e, i + (t + 1), causal) for t in range(_ROWS)]
                made.softmax(probabilities, mine, seen, made.rows(mask, i, e.mask_row) if masked else [])
                made.softmax_backward(probabilities, lefts, mine, seen, e.scale)
                made.blank([*probabilities, *lefts], seen, widest)
                made.product(lefts, 1, k, e.k_row, e.at(of_q, i * e.of_q_row, type), e.of_q_row, e.width, 0, seen)
            here, there = (e.at(each, e.pad * _MARGIN, type) for each in (probs, delta))
            q, g = e.at(q, first * e.q_row, type), e.at(g, first * e.g_row, type)

            def gather(j: Value, count: int, here=here, there=there, q=q, g=g, first=first, last=last) -> None:
                """Add what these queries give to some keys."""
                begin = e.larger(j - first, e.constant("i64", 0)) if causal else 0
                for left, right, row, out, out_row, width in (
                    (there, q, e.q_row, of_k, e.of_k_row, e.width), (here, g, e.g_row, of_v, e.of_v_row, e.depth),
                ):  # fmt: skip
                    lefts = made.rows(left, j, one, count)
                    made.product(
                        lefts, e.pad, right, row, e.at(out, j * out_row, type), out_row, width, begin, last - first,
                        adds=True,
                    )  # fmt: skip

            even = widest / _ROWS * _ROWS
            with e.loop(0, even, _ROWS) as j:
                gather(j, _ROWS)
            with e.loop(even, widest) as j:
                gather(j, 1)
    return e


FORWARD = Kernel("attention", _forward)
BACKWARD = Kernel("attention_backward", _backward)


class _Sizes(NamedTuple):
    """The lengths that both kernels are given."""

    heads: int
    queries: int
    keys: int
    width: int
    depth: int


def _sizes(query: Array, key: Array, value: Array, mask: Array | None, *others: Array) -> _Sizes | None:
    """None where the NumPy lines are to run."""
    arrays = (query, key, value, *([] if mask is None else [mask]), *others)
    if query.dtype not in TYPES or any(type(each) is not np.ndarray or each.dtype != query.dtype for each in arrays):
        return None
    lead, (queries, width), (keys, depth) = query.shape[:-2], query.shape[-2:], value.shape[-2:]
    if any(each.shape[:-2] != lead for each in arrays) or key.shape[-2:] != (keys, width):
        return None
    if min(queries, keys) < _ROWS or min(width, depth) < 1 or queries * keys * width < LEAST:
        return None
    size = query.itemsize
    if any(each.strides[-1] != size or any(step % size for step in each.strides) for each in arrays):
        return None
    if mask is not None and mask.shape[-2:] != (queries, keys):
        return None
    return _Sizes(math.prod(lead), queries, keys, width, depth)


@functools.lru_cache(256)
def _places(shape: tuple[int, ...], strides: tuple[int, ...], size: int) -> Array:
    """Where each head begins, in numbers."""
    grid: Any = np.zeros((), np.int64)
    for length, stride in zip(shape, strides, strict=True):
        grid = np.add.outer(grid, np.arange(length, dtype=np.int64) * (stride // size))
    return np.ascontiguousarray(grid.ravel())


def _given(*arrays: Array | None) -> tuple[list[int], list[Array]]:
    """(Address, table of heads and distance of rows of each; the tables)."""
    found: list[int] = []
    tables: list[Array] = []
    for array in arrays:
        if array is None:
            continue
        size = array.itemsize
        table = _places(array.shape[:-2], array.strides[:-2], size)
        tables.append(table)
        found += [address(array), address(table), array.strides[-2] // size]
    return found, tables


def _run(
    kernel: Kernel, sizes: _Sizes, causal: bool, operands: tuple[Array | None, ...], outs: list[Array], scale: float
) -> Run | None:
    """The call of a kernel on the heads; None where there is none."""
    target, dtype, masked = compiler.target(), outs[0].dtype, operands[-1] is not None
    if target is None:
        return None
    lanes = target.lanes * 4 // dtype.itemsize
    common = math.gcd(sizes.width, sizes.depth)
    fills = "" if common % lanes else VECTORS if common % (lanes * _VECTORS) else BLOCKS
    function = kernel.function(dtype, lanes, causal, masked, fills)
    if function is None:
        return None

    def padded(length: int) -> int:
        return -(-length // lanes) * lanes

    pad, rows = padded(sizes.keys), _TOGETHER + _MARGIN
    of_keys, of_values = padded(sizes.width) * pad, padded(sizes.depth) * pad
    if kernel is FORWARD:
        each, parts, times = of_keys + _ROWS * pad, (of_keys, 0, 0), 1
    else:
        second = of_keys + of_values
        each, parts, times = second + 2 * rows * pad, (of_keys, second, second + rows * pad), 3
    # Each head could have a room, but only those are touched in which a thread begins: the others take no memory.
    room = np.empty(sizes.heads * each, dtype)
    least = -(-_EACH // (times * sizes.queries * sizes.keys * sizes.width))
    given, tables = _given(*operands, *outs)
    arguments = (*given, address(room), *sizes[1:], pad, each, *parts, float(scale))
    return Run(function, sizes.heads, least, arguments, (room, tables))


def beside(array: Any) -> bool:
    """Whether in (…, heads, L, E) the heads of a row are nearer to each other than rows: as (…, L, heads · E)."""
    strides = array.strides if isinstance(array, np.ndarray) else array.stride()
    return len(strides) > 3 and strides[-3] < strides[-2]


def empty(xp: Any, shape: tuple[int, ...], dtype: Any, like: Any) -> Array:
    """Memory for (…, heads, L, E), the heads of a row side by side where they are in `like`."""
    if not beside(like):
        return xp.empty(shape, dtype)
    return xp.empty((*shape[:-3], shape[-2], shape[-3], shape[-1]), dtype).swapaxes(-2, -3)


def forward(query: Array, key: Array, value: Array, mask: Array | None, scale: float, causal: bool) -> Array | None:
    """softmax(scale · query keyᵀ + mask) value, laid as the query is; None where the NumPy lines are to run."""
    if type(query) is not np.ndarray:
        return None
    out = empty(np, (*query.shape[:-1], value.shape[-1]), query.dtype, query)
    run = forward_run(query, key, value, mask, scale, causal, out)
    if run is None:
        return None
    run()
    return out


def forward_run(
    query: Array, key: Array, value: Array, mask: Array | None, scale: float, causal: bool, out: Array
) -> Run | None:
    """The call that puts it into `out`."""
    sizes = _sizes(query, key, value, mask)
    if sizes is None or not sizes.heads:
        return None
    return _run(FORWARD, sizes, causal, (query, key, value, mask), [out], scale)


def backward(
    grad: Array, query: Array, key: Array, value: Array, mask: Array | None, scale: float, causal: bool,
    out: list[Array],
) -> bool:  # fmt: skip
    """Put the gradients of query, key and value into `out`; False where the NumPy lines are to run."""
    if type(grad) is np.ndarray and grad.strides[-1] != grad.itemsize:  # as that of a sum, which has one number
        grad = grad.copy()
    run = backward_run(grad, query, key, value, mask, scale, causal, out)
    if run is None:
        return False
    run()
    return True


def backward_run(
    grad: Array, query: Array, key: Array, value: Array, mask: Array | None, scale: float, causal: bool,
    out: list[Array],
) -> Run | None:  # fmt: skip
    """The call that does it, whose numbers of a row lie side by side."""
    sizes = _sizes(query, key, value, mask, grad)
    if sizes is None or not sizes.heads:
        return None
    if not all(each.strides[-1] == each.itemsize and each.dtype == query.dtype for each in out):
        return None
    return _run(BACKWARD, sizes, causal, (grad, query, key, value, mask), out, scale)
