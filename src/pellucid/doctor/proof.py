"""The proof of a gradient mistake: some hundred steps with the right gradient, in a fork, beside as many as it was."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.doctor.probes.recorded import by_recording
from pellucid.doctor.probes.training import Curve, by_differences, train
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import gradient

PASSES = 200
FEW = 400  # elements up to which the gradient may be taken by differences


def prove(finding: Finding, session: TrainingSession, judgement: gradient.Judgement) -> None:
    """Put both curves into the finding, and whether the right gradient did better.

    The right gradient is that of the recorded pass; where a pass cannot be recorded and the parameters are few, by
    differences.
    """
    found, candidate = session.found, judgement.candidate
    rate = abs(judgement.ratio)
    elements = sum(found.groups[name].size for name in found.parameters)
    if not np.isfinite(rate) or rate <= 0:
        return
    ways: list[Any] = [by_recording(found, candidate)]
    if elements <= FEW:
        ways.insert(0 if elements <= 40 else 1, by_differences(found, candidate))
    for way in ways:
        seconds = min(8.0, session.left() / 4)
        if seconds < 0.5:
            return
        try:
            better = _trained(session, candidate, PASSES, seconds, "with the right gradient", gradient=way, rate=rate)
            if len(better.losses) < 3:
                continue
            was = _trained(session, candidate, len(better.losses), seconds, "as it is")
        except Lost:
            continue
        finding.fork = {"what": candidate.title, "as it is": was.losses, "with the right gradient": better.losses}
        finding.verified = better.last < 0.98 * was.last or (was.last > was.start and better.last < better.start)
        return


def _trained(session: TrainingSession, candidate: Any, passes: int, seconds: float, what: str, **more: Any) -> Curve:
    found = session.found
    return session.lab(
        lambda lab: train(lab, found, candidate, passes, seconds * 0.85, what, **more), found.groups, seconds
    )
