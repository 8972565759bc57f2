"""Losses, for models that return theirs."""

from __future__ import annotations

import numpy as np

from .table import writes
from .writer import Term, Writer


@writes("binary_cross_entropy")
def binary_cross_entropy(w: Writer, input: Term, target: Term) -> Term:
    floor = w.constant(-100, input.dtype)
    return -(target * w.Max(w.Log(input), floor) + (1 - target) * w.Max(w.Log(1 - input), floor))


@writes("cross_entropy")
def cross_entropy(
    w: Writer, input: Term, target: Term, weight: Term | None = None, *, ignore_index: int = -100,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> tuple[Term, None]:  # fmt: skip
    axis = 1 if input.rank > 1 else 0
    log_probs = w.LogSoftmax(input, axis=axis, shape=input.shape)
    return _classes(w, log_probs, axis, target, weight, ignore_index, reduction, label_smoothing), None


@writes("nll_loss")
def nll_loss(
    w: Writer, input: Term, target: Term, weight: Term | None = None, *, ignore_index: int = -100,
    reduction: str = "mean",
) -> Term:  # fmt: skip
    axis = 1 if input.rank > 1 else 0
    return _classes(w, input, axis, target, weight, ignore_index, reduction, 0.0)


def _classes(
    w: Writer,
    log_probs: Term,
    axis: int,
    target: Term,
    weight: Term | None,
    ignored: int,
    reduction: str,
    smooth: float,
) -> Term:
    """-Σ q · log p over the classes, q being what the labels and their weights say."""
    kind, count = log_probs.dtype, log_probs.known[axis]
    labels = target.cast(np.int64)
    valid = w.Not(w.Equal(labels, w.constant(ignored, np.int64), dtype=bool))
    safe = w.where(valid, labels, 0, np.int64)
    numbers = w.reshape(w.constant(np.arange(count), np.int64), [-1, *[1] * (log_probs.rank - axis - 1)])  # type: ignore[arg-type]
    chosen = w.Equal(w.unsqueeze(safe, axis), numbers, dtype=bool).cast(kind)
    by_class = None
    if weight is not None:
        by_class = (
            w.unsqueeze(weight, *range(1, log_probs.rank))
            if axis == 0
            else w.reshape(weight, [-1, *[1] * (log_probs.rank - 2)])
        )
    q = chosen * (1 - smooth) + smooth / count if smooth else chosen  # type: ignore[operator]
    q = q if by_class is None else q * by_class
    loss = -w.reduce(
        "ReduceSum", w.where(w.Equal(q, w.constant(0, kind), dtype=bool), 0.0, q * log_probs), [axis], False
    )
    loss = w.where(valid, loss, 0.0)
    if reduction == "none":
        return loss
    total = w.reduce("ReduceSum", loss, None, False)
    if reduction == "sum":
        return total
    each = valid.cast(kind)
    if by_class is not None:
        each = each * w.reduce("ReduceSum", chosen * by_class, [axis], False)
    return total / w.reduce("ReduceSum", each, None, False)
