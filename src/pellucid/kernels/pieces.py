"""Numbers copied to where they belong in a larger array, and zeros."""

from __future__ import annotations

from pellucid.backend import Array

from .calling import address
from .emitter import Emitter
from .pool import Run
from .table import TYPES, Kernel

_EACH = 1 << 16  # numbers that a thread takes at least


def _copy(name: str, type: str) -> Emitter:
    """`count` rows of `length` numbers for each item, from where they are in `given` to where they are in `out`."""
    numbers = ("count", "length", "given_item", "given_row", "out_item", "out_row")
    k = Emitter(name, {"given": "ptr", "out": "ptr", **dict.fromkeys(numbers, "i64")})
    with k.loop(k.start, k.stop) as i, k.loop(0, k.count) as row:
        source, to = i * k.given_item + row * k.given_row, i * k.out_item + row * k.out_row
        with k.loop(0, k.length) as j:
            k.store(k.load(type, k.given, source + j), k.out, to + j)
    return k


def _clear(name: str, type: str) -> Emitter:
    """Zeros."""
    k = Emitter(name, {"out": "ptr"})
    with k.loop(k.start, k.stop) as i:
        k.store(k.constant(type, 0.0), k.out, i)
    return k


COPY, CLEAR = Kernel("copy", _copy), Kernel("clear", _clear)


def copying(given: Array, out: Array) -> Run | None:
    """The call that copies one array to another of its shape; None where they do not lie as rows, in two dimensions."""
    if given.dtype != out.dtype or given.dtype not in TYPES or given.shape != out.shape or not given.size:
        return None
    dims = _dimensions(given, out)
    function = COPY.function(given.dtype)
    if function is None or dims is None or len(dims) > 3 or dims[-1][1:] != (1, 1):
        return None
    (total, *items), (count, *rows), (length, *_) = [*[(1, 0, 0)] * (3 - len(dims)), *dims]
    steps = (items[0], rows[0], items[1], rows[1])
    arguments = (address(given), address(out), count, length, *steps)
    return Run(function, total, -(-_EACH // (count * length)), arguments)


def _dimensions(given: Array, out: Array) -> list[tuple[int, int, int]] | None:
    """(Length, numbers from one to the next in each of both), neighbours as one dimension where that is possible.

    They are in the order in which the second array has them in memory.
    """
    found: list[tuple[int, int, int]] = []
    dims = sorted(zip(given.shape, given.strides, out.strides, strict=True), key=lambda dim: -dim[2])
    for n, *strides in dims:
        if any(stride % given.itemsize for stride in strides):
            return None
        a, b = (stride // given.itemsize for stride in strides)
        if n == 1:
            continue
        if found and found[-1][1:] == (a * n, b * n):
            found[-1] = (found[-1][0] * n, a, b)
        else:
            found.append((n, a, b))
    return found or [(1, 1, 1)]


def clearing(out: Array) -> Run | None:
    """The call that makes an array that lies in one piece zeros; None where it does not."""
    function = CLEAR.function(out.dtype) if out.dtype in TYPES and out.flags.c_contiguous else None
    return None if function is None else Run(function, out.size, _EACH, (address(out),))
