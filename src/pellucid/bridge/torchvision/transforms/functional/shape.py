"""Another size, a part, a margin, a mirror image."""

from __future__ import annotations

from typing import Any

import numpy as np

import pellucid

from ...pictures import image_module, is_pil, size_of
from .conversion import OF_PIL, InterpolationMode, mode_name

__all__ = [
    "center_crop",
    "crop",
    "five_crop",
    "hflip",
    "pad",
    "pair",
    "resize",
    "resized_crop",
    "ten_crop",
    "vflip",
]


def pair(size: Any) -> tuple[int, int]:
    """Height and width, from one number for both or from two."""
    if isinstance(size, int):
        return size, size
    size = tuple(size)
    return (size[0], size[0]) if len(size) == 1 else (size[0], size[1])


def resize(
    img: Any, size: Any, interpolation: Any = InterpolationMode.BILINEAR, max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:  # fmt: skip
    """The picture in another size: (height, width), or the length of the shorter side."""
    height, width = size_of(img)
    if isinstance(size, int) or len(size) == 1:
        wanted = size if isinstance(size, int) else size[0]
        short, long = min(height, width), max(height, width)
        new_short, new_long = wanted, int(wanted * long / short)
        if max_size is not None and new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
        size = (new_long, new_short) if height > width else (new_short, new_long)
    size = (int(size[0]), int(size[1]))
    if size == (height, width):
        return img
    name = mode_name(interpolation)
    if is_pil(img):
        return img.resize(size[::-1], OF_PIL[name])
    batch = img if img.ndim == 4 else img.reshape(-1, *img.shape[-3:])
    floats = batch if batch.is_floating_point() else batch.float()
    how: dict[str, Any] = {"mode": name}
    if name in ("bilinear", "bicubic"):
        how.update(align_corners=False, antialias=bool(antialias))
    found = pellucid.nn.functional.interpolate(floats, size=size, **how)
    if not img.is_floating_point():
        found = found.clamp(0, 255).round().to(img.dtype)
    return found.reshape(*img.shape[:-2], *size)


def pad(img: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The picture with a margin: one number, (left and right, top and bottom), or (left, top, right, bottom)."""
    padding = [padding] if isinstance(padding, int) else list(padding)
    left, top, right, bottom = padding * 4 if len(padding) == 1 else padding * 2 if len(padding) == 2 else padding
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    if is_pil(img):
        from PIL import Image, ImageOps

        if padding_mode == "constant":
            color: Any = tuple(fill) if isinstance(fill, list | tuple) else fill
            if isinstance(color, int | float) and len(img.getbands()) > 1:
                color = tuple([int(color)] * len(img.getbands()))
            expand: Any = ImageOps.expand
            return expand(img, border=(left, top, right, bottom), fill=color)
        array = np.asarray(img)
        around = ((top, bottom), (left, right)) + ((0, 0),) * (array.ndim - 2)
        return Image.fromarray(np.pad(array, around, mode=padding_mode))
    how: dict[str, Any] = {"constant_values": fill} if padding_mode == "constant" else {}
    around = ((0, 0),) * (img.ndim - 2) + ((top, bottom), (left, right))
    return pellucid.from_numpy(np.pad(img.detach().numpy(), around, mode=padding_mode, **how))


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of the picture; what lies outside of it is 0."""
    if is_pil(img):
        return img.crop((left, top, left + width, top + height))
    h, w = size_of(img)
    right, bottom = left + width, top + height
    inside = img[..., max(top, 0) : bottom, max(left, 0) : right]
    if left < 0 or top < 0 or right > w or bottom > h:
        margin = [
            max(-left + min(0, right), 0), max(-top + min(0, bottom), 0),
            max(right - max(w, left), 0), max(bottom - max(h, top), 0),
        ]  # fmt: skip
        return pad(inside, margin)
    return inside


def center_crop(img: Any, output_size: Any) -> Any:
    """The middle of the picture."""
    height, width = size_of(img)
    h, w = pair(output_size)
    if w > width or h > height:
        left, top = (w - width) // 2 if w > width else 0, (h - height) // 2 if h > height else 0
        right, bottom = (w - width + 1) // 2 if w > width else 0, (h - height + 1) // 2 if h > height else 0
        img = pad(img, [left, top, right, bottom])
        height, width = size_of(img)
        if (w, h) == (width, height):
            return img
    return crop(img, round((height - h) / 2.0), round((width - w) / 2.0), h, w)


def resized_crop(
    img: Any, top: int, left: int, height: int, width: int, size: Any,
    interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
) -> Any:  # fmt: skip
    """A part of the picture, in another size."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def five_crop(img: Any, size: Any) -> tuple[Any, Any, Any, Any, Any]:
    """The four corners of the picture, and its middle."""
    height, width = size_of(img)
    h, w = pair(size)
    if w > width or h > height:
        raise ValueError(f"Requested crop size {(h, w)} is bigger than input size {(height, width)}")
    corners = ((0, 0), (0, width - w), (height - h, 0), (height - h, width - w))
    a, b, c, d = (crop(img, top, left, h, w) for top, left in corners)
    return a, b, c, d, center_crop(img, (h, w))


def hflip(img: Any) -> Any:
    """Left and right changed."""
    return img.transpose(image_module().Transpose.FLIP_LEFT_RIGHT) if is_pil(img) else img.flip(-1)


def vflip(img: Any) -> Any:
    """Top and bottom changed."""
    return img.transpose(image_module().Transpose.FLIP_TOP_BOTTOM) if is_pil(img) else img.flip(-2)


def ten_crop(img: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """The four corners and the middle, of the picture and of its mirror image."""
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)
