"""Convolutions over a line and over an image."""

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

__all__ = ["Conv1d", "Conv2d"]


class _ConvNd(Module):
    """What the convolutions share: sizes, checks, initialisation, text."""

    _shown = "in_channels out_channels kernel_size= stride= padding? dilation? groups? bias? padding_mode?"

    rank: ClassVar[int]
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
        self.transposed = False
        self.output_padding = (0,) * len(kernel_size)
        self.groups = groups
        self.padding_mode = padding_mode
        self.weight = Parameter(empty(out_channels, in_channels // groups, *kernel_size, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
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
