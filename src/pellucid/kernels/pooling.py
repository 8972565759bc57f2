"""The largest number of each window of an image, and a gradient put back to where it was."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.backend import Array

from .emitter import Emitter
from .pool import share
from .table import TYPES, Kernel, rows

Pair = tuple[int, int]
LEAST = 1 << 12  # numbers of all windows: below, the lines of NumPy cost no more
_MOST = 32  # numbers of a window: each is a line of the kernel
_EACH = 1 << 16  # that a thread takes at least

_NUMBERS = dict.fromkeys(("rows", "columns", "per_image", "down", "row"), "i64")


def _largest(name: str, type: str, high: int, wide: int, step: int, apart: int) -> Emitter:
    """best, place = the largest number of a window and which it is: the first of equals, NaN if there is one.

    Windows are `step` numbers from each other, and theirs `apart`; down, it is `down` and `row`. Items are images.
    """
    pointers = dict.fromkeys(("image", "best", "place"), "ptr")
    e = Emitter(f"{name}_{high}_{wide}_{step}_{apart}", {**pointers, **_NUMBERS})
    with e.loop(e.start, e.stop) as item, e.loop(0, e.rows) as y, e.loop(0, e.columns) as x:
        corner = e.at(e.image, item * e.per_image + y * e.down + x * step, type)
        best, place = e.load(type, corner), e.constant("i8", 0)
        for k in range(1, high * wide):
            i, j = divmod(k, wide)
            pixel = e.load(type, corner, e.row * i + apart * j)
            above = e.add("i1", f"fcmp ugt {type} {pixel.name}, {best.name}")  # or one of them is NaN
            known = e.add("i1", f"fcmp ord {type} {best.name}, {best.name}")
            better = e.add("i1", f"and i1 {above.name}, {known.name}")
            best, place = e.select(better, pixel, best), e.select(better, e.constant("i8", k), place)
        at = (item * e.rows + y) * e.columns + x
        e.store(best, e.best, at)
        e.store(place, e.place, at)
    return e


def _spread(name: str, type: str, high: int, wide: int, step: int, apart: int) -> Emitter:
    """The numbers of windows that have no pixel in common: g at its place, 0 elsewhere."""
    pointers = dict.fromkeys(("g", "place", "image"), "ptr")
    e = Emitter(f"{name}_{high}_{wide}_{step}_{apart}", {**pointers, **_NUMBERS})
    with e.loop(e.start, e.stop) as item, e.loop(0, e.rows) as y, e.loop(0, e.columns) as x:
        at = (item * e.rows + y) * e.columns + x
        g, place = e.load(type, e.g, at), e.load("i8", e.place, at)
        corner = e.at(e.image, item * e.per_image + y * e.down + x * step, type)
        for k in range(high * wide):
            i, j = divmod(k, wide)
            chosen = e.compare("==", place, k)
            e.store(e.select(chosen, g, 0.0), corner, e.row * i + apart * j)
    return e


def _add(name: str, type: str) -> Emitter:
    """image[the window's first pixel + offsets[place]] += g: for windows that overlap."""
    pointers = dict.fromkeys(("g", "place", "offsets", "image"), "ptr")
    e = Emitter(name, {**pointers, **_NUMBERS, "step": "i64"}, blocked=True)
    with e.loop(e.start, e.stop) as item, e.loop(0, e.rows) as y, e.loop(0, e.columns) as x:
        at = (item * e.rows + y) * e.columns + x
        place = e.add("i64", f"zext i8 {e.load('i8', e.place, at).name} to i64")
        corner = e.at(e.image, item * e.per_image + y * e.down + x * e.step, type)
        spot = e.at(corner, e.load("i64", e.offsets, place), type)
        e.store(e.load(type, spot) + e.load(type, e.g, at), spot)
    return e


LARGEST = Kernel("max_pool", _largest)
SPREAD = Kernel("max_pool_spread", _spread)
ADD = Kernel("max_pool_add", _add)


def _usual(image: Array, place: Array, kernel: Pair) -> bool:
    """Whether there is a kernel for such windows of an image with what surrounds it."""
    count = kernel[0] * kernel[1]
    if image.dtype not in TYPES or place.dtype != np.uint8 or count > _MOST or place.size * count < LEAST:
        return False
    return rows(image) and type(place) is np.ndarray and place.flags.c_contiguous


def _numbers(image: Array, place: Array, stride: Pair, dilation: Pair) -> tuple[int, ...]:
    high, wide = image.shape[2:]
    return *place.shape[2:], high * wide, stride[0] * wide, dilation[0] * wide


def _least(place: Array, kernel: Pair) -> int:
    return -(-_EACH // (place.shape[2] * place.shape[3] * kernel[0] * kernel[1]))


def largest(image: Array, best: Array, place: Array, kernel: Pair, stride: Pair, dilation: Pair) -> bool:
    """Fill `best` and `place` (n, c, rows, columns), from an image with what surrounds it; False where NumPy is to."""
    if not _usual(image, place, kernel):
        return False
    function = LARGEST.function(image.dtype, *kernel, stride[1], dilation[1])
    if function is None:
        return False
    planes = place.shape[0] * place.shape[1]
    numbers = _numbers(image, place, stride, dilation)
    share(function, planes, _least(place, kernel), image, best, place, *numbers)
    return True


def scatter(g: Array, place: Array, image: Array, kernel: Pair, stride: Pair, dilation: Pair) -> bool:
    """Add g (n, c, rows, columns) into an image of zeros at the places; False where NumPy is to."""
    if not _usual(image, place, kernel) or not rows(g, image):
        return False
    numbers, planes = _numbers(image, place, stride, dilation), place.shape[0] * place.shape[1]
    if all(s >= d * (k - 1) + 1 for s, k, d in zip(stride, kernel, dilation, strict=True)):
        function = SPREAD.function(image.dtype, *kernel, stride[1], dilation[1])
        given: tuple[Any, ...] = g, place, image
    else:
        function, numbers = ADD.function(image.dtype), (*numbers, stride[1])
        down, across = dilation[0] * image.shape[3], dilation[1]
        offsets = np.array([i * down + j * across for i in range(kernel[0]) for j in range(kernel[1])], np.int64)
        given = g, place, offsets, image
    if function is None:
        return False
    share(function, planes, _least(place, kernel), *given, *numbers)
    return True
