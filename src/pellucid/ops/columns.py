"""Windows of images as columns (unfold, im2col) and columns added back into images (fold, col2im).

Each is the transpose of the other and hence its gradient.
"""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor
from pellucid.declare import op
from pellucid.errors import ShapeError

from .convolution import Geometry, Pair, numbers, padded, windows_of
from .refusals import without


@op(public=False, method=False, reference="torch.nn.functional.unfold")
def im2col(xp: Any, input: Any, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Any:
    """(n, c, h, w) -> (n, c·kh·kw, windows): each window of the image as a column."""
    geometry = Geometry(stride, padding, dilation)
    out = geometry.out(input.shape[2:], kernel)
    if min(out) <= 0:
        raise ShapeError(f"windows {kernel} with dilation {dilation} do not fit on images {tuple(input.shape[2:])}")
    windows = windows_of(xp, padded(xp, input, padding), kernel, geometry, out)
    return windows.reshape(input.shape[0], input.shape[1] * kernel[0] * kernel[1], out[0] * out[1]).copy()


@op(public=False, method=False, reference="torch.nn.functional.fold")
def col2im(xp: Any, input: Any, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Any:
    """(n, c·kh·kw, windows) -> (n, c, h, w): columns added into the image at their windows' places."""
    geometry = Geometry(stride, padding, dilation)
    oh, ow = geometry.out(size, kernel)
    n, channels = input.shape[0], input.shape[1] // (kernel[0] * kernel[1])
    if input.shape[1] % (kernel[0] * kernel[1]) or input.shape[2] != oh * ow:
        raise ShapeError(
            f"columns of shape {tuple(input.shape)} do not fit: output_size {size} with kernel {kernel} has {oh} x "
            f"{ow} windows of {kernel[0] * kernel[1]} numbers a channel"
        )
    columns = input.reshape(n, channels, *kernel, oh, ow)
    p, q = padding
    image = xp.zeros((n, channels, size[0] + 2 * p, size[1] + 2 * q), input.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            image[(slice(None), slice(None), *geometry.at(i, j, oh, ow))] += columns[:, :, i, j]
    return image[:, :, p : p + size[0], q : q + size[1]]


im2col.vjp(
    input=lambda m, g, input_shape, kernel, stride, padding, dilation: m.col2im(
        g, size=tuple(input_shape[2:]), kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)
col2im.vjp(
    input=lambda m, g, kernel, stride, padding, dilation: m.im2col(
        g, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    )
)


def _two(value: Any) -> Pair:
    return numbers("value", value, 2)  # type: ignore[return-value]


@without("integer", of=1)
def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """Windows of images as columns (F.unfold): (n, c, h, w) -> (n, c·kh·kw, windows)."""
    if input.ndim not in (3, 4):
        raise ShapeError(f"unfold: expected a 3-D or 4-D input, got shape {tuple(input.shape)}")
    x = input if input.ndim == 4 else input.unsqueeze(0)
    out = im2col(x, kernel=_two(kernel_size), stride=_two(stride), padding=_two(padding), dilation=_two(dilation))
    return out if input.ndim == 4 else out.squeeze(0)


@without("integer", of=1)
def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Columns added back into images (F.fold), the transpose of `unfold`."""
    if input.ndim not in (2, 3):
        raise ShapeError(f"fold: expected a 2-D or 3-D input, got shape {tuple(input.shape)}")
    x = input if input.ndim == 3 else input.unsqueeze(0)
    out = col2im(
        x, size=_two(output_size), kernel=_two(kernel_size), stride=_two(stride), padding=_two(padding),
        dilation=_two(dilation),
    )  # fmt: skip
    return out if input.ndim == 3 else out.squeeze(0)
