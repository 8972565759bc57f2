"""The causes that need no gradient: what the data, the first values, the rate and the length of a training make of it.

Asked where the gradient is right. What a program does when left alone comes first: one that has arrived, with hardly
any loss left or nearly all rows right, is not asked whether it could do better, unless the size of its inputs leaves
most of the loss of numbers that it predicts; and of one that learns only what leaves a good part of the gain is a fault
(`learning.worthwhile`). Each cause of the table (`causes`) is asked, the first that
a fork confirms is kept, and the search goes on with its remedy until the training learns.
"""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions.case import LONGEST, MOST_PASSES, Case, Found, at
from pellucid.doctor.conditions.causes import CAUSES, Cause, diverging, domain, finite, mixed, rate, silent, symmetry
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.training import Mended
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.probes.trials import rewind as put_back
from pellucid.doctor.process import origins
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import gradient

__all__ = [
    "CAUSES",
    "Case",
    "Cause",
    "Found",
    "look",
    "no_number",
    "of_outputs",
    "rewind",
    "runs_away",
    "spoilt",
    "strayed",
]

SLOW = 0.5  # seconds that a pass takes, from which on only its loss is looked at: hundreds of passes are out of reach
ENOUGH = 14  # passes, in which most programs that learn lose a part of their loss that is no accident
MOST_CAUSES = 2  # of those that need a remedy: with more at once, the forks say little


def spoilt(session: TrainingSession) -> Finding | None:
    """Data with NaN in it: nothing can be measured then."""
    try:
        found = finite.at_once(session)
    except Lost:
        return None
    if found is None:
        return None
    finding, name = found
    at(finding, origins.made_at(session.program.loops.sources, name))
    if finding.file is not None and finding.line is not None:
        finding.code = session.program.loops.line(finding.file, finding.line)
    return finding


# What is wrong by the labels, which are none where a loss that explains the updates was merely guessed.
OF_LABELS = ("labels-misaligned", "output-range-mismatch", "labels-out-of-range")


def _is_of_labels(found: Finding) -> bool:
    """Whether a finding is nothing without labels: which actions are taken most, is no imbalance of classes."""
    return found.cause == "class-imbalance" or (not found.verified and found.cause in OF_LABELS)


def no_number(session: TrainingSession, study: SlopeStudy) -> Finding | None:
    """The line that makes a parameter or the loss NaN or infinite within one pass."""
    try:
        return domain.in_one_pass(session, study)
    except Lost:
        return None


def runs_away(session: TrainingSession) -> Finding | None:
    """Parameters that become infinite or NaN, an output that is 0 or one number for all rows: asked where nothing else
    is known of the updates."""
    for cause in (diverging, silent, mixed):
        try:
            found = cause.find(session) if session.left() > cause.LONGEST else None
        except Lost:
            continue
        if found is not None:
            return found
    return None


def of_outputs(session: TrainingSession, judgement: gradient.Judgement | None, study: SlopeStudy) -> list[Finding]:
    """What is wrong about the outputs and labels of the first pass already, whatever the gradient is."""
    case = Case.of(session, judgement, study)
    if _ask(case, "outputs") and all(finding.cause != "symmetric-init" for finding in case.findings):
        case.findings += symmetry.seen(case)
    return case.findings


def look(
    session: TrainingSession,
    judgement: gradient.Judgement,
    study: SlopeStudy,
    stages: tuple[str, ...] = ("data", "training"),
    mended: Mended | None = None,
) -> list[Finding]:
    """The findings, the one to begin with first; by the right gradient, where the program's is `mended`."""
    try:
        case = Case.of(session, judgement, study)
        case.mended = mended
        return _look(case, stages)
    except Lost:
        session.unfinished = True
        return []


def rewind(session: TrainingSession) -> None:
    """Put the parameters of the program itself back to what they were at first."""
    put_back(session.found, session.controller.scout.loops[session.number].initial, session.scope)
    session.returned = True


