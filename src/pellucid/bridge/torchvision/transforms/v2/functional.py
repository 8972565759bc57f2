"""`torchvision.transforms.v2.functional`: the functions on pictures, and v2's names for them."""

from __future__ import annotations

from typing import Any

import numpy as np

import pellucid
from pellucid.core import Tensor

from ...pictures import is_pil, size_of
from ..functional import *  # noqa: F403
from ..functional import __all__ as _first
from ..functional import convert_image_dtype, get_image_num_channels, hflip, pil_to_tensor, rgb_to_grayscale, vflip

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    *_first, "gaussian_noise", "get_num_channels", "get_size", "grayscale_to_rgb", "horizontal_flip", "pil_to_tensor",
    "rgb_to_grayscale", "to_dtype", "to_image", "vertical_flip",
]  # fmt: skip

horizontal_flip, vertical_flip, get_num_channels = hflip, vflip, get_image_num_channels


def get_size(inpt: Any) -> list[int]:
    """Height and width."""
    return list(size_of(inpt))


def to_image(inpt: Any) -> Any:
    """A picture of Pillow's or an array (H, W, C) as a tensor (C, H, W) of the same numbers."""
    if is_pil(inpt):
        return pil_to_tensor(inpt)
    if isinstance(inpt, np.ndarray):
        return pellucid.from_numpy(np.atleast_3d(inpt).transpose(2, 0, 1).copy())
    if isinstance(inpt, Tensor):
        return inpt
    raise TypeError(f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} instead.")


def to_dtype(inpt: Tensor, dtype: Any = None, scale: bool = False) -> Tensor:
    """Another dtype; with `scale` its range, too."""
    dtype = dtype or pellucid.float32
    return convert_image_dtype(inpt, dtype) if scale else inpt.to(dtype)


def grayscale_to_rgb(inpt: Any) -> Any:
    """Three channels."""
    if is_pil(inpt):
        return inpt.convert("RGB")
    return inpt if inpt.shape[-3] == 3 else rgb_to_grayscale(inpt, 3)


def gaussian_noise(inpt: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Tensor:
    """The tensor with normal numbers added; with `clip` from 0 to 1."""
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if not isinstance(inpt, Tensor) or not inpt.is_floating_point():
        raise ValueError(
            f"Input tensor is expected to be in float dtype, got dtype={getattr(inpt, 'dtype', type(inpt))}"
        )
    found = inpt + mean + pellucid.randn_like(inpt) * sigma
    return found.clamp(0, 1) if clip else found
