"""Turned, moved, sheared, seen from the side, pulled about."""

from __future__ import annotations

from typing import Any

import pellucid
from pellucid.core import Tensor

from . import functional as F
from .base import Perhaps, TransformModule, below, both_ways, uniform
from .functional import InterpolationMode

__all__ = [
    "ElasticTransform",
    "RandomAffine",
    "RandomPerspective",
    "RandomRotation",
]


class RandomRotation(TransformModule):
    """Turned by some angle."""

    def __init__(
        self, degrees: Any, interpolation: Any = InterpolationMode.NEAREST, expand: bool = False, center: Any = None,
        fill: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.degrees = list(both_ways(degrees))
        self.interpolation, self.expand, self.center, self.fill = interpolation, expand, center, fill

    def __repr__(self) -> str:
        center = f", center={self.center}" if self.center is not None else ""
        fill = f", fill={self.fill}" if self.fill is not None else ""
        name = F.mode_name(self.interpolation)
        return f"RandomRotation(degrees={self.degrees}, interpolation={name}, expand={self.expand}{center}{fill})"

    def forward(self, img: Any) -> Any:
        fill = self.fill
        channels = F.get_dimensions(img)[0]
        if isinstance(fill, int | float) and channels > 1:
            fill = [int(fill)] * channels
        return F.rotate(img, uniform(*self.degrees), self.interpolation, self.expand, self.center, fill)


class RandomAffine(TransformModule):
    """Turned, moved, scaled and sheared by some amounts."""

    def __init__(
        self, degrees: Any, translate: Any = None, scale: Any = None, shear: Any = None,
        interpolation: Any = InterpolationMode.NEAREST, fill: Any = 0, center: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.degrees = list(both_ways(degrees))
        self.translate, self.scale, self.interpolation, self.fill, self.center = (
            translate, scale, interpolation, fill, center,
        )  # fmt: skip
        self.shear = both_ways(shear)

    def __repr__(self) -> str:
        usual = {"translate": None, "scale": None, "shear": None, "interpolation": "nearest", "fill": 0, "center": None}
        values = {**{name: getattr(self, name) for name in usual}, "interpolation": F.mode_name(self.interpolation)}
        shown = [f", {name}={values[name]}" for name, default in usual.items() if values[name] != default]
        return f"RandomAffine(degrees={self.degrees}{''.join(shown)})"

    def forward(self, img: Any) -> Any:
        width, height = F.get_image_size(img)
        angle = uniform(*self.degrees)
        move = (0, 0)
        if self.translate is not None:
            most_x, most_y = float(self.translate[0] * width), float(self.translate[1] * height)
            move = (round(uniform(-most_x, most_x)), round(uniform(-most_y, most_y)))
        scale = uniform(*self.scale) if self.scale is not None else 1.0
        shear = [0.0, 0.0]
        if self.shear is not None:
            shear[0] = uniform(self.shear[0], self.shear[1])
            if len(self.shear) == 4:
                shear[1] = uniform(self.shear[2], self.shear[3])
        return F.affine(img, angle, move, scale, shear, self.interpolation, self.fill, self.center)


class RandomPerspective(Perhaps):
    """Seen from somewhere at the side, perhaps."""

    def __init__(
        self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__(p)
        self.distortion_scale, self.interpolation, self.fill = distortion_scale, interpolation, fill

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """The corners (x, y), and where they come to lie."""
        w, h = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        ends = [
            [below(w + 1), below(h + 1)],
            [below(width, width - w - 1), below(h + 1)],
            [below(width, width - w - 1), below(height, height - h - 1)],
            [below(w + 1), below(height, height - h - 1)],
        ]
        return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], ends

    def change(self, img: Any) -> Any:
        width, height = F.get_image_size(img)
        corners = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, *corners, self.interpolation, self.fill)


class ElasticTransform(TransformModule):
    """Each pixel pulled somewhere, neighbours about alike (Simard et al., 2003)."""

    shown = ("alpha", "sigma", "interpolation", "fill")

    def __init__(
        self, alpha: Any = 50.0, sigma: Any = 5.0, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = 0
    ) -> None:
        super().__init__()
        self.alpha = [float(alpha)] * 2 if isinstance(alpha, int | float) else [float(value) for value in alpha]
        self.sigma = [float(sigma)] * 2 if isinstance(sigma, int | float) else [float(value) for value in sigma]
        self.interpolation, self.fill = interpolation, [float(fill)] if isinstance(fill, int | float) else fill

    @staticmethod
    def get_params(alpha: list[float], sigma: list[float], size: list[int]) -> Tensor:
        """How far each pixel is pulled, (1, H, W, 2), in parts of half of the picture."""
        found = list[Tensor]()
        for strength, width, length in zip(alpha, sigma, size, strict=True):
            drawn = pellucid.rand([1, 1, *size]) * 2 - 1
            if width > 0.0:
                drawn = F.gaussian_blur(drawn, [int(8 * width + 1) | 1] * 2, sigma)
            found.append(drawn * strength / length)
        return pellucid.cat(found, 1).permute(0, 2, 3, 1)

    def forward(self, tensor: Any) -> Any:
        width, height = F.get_image_size(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)
