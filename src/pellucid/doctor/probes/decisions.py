"""Whether a label is what the program decides itself: the step of an output, or how far that is from its target.

A step function has no slope, so that what it gives does not seem to depend on the parameters; taken for a label, it
explains the updates of a perceptron by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from pellucid.doctor.probes.losses import Candidate, Key
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.usual import PIECEWISE
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Lab, PassOutcome, PassRun, Work
from pellucid.doctor.process.parameters import Parameters

OF_TWO = (*PIECEWISE, "log", "log-logits", "absolute")  # losses of labels that take few values, and their slopes too
NEAR = 1e-3  # of its numbers and of 1, by which a parameter is nudged
FAR = 10.0  # times its largest number, by which every parameter is moved


def without_decisions(session: TrainingSession, study: SlopeStudy, best: Candidate | None) -> bool:
    """Leave the losses out whose label, or output, is a decision, if the best one is such a loss. Whether any was."""
    if best is None or best.label is None or best.frozen or best.kind not in OF_TWO:
        return False
    if _without_steps(session, study, best.output):
        return True
    label = best.label
    values = study.seen.get(label, [])
    if not values or not all(np.isin(value, (-1.0, 0.0, 1.0)).all() for value in values):
        return False
    session.known = study.known
    decided = _asked(session, lambda lab: changes(lab, session.found, label))
    if decided:
        study.candidates = [c for c in study.candidates if c.label != label]
    return decided


def _without_steps(session: TrainingSession, study: SlopeStudy, output: Key) -> bool:
    """Leave the losses of an output out that is the number of a class, and stays one when the parameters are nudged.

    0 and 1, or -1, may as well be what a unit gives that is saturated, or off.
    """
    values = study.seen.get(output, [])
    if not values or not all(map(_is_whole, values)) or all(np.isin(v, (-1.0, 0.0, 1.0)).all() for v in values):
        return False
    decided = _asked(session, lambda lab: stays_whole(lab, session.found, output))
    if decided:
        study.candidates = [c for c in study.candidates if c.output != output]
    return decided


def _asked(session: TrainingSession, work: Callable[[Lab], Work]) -> bool:
    try:
        return bool(session.lab(work, session.found.groups, 3.0))
    except Lost:
        return False


def _is_whole(value: np.ndarray) -> bool:
    return bool(np.isfinite(value).all() and np.equal(np.mod(value, 1), 0).all())


def stays_whole(lab: Lab, found: Parameters, output: Key) -> Generator[PassRun, PassOutcome, bool]:
    """In a laboratory: whether an output is a whole number wherever the parameters are, as that of an argmax is."""
    watch: Any = frozenset([output])
    plain = yield PassRun(watch=watch)
    draw = np.random.default_rng(0)
    near = {
        name: old + NEAR * (np.abs(old) + 1.0) * draw.uniform(0.5, 1.0, old.shape)
        for name in found.parameters
        if (old := plain.before.get(name)) is not None
    }
    other = yield PassRun(near, watch=watch)
    after = other.seen.get(output, [])
    return bool(after) and all(map(_is_whole, after))


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
