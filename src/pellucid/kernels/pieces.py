"""Rows of numbers copied to where they belong in a larger array."""

from __future__ import annotations

from pellucid.backend import Array

from .emitter import Emitter
from .pool import Run
from .table import TYPES, Kernel, address

_EACH = 1 << 16  # numbers that a thread takes at least


def _copy(name: str, type: str) -> Emitter:
    """Rows of `length` numbers, which are `given_row` from each other, to where they are `out_row`."""
    k = Emitter(name, {"given": "ptr", "out": "ptr", **dict.fromkeys(("length", "given_row", "out_row"), "i64")})
    with k.loop(k.start, k.stop) as i, k.loop(0, k.length) as j:
        k.store(k.load(type, k.given, i * k.given_row + j), k.out, i * k.out_row + j)
    return k


COPY = Kernel("copy_rows", _copy)


def copying(given: Array, out: Array) -> Run | None:
    """The call that copies one array to another of its shape; None where they do not lie as equal rows."""
    if given.dtype != out.dtype or given.dtype not in TYPES or given.shape != out.shape or not given.size:
        return None
    both = [_as_rows(array) for array in (given, out)]
    length = min(own for own, _ in both)
    steps = [_apart(rows, length, given.size) for rows in both]
    function = COPY.function(given.dtype)
    if function is None or None in steps:
        return None
    arguments = (address(given), address(out), length, *steps)
    return Run(function, given.size // length, -(-_EACH // length), arguments)


def _as_rows(array: Array) -> tuple[int, int]:
    """(Numbers of a row, the rows as long as can be; numbers from a row to the next, or -1 where they differ)."""
    length, count, step = 1, 1, 0
    for n, stride in zip(reversed(array.shape), reversed(array.strides), strict=True):
        if n == 1:
            continue
        apart, rest = divmod(stride, array.itemsize)
        if count == 1 and apart == length and not rest:
            length *= n
        elif not rest and (count == 1 or apart == step * count):
            step = apart if count == 1 else step
            count *= n
        else:
            return length, -1
    return length, step


def _apart(rows: tuple[int, int], length: int, size: int) -> int | None:
    """Numbers between rows of `length`, of an array of `size` that lies as `rows` says; None where it does not."""
    own, step = rows
    if own == size:
        return length
    return None if own != length or step < 0 else step
