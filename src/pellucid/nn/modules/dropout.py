"""Dropout: in training, zero a random part of the input and scale up the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ...core import Tensor
from .. import functional as F
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    """What the dropouts share; ``function`` draws what is dropped."""

    _shown = "p= inplace="
    function: ClassVar[Callable[..., Tensor]]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.p, self.training, self.inplace)


class Dropout(_DropoutNd):
    """Each element is zeroed with probability ``p``, the others are divided by 1 - p (arXiv:1207.0580)."""

    function = staticmethod(F.dropout)


class Dropout1d(_DropoutNd):
    """Whole channels of (N, C, L) are zeroed (arXiv:1411.4280)."""

    function = staticmethod(F.dropout1d)


class Dropout2d(_DropoutNd):
    """Whole channels of (N, C, H, W) are zeroed (arXiv:1411.4280)."""

    function = staticmethod(F.dropout2d)


class Dropout3d(_DropoutNd):
    """Whole channels of (N, C, D, H, W) are zeroed (arXiv:1411.4280)."""

    function = staticmethod(F.dropout3d)


class AlphaDropout(_DropoutNd):
    """Dropout for `SELU`: dropped elements take its lowest value, and mean and variance stay (arXiv:1706.02515)."""

    function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels of (N, C, …)."""

    function = staticmethod(F.feature_alpha_dropout)
