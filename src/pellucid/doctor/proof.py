"""The proof of a gradient mistake: some hundred steps with the right gradient, in a fork, beside as many as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.doctor.probes.recorded import by_recording
from pellucid.doctor.probes.training import Curve, Mended, by_differences, train
from pellucid.doctor.probes.usual import PIECEWISE
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import gradient

PASSES = 200
BY_MEMORY = ("AdaGrad", "RMSProp", "Adam")  # rules whose steps are no multiple of the gradient
SAME = 0.02  # of the range of a curve: two that are no farther apart are one training
ALIKE = 0.05  # the same of two that are no reason to call one of them wrong
SOME = 4  # passes, the fewest that say how often a gradient is right
MOSTLY = 0.75  # of the passes: a gradient that is wrong at ties alone is right in as many
ALONG = 0.95  # a cosine, beyond which a direction may be a slope as well, where there are several
SLOPE = 1 - 1e-6  # one of what has the direction of the slope
FEW = 400  # elements up to which the gradient may be taken by differences


def prove(finding: Finding, session: TrainingSession, judgement: gradient.Judgement, rule: str = "") -> Mended | None:
    """Put both curves into the finding, and whether the right gradient did better. `rule`: how the program updates.
    The right gradient is returned, for what may be wrong beside.

    The right gradient is that of the recorded pass; where a pass cannot be recorded and the parameters are few, by
    differences.
    """
    found, candidate = session.found, judgement.candidate
    rate = abs(judgement.ratio)
    elements = sum(found.groups[name].size for name in found.parameters)
    if not np.isfinite(rate) or rate <= 0:
        return None
    still = any(verdict == "zero" for verdict in judgement.verdicts.values())
    by_memory = rule in BY_MEMORY and bool(judgement.wrong) and not still
    ways: list[Any] = [by_recording(found, candidate)]
    if elements <= FEW:
        ways.insert(0 if elements <= 40 else 1, by_differences(found, candidate))
    for way in ways:
        seconds = min(8.0, session.left() / 4)
        if seconds < 0.5:
            return None
        how = {"gradient": way, "rate": None if by_memory else rate, "wrong": judgement.wrong}
        try:
            better = _trained(session, candidate, PASSES, seconds, "with the right gradient", **how)
            if len(better.losses) < 3:
                continue
            was = _trained(session, candidate, len(better.losses), seconds, "as it is")
        except Lost:
            continue
        finding.fork = {"what": candidate.title, "as it is": was.losses, "with the right gradient": better.losses}
        finding.verified = better.last < 0.98 * was.last or (was.last > was.start and better.last < better.start)
        if not finding.verified:
            finding.notes.append(UNPROVED)
        return Mended(way, how["rate"], tuple(judgement.wrong))
    return None


UNPROVED = "With the right gradient a fork did no better in as many passes, so the curves prove nothing either way."
LEARNS = 0.3  # of the loss at the beginning


def rest_is_wrong(findings: list[Finding]) -> bool:
    """Whether a fork with the right gradient learns nothing to speak of, either: something else is wrong beside."""
    curves = [f.fork["with the right gradient"] for f in findings if f.fork and "with the right gradient" in f.fork]
    return bool(curves) and not any(
        np.mean(c[: max(1, len(c) // 10)]) - np.mean(c[-max(1, len(c) // 10) :])
        > LEARNS * abs(np.mean(c[: max(1, len(c) // 10)]))
        for c in curves
    )


def _trained(session: TrainingSession, candidate: Any, passes: int, seconds: float, what: str, **more: Any) -> Curve:
    found = session.found
    return session.lab(
        lambda lab: train(lab, found, candidate, passes, seconds * 0.85, what, **more), found.groups, seconds
    )


def rests_aloft(finding: Finding, judgement: gradient.Judgement) -> bool:
    """Whether a program that seems to climb a loss of decisions comes to rest where that has a slope: it decides
    otherwise, such as at a threshold of its own, and its rows are right.

    Or it seems to climb a loss of two values that it never compares, and going down is no better: it climbs something
    else on purpose, as a policy gradient does.
    """
    if finding.cause != "loss-sign-flipped" or judgement.candidate.is_seen:
        return False
    if finding.verified is False and not judgement.candidate.subtracted:
        return True
    if judgement.candidate.kind not in PIECEWISE:
        return False
    curve = (finding.fork or {}).get("as it is", [])
    return any(curve[i] > 0 and len(set(curve[i : i + AT_REST])) == 1 for i in range(len(curve) - AT_REST + 1))


AT_REST = 4  # passes in a row whose loss is one number


def at_ties(finding: Finding, judgement: gradient.Judgement) -> bool:
    """Whether each tensor follows the slope in nearly all passes, and the right gradient trains by the same curve.

    A maximum of equal numbers and a kink have several slopes, of which a program may take any: no mistake.
    """
    curves = [np.array(curve) for name, curve in (finding.fork or {}).items() if name != "what"]
    if finding.cause != "wrong-backward" or len(curves) != 2 or len(curves[0]) != len(curves[1]):
        return False
    for name in judgement.wrong:
        told = [i for i, cell in enumerate(judgement.cells[name]) if cell.state != "silent"]
        right = sum(gradient.follows(judgement, name, i) for i in told)
        if judgement.verdicts[name] != "partly" or len(told) < SOME or right < MOSTLY * len(told):
            return False
    return bool(np.abs(curves[0] - curves[1]).max() <= SAME * np.ptp(curves[0]))


def changes_nothing(finding: Finding) -> bool:
    """Whether the right gradient trains no better, by nearly the same curve: what is wrong is no reason why a program
    does not learn."""
    curves = [np.array(curve) for name, curve in (finding.fork or {}).items() if name != "what"]
    if finding.verified is not False or len(curves) != 2 or len(curves[0]) != len(curves[1]):
        return False
    return bool(np.abs(curves[0] - curves[1]).max() <= ALIKE * np.ptp(curves[0]))


def hardly_told(finding: Finding) -> bool:
    """Whether all that is known of a mistake is that some tensors are moved nearly along the slope: as where numbers
    tie for a maximum, and there was no time to record a pass or to train by the slope."""
    if finding.cause != "wrong-backward" or finding.mistake not in ("", "unknown") or finding.fork:
        return False
    across = [tensor.get("cosine", 0.0) for tensor in finding.tensors if tensor["verdict"] == "across"]
    others = {tensor["verdict"] for tensor in finding.tensors} - {"across", "right", "unknown"}
    return not others and bool(across) and min(across) > ALONG


def only_rates(finding: Finding) -> bool:
    """Whether each tensor is moved along the slope, and only how far differs from the others: which may be meant."""
    known = [tensor for tensor in finding.tensors if tensor["verdict"] not in ("right", "unknown")]
    return bool(known) and all(t["verdict"] == "across" and t.get("cosine", 0.0) > SLOPE for t in known)


def as_note(finding: Finding) -> Finding:
    """What is left to say of a gradient that differs at ties alone."""
    text = "At a maximum of equal numbers, or at a kink, there are several slopes; the training goes on alike with any."
    return replace(
        finding, severity="info", confidence=0.3, mistake="", explanation=text, fix="", details=[], notes=[], file=None,
        line=None, code="",
    )  # fmt: skip
