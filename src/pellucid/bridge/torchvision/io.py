"""`torchvision.io`: pictures read as tensors of bytes, and written."""

from __future__ import annotations

import enum
from typing import Any

from pellucid.core import Tensor
from pellucid.torch_names import absent

from .pictures import image_module, to_pil
from .transforms.functional import pil_to_tensor

__all__ = ["ImageReadMode", "read_image", "write_jpeg", "write_png"]


class ImageReadMode(enum.Enum):
    """Which channels a picture is read as."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_MODES = {"GRAY": "L", "GRAY_ALPHA": "LA", "RGB": "RGB", "RGB_ALPHA": "RGBA"}


def read_image(path: Any, mode: Any = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """The picture in a file as a tensor of bytes (C, H, W)."""
    name = mode if isinstance(mode, str) else mode.name
    with image_module().open(path) as picture:
        if apply_exif_orientation:
            from PIL import ImageOps

            picture = ImageOps.exif_transpose(picture)
        if name in _MODES:
            picture = picture.convert(_MODES[name])
        elif picture.mode == "P":
            picture = picture.convert("RGB")
        return pil_to_tensor(picture)


def write_png(input: Tensor, filename: Any, compression_level: int = 6) -> None:
    """Write a tensor of bytes (C, H, W) as PNG."""
    to_pil(input).save(filename, format="PNG", compress_level=compression_level)


def write_jpeg(input: Tensor, filename: Any, quality: int = 75) -> None:
    """Write a tensor of bytes (C, H, W) as JPEG."""
    to_pil(input).save(filename, format="JPEG", quality=quality)


__getattr__ = absent("torchvision.io")
