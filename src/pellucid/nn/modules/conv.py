"""Convolutions over a line, an image and a volume, and their transposes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from ...core import Tensor
from .. import functional as F
from .. import init
from ..parameter import Parameter
from ..vocabulary import empty
from .module import Module
from .utils import _ntuple

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvNd(Module):
    """What the convolutions share: sizes, checks, initialisation, text."""

    _shown = "in_channels out_channels kernel_size= stride= padding? dilation? groups? bias? padding_mode?"

    rank: ClassVar[int]
    transposed: ClassVar[bool] = False
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        spread = _ntuple(self.rank)
        kernel_size, stride, dilation = spread(kernel_size), spread(stride), spread(dilation)
        padding = padding if isinstance(padding, str) else spread(padding)
        super().__init__()
        if groups <= 0:
            raise ValueError(f"groups must be a positive integer, but got {groups}")
        if in_channels % groups:
            raise ValueError(f"in_channels must be divisible by groups, but got in_channels={in_channels}, {groups=}")
        if out_channels % groups:
            raise ValueError(f"out_channels must be divisible by groups, but got {out_channels=}, {groups=}")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'valid', 'same', or a number")
            if padding == "same" and any(step != 1 for step in stride):
                raise ValueError(f"padding='same' is not supported for strided convolutions, but got {stride=}")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                "padding_mode must be one of 'zeros', 'reflect', 'replicate', 'circular', "
                f"but got padding_mode={padding_mode!r}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.output_padding = (0,) * len(kernel_size)
        self.groups = groups
        self.padding_mode = padding_mode
        self._make_parameters(bias, device, dtype)

    def _make_parameters(self, bias: bool, device: Any, dtype: Any) -> None:
        outer, inner = self.out_channels, self.in_channels
        if self.transposed:
            outer, inner = inner, outer
        shape = (outer, inner // self.groups, *self.kernel_size)
        self.weight = Parameter(empty(*shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(self.out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights, uniform in ±1/√(in_channels / groups · size of the kernel)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        input, padding = self._padded(input)
        return type(self).function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input padded by ``padding_mode``, and the zeros that are left for the convolution to add."""
        if self.padding_mode == "zeros":
            return input, self.padding
        sides: list[int] = []
        for place in reversed(range(len(self.kernel_size))):  # F.pad begins with the last dimension
            if self.padding == "same":
                total = self.dilation[place] * (self.kernel_size[place] - 1)
                sides += [total // 2, total - total // 2]
            else:
                width = 0 if isinstance(self.padding, str) else self.padding[place]
                sides += [width, width]
        return F.pad(input, sides, mode=self.padding_mode), 0


class Conv1d(_ConvNd):
    """Convolution (cross-correlation, as everywhere in deep learning) along a line.

    Shape: (N, in_channels, L) or (in_channels, L) to (N, out_channels, L'), with
    L' = ⌊(L + 2·padding - dilation·(kernel_size - 1) - 1) / stride⌋ + 1.
    """

    rank = 1
    function = staticmethod(F.conv1d)


class Conv2d(_ConvNd):
    """Convolution (cross-correlation, as everywhere in deep learning) over an image.

    Shape: (N, in_channels, H, W) or (in_channels, H, W) to (N, out_channels, H', W'), with
    H' = ⌊(H + 2·padding - dilation·(kernel_size - 1) - 1) / stride⌋ + 1, and W' likewise.

    >>> import pellucid as torch
    >>> tuple(torch.nn.Conv2d(3, 8, 3, padding=1)(torch.randn(2, 3, 10, 10)).shape)
    (2, 8, 10, 10)
    """

    rank = 2
    function = staticmethod(F.conv2d)


class Conv3d(_ConvNd):
    """Convolution (cross-correlation, as everywhere in deep learning) over a volume.

    Shape: (N, in_channels, D, H, W) or (in_channels, D, H, W) to (N, out_channels, D', H', W'), as in `Conv2d`.
    """

    rank = 3
    function = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    """The transpose of a convolution, its gradient for the input: it makes a small image larger.

    The weight is (in_channels, out_channels / groups, …). ``output_padding`` is added to one side of the output's
    shape, which a stride leaves open; ``output_size`` of a call chooses it.
    """

    _shown = (
        "in_channels out_channels kernel_size= stride= padding? output_padding? dilation? groups? bias? padding_mode?"
    )
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        spread = _ntuple(self.rank)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            spread(padding),
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.output_padding = spread(output_padding)

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return type(self).function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding(input, output_size),
            self.groups,
            self.dilation,
        )

    def _output_padding(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """What must be added so that the output has ``output_size``. Raises ValueError where it cannot."""
        if output_size is None:
            return self.output_padding
        rank = self.rank
        sizes = [int(size) for size in output_size]
        if len(sizes) == input.ndim:
            sizes = sizes[-rank:]
        if len(sizes) != rank:
            raise ValueError(
                f"{type(self).__name__}: for {input.ndim}D input, output_size must have {rank} or {input.ndim} "
                f"elements (got {len(sizes)})"
            )
        least = [
            (side - 1) * step - 2 * around + wide * (kernel - 1) + 1
            for side, step, around, wide, kernel in zip(
                input.shape[-rank:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        most = [size + step - 1 for size, step in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(least, sizes, most, strict=True)):
            raise ValueError(
                f"requested an output size of {sizes}, but valid sizes range from {least} to {most} (for an input of "
                f"{list(input.shape[-rank:])})"
            )
        return tuple(size - low for size, low in zip(sizes, least, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of `Conv1d`: (N, in_channels, L) to (N, out_channels, L'), with
    L' = (L - 1)·stride - 2·padding + dilation·(kernel_size - 1) + output_padding + 1.
    """

    rank = 1
    function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of `Conv2d`: (N, in_channels, H, W) to (N, out_channels, H', W'), as in `ConvTranspose1d`.

    >>> import pellucid as torch
    >>> tuple(torch.nn.ConvTranspose2d(8, 3, 4, stride=2, padding=1)(torch.randn(2, 8, 5, 5)).shape)
    (2, 3, 10, 10)
    """

    rank = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of `Conv3d`, each side as in `ConvTranspose1d`."""

    rank = 3
    function = staticmethod(F.conv_transpose3d)
