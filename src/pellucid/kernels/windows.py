"""Convolution as a product of the windows of an image with the weights, without unfolding them: lanes are outputs.

    out[n, o, p] = bias[o] + Σ_k weight[k, o] · image[n, places[p] + offsets[k]]       forward, gradient of the input
    total[k, o]  = Σ_n,p gradient[n, o, p] · image[n, places[p] + offsets[k]]          gradient of the weight

Both are products whose left matrix is read where it lies, number by number, each of which meets a few vectors of
outputs. A block of the result stays in registers; what all blocks of some outputs meet, 96 rows of weights or of the
gradient, stays in the first cache. The result of the first, and the gradient of the second, lie with the pixels side
by side: squares of them are turned on the way. That leaves no lane idle at the ends of an image's rows, however short
they are. (The blocks are those of Goto and van de Geijn, https://doi.org/10.1145/1356052.1356053.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pellucid.backend import Array

from . import compiler
from .calling import address
from .emitter import Emitter, Value, vector
from .pool import share
from .table import Kernel

FEWEST = 4  # outputs of a group: below, most lanes would be idle
DEPTH = 96  # of a sum that is gone through at a time
_ROWS = {1: 8, 2: 6, 3: 4}  # of a block, for each number of vectors
_SPAN = 96  # taps of an item of the gradient of the weight: whole blocks
_EACH = 1 << 20  # products that a thread takes at least
_ENTRIES = 1 << 16  # and entries of the weight


class Block(NamedTuple):
    """What a row of a block is: `vectors` of `lanes` outputs."""

    lanes: int
    vectors: int

    @property
    def wide(self) -> int:
        """Outputs of a block."""
        return self.lanes * self.vectors


def block_of(outputs: int, size: int) -> Block | None:
    """The block that leaves the fewest lanes idle, numbers having `size` bytes."""
    target = compiler.target()
    if target is None or outputs < FEWEST:
        return None
    lanes = target.lanes * 4 // size
    while lanes // 2 >= max(outputs, 2):
        lanes //= 2
    fits = [Block(lanes, vectors) for vectors in (2, 3, 1)]
    return min(fits, key=lambda block: -(-outputs // block.wide) * block.wide)


def _sums(
    e: Emitter, type: str, block: Block, lefts: list[Value], table: Value, right: Value, range_: tuple[Value, Value]
) -> list[list[Value]]:
    """Σ_p left[table[p]] · right[p - begin] for each of `lefts`, and each vector of a row of `right`."""
    kind = vector(block.lanes, type)
    begin, end = range_
    sums = [[e.variable(e.zero(kind)) for _ in range(block.vectors)] for _ in lefts]
    with e.loop(begin, end) as p:
        line = (p - begin) * block.wide
        loaded = [e.load(kind, right, line + v * block.lanes) for v in range(block.vectors)]
        place = e.load("i64", table, p)
        for left, own in zip(lefts, sums, strict=True):
            factor = e.broadcast(e.load(type, left, place), kind)
            for total, entry in zip(own, loaded, strict=True):
                total.set(e.intrinsic("fmuladd", factor, entry, total.get()))
    return [[total.get() for total in own] for own in sums]


def _forward(name: str, type: str, lanes: int, vectors: int) -> Emitter:
    """Items are tiles of pixels of some outputs of a group of an image."""
    numbers = ("groups", "panels", "tiles", "each", "taps", "pixels", "per_image", "per_group")
    pointers = dict.fromkeys(("image", "weight", "bias", "places", "offsets", "out"), "ptr")
    e = Emitter(f"{name}_{lanes}_{vectors}", {**pointers, **dict.fromkeys(numbers, "i64")}, blocked=True)
    block, kind, height = Block(lanes, vectors), vector(lanes, type), _ROWS[vectors]
    wide = block.wide
    room = e.scratch(type, DEPTH * wide)
    with e.loop(e.start, e.stop) as item:
        tile, rest = e.remainder(item, e.tiles)
        panel, rest = e.remainder(rest, e.panels)
        group, n = e.remainder(rest, e.groups)
        first = tile * DEPTH
        last = e.smaller(first + DEPTH, e.pixels)
        image = e.at(e.image, n * e.per_image + group * e.per_group, type)
        weight = e.at(e.weight, (group * e.panels + panel) * e.taps * wide, type)
        bias = e.at(e.bias, (group * e.panels + panel) * wide, type)
        with e.loop(0, e.taps, DEPTH) as begin:
            end = e.smaller(begin + DEPTH, e.taps)
            right = e.at(weight, begin * wide, type)
            with e.loop(first, last, height) as i:  # the last pixel once more, where there are too few
                places = [e.load("i64", e.places, e.smaller(i + t, last - 1)) for t in range(height)]
                lefts = [e.at(image, place, type) for place in places]
                sums = _sums(e, type, block, lefts, e.offsets, right, (begin, end))
                for t, own in enumerate(sums):
                    for v, total in enumerate(own):
                        before = e.variable(e.load(kind, bias, e.constant("i64", v * lanes)))
                        line = (i - first + t) * wide + v * lanes
                        with e.when(begin > 0):
                            before.set(e.load(kind, room, line))
                        e.store(total + before.get(), room, line)
        with e.loop(0, e.constant("i64", vectors)) as v, e.loop(first, last, lanes) as p:
            rows = [e.load(kind, room, (p - first + c) * wide + v * lanes) for c in range(lanes)]
            output = panel * wide + v * lanes
            for c, line in enumerate(e.turned(rows)):
                with e.when(output + c < e.each):
                    channel = (n * e.groups + group) * e.each + output + c
                    e.store_first(line, last - p, e.out, channel * e.pixels + p)
    return e


def _of_weight(name: str, type: str, lanes: int, vectors: int) -> Emitter:
    """Items are spans of taps for some outputs of a group; `total` is (groups, panels, room for the taps, outputs)."""
    numbers = ("images", "groups", "panels", "spans", "each", "taps", "pixels", "per_image", "per_group")
    pointers = dict.fromkeys(("gradient", "image", "places", "offsets", "total"), "ptr")
    e = Emitter(f"{name}_{lanes}_{vectors}", {**pointers, **dict.fromkeys(numbers, "i64")}, blocked=True)
    block, kind, height = Block(lanes, vectors), vector(lanes, type), _ROWS[vectors]
    wide = block.wide
    room = e.scratch(type, DEPTH * wide)
    with e.loop(e.start, e.stop) as item:
        span, rest = e.remainder(item, e.spans)
        panel, group = e.remainder(rest, e.panels)
        first = span * _SPAN
        last = e.smaller(first + _SPAN, e.taps)
        total = e.at(e.total, (group * e.panels + panel) * e.spans * (_SPAN * wide), type)
        with e.loop(0, e.images) as n, e.loop(0, e.pixels, DEPTH) as begin:
            end = e.smaller(begin + DEPTH, e.pixels)
            image = e.at(e.image, n * e.per_image + group * e.per_group, type)
            gradient = e.at(e.gradient, (n * e.groups + group) * e.each * e.pixels, type)
            with e.loop(0, e.constant("i64", vectors)) as v, e.loop(begin, end, lanes) as p:
                outputs = [e.smaller(panel * wide + v * lanes + c, e.each - 1) for c in range(lanes)]
                rows = [e.load_first(kind, end - p, gradient, output * e.pixels + p) for output in outputs]
                for c, line in enumerate(e.turned(rows)):
                    e.store(line, room, (p - begin + c) * wide + v * lanes)
            with e.loop(first, last, height) as tap:
                offsets = [e.load("i64", e.offsets, e.smaller(tap + t, e.taps - 1)) for t in range(height)]
                lefts = [e.at(image, offset, type) for offset in offsets]
                for t, own in enumerate(_sums(e, type, block, lefts, e.places, room, (begin, end))):
                    for v, found in enumerate(own):
                        line = (tap + t) * wide + v * lanes
                        e.store(e.load(kind, total, line) + found, total, line)
    return e


def _panels(name: str, type: str) -> Emitter:
    """out[group, panel, tap, output] = weight[group · apart + (panel · wide + output) · step + offsets[tap]]."""
    numbers = ("panels", "each", "taps", "wide", "apart", "step")
    e = Emitter(name, {**dict.fromkeys(("weight", "offsets", "out"), "ptr"), **dict.fromkeys(numbers, "i64")})
    with e.loop(e.start, e.stop) as item:
        panel, group = e.remainder(item, e.panels)
        first = panel * e.wide
        count = e.smaller(e.wide, e.each - first)
        given = e.at(e.weight, group * e.apart + first * e.step, type)
        out = e.at(e.out, item * e.taps * e.wide, type)
        with e.loop(0, e.taps) as tap:
            place, line = e.at(given, e.load("i64", e.offsets, tap), type), e.at(out, tap * e.wide, type)
            with e.loop(0, count) as output:
                e.store(e.load(type, place, output * e.step), line, output)
            with e.loop(count, e.wide) as output:
                e.store(e.constant(type, 0.0), line, output)
    return e


FORWARD = Kernel("convolution_windows", _forward)
PANELS = Kernel("convolution_panels", _panels)
OF_WEIGHT = Kernel("convolution_windows_weight", _of_weight)


@functools.lru_cache(256)
def _places(rows: int, columns: int, step: Pair) -> Array:
    """Where each window begins, `step` numbers from the next one down and across."""
    return (np.arange(rows)[:, None] * step[0] + np.arange(columns) * step[1]).ravel()


Pair = tuple[int, int]
Run = Callable[[Array, Pair, Array, Array, int], None]


class Weights(NamedTuple):
    """What goes to each output from each tap: array[group · apart + output · step + offsets[tap]], in one piece."""

    array: Array
    groups: int
    each: int
    apart: int
    step: int
    offsets: Array

    def whole(self) -> Array:
        """(groups, each, taps)."""
        group, output = np.arange(self.groups)[:, None, None], np.arange(self.each)[:, None]
        return self.array.reshape(-1)[group * self.apart + output * self.step + self.offsets]


def forward(weights: Weights, bias: Array | None) -> Run | None:
    """What fills out (n, groups · each, rows, columns) by `weights`; None where there is no kernel.

    It is called with the image, how far its windows are from each other down and across, the offsets, out, and what is
    added to all offsets.
    """
    weight, groups, each, *_ = weights
    taps = weights.offsets.size
    block = block_of(each, weight.itemsize)
    function = None if block is None else FORWARD.function(weight.dtype, *block)
    packing = None if function is None else PANELS.function(weight.dtype)
    if block is None or function is None or packing is None:
        return None
    wide = block.wide
    panels = -(-each // wide)
    packed = np.empty((groups, panels, taps, wide), weight.dtype)
    shift = np.zeros((groups, panels * wide), weight.dtype)
    share(
        packing, groups * panels, -(-_ENTRIES // (taps * wide)), weight, weights.offsets, packed, panels, each, taps,
        wide, weights.apart, weights.step,
    )  # fmt: skip
    if bias is not None:
        shift[:, :each] = bias.reshape(groups, each)

    def run(image: Array, step: Pair, offsets: Array, out: Array, start: int) -> None:
        n, _, rows, columns = out.shape
        places, per_image = _places(rows, columns, step), image[0].size
        tiles = -(-rows * columns // DEPTH)
        share(
            function, n * groups * panels * tiles, -(-_EACH // (DEPTH * taps * wide)),
            address(image) + start * out.itemsize, packed, shift, places, offsets, out,
            groups, panels, tiles, each, taps, rows * columns, per_image, per_image // groups,
        )  # fmt: skip

    return run


def of_weight(outputs: int, taps: int, groups: int, dtype: Any) -> OfWeight | None:
    """The gradient of a weight, to which parts of a batch are added; None where there is no kernel."""
    each = outputs // groups
    block = block_of(each, dtype.itemsize)
    function = None if block is None else OF_WEIGHT.function(dtype, *block)
    if block is None or function is None:
        return None
    spans, panels = -(-taps // _SPAN), -(-each // block.wide)
    return OfWeight(function, np.zeros((groups, panels, spans * _SPAN, block.wide), dtype), each, taps)


class OfWeight(NamedTuple):
    """The sum so far, (groups, panels, room for the taps, outputs)."""

    function: Any
    total: Array
    each: int
    taps: int

    def add(self, g: Array, image: Array, step: Pair, offsets: Array) -> None:
        """Add what the images give, g being the gradient of the result, in one piece."""
        n, _, rows, columns = g.shape
        groups, panels, room, wide = self.total.shape
        places, per_image = _places(rows, columns, step), image[0].size
        share(
            self.function, groups * panels * (room // _SPAN), -(-_EACH // (n * rows * columns * _SPAN * wide)),
            g, image, places, offsets, self.total, n, groups, panels, room // _SPAN, self.each,
            self.taps, rows * columns, per_image, per_image // groups,
        )  # fmt: skip

    def whole(self) -> Array:
        """It, as (outputs, taps)."""
        groups, taps = len(self.total), self.taps
        return self.total[:, :, :taps].swapaxes(2, 3).reshape(groups, -1, taps)[:, : self.each].reshape(-1, taps)
