"""What a picture is, and the same picture as something else: a tensor, another dtype, normalised numbers."""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

import pellucid
from pellucid.core import Tensor, state
from pellucid.core.tensor import wrap

from ...pictures import is_pil, size_of

__all__ = [
    "InterpolationMode",
    "OF_PIL",
    "convert_image_dtype",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "largest",
    "mode_name",
    "normalize",
    "pil_to_tensor",
]


class InterpolationMode(enum.Enum):
    """How pixels between pixels are found."""

    NEAREST, NEAREST_EXACT, BILINEAR, BICUBIC, BOX, HAMMING, LANCZOS = (
        "nearest", "nearest-exact", "bilinear", "bicubic", "box", "hamming", "lanczos",
    )  # fmt: skip


OF_PIL = {"nearest": 0, "nearest-exact": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


_BY_NUMBER = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


def mode_name(interpolation: Any) -> str:
    """The name of a way to interpolate, which older programs give as Pillow's number."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation.value
    return _BY_NUMBER[int(interpolation)]


def get_image_size(img: Any) -> list[int]:
    """Width and height."""
    height, width = size_of(img)
    return [width, height]


def get_dimensions(img: Any) -> list[int]:
    """Channels, height and width."""
    channels = len(img.getbands()) if is_pil(img) else int(img.shape[-3]) if img.ndim > 2 else 1
    return [channels, *size_of(img)]


def pil_to_tensor(pic: Any) -> Tensor:
    """A picture of Pillow's as a tensor (C, H, W) of bytes."""
    if not is_pil(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    found = np.array(pic)
    return pellucid.from_numpy(
        np.ascontiguousarray((found[:, :, None] if found.ndim == 2 else found).transpose(2, 0, 1))
    )


def convert_image_dtype(image: Tensor, dtype: Any = None) -> Tensor:
    """The picture in another dtype, its range with it: bytes from 0 to 255 are floats from 0 to 1."""
    dtype = dtype or pellucid.float32
    if image.dtype is dtype:
        return image
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        return image.mul(pellucid.iinfo(dtype).max + 1.0 - 1e-3).to(dtype)
    most = pellucid.iinfo(image.dtype).max
    if dtype.is_floating_point:
        return image.to(dtype) / most
    other = pellucid.iinfo(dtype).max
    if most > other:
        return pellucid.div(image, (most + 1) // (other + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((other + 1) // (most + 1))


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """(tensor − mean) / std, for each channel."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(tensor)}")
    if not tensor.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {tensor.size()}"
        )
    if not inplace and (made := normalized(tensor, mean, std)) is not None:
        return made
    means, stds = (pellucid.as_tensor(value, dtype=tensor.dtype) for value in (mean, std))
    if bool((stds == 0).any()):
        raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
    means, stds = (value.view(-1, 1, 1) if value.ndim == 1 else value for value in (means, stds))
    return (tensor if inplace else tensor.clone()).sub_(means).div_(stds)


def normalized(tensor: Tensor, mean: Any, std: Any) -> Tensor | None:
    """What `normalize` gives of pictures (…, C, H, W) that are numbers and nothing more, past the door; or None."""
    array = tensor._array
    if state.interpreters or type(tensor) is not Tensor or type(array) is not np.ndarray or tensor.requires_grad:
        return None
    for value in (mean, std):
        if not isinstance(value, tuple | list) or len(value) not in (1, array.shape[-3]):
            return None
        if any(type(number) not in (float, int) for number in value):
            return None
    if tensor.dtype not in (pellucid.float32, pellucid.float64):
        return None
    means, stds = _columns(tuple(mean), tuple(std), array.dtype)
    if not stds.all():
        return None  # the lines of `normalize` say what is wrong
    moved = array - means
    return wrap(np.divide(moved, stds, out=moved))


@functools.lru_cache(64)
def _columns(mean: tuple[float, ...], std: tuple[float, ...], dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of channels as (C, 1, 1)."""
    first, second = (np.array(value, dtype).reshape(-1, 1, 1) for value in (mean, std))
    return first, second


def get_image_num_channels(img: Any) -> int:
    """Channels."""
    return get_dimensions(img)[0]


def largest(img: Tensor) -> float:
    """The brightest number of a picture's dtype."""
    return 1.0 if img.is_floating_point() else float(pellucid.iinfo(img.dtype).max)
