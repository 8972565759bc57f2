"""Boxes (x1, y1, x2, y2): areas, overlaps, other ways to write them, suppression of those that overlap."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import pellucid
from pellucid.core import Tensor

__all__ = [
    "aspect", "batched_nms", "box_area", "box_convert", "box_iou", "clip_boxes_to_image", "complete_box_iou",
    "distance", "distance_box_iou", "enclosing", "generalized_box_iou", "masks_to_boxes", "nms", "overlap",
    "remove_small_boxes",
]  # fmt: skip


def _floats(boxes: Tensor) -> Tensor:
    return boxes if boxes.is_floating_point() else boxes.float()


def box_area(boxes: Tensor) -> Tensor:
    """Shape: (…, 4) -> (…).

    >>> box_area(pellucid.tensor([[0.0, 0.0, 2.0, 3.0]]))
    tensor([6.])
    """
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def overlap(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """The area that boxes share, and that of both together, broadcast. Shape: (…, 4), (…, 4) -> (…), (…)."""
    low, high = pellucid.maximum(one[..., :2], other[..., :2]), pellucid.minimum(one[..., 2:], other[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    return shared, box_area(one) + box_area(other) - shared


def enclosing(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Area and squared diagonal of the smallest box around two. Shape: (…, 4), (…, 4) -> (…), (…)."""
    low, high = pellucid.minimum(one[..., :2], other[..., :2]), pellucid.maximum(one[..., 2:], other[..., 2:])
    sides = (high - low).clamp(min=0)
    return sides.prod(-1), (sides**2).sum(-1)


def distance(one: Tensor, other: Tensor) -> Tensor:
    """The squared distance of the middles."""
    return (((one[..., :2] + one[..., 2:]) - (other[..., :2] + other[..., 2:])) ** 2).sum(-1) / 4


def aspect(one: Tensor, other: Tensor) -> Tensor:
    """How much the shapes differ: 4 / π² · (the difference of the angles of the diagonals)²."""
    angles = [pellucid.atan((b[..., 2] - b[..., 0]) / (b[..., 3] - b[..., 1])) for b in (other, one)]
    return 4 / math.pi**2 * (angles[0] - angles[1]) ** 2


def _pairs(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    return _floats(boxes1)[:, None], _floats(boxes2)[None]


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """The shared area of each pair over that of both together. Shape: (N, 4), (M, 4) -> (N, M).

    >>> box_iou(pellucid.tensor([[0.0, 0.0, 2.0, 2.0]]), pellucid.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([[0.3333]])
    """
    shared, both = overlap(*_pairs(boxes1, boxes2))
    return shared / both


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """`box_iou`, less the part of the box around both that neither covers (https://arxiv.org/abs/1902.09630)."""
    one, other = _pairs(boxes1, boxes2)
    shared, both = overlap(one, other)
    area, _ = enclosing(one, other)
    return shared / both - (area - both) / area


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`box_iou`, less the distance of the middles (https://arxiv.org/abs/1911.08287)."""
    one, other = _pairs(boxes1, boxes2)
    shared, both = overlap(one, other)
    return shared / both - distance(one, other) / (enclosing(one, other)[1] + eps)


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`distance_box_iou`, less the difference of the shapes."""
    one, other = _pairs(boxes1, boxes2)
    found, shape = distance_box_iou(boxes1, boxes2, eps), aspect(one, other)
    iou = box_iou(boxes1, boxes2)
    return found - (shape / (1 - iou + shape + eps)).detach() * shape


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """The indices of the boxes that are kept, best first: each that overlaps no better one by more than the threshold.

    Shape: (N, 4), (N,) -> (K,), int64.

    >>> nms(pellucid.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9]]), pellucid.tensor([0.5, 0.9]), 0.5)
    tensor([1])
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise RuntimeError(f"boxes should be a 2d tensor with 4 elements in dimension 1, got {tuple(boxes.shape)}")
    if scores.ndim != 1 or len(scores) != len(boxes):
        raise RuntimeError(f"boxes and scores should have same number of elements, got {len(boxes)} and {len(scores)}")
    overlaps = box_iou(boxes, boxes).detach().numpy()
    left, kept = np.argsort(-scores.detach().numpy(), kind="stable"), list[int]()
    while len(left):
        best = int(left[0])
        kept.append(best)
        left = left[1:][~(overlaps[best, left[1:]] > iou_threshold)]
    return pellucid.tensor(kept, dtype=pellucid.int64)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """`nms` within each category of `idxs`, all at once: each category's boxes are moved to a place of their own."""
    if not len(boxes):
        return pellucid.empty((0,), dtype=pellucid.int64)
    apart = idxs.to(boxes.dtype) * (boxes.max() + 1)
    return nms(boxes + apart[:, None], scores, iou_threshold)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """The indices of the boxes of which both sides are `min_size` at least."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return pellucid.where((sides >= min_size).all(dim=1))[0]


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """The boxes' parts within a picture (height, width)."""
    height, width = size
    x, y = boxes[..., 0::2].clamp(min=0, max=width), boxes[..., 1::2].clamp(min=0, max=height)
    return pellucid.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes written another way: "xyxy", "xywh" (a corner and the sides), "cxcywh" (the middle and the sides).

    >>> box_convert(pellucid.tensor([[1.0, 1.0, 3.0, 5.0]]), "xyxy", "cxcywh")
    tensor([[2., 3., 2., 4.]])
    """
    for fmt in (in_fmt, out_fmt):
        if fmt not in ("xyxy", "xywh", "cxcywh"):
            raise ValueError(f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}")
    first, last = boxes[..., :2], boxes[..., 2:]
    if in_fmt == "xywh":
        first, last = first, first + last
    elif in_fmt == "cxcywh":
        first, last = first - 0.5 * last, first + 0.5 * last
    if out_fmt == "xywh":
        first, last = first, last - first
    elif out_fmt == "cxcywh":
        first, last = (first + last) / 2, last - first
    return pellucid.cat((first, last), -1) if in_fmt != out_fmt else boxes.clone()


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The box around what each mask marks. Shape: (N, H, W) -> (N, 4)."""
    found: list[Any] = []
    for mask in masks:
        y, x = pellucid.where(mask != 0)
        found.append([float(x.min()), float(y.min()), float(x.max()), float(y.max())])
    return pellucid.tensor(found) if found else pellucid.zeros((0, 4))
