"""Loss functions: how wrong a prediction is, one number (or one for each element, ``reduction="none"``).

Each is an expression in ops, so its gradient of any order follows.
"""

from __future__ import annotations

import math
from typing import Any

from ...core import Tensor, called, no_grad
from ...core.promotion import refused_dtype
from ...errors import warn
from ...ops import loss as table
from ...types.dtypes import bool_
from .. import vocabulary as ops
from .reduction import (
    check_sizes,
    classes,
    divergences,
    elements,
    hint,
    loss_function,
    reduced,
    same_kind,
    weighted,
    weighted_elements,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linear_cross_entropy",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]

cross_entropy = loss_function(classes, flags_before="ignore_index")(table.cross_entropy)
nll_loss = loss_function(classes, flags_before="ignore_index")(table.nll_loss)
binary_cross_entropy = loss_function(elements)(table.binary_cross_entropy)


@loss_function(weighted_elements, refuses=("integer", "complex"))
@called("MseLossBackward0")
def mse_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)²."""
    check_sizes(input, target)
    return weighted(ops.square(input - target), weight, reduction)


@loss_function(weighted_elements)
def l1_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|."""
    check_sizes(input, target)
    return weighted((input - target).abs(), weight, reduction)


@loss_function(elements, refuses=("integer", "complex"))
@called(lambda *args, beta=1.0, **_: "SmoothL1LossBackward0" if beta else None)
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d² / (2·beta) where d = |input - target| is below ``beta``, else d - beta / 2; with ``beta=0`` it is d."""
    check_sizes(input, target)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, but got {beta}")
    if beta == 0:
        return reduced((input - target).abs(), reduction)
    return reduced(table.element_smooth_l1(input, target, beta=beta), reduction)


@loss_function(weighted_elements, flags_before=None, refuses=("integer", "complex"))
@called("HuberLossBackward0")
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d² / 2 where d = |input - target| is at most ``delta``, else delta · (d - delta / 2)."""
    same_kind(input, target)
    check_sizes(input, target)
    if not isinstance(delta, (int, float)):
        raise TypeError(f"delta must be a float or int, got: {type(delta)}")
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, but got {delta}")
    apart = input - target  # squared as it is: |d|² would have the second derivative 0 at 0
    d = apart.abs()
    return weighted(ops.where(d <= delta, 0.5 * apart * apart, delta * (d - 0.5 * delta)), weight, reduction)


@loss_function(elements)
@called("BinaryCrossEntropyWithLogitsBackward0")
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-(pos_weight · t · log σ(x) + (1 - t) · log(1 - σ(x))), from x rather than σ(x): safe for large ±x."""
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape}){hint(input, target)}"
        )
    if input.is_floating_point() and not target.is_floating_point() and target.dtype is not bool_:
        raise RuntimeError(
            f"result type {input.dtype!r} can't be cast to the desired output type {target.dtype!r}: the target holds "
            "probabilities; write target.to(input.dtype)"
        )
    log_sigmoid = ops.logsigmoid(input)
    if pos_weight is not None:
        log_sigmoid = ((pos_weight - 1) * target + 1) * log_sigmoid
    loss = (1 - target) * input - log_sigmoid
    return reduced(loss if weight is None else loss * weight, reduction)


@loss_function(divergences)
def kl_div(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """t · (log t - x), x being log-probabilities; ``"batchmean"`` divides the sum by the batch alone."""
    if not (input.is_floating_point() and target.is_floating_point()):
        raise refused_dtype("kl_div", target.dtype if input.is_floating_point() else input.dtype)
    if reduction == "mean":
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' "
            "divides only by the batch size, and aligns with the KL div math definition: write reduction='batchmean'",
        )
    batch = reduction == "batchmean"
    loss = target.exp() * (target - input) if log_target else ops.xlogy(target, target) - target * input
    loss = reduced(loss, "sum" if batch else reduction)
    return loss / input.shape[0] if batch and input.ndim else loss


@loss_function(elements, flags_before="eps")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """e^x - t · x (x the log of the rate), or x - t · log(x + eps); ``full`` adds Stirling's formula where t > 1."""
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + ops.where(target > 1, stirling, 0.0)
    return reduced(loss, reduction)


@loss_function(elements, flags_before=None, refuses=("integer",))
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (x - t)² / v) / 2 with the variance v at least ``eps``; ``full`` adds log(2π) / 2.

    The gradient goes through v as if it had not been clamped, as in PyTorch.
    """
    v: Any = ops.full_like(input, var) if isinstance(var, (int, float)) else var
    if bool((v < 0).any()):
        raise ValueError("var has negative entry/entries: it is a variance; give its exponential, or softplus")
    if v.shape != input.shape:
        if tuple(v.shape) == tuple(input.shape[:-1]):
            v = v.unsqueeze(-1)
        elif v.ndim != input.ndim or sum(b for a, b in zip(input.shape, v.shape, strict=True) if a != b) != 1:
            raise ValueError(
                f"var is of incorrect size: {tuple(v.shape)} for an input of {tuple(input.shape)}; it has the "
                "input's shape, or that with one dimension 1, or without the last"
            )
    with no_grad():
        lift = v.clamp(min=eps) - v
    v = v + lift
    loss = 0.5 * (v.log() + ops.square(input - target) / v)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy` of the scores ``input @ linear_weightᵀ + linear_bias``.

    Shape: input (N, in) or (in), linear_weight (C, in) or (C, d₁, …, in), target (N, d₁, …) or probabilities
    (N, C, d₁, …). ``options`` is PyTorch's way to compute it in parts; here the scores are computed at once.
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if linear_weight.ndim < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {linear_weight.ndim}")
    if input.shape[-1] != linear_weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {input.shape[-1]} and {linear_weight.shape[-1]}, respectively"
        )
    scores = tuple(linear_weight.shape[:-1])
    if linear_bias is not None and tuple(linear_bias.shape) != scores:
        raise RuntimeError(f"expected linear_bias shape {scores}, got {tuple(linear_bias.shape)}")
    if len(scores) > 1 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched input, "
            f"(N, {input.shape[-1]}), got unbatched input with shape {tuple(input.shape)}"
        )
    shape = (*input.shape[:-1], *scores)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    flat = math.prod(scores)
    bias = None if linear_bias is None else linear_bias.reshape(flat)
    logits = ops.linear(input, linear_weight.reshape(flat, input.shape[-1]), bias).reshape(shape)
    return cross_entropy(
        logits,
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )
