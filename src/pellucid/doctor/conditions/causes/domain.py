"""log-of-zero: a logarithm or a division leaves its domain, and the loss is no number though the parameters are."""

from __future__ import annotations

import re

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.overflow import leavings, origin
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.process import culprits
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.report import Finding

BEGINS = re.compile(r"min|max|lowest|least")  # a record that begins with infinity


def in_one_pass(session: TrainingSession, study: SlopeStudy) -> Finding | None:
    """Where the next pass makes a parameter, or what the program calls its loss, no number: the line that does."""
    bad = [
        key[1]
        for key, series in study.seen.items()
        if Candidate("seen", key).named > 0
        and not BEGINS.search(key[1])
        and all(v.size == 1 for v in series)
        and not np.isfinite(series).all()
    ]
    found, spoilt = session.lab(lambda lab: leavings(lab, session.found), session.found.groups, 5.0)
    event = origin(found)
    if event is None or not (spoilt or bad):
        return None
    code = session.program.loops.line(event.file, event.line).strip()
    if event.kind == "overflow":
        said = "A power grows beyond all numbers and becomes infinite; infinity divided by infinity is no number."
        fix = "subtract the largest score first, np.exp(z - z.max(axis=-1, keepdims=True)), and scale the inputs"
    elif "log" in code:
        said = "A logarithm of 0 is taken: an output rounds to exactly 0 or 1, and 0 times infinity is no number."
        fix = "keep the outputs off the ends: p = np.clip(p, 1e-12, 1 - 1e-12)"
    else:
        said = "A division or a root has no number for its result here."
        fix = "keep what is divided by, or what the root is taken of, above 0: add 1e-12"
    what = spoilt or bad[:1]
    finding = error(
        "log-of-zero",
        0.9,
        f"Within one pass NumPy meets here: {event.kind}. At its end {', '.join(what[:3])} is no finite number.",
        said,
        fix,
    )
    finding.file, finding.line, finding.code = event.file, event.line, code
    return finding


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
