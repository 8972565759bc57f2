"""Winograd's minimal filtering: 3 by 3 convolution with fewer multiplications (Lavin, Gray: arXiv:1509.09308).

The result is computed in tiles of 2 by 2 or 4 by 4 pixels. One sees 4 by 4 or 6 by 6 pixels of the image, d:

    Y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ d B) ] A        16 (36) multiplications for each channel and output for the usual 36 (144)

The transformations are few operations, of each channel and of each output by itself. Of many channels and outputs, ⊙ is
as many products of matrices, (tiles, channels) by (channels, outputs). The gradient of the input is the same with the
weight turned round, and that of the weight the transpose: Gᵀ [ Σ (A g Aᵀ) ⊙ (Bᵀ d B) ] G, the sum being over all tiles.

Lanes are channels, then outputs: squares of numbers are turned on the way in and on the way out. What is made of some
tiles stays in the second cache until their products are done.

A number made of n channels is wrong by at most c (n + k) u Σ_n max|d_n| max|w_n|, with u = 2⁻²⁴ in float32. The largest
number that a tile sees counts, be it left out of what is made in the end; so beside a large number a small one counts
for less than in a direct sum, which has 81 n for c (n + k). For small tiles c is 64 and k is 12, for large ones 752 and
30; for the gradient of the weight, where t tiles stand for the n channels, c is 36 and 1096. Measured, root mean
squares of the errors are 1 to 2 and 2 to 6 times those of direct loops. Where a result is not finite, the direct loops
are to run, since ∞ - ∞ would have made NaN of it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pellucid.backend import Array

from .calling import address
from .pool import share
from .table import TYPES
from .tiles import CORRELATE, FORWARD, most_of, rooms_of, width_of
from .transformations import DEEP, FILTERINGS, GATHER, WEIGHT
from .windows import Block, block_of

LEAST = 1 << 20  # products: below, preparing costs as much as it saves
_PARTS = 2  # that the gradient of the weight is added up in, where it has no others
_EACH = 1 << 20  # products that a thread takes at least
_SQUARES = 256  # and squares of the weight
_LINE = 64  # bytes of a line of the cache

Pair = tuple[int, int]


class _Cost(NamedTuple):
    """What was measured, in the time of one of the products."""

    product: float  # of each channel and output of a tile
    pixels: float  # of each channel, and of each output, of a tile
    weight: float  # of each channel and output


_COSTS = {2: _Cost(16, 82, 134), 4: _Cost(43, 312, 1300)}


class _Memory(threading.local):
    """A thread's memory for strips, which is kept: on the stack of some threads there is no room for it."""

    def __init__(self) -> None:
        self.bytes = np.empty(0, np.uint8)

    def places(self, sizes: Sequence[int]) -> list[int]:
        """Addresses, at the beginnings of lines of the cache, of memory of these sizes."""
        steps = [-(-size // _LINE) * _LINE for size in sizes]
        if self.bytes.size < sum(steps) + _LINE:
            self.bytes = np.empty(sum(steps) + _LINE, np.uint8)
        first = -(-address(self.bytes) // _LINE) * _LINE
        return [first + sum(steps[:i]) for i in range(len(steps))]


_memory = _Memory()


def _with_rooms(function: Callable[..., None], tile: int, dtype: Any, block: Block) -> Callable[..., None]:
    """The function of a kernel, with memory of the thread that calls it."""
    sizes = [size * dtype.itemsize for size in rooms_of(tile, TYPES[dtype], *block)]
    return lambda *given: function(*given, *_memory.places(sizes))


def _strips(n: int, out: Pair, tile: int, type: str) -> tuple[int, tuple[int, ...]]:
    """How many strips there are, and the numbers of a strip."""
    most, (down, across) = most_of(tile, type), (-(-length // tile) for length in out)
    wide = -(-across // -(-across // min(32 // tile, most)))
    tall = min(down, most // wide)
    tall = -(-down // -(-down // tall))
    many = min(n, max(1, most // (wide * tall))) if (tall, wide) == (down, across) else 1
    downs, acrosses = -(-down // tall), -(-across // wide)
    return -(-n // many) * downs * acrosses, (n, many, tall, wide, downs, acrosses, down, across)


def tile_of(
    weight: tuple[int, ...], stride: Pair, dilation: Pair, groups: int, images: int, out: Pair, size: int,
    turned: bool = False,
) -> int:  # fmt: skip
    """The tile that is best for a weight of this shape, numbers having `size` bytes; 0 where the direct loops are."""
    if weight[2:] != (3, 3) or stride != (1, 1) or dilation != (1, 1) or groups != 1:
        return 0
    outputs, channels = (weight[1], weight[0]) if turned else weight[:2]
    block = block_of(outputs, size)
    if block is None:
        return 0
    deep, wide = -(-channels // block.lanes) * block.lanes, -(-outputs // block.wide) * block.wide
    best, found = images * out[0] * out[1] * 9 * channels * wide / 1.1, 0
    for tile, cost in _COSTS.items():
        tiles = images * -(-out[0] // tile) * -(-out[1] // tile)
        work = tiles * (cost.product * deep * wide + cost.pixels * (deep + wide)) + cost.weight * deep * wide
        if work < best:
            best, found = work, tile
    return found


def of_op(op: str, shapes: Sequence[Any], out: Any, options: dict[str, Any], dtype: Any) -> tuple[int, int]:
    """What an op of `ops.convolution` does: its tile, 0 for direct loops, and how often it multiplies and adds.

    `shapes` are those of its two arrays, `out` and `dtype` are of its result.
    """
    of_weight, turned = op == "convolution_weight", op == "convolution_input"
    weight, windows = (out, shapes[0][2:]) if of_weight else (shapes[1], out[2:])
    images = shapes[0][0]
    made = shapes[0] if of_weight or turned else out  # by the convolution that the op belongs to
    direct, tile = images * math.prod(made[2:]) * math.prod(weight), 0
    if direct >= LEAST and dtype in TYPES:
        tile = tile_of(
            tuple(weight), options["stride"], options["dilation"], options["groups"], images, tuple(windows),
            dtype.itemsize, turned,
        )  # fmt: skip
    if not tile:
        return 0, direct
    tiles = images * math.prod(-(-length // tile) for length in windows)
    return tile, tiles * FILTERINGS[tile].places * weight[0] * weight[1]


def forward(
    x: Array, weight: Array, bias: Array | None, out: Pair, padding: Pair, tile: int, turned: bool = False
) -> Array | None:
    """The convolution of x by a weight (outputs, channels, 3, 3), of which the first (rows, columns) `out`.

    With `turned` the weight is that of the convolution whose transpose this is. None where there is no kernel, and
    where a number of the result is not finite.
    """
    weight, x = np.ascontiguousarray(weight), np.ascontiguousarray(x)
    n, channels, *high = x.shape
    outputs = weight.shape[1 if turned else 0]
    block = block_of(outputs, x.itemsize)
    if block is None:
        return None
    transform, function = WEIGHT.function(x.dtype, block.lanes, tile, turned), FORWARD.function(x.dtype, tile, *block)
    if transform is None or function is None:
        return None
    blocks, squares = -(-outputs // block.wide), [-(-length // block.lanes) for length in weight.shape[:2]]
    made = np.empty((blocks, FILTERINGS[tile].places, channels, block.wide), x.dtype)
    share(
        transform, math.prod(squares), _SQUARES, weight, made, *weight.shape[:2], squares[1],
        block.wide,
    )  # fmt: skip
    shift = np.zeros(blocks * block.wide, x.dtype)
    if bias is not None:
        shift[:outputs] = bias
    result = np.empty((n, outputs, *out), x.dtype)
    strips, numbers = _strips(n, out, tile, TYPES[x.dtype])
    odd = np.empty(strips, x.dtype)
    share(
        _with_rooms(function, tile, x.dtype, block), strips, -(-_EACH * strips // (result.size * channels * 4)),
        x, made, shift, result, odd, *numbers, channels, *high, *padding, outputs, *out, blocks,
    )  # fmt: skip
    return None if odd.any() else result


def of_weight(g: Array, x: Array, shape: tuple[int, ...], padding: Pair, tile: int) -> Array | None:
    """The gradient of the weight, which has this shape; None as in `forward`."""
    g, x = np.ascontiguousarray(g), np.ascontiguousarray(x)
    outputs, channels = shape[:2]
    block = block_of(outputs, x.itemsize)
    if block is None:
        return None
    width = width_of(*block)
    function, gather = CORRELATE.function(x.dtype, tile, *block), GATHER.function(x.dtype, block.lanes, tile, width)
    if function is None or gather is None:
        return None
    out = g.shape[2], g.shape[3]
    strips, numbers = _strips(len(x), out, tile, TYPES[x.dtype])
    panels, chunks = -(-outputs // width), -(-channels // DEEP)
    parts = min(strips, max(1, _PARTS // (panels * chunks)))
    total = np.empty((parts, panels, chunks, FILTERINGS[tile].places, DEEP, width), x.dtype)
    items = parts * panels * chunks
    share(
        _with_rooms(function, tile, x.dtype, block), items, -(-_EACH * items // (g.size * channels * 4)),
        g, x, total, *numbers, strips, parts, panels, chunks, channels, *x.shape[2:], *padding,
        outputs, *out,
    )  # fmt: skip
    made, squares = np.empty(shape, x.dtype), [-(-length // block.lanes) for length in shape[:2]]
    share(
        gather, math.prod(squares), _SQUARES, total, made, parts, panels, chunks, channels, outputs,
        squares[1],
    )  # fmt: skip
    return made if np.isfinite(made).all() else None
