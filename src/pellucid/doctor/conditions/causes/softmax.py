"""softmax-wrong-axis and softmax-single-unit: seen in the outputs of the first pass, before any gradient is judged."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions.case import error
from pellucid.doctor.probes.data import Batch
from pellucid.doctor.report import Finding


def softmax_axis(batch: Batch) -> Finding | None:
    """Probabilities that sum to 1 over the samples, not over the classes."""
    o = batch.outputs
    if o is None or o.ndim != 2 or min(o.shape) < 2 or not np.isfinite(o).all() or o.min() < 0 or o.max() > 1:
        return None
    over_samples, over_classes = np.abs(o.sum(0) - 1).max(), np.abs(o.sum(1) - 1).max()
    if over_samples > 1e-6 or over_classes < 1e-3:
        return None
    return error(
        "softmax-wrong-axis",
        0.97,
        f"The outputs, {o.shape[0]} samples of {o.shape[1]} classes, sum to 1 over the samples of a batch "
        f"and to {o[0].sum():.3g} over the classes of the first sample.",
        "The softmax is taken over the batch: it should make the classes of each sample sum to 1.",
        "sum over the axis of the classes, with keepdims=True",
    )


def single_unit(batch: Batch) -> Finding | None:
    """A softmax over one unit gives 1 whatever comes in."""
    o, y = batch.outputs, batch.labels
    if o is None or y is None or o.ndim != 2 or o.shape[1] != 1 or len(o) < 2 or not (o == 1).all():
        return None
    if (y == 1).all():
        return None
    return error(
        "softmax-single-unit",
        0.95,
        "Every output is exactly 1.",
        "A softmax over one unit is always 1.",
        "use a sigmoid for one output, or a unit for each class",
    )
