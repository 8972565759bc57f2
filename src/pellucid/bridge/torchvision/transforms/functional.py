"""Functions on pictures, under the names of `torchvision.transforms.functional`."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import pellucid
from pellucid.core import Tensor

from ..pictures import image_module, is_pil, size_of, to_tensor
from ..pictures import to_pil as to_pil_image

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_hue", "adjust_saturation", "affine",
    "center_crop", "convert_image_dtype", "crop", "erase", "five_crop", "gaussian_blur", "get_dimensions",
    "get_image_size", "hflip", "invert", "normalize", "pad", "pil_to_tensor", "resize", "resized_crop",
    "rgb_to_grayscale", "rotate", "to_grayscale", "to_pil_image", "to_tensor", "vflip",
]  # fmt: skip


class InterpolationMode(enum.Enum):
    """How pixels between pixels are found."""

    NEAREST, NEAREST_EXACT, BILINEAR, BICUBIC, BOX, HAMMING, LANCZOS = (
        "nearest", "nearest-exact", "bilinear", "bicubic", "box", "hamming", "lanczos",
    )  # fmt: skip


_OF_PIL = {"nearest": 0, "nearest-exact": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
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
    means, stds = (pellucid.as_tensor(value, dtype=tensor.dtype) for value in (mean, std))
    if bool((stds == 0).any()):
        raise ValueError(f"std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero.")
    means, stds = (value.view(-1, 1, 1) if value.ndim == 1 else value for value in (means, stds))
    return (tensor if inplace else tensor.clone()).sub_(means).div_(stds)


def _pair(size: Any) -> tuple[int, int]:
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
        return img.resize(size[::-1], _OF_PIL[name])
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
    h, w = _pair(output_size)
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
    h, w = _pair(size)
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


def invert(img: Any) -> Any:
    """Dark and bright changed."""
    if is_pil(img):
        from PIL import ImageOps

        return ImageOps.invert(img)
    return (1 if img.is_floating_point() else 255) - img


def _needs_pil(img: Any, name: str) -> None:
    if not is_pil(img):
        raise TypeError(
            f"{name} takes pictures of Pillow's here, but got {type(img).__name__}: put it before ToTensor()"
        )


def rotate(
    img: Any, angle: float, interpolation: Any = InterpolationMode.NEAREST, expand: bool = False,
    center: Any = None, fill: Any = None,
) -> Any:  # fmt: skip
    """The picture turned against the clock, by degrees."""
    _needs_pil(img, "rotate")
    bands = len(img.getbands())
    color = tuple([0] * bands) if fill is None and bands > 1 else 0 if fill is None else fill
    color = tuple(color) if isinstance(color, list) else color
    return img.rotate(angle, _OF_PIL[mode_name(interpolation)], expand, center, fillcolor=color)


def affine(
    img: Any, angle: float, translate: Sequence[int], scale: float, shear: Any,
    interpolation: Any = InterpolationMode.NEAREST, fill: Any = None, center: Any = None,
) -> Any:  # fmt: skip
    """The picture turned, moved, scaled and sheared around its middle."""
    _needs_pil(img, "affine")
    shear = [float(shear), 0.0] if isinstance(shear, int | float) else [float(value) for value in shear]
    shear = [shear[0], 0.0] if len(shear) == 1 else shear
    cx, cy = (img.width * 0.5, img.height * 0.5) if center is None else center
    rot, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(rot - sy) / math.cos(sy)
    b = -math.cos(rot - sy) * math.tan(sx) / math.cos(sy) - math.sin(rot)
    c = math.sin(rot - sy) / math.cos(sy)
    d = -math.sin(rot - sy) * math.tan(sx) / math.cos(sy) + math.cos(rot)
    matrix = [value / scale for value in (d, -b, 0.0, -c, a, 0.0)]
    matrix[2] += matrix[0] * (-cx - translate[0]) + matrix[1] * (-cy - translate[1]) + cx
    matrix[5] += matrix[3] * (-cx - translate[0]) + matrix[4] * (-cy - translate[1]) + cy
    color = 0 if fill is None else tuple(fill) if isinstance(fill, list) else fill
    if isinstance(color, int | float) and len(img.getbands()) > 1:
        color = tuple([int(color)] * len(img.getbands()))
    how = image_module().Transform.AFFINE
    return img.transform(img.size, how, matrix, _OF_PIL[mode_name(interpolation)], fillcolor=color)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The brightness of each pixel: 0.2989 R + 0.587 G + 0.114 B."""
    if is_pil(img):
        return to_grayscale(img, num_output_channels)
    if img.shape[-3] == 3:
        r, g, b = img.unbind(dim=-3)
        img = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(dim=-3)
    return (
        img.expand(*img.shape[:-3], num_output_channels, *img.shape[-2:]) if num_output_channels == 3 else img.clone()
    )


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A picture of Pillow's in grey."""
    grey = img.convert("L")
    if num_output_channels == 1:
        return grey
    array = np.asarray(grey)
    return image_module().fromarray(np.dstack([array] * 3), "RGB")


