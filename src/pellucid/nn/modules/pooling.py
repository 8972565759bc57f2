"""Layers that shrink a line, an image or a volume by the maximum or the mean of each window, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ...core import Tensor
from .. import functional as F
from .module import Module
from .utils import _ntuple

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPoolNd(Module):
    """The largest value of each window; ``function`` is the one for the rank."""

    _shown = "kernel_size= stride= padding= dilation= ceil_mode="
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool1d(_MaxPoolNd):
    """The largest value of each window along a line: (N, C, L) to (N, C, L')."""

    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """The largest value of each window of an image: (N, C, H, W) to (N, C, H', W')."""

    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """The largest value of each window of a volume: (N, C, D, H, W) to (N, C, D', H', W')."""

    function = staticmethod(F.max_pool3d)


class _MaxUnpoolNd(Module):
    """Maxima back where a pooling with ``return_indices=True`` found them, zeros elsewhere."""

    _shown = "kernel_size= stride= padding="
    rank: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        spread = _ntuple(self.rank)
        self.kernel_size = spread(kernel_size)
        self.stride = self.kernel_size if stride is None else spread(stride)
        self.padding = spread(padding)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return type(self).function(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpoolNd):
    """The inverse of `MaxPool1d` but for what was not a maximum: (N, C, L) to (N, C, L')."""

    rank = 1
    function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """The inverse of `MaxPool2d` but for what was not a maximum: (N, C, H, W) to (N, C, H', W')."""

    rank = 2
    function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """The inverse of `MaxPool3d` but for what was not a maximum: (N, C, D, H, W) to (N, C, D', H', W')."""

    rank = 3
    function = staticmethod(F.max_unpool3d)


class _AvgPoolNd(Module):
    """The mean of each window; ``function`` is the one for the rank, and its arguments are those of the constructor."""

    _shown = "kernel_size= stride= padding="
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        more = () if self.divisor_override is None else (self.divisor_override,)
        return type(self).function(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad, *more
        )


class AvgPool1d(_AvgPoolNd):
    """The mean of each window along a line: (N, C, L) to (N, C, L')."""

    function = staticmethod(F.avg_pool1d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        spread = _ntuple(1)
        stride = None if stride is None else spread(stride)
        super().__init__(spread(kernel_size), stride, spread(padding), ceil_mode, count_include_pad)


class AvgPool2d(_AvgPoolNd):
    """The mean of each window of an image: (N, C, H, W) to (N, C, H', W')."""

    function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPoolNd):
    """The mean of each window of a volume: (N, C, D, H, W) to (N, C, D', H', W')."""

    function = staticmethod(F.avg_pool3d)


class _AdaptiveAvgPoolNd(Module):
    """Means of windows chosen so that the output has ``output_size`` (None keeps a side)."""

    _shown = "output_size="
    function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Means of windows along a line, chosen so that (N, C, L) becomes (N, C, output_size)."""

    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means of windows of an image, chosen so that the output has ``output_size`` (None keeps a side)."""

    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means of windows of a volume, chosen so that the output has ``output_size`` (None keeps a side)."""

    function = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPoolNd(Module):
    """The largest values of windows chosen so that the output has ``output_size`` (None keeps a side)."""

    _shown = "output_size="
    function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return type(self).function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest values of windows along a line, chosen so that (N, C, L) becomes (N, C, output_size)."""

    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest values of windows of an image, chosen so that the output has ``output_size`` (None keeps a side)."""

    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest values of windows of a volume, chosen so that the output has ``output_size`` (None keeps a side)."""

    function = staticmethod(F.adaptive_max_pool3d)


class _FractionalMaxPoolNd(Module):
    """The largest values of windows whose places are drawn at random (Graham, arXiv:1412.6071).

    Either ``output_size`` or ``output_ratio``, its share of the input's size, is given.
    """

    rank: ClassVar[int]
    function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        spread = _ntuple(self.rank)
        sides = spread(kernel_size)
        if any(not isinstance(side, int) or side <= 0 for side in sides):
            raise ValueError(f"kernel_size must greater than zero, but got {kernel_size}")
        super().__init__()
        name = type(self).__name__
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError(f"only one of output_size and output_ratio may be specified for {name}")
        self.kernel_size = sides
        self.output_size = None if output_size is None else spread(output_size)
        self.output_ratio = None if output_ratio is None else spread(output_ratio)
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Any:
        return type(self).function(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Of images: (N, C, H, W) to (N, C, H', W')."""

    rank = 2
    function = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Of volumes: (N, C, D, H, W) to (N, C, D', H', W')."""

    rank = 3
    function = staticmethod(F.fractional_max_pool3d)


class _LPPoolNd(Module):
    """(Σ xᵖ)^(1/p) of each window, p being ``norm_type``."""

    _shown = "norm_type= kernel_size= stride= ceil_mode="
    function: ClassVar[Callable[..., Any]]

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool1d(_LPPoolNd):
    """(Σ xᵖ)^(1/p) of each window along a line."""

    function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """(Σ xᵖ)^(1/p) of each window of an image."""

    function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """(Σ xᵖ)^(1/p) of each window of a volume."""

    function = staticmethod(F.lp_pool3d)
