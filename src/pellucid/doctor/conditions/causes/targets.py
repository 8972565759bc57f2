"""constant-target: the labels carry one value only."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions.case import Case, error
from pellucid.doctor.probes.data import SeenData
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    return constant_target(case.data) if case.data is not None else None


def constant_target(data: SeenData) -> Finding | None:
    """The labels carry one value only."""
    labels, inputs = data.all("labels"), data.all("inputs")
    if labels is None or inputs is None or len(labels) < 8 or len(np.unique(inputs, axis=0)) < 8:
        return None
    if len(np.unique(labels, axis=0)) > 1:
        return None
    return error(
        "constant-target",
        0.9,
        f"All {len(labels)} labels that {len(data.batches)} passes saw are {_short(labels[0])}.",
        "There is nothing to learn: every label is the same.",
        "look at how the labels are made: print(np.unique(labels, return_counts=True))",
    )


def _short(values: np.ndarray) -> str:
    return f"{values[0]:.4g}" if values.size == 1 else "[" + ", ".join(f"{v:.3g}" for v in values[:6]) + "]"
