"""Images at other places than their pixels: made larger or smaller, or sampled where a grid says."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import Tensor, called, from_data
from ...core.promotion import refused_dtype
from ...errors import warn
from ...ops.adaptive_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, along_dimension
from ...ops.refusals import without
from ...types.dtypes import int64, uint8
from .. import vocabulary as ops

__all__ = ["affine_grid", "grid_sample", "interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def _upsampling(input: Tensor, *args: Any, mode: str = "nearest", antialias: bool = False, **_: Any) -> str | None:
    """PyTorch's name of the node."""
    mode = args[2] if len(args) > 2 else mode
    antialias = args[5] if len(args) > 5 else antialias
    if mode == "area":
        return None
    kind = "".join(part.title() for part in mode.split("-"))
    return f"Upsample{kind}{input.ndim - 2}D{'Aa' if antialias else ''}Backward0"


@called(_upsampling)
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """A line, image or volume in another size: (N, C, …) to (N, C, *size).

    ``size`` or ``scale_factor`` is given, a number or one for each side. ``mode``: nearest, nearest-exact, linear,
    bilinear, bicubic, trilinear, area. With ``align_corners``, the outermost pixels stay in their places; otherwise the
    outer edges do. ``antialias`` smooths where an image becomes smaller (bilinear and bicubic).
    """
    rank = input.ndim - 2
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | "
                "trilinear"
            )
    elif mode not in _RANKS:
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: nearest | "
            f"linear | bilinear | bicubic | trilinear | area | nearest-exact (got {mode})"
        )
    sizes, factors = _sizes(input, rank, size, scale_factor, recompute_scale_factor)
    if antialias and not (mode in ("bilinear", "bicubic") and rank == 2):
        raise ValueError("Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor")
    if rank not in (1, 2, 3) or _RANKS.get(mode, rank) != rank:
        raise NotImplementedError(
            f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: nearest | "
            f"linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got {mode}). {mode} mode needs "
            f"{_RANKS.get(mode, '1, 2 or 3')} dimensions besides batch and channels: the input "
            f"has shape {tuple(input.shape)}"
        )
    if min(sizes) <= 0 or min(input.shape[2:]) <= 0:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {tuple(input.shape[2:])}, output {sizes}"
        )
    # PyTorch's kernels for whole numbers are those for the bytes of pictures.
    bytes_alone = mode.startswith("nearest") or rank == 2
    if not (input.is_floating_point() or (input.dtype is uint8 and bytes_alone)):
        raise refused_dtype("interpolate", input.dtype)
    if mode == "area":
        return _AREA[rank](input, sizes)
    if not (input.dtype.is_floating_point or mode.startswith("nearest")):  # weights are parts of one
        return _of_bytes(input, sizes, factors, mode, bool(align_corners), antialias)
    out: Any = input
    for back in range(1, rank + 1):
        length, count, factor = input.shape[-back], sizes[-back], factors[-back]
        ratio = 1 / factor if factor else length / count
        if mode.startswith("nearest"):
            if (length, ratio) != (count, 1.0):
                out = ops.index_select(out, dim=input.ndim - back, index=_nearest(length, count, ratio, mode, out))
            continue
        matrix = _weights(mode, length, count, ratio, bool(align_corners), antialias)
        out = along_dimension(out, from_data(matrix.tolist(), input.dtype, input.device).reshape(count, length), back)
    return input.clone() if out is input else out


def _of_bytes(
    input: Tensor, sizes: list[int], factors: list[float | None], mode: str, align: bool, antialias: bool
) -> Tensor:
    """Bytes are whole numbers after each side, the last one first, and so are the weights, as in Pillow."""
    out: Tensor = input.double()
    for back in (1, 2):
        length, count, factor = input.shape[-back], sizes[-back], factors[-back]
        if length == count:
            continue
        matrix = _weights(mode, length, count, 1 / factor if factor else length / count, align, antialias)
        bits = 0  # as many as 16 hold of each weight
        while bits < 22 and int(0.5 + matrix.max() * 2 ** (bits + 1)) < 2**15:
            bits += 1
        whole = np.trunc(matrix * 2**bits + np.copysign(0.5, matrix))
        summed = along_dimension(out, from_data(whole.tolist(), out.dtype, input.device).reshape(count, length), back)
        out = ((summed + 2 ** (bits - 1)) / 2**bits).floor().clamp(0, 255)
    return out.to(input.dtype)


