"""What lies within a box of a feature map, in a fixed size."""

from __future__ import annotations

import math
from typing import Any

import pellucid
from pellucid import nn
from pellucid.core import Tensor

__all__ = ["RoIAlign", "RoIPool", "roi_align", "roi_pool"]


def _rows(boxes: Any) -> Tensor:
    """Boxes with the number of their picture before them, (K, 5), from such or from a list with the boxes of each."""
    if isinstance(boxes, Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ValueError(
                "The boxes tensor shape is not correct as Tensor[K, 5]: the number of the picture, x1, y1, x2, y2"
            )
        return boxes
    return pellucid.cat([pellucid.cat([pellucid.full_like(b[:, :1], i), b], 1) for i, b in enumerate(boxes)])


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def roi_align(
    input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0, sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:  # fmt: skip
    """Means of points between pixels in each of h × w cells of a box (He et al., https://arxiv.org/abs/1703.06870).

    Shape: (N, C, H, W), (K, 5) -> (K, C, h, w).
    """
    (height, width), made = _pair(output_size), list[Tensor]()
    offset = 0.5 if aligned else 0.0
    for row in _rows(boxes):
        picture = input[int(row[0])]
        x1, y1, x2, y2 = (float(value) * spatial_scale - offset for value in row[1:])
        across, down = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1.0), max(y2 - y1, 1.0))
        columns = _points(x1, across / width, width, sampling_ratio, picture.shape[2], input)
        rows = _points(y1, down / height, height, sampling_ratio, picture.shape[1], input)
        made.append(rows @ picture @ columns.T)  # (h, H) (C, H, W) (W, w)
    return pellucid.stack(made) if made else input.new_zeros((0, input.shape[1], height, width))


def _points(start: float, cell: float, cells: int, ratio: int, length: int, like: Tensor) -> Tensor:
    """The weights (cells, length) by which pixels of one dimension go into cells: means of points between pixels.

    The weight of a point between pixels is a product of one of each dimension, and so is the mean over a grid.
    """
    count = ratio if ratio > 0 else max(math.ceil(cell), 1)
    weights = [[0.0] * length for _ in range(cells)]
    for i, row in enumerate(weights):
        for k in range(count):
            at = start + i * cell + (k + 0.5) * cell / count
            if -1.0 <= at <= length:  # nothing lies further outside
                at = min(max(at, 0.0), length - 1.0)
                low = min(int(at), length - 1)
                row[low] += (1 - at + low) / count
                row[min(low + 1, length - 1)] += (at - low) / count
    return pellucid.tensor(weights, dtype=like.dtype)


def roi_pool(input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """The largest number in each of h × w cells of a box (Girshick, https://arxiv.org/abs/1504.08083).

    Shape: (N, C, H, W), (K, 5) -> (K, C, h, w).
    """
    (height, width), made = _pair(output_size), list[Tensor]()
    for row in _rows(boxes):
        picture = input[int(row[0])]
        x1, y1, x2, y2 = (math.floor(float(value) * spatial_scale + 0.5) for value in row[1:])
        rows = _cells(y1, max(y2 - y1 + 1, 1) / height, height, picture.shape[1])
        columns = _cells(x1, max(x2 - x1 + 1, 1) / width, width, picture.shape[2])
        nothing = picture.new_zeros(picture.shape[0])
        cells = [picture[:, a:b, c:d].amax((1, 2)) if a < b and c < d else nothing for a, b in rows for c, d in columns]
        made.append(pellucid.stack(cells, 1).reshape(-1, height, width))
    return pellucid.stack(made) if made else input.new_zeros((0, input.shape[1], height, width))


def _cells(start: int, cell: float, cells: int, length: int) -> list[tuple[int, int]]:
    ends = [(math.floor(i * cell) + start, math.ceil((i + 1) * cell) + start) for i in range(cells)]
    return [(min(max(low, 0), length), min(max(high, 0), length)) for low, high in ends]


class RoIAlign(nn.Module):
    """See `roi_align`."""

    def __init__(self, output_size: Any, spatial_scale: float, sampling_ratio: int, aligned: bool = False) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def __repr__(self) -> str:
        return (
            f"RoIAlign(output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned})"
        )


class RoIPool(nn.Module):
    """See `roi_pool`."""

    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return f"RoIPool(output_size={self.output_size}, spatial_scale={self.spatial_scale})"
