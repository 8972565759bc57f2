"""Pooling composed of other ops: back to where a maximum came from, of a power, over windows drawn at random."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ...core import Tensor, called, from_data
from ...ops.adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from ...ops.convolution import numbers
from ...ops.pooling import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from ...ops.volumes import avg_pool3d, max_pool3d
from ...types.dtypes import bfloat16, int64
from .. import vocabulary as ops

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]

# ------------------------------------------------------------------------------------------------------- unpooling


def _unpool(
    rank: int, input: Tensor, indices: Tensor, kernel: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    name = f"max_unpool{rank}d"
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"Input to {name} should be a {rank + 1}d or {rank + 2}d Tensor, but got shape {tuple(input.shape)}"
        )
    if tuple(indices.shape) != tuple(input.shape):
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({tuple(input.shape)}), but got indices "
            f"tensor with shape: {tuple(indices.shape)}"
        )
    k = numbers("kernel_size", kernel, rank)
    s = k if stride is None or stride in ((), []) else numbers("stride", stride, rank)
    p = numbers("padding", padding, rank)
    usual = [(input.shape[-rank + i] - 1) * s[i] + k[i] - 2 * p[i] for i in range(rank)]
    sizes = usual
    if output_size is not None:
        sizes = list(output_size)[-rank:]
        if len(output_size) not in (rank, rank + 1, rank + 2):
            raise ValueError(
                f"output_size should be a sequence containing {rank} or {rank + 2} elements, but it has a length of "
                f"'{len(output_size)}'"
            )
        for i in range(rank):
            if not usual[i] - s[i] < sizes[i] < usual[i] + s[i]:
                raise ValueError(
                    f'invalid output_size "{sizes}" (dim {i} must be between {usual[i] - s[i]} and {usual[i] + s[i]})'
                )
    count = int(np.prod(sizes))
    places = ops.reshape(indices, shape=(*input.shape[:-rank], -1))
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < count:
        raise RuntimeError(f"{name}: found an invalid max index; indices point into an output of size {sizes}")
    flat = ops.zeros((*input.shape[:-rank], count), dtype=input.dtype, device=input.device)
    flat = ops.scatter(flat, -1, places, ops.reshape(input, shape=places.shape))
    return ops.reshape(flat, shape=(*input.shape[:-rank], *sizes))


@called("SqueezeBackward1")
def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Put maxima back where `max_pool1d` found them, zeros elsewhere: (N, C, L) -> (N, C, L')."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


@called("MaxUnpool2DBackward0")
def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Put maxima back where `max_pool2d` found them, zeros elsewhere: (N, C, H, W) -> (N, C, H', W')."""
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


