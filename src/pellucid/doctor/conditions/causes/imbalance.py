"""class-imbalance: one class hides the others, and the program gives it for nearly every sample."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions.case import Case, at
from pellucid.doctor.conditions.rows import Rows, balanced, together
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.data import Batch, SeenData, classes
from pellucid.doctor.probes.trials import Remedy, Trial
from pellucid.doctor.process import origins
from pellucid.doctor.report import Finding

COMMON = 0.9  # the share of the labels from which on a class may hide the others
MISSED = 0.4  # the mean share of the other classes' rows that is right, below which they are hidden
CLEAR = 0.25  # by which the mean share of right rows a class has to rise


def find(case: Case) -> Finding | None:
    """Confirmed by a training on rows of which each class has as many, asked over the rows as they are."""
    data = case.data
    found = imbalance(data, case.last) if data is not None else None
    if data is None or found is None or not case.as_is.finite:
        return None
    held = together(case, data)
    if held is None:
        key = data.keys.labels
        at(found, origins.made_at(case.sources, key[1]) if key is not None else None)
        return found if _one_answer(case.last) else None
    remedy = Remedy("class-imbalance", "with as many rows of each class", begin=balanced(case, held))
    passes = max(60, min(case.as_is.passes, 4000))
    other = case.run(remedy, passes, 2.5)
    before, after = (_asked(case, done, held) for done in (case.as_is, other))
    if before is None or after is None or after < before + CLEAR:
        return None
    found.evidence += (
        f" Taken by class, {100 * before:.0f} % of the rows are right; after a training {remedy.what} "
        f"{100 * after:.0f} %."
    )
    found.verified = True
    found.fork = {
        "what": "rows that are wrong, mean over the classes",
        "as it is": [1 - before],
        remedy.what: [1 - after],
    }
    key = data.keys.labels
    if key is not None:
        at(found, origins.first_values(case.sources, held.labels[0].name))
    return found


def _asked(case: Case, done: Trial, held: Rows) -> float | None:
    """The mean over the classes of the share of rows that a training's result gets right, all rows asked."""
    if not done.values or not all(np.isfinite(values).all() for values in done.values.values()):
        return None
    still = case.run(case.fixed_at(done, Remedy()), max(60, min(2000, case.as_is.passes)), 1.5, case.keys.known)
    batch = probe.rows_of(still.last, case.keys)
    return by_class(batch)


def by_class(batch: Batch) -> float | None:
    """The mean over the classes of the share of their rows that the outputs get right."""
    known, o = classes(batch.labels), batch.outputs
    if known is None or o is None or len(o) != len(known) or not np.isfinite(o).all():
        return None
    said = _said(o, known)
    shares = [float((said[known == kind] == kind).mean()) for kind in np.unique(known)]
    return float(np.mean(shares)) if len(shares) > 1 else None


def _said(outputs: np.ndarray, known: np.ndarray) -> np.ndarray:
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        return outputs.argmax(1)
    middle = 0.5 if outputs.min() >= 0 and known.min() == 0 else 0.0
    return np.where(outputs.ravel() > middle, known.max(), known.min())


def _one_answer(last: Batch) -> bool:
    known = classes(last.labels)
    return known is not None and last.outputs is not None and len(np.unique(_said(last.outputs, known))) == 1


def imbalance(data: SeenData, last: Batch) -> Finding | None:
    """One class hides the others: the program gives it for nearly every sample."""
    found, here = classes(data.all("labels")), classes(last.labels)
    if found is None or here is None or len(found) < 40 or last.outputs is None or len(last.outputs) != len(here):
        return None
    counts = np.bincount(found - found.min())
    top = float(counts.max()) / len(found)
    common = int(counts.argmax() + found.min())
    if top < COMMON or (counts > 0).sum() < 2 or len(np.unique(here)) < 2 or not np.isfinite(last.outputs).all():
        return None
    said = _said(last.outputs, here)
    rest = [float((said[here == kind] == kind).mean()) for kind in np.unique(here) if kind != common]
    if not rest or np.mean(rest) > MISSED:
        return None
    return Finding(
        "class-imbalance",
        "warning",
        0.85,
        f"{100 * top:.1f} % of {len(found)} labels are of class {common}; at the end of the training the program is "
        f"right for {100 * np.mean(rest):.0f} % of the other rows.",
        "One class is so common that to say nothing else is nearly the best.",
        "weigh the classes in the loss, or draw them equally often",
        verified=True,
    )
