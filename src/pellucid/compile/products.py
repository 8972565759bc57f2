"""Which code computes a product of two matrices: a kernel of ours where one fits, else the BLAS that NumPy has."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pellucid.backend import Array
from pellucid.kernels import blas
from pellucid.kernels import products as native
from pellucid.kernels.table import TYPES

from . import segment


class Matrix(NamedTuple):
    """A matrix: its shape, the distances between neighbours (in numbers), and its address as an argument of a call."""

    shape: tuple[int, int]
    steps: tuple[int, int]
    place: Any


class Product(NamedTuple):
    """A call, and its function if threads may share it: `items` of them, `least` of which a thread takes."""

    call: segment.Call
    function: Any = None
    items: int = 1
    least: int = 0


def own(label: str, dtype: Any, a: Matrix, b: Matrix, out: Any, weight: Any = 0, rate: Any = None) -> Product | None:
    """out = a · b by a kernel of ours, or weight -= rate · a · b, and `out` where it is not 0; None where none fits."""
    (m, k), n = a.shape, b.shape[1]
    found = native.choice(dtype, (m, k, n), a.steps, b.steps, descends=rate is not None, keeps=out != 0)
    if found is None:
        return None
    pointers: tuple[Any, ...] = (a.place, b.place, out)
    numbers: tuple[Any, ...] = found.numbers
    if found.outer:
        pointers, numbers = (*pointers, weight), (*numbers, 0.0 if rate is None else rate)
    call = segment.kernel(label, found.function, 0, found.items, *pointers, *numbers)
    return Product(call, found.function, found.items, found.least)


def onto(label: str, dtype: Any, a: Matrix, b: Matrix, out: Any, bias: Any, matrix: Any) -> Product | None:
    """out = a · b + bias + matrix by a kernel of ours, of which one may be None; None where none fits."""
    (m, k), n = a.shape, b.shape[1]
    found = native.choice(dtype, (m, k, n), a.steps, b.steps, biased=bias is not None, adds=matrix is not None)
    if found is None or not found.outer:
        return None
    last = () if matrix is None else (matrix,)
    pointers = (a.place, b.place, out, 0 if bias is None else bias)
    call = segment.kernel(label, found.function, 0, found.items, *pointers, *found.numbers, 0.0, *last)
    return Product(call, found.function, found.items, found.least)


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


def multiplied(a: Array, b: Array, out: Array) -> Array:
    """a · b into `out`, which lies in one piece, where it is known in a run only how the two lie."""
    return out if native.matmul(a, b, out=out) is not None else np.matmul(a, b, out)
