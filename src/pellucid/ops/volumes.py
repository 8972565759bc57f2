"""Convolution and pooling of volumes (n, c, d, h, w): depth by itself, the rest by the ops for images.

Windows along the depth become more channels of an image, so a convolution of volumes is one of images; the maximum and
the mean of a window are those of its layers.
"""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, called
from pellucid.declare import TABLE, function
from pellucid.errors import ShapeError

from .convolution import channels_fit, convolution, convolution_input, numbers, padding_by_name
from .diagonals import unfold
from .node_names import by_rank
from .padding import pad
from .pooling import avg_pool, max_pool, max_pool_indices, window_sizes


def _batched(name: str, input: Tensor, weight: Tensor | None = None) -> tuple[Tensor, bool]:
    if input.ndim not in (4, 5) or (weight is not None and weight.ndim != 5):
        also = "" if weight is None else f", and weight {tuple(weight.shape)}, which is to be 5D"
        raise ShapeError(
            f"{name}: expected 4D (unbatched) or 5D (batched) input, but got input of shape {tuple(input.shape)}{also}"
        )
    return (input, True) if input.ndim == 5 else (input.unsqueeze(0), False)


def _layers(x: Tensor, size: int, step: int, spread: int) -> Any:
    """Windows along the depth as channels: (n, c, d, h, w) -> ((n · windows, c · size, h, w), windows)."""
    n, c, _, h, w = x.shape
    windows: Any = unfold(x, 2, spread * (size - 1) + 1, step)
    windows = windows[..., ::spread]  # (n, c, windows, h, w, size)
    count = windows.shape[2]
    turned = TABLE["permute"](windows, dims=(0, 2, 1, 5, 3, 4))
    return TABLE["reshape"](turned, shape=(n * count, c * size, h, w)), count


@function(method=False)
@called(by_rank(5, "ConvolutionBackward0", "SqueezeBackward1"))
def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation in three dimensions: (n, c, d, h, w) with weight (o, c/groups, kd, kh, kw) -> (n, o, …).

    Arguments and errors as in `conv2d`.

    >>> import pellucid
    >>> pellucid.conv3d(pellucid.ones(1, 1, 3, 3, 3), pellucid.ones(2, 1, 2, 2, 2)).shape
    torch.Size([1, 2, 2, 2, 2])
    """
    x, batched = _batched("conv3d", input, weight)
    channels_fit("conv3d", x, weight, groups)
    steps, spread = numbers("stride", stride, 3), numbers("dilation", dilation, 3)
    if isinstance(padding, str):
        x, around = padding_by_name(padding, x, weight, steps, spread, 3)
    else:
        around = numbers("padding", padding, 3)
    if min(steps) <= 0 or min(spread) <= 0 or min(around) < 0:
        raise RuntimeError(f"conv3d: stride and dilation are positive, padding not negative: {steps, spread, around}")
    o, per, size, *kernel = weight.shape
    depth = x.shape[2] + 2 * around[0]
    if depth < spread[0] * (size - 1) + 1:
        raise ShapeError(
            f"Calculated padded input size per channel: ({depth} x {x.shape[3]} x {x.shape[4]}). Kernel size: "
            f"({size} x {kernel[0]} x {kernel[1]}). Kernel size can't be greater than actual input size"
        )
    if around[0]:
        x = pad(x, (0, 0, 0, 0, around[0], around[0]))
    images, count = _layers(x, size, steps[0], spread[0])
    flat = TABLE["reshape"](weight, shape=(o, per * size, *kernel))
    out: Any = convolution(images, flat, bias, stride=steps[1:], padding=around[1:], dilation=spread[1:], groups=groups)
    out = TABLE["reshape"](out, shape=(x.shape[0], count, *out.shape[1:]))
    out = TABLE["permute"](out, dims=(0, 2, 1, 3, 4))
    return out if batched else out.squeeze(0)


@function(method=False)
@called(by_rank(5, "ConvolutionBackward0", "SqueezeBackward1"))
def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transpose of `conv3d`: (n, c, d, h, w) with weight (c, o/groups, kd, kh, kw) -> (n, o, …)."""
    x, batched = _batched("conv_transpose3d", input, weight)
    steps, around = numbers("stride", stride, 3), numbers("padding", padding, 3)
    spread, more = numbers("dilation", dilation, 3), numbers("output_padding", output_padding, 3)
    if x.shape[1] != weight.shape[0]:
        raise ShapeError(f"the weight takes {weight.shape[0]} channels, the input has {x.shape[1]}")
    for extra, step, wide in zip(more, steps, spread, strict=True):
        if extra >= max(step, wide):
            raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {extra}")
    n, c, depth, h, w = x.shape
    _, per, size, *kernel = weight.shape
    sides = [
        (x.shape[2 + i] - 1) * steps[i] - 2 * around[i] + spread[i] * (weight.shape[2 + i] - 1) + more[i] + 1
        for i in range(3)
    ]
    reshape, permute = TABLE["reshape"], TABLE["permute"]
    images = reshape(permute(x, dims=(0, 2, 1, 3, 4)), shape=(n * depth, c, h, w))
    flat = reshape(weight, shape=(c, per * size, *kernel))
    layers = convolution_input(
        images, flat, shape=(n * depth, per * size * groups, *sides[1:]),
        stride=steps[1:], padding=around[1:], dilation=spread[1:], groups=groups,
    )  # fmt: skip
    # Layers that belong to one depth are added: (n · d, o · kd, h, w) -> (n, o · kd, d · h · w), columns of `col2im`.
    area, channels = sides[1] * sides[2], per * groups
    columns = reshape(layers, shape=(n, depth, channels * size, area))
    columns = reshape(permute(columns, dims=(0, 2, 1, 3)), shape=(n, channels * size, depth * area))
    out: Any = TABLE["col2im"](
        columns, size=(sides[0], area), kernel=(size, 1), stride=(steps[0], 1), padding=(around[0], 0),
        dilation=(spread[0], 1),
    )  # fmt: skip
    out = reshape(out, shape=(n, channels, *sides))
    if bias is not None:
        out = out + bias.reshape(-1, 1, 1, 1)
    return out if batched else out.squeeze(0)


