"""Sizes, parts, margins, mirror images."""

from __future__ import annotations

import math
from typing import Any

import pellucid

from . import functional as F
from .base import Perhaps, TransformModule, below, uniform
from .functional import InterpolationMode, pair

__all__ = [
    "CenterCrop",
    "FiveCrop",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
]


class Resize(TransformModule):
    """Another size: (height, width), or the length of the shorter side."""

    def __init__(
        self, size: Any, interpolation: Any = InterpolationMode.BILINEAR, max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.interpolation, self.max_size, self.antialias = size, interpolation, max_size, antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        name = F.mode_name(self.interpolation)
        return f"Resize(size={self.size}, interpolation={name}, max_size={self.max_size}, antialias={self.antialias})"


class CenterCrop(TransformModule):
    """The middle."""

    shown = ("size",)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = pair(size)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class FiveCrop(TransformModule):
    """The corners and the middle."""

    shown = ("size",)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = pair(size)

    def forward(self, img: Any) -> Any:
        return F.five_crop(img, self.size)


class Pad(TransformModule):
    """A margin."""

    shown = ("padding", "fill", "padding_mode")

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class RandomCrop(TransformModule):
    """A part of that size, anywhere in the picture."""

    shown = ("size", "padding")

    def __init__(
        self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        self.size, self.padding, self.pad_if_needed = pair(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Where: top, left, height, width."""
        _, h, w = F.get_dimensions(img)
        th, tw = output_size
        if h < th or w < tw:
            raise ValueError(f"Required crop size {(th, tw)} is larger than input image size {(h, w)}")
        if w == tw and h == th:
            return 0, 0, h, w
        i = below(h - th + 1)
        j = below(w - tw + 1)
        return i, j, th, tw

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))


class RandomResizedCrop(TransformModule):
    """A part of some size and shape, in the size that is wanted."""

    def __init__(
        self, size: Any, scale: Any = (0.08, 1.0), ratio: Any = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.scale, self.ratio = pair(size), scale, ratio
        self.interpolation, self.antialias = interpolation, antialias

    @staticmethod
    def get_params(img: Any, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
        """Where: top, left, height, width."""
        _, height, width = F.get_dimensions(img)
        log_ratio = pellucid.log(pellucid.tensor(ratio))
        for _ in range(10):
            target = height * width * uniform(scale[0], scale[1])
            drawn = pellucid.empty(1).uniform_(float(log_ratio[0]), float(log_ratio[1]))
            aspect = pellucid.exp(drawn).item()
            w, h = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
            if 0 < w <= width and 0 < h <= height:
                i = below(height - h + 1)
                j = below(width - w + 1)
                return i, j, h, w
        w, h = width, height
        if width / height < min(ratio):
            h = round(width / min(ratio))
        elif width / height > max(ratio):
            w = round(height * max(ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        where = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *where, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(v, 4) for v in pair) for pair in (self.scale, self.ratio))
        name = F.mode_name(self.interpolation)
        return (
            f"RandomResizedCrop(size={self.size}, scale={scale}, ratio={ratio}, interpolation={name}, "
            f"antialias={self.antialias})"
        )


class RandomHorizontalFlip(Perhaps):
    """Left and right changed, perhaps."""

    def change(self, img: Any) -> Any:
        return F.hflip(img)


class RandomVerticalFlip(Perhaps):
    """Top and bottom changed, perhaps."""

    def change(self, img: Any) -> Any:
        return F.vflip(img)


class TenCrop(TransformModule):
    """The corners and the middle, of the picture and of its mirror image."""

    shown = ("size", "vertical_flip")

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        super().__init__()
        self.size, self.vertical_flip = pair(size), vertical_flip

    def forward(self, img: Any) -> Any:
        return F.ten_crop(img, self.size, self.vertical_flip)
