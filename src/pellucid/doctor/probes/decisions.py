"""Whether a label is what the program decides itself: the step of an output, or how far that is from its target.

A step function has no slope, so that what it gives does not seem to depend on the parameters; taken for a label, it
explains the updates of a perceptron by chance.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from pellucid.doctor.probes.losses import Candidate, Key
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.usual import PIECEWISE
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Lab, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters

OF_TWO = (*PIECEWISE, "log", "log-logits", "absolute")  # losses of labels that take few values, and their slopes too
FAR = 10.0  # times its largest number, by which every parameter is moved


def without_decisions(session: TrainingSession, study: SlopeStudy, best: Candidate | None) -> bool:
    """Leave the losses out whose label is a decision, if the best one is such a loss. Whether any was left out."""
    if best is None or best.label is None or best.frozen or best.kind not in OF_TWO:
        return False
    label = best.label
    values = study.seen.get(label, [])
    if not values or not all(np.isin(value, (-1.0, 0.0, 1.0)).all() for value in values):
        return False
    found = session.found
    session.known = study.known
    try:
        decided = session.lab(lambda lab: changes(lab, found, label), found.groups, 3.0)
    except Lost:
        return False
    if decided:
        study.candidates = [c for c in study.candidates if c.label != label]
    return decided


def changes(lab: Lab, found: Parameters, label: Key) -> Generator[PassRun, PassOutcome, bool]:
    """In a laboratory: whether a label changes where the parameters are far from what they are."""
    watch: Any = frozenset([label])
    plain = yield PassRun(watch=watch)
    for sign in (1.0, -1.0):
        far = {
            name: old + sign * (FAR * np.abs(old).max(initial=0.0) + 1.0)
            for name in found.parameters
            if (old := plain.before.get(name)) is not None
        }
        other = yield PassRun(far, watch=watch)
        before, after = plain.seen.get(label, []), other.seen.get(label, [])
        if not after or any(not np.array_equal(a, b) for a, b in zip(before, after, strict=False)):  # it may err less
            return True
    return False