# --------------------------------------------------------------------------------------------------------- pooling


@function(method=False)
@called("MaxPool3DWithIndicesBackward0")
def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """Maximum of each window: (n, c, d, h, w) -> (n, c, od, oh, ow); `stride` is the window's size unless given."""
    x, batched = _batched("max_pool3d", input)
    k, s, p, d = window_sizes("max_pool3d", 3, kernel_size, stride, padding, dilation)
    n, c, depth, height, width = x.shape
    reshape = TABLE["reshape"]
    images = reshape(x, shape=(n, c * depth, height, width))
    across: dict[str, Any] = {"kernel": k[1:], "stride": s[1:], "padding": p[1:], "dilation": d[1:]}
    down: dict[str, Any] = {
        "kernel": (k[0], 1), "stride": (s[0], 1), "padding": (p[0], 0), "dilation": (d[0], 1),
    }  # fmt: skip
    flat, place = max_pool(images, **across, ceil_mode=bool(ceil_mode))
    oh, ow = flat.shape[2:]
    found, level = max_pool(reshape(flat, shape=(n, c, depth, oh * ow)), **down, ceil_mode=bool(ceil_mode))
    shape = (n, c, found.shape[2], oh, ow)
    out = reshape(found, shape=shape)
    out = out if batched else out.squeeze(0)
    if not return_indices:
        return out
    inner = max_pool_indices(place, width=width, **across)
    outer: Any = reshape(max_pool_indices(level, width=oh * ow, **down), shape=(n, c, -1))
    inner = TABLE["gather"](reshape(inner, shape=(n, c, depth * oh * ow)), outer, dim=2)
    indices = reshape(outer // (oh * ow) * (height * width) + inner, shape=shape)
    return out, indices if batched else indices.squeeze(0)


@function(public=False, method=False)
@called("AvgPool3DBackward0")
def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """Mean of each window: (n, c, d, h, w) -> (n, c, od, oh, ow); `stride` is the window's size unless given."""
    x, batched = _batched("avg_pool3d", input)
    k, s, p, _ = window_sizes("avg_pool3d", 3, kernel_size, stride, padding)
    if divisor_override == 0:
        raise RuntimeError("avg_pool3d: divisor must be not zero")
    n, c, depth, height, width = x.shape
    # The number of elements that count is that along the depth times that across.
    how: dict[str, Any] = {
        "ceil_mode": bool(ceil_mode),
        "count_include_pad": bool(count_include_pad),
        "divisor": None if divisor_override is None else 1,
    }
    reshape = TABLE["reshape"]
    images = reshape(x, shape=(n, c * depth, height, width))
    flat = avg_pool(images, kernel=k[1:], stride=s[1:], padding=p[1:], **how)
    oh, ow = flat.shape[2:]
    rows = reshape(flat, shape=(n, c, depth, oh * ow))
    found: Any = avg_pool(rows, kernel=(k[0], 1), stride=(s[0], 1), padding=(p[0], 0), **how)
    out = reshape(found, shape=(n, c, found.shape[2], oh, ow))
    out = out if divisor_override is None else out / divisor_override
    return out if batched else out.squeeze(0)
