"""constant-target: the labels carry one value only."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions.case import Case, error
from pellucid.doctor.probes.data import SeenData
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    if case.data is None or (_are_questions(case.data) and case.candidate.kind not in OF_CLASSES):
        return None
    return constant_target(case.data)


OF_CLASSES = ("cross", "cross-logits", "nll")


def _are_questions(data: SeenData) -> bool:
    """Whether each row of labels answers several questions by yes and no, and the outputs are no shares of one: of a
    pair that belongs together and others that are drawn, the first is always a yes."""
    labels, outputs = data.all("labels"), data.all("outputs")
    if labels is None or outputs is None or labels.ndim < 2 or set(np.unique(labels)) != {0.0, 1.0}:
        return False
    return outputs.ndim == 2 and not np.allclose(outputs.sum(1), 1, atol=1e-6)


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
