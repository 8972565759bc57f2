"""Products of two matrices.

    outer: C = A · B      the rows of B lie side by side, A lies anyhow
    dot:   C = A · Bᵀ     the rows of both do

`outer` holds a block of C in registers and goes through k; each number of A meets a few vectors of a row of B. The part
of B that all blocks of some columns meet is put side by side first, where there are rows enough to pay for that; B may
then lie either way. It can also begin with a bias, or take what it made off a weight (`weight -= rate · A · B`), the
step of gradient descent. `dot` holds a block of C as vectors along k, which are added up at the end: for few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pellucid.backend import Array

from . import compiler
from .calling import address
from .emitter import Emitter, Value, vector
from .pool import Run, share
from .table import TYPES, Kernel

ROWS, VECTORS = 4, 3  # of a block of `outer`: twelve vectors of sums
DEPTH = 96  # of k that `outer` goes through at a time: what it reads stays in the first cache
HEIGHT = 256  # rows of C that `outer` goes through at a time
CHUNK = 16  # blocks of rows of B that `dot` goes through at a time: they stay in the second

ASIDE, TURNED = "aside", "turned"  # how `outer` puts B side by side: by rows, by columns

LEAST = 1 << 18  # products of numbers: below, a call costs as much as it saves
LARGEST = 1 << 30  # above, BLAS is as fast
_PART = 1 << 21  # products of numbers that a thread takes at least
_PACKED, _ALWAYS = 48, 512  # rows of C from which on it pays to put B side by side: where its rows meet in few sets
_APART = 512  # of the cache, since they lie a multiple of this many bytes apart; and in any case
_DEEP = 512  # of k: above, what `dot` adds up at the end of a block counts little
_MOST = 1024  # shapes that `matmul` remembers


class Choice(NamedTuple):
    """The kernel of a product: its function, how many items it has, and the numbers that follow the pointers."""

    function: Any
    items: int
    numbers: tuple[int, ...]
    outer: bool
    least: int  # items that a thread takes at least


def _outer(
    name: str, type: str, lanes: int, packs: str, biased: bool, descends: bool, keeps: bool, adds: bool = False
) -> Emitter:
    """out = A · B (+ bias), or weight -= rate · A · B with `descends`, where `out` is stored too if it `keeps` that.

    With `adds`, it is added to the matrix `onto`, which lies as `out` does.

    A[i, p] is at i · down + p · along, B[p, j] at p · row + j · column. Items are blocks of rows in blocks of columns.
    """
    numbers = dict.fromkeys(("m", "n", "k", "down", "along", "row", "column"), "i64")
    pointers = dict.fromkeys(("a", "b", "out", "extra"), "ptr")
    e = Emitter(
        f"{name}_{lanes}_{packs}_{int(biased)}{int(descends)}{int(keeps)}{int(adds)}",
        {**pointers, **numbers, "rate": type, **({"onto": "ptr"} if adds else {})},
        blocked=True,
    )
    kind, wide = vector(lanes, type), VECTORS * lanes
    rate = e.broadcast(e.rate, kind) if descends else None
    panel = e.scratch(type, DEPTH * wide)

    def load(pointer: Value, at: Value, left: Value | None) -> Value:
        return e.load(kind, pointer, at) if left is None else e.load_first(kind, left, pointer, at)

    def pack(j: Value, count: Value, begin: Value, end: Value) -> None:
        """Put `count` vectors of columns side by side; a column beyond the last is the last once more, or 0."""
        with e.loop(0, count) as v:
            first = j + v * lanes
            if packs == ASIDE:
                with e.loop(begin, end) as p:
                    e.store(
                        e.load_first(kind, e.n - first, e.b, p * e.row + first), panel, (p - begin) * wide + v * lanes
                    )
                return
            with e.loop(begin, end, lanes) as p:
                columns = [e.smaller(first + c, e.n - 1) for c in range(lanes)]
                lines = [e.load_first(kind, end - p, e.b, column * e.column + p) for column in columns]
                for c, line in enumerate(e.turned(lines)):
                    e.store(line, panel, (p - begin + c) * wide + v * lanes)

    def block(i: Value, height: int, j: Value, left: Sequence[Value | None], begin: Value, end: Value) -> None:
        """Rows i … of the columns j …"""
        sums = [[e.variable(e.zero(kind)) for _ in left] for _ in range(height)]
        if biased:
            with e.when(e.compare("==", begin, 0)):
                for v, part in enumerate(left):
                    first = load(e.extra, j + v * lanes, part)
                    for line in sums:
                        line[v].set(first)
        places = [[(i + o) * e.n + j + v * lanes for v in range(len(left))] for o in range(height)]
        for line in places:  # they are there when the sums are
            for place in line:
                e.fetch(type, e.out if keeps else e.extra, place, to_write=True)
        lefts = e.at(e.a, i * e.down, type)
        with e.loop(begin, end) as p:
            if not packs:
                loaded = [load(e.b, p * e.row + j + v * lanes, part) for v, part in enumerate(left)]
            else:
                loaded = [e.load(kind, panel, (p - begin) * wide + v * lanes) for v in range(len(left))]
            at = p * e.along
            for o in range(height):
                factor = e.broadcast(e.load(type, lefts, at + e.down * o), kind)
                for total, entry in zip(sums[o], loaded, strict=True):
                    total.set(e.intrinsic("fmuladd", factor, entry, total.get()))
        for o in range(height):
            for v, part in enumerate(left):
                total, place = sums[o][v].get(), places[o][v]

                def store(value: Value, pointer: Value, place: Value = place, part: Value | None = part) -> None:
                    if part is None:
                        e.store(value, pointer, place)
                    else:
                        e.store_first(value, part, pointer, place)

                if rate is not None:
                    store(load(e.extra, place, part) - total * rate, e.extra)
                if adds:
                    store(total + load(e.select(begin > 0, e.out, e.onto), place, part), e.out)
                elif keeps:
                    kept = e.variable(total)
                    with e.when(begin > 0):
                        kept.set(total + load(e.out, place, part))
                    store(kept.get(), e.out)

    def rows(first: Value, last: Value, j: Value, left: Sequence[Value | None], begin: Value, end: Value) -> None:
        whole = first + (last - first) / ROWS * ROWS
        with e.loop(first, whole, ROWS) as i:
            block(i, ROWS, j, left, begin, end)
        with e.loop(whole, last) as i:
            block(i, 1, j, left, begin, end)

    parts = (e.m + (HEIGHT - 1)) / HEIGHT
    with e.loop(e.start, e.stop) as item:
        part, which = e.remainder(item, parts)
        first, j = part * HEIGHT, which * wide
        last, rest = e.smaller(first + HEIGHT, e.m), e.n - j
        vectors = e.smaller((rest + (lanes - 1)) / lanes, e.like(rest, VECTORS))
        masked = e.select(rest < wide, vectors, 0)  # 0: all of them are whole
        with e.loop(0, e.k, DEPTH) as begin:
            end = e.smaller(begin + DEPTH, e.k)
            if packs:
                pack(j, vectors, begin, end)
            for count in range(VECTORS + 1):
                left = [*[None] * (count - 1), rest - (count - 1) * lanes] if count else [None] * VECTORS
                with e.when(e.compare("==", masked, count)):
                    rows(first, last, j, left, begin, end)
    return e


def _dot(name: str, type: str, lanes: int, rows: int, columns: int) -> Emitter:
    """out = A · Bᵀ in blocks of `rows` and `columns`. Items are blocks of rows of A."""
    numbers = dict.fromkeys(("m", "n", "k", "left", "right"), "i64")
    e = Emitter(
        f"{name}_{lanes}_{rows}_{columns}", {**dict.fromkeys(("a", "b", "out"), "ptr"), **numbers}, blocked=True
    )
    kind = vector(lanes, type)
    whole = e.k / lanes * lanes
    with e.loop(0, e.n, CHUNK * columns) as first, e.loop(e.start, e.stop) as item:
        i = e.smaller(item * rows, e.m - rows)  # the last block may do some again
        with e.loop(first, e.smaller(first + CHUNK * columns, e.n), columns) as start:
            j = e.smaller(start, e.n - columns)
            lefts = [e.at(e.a, (i + o) * e.left, type) for o in range(rows)]
            rights = [e.at(e.b, (j + c) * e.right, type) for c in range(columns)]
            sums = [[e.variable(e.zero(kind)) for _ in range(columns)] for _ in range(rows)]

            def step(p: Value, left: Value | None, lefts=lefts, rights=rights, sums=sums) -> None:
                def load(pointer: Value) -> Value:
                    return e.load(kind, pointer, p) if left is None else e.load_first(kind, left, pointer, p)

                loaded = [load(pointer) for pointer in rights]
                for o, pointer in enumerate(lefts):
                    factor = load(pointer)
                    for total, entry in zip(sums[o], loaded, strict=True):
                        total.set(e.intrinsic("fmuladd", factor, entry, total.get()))

            with e.loop(0, whole, lanes) as p:
                step(p, None)
            with e.when(whole < e.k):
                step(whole, e.k - whole)
            for o in range(rows):
                for c in range(columns):
                    e.store(
                        sums[o][c].get() if lanes == 1 else e.total_of(sums[o][c].get()), e.out, (i + o) * e.n + j + c
                    )
    return e


OUTER = Kernel("product_outer", _outer)
DOT = Kernel("product_dot", _dot)


def choice(
    dtype: Any, shape: tuple[int, int, int], a: tuple[int, int], b: tuple[int, int], *, biased: bool = False,
    descends: bool = False, keeps: bool = True, adds: bool = False,
) -> Choice | None:  # fmt: skip
    """The kernel for matrices (m, k) and (k, n) with these distances between neighbours; None where none fits.

    One that is not `outer` leaves the bias, and the matrix that it is to be added to, to be added.
    """
    m, k, n = shape
    target = compiler.target()
    if target is None or dtype not in TYPES or not 0 < m * n * k <= LARGEST:
        return None
    lanes = target.lanes * 4 // dtype.itemsize
    by_rows, by_columns = b[1] == 1 or n == 1, b[0] == 1 or k == 1
    few = m < _PACKED // 2 or (m < _PACKED and k >= _DEEP)
    if by_columns and not by_rows and a[1] == 1 and few and not descends:
        rows, columns = min(4, m), min(4 if target.lanes > 8 else 3, n)  # as many sums as there are registers for
        function = DOT.function(dtype, lanes, rows, columns)
        items, numbers, outer = -(-m // rows), (m, n, k, a[0], b[1]), False
    elif by_rows or by_columns:
        meet = b[0] * dtype.itemsize % _APART == 0
        packs = (ASIDE if m >= (_PACKED if meet else _ALWAYS) else "") if by_rows else TURNED
        function = OUTER.function(dtype, lanes, packs, biased, descends, keeps, *([True] if adds else []))
        items, numbers, outer = -(-n // (VECTORS * lanes)) * -(-m // HEIGHT), (m, n, k, *a, *b), True
    else:
        return None
    return None if function is None else Choice(function, items, numbers, outer, -(-_PART * items // (m * n * k)))


def run(a: Array, b: Array, out: Array) -> Run | None:
    """The call that puts a · b into `out`, which lies in one piece; None where no kernel fits."""
    size = a.dtype.itemsize
    steps = [(array.strides[0] // size, array.strides[1] // size) for array in (a, b)]
    found = choice(a.dtype, (*a.shape, b.shape[1]), *steps)
    if found is None:
        return None
    places = (*map(address, (a, b, out)), *([0] if found.outer else []))
    return Run(found.function, found.items, found.least, (*places, *found.numbers, *([0.0] if found.outer else [])))


_known: dict[Any, Choice | None] = {}
_unknown: Any = object()


def matmul(a: Array, b: Array, bias: Array | None = None, out: Array | None = None) -> Array | None:
    """a · b (+ bias) of two matrices, in `out` (in one piece) if it is given; None where the NumPy line is to run."""
    if type(a) is not np.ndarray or type(b) is not np.ndarray or b.dtype != a.dtype:
        return None
    if b.ndim != 2 or a.size * b.shape[1] < LEAST:
        return None
    key = (a.shape, a.strides, b.shape, b.strides, a.dtype, None if bias is None else bias.shape)
    found = _known.get(key, _unknown)
    if found is _unknown:
        if len(_known) >= _MOST:
            _known.clear()
        found = _known[key] = _chosen(a, b, bias)
    if found is None:
        return None
    if bias is not None and not (type(bias) is np.ndarray and bias.dtype == a.dtype and bias.flags.c_contiguous):
        return None
    if out is None:
        out = np.empty((a.shape[0], b.shape[1]), a.dtype)
    if found.outer:
        share(found.function, found.items, found.least, a, b, out, 0 if bias is None else bias, *found.numbers, 0.0)
    else:
        share(found.function, found.items, found.least, a, b, out, *found.numbers)
        if bias is not None:
            out += bias
    return out


def _chosen(a: Array, b: Array, bias: Array | None) -> Choice | None:
    """The kernel of `matmul` for arrays that lie like these."""
    if a.dtype not in TYPES or len(a.shape) != 2 or a.shape[1] != b.shape[0]:
        return None
    if bias is not None and bias.shape != b.shape[1:]:
        return None
    (m, k), n, size = a.shape, b.shape[1], a.dtype.itemsize
    if any(step % size for step in (*a.strides, *b.strides)):
        return None
    steps = [(array.strides[0] // size, array.strides[1] // size) for array in (a, b)]
    return choice(a.dtype, (m, k, n), *steps, biased=bias is not None)
