"""Convolution in two dimensions without im2col: forward, and both gradients.

All three read an image with its padding. A *tap* is one number of the kernel for one channel; `offsets` says how far
from a window's first pixel its pixel is. Where a group has outputs enough to fill vectors, `windows` has the loops.

For the few outputs of a convolution of each channel, vectors are pixels, and the two loops are here. The image is then
prepared so that the pixels under one place of the kernel lie in rows, side by side: with a stride of 2, say, it is
split into the pixels of even and of odd rows and columns.

`taps` computes out[o, y, x] = bias[o] + Σ_k weight[k, o] · image[offsets[k] + y · row + x] for a block of outputs and a
few vectors of x at a time, which stay in registers over all taps (direct convolution: Georganas et al.,
arXiv:1808.05567). The gradient of the input is the same sum with other offsets, one for each remainder of the stride.
`correlate` computes Σ_y,x gradient[o, y, x] · image[offsets[k] + y · row + x] for a block of outputs and of taps, the
gradient of the weight.

An output's sum is made in one order, whatever the number of threads.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pellucid.backend import Array

from . import compiler, windows, winograd
from .calling import address
from .emitter import Emitter, Value, vector
from .pool import share
from .table import TYPES, Kernel

Pair = tuple[int, int]
_EACH = 1 << 20  # products that a thread takes at least
_FEW = 1.5  # pixels for each output
_ROOM = 1 << 17  # numbers of the images that are prepared at a time
_TILE = 1 << 16  # numbers of the images that the gradient of the weight goes through at a time: they stay in cache


class Block(NamedTuple):
    """What is held in registers: `outputs` times `vectors` of `lanes` numbers, side by side or (`tall`) in rows."""

    outputs: int
    vectors: int
    lanes: int
    tall: bool


# Outputs and vectors of a block, for 16 vector registers and for 32 (AVX-512).
_SHAPES = {
    16: ((6, 2), (4, 3), (4, 2), (8, 1), (3, 4), (2, 4), (1, 8)),
    32: ((12, 2), (8, 3), (8, 2), (6, 4), (4, 4), (16, 1), (3, 6), (2, 8), (1, 8)),
}
_WORTH = 0.45  # of the registers' work, which must not be in vain


def _block(outputs: int, rows: int, columns: int, size: int) -> Block | None:
    """The block that does the least in vain, numbers having `size` bytes; None where all would do too much."""
    target = compiler.target()
    if target is None:
        return None
    lanes = target.lanes * 4 // size
    while lanes > columns:
        lanes //= 2
    if lanes * size < 16:
        return None
    best, found = _WORTH, None
    for count, vectors in _SHAPES[32 if target.lanes == 16 else 16]:
        for tall in (False, True):
            down, across = (vectors, lanes) if tall else (1, vectors * lanes)
            if down > rows or across > columns:
                continue
            done = _whole(outputs, count) * _whole(rows, down) * _whole(columns, across)
            products = count * vectors  # for each, a load of each vector and of each weight
            share = outputs * rows * columns / done * min(1.0, products / (0.9 * (count + vectors)), products / 8)
            if share > best:
                best, found = share, Block(count, vectors, lanes, tall)
    return found


def _whole(number: int, each: int) -> int:
    """The multiple of `each` that `number` fills."""
    return -(-number // each) * each


def _taps(name: str, type: str, outputs: int, vectors: int, lanes: int, tall: bool) -> Emitter:
    """out[n, o, y, x] = bias[o] + Σ_k weight[k, o] · image[n, offsets[k] + y · row + x]."""
    k = Emitter(
        f"{name}_{outputs}_{vectors}_{lanes}_{int(tall)}",
        {
            "image": "ptr", "weight": "ptr", "bias": "ptr", "offsets": "ptr", "out": "ptr", "groups": "i64",
            "blocks": "i64", "each": "i64", "taps": "i64", "rows": "i64", "columns": "i64", "row": "i64",
            "per_image": "i64", "per_group": "i64",
        },
    )  # fmt: skip
    kind = vector(lanes, type)
    with k.loop(k.start, k.stop) as item:  # a block of outputs of a group of an image
        block, rest = k.remainder(item, k.blocks)
        group, n = k.remainder(rest, k.groups)
        weight = k.at(k.weight, (group * k.blocks + block) * k.taps * outputs, type)
        image = k.at(k.image, n * k.per_image + group * k.per_group, type)
        first = block * outputs
        channel = group * k.each + first
        out = k.at(k.out, ((n * k.groups + group) * k.each + first) * k.rows * k.columns, type)
        down, across = (vectors, lanes) if tall else (1, vectors * lanes)
        with k.loop(0, k.rows, down) as y_start, k.loop(0, k.columns, across) as x_start:
            # The last block of a row, and of a column, may do some again.
            y, x = k.smaller(y_start, k.rows - down), k.smaller(x_start, k.columns - across)
            sums = [k.variable(k.zero(kind)) for _ in range(outputs * vectors)]
            corner = y * k.row + x
            with k.loop(0, k.taps) as tap:
                place = k.load("i64", k.offsets, tap) + corner
                pixels = [k.load(kind, image, place + (k.row * v if tall else v * lanes)) for v in range(vectors)]
                for o in range(outputs):
                    factor = k.broadcast(k.load(type, weight, tap * outputs + o), kind)
                    for v, pixel in enumerate(pixels):
                        total = sums[o * vectors + v]
                        total.set(k.intrinsic("fmuladd", factor, pixel, total.get()))
            for o in range(outputs):
                with k.when(k.each > first + o):
                    shift = k.broadcast(k.load(type, k.bias, channel + o), kind)
                    for v in range(vectors):
                        start = (y + k.rows * o) * k.columns + x + (k.columns * v if tall else v * lanes)
                        k.store(sums[o * vectors + v].get() + shift, out, start)
    return k


_OUTPUTS, _TAPS = 3, 4  # of a block of the gradient of the weight


def _correlate(name: str, type: str, lanes: int, rest: int) -> Emitter:
    """total[o, k] += Σ_n,y,x gradient[n, o, y, x] · image[n, offsets[k] + y · row + x]; `rest` = columns mod lanes."""
    k = Emitter(
        f"{name}_{lanes}_{rest}",
        {
            "gradient": "ptr", "image": "ptr", "offsets": "ptr", "total": "ptr", "images": "i64", "tile": "i64",
            "groups": "i64", "blocks": "i64", "each": "i64", "taps": "i64", "rows": "i64", "columns": "i64",
            "row": "i64", "per_image": "i64", "per_group": "i64",
        },
        blocked=True,
    )  # fmt: skip
    kind = vector(lanes, type)
    whole = k.columns - rest
    per = k.rows * k.columns

    def row(left: list[Value], right: list[Value], first: Value, x: Value, sums: Any, part: int) -> None:
        def loaded(pointer: Value, index: Value) -> Value:
            return k.load_first(kind, part, pointer, index) if part else k.load(kind, pointer, index)

        factors = [loaded(pointer, first + x) for pointer in left]
        for j, pointer in enumerate(right):
            pixel = loaded(pointer, x)
            for o, factor in enumerate(factors):
                total = sums[o * _TAPS + j]
                total.set(k.intrinsic("fmuladd", factor, pixel, total.get()))

    with k.loop(k.start, k.stop) as item, k.loop(0, k.images, k.tile) as begin:  # a block of outputs of a group
        block, group = k.remainder(item, k.blocks)
        outputs = [k.smaller(block * _OUTPUTS + o, k.each - 1) for o in range(_OUTPUTS)]
        end = k.smaller(begin + k.tile, k.images)
        with k.loop(0, k.taps, _TAPS) as tap:
            places = [k.load("i64", k.offsets, k.smaller(tap + j, k.taps - 1)) for j in range(_TAPS)]
            sums = [k.variable(k.zero(kind)) for _ in range(_OUTPUTS * _TAPS)]
            with k.loop(begin, end) as n:
                gradient = [k.at(k.gradient, ((n * k.groups + group) * k.each + o) * per, type) for o in outputs]
                image = k.at(k.image, n * k.per_image + group * k.per_group, type)
                with k.loop(0, k.rows) as y:
                    right = [k.at(image, place + y * k.row, type) for place in places]
                    first = y * k.columns
                    with k.loop(0, whole, lanes) as x:
                        row(gradient, right, first, x, sums, 0)
                    if rest:
                        row(gradient, right, first, whole, sums, rest)
            for o in range(_OUTPUTS):
                for j in range(_TAPS):
                    with k.when(k.each > block * _OUTPUTS + o), k.when(k.taps > tap + j):
                        entry = k.at(k.total, (group * k.each + outputs[o]) * k.taps + tap + j, type)
                        k.store(k.load(type, entry) + k.total_of(sums[o * _TAPS + j].get()), entry)
    return k


def _place(name: str, type: str, apart: bool) -> Emitter:
    """Each image (`high`, `wide`) into one of (`rows`, `columns`) at (`top`, `left`), with zeros around it.

    The image's rows are `row` numbers from each other, its columns `column`; that is 1, but with `apart`.
    """
    numbers = ("each", "step", "rows", "columns", "top", "left", "high", "wide", "row", "column")
    k = Emitter(f"{name}_{int(apart)}", {"x": "ptr", "out": "ptr", **dict.fromkeys(numbers, "i64")})
    zero = k.constant(type, 0.0)
    with k.loop(k.start, k.stop) as item:
        x, out = k.at(k.x, item * k.each, type), k.at(k.out, item * k.step, type)
        with k.loop(0, k.top * k.columns) as i:
            k.store(zero, out, i)
        with k.loop((k.top + k.high) * k.columns, k.rows * k.columns) as i:
            k.store(zero, out, i)
        with k.loop(0, k.high) as y:
            line, pixels = k.at(out, (k.top + y) * k.columns, type), k.at(x, y * k.row, type)
            with k.loop(0, k.left) as i:
                k.store(zero, line, i)
            with k.loop(0, k.wide) as i:
                k.store(k.load(type, pixels, i * k.column if apart else i), line, k.left + i)
            with k.loop(k.left + k.wide, k.columns) as i:
                k.store(zero, line, i)
    return k


_placing = Kernel("convolution_image", _place)
_forward = Kernel("convolution", _taps)
_weight = Kernel("convolution_weight", _correlate)


class _Image(NamedTuple):
    """An image prepared for `stride`: (n, c, rests down, rests across, rows, columns), and offsets within."""

    array: Array
    stride: Pair

    @property
    def row(self) -> int:
        return self.array.shape[-1]

    def step(self, stride: Pair) -> Pair:
        """How far a window is from the next, down and across, in a convolution of `stride`."""
        return self.row * stride[0] // self.stride[0], stride[1] // self.stride[1]

    def offset(self, down: int, across: int) -> int:
        """How far the pixel at (down, across) is from the first, in a window."""
        (s, t), (rows, columns) = self.stride, self.array.shape[-2:]
        return ((down % s * t + across % t) * rows + down // s) * columns + across // t

    def offsets(self, kernel: Pair, dilation: Pair, channels: int) -> Array:
        """Those of all taps of `channels` channels."""
        return _offsets(self.array.shape[2:], self.stride, kernel, dilation, channels)


@functools.lru_cache(256)
def _offsets(shape: tuple[int, ...], stride: Pair, kernel: Pair, dilation: Pair, channels: int) -> Array:
    one = _Image(np.empty((1, 1, *shape), np.int8), stride)
    each = [one.offset(i * dilation[0], j * dilation[1]) for i in range(kernel[0]) for j in range(kernel[1])]
    return (np.arange(channels)[:, None] * math.prod(shape) + np.array(each)).ravel().astype(np.int64)


def _prepared(x: Array, padding: Pair, stride: Pair) -> _Image:
    n, c, h, w = x.shape
    (p, q), (s, t) = padding, stride
    if (p, q, s, t) == (0, 0, 1, 1) and x.flags.c_contiguous:
        return _Image(x.reshape(n, c, 1, 1, h, w), stride)
    rows, columns = -(-(h + 2 * p) // s), -(-(w + 2 * q) // t)
    made = np.empty((n, c, s, t, rows, columns), x.dtype)
    for i in range(s):
        for j in range(t):
            down, across = (i - p) % s, (j - q) % t  # the first pixels of the image that go there
            _placed(x[:, :, down::s, across::t], made[:, :, i, j], (down + p) // s, (across + q) // t)
    return _Image(made, stride)


def _placed(part: Array, room: Array, top: int, left: int) -> None:
    """Put images into larger ones at (top, left), and zeros around them."""
    n, c, high, wide = part.shape
    rows, columns = room.shape[2:]
    row, column = part.strides[2] // part.itemsize, part.strides[3] // part.itemsize
    function = None
    if part.size and part.strides[0] == c * part.strides[1] and room.strides[0] == c * room.strides[1]:
        function = _placing.function(part.dtype, column != 1)
    if function is None:
        room[...] = 0
        room[:, :, top : top + high, left : left + wide] = part
        return
    each, step = part.strides[1] // part.itemsize, room.strides[1] // room.itemsize
    share(
        function, n * c, -(-_EACH // max(1, rows * columns)), part, room,
        each, step, rows, columns, top, left, high, wide, row, column,
    )  # fmt: skip


def _packed(weight: Array, outputs: int) -> Array:
    """(groups, each, taps) -> (groups, blocks, taps, outputs), with zeros for what fills the last block."""
    groups, each, taps = weight.shape
    blocks = -(-each // outputs)
    if blocks * outputs == each:
        return np.ascontiguousarray(weight.reshape(groups, blocks, outputs, taps).swapaxes(2, 3))
    made = np.zeros((groups, blocks * outputs, taps), weight.dtype)
    made[:, :each] = weight
    return np.ascontiguousarray(made.reshape(groups, blocks, outputs, taps).swapaxes(2, 3))


def _filling(weights: windows.Weights, bias: Array | None, rows: int, columns: int) -> windows.Run | None:
    """As `windows.forward`, for results of (rows, columns); lanes are pixels where outputs are too few to be that."""
    found = windows.forward(weights, bias)
    if found is not None:
        return found
    weight = weights.whole()
    groups, each, taps = weight.shape
    block = _block(each, rows, columns, weight.itemsize)
    function = None if block is None else _forward.function(weight.dtype, *block)
    if block is None or function is None:
        return None
    blocks = -(-each // block.outputs)
    shift = np.zeros(groups * each, weight.dtype) if bias is None else np.ascontiguousarray(bias)
    packed = _packed(weight, block.outputs)

    def run(image: Array, step: Pair, offsets: Array, out: Array, start: int) -> None:
        per_image = image[0].size
        share(
            function, len(out) * groups * blocks, -(-_EACH // (rows * columns * taps * block.outputs)),
            address(image) + start * out.itemsize, packed, shift, offsets, out,
            groups, blocks, each, taps, rows, columns, step[0], per_image, per_image // groups,
        )  # fmt: skip

    return run


@functools.lru_cache(64)
def _every(count: int) -> Array:
    return np.arange(count, dtype=np.int64)


def _parts(n: int, numbers: int) -> Iterator[slice]:
    """A batch in parts, images having `numbers` numbers each: what is prepared of a part stays in cache."""
    step = max(1, _ROOM // max(numbers, 1))
    return (slice(first, first + step) for first in range(0, n, step))


def is_few(pixels: int, outputs: int, groups: int) -> bool:
    """Whether a result of these pixels is made by one product of BLAS, which reads the weight as it lies.

    A kernel of ours would first put the weight in another order, which takes longer than all that is done with it.
    """
    return groups == 1 and pixels <= _FEW * outputs


def _fits(x: Array, y: Array, work: int) -> bool:
    plain = type(x) is np.ndarray and type(y) is np.ndarray and x.dtype == y.dtype and x.dtype in TYPES
    return plain and work >= winograd.LEAST


def forward(
    x: Array, weight: Array, bias: Array | None, out: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array | None:
    """As `ops.convolution`, with (rows, columns) `out`; None where the NumPy line is to run."""
    o, c, *kernel = weight.shape
    if not _fits(x, weight, x.shape[0] * out[0] * out[1] * weight.size):
        return None
    if kernel == [1, 1] and stride == (1, 1):  # a product of matrices as it is
        return None
    tile = winograd.tile_of(weight.shape, stride, dilation, groups, len(x), out, x.itemsize)
    if tile:
        made = winograd.forward(x, weight, bias, out, padding, tile)
        if made is not None:
            return made
    if is_few(len(x) * out[0] * out[1], o, groups):
        return None
    taps = weight[0].size
    weight, each = np.ascontiguousarray(weight), o // groups
    run = _filling(windows.Weights(weight, groups, each, each * taps, taps, _every(taps)), bias, *out)
    if run is None:
        return None
    made = np.empty((x.shape[0], o, *out), x.dtype)
    for part in _parts(len(x), x[0].size):
        image = _prepared(x[part], padding, stride if o // groups < windows.FEWEST else (1, 1))
        run(image.array, image.step(stride), image.offsets((kernel[0], kernel[1]), dilation, c), made[part], 0)
    return made


def of_input(
    g: Array, weight: Array, shape: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array | None:
    """As `ops.convolution_input`; None where the NumPy line is to run."""
    n, c, h, w = shape
    o, _, kh, kw = weight.shape
    if not _fits(g, weight, g.size * weight[0].size):
        return None
    (s, t), (p, q) = stride, padding
    if kh * kw == 1:
        return None
    tile = winograd.tile_of(weight.shape, stride, dilation, groups, n, (h, w), g.itemsize, turned=True)
    if tile:
        made = winograd.forward(g, weight, None, (h, w), (2 - p, 2 - q), tile, turned=True)
        if made is not None:
            return made
    if is_few(g.size // o, c, groups):
        return None
    # The pixels with remainder r of the stride see the taps i with i · dilation = r + padding, up to a multiple of it.
    down, across = [i * dilation[0] for i in range(kh)], [j * dilation[1] for j in range(kw)]
    top, left = down[-1] // s, across[-1] // t
    oh, ow = g.shape[2:]
    rows, columns = -(-(h + p) // s) + top + 1, -(-(w + q) // t) + left + 1
    high, wide = max(rows, oh + top), max(columns, ow + left)
    one = _Image(np.empty((1, o, 1, 1, high, wide), g.dtype), (1, 1))
    weight, per = np.ascontiguousarray(weight), o // groups
    steps: list[tuple[windows.Run, Array, int, Any]] = []
    for a in range(min(s, h)):
        for b in range(min(t, w)):
            i = [place for place, step in enumerate(down) if step % s == (a + p) % s]
            j = [place for place, step in enumerate(across) if step % t == (b + q) % t]
            if not i or not j:
                continue
            some = (np.arange(per)[:, None, None] * weight[0].size + np.array(i)[:, None] * kw + np.array(j)).ravel()
            chosen = windows.Weights(weight, groups, c // groups, per * weight[0].size, kh * kw, some)
            each = [one.offset(top - down[k] // s, left - across[m] // t) for k in i for m in j]
            offsets = (np.arange(per)[:, None] * (high * wide) + np.array(each)).ravel().astype(np.int64)
            run = _filling(chosen, None, -(-(h - a) // s), -(-(w - b) // t))
            if run is None:
                return None
            start = one.offset((a + p) // s, (b + q) // t)
            steps.append((run, offsets, start, (slice(None), slice(None), slice(a, None, s), slice(b, None, t))))
    made = np.empty(shape, g.dtype) if s == t == 1 else np.zeros(shape, g.dtype)
    for part in _parts(n, one.array.size):
        given = g[part]
        room = np.empty((len(given), *one.array.shape[1:]), g.dtype)
        _placed(given, room[:, :, 0, 0], top, left)
        for run, offsets, start, where in steps:
            pixels = made[part][where]
            out = pixels if s == t == 1 else np.empty(pixels.shape, g.dtype)
            run(room, (wide, 1), offsets, out, start)
            if out is not pixels:
                pixels[...] = out
    return made


def of_weight(g: Array, x: Array, shape: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array | None:
    """As `ops.convolution_weight`; None where the NumPy line is to run."""
    o, c, kh, kw = shape
    target = compiler.target() if _fits(g, x, g.size * c * kh * kw) else None
    if target is None:
        return None
    tile = winograd.tile_of(shape, stride, dilation, groups, len(x), g.shape[2:], g.itemsize)
    if tile:
        found = winograd.of_weight(g, x, shape, padding, tile)
        if found is not None:
            return found
    if is_few(g.size // o, o, groups):
        return None
    g = np.ascontiguousarray(g)
    if o // groups < windows.FEWEST:
        return _of_few(g, x, shape, stride, padding, dilation, groups, target.lanes * 4 // g.itemsize)
    sums = windows.of_weight(o, c * kh * kw, groups, g.dtype)
    if sums is None:
        return None
    for part in _parts(len(x), x[0].size):
        image = _prepared(x[part], padding, (1, 1))
        sums.add(g[part], image.array, image.step(stride), image.offsets((kh, kw), dilation, c))
    return sums.whole().reshape(shape)


def _of_few(
    g: Array, x: Array, shape: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int, lanes: int
) -> Array | None:
    """`of_weight` of few outputs in a group: lanes are pixels."""
    o, c, kh, kw = shape
    n, _, rows, columns = g.shape
    function = _weight.function(g.dtype, lanes, columns % lanes) if columns >= 2 * lanes else None
    if function is None:  # of narrow images most of the time would go into adding up lanes
        return None
    image = _prepared(x, padding, stride)
    offsets = image.offsets((kh, kw), dilation, c)
    each, per_image = o // groups, image.array[0].size
    blocks = -(-each // _OUTPUTS)
    total = np.zeros(shape, g.dtype)
    work = g.size // o * _OUTPUTS * len(offsets)
    share(
        function, groups * blocks, -(-_EACH // work),
        g, image.array, offsets, total, n, max(1, _TILE // per_image), groups,
        blocks, each, len(offsets), rows, columns, image.row, per_image, per_image // groups,
    )  # fmt: skip
    return total
