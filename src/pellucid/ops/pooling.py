"""Pooling: the maximum or the mean of each window of an image (one dimension is a height of 1)."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor
from pellucid.core.promotion import refused_dtype
from pellucid.declare import function, op
from pellucid.errors import DimensionError, ShapeError
from pellucid.kernels import pooling as native

from .convolution import Geometry, Pair, numbers
from .node_names import pooling

_CHUNK = 1 << 15  # windows at a time


def _out(shape: Any, kernel: Pair, geometry: Geometry, ceil_mode: bool) -> Pair:
    """Number of windows; with ceil_mode also those that run over the edge, if they start inside."""
    counts: list[int] = []
    for i in (0, 1):
        reach = shape[i] + 2 * geometry.padding[i] - geometry.dilation[i] * (kernel[i] - 1) - 1
        step = geometry.stride[i]
        count = (reach + (step - 1 if ceil_mode else 0)) // step + 1
        if ceil_mode and (count - 1) * step >= shape[i] + geometry.padding[i]:
            count -= 1
        if count <= 0:
            raise ShapeError(f"windows of {kernel} do not fit on an image of {tuple(shape)}: the output would be empty")
        counts.append(count)
    return counts[0], counts[1]


def _surround(xp: Any, x: Any, kernel: Pair, geometry: Geometry, out: Pair, value: Any) -> Any:
    """The image with `value` around it, as far as the windows reach."""
    (p, q), shape = geometry.padding, x.shape[2:]
    need = [(out[i] - 1) * geometry.stride[i] + geometry.dilation[i] * (kernel[i] - 1) + 1 for i in (0, 1)]
    size = [max(need[i], shape[i] + geometry.padding[i]) for i in (0, 1)]
    if (p, q) == (0, 0) and tuple(size) == tuple(shape):
        return x
    whole = xp.full((*x.shape[:2], *size), value, x.dtype)
    whole[:, :, p : p + shape[0], q : q + shape[1]] = x
    return whole


_BITS = {2: "int16", 4: "int32", 8: "int64"}


def _parts(xp: Any, n: int, each: int) -> list[slice]:
    """Slices of a batch small enough that their windows stay in cache."""
    step = max(1, _CHUNK // max(each, 1))
    return [slice(start, start + step) for start in range(0, n, step)]


@op(
    public=False,
    method=False,
    aux=("place",),
    reference="torch.nn.functional.max_pool2d",
    node=pooling("MaxPool{}DWithIndicesBackward0"),
    piecewise=True,
)
def max_pool(
    xp: Any, input: Any, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool = False
) -> Any:
    """Maximum of each window, and its place in it, counted row by row; the first of equals, NaN if there is one.

    Shape: (n, c, h, w) -> (n, c, oh, ow).
    """
    geometry = Geometry(stride, padding, dilation)
    oh, ow = out = _out(input.shape[2:], kernel, geometry, ceil_mode)
    low = -xp.inf if input.dtype.kind == "f" else xp.iinfo(input.dtype).min
    whole = _surround(xp, input, kernel, geometry, out, low)
    best = xp.empty((*input.shape[:2], oh, ow), input.dtype)
    count = kernel[0] * kernel[1]
    place = xp.full(best.shape, count - 1, xp.uint8 if count < 255 else xp.uint32)
    if native.largest(whole, best, place, kernel, stride, dilation):
        return best, place
    for part in _parts(xp, len(best), best[:1].size):
        # Copied, so that all that follows runs along memory and not with the windows' stride.
        pixels = [xp.ascontiguousarray(whole[part][spot]) for _, spot in _spots(kernel, geometry, oh, ow)]
        top, where = best[part], place[part]
        top[...] = pixels[0]
        for values in pixels[1:]:
            xp.maximum(top, values, out=top)
        broken = input.dtype.kind == "f" and bool(xp.isnan(top).any())
        for k, values in enumerate(pixels):
            missed = values != top
            if broken:
                missed &= ~xp.isnan(values)
            # The smallest k whose pixel is the largest: all bits where it is not, k where it is.
            coded = xp.negative(missed.view(xp.uint8)).view(xp.int8).astype(place.dtype, copy=False)
            xp.minimum(where, coded | place.dtype.type(k), out=where)
    return best, place


def _spots(kernel: Pair, geometry: Geometry, oh: int, ow: int) -> list[tuple[int, Any]]:
    """For each place in a window: its number, and the index of that pixel of every window in the padded images."""
    both = slice(None), slice(None)
    return [
        (i * kernel[1] + j, (*both, *geometry.at(i, j, oh, ow))) for i in range(kernel[0]) for j in range(kernel[1])
    ]


@op(public=False, method=False)
def max_pool_scatter(
    xp: Any, input: Any, place: Any, *, shape: Any, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Any:
    """`input`, a number for each window, added into images of `shape` at the windows' places."""
    geometry = Geometry(stride, padding, dilation)
    oh, ow = input.shape[2:]
    p, q = padding
    whole = _surround(xp, xp.zeros(shape, input.dtype), kernel, geometry, (oh, ow), 0)
    if native.scatter(input, place, whole, kernel, stride, dilation):
        return whole[:, :, p : p + shape[2], q : q + shape[3]]
    apart = all(s >= d * (k - 1) + 1 for s, k, d in zip(stride, kernel, dilation, strict=True))
    # Chosen numbers are themselves, the others 0, even beside an infinity: the bits, as an integer, times 1 or 0.
    kind = xp.dtype(_BITS[input.dtype.itemsize])
    for part in _parts(xp, len(input), input[:1].size):
        bits, target, where = input[part].view(kind), whole[part], place[part]
        for k, spot in _spots(kernel, geometry, oh, ow):
            if apart:
                xp.multiply(bits, where == k, out=target.view(kind)[spot])
            else:
                target[spot] += xp.multiply(bits, where == k).view(input.dtype)
    return whole[:, :, p : p + shape[2], q : q + shape[3]]


