"""Which code computes a product of two matrices: a kernel of ours where it is small, else the BLAS that NumPy has.

BLAS first packs both matrices. Where they are small that is much of the work, and where they lie well (the rows of B
side by side, or those of A and of Bᵀ) our loops need none. Which it is depends on shapes and layout alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pellucid.kernels import blas, compiler
from pellucid.kernels import products as native
from pellucid.kernels.table import TYPES

from . import segment

LARGEST = 1 << 24  # products of numbers: above, BLAS is as fast
SMALL = 1 << 20  # below, ours are the faster in any case
_APART = 512  # bytes: rows of B that lie a multiple of it apart meet in few sets of the cache
_DEEP = 512  # of k: above, what `dot` adds up at the end of a block counts little


class Matrix(NamedTuple):
    """A matrix: its shape, the distances between neighbours (in numbers), and its address as an argument of a call."""

    shape: tuple[int, int]
    steps: tuple[int, int]
    place: Any


class Product(NamedTuple):
    """A call, and its function if threads may share it: `items` of them, with `work` products of numbers in all."""

    call: segment.Call
    function: Any = None
    items: int = 0
    work: int = 0


def own(label: str, dtype: Any, a: Matrix, b: Matrix, out: Any, weight: Any = 0, rate: Any = None) -> Product | None:
    """out = a · b by a kernel of ours, or weight -= rate · a · b, and `out` where it is not 0; None where none fits."""
    (m, k), n = a.shape, b.shape[1]
    target = compiler.target()
    if target is None or dtype not in TYPES or not 0 < m * n * k <= LARGEST:
        return None
    lanes, large = target.lanes * 4 // dtype.itemsize, m * n * k > SMALL
    if large and b.steps[1] == 1 and b.steps[0] * dtype.itemsize % _APART == 0:
        return None
    if b.steps[1] == 1 or n == 1:
        wide = native.VECTORS * lanes
        function = native.OUTER.function(dtype, lanes, m % native.ROWS, n % wide, rate is not None, out != 0)
        numbers = (m, n, k, *a.steps, b.steps[0], 0.0 if rate is None else rate)
        items, pointers = -(-n // wide), (a.place, b.place, out, weight)
    elif rate is None and b.steps[0] == a.steps[1] == 1 and (not large or k >= _DEEP):
        rows, columns = min(4, m), min(3, n)
        function = native.DOT.function(dtype, lanes, rows, columns, k % lanes)
        items, pointers, numbers = -(-m // rows), (a.place, b.place, out), (m, n, k, a.steps[0], b.steps[1])
    else:
        return None
    if function is None:
        return None
    return Product(segment.kernel(label, function, 0, items, *pointers, *numbers), function, items, m * n * k)


def by_blas(
    label: str, dtype: Any, a: Matrix, b: Matrix, out: Any, scale: Any = 1.0, add: float = 0.0
) -> Product | None:
    """out = scale · a · b + add · out by BLAS; None where a matrix lies in a way that it does not take."""
    (m, k), n = a.shape, b.shape[1]
    layouts = [_layout(a), _layout(b)]
    if dtype not in TYPES or not m * n * k or None in layouts:
        return None
    (a_turned, a_apart), (b_turned, b_apart) = layouts  # type: ignore[misc]
    call = segment.product(
        label, TYPES[dtype], blas.ROW_MAJOR, a_turned, b_turned, m, n, k, scale, a.place, a_apart, b.place, b_apart,
        add, out, n,
    )  # fmt: skip
    return None if call is None else Product(call)


def _layout(matrix: Matrix) -> tuple[int, int] | None:
    (rows, columns), (down, across) = matrix.shape, matrix.steps
    if across == 1 and down >= max(1, columns):
        return blas.PLAIN, down
    if down == 1 and across >= max(1, rows):
        return blas.TURNED, across
    return None
