"""Adaptive pooling: windows that cover an image in as many parts as are asked for."""

from __future__ import annotations

import itertools
import math
from typing import Any

from pellucid.core import Tensor, called, from_data
from pellucid.declare import FUNCTIONS, TABLE, function
from pellucid.declare.arguments import is_list
from pellucid.types.dtypes import float16, float32

from .node_names import volume_means
from .pooling import as_given, as_image
from .refusals import without


def _bins(size: int, count: int) -> list[tuple[int, int]]:
    """Start and end of each of `count` windows that cover `size` pixels as evenly as possible."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def target_sizes(size: Any, shape: Any, rank: int) -> list[int]:
    given = list(size) if is_list(size) else [size] * rank
    if len(given) != rank:
        raise RuntimeError(f"output_size must be a number or {rank} numbers, got {size!r}")
    sizes = [shape[-rank + i] if value is None else int(value) for i, value in enumerate(given)]
    if min(sizes) < 0:
        raise RuntimeError(f"elements of output_size must be greater than or equal to 0 but received {size}")
    return sizes


def _adaptive_mean(input: Tensor, output_size: Any, rank: int) -> Tensor:
    """As products with matrices whose rows average a window: each dimension on its own."""
    x, batched = as_image(f"adaptive_avg_pool{rank}d", TABLE["kinked"](input), rank)
    sizes = target_sizes(output_size, input.shape, rank)
    wide = float32 if input.dtype is float16 else input.dtype
    out: Any = x if wide is input.dtype else TABLE["cast"](x, dtype=wide)
    for back, count in enumerate(reversed(sizes), 1):
        length = out.shape[-back]
        rows = [[1 / (b - a) if a <= i < b else 0.0 for i in range(length)] for a, b in _bins(length, count)]
        out = along_dimension(out, from_data(rows, wide, input.device).reshape(count, length), back)
    return as_given(out if wide is input.dtype else TABLE["cast"](out, dtype=input.dtype), rank, batched)


def along_dimension(x: Any, matrix: Any, back: int) -> Any:
    """The product of a matrix with each line of `x` along the dimension that is `back` from the end."""
    if back == 1:
        return x @ matrix.mT
    if back == 2:
        return matrix @ x
    shape = tuple(x.shape)
    flat = TABLE["reshape"](x, shape=(*shape[: 1 - back], math.prod(shape[1 - back :])))
    return TABLE["reshape"](matrix @ flat, shape=(*shape[:-back], matrix.shape[0], *shape[1 - back :]))


@function(method=False)
@without("bool", "integer", of=1)
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Mean over `output_size` windows that cover the last dimension: (n, c, w) -> (n, c, output_size)."""
    return _adaptive_mean(input, output_size, 1)


@called(volume_means)
@without("bool", "integer", of=1)
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Mean over windows that cover the volume in `output_size` parts: (n, c, d, h, w) -> (n, c, od, oh, ow)."""
    return _adaptive_mean(input, output_size, 3)


@called("AdaptiveAvgPool2DBackward0")
@without("bool", "integer", of=1)
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Mean over windows that cover the image in `output_size` rows and columns: (n, c, h, w) -> (n, c, oh, ow)."""
    return _adaptive_mean(input, output_size, 2)


def _adaptive_max(input: Tensor, output_size: Any, return_indices: bool, rank: int) -> Any:
    x, batched = as_image(f"adaptive_max_pool{rank}d", TABLE["kinked"](input), rank)
    sides = list(x.shape[2:])
    counts = [1] * (len(sides) - rank) + target_sizes(output_size, input.shape, rank)
    stack = FUNCTIONS["stack"]
    values: list[Tensor] = []
    places: list[Any] = []
    for spans in itertools.product(*(_bins(side, count) for side, count in zip(sides, counts, strict=True))):
        window = x[(slice(None), slice(None), *(slice(a, b) for a, b in spans))]
        value, index = window.flatten(2).max(-1)  # index into the window, row by row
        place: Any = 0
        step = 1
        for (a, b), side in zip(reversed(spans), reversed(sides), strict=True):
            place = place + (index % (b - a) + a) * step
            index = index // (b - a)
            step *= side
        values.append(value)
        places.append(place)
    shape = (*x.shape[:2], *counts)
    if not values:
        empty = x.flatten(2)[:, :, :0].reshape(shape)
        pair = empty, empty.long()
    else:
        pair = stack(values, -1).reshape(shape), stack(places, -1).reshape(shape)
    out, indices = (as_given(tensor, rank, batched) for tensor in pair)
    return (out, indices) if return_indices else out


@called("AdaptiveMaxPool3DBackward0")
@without("bool", "integer", of=1)
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maximum over windows that cover the volume in `output_size` parts: (n, c, d, h, w) -> (n, c, od, oh, ow)."""
    return _adaptive_max(input, output_size, return_indices, 3)


@without("bool", "integer", of=1)
def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maximum over `output_size` windows that cover the last dimension: (n, c, w) -> (n, c, output_size)."""
    return _adaptive_max(input, output_size, return_indices, 1)


@called("AdaptiveMaxPool2DBackward0")
@without("bool", "integer", of=1)
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maximum over windows that cover the image in `output_size` rows and columns: (n, c, h, w) -> (n, c, oh, ow)."""
    return _adaptive_max(input, output_size, return_indices, 2)