def _blend(img: Tensor, other: Any, ratio: float) -> Tensor:
    bound = 1.0 if img.is_floating_point() else 255.0
    return (ratio * img + (1.0 - ratio) * other).clamp(0, bound).to(img.dtype)


def _enhanced(img: Any, kind: str, factor: float) -> Any:
    from PIL import ImageEnhance

    return getattr(ImageEnhance, kind)(img).enhance(factor)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Brighter above 1, darker below."""
    if is_pil(img):
        return _enhanced(img, "Brightness", brightness_factor)
    return _blend(img, pellucid.zeros_like(img), brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """More contrast above 1, less below."""
    if is_pil(img):
        return _enhanced(img, "Contrast", contrast_factor)
    grey = rgb_to_grayscale(img) if img.shape[-3] == 3 else img
    floats = grey if img.is_floating_point() else grey.float()
    return _blend(img, floats.mean(dim=(-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """More colour above 1, less below."""
    if is_pil(img):
        return _enhanced(img, "Color", saturation_factor)
    return _blend(img, rgb_to_grayscale(img), saturation_factor) if img.shape[-3] == 3 else img


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The colours turned, by −0.5 to 0.5 of the whole circle."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    _needs_pil(img, "adjust_hue")
    if img.mode in {"L", "1", "I", "F"}:
        return img
    h, s, v = img.convert("HSV").split()
    turned = np.array(h, dtype=np.uint8)
    turned += np.array(hue_factor * 255).astype(np.int64).astype(np.uint8)
    image = image_module()
    return image.merge("HSV", (image.fromarray(turned, "L"), s, v)).convert(img.mode)


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """Each pixel mixed with those around it, by the weights of a bell of width `sigma`."""
    kx, ky = (kernel_size, kernel_size) if isinstance(kernel_size, int) else (list(kernel_size) * 2)[:2]
    sigmas = [k * 0.15 + 0.35 for k in (kx, ky)] if sigma is None else sigma
    sigmas = [float(sigmas)] * 2 if isinstance(sigmas, int | float) else (list(sigmas) * 2)[:2]
    tensor = pil_to_tensor(img) if is_pil(img) else img
    floats = tensor if tensor.is_floating_point() else tensor.float()
    x, y = (_bell(k, s) for k, s in zip((kx, ky), sigmas, strict=True))
    kernel = pellucid.mm(y[:, None], x[None, :]).to(floats.dtype)
    channels = floats.shape[-3]
    batch = floats.reshape(-1, *floats.shape[-3:])
    padded = pellucid.nn.functional.pad(batch, [kx // 2, kx // 2, ky // 2, ky // 2], mode="reflect")
    found = pellucid.nn.functional.conv2d(padded, kernel.expand(channels, 1, ky, kx), groups=channels)
    found = found.reshape(floats.shape)
    if not tensor.is_floating_point():
        found = found.round().to(tensor.dtype)
    return to_pil_image(found, img.mode) if is_pil(img) else found


def _bell(size: int, sigma: float) -> Tensor:
    half = (size - 1) * 0.5
    weights = pellucid.exp(-0.5 * (pellucid.linspace(-half, half, size) / sigma).pow(2))
    return weights / weights.sum()


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """A part of the picture overwritten."""
    found = img if inplace else img.clone()
    found[..., i : i + h, j : j + w] = v
    return found
