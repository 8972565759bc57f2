"""Brightness, colours and sharpness of each pixel."""

from __future__ import annotations

from typing import Any

import numpy as np

import pellucid
from pellucid.core import Tensor

from ...pictures import image_module, is_pil
from ...pictures import to_pil as to_pil_image
from .conversion import convert_image_dtype, largest, pil_to_tensor

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "autocontrast",
    "equalize",
    "erase",
    "gaussian_blur",
    "invert",
    "posterize",
    "rgb_to_grayscale",
    "solarize",
    "to_grayscale",
]


def invert(img: Any) -> Any:
    """Dark and bright changed."""
    if is_pil(img):
        from PIL import ImageOps

        return ImageOps.invert(img)
    return (1 if img.is_floating_point() else int(largest(img))) - img


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
    return (ratio * img + (1.0 - ratio) * other).clamp(0, largest(img)).to(img.dtype)


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
    if not is_pil(img):
        return _hue_of_tensor(img, hue_factor)
    if img.mode in {"L", "1", "I", "F"}:
        return img
    h, s, v = img.convert("HSV").split()
    turned = np.array(h, dtype=np.uint8)
    turned += np.array(hue_factor * 255).astype(np.int64).astype(np.uint8)
    image = image_module()
    return image.merge("HSV", (image.fromarray(turned, "L"), s, v)).convert(img.mode)


def _hue_of_tensor(img: Tensor, hue_factor: float) -> Tensor:
    """Through hue, saturation and value, as A. R. Smith defines them (1978)."""
    if img.shape[-3] == 1:
        return img
    floats = convert_image_dtype(img, pellucid.float32)
    r, g, b = floats.unbind(-3)
    high, low = floats.amax(dim=-3), floats.amin(dim=-3)
    grey, spread = high == low, high - low
    one = pellucid.ones_like(high)
    saturation, below = spread / pellucid.where(grey, one, high), pellucid.where(grey, one, spread)
    red, green, blue = ((high - channel) / below for channel in (r, g, b))
    hue = (high == r) * (blue - green)
    hue = hue + ((high == g) & (high != r)) * (2.0 + red - blue)
    hue = hue + ((high != g) & (high != r)) * (4.0 + green - red)
    hue = (pellucid.fmod(hue / 6.0 + 1.0, 1.0) + hue_factor) % 1.0
    sector = pellucid.floor(hue * 6.0)
    within = hue * 6.0 - sector
    p = (high * (1.0 - saturation)).clamp(0.0, 1.0)
    q = (high * (1.0 - saturation * within)).clamp(0.0, 1.0)
    t = (high * (1.0 - saturation * (1.0 - within))).clamp(0.0, 1.0)
    sectors = pellucid.stack([high, q, p, p, t, high, t, high, high, q, p, p, p, p, t, high, high, q], dim=-3)
    sectors = sectors.reshape(*high.shape[:-2], 3, 6, *high.shape[-2:])  # (…, colour, sector, H, W)
    which = sector.long().remainder(6)[..., None, None, :, :].expand(*high.shape[:-2], 3, 1, *high.shape[-2:])
    return convert_image_dtype(sectors.gather(-3, which).squeeze(-3), img.dtype)


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


def _with_pil(img: Any, name: str, *settings: Any) -> Any:
    from PIL import ImageOps

    return getattr(ImageOps, name)(img, *settings)


def solarize(img: Any, threshold: float) -> Any:
    """Dark and bright changed where the picture is as bright as `threshold` or more."""
    if is_pil(img):
        return _with_pil(img, "solarize", threshold)
    if threshold > largest(img):
        raise TypeError("Threshold should be less than bound of img.")
    return pellucid.where(img >= threshold, invert(img), img)


def posterize(img: Any, bits: int) -> Any:
    """The leading bits of each number alone."""
    if is_pil(img):
        return _with_pil(img, "posterize", bits)
    if img.dtype is not pellucid.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    return img & (256 - 2 ** (8 - bits))


def autocontrast(img: Any) -> Any:
    """Each channel stretched over the whole range."""
    if is_pil(img):
        return _with_pil(img, "autocontrast")
    floats = img if img.is_floating_point() else img.float()
    low, high = floats.amin(dim=(-2, -1), keepdim=True), floats.amax(dim=(-2, -1), keepdim=True)
    scale = largest(img) / (high - low)
    flat = ~pellucid.isfinite(scale)
    low, scale = low.masked_fill(flat, 0), scale.masked_fill(flat, 1)
    return ((floats - low) * scale).clamp(0, largest(img)).to(img.dtype)


def equalize(img: Any) -> Any:
    """Each channel so that all its values are about as frequent."""
    if is_pil(img):
        return _with_pil(img, "equalize")
    if img.dtype is not pellucid.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    channels = img.reshape(-1, *img.shape[-2:])
    return pellucid.stack([_equal(channel) for channel in channels]).reshape(img.shape) if len(channels) else img


def _equal(channel: Tensor) -> Tensor:
    counts = np.bincount(channel.numpy().ravel(), minlength=256)
    step = counts[counts != 0][:-1].sum() // 255
    if step == 0:
        return channel
    table = ((counts.cumsum() + step // 2) // step).clip(0, 255)
    return pellucid.tensor([0, *table[:-1].tolist()], dtype=pellucid.uint8)[channel.long()]


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Sharper above 1, more blurred below."""
    if sharpness_factor < 0:
        raise ValueError(f"sharpness_factor ({sharpness_factor}) is not non-negative.")
    if is_pil(img):
        return _enhanced(img, "Sharpness", sharpness_factor)
    if min(img.shape[-2:]) <= 2:
        return img
    channels = img.shape[-3]
    batch = (img if img.is_floating_point() else img.float()).reshape(-1, *img.shape[-3:])
    kernel = pellucid.ones(3, 3, dtype=batch.dtype)
    kernel[1, 1] = 5.0
    inside = pellucid.nn.functional.conv2d(batch, (kernel / kernel.sum()).expand(channels, 1, 3, 3), groups=channels)
    inside = (inside if img.is_floating_point() else inside.round()).to(img.dtype)
    blurred = img.clone()
    blurred[..., 1:-1, 1:-1] = inside.reshape(*img.shape[:-2], *inside.shape[-2:])
    return _blend(img, blurred, sharpness_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """gain · x^gamma for x from 0 to 1."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    if is_pil(img):
        mode = img.mode
        table = [int((255 + 1 - 1e-3) * gain * pow(value / 255.0, gamma)) for value in range(256)]
        coloured = img.convert("RGB")
        return coloured.point(table * 3).convert(mode)
    floats = img if img.is_floating_point() else convert_image_dtype(img, pellucid.float32)
    return convert_image_dtype((gain * floats**gamma).clamp(0, 1), img.dtype)
