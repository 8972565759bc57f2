"""What slopes say of the passes of a program: as it is, in a regime where they tell more, and done otherwise."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from pellucid.doctor import conditions
from pellucid.doctor.conditions import regime
from pellucid.doctor.probes import batches
from pellucid.doctor.probes.decisions import without_decisions
from pellucid.doctor.probes.noise import drawn
from pellucid.doctor.probes.otherwise import early, turned, written
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.slopes import study
from pellucid.doctor.probes.trials import Change, as_studied
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Lab
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import gradient


def judged(
    session: TrainingSession, loss: str | None, case: conditions.Case | None = None, made: tuple[Change, ...] = ()
) -> tuple[SlopeStudy, gradient.Judgement | None]:
    """The study of some passes, and what it says; in another regime, with these changes made first."""
    found = session.found
    _of_batches(session)

    def work(lab: Lab) -> Any:
        steps = study(lab, found, loss)
        if case is not None:
            return regime.under(lab, case, made, steps)
        return as_studied(session, lab, steps)

    seconds = max(12.0, 16 * found.seconds)  # where a pass takes long, at least one is to be studied
    seen = session.lab(work, found.groups, min(seconds, session.left() / 2))
    judgement = gradient.judge(seen)
    while without_decisions(session, seen, judgement.candidate if judgement is not None else None):
        judgement = gradient.judge(seen)
    return seen, judgement


def _of_batches(session: TrainingSession) -> None:
    """Find out whether the gradients of several passes are added up on purpose."""
    found = session.found
    names = batches.may_add_up(found)
    if names and not found.batches and found.seconds < batches.QUICK:
        with contextlib.suppress(Lost):
            if session.lab(lambda lab: batches.added_up(lab, names), found.groups, 3.0):
                found.batches = tuple(names)


def where_slopes_tell(
    session: TrainingSession, loss: str | None, seen: SlopeStudy, judgement: gradient.Judgement | None
) -> tuple[SlopeStudy, gradient.Judgement | None]:
    """The judgement in a regime where slopes tell something, if the gradient is right there."""
    case = conditions.Case.of(session, judgement, seen)
    made = regime.changes(case, judgement)
    if not made:
        return seen, judgement
    try:
        other, there = judged(session, loss, case, made)
    except Lost:
        return seen, judgement
    if there is None or there.climbs or not gradient.tells(there):
        return seen, judgement
    if not there.wrong:
        session.suspected = regime.of_inputs(case, there)
        session.only_there = judgement is None
        return other, there
    known = judgement is not None and gradient.explains_some(judgement) and gradient.tells(judgement)
    if not known and gradient.explains_some(there) and (unscaled := regime.of_inputs(case, there)) is not None:
        conditions.rewind(session)  # from here on the program itself stands there, and what is wrong there is reported
        for change in made:
            change(session.scope)
        session.beside.append(unscaled)
        return other, there
    return seen, judgement


def done_otherwise(
    session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy
) -> tuple[gradient.Judgement, Finding] | None:
    """What has to be done otherwise in the pass for all updates to follow the slope: a loop goes through its values in
    reverse, or a parameter is updated at the end."""
    loss, wrong = judgement.candidate, ", ".join(judgement.wrong)
    found, early_one = turned(session, seen.passes, loss), False
    if found is None:
        found, early_one = early(session, seen.passes, loss), True
    if found is None:
        return None
    code = session.program.loops.line(found.file, found.line)
    if early_one:
        said = f"in which {found.what} keeps its value until the end of the pass"
        explanation = (
            f"{found.what} is updated before the gradients of the pass are complete, which are computed with it."
        )
        mistake, fix = "updated-too-early", f"update {found.what} when all gradients of the pass are known"
    else:
        said = "in which this loop goes through its values in reverse"
        explanation = "The way back goes the way of the forward pass: each gradient is handed to the wrong one."
        mistake = "missing-step" if found.what == "numbers" else "stale-value"
        fix = next(written(code), "go through it in reverse")
    finding = Finding(
        "wrong-backward",
        "error",
        0.95,
        f"In a fork {said}, every update follows the slope of {loss.title}; as it is, those of {wrong} do not.",
        explanation,
        fix,
        found.file,
        found.line,
        code,
        mistake=mistake,
        tensors=[{"name": name, "verdict": "across", "said": ""} for name in judgement.wrong],
    )
    return replace(judgement, ratio=found.rate), finding


def drawn_at_random(session: TrainingSession, judgement: gradient.Judgement) -> set[str]:
    found = session.found
    try:
        return session.lab(lambda lab: drawn(lab, found, judgement.candidate), found.groups, 3.0)
    except Lost:
        return set()
