"""Functions on pictures, under the names of `torchvision.transforms.functional`.

| file | what it is about |
|---|---|
| `conversion` | a picture as a tensor, in another dtype, normalised |
| `shape` | sizes, parts, margins, mirror images |
| `tone` | brightness, colours, sharpness |
| `warp` | turned, moved, sheared, seen from the side |
"""

from __future__ import annotations

from ...pictures import is_pil, to_tensor
from ...pictures import to_pil as to_pil_image
from .conversion import (
    InterpolationMode,
    convert_image_dtype,
    get_dimensions,
    get_image_num_channels,
    get_image_size,
    mode_name,
    normalize,
    pil_to_tensor,
)
from .shape import center_crop, crop, five_crop, hflip, pad, pair, resize, resized_crop, ten_crop, vflip
from .tone import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    erase,
    gaussian_blur,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
    to_grayscale,
)
from .warp import affine, elastic_transform, perspective, rotate

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_saturation",
    "adjust_sharpness", "affine", "autocontrast", "center_crop", "convert_image_dtype", "crop", "elastic_transform",
    "equalize", "erase", "five_crop", "gaussian_blur", "get_dimensions", "get_image_num_channels", "get_image_size",
    "hflip", "invert", "is_pil", "mode_name", "normalize", "pad", "pair", "perspective", "pil_to_tensor", "posterize",
    "resize", "resized_crop", "rgb_to_grayscale", "rotate", "solarize", "ten_crop", "to_grayscale", "to_pil_image",
    "to_tensor", "vflip",
]  # fmt: skip
