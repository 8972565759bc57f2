"""The focal loss, and losses of overlaps of boxes."""

from __future__ import annotations

import pellucid
from pellucid.core import Tensor

from .boxes import aspect, distance, enclosing, overlap

__all__ = ["complete_box_iou_loss", "distance_box_iou_loss", "generalized_box_iou_loss", "sigmoid_focal_loss"]


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return loss
    if reduction in ("mean", "sum"):
        return loss.mean() if reduction == "mean" and loss.numel() else loss.sum()
    raise ValueError(
        f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'"
    )


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """Cross-entropy of single classes, less for those that are right already (https://arxiv.org/abs/1708.02002).

    (1 − p)^gamma · −ln p, where p is the probability of the target; times alpha for the target 1, 1 − alpha for 0.
    """
    if not (0 <= alpha <= 1) and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore.")
    p = pellucid.sigmoid(inputs)
    entropy = pellucid.nn.functional.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    loss = entropy * (1 - (p * targets + (1 - p) * (1 - targets))) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return _reduced(loss, reduction)


def generalized_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 − the generalised overlap of each pair. Shape: (N, 4), (N, 4) -> (N,) or ()."""
    shared, both = overlap(boxes1, boxes2)
    area, _ = enclosing(boxes1, boxes2)
    return _reduced(1 - (shared / (both + eps) - (area - both) / (area + eps)), reduction)


def distance_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 − the overlap + the distance of the middles. Shape: (N, 4), (N, 4) -> (N,) or ()."""
    shared, both = overlap(boxes1, boxes2)
    apart = distance(boxes1, boxes2) / (enclosing(boxes1, boxes2)[1] + eps)
    return _reduced(1 - shared / (both + eps) + apart, reduction)


def complete_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """`distance_box_iou_loss` + the difference of the shapes. Shape: (N, 4), (N, 4) -> (N,) or ()."""
    shared, both = overlap(boxes1, boxes2)
    iou, shape = shared / (both + eps), aspect(boxes1, boxes2)
    weight = (shape / (1 - iou + shape + eps)).detach()
    return _reduced(distance_box_iou_loss(boxes1, boxes2, "none", eps) + weight * shape, reduction)
