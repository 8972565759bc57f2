"""Normalisation of each sample by itself: over its last dimensions, or over groups of its channels."""

from __future__ import annotations

import numbers
from typing import Any

from ...core import Tensor
from .. import functional as F
from .. import init
from ..parameter import Parameter
from ..vocabulary import einsum, empty, tensor
from .module import Module

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class LayerNorm(Module):
    """y = weight · (x - mean) / √(variance + eps) + bias over the last dimensions (arXiv:1607.06450).

    ``normalized_shape`` are their sizes; weight and bias have that shape. The same in training and evaluation.
    """

    _shown = "normalized_shape eps= elementwise_affine= bias="

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name in ("weight", "bias"):
            present = elementwise_affine and (bias or name == "weight")
            value = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if present else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale by 1, shift by 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(Module):
    """y = weight · x / √(mean of x² + eps) over the last dimensions (arXiv:1910.07467); eps None is the dtype's."""

    _shown = "normalized_shape eps= elementwise_affine="

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale by 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)


class GroupNorm(Module):
    """As `LayerNorm` over each of ``num_groups`` groups of channels, with a weight for each channel (arXiv:1803.08494).

    Shape: (N, num_channels, ...), and the same out.
    """

    _shown = "num_groups num_channels eps= affine= bias="

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name in ("weight", "bias"):
            present = affine and (bias or name == "weight")
            value = Parameter(empty(num_channels, device=device, dtype=dtype)) if present else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale by 1, shift by 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class LocalResponseNorm(Module):
    """y = x / (k + alpha · mean of x² over ``size`` channels around)^beta (Krizhevsky et al., 2012).

    Shape: (N, C, ...), and the same out.
    """

    _shown = "size alpha= beta= k="

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(LocalResponseNorm):
    """As `LocalResponseNorm`, of images, with the sums that Torch's layer of this name has.

    Shape: (N, C, H, W), and the same out. The sum over neighbours runs along the channels and never lets go of the
    first, as in PyTorch. The gradient is that of these sums; PyTorch's differs from it beyond the first channels.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        channels = input.shape[1]
        reach = int((self.size - 1) / 2 + 1)
        near = [[float(d < c + reach and (d == 0 or d > c - reach)) for d in range(channels)] for c in range(channels)]
        sums = einsum("cd,ndhw->nchw", tensor(near, dtype=input.dtype), input * input)
        return input * (sums * (self.alpha / self.size) + self.k) ** -self.beta


def _shape(given: Any) -> tuple[int, ...]:
    return (int(given),) if isinstance(given, numbers.Integral) else tuple(given)