def _sizes(
    input: Tensor, rank: int, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[list[int], list[float | None]]:
    """The sizes of the result, and the factors that places are computed with (None: from the sizes)."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    given: Any = size if scale_factor is None else scale_factor
    several: list[Any] = list(given) if isinstance(given, Sequence) else [given] * rank
    if len(several) != rank:
        raise ValueError(
            f"Input and output must have the same number of spatial dimensions, but got input with spatial dimensions "
            f"of {list(input.shape[2:])} and {given}; give a number, or one for each of them"
        )
    if scale_factor is None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return [int(value) for value in several], [None] * rank
    sizes = [math.floor(side * float(factor)) for side, factor in zip(input.shape[2:], several, strict=True)]
    factors: list[float | None] = [None if recompute else float(factor) for factor in several]
    return sizes, factors


def _nearest(length: int, count: int, ratio: float, mode: str, like: Tensor) -> Tensor:
    places = np.arange(count, dtype=np.float32)
    if mode == "nearest-exact":
        places = places + np.float32(0.5)
    found = np.minimum(np.floor(places * np.float32(ratio)).astype(np.int64), length - 1)
    return from_data(found, int64, like.device)


def _weights(mode: str, length: int, count: int, ratio: float, align: bool, antialias: bool) -> Any:
    """The matrix (count, length) that makes `count` pixels of `length`."""
    if antialias:
        return _smoothing_weights(mode, length, count, ratio, align)
    if align:
        places = np.arange(count) * ((length - 1) / (count - 1) if count > 1 else 0.0)
    else:
        places = (np.arange(count) + 0.5) * ratio - 0.5
        if mode != "bicubic":
            places = np.maximum(places, 0.0)
    matrix = np.zeros((count, length))
    rows, low = np.arange(count), np.floor(places).astype(int)
    part = places - low
    if mode != "bicubic":
        np.add.at(matrix, (rows, np.minimum(low, length - 1)), 1 - part)
        np.add.at(matrix, (rows, np.minimum(low + 1, length - 1)), part)
        return matrix
    for offset in (-1, 0, 1, 2):
        np.add.at(matrix, (rows, np.clip(low + offset, 0, length - 1)), _cubic(part - offset, -0.75))
    return matrix


def _cubic(x: Any, a: float) -> Any:
    """Keys' kernel (1981): a is -0.75 as in OpenCV, and -0.5 as in Pillow where images are smoothed."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _smoothing_weights(mode: str, length: int, count: int, ratio: float, align: bool) -> Any:
    """A kernel as wide as the step between the places: what falls between them counts, too (Pillow's)."""
    if align:
        ratio = (length - 1) / (count - 1) if count > 1 else 0.0
    wide = max(ratio, 1.0)
    reach = (1.0 if mode == "bilinear" else 2.0) * wide
    matrix = np.zeros((count, length))
    for row in range(count):
        middle = ratio * (row + 0.5)
        start, stop = max(int(middle - reach + 0.5), 0), min(int(middle + reach + 0.5), length)
        apart = (np.arange(start, stop) - middle + 0.5) / wide
        found = np.maximum(1 - np.abs(apart), 0.0) if mode == "bilinear" else _cubic(apart, -0.5)
        matrix[row, start:stop] = found / found.sum()
    return matrix


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """The old name of `interpolate`."""
    warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The old name of `interpolate` with the nearest pixels."""
    warn("`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The old name of `interpolate` with ``mode="bilinear", align_corners=True``."""
    warn("`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


# ------------------------------------------------------------------------------------------------------------ grids


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The places (N, H, W, 2) that matrices ``theta`` (N, 2, 3) send the pixels of images (N, C, H, W) to.

    Places are from -1 to 1; of volumes, ``theta`` is (N, 3, 4). Source: Jaderberg et al., arXiv:1506.02025.
    """
    if align_corners is None:
        warn("Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0.")
    rank = len(size) - 2
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if rank not in (2, 3):
        raise NotImplementedError(
            f"affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms. Got {size}"
        )
    if tuple(theta.shape) != (size[0], rank, rank + 1):
        raise ValueError(
            f"Expected a batch of {rank}D affine matrices of shape {(size[0], rank, rank + 1)} for size {tuple(size)}. "
            f"Got {tuple(theta.shape)}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    lines: list[Any] = []
    for side in size[2:]:
        line = np.linspace(-1, 1, side) if side > 1 else np.zeros(1)
        lines.append(line if align_corners else line * (side - 1) / side)
    mesh = np.stack([*reversed(np.meshgrid(*lines, indexing="ij")), np.ones(tuple(size[2:]))], -1)
    base = from_data(mesh.tolist(), theta.dtype, theta.device).reshape(-1, rank + 1)
    return ops.reshape(base @ theta.mT, shape=(size[0], *size[2:], rank))


@called(lambda input, *_, **__: f"GridSampler{input.ndim - 2}DBackward0")
@without("integer", "bool", "complex", of=1)
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Images (N, C, H, W) at the places of ``grid`` (N, H', W', 2), from -1 to 1, x first: (N, C, H', W').

    ``mode``: bilinear, nearest, bicubic; outside there are zeros, the border, or a reflection (``padding_mode``). Also
    of volumes, with a grid (N, D', H', W', 3).
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        warn("Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0.")
        align_corners = False
    rank = input.ndim - 2
    if rank not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != rank or grid.shape[0] != input.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected input (N, C, H, W) and grid (N, H', W', 2), or (N, C, D, H, W) and "
            f"(N, D', H', W', 3), but got {tuple(input.shape)} and {tuple(grid.shape)}"
        )
    if mode == "bicubic" and rank != 2:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if not input.numel():
        raise RuntimeError(f"grid_sampler(): expected input to have non-empty spatial dimensions, got {input.shape}")
    sides = list(input.shape[2:])
    places: list[Any] = []
    for axis, side in enumerate(sides):
        x = grid[..., rank - 1 - axis]
        x = (x + 1) / 2 * (side - 1) if align_corners else ((x + 1) * side - 1) / 2
        places.append(x if mode == "bicubic" else _inside(x, side, padding_mode, align_corners))
    sample = _Sampler(input, grid, sides, padding_mode, align_corners)
    if mode == "nearest":
        found = sample([ops.round(x.detach()) for x in places])
        return found + ops.nan_to_num((grid - grid.detach()).sum(-1)).unsqueeze(1) * 0  # a gradient of zeros
    low = [ops.floor(x.detach()) for x in places]
    parts = [x - base for x, base in zip(places, low, strict=True)]
    total: Any = None
    if mode == "bilinear":
        for corner in itertools.product((0, 1), repeat=rank):
            weight: Any = 1.0
            for upper, part in zip(corner, parts, strict=True):
                weight = weight * (part if upper else 1 - part)
            term = sample([base + step for base, step in zip(low, corner, strict=True)]) * weight.unsqueeze(1)
            total = term if total is None else total + term
        return total
    for steps in itertools.product((-1, 0, 1, 2), repeat=2):
        weight = 1.0
        for step, part in zip(steps, parts, strict=True):
            weight = weight * _cubic_weight(part, step)
        term = sample([base + step for base, step in zip(low, steps, strict=True)]) * weight.unsqueeze(1)
        total = term if total is None else total + term
    return total


def _cubic_weight(part: Any, step: int) -> Any:
    """Keys' kernel with a = -0.75 at the distance of a pixel, `step` away, from the place."""
    a = -0.75
    x = part - step if step < 1 else step - part
    if step in (0, 1):
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def _inside(x: Any, side: int, padding_mode: str, align: bool) -> Any:
    """A place that padding brings back into the image; with zeros it stays where it is."""
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        low, span = (0.0, float(side - 1)) if align else (-0.5, float(side))
        if not span:
            return x * 0
        away = ops.abs(x - low)
        turns = ops.floor(away.detach() / span)
        rest = away - turns * span
        x = ops.where(turns % 2 == 0, rest + low, span - rest + low)
    return ops.clamp(x, min=0, max=side - 1)


class _Sampler:
    """Pixels of images at whole places, zeros where there are none."""

    def __init__(self, input: Tensor, grid: Tensor, sides: list[int], padding_mode: str, align: bool) -> None:
        self.flat = ops.reshape(input, shape=(*input.shape[:2], -1))
        self.sides, self.padding_mode, self.align = sides, padding_mode, align
        self.shape = (*input.shape[:2], *grid.shape[1:-1])

    def __call__(self, places: list[Any]) -> Tensor:
        index: Any = 0
        known: Any = None
        for x, side in zip(places, self.sides, strict=True):
            if self.padding_mode == "zeros":
                here = (x >= 0) & (x <= side - 1)
                known = here if known is None else known & here
            else:
                x = _inside(x, side, self.padding_mode, self.align)
            index = index * side + ops.clamp(ops.nan_to_num(x, nan=-1.0), min=0, max=side - 1).long()
        n, channels = self.shape[:2]
        flat = ops.reshape(index, shape=(n, 1, -1)).expand(n, channels, -1)
        found = ops.reshape(ops.gather(self.flat, 2, flat), shape=self.shape)
        return found if known is None else found * known.unsqueeze(1)