@called("MaxUnpool3DBackward0")
def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Put maxima back where `max_pool3d` found them, zeros elsewhere: (N, C, D, H, W) -> (N, C, D', H', W')."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


# ------------------------------------------------------------------------------------------------------ of a power


def _lp(pool: Any, rank: int, input: Tensor, norm_type: float, kernel: Any, stride: Any, ceil_mode: bool) -> Tensor:
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"lp_pool{rank}d: expected {rank + 1}D or {rank + 2}D input, but got shape {tuple(input.shape)}"
        )
    count = int(np.prod(numbers("kernel_size", kernel, rank)))
    out = pool(input**norm_type, kernel, stride, 0, ceil_mode)
    return (ops.sign(out) * ops.relu(ops.abs(out)) * count) ** (1.0 / norm_type)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """(Σ xᵖ)^(1/p) of each window along a line, p being ``norm_type``."""
    return _lp(avg_pool1d, 1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """(Σ xᵖ)^(1/p) of each window of an image, p being ``norm_type``."""
    return _lp(avg_pool2d, 2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """(Σ xᵖ)^(1/p) of each window of a volume, p being ``norm_type``."""
    return _lp(avg_pool3d, 3, input, norm_type, kernel_size, stride, ceil_mode)


# --------------------------------------------------------------------------------------------- windows drawn at random


def _starts(samples: Any, length: int, count: int, window: int) -> Any:
    """Where `count` windows begin, (…, count), from a number in [0, 1) for each line (Graham, arXiv:1412.6071)."""
    if count == 1:
        return np.full((*samples.shape, 1), length - window)
    # In the dtype of the samples, as in PyTorch: the floors depend on its rounding.
    alpha = samples.dtype.type((length - window) / (count - 1))
    steps = np.arange(count - 1, dtype=samples.dtype)
    first = ((steps + samples[..., None]) * alpha).astype(np.int64) - (samples * alpha).astype(np.int64)[..., None]
    return np.concatenate([first, np.full((*samples.shape, 1), length - window)], -1)


def _fractional(
    rank: int, input: Tensor, kernel: Any, output_size: Any, output_ratio: Any, indices: bool, samples: Any
) -> Any:
    name = f"fractional_max_pool{rank}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"{name}: Expected {rank + 1}D or {rank + 2}D tensor, but got shape {tuple(input.shape)}")
    sides = input.shape[-rank:]
    if output_size is None:
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * rank
        output_size = [int(side * ratio) for side, ratio in zip(sides, ratios, strict=True)]
    counts, window = numbers("output_size", output_size, rank), numbers("kernel_size", kernel, rank)
    for side, count, width in zip(sides, counts, window, strict=True):
        if count + width - 1 > side:
            raise RuntimeError(
                f"{name}: {count} windows of {width} do not fit on {side} elements: the output is too large"
            )
    x = input if input.ndim == rank + 2 else input.unsqueeze(0)
    n, channels = x.shape[:2]
    if samples is None:
        samples = ops.rand(n, channels, rank, dtype=input.dtype, device=input.device)
    drawn = (samples.float() if samples.dtype is bfloat16 else samples).detach().numpy()[:n]
    places: Any = np.zeros((n, channels, *(1,) * (2 * rank)), np.int64)
    for axis in range(rank):
        # The samples of an image begin with its width, those of a volume with its depth.
        along = drawn[..., rank - 1 - axis if rank == 2 else axis]
        starts = _starts(along, sides[axis], counts[axis], window[axis])
        at = starts[..., None] + np.arange(window[axis])  # (n, c, count, window)
        shape = [n, channels] + [1] * (2 * rank)
        shape[2 + axis], shape[2 + rank + axis] = counts[axis], window[axis]
        places = places * sides[axis] + at.reshape(shape)
    places = places.reshape(n, channels, int(np.prod(counts)), int(np.prod(window)))
    where = from_data(places.reshape(n, channels, int(np.prod(places.shape[2:]))), int64, input.device)
    picked = ops.gather(ops.reshape(x, shape=(n, channels, int(np.prod(sides)))), 2, where)
    value, best = ops.reshape(picked, shape=places.shape).max(-1)
    shape = (*input.shape[:-rank], *counts)
    out = ops.reshape(value, shape=shape)
    if not indices:
        return out
    found = ops.gather(ops.reshape(where, shape=places.shape), 3, best.unsqueeze(-1))
    return out, ops.reshape(found, shape=shape)


@called("FractionalMaxPool2DBackward0")
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima of windows whose places are drawn at random so that they give ``output_size`` (arXiv:1412.6071)."""
    return _fractional(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


@called("FractionalMaxPool3DBackward0")
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """As `fractional_max_pool2d`, of volumes."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def _with_indices(pool: Any) -> Any:
    """``pool``, which also returns where each maximum was found."""

    def pooled(*args: Any, **kwargs: Any) -> Any:
        return pool(*args, **{**kwargs, "return_indices": True})

    pooled.__name__ = pooled.__qualname__ = f"{pool.__name__}_with_indices"
    pooled.__doc__ = f"`{pool.__name__}`, and the place of each maximum in its flat channel: a pair."
    pooled.__module__ = __name__
    pooled.__signature__ = inspect.signature(pool)  # type: ignore[attr-defined]
    return pooled


adaptive_max_pool1d_with_indices = _with_indices(adaptive_max_pool1d)
adaptive_max_pool2d_with_indices = _with_indices(adaptive_max_pool2d)
adaptive_max_pool3d_with_indices = _with_indices(adaptive_max_pool3d)
fractional_max_pool2d_with_indices = _with_indices(fractional_max_pool2d)
fractional_max_pool3d_with_indices = _with_indices(fractional_max_pool3d)
max_pool1d_with_indices = _with_indices(max_pool1d)
max_pool2d_with_indices = _with_indices(max_pool2d)
max_pool3d_with_indices = _with_indices(max_pool3d)
