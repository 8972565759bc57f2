"""What only v2 has, for one picture at a time."""

from __future__ import annotations

from typing import Any

import pellucid
from pellucid.core import Tensor

from .. import functional as F
from ..base import TransformModule, below, sample_of
from ..functional import InterpolationMode
from . import functional as v2
from .samples import of_samples

__all__ = [
    "RGB", "GaussianNoise", "Identity", "RandomChannelPermutation", "RandomResize", "ToDtype", "ToImage",
    "ToPureTensor",
]  # fmt: skip


@of_samples
class ToImage(TransformModule):
    """A picture of Pillow's or an array (H, W, C) as a tensor (C, H, W) of the same numbers."""

    def forward(self, inpt: Any) -> Any:
        return v2.to_image(inpt)


@of_samples
class ToDtype(TransformModule):
    """Another dtype; with `scale` its range, too."""

    shown = ("scale",)

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        self.dtype, self.scale = dtype, scale

    def forward(self, inpt: Any) -> Any:
        return v2.to_dtype(inpt, self.dtype, self.scale) if isinstance(inpt, Tensor) else inpt


class Identity(TransformModule):
    """What is given."""

    def forward(self, *inputs: Any) -> Any:
        return sample_of(inputs)


class ToPureTensor(Identity):
    """What is given: tensors do not say here what they are."""


@of_samples
class RGB(TransformModule):
    """Three channels."""

    def forward(self, inpt: Any) -> Any:
        return v2.grayscale_to_rgb(inpt)


@of_samples
class GaussianNoise(TransformModule):
    """Normal numbers added to a tensor of floats."""

    shown = ("mean", "sigma", "clip")

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def forward(self, inpt: Any) -> Any:
        return v2.gaussian_noise(inpt, self.mean, self.sigma, self.clip)


@of_samples
class RandomChannelPermutation(TransformModule):
    """The channels in some order."""

    def forward(self, inpt: Any) -> Any:
        order = pellucid.randperm(F.get_image_num_channels(inpt))
        if isinstance(inpt, Tensor):
            return inpt[..., order, :, :]
        return F.to_pil_image(F.pil_to_tensor(inpt)[order], inpt.mode)


@of_samples
class RandomResize(TransformModule):
    """The shorter side of some length."""

    shown = ("min_size", "max_size")

    def __init__(
        self, min_size: int, max_size: int, interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.min_size, self.max_size = min_size, max_size
        self.interpolation, self.antialias = interpolation, antialias

    def forward(self, inpt: Any) -> Any:
        return F.resize(inpt, below(self.max_size, self.min_size), self.interpolation, antialias=self.antialias)
