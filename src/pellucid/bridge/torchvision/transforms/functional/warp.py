"""A picture turned, moved, scaled, sheared, seen from the side, or pulled about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pellucid
from pellucid.core import Tensor

from ...pictures import image_module, is_pil, size_of
from ...pictures import to_pil as to_pil_image
from .conversion import OF_PIL, InterpolationMode, mode_name, pil_to_tensor

__all__ = [
    "affine",
    "elastic_transform",
    "perspective",
    "rotate",
]


def _color(img: Any, fill: Any) -> Any:
    """What Pillow takes for the colour of what lies outside."""
    bands = len(img.getbands())
    if isinstance(fill, list | tuple):
        return tuple(int(value) for value in fill) * (bands if len(fill) == 1 else 1)
    return tuple([int(fill or 0)] * bands) if bands > 1 else fill or 0


def _inverse(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """The matrix (2, 3) that leads from a place in the result to where its pixel comes from."""
    (cx, cy), (tx, ty) = center, translate
    rot, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    a = math.cos(rot - sy) / math.cos(sy)
    b = -math.cos(rot - sy) * math.tan(sx) / math.cos(sy) - math.sin(rot)
    c = math.sin(rot - sy) / math.cos(sy)
    d = -math.sin(rot - sy) * math.tan(sx) / math.cos(sy) + math.cos(rot)
    matrix = [value / scale for value in (d, -b, 0.0, -c, a, 0.0)]
    matrix[2] += matrix[0] * (-cx - tx) + matrix[1] * (-cy - ty) + cx
    matrix[5] += matrix[3] * (-cx - tx) + matrix[4] * (-cy - ty) + cy
    return matrix


def _places(width: int, height: int, middle: bool) -> Tensor:
    """(x, y, 1) of each pixel's middle, (H·W, 3); with `middle` counted from the picture's."""
    x, y = (pellucid.arange(n).float() + 0.5 - (n * 0.5 if middle else 0.0) for n in (width, height))
    places = pellucid.stack(
        [x.expand(height, width), y[:, None].expand(height, width), pellucid.ones(height, width)], 2
    )
    return places.reshape(-1, 3)


def _sampled(img: Tensor, grid: Tensor, interpolation: Any, fill: Any) -> Tensor:
    """The picture (…, C, H, W) at the places (H', W', 2); what lies outside is `fill`."""
    batch = img.reshape(-1, *img.shape[-3:])
    floats = batch if batch.is_floating_point() else batch.float()
    name = mode_name(interpolation)
    if fill is not None:  # a channel more says how much of a pixel lies inside
        floats = pellucid.cat([floats, pellucid.ones_like(floats[:, :1])], 1)
    found = pellucid.nn.functional.grid_sample(
        floats, grid.to(floats.dtype).expand(len(floats), *grid.shape), mode=name, padding_mode="zeros",
        align_corners=False,
    )  # fmt: skip
    if fill is not None:
        found, inside = found[:, :-1], found[:, -1:]
        values = [float(value) for value in fill] if isinstance(fill, list | tuple) else [float(fill)]
        color = pellucid.tensor(values, dtype=found.dtype).view(1, -1, 1, 1)
        found = (
            pellucid.where(inside < 0.5, color, found) if name == "nearest" else found * inside + (1 - inside) * color
        )
    if not img.is_floating_point():
        found = found.round().to(img.dtype)
    return found.reshape(*img.shape[:-2], *found.shape[-2:])


def _by_matrix(img: Tensor, matrix: list[float], size: tuple[int, int], interpolation: Any, fill: Any) -> Tensor:
    height, width = size_of(img)
    theta = pellucid.tensor(matrix).reshape(2, 3).T / pellucid.tensor([0.5 * width, 0.5 * height])
    grid = (_places(size[0], size[1], True) @ theta).reshape(size[1], size[0], 2)
    return _sampled(img, grid, interpolation, fill)


def _around(img: Any, center: Any) -> list[float]:
    """A place of the picture, counted from its middle."""
    height, width = size_of(img)
    return [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]


def _two(shear: Any) -> list[float]:
    values = [shear] if isinstance(shear, int | float) else list(shear)
    return [float(values[0]), float(values[1]) if len(values) > 1 else 0.0]


def rotate(
    img: Any, angle: float, interpolation: Any = InterpolationMode.NEAREST, expand: bool = False,
    center: Any = None, fill: Any = None,
) -> Any:  # fmt: skip
    """The picture turned against the clock, by degrees; with `expand` as large as what it becomes."""
    if is_pil(img):
        return img.rotate(angle, OF_PIL[mode_name(interpolation)], expand, center, fillcolor=_color(img, fill))
    height, width = size_of(img)
    matrix = _inverse(_around(img, center), -angle, (0.0, 0.0), 1.0, (0.0, 0.0))
    size = _expanded(matrix, width, height) if expand else (width, height)
    return _by_matrix(img, matrix, size, interpolation, fill)


def _expanded(matrix: list[float], width: int, height: int) -> tuple[int, int]:
    """Width and height of what the turned picture covers."""
    found: list[int] = []
    for i, length in ((0, width), (3, height)):
        ends = [
            matrix[i] * x + matrix[i + 1] * y + matrix[i + 2] + 0.5 * length
            for x in (-0.5 * width, 0.5 * width)
            for y in (-0.5 * height, 0.5 * height)
        ]
        low, high = (math.trunc(value / 1e-4) * 1e-4 for value in (min(ends), max(ends)))  # 1e-15 is no pixel
        found.append(math.ceil(round(high, 6)) - math.floor(round(low, 6)))
    return found[0], found[1]


def affine(
    img: Any, angle: float, translate: Sequence[int], scale: float, shear: Any,
    interpolation: Any = InterpolationMode.NEAREST, fill: Any = None, center: Any = None,
) -> Any:  # fmt: skip
    """The picture turned, moved, scaled and sheared around its middle."""
    if not is_pil(img):
        height, width = size_of(img)
        matrix = _inverse(_around(img, center), angle, [float(value) for value in translate], scale, _two(shear))
        return _by_matrix(img, matrix, (width, height), interpolation, fill)
    middle = (img.width * 0.5, img.height * 0.5) if center is None else center
    matrix = _inverse(middle, angle, translate, scale, _two(shear))
    how = image_module().Transform.AFFINE
    return img.transform(img.size, how, matrix, OF_PIL[mode_name(interpolation)], fillcolor=_color(img, fill))


def perspective(
    img: Any, startpoints: Any, endpoints: Any, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """The picture pulled so that four places, (x, y) each, come to lie at four others."""
    rows = list[list[float]]()
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    wanted = pellucid.tensor(startpoints, dtype=pellucid.float64).reshape(8)
    matrix = pellucid.tensor(rows, dtype=pellucid.float64)
    c: list[float] = pellucid.linalg.lstsq(matrix, wanted[:, None]).solution[:, 0].float().tolist()
    if is_pil(img):
        how = image_module().Transform.PERSPECTIVE
        return img.transform(img.size, how, c, OF_PIL[mode_name(interpolation)], fillcolor=_color(img, fill))
    height, width = size_of(img)
    places = _places(width, height, False)
    above = places @ (pellucid.tensor([c[0:3], c[3:6]]).T / pellucid.tensor([0.5 * width, 0.5 * height]))
    below = places @ pellucid.tensor([[c[6], c[7], 1.0]]).T
    return _sampled(img, (above / below - 1.0).reshape(height, width, 2), interpolation, fill)


def elastic_transform(
    img: Any, displacement: Tensor, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """Each pixel taken from somewhere beside: `displacement` (1, H, W, 2) in parts of half of the picture."""
    tensor = pil_to_tensor(img) if is_pil(img) else img
    height, width = size_of(tensor)
    if tuple(displacement.shape) != (1, height, width, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, height, width, 2)}, but given {tuple(displacement.shape)}"
        )
    own = _places(width, height, True) / pellucid.tensor([0.5 * width, 0.5 * height, 1.0])
    found = _sampled(tensor, own[:, :2].reshape(height, width, 2) + displacement[0], interpolation, fill)
    return to_pil_image(found, img.mode) if is_pil(img) else found
