"""Products of two matrices, where they lie so that nothing need be packed: what BLAS spends on packing is then saved.

    outer: C = A · B      the rows of B lie side by side, A lies anyhow
    dot:   C = A · Bᵀ     the rows of both do

`outer` holds a block of C in registers and goes through k; each number of A meets a few vectors of a row of B. It can
also take what it made off a weight at once (`weight -= rate · A · B`), the step of gradient descent. `dot` holds a
block of C as vectors along k, which are added up at the end.
"""

from __future__ import annotations

from .emitter import Emitter, Value, vector
from .table import Kernel

ROWS, VECTORS = 4, 3  # of a block of `outer`: twelve vectors of sums
DEPTH = 96  # of k that `outer` goes through at a time: what it reads stays in the first cache
CHUNK = 16  # blocks of rows of B that `dot` goes through at a time: they stay in the second


def _outer(name: str, type: str, lanes: int, rows: int, columns: int, descends: bool, keeps: bool) -> Emitter:
    """out = A · B, or weight -= rate · A · B with `descends`; `rows`, `columns` are what is left of a block at the end.

    A[i, p] is at i · down + p · along, B[p, j] at p · row + j. Items are blocks of columns.
    """
    numbers = dict.fromkeys(("m", "n", "k", "down", "along", "row"), "i64")
    pointers = dict.fromkeys(("a", "b", "out", "weight"), "ptr")
    e = Emitter(
        f"{name}_{lanes}_{rows}_{columns}_{int(descends)}{int(keeps)}",
        {**pointers, **numbers, "rate": type},
        blocked=True,
    )
    kind, wide = vector(lanes, type), VECTORS * lanes
    rate = e.broadcast(e.rate, kind) if descends else None

    def block(i: Value, height: int, j: Value, width: int, begin: Value, end: Value) -> None:
        """Rows i … of the columns j …, `width` of them."""
        parts = [min(lanes, width - v) for v in range(0, width, lanes)]

        def load(pointer: Value, at: Value, part: int) -> Value:
            return e.load(kind, pointer, at) if part == lanes else e.load_first(kind, part, pointer, at)

        def store(value: Value, pointer: Value, at: Value, part: int) -> None:
            if part == lanes:
                e.store(value, pointer, at)
            else:
                e.store_first(value, part, pointer, at)

        sums = [[e.variable(e.zero(kind)) for _ in parts] for _ in range(height)]
        places = [[(i + o) * e.n + j + v * lanes for v in range(len(parts))] for o in range(height)]
        left = e.at(e.a, i * e.down, type)
        with e.loop(begin, end) as p:
            line = p * e.row + j
            loaded = [load(e.b, line + v * lanes, part) for v, part in enumerate(parts)]
            at = p * e.along
            for o in range(height):
                factor = e.broadcast(e.load(type, left, at + e.down * o), kind)
                for total, entry in zip(sums[o], loaded, strict=True):
                    total.set(e.intrinsic("fmuladd", factor, entry, total.get()))
        for o in range(height):
            for v, part in enumerate(parts):
                total = sums[o][v].get()
                if rate is not None:
                    old = load(e.weight, places[o][v], part)
                    store(old - total * rate, e.weight, places[o][v], part)
                if keeps:
                    kept = e.variable(total)
                    with e.when(begin > 0):
                        kept.set(total + load(e.out, places[o][v], part))
                    store(kept.get(), e.out, places[o][v], part)

    def panel(j: Value, width: int) -> None:
        with e.loop(0, e.k, DEPTH) as begin:
            end = e.smaller(begin + DEPTH, e.k)
            with e.loop(0, e.m - rows, ROWS) as i:
                block(i, ROWS, j, width, begin, end)
            if rows:
                block(e.m - rows, rows, j, width, begin, end)

    whole = e.n / wide
    with e.loop(e.start, e.smaller(e.stop, whole)) as item:
        panel(item * wide, wide)
    if columns:
        with e.when(e.stop > whole):
            panel(whole * wide, columns)
    return e


def _dot(name: str, type: str, lanes: int, rows: int, columns: int, rest: int) -> Emitter:
    """out = A · Bᵀ in blocks of `rows` and `columns`; `rest` = k mod lanes. Items are blocks of rows of A."""
    numbers = dict.fromkeys(("m", "n", "k", "left", "right"), "i64")
    e = Emitter(
        f"{name}_{lanes}_{rows}_{columns}_{rest}", {**dict.fromkeys(("a", "b", "out"), "ptr"), **numbers}, blocked=True
    )
    kind = vector(lanes, type)
    whole = e.k - rest
    with e.loop(0, e.n, CHUNK * columns) as first, e.loop(e.start, e.stop) as item:
        i = e.smaller(item * rows, e.m - rows)  # the last block may do some again
        with e.loop(first, e.smaller(first + CHUNK * columns, e.n), columns) as start:
            j = e.smaller(start, e.n - columns)
            lefts = [e.at(e.a, (i + o) * e.left, type) for o in range(rows)]
            rights = [e.at(e.b, (j + c) * e.right, type) for c in range(columns)]
            sums = [[e.variable(e.zero(kind)) for _ in range(columns)] for _ in range(rows)]

            def step(p: Value, part: int, lefts=lefts, rights=rights, sums=sums) -> None:
                def load(pointer: Value) -> Value:
                    return e.load_first(kind, part, pointer, p) if part else e.load(kind, pointer, p)

                loaded = [load(pointer) for pointer in rights]
                for o, pointer in enumerate(lefts):
                    factor = load(pointer)
                    for total, entry in zip(sums[o], loaded, strict=True):
                        total.set(e.intrinsic("fmuladd", factor, entry, total.get()))

            with e.loop(0, whole, lanes) as p:
                step(p, 0)
            if rest:
                step(whole, rest)
            for o in range(rows):
                for c in range(columns):
                    e.store(e.total_of(sums[o][c].get()), e.out, (i + o) * e.n + j + c)
    return e


OUTER = Kernel("product_outer", _outer)
DOT = Kernel("product_dot", _dot)
