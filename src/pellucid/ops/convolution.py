"""Convolution in two dimensions (one dimension is a height of 1), and the two ops that are its gradients.

`convolution` is linear in its input and in its weight. Its gradients are `convolution_input` and
`convolution_weight`; theirs are these three again, so the set is closed and every order exists.

Large ones are computed by native kernels (`kernels.convolution`). The NumPy lines beside them unfold a few images at a
time into columns that stay in cache (im2col: Chellapilla, Puri, Simard, "High Performance Convolutional Neural Networks
for Document Processing", 2006) and leave the rest to BLAS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pellucid.core import Tensor, called
from pellucid.declare import function, op
from pellucid.declare.arguments import is_list
from pellucid.errors import ShapeError
from pellucid.kernels import convolution as native

from .needed_taps import needed
from .node_names import by_rank
from .padding import pad

Pair = tuple[int, int]
_CHUNK = 1 << 18  # numbers unfolded at a time: 1 MB in float32, about a core's cache
_MANY = 16  # outputs: of fewer, a product takes less time than to put its result in another order


class Geometry(NamedTuple):
    """How windows lie on the image: each entry is (height, width)."""

    stride: Pair
    padding: Pair
    dilation: Pair

    def out(self, shape: Any, kernel: Any) -> Pair:
        """Number of windows down and across."""
        return tuple(  # type: ignore[return-value]
            (shape[i] + 2 * self.padding[i] - self.dilation[i] * (kernel[i] - 1) - 1) // self.stride[i] + 1
            for i in (0, 1)
        )

    def at(self, i: int, j: int, rows: int, columns: int) -> tuple[slice, slice]:
        """The pixels under place (i, j) of every window, in the padded image."""
        down, across = i * self.dilation[0], j * self.dilation[1]
        return (
            slice(down, down + (rows - 1) * self.stride[0] + 1, self.stride[0]),
            slice(across, across + (columns - 1) * self.stride[1] + 1, self.stride[1]),
        )


def padded(xp: Any, x: Any, padding: Pair) -> Any:
    if padding == (0, 0):
        return x
    n, c, h, w = x.shape
    p, q = padding
    out = xp.zeros((n, c, h + 2 * p, w + 2 * q), x.dtype)
    out[:, :, p : p + h, q : q + w] = x
    return out


def windows_of(xp: Any, x: Any, kernel: Pair, geometry: Geometry, out: Pair) -> Any:
    """A view (n, c, kh, kw, oh, ow) of the padded image x: no copy."""
    n, c, h, w = x.strides
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    return xp.lib.stride_tricks.as_strided(x, (*x.shape[:2], *kernel, *out), (n, c, h * dh, w * dw, h * sh, w * sw))


def _chunks(n: int, each: int) -> Iterator[slice]:
    step = max(1, _CHUNK // max(each, 1))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _columns(xp: Any, windows: Any, part: slice, groups: int) -> Any:
    """(n, c, kh, kw, oh, ow) -> (n, groups, c/groups · kh · kw, oh · ow), copied."""
    piece = windows[part]
    n, c, kh, kw, oh, ow = piece.shape
    flat = piece.reshape(n, groups, c // groups * kh * kw, oh * ow)
    return flat[:, 0] if groups == 1 else flat


def _single(xp: Any, *arrays: Any) -> tuple[Any, ...]:
    """Half precision is computed in single."""
    return tuple(
        array.astype(xp.float32) if array is not None and array.dtype == xp.float16 else array for array in arrays
    )


@op(public=False, method=False, reference="torch.nn.functional.conv2d")
def convolution(
    xp: Any,
    input: Any,
    weight: Any,
    bias: Any = None,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    windows: Pair | None = None,
) -> Any:
    """Cross-correlation: out[n, o, y, x] = bias[o] + Σ weight[o, c, i, j] · input[n, c, y·s + i·d - p, x·s + j·d - p].

    Shape: (n, c, h, w) with weight (o, c/groups, kh, kw), bias (o,) -> (n, o, oh, ow). `windows` = (oh, ow) takes only
    the first of those that fit.
    """
    _check(input, weight, bias, stride, padding, dilation, groups)
    kind = input.dtype
    input, weight, bias = _single(xp, input, weight, bias)
    geometry = Geometry(stride, padding, dilation)
    o, _, kh, kw = weight.shape
    out = windows or geometry.out(input.shape[2:], (kh, kw))
    part = needed(input.shape[2:], (kh, kw), out, stride, padding, dilation)
    if part is not None:
        (rows, columns), rest = part
        made = convolution.forward(
            xp, input, weight[:, :, rows, columns], bias, stride=stride, padding=rest, dilation=dilation,
            groups=groups, windows=out,
        )  # fmt: skip
        return made.astype(kind, copy=False)
    made = native.forward(input, weight, bias, out, stride, padding, dilation, groups)
    if made is not None:
        return made.astype(kind, copy=False)
    n, per = input.shape[0], out[0] * out[1]
    result = xp.empty((n, o, per), input.dtype)
    if n and o and per:
        view = windows_of(xp, padded(xp, input, padding), (kh, kw), geometry, out)
        if native.is_few(n * per, o, groups):
            rows = view.transpose(0, 4, 5, 1, 2, 3).reshape(n * per, -1) @ weight.reshape(o, -1).T
            if bias is not None:
                rows += bias
            rows = rows.reshape(n, per, o).swapaxes(1, 2)
            return xp.ascontiguousarray(rows).reshape(n, o, *out).astype(kind, copy=False)
        matrix = weight.reshape(o, -1) if groups == 1 else weight.reshape(groups, o // groups, -1)
        target = result if groups == 1 else result.reshape(n, groups, o // groups, per)
        for part in _chunks(n, input.shape[1] * kh * kw * per):
            xp.matmul(matrix, _columns(xp, view, part, groups), out=target[part])
        if bias is not None:
            result += bias[:, None]
    return result.reshape(n, o, *out).astype(kind, copy=False)


@op(public=False, method=False, reference="torch.nn.grad.conv2d_input")
def convolution_input(
    xp: Any, input: Any, weight: Any, *, shape: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Any:
    """What `convolution`'s result `input` (as a gradient) means for its input, which has `shape`: the transpose."""
    kind = input.dtype
    input, weight = _single(xp, input, weight)
    part = needed(shape[2:], weight.shape[2:], input.shape[2:], stride, padding, dilation)
    if part is not None:
        (rows, columns), rest = part
        made = convolution_input.forward(
            xp, input, weight[:, :, rows, columns], shape=shape, stride=stride, padding=rest, dilation=dilation,
            groups=groups,
        )  # fmt: skip
        return made.astype(kind, copy=False)
    made = native.of_input(input, weight, shape, stride, padding, dilation, groups)
    if made is not None:
        return made.astype(kind, copy=False)
    geometry = Geometry(stride, padding, dilation)
    o, _, kh, kw = weight.shape
    n, c, h, w = shape
    oh, ow = input.shape[2:]
    if input.size and o >= _MANY and native.is_few(n * oh * ow, c, groups):
        return _input_of_few(xp, input, weight, shape, geometry).astype(kind, copy=False)
    rest = tuple(dilation[i] * (weight.shape[2 + i] - 1) - padding[i] for i in (0, 1))
    whole = (oh, ow) == geometry.out((h, w), (kh, kw)) and min(rest) >= 0
    if groups == 1 and stride == (1, 1) and whole and input.size and c and o <= 2 * c:
        # The same sums as a convolution of the gradient by the kernel turned round: one product, nothing added up.
        turned = xp.ascontiguousarray(weight[:, :, ::-1, ::-1].swapaxes(0, 1))
        image = convolution.forward(xp, input, turned, stride=stride, padding=rest, dilation=dilation, groups=1)
        return image.astype(kind, copy=False)
    image = xp.zeros((n, c, h + 2 * padding[0], w + 2 * padding[1]), input.dtype)
    if input.size and c:
        matrix = weight.reshape(groups, o // groups, -1).swapaxes(-1, -2)
        given = input.reshape(n, groups, o // groups, oh * ow)
        if groups == 1:
            matrix, given = matrix[0], given[:, 0]
        for part in _chunks(n, c * kh * kw * oh * ow):
            columns = xp.matmul(matrix, given[part]).reshape(-1, c, kh, kw, oh, ow)
            target = image[part]
            for i in range(kh):
                for j in range(kw):
                    target[(slice(None), slice(None), *geometry.at(i, j, oh, ow))] += columns[:, :, i, j]
    p, q = padding
    return image[:, :, p : p + h, q : q + w].astype(kind, copy=False)


def _input_of_few(xp: Any, g: Any, weight: Any, shape: Any, geometry: Geometry) -> Any:
    """`convolution_input` by one product over all images, which takes the weight as it lies; channels come last."""
    n, c, h, w = shape
    o, _, kh, kw = weight.shape
    oh, ow = g.shape[2:]
    p, q = geometry.padding
    rows = g.transpose(0, 2, 3, 1).reshape(-1, o) @ weight.reshape(o, -1)
    columns = rows.reshape(n, oh, ow, c, kh, kw)
    if (kh, kw, oh, ow) == (1, 1, h, w) and (p, q) == (0, 0):
        image = columns[..., 0, 0]
    else:
        padded = xp.zeros((n, h + 2 * p, w + 2 * q, c), g.dtype)
        for i in range(kh):
            for j in range(kw):
                padded[(slice(None), *geometry.at(i, j, oh, ow))] += columns[..., i, j]
        image = padded[:, p : p + h, q : q + w]
    return xp.ascontiguousarray(image.transpose(0, 3, 1, 2))


@op(public=False, method=False, reference="torch.nn.grad.conv2d_weight")
def convolution_weight(
    xp: Any, input: Any, image: Any, *, shape: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Any:
    """What `convolution`'s result `input` (as a gradient) means for its weight, which has `shape`."""
    kind = input.dtype
    input, image = _single(xp, input, image)
    part = needed(image.shape[2:], shape[2:], input.shape[2:], stride, padding, dilation)
    if part is not None:
        (rows, columns), rest = part
        whole = xp.zeros(shape, input.dtype)
        within = whole[:, :, rows, columns]
        within[...] = convolution_weight.forward(
            xp, input, image, shape=within.shape, stride=stride, padding=rest, dilation=dilation, groups=groups
        )
        return whole.astype(kind, copy=False)
    made = native.of_weight(input, image, shape, stride, padding, dilation, groups)
    if made is not None:
        return made.astype(kind, copy=False)
    geometry = Geometry(stride, padding, dilation)
    o, _, kh, kw = shape
    n, c = image.shape[:2]
    out = input.shape[2:]
    per = out[0] * out[1]
    total = xp.zeros((groups, o // groups, c // groups * kh * kw), input.dtype)
    if n and per and c:
        windows = windows_of(xp, padded(xp, image, padding), (kh, kw), geometry, out)
        given = input.reshape(n, groups, o // groups, per)
        if groups == 1:  # one product over all images of a part
            if native.is_few(n * per, o, groups):
                columns = windows.transpose(0, 4, 5, 1, 2, 3).reshape(n * per, -1)
                return (given[:, 0].swapaxes(0, 1).reshape(o, -1) @ columns).reshape(shape).astype(kind, copy=False)
            for part in _chunks(n, c * kh * kw * per):
                columns = windows[part].transpose(1, 2, 3, 0, 4, 5).reshape(c * kh * kw, -1)
                total[0] += given[part, 0].swapaxes(0, 1).reshape(o, -1) @ columns.T
            return total.reshape(shape).astype(kind, copy=False)
        for part in _chunks(n, c * kh * kw * per):
            columns = _columns(xp, windows, part, groups)
            total += xp.matmul(given[part], columns.swapaxes(-1, -2)).sum(0)
    return total.reshape(shape).astype(kind, copy=False)


convolution.vjp(
    input=lambda m, g, input_shape, weight, stride, padding, dilation, groups: m.convolution_input(
        g, weight, shape=input_shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    weight=lambda m, g, input, weight_shape, stride, padding, dilation, groups: m.convolution_weight(
        g, input, shape=weight_shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    bias=lambda m, g: m.sum(g, dim=(0, 2, 3)),
)
convolution_input.vjp(
    input=lambda m, g, input_shape, weight, stride, padding, dilation, groups: m.convolution(
        g, weight, stride=stride, padding=padding, dilation=dilation, groups=groups, windows=tuple(input_shape[2:])
    ),
    weight=lambda m, g, input, weight_shape, stride, padding, dilation, groups: m.convolution_weight(
        input, g, shape=weight_shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
)
convolution_weight.vjp(
    input=lambda m, g, input_shape, image, stride, padding, dilation, groups: m.convolution(
        image, g, stride=stride, padding=padding, dilation=dilation, groups=groups, windows=tuple(input_shape[2:])
    ),
    image=lambda m, g, input, image_shape, stride, padding, dilation, groups: m.convolution_input(
        input, g, shape=image_shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
)


def _check(x: Any, weight: Any, bias: Any, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> None:
    if groups <= 0:
        raise RuntimeError(f"non-positive groups is not supported: {groups}")
    if min(stride) <= 0:
        raise RuntimeError(f"non-positive stride is not supported: {stride}")
    if min(padding) < 0:
        raise RuntimeError(f"negative padding is not supported: {padding}")
    if min(dilation) <= 0:
        raise RuntimeError(f"dilation should be greater than zero, got {dilation}")
    if x.dtype != weight.dtype:
        raise RuntimeError(f"Input type ({x.dtype}) and weight type ({weight.dtype}) should be the same")
    if bias is not None and bias.dtype != x.dtype:
        raise RuntimeError(f"Input type ({x.dtype}) and bias type ({bias.dtype}) should be the same")
    if weight.shape[0] % groups or weight.shape[0] < groups:
        raise ShapeError(f"the weight has {weight.shape[0]} output channels, which groups={groups} does not divide")
    if x.shape[1] != weight.shape[1] * groups:
        raise ShapeError(
            f"Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(x.shape)} to have "
            f"{weight.shape[1] * groups} channels, but got {x.shape[1]} channels instead"
        )
    if bias is not None and bias.shape != (weight.shape[0],):
        raise ShapeError(
            f"expected bias to be 1-dimensional with {weight.shape[0]} elements, but got shape {list(bias.shape)}"
        )
    reach = [dilation[i] * (weight.shape[2 + i] - 1) + 1 for i in (0, 1)]
    room = [x.shape[2 + i] + 2 * padding[i] for i in (0, 1)]
    if room[0] < reach[0] or room[1] < reach[1]:
        raise ShapeError(
            f"Calculated padded input size per channel: ({room[0]} x {room[1]}). Kernel size: ({reach[0]} x "
            f"{reach[1]}). Kernel size can't be greater than actual input size"
        )


def numbers(name: str, value: Any, count: int) -> tuple[int, ...]:
    """`count` integers from one or from a list of one or `count`."""
    given = tuple(int(part) for part in value) if is_list(value) else (int(value),)
    if len(given) == 1:
        return given * count
    if len(given) != count:
        raise RuntimeError(f"expected {name} to be a single integer value or a list of {count} values, got {value!r}")
    return given


def _conv(
    rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    if weight.ndim != rank + 2 or input.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to conv{rank}d, but got input of size: "
            f"{list(input.shape)}, and weight of shape {tuple(weight.shape)}, which has {rank + 2} dimensions"
        )
    batched = input.ndim == rank + 2
    x = input if batched else input.unsqueeze(0)
    steps, spread = numbers("stride", stride, rank), numbers("dilation", dilation, rank)
    channels_fit(f"conv{rank}d", x, weight, groups)
    if isinstance(padding, str):
        x, around = padding_by_name(padding, x, weight, steps, spread, rank)
    else:
        around = numbers("padding", padding, rank)
    if rank == 1:  # (n, c, w) -> (n, c, 1, w)
        x, weight = x.unsqueeze(2), weight.unsqueeze(2)
        steps, around, spread = (1, *steps), (0, *around), (1, *spread)
    out = convolution(x, weight, bias, stride=steps, padding=around, dilation=spread, groups=groups)
    if rank == 1:
        out = out.squeeze(2)
    return out if batched else out.squeeze(0)


def channels_fit(name: str, x: Tensor, weight: Tensor, groups: int) -> None:
    """Raise ShapeError where the groups do not divide the channels, or the weight is for other channels."""
    if groups <= 0 or weight.shape[0] % groups or weight.shape[0] < groups:
        raise ShapeError(
            f"{name}: groups must be positive and divide the {weight.shape[0]} output channels, got {groups}"
        )
    if x.shape[1] != weight.shape[1] * groups:
        raise ShapeError(
            f"Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(x.shape)} to have "
            f"{weight.shape[1] * groups} channels, but got {x.shape[1]} channels instead"
        )


def padding_by_name(
    padding: str, x: Tensor, weight: Tensor, stride: Any, dilation: Any, rank: int
) -> tuple[Tensor, tuple[int, ...]]:
    """`"valid"` is no padding; `"same"` keeps the size, the odd one out goes to the right and below."""
    if padding == "valid":
        return x, (0,) * rank
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: {padding!r}; write 'valid', 'same' or numbers")
    if any(step != 1 for step in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [dilation[i] * (weight.shape[2 + i] - 1) for i in range(rank)]
    uneven = [term % 2 for term in total]
    if any(uneven):
        x = pad(x, [n for side in reversed(uneven) for n in (0, side)])
    return x, tuple(term // 2 for term in total)


@function(method=False)
@called(by_rank(3, "ConvolutionBackward0", "SqueezeBackward1"))
def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation along one dimension: (n, c, w) with weight (o, c/groups, k) -> (n, o, ow)."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@function(method=False)
@called(by_rank(4, "ConvolutionBackward0", "SqueezeBackward1"))
def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation in two dimensions: (n, c, h, w) with weight (o, c/groups, kh, kw) -> (n, o, oh, ow).

    `stride`, `padding` and `dilation` are a number or one for each dimension; `padding` may be "same" or "valid".
    oh = ⌊(h + 2·padding - dilation·(kh - 1) - 1) / stride⌋ + 1. Raises RuntimeError where channels, groups or sizes
    do not fit.

    >>> import pellucid
    >>> pellucid.conv2d(pellucid.ones(1, 1, 3, 3), pellucid.ones(1, 1, 2, 2)).shape
    torch.Size([1, 1, 2, 2])
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def _conv_transpose(
    rank: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, output_padding: Any,
    groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    if weight.ndim != rank + 2 or input.ndim not in (rank + 1, rank + 2):
        raise ShapeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to conv_transpose{rank}d, a {rank + 2}D "
            f"weight, but got input of shape {tuple(input.shape)} and weight of shape {tuple(weight.shape)}"
        )
    batched = input.ndim == rank + 2
    x = input if batched else input.unsqueeze(0)
    steps, around = numbers("stride", stride, rank), numbers("padding", padding, rank)
    spread, more = numbers("dilation", dilation, rank), numbers("output_padding", output_padding, rank)
    if x.shape[1] != weight.shape[0]:
        raise ShapeError(f"the weight takes {weight.shape[0]} channels, the input has {x.shape[1]}")
    for extra, step, wide in zip(more, steps, spread, strict=True):
        if extra >= max(step, wide):
            raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {extra}")
    if rank == 1:
        x, weight = x.unsqueeze(2), weight.unsqueeze(2)
        steps, around, spread, more = (1, *steps), (0, *around), (1, *spread), (0, *more)
    size = [
        (x.shape[2 + i] - 1) * steps[i] - 2 * around[i] + spread[i] * (weight.shape[2 + i] - 1) + more[i] + 1
        for i in (0, 1)
    ]
    shape = (x.shape[0], weight.shape[1] * groups, *size)
    kind = x.dtype
    if kind.name == "float16":  # rounded once, at the end
        x, weight = x.float(), weight.float()
    out = convolution_input(x, weight, shape=shape, stride=steps, padding=around, dilation=spread, groups=groups)
    if bias is not None:
        out = out + bias.to(out.dtype).reshape(-1, 1, 1)
    out = out.to(kind)
    if rank == 1:
        out = out.squeeze(2)
    return out if batched else out.squeeze(0)


@function(method=False)
@called(by_rank(3, "ConvolutionBackward0", "SqueezeBackward1"))
def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transpose of `conv1d`: (n, c, w) with weight (c, o/groups, k) -> (n, o, ow)."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@function(method=False)
@called(by_rank(4, "ConvolutionBackward0", "SqueezeBackward1"))
def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transpose of `conv2d`, its gradient for the input.

    Shape: (n, c, h, w) with weight (c, o/groups, kh, kw) -> (n, o, oh, ow).
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)
