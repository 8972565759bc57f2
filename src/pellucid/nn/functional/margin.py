"""Losses that ask for a margin: between classes, between pairs, between triplets.

Each is an expression in ops, so its gradient of any order follows.
"""

from __future__ import annotations

from typing import Any

from ...core import Tensor, called
from ...ops.norms import pairwise_distance
from ...types.dtypes import int64
from .. import vocabulary as ops
from .reduction import (
    elements,
    loss_function,
    pairs,
    pairs_of_vectors,
    reduced,
    reduction_name,
    rows,
    same_kind,
    samples,
    triplets,
)

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


@loss_function(elements)
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    """x where t = 1, max(0, margin - x) where t = -1."""
    apart = ops.where(target != 1, (margin - input).clamp_min(0), 0)
    together = ops.where(target != -1, input, 0)
    return reduced(apart + together, reduction)


@loss_function(pairs)
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -t · (x₁ - x₂) + margin): t = 1 where the first should be larger, -1 where the second."""
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{tuple(input1.shape)}, input2: {tuple(input2.shape)}, target: {tuple(target.shape)}"
        )
    return reduced((-target * (input1 - input2) + float(margin)).clamp_min(0), reduction)


@loss_function(pairs_of_vectors)
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x₁, x₂) where t = 1, max(0, cos(x₁, x₂) - margin) where t = -1."""
    if target.ndim not in (0, 1) or input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(
            "cosine_embedding_loss takes (N, D), (N, D) and a target (N), or (D), (D) and a 0-d target, but got "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    norms = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cosine = (input1 * input2).sum(-1) / norms.sqrt()
    together = ops.where(target == 1, 1 - cosine, 0.0)
    apart = ops.where(target == -1, (cosine - margin).clamp_min(0), 0.0)
    return reduced(together + apart, reduction)


@loss_function(elements, refuses=("integer", "complex"))
@called("SoftMarginLossBackward0")
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + e^(-t · x)), t = ±1."""
    same_kind(input, target)
    return reduced((-target * input).exp().log1p(), reduction)


@loss_function(samples)
@called("MultiMarginLossBackward0")
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean over the wrong classes i of max(0, margin - x[t] + x[i])^p (the sum is divided by all classes)."""
    reduction_name(reduction)
    if p not in (1, 2):
        raise ValueError(f"only p == 1 and p == 2 supported, but got {p}")
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"weight must be one-dimensional, but got shape {tuple(weight.shape)}")
    single = input.ndim <= 1 and target.numel() == 1
    if not single and (input.ndim != 2 or tuple(target.shape) != tuple(input.shape[:-1])):
        raise RuntimeError(
            "multi_margin_loss takes an input (N, C) and a target (N), or (C) and (), but got "
            f"{tuple(input.shape)} and {tuple(target.shape)}"
        )
    rows = input.reshape(-1, input.shape[-1] if input.ndim else 1)
    right = target.reshape(-1, 1)
    loss = (margin - rows.gather(1, right) + rows).clamp_min(0)
    if p == 2:
        loss = loss * loss
    if weight is not None:
        loss = loss * weight[right]
    loss = loss * (ops.arange(rows.shape[1]) != right)
    loss = loss.sum(1) / rows.shape[1]
    return reduced(loss.reshape(target.shape), reduction)


@loss_function(triplets)
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) - d(a, n) + margin), d the p-norm of the difference."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return (a - b + eps).norm(p=p, dim=-1)

    far = distance(anchor, negative)
    if swap:
        far = ops.minimum(far, distance(positive, negative))
    return reduced((distance(anchor, positive) - far + margin).clamp_min(0), reduction)


@loss_function(samples)
@called("MultilabelMarginLossBackward0")
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
) -> Tensor:
    """Σ max(0, 1 - x[t] + x[i]) / C over the right classes t and the wrong ones i, for each sample.

    A row of the target, of the input's shape, begins with the right classes; what comes after the first -1 is ignored.
    """
    reduction_name(reduction)
    if input.ndim > 2 or tuple(input.shape) != tuple(target.shape) or not input.numel():
        raise RuntimeError(
            "multilabel_margin_loss takes an input (N, C) or (C) and a target of the same shape, but got "
            f"{tuple(input.shape)} and {tuple(target.shape)}"
        )
    count = input.shape[-1] if input.ndim else 1
    scores, wanted = input.reshape(-1, count), target.reshape(-1, count)
    if bool(((wanted < -1) | (wanted >= count)).any()):
        raise RuntimeError(f"argument target is out of range: classes are from 0 to {count - 1}, and -1 ends them")
    valid = (wanted < 0).long().cumsum(1) == 0
    safe = wanted * valid
    right = ops.zeros(scores.shape, dtype=int64, device=input.device).scatter_add(1, safe, valid.long()) > 0
    apart = 1 - scores.gather(1, safe).unsqueeze(2) + scores.unsqueeze(1)  # (N, right, all)
    counted = valid.unsqueeze(2) & ~right.unsqueeze(1)
    loss = (apart.clamp_min(0) * counted).sum((1, 2)) / count
    return reduced(loss.reshape(input.shape[:-1]), reduction)


@loss_function(rows, refuses=("integer",))
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t · log σ(x) + (1 - t) · log σ(-x)), averaged over the classes, the last dimension."""
    reduction_name(reduction)
    loss = -(target * ops.logsigmoid(input) + (1 - target) * ops.logsigmoid(-input))
    loss = loss if weight is None else loss * weight
    return reduced(loss.sum(-1) / input.shape[-1], reduction)


@loss_function(triplets, flags_before=None)
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Any = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) - d(a, n) + margin), d being ``distance_function``, the Euclidean distance unless given."""
    reduction_name(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ops.minimum(far, distance(positive, negative))
    return reduced((near - far + margin).clamp_min(0), reduction)
