"""Brightness, colours, sharpness; parts overwritten."""

from __future__ import annotations

import math
import numbers
from typing import Any

import pellucid
from pellucid.core import Tensor

from . import functional as F
from .base import Perhaps, TransformModule, below, uniform
from .functional import pair

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "Grayscale",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
]


class Grayscale(TransformModule):
    """Grey."""

    shown = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)


class RandomGrayscale(Perhaps):
    """Grey, perhaps."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, F.get_dimensions(img)[0])


class RandomInvert(Perhaps):
    """Dark and bright changed, perhaps."""

    def change(self, img: Any) -> Any:
        return F.invert(img)


class ColorJitter(TransformModule):
    """Brightness, contrast, saturation and hue changed, each by some amount, in some order."""

    shown = ("brightness", "contrast", "saturation", "hue")

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        self.brightness, self.contrast = self._range(brightness), self._range(contrast)
        self.saturation, self.hue = self._range(saturation), self._range(hue, 0, (-0.5, 0.5), False)

    @staticmethod
    def _range(value: Any, center: float = 1, bound: Any = (0, float("inf")), clip: bool = True) -> Any:
        if isinstance(value, numbers.Number):
            if value < 0:  # type: ignore[operator]
                raise ValueError("If this is a single number, it must be non negative.")
            value = [center - float(value), center + float(value)]  # type: ignore[arg-type]
            if clip:
                value[0] = max(value[0], 0.0)
        elif not bound[0] <= value[0] <= value[1] <= bound[1]:
            raise ValueError(f"values should be between {bound}, but got {value}.")
        return None if value[0] == value[1] == center else tuple(value)

    def forward(self, img: Any) -> Any:
        order = pellucid.randperm(4).tolist()
        settings = (self.brightness, self.contrast, self.saturation, self.hue)
        drawn = [None if setting is None else uniform(*setting) for setting in settings]
        change = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order:
            factor = drawn[i]
            if factor is not None:
                img = change[i](img, factor)
        return img


class GaussianBlur(TransformModule):
    """Blurred by some width."""

    shown = ("kernel_size", "sigma")

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = pair(kernel_size)
        self.sigma: Any = (sigma, sigma) if isinstance(sigma, numbers.Number) else sigma

    def forward(self, img: Any) -> Any:
        sigma = uniform(*self.sigma)
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])


class RandomErasing(TransformModule):
    """A part of a tensor overwritten, perhaps."""

    shown = ("p", "scale", "ratio", "value", "inplace")

    def __init__(
        self, p: float = 0.5, scale: Any = (0.02, 0.33), ratio: Any = (0.3, 3.3), value: Any = 0, inplace: bool = False
    ) -> None:
        super().__init__()
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    def forward(self, img: Tensor) -> Tensor:
        if pellucid.rand(1).item() >= self.p:
            return img
        channels, height, width = img.shape[-3:]
        log_ratio = pellucid.log(pellucid.tensor(self.ratio))
        for _ in range(10):
            area = height * width * uniform(self.scale[0], self.scale[1])
            drawn = pellucid.empty(1).uniform_(float(log_ratio[0]), float(log_ratio[1]))
            aspect = pellucid.exp(drawn).item()
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (h < height and w < width):
                continue
            if self.value == "random":
                v = pellucid.empty([channels, h, w]).normal_()
            else:
                values = [float(self.value)] if isinstance(self.value, int | float) else list(self.value)
                v = pellucid.tensor(values)[:, None, None]
            i = below(height - h + 1)
            j = below(width - w + 1)
            return F.erase(img, i, j, h, w, v, self.inplace)
        return img


class RandomSolarize(Perhaps):
    """Dark and bright changed from a threshold on, perhaps."""

    shown, between = ("threshold", "p"), ","

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def change(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomPosterize(Perhaps):
    """The leading bits alone, perhaps."""

    shown, between = ("bits", "p"), ","

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def change(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomAdjustSharpness(Perhaps):
    """Sharper or more blurred, perhaps."""

    shown, between = ("sharpness_factor", "p"), ","

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(Perhaps):
    """Each channel stretched over the whole range, perhaps."""

    def change(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(Perhaps):
    """Each channel with all values about as frequent, perhaps."""

    def change(self, img: Any) -> Any:
        return F.equalize(img)
