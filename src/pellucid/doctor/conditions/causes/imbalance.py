"""class-imbalance: one class hides the others, and the program gives it for every sample."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions.case import Case
from pellucid.doctor.probes.data import Batch, SeenData, classes
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    return imbalance(case.data, case.last) if case.data is not None else None


def imbalance(data: SeenData, last: Batch) -> Finding | None:
    """One class hides the others: the program gives it for every sample."""
    found = classes(data.all("labels"))
    if found is None or len(found) < 40 or last.outputs is None:
        return None
    counts = np.bincount(found - found.min())
    top = float(counts.max()) / len(found)
    if top < 0.93 or (counts > 0).sum() < 2:
        return None
    outputs = last.outputs
    said = outputs.argmax(1) if outputs.ndim == 2 and outputs.shape[1] > 1 else (outputs.ravel() > 0.5).astype(int)
    here = classes(last.labels)
    if len(np.unique(said)) > 1 or here is None or len(np.unique(here)) < 2:
        return None
    return Finding(
        "class-imbalance",
        "warning",
        0.85,
        f"{100 * top:.1f} % of {len(found)} labels are of class {int(counts.argmax() + found.min())}; at the end "
        "of the training the program gives that class for every sample.",
        "One class is so common that to say nothing else is nearly the best.",
        "weigh the classes in the loss, or draw them equally often",
        verified=True,
    )