@op(public=False, method=False)
def max_pool_gather(
    xp: Any, input: Any, place: Any, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Any:
    """The pixels of images (n, c, h, w) at the windows' places (n, c, oh, ow): the transpose of `max_pool_scatter`."""
    geometry = Geometry(stride, padding, dilation)
    oh, ow = place.shape[2:]
    whole = _surround(xp, input, kernel, geometry, (oh, ow), 0)
    picked = xp.zeros(place.shape, input.dtype)
    for k, spot in _spots(kernel, geometry, oh, ow):
        xp.copyto(picked, whole[spot], where=place == k)
    return picked


max_pool.vjp(
    input=lambda m, g, input_shape, place, kernel, stride, padding, dilation: m.max_pool_scatter(
        g, place, shape=input_shape, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)
max_pool_scatter.vjp(
    input=lambda m, g, place, kernel, stride, padding, dilation: m.max_pool_gather(
        g, place, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)
max_pool_gather.vjp(
    input=lambda m, g, input_shape, place, kernel, stride, padding, dilation: m.max_pool_scatter(
        g, place, shape=input_shape, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)


@op(public=False, method=False)
def max_pool_indices(
    xp: Any, place: Any, *, width: int, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Any:
    """Places in windows as indices into the flattened image of `width`, which is how PyTorch tells them."""
    oh, ow = place.shape[2:]
    down, across = xp.divmod(place.astype(xp.int64), kernel[1])
    row = xp.arange(oh)[:, None] * stride[0] - padding[0] + down * dilation[0]
    column = xp.arange(ow) * stride[1] - padding[1] + across * dilation[1]
    return row * width + column


@op(
    public=False,
    method=False,
    reference="torch.nn.functional.avg_pool2d",
    node=pooling("AvgPool{}DBackward0"),
    piecewise=True,
)
def avg_pool(
    xp: Any, input: Any, *, kernel: Pair, stride: Pair, padding: Pair, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor: int | None = None,
) -> Any:  # fmt: skip
    """Mean of each window: (n, c, h, w) -> (n, c, oh, ow). Padding counts as zeros unless `count_include_pad=False`."""
    geometry = Geometry(stride, padding, (1, 1))
    oh, ow = out = _out(input.shape[2:], kernel, geometry, ceil_mode)
    whole = _surround(xp, input, kernel, geometry, out, 0)
    total = xp.zeros((*input.shape[:2], oh, ow), xp.float32 if input.dtype == xp.float16 else input.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            total += whole[(slice(None), slice(None), *geometry.at(i, j, oh, ow))]
    share = _counts(xp, input.shape[2:], kernel, geometry, out, count_include_pad, divisor).astype(total.dtype)
    return (total / share).astype(input.dtype, copy=False)


@op(public=False, method=False)
def avg_pool_spread(
    xp: Any, input: Any, *, shape: Any, kernel: Pair, stride: Pair, padding: Pair, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor: int | None = None,
) -> Any:  # fmt: skip
    """The transpose of `avg_pool`: each number shared out over its window in images of `shape`."""
    geometry = Geometry(stride, padding, (1, 1))
    oh, ow = out = (input.shape[2], input.shape[3])
    share = input / _counts(xp, shape[2:], kernel, geometry, out, count_include_pad, divisor).astype(input.dtype)
    whole = _surround(xp, xp.zeros(shape, input.dtype), kernel, geometry, out, 0)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            whole[(slice(None), slice(None), *geometry.at(i, j, oh, ow))] += share
    p, q = padding
    return whole[:, :, p : p + shape[2], q : q + shape[3]]


def _counts(
    xp: Any, shape: Any, kernel: Pair, geometry: Geometry, out: Pair, include: bool, divisor: int | None
) -> Any:
    """What each window's sum is divided by, (oh, ow)."""
    if divisor is not None:
        if divisor == 0:
            raise RuntimeError("divisor must be not zero")
        return xp.full(out, divisor)
    along: list[Any] = []
    for i in (0, 1):
        start = xp.arange(out[i]) * geometry.stride[i] - geometry.padding[i]
        stop = xp.minimum(start + kernel[i], shape[i] + geometry.padding[i])
        if not include:
            start, stop = xp.maximum(start, 0), xp.minimum(stop, shape[i])
        along.append(stop - start)
    return along[0][:, None] * along[1]


avg_pool.vjp(
    input=lambda m, g, input_shape, kernel, stride, padding, ceil_mode, count_include_pad, divisor: m.avg_pool_spread(
        g,
        shape=input_shape,
        kernel=kernel,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor=divisor,
    )
)
avg_pool_spread.vjp(
    input=lambda m, g, kernel, stride, padding, ceil_mode, count_include_pad, divisor: m.avg_pool(
        g,
        kernel=kernel,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        divisor=divisor,
    )
)


def as_image(name: str, input: Tensor, rank: int) -> tuple[Tensor, bool]:
    """(n, c, h, w) from an input with or without a batch, and with or without a height."""
    if input.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"{name}: Expected {rank + 1}D or {rank + 2}D (batch mode) tensor for input, got shape {tuple(input.shape)}"
        )
    if any(length == 0 for length in input.shape[-rank - 1 :]):
        raise ShapeError(f"{name}: Expected a non-empty image, got shape {tuple(input.shape)}")
    batched = input.ndim == rank + 2
    x = input if batched else input.unsqueeze(0)
    return (x.unsqueeze(2) if rank == 1 else x), batched


def as_given(out: Tensor, rank: int, batched: bool) -> Tensor:
    """The way back from `as_image`."""
    out = out.squeeze(2) if rank == 1 else out
    return out if batched else out.squeeze(0)


def window_sizes(name: str, rank: int, kernel: Any, stride: Any, padding: Any, dilation: Any = 1) -> Any:
    k = numbers("kernel_size", kernel, rank)
    s = k if stride is None or stride in ((), []) else numbers("stride", stride, rank)
    p, d = numbers("padding", padding, rank), numbers("dilation", dilation, rank)
    if min(k) <= 0:
        raise RuntimeError(f"{name}: kernel size should be greater than zero, but got {kernel}")
    if min(s) <= 0:
        raise RuntimeError(f"{name}: stride should not be zero, but got {stride}")
    if min(d) <= 0:
        raise RuntimeError(f"{name}: dilation should be greater than zero, but got {dilation}")
    for half, size, wide in zip(p, k, d, strict=True):
        if half < 0 or half > ((size - 1) * wide + 1) // 2:
            raise RuntimeError(
                f"{name}: pad should be at most half of effective kernel size, but got pad={half}, kernel_size={size}"
            )
    return ((1, *k), (1, *s), (0, *p), (1, *d)) if rank == 1 else (k, s, p, d)


def _max(
    rank: int, input: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, where: bool
) -> Any:
    name = f"max_pool{rank}d"
    x, batched = as_image(name, input, rank)
    k, s, p, d = window_sizes(name, rank, kernel, stride, padding, dilation)
    out, place = max_pool(x, kernel=k, stride=s, padding=p, dilation=d, ceil_mode=bool(ceil))
    out = as_given(out, rank, batched)
    if not where:
        return out
    indices = max_pool_indices(place, width=x.shape[3], kernel=k, stride=s, padding=p, dilation=d)
    return out, as_given(indices, rank, batched)


@function(method=False)
def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """Maximum of each window along the last dimension: (n, c, w) -> (n, c, ow).

    PyTorch has no kernel for whole numbers here, but with `return_indices` it has.
    """
    if not (return_indices or input.is_floating_point()):
        raise refused_dtype("max_pool1d", input.dtype)
    return _max(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@function(method=False)
def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """Maximum of each window: (n, c, h, w) -> (n, c, oh, ow); `stride` is the window's size unless given.

    >>> import pellucid
    >>> max_pool2d(pellucid.arange(16.0).reshape(1, 1, 4, 4), 2).flatten()
    tensor([ 5.,  7., 13., 15.])
    """
    return _max(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _avg(
    rank: int, input: Tensor, kernel: Any, stride: Any, padding: Any, ceil: bool, include: bool, divisor: Any
) -> Tensor:
    name = f"avg_pool{rank}d"
    if rank == 2 and input.ndim < 3:
        raise DimensionError(
            f"{name}: Dimension out of range (expected to be in range of [{-input.ndim}, {input.ndim - 1}], but got "
            f"-3): the input is (C, H, W) or (N, C, H, W), this one has shape {tuple(input.shape)}"
        )
    x, batched = as_image(name, input, rank)
    k, s, p, _ = window_sizes(name, rank, kernel, stride, padding)
    out = avg_pool(
        x, kernel=k, stride=s, padding=p, ceil_mode=bool(ceil), count_include_pad=bool(include), divisor=divisor
    )
    return as_given(out, rank, batched)


@function(method=False)
def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """Mean of each window along the last dimension: (n, c, w) -> (n, c, ow)."""
    return _avg(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@function(method=False)
def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """Mean of each window: (n, c, h, w) -> (n, c, oh, ow); `stride` is the window's size unless given."""
    return _avg(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
