"""Attention of each head in one call, forward and backward: small products, and the softmax of their rows in between.

A head's queries go through four rows at a time, whose scores, probabilities and results stay in cache. With `causal`,
the keys after the last of the four are never looked at, which is nearly half of the work. Keys and values may be views,
as those are which are parts of one product, as long as the numbers of a row lie side by side.
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
from .emitter import Emitter, Value, vector
from .pool import share
from .table import TYPES, Kernel, address

LEAST = 1 << 14  # products of a head's scores: below, NumPy's calls cost no more
_ROWS, _VECTORS = 4, 2  # of a block of a product
_EACH = 1 << 16  # products that a thread takes at least


class _Maker:
    """An emitter, and what the kernels below have in common."""

    def __init__(self, e: Emitter, type: str, lanes: int) -> None:
        self.e, self.type, self.lanes = e, type, lanes
        self.kind = vector(lanes, type)

    def product(
        self, lefts: list[Value], along: Value | int, right: Value, row: Value, columns: Value,
        begin: Value | int, end: Value, store: Callable[[int, Value, Value, Value], None],
    ) -> None:  # fmt: skip
        """Σ_p left[p · along] · right[p · row + j] for each of `lefts`; `store(which, j, how many are left, sums)`."""
        e, lanes = self.e, self.lanes
        with e.loop(0, columns, _VECTORS * lanes) as j:
            places = [j + v * lanes for v in range(_VECTORS)]
            sums = [[e.variable(e.zero(self.kind)) for _ in places] for _ in lefts]
            with e.loop(begin, end) as p:
                loaded = [e.load_first(self.kind, columns - at, right, p * row + at) for at in places]
                for left, own in zip(lefts, sums, strict=True):
                    factor = e.broadcast(e.load(self.type, left, p * along), self.kind)
                    for total, entry in zip(own, loaded, strict=True):
                        total.set(e.intrinsic("fmuladd", factor, entry, total.get()))
            for which, own in enumerate(sums):
                for at, total in zip(places, own, strict=True):
                    store(which, at, columns - at, total.get())

    def storing(
        self, out: Value, first: Value, row: Value, scale: Value | None = None
    ) -> Callable[[int, Value, Value, Value], None]:
        """A `store` into the rows from `first` on of a matrix."""

        def store(which: int, j: Value, left: Value, sums: Value) -> None:
            value = sums if scale is None else sums * self.e.broadcast(scale, self.kind)
            self.e.store_first(value, left, out, (first + which) * row + j)

        return store

    def rows(self, pointer: Value, first: Value, row: Value) -> list[Value]:
        """Where the rows of a block begin."""
        return [self.e.at(pointer, (first + t) * row, self.type) for t in range(_ROWS)]

    def turn(self, matrix: Value, row: Value, count: Value, width: Value, room: Value, pad: Value) -> None:
        """Put the columns of a matrix side by side, `pad` numbers from each other."""
        e, lanes = self.e, self.lanes
        with e.loop(0, count, lanes) as j, e.loop(0, width, lanes) as p:
            places = [e.smaller(j + c, count - 1) * row + p for c in range(lanes)]
            for c, line in enumerate(e.turned([e.load_first(self.kind, width - p, matrix, at) for at in places])):
                e.store(line, room, (p + c) * pad + j)


_LENGTHS = dict.fromkeys(("queries", "keys", "width", "depth", "pad", "each"), "i64")


def _operands(*names: str) -> dict[str, str]:
    """Arrays of heads: where each head begins is in a table, and so is how far its rows are from each other."""
    return {f"{name}{part}": "i64" if part == "_row" else "ptr" for name in names for part in ("", "_at", "_row")}


def _seen(e: Emitter, first: Value, causal: bool, more: int) -> Value:
    """How many keys the queries up to `first + more - 1` see."""
    return e.smaller(first + more, e.keys) if causal else e.keys


def _forward(name: str, type: str, lanes: int, causal: bool) -> Emitter:
    own = {"out": "ptr", "probs": "ptr", "room": "ptr", **_LENGTHS, "scale": type}
    e = Emitter(f"{name}_{lanes}_{int(causal)}", {**_operands("q", "k", "v"), **own}, blocked=True)
    made = _Maker(e, type, lanes)
    with e.loop(e.start, e.stop) as head:
        q, k, v = (
            e.at(getattr(e, each), e.load("i64", getattr(e, f"{each}_at"), head), type) for each in ("q", "k", "v")
        )
        out = e.at(e.out, head * e.queries * e.depth, type)
        probs = e.at(e.probs, head * e.queries * e.keys, type)
        room = e.at(e.room, head * e.each, type)
        made.turn(k, e.k_row, e.keys, e.width, room, e.pad)
        with e.loop(0, e.queries, _ROWS) as start:
            i = e.smaller(start, e.queries - _ROWS)  # the last rows may be done twice
            seen = _seen(e, i, causal, _ROWS)
            made.product(
                made.rows(q, i, e.q_row), 1, room, e.pad, seen, 0, e.width, made.storing(probs, i, e.keys, e.scale)
            )
            with e.loop(i, i + _ROWS) as r:
                _softmax(made, e.at(probs, r * e.keys, type), _seen(e, r, causal, 1), e.keys)
            made.product(made.rows(probs, i, e.keys), 1, v, e.v_row, e.depth, 0, seen, made.storing(out, i, e.depth))
    return e


def _softmax(made: _Maker, row: Value, seen: Value, whole: Value) -> None:
    """The first `seen` numbers of a row become their softmax, the others 0; where all are -inf, all become 0."""
    e, kind, lanes, type = made.e, made.kind, made.lanes, made.type
    low = e.constant(type, -math.inf)
    highest = e.variable(e.broadcast(low, kind))
    with e.loop(0, seen, lanes) as j:
        found = e.select(e.below(lanes, seen - j), e.load_first(kind, seen - j, row, j), -math.inf)
        highest.set(e.intrinsic("maximum", highest.get(), found))
    top = e.largest_of(highest.get())
    none = e.compare("==", top, low)
    peak = e.broadcast(e.select(none, e.constant(type, 0.0), top), kind)
    total = e.variable(e.zero(kind))
    with e.loop(0, seen, lanes) as j:
        power = m.exp(e, e.load_first(kind, seen - j, row, j) - peak)
        power = e.select(e.below(lanes, seen - j), power, 0.0)
        e.store_first(power, seen - j, row, j)
        total.set(total.get() + power)
    part = e.broadcast(1.0 / e.select(none, e.constant(type, 1.0), e.total_of(total.get())), kind)
    with e.loop(0, whole, lanes) as j:
        power = e.load_first(kind, seen - j, row, j) * part
        e.store_first(e.select(e.below(lanes, seen - j), power, 0.0), whole - j, row, j)


def _backward(name: str, type: str, lanes: int, causal: bool) -> Emitter:
    own = {**dict.fromkeys(("probs", "of_q", "of_k", "of_v", "delta", "room"), "ptr"), **_LENGTHS, "scale": type}
    e = Emitter(f"{name}_{lanes}_{int(causal)}", {**_operands("g", "q", "k", "v"), **own}, blocked=True)
    made = _Maker(e, type, lanes)
    with e.loop(e.start, e.stop) as head:
        g, q, k, v = (
            e.at(getattr(e, each), e.load("i64", getattr(e, f"{each}_at"), head), type) for each in ("g", "q", "k", "v")
        )
        probs, delta = (e.at(each, head * e.queries * e.keys, type) for each in (e.probs, e.delta))
        of_q = e.at(e.of_q, head * e.queries * e.width, type)
        of_k, of_v = e.at(e.of_k, head * e.keys * e.width, type), e.at(e.of_v, head * e.keys * e.depth, type)
        room = e.at(e.room, head * e.each, type)
        made.turn(v, e.v_row, e.keys, e.depth, room, e.pad)
        with e.loop(0, e.queries, _ROWS) as start:
            i = e.smaller(start, e.queries - _ROWS)
            seen = _seen(e, i, causal, _ROWS)
            made.product(made.rows(g, i, e.g_row), 1, room, e.pad, seen, 0, e.depth, made.storing(delta, i, e.keys))
            with e.loop(i, i + _ROWS) as r:
                own = [e.at(each, r * e.keys, type) for each in (probs, delta)]
                _softmax_backward(made, own[0], own[1], _seen(e, r, causal, 1), e.keys)
            made.product(
                made.rows(delta, i, e.keys), 1, k, e.k_row, e.width, 0, seen, made.storing(of_q, i, e.width, e.scale)
            )
        with e.loop(0, e.keys, _ROWS) as start:
            j = e.smaller(start, e.keys - _ROWS)
            first = j if causal else 0
            one = e.constant("i64", 1)
            made.product(
                made.rows(delta, j, one), e.keys, q, e.q_row, e.width, first, e.queries,
                made.storing(of_k, j, e.width, e.scale),
            )  # fmt: skip
            made.product(
                made.rows(probs, j, one), e.keys, g, e.g_row, e.depth, first, e.queries, made.storing(of_v, j, e.depth)
            )
    return e


def _softmax_backward(made: _Maker, probs: Value, delta: Value, seen: Value, whole: Value) -> None:
    """delta = probs · (delta - Σ delta · probs) for the first `seen` numbers of a row, 0 for the others."""
    e, kind, lanes = made.e, made.kind, made.lanes
    total = e.variable(e.zero(kind))
    with e.loop(0, seen, lanes) as j:
        along = e.load_first(kind, seen - j, probs, j) * e.load_first(kind, seen - j, delta, j)
        total.set(total.get() + along)
    mean = e.broadcast(e.total_of(total.get()), kind)
    with e.loop(0, whole, lanes) as j:
        found = e.load_first(kind, seen - j, probs, j) * (e.load_first(kind, seen - j, delta, j) - mean)
        e.store_first(e.select(e.below(lanes, seen - j), found, 0.0), whole - j, delta, j)


FORWARD = Kernel("attention", _forward)
BACKWARD = Kernel("attention_backward", _backward)


class _Sizes(NamedTuple):
    """The lengths that both kernels are given."""

    heads: int
    queries: int
    keys: int
    width: int
    depth: int


def _sizes(query: Array, key: Array, value: Array, *others: Array) -> _Sizes | None:
    """None where the NumPy lines are to run."""
    arrays = (query, key, value, *others)
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
    return _Sizes(math.prod(lead), queries, keys, width, depth)


@functools.lru_cache(256)
def _places(shape: tuple[int, ...], strides: tuple[int, ...], size: int) -> Array:
    """Where each head begins, in numbers."""
    grid: Any = np.zeros((), np.int64)
    for length, stride in zip(shape, strides, strict=True):
        grid = np.add.outer(grid, np.arange(length, dtype=np.int64) * (stride // size))
    return np.ascontiguousarray(grid.ravel())


def _given(*arrays: Array) -> list[int]:
    """Address, table of heads and distance of rows of each."""
    found: list[int] = []
    for array in arrays:
        size = array.itemsize
        table = _places(array.shape[:-2], array.strides[:-2], size)
        found += [address(array), address(table), array.strides[-2] // size]
    return found


def _room(sizes: _Sizes, width: int, lanes: int, dtype: Any) -> tuple[Array, int, int]:
    """Memory for a turned matrix of each head; how far its rows are from each other, and its parts."""
    pad = -(-sizes.keys // lanes) * lanes
    each = pad * (-(-width // lanes) * lanes)
    return np.empty(sizes.heads * each, dtype), pad, each


def forward(query: Array, key: Array, value: Array, scale: float, causal: bool) -> tuple[Array, Array] | None:
    """(softmax(scale · query keyᵀ) value, the probabilities); None where the NumPy lines are to run."""
    sizes, target = _sizes(query, key, value), compiler.target()
    if sizes is None or target is None or not sizes.heads:
        return None
    lanes = target.lanes * 4 // query.itemsize
    function = FORWARD.function(query.dtype, lanes, causal)
    if function is None:
        return None
    out = np.empty((*query.shape[:-1], sizes.depth), query.dtype)
    probs = np.empty((*query.shape[:-1], sizes.keys), query.dtype)
    room, pad, each = _room(sizes, sizes.width, lanes, query.dtype)
    share(
        function, sizes.heads, -(-_EACH // (sizes.queries * sizes.keys * sizes.width)), *_given(query, key, value),
        *map(address, (out, probs, room)), *sizes[1:], pad, each, float(scale),
    )  # fmt: skip
    return out, probs


def backward(
    grad: Array, query: Array, key: Array, value: Array, probs: Array, scale: float, causal: bool, out: list[Array]
) -> bool:
    """Put the gradients of query, key and value into `out`; False where the NumPy lines are to run."""
    sizes, target = _sizes(query, key, value, grad, probs), compiler.target()
    if sizes is None or target is None or not sizes.heads or not probs.flags.c_contiguous:
        return False
    lanes = target.lanes * 4 // query.itemsize
    function = BACKWARD.function(query.dtype, lanes, causal)
    if function is None or not all(each.flags.c_contiguous and each.dtype == query.dtype for each in out):
        return False
    delta = np.empty_like(probs)
    room, pad, each = _room(sizes, sizes.depth, lanes, query.dtype)
    share(
        function, sizes.heads, -(-_EACH // (2 * sizes.queries * sizes.keys * sizes.width)),
        *_given(grad, query, key, value), *map(address, (probs, *out, delta, room)), *sizes[1:], pad, each,
        float(scale),
    )  # fmt: skip
    return True