def strayed(session: TrainingSession, times: float = 30.0) -> bool:
    """Whether a few passes took a parameter far away from where it began, by its own size."""
    initial = session.controller.scout.loops[session.number].initial
    for name in session.found.parameters:
        old, now = initial.get(name), session.found.groups[name].read(session.scope)
        if old is not None and old.shape == now.shape:
            size = float(np.linalg.norm(old)) or float(np.sqrt(old.size))  # what begins at 0 may well come to 1
            if not float(np.linalg.norm(now - old)) < times * size:
                return True
    return False


def _look(case: Case, stages: tuple[str, ...]) -> list[Finding]:
    session = case.session
    if session.found.seconds < SLOW:
        case.look_for_outputs()
    seconds = max(1.0, min(LONGEST, session.left() / 6))
    case.as_is = case.was = case.run(Remedy(), MOST_PASSES, seconds, case.asked)
    if case.as_is.passes < ENOUGH and case.as_is.finite and not case.as_is.ended:
        more = min(1.2 * ENOUGH * case.as_is.seconds / case.as_is.passes, 0.6 * session.left())
        if more > 1.5 * case.as_is.seconds:
            case.as_is = case.was = case.run(Remedy(), ENOUGH, more, case.asked)
    session.ended_by = (case.as_is.passes, case.as_is.ended_by)
    case.frozen = case.run(Remedy(scale=0.0), case.burst, 1.5)
    if case.keys.labels is not None and not (
        case.candidate.frozen or case.candidate.both
    ):  # what a pass computes is no data
        seen = _observed(case)
        if probe.left_over(seen):
            excluded = frozenset(session.found.groups)
            case.keys = probe.other_inputs(case.keys, case.study.seen, case.study.depends, excluded)
            seen = _observed(case)
        case.data = probe.without_labels(seen)
        _ask(case, "data")
    if "training" in stages and not (case.findings and case.findings[0].severity == "error"):
        for _ in range(MOST_CAUSES):
            if session.left() < 3 or (case.learns and (case.findings or case.arrived)):
                break
            if not _ask(case, "training"):
                break
        if not case.findings and case.arrived and session.left() > 3:
            _ask(case, "arrived")
    session.unfinished = not case.findings and session.left() < 3 and case.was.finite and not case.learns
    right = "training" in stages and case.mended is None  # the data alone is asked of a gradient that is not known
    if not case.findings and right and (wild := rate.blown_up(case)) is not None:
        case.add(wild)
    session.blown_up = not case.findings and "training" in stages and _blown_up(case)
    session.inputs_unseen = case.inputs is None
    session.gets_to_a_guess = case.as_is.passes if not case.findings and case.ends_at_a_guess else 0
    if right:
        _ask(case, "evaluation")
    loop = session.program.loops.loops[session.number]
    for finding in case.findings:  # what no statement shows is still a fault of this training
        if finding.line is None:
            finding.file, finding.line = loop.file, loop.line
    return case.findings


def _observed(case: Case) -> probe.SeenData:
    """The rows that some passes see."""
    keys, groups = case.keys, case.session.found.groups
    return case.session.lab(lambda lab: probe.observe(lab, keys, case.candidate, 400, 2.0), groups, 4.0)


def _blown_up(case: Case) -> bool:
    """Whether the loss is no number any more; of a loss that the program does not compute, whether a parameter is none.

    A usual loss of values that a branch leaves out is no number where they are missing, and the program is none the
    worse for it.
    """
    if case.candidate.is_seen:
        return bool(case.was.losses) and not case.was.finite
    return not all(np.isfinite(values).all() for values in case.was.values.values())


def _ask(case: Case, when: str) -> bool:
    """Ask the causes of a stage; in "training" up to the first that is confirmed. Whether one was."""
    any_found = False
    for cause in CAUSES:
        known = {finding.cause for finding in case.findings}
        if cause.when != when or known & set(cause.names) or case.session.left() < 2:
            continue
        try:
            found = cause.find(case)
        except Lost:
            continue
        if isinstance(found, Finding) and case.labels_are_guessed and _is_of_labels(found):
            continue
        if isinstance(found, Found):
            case.add(found.finding)
            case.so_far, case.was = case.so_far.and_(found.remedy), found.trial
        elif found is not None:
            case.add(found)
        if found is not None:
            any_found = True
            if when == "training":
                break
    return any_found
