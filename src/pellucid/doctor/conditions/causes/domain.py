"""log-of-zero: a logarithm or a division leaves its domain, and the loss is no number though the parameters are."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.process import culprits
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    """Where the loss that the program computes is no number, its parameters still are, and an output is exactly 0 or
    1."""
    was = case.as_is
    if was.finite or not was.losses or not case.candidate.is_seen or not was.values:
        return None
    if not all(np.isfinite(values).all() and np.abs(values).max(initial=0) < 1e6 for values in was.values.values()):
        return None
    outputs = case.last.outputs
    if outputs is None or not np.isfinite(outputs).all() or not (outputs.min() == 0 or outputs.max() == 1):
        return None
    place = culprits.logarithm(case.sources)
    if place is None:
        return None
    at_pass = next(at for at, loss in zip(was.at, was.losses, strict=True) if not np.isfinite(loss))
    finding = error(
        "log-of-zero",
        0.9,
        f"At pass {at_pass} the loss is {was.losses[-1]:.4g} while every parameter is a number; outputs lie between "
        f"{outputs.min():.4g} and {outputs.max():.4g}.",
        "An output rounds to exactly 0 or 1, and its logarithm is infinite (0 times infinity is nan).",
        "keep the outputs off the ends: p = np.clip(p, 1e-12, 1 - 1e-12)",
    )
    at(finding, place)
    return finding
