"""Connectionist temporal classification: the loss of a sequence of labels whose places in time are not known."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import Tensor, called, from_data
from ...types.dtypes import bool_, int64
from .. import vocabulary as ops
from .reduction import loss_function, reduced, reduction_name

__all__ = ["ctc_loss"]

_NEVER = -1e30  # the logarithm of a probability that is 0, finite so that its gradient is


def sequences(log_probs: Tensor, *others: Any, **options: Any) -> float:
    """The number of sequences."""
    return float(log_probs.shape[1]) if log_probs.ndim == 3 else 1.0


def _last(
    log_probs: Tensor, targets: Any, inputs: Any, lengths: Any, blank: int = 0, reduction: str = "mean",
    zero_infinity: bool = False,
) -> str:  # fmt: skip
    """PyTorch's name of the last node: that of the reduction, if there is any."""
    if reduction != "none":
        return "MeanBackward0" if reduction == "mean" else "SumBackward0"
    return "WhereBackward0" if zero_infinity else "CtcLossBackward0"


@loss_function(sequences, flags_before=None)
@called(_last)
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of ``targets``, over all ways to stretch them to the length of the input.

    Between labels there may be blanks, and between two equal ones there is one. The mean is that of loss / length of
    the target. ``log_probs`` is taken for the result of log_softmax: its gradient is that of what was before it, as in
    PyTorch. Sequences too short for their targets cost inf, or 0 with ``zero_infinity``.

    Shape: log_probs (T, N, C) or (T, C), targets (N, S) or one after the other (Σ target_lengths), lengths (N) or ().
    Source: Graves et al., "Connectionist Temporal Classification", 2006.
    """
    reduction_name(reduction)
    if not log_probs.is_floating_point() or log_probs.ndim not in (2, 3):
        raise RuntimeError(
            f"ctc_loss: log_probs is (T, N, C) or (T, C) of floating point, but got {tuple(log_probs.shape)} of "
            f"{log_probs.dtype}"
        )
    single = log_probs.ndim == 2
    probs = log_probs.unsqueeze(1) if single else log_probs
    steps, batch, classes = probs.shape
    given, wanted = (_lengths(name, value, batch) for name, value in (
        ("input_lengths", input_lengths), ("target_lengths", target_lengths)
    ))  # fmt: skip
    if not 0 <= blank < classes:
        raise RuntimeError(f"blank must be in label range, 0 to {classes - 1}, but got {blank}")
    if given.min() < 0 or given.max() > steps:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {steps}, but got value {given.max()} (while checking "
            "arguments for ctc_loss)"
        )
    labels = _padded(targets, wanted, blank)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise RuntimeError(f"ctc_loss: targets are classes from 0 to {classes - 1}, but got {targets}")
    loss, possible = _negative_log(probs, labels, given, wanted, blank)
    # The gradient of log_softmax, which PyTorch counts in: its value is 0.
    inside = from_data(np.arange(steps)[:, None] < given, bool_, probs.device).unsqueeze(2)
    through = ops.exp(probs)
    loss = loss + ((through - through.detach()) * inside).sum((0, 2))
    loss = ops.where(possible, loss, 0.0 if zero_infinity else float("inf"))
    if reduction == "mean":
        loss = loss / from_data(np.maximum(wanted, 1), int64, loss.device)
    loss = loss.to(log_probs.dtype)
    return loss.squeeze(0) if single and reduction == "none" else reduced(loss, reduction)


def _lengths(name: str, value: Any, batch: int) -> Any:
    lengths = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if lengths.dtype.kind not in "iu":
        raise RuntimeError(f"{name} must be integral, but got {lengths.dtype}")
    lengths = lengths.reshape(-1).astype(np.int64)
    if len(lengths) != batch:
        raise RuntimeError(f"{name} must be of size batch_size, {batch}, but got {len(lengths)}")
    return lengths


def _padded(targets: Tensor, lengths: Any, blank: int) -> Any:
    """The labels (N, S), whichever way they were given, blanks behind each."""
    raw = targets.detach().cpu().numpy()
    longest = int(lengths.max()) if len(lengths) else 0
    found = np.full((len(lengths), longest), blank)
    if raw.ndim == 1 and (len(lengths) > 1 or raw.size == lengths.sum()):
        if raw.size != lengths.sum():
            raise RuntimeError(
                f"Expected targets of size {lengths.sum()}, the sum of target_lengths, but got {tuple(raw.shape)}"
            )
        ends = np.cumsum(lengths)
        rows = [raw[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    else:
        table = raw.reshape(len(lengths), -1)
        if longest > table.shape[1]:
            raise RuntimeError(
                f"Expected targets to have at least {longest} labels in a row, the largest of target_lengths, but got "
                f"{tuple(raw.shape)}"
            )
        rows = [row[:length] for row, length in zip(table, lengths, strict=True)]
    for place, row in zip(found, rows, strict=True):
        place[: len(row)] = row
    return found


def _negative_log(probs: Tensor, labels: Any, given: Any, wanted: Any, blank: int) -> tuple[Tensor, Tensor]:
    """(-log of the probability of each sequence, whether there is a way at all): the forward recursion over time."""
    steps, batch, _ = probs.shape
    states = np.full((batch, 2 * labels.shape[1] + 1), blank)  # a blank before, between and after the labels
    states[:, 1::2] = labels
    skips = np.zeros(states.shape, bool)  # where a blank may be left out: between two labels that differ
    skips[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    width = states.shape[1]

    def tensor(array: Any, dtype: Any) -> Tensor:
        return from_data(array, dtype, probs.device)

    places = tensor(states, int64).unsqueeze(0).expand(steps, -1, -1)
    emitted: Any = ops.clamp(ops.gather(probs, 2, places), min=_NEVER)
    skip = tensor(skips, bool_)
    alpha: Any = ops.where(tensor(np.arange(width) < 2, bool_), emitted[0], _NEVER) if steps else None
    for t in range(1, steps):
        step = ops.constant_pad_nd(alpha[:, :-1], pad=(1, 0), value=_NEVER)
        leap = ops.constant_pad_nd(alpha[:, :-2], pad=(2, 0), value=_NEVER) if width > 2 else step * 0 + _NEVER
        ways = ops.stack((alpha, step, ops.where(skip, leap, _NEVER)))
        new = ops.logsumexp(ways, dim=0) + emitted[t]
        going = tensor((t < given)[:, None], bool_)
        alpha = new if (t < given).all() else ops.where(going, new, alpha)
    ends = np.stack([2 * wanted, np.maximum(2 * wanted - 1, 0)], 1)
    last: Any = ops.gather(alpha, 1, tensor(ends, int64))
    last = ops.where(tensor(np.stack([wanted >= 0, wanted > 0], 1), bool_), last, _NEVER)
    total = ops.logsumexp(last, dim=1)
    started = tensor(given > 0, bool_)
    total = ops.where(started, total, ops.where(tensor(wanted == 0, bool_), 0.0, _NEVER).to(total.dtype))
    return -total, total.detach() > _NEVER / 2
