"""What is said of a wrong gradient, where one statement written otherwise makes the updates follow the slope: its line,
and what to write there."""

from __future__ import annotations

from dataclasses import replace

from pellucid.doctor.naming import telling
from pellucid.doctor.probes.one_change import Change, changes
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.trials import as_studied
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import gradient

MISTAKES = {
    "sign": "sign",
    "transpose": "transpose",
    "swap": "swapped-tensors",
    "name": "swapped-tensors",
    "point": "derivative-at-wrong-point",
    "index": "stale-value",
    "mask": "wrong-mask",
    "factor": "constant-factor",
    "scale": "constant-factor",
    "derivative": "derivative-at-wrong-point",
    "term": "dropped-term",
    "dtype": "zero-gradient",
}
UNNAMED = ("", "unknown")
MOST = 8.0  # seconds


def place(
    findings: list[Finding], session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy
) -> list[Finding]:
    """These findings, each at the statement whose change mends what is wrong, where there is one."""
    wrong = [found for found in findings if found.cause == "wrong-backward" and found.mistake != "updated-too-early"]
    seconds = min(MOST, session.left() / 4)
    if not wrong or not judgement.wrong or session.found.batches or seconds < 1:
        return findings
    groups = session.found.groups
    source = Assignments.of(session.program.loops.sources)
    lines = [line for name in judgement.wrong if name in groups for line in source.slice(groups[name], 8)]
    told = [(found.file, found.line) for found in wrong if found.file is not None and found.line is not None]
    scales = [1 / factor for factor in judgement.factors.values() if factor]
    loop = session.program.loops.loops[session.number]
    try:
        made: list[Change] = session.lab(
            lambda lab: as_studied(
                session,
                lab,
                changes(
                    lab, session.found, judgement.candidate, seen, telling(judgement, seen), loop,
                    list(dict.fromkeys(lines)), told, list(dict.fromkeys(scales)),
                ),
            ),
            groups,
            seconds,
        )  # fmt: skip
    except Lost:
        return findings
    if not made:
        return findings
    return _said(findings, wrong, made, session)


def _said(findings: list[Finding], wrong: list[Finding], made: list[Change], session: TrainingSession) -> list[Finding]:
    """The findings with what the changes say; one more for a change that none of them speaks of."""
    left, whole = list(wrong), replace(wrong[0], notes=[], details=[])
    placed: list[Finding] = []
    for change in made:
        own = next((f for f in left if (f.file, f.line) == (change.file, change.line)), None)
        own = own or next((f for f in left if {row["name"] for row in f.tensors} & {*change.tensors}), None)
        own = own or (left[0] if left else replace(whole, mistake=""))
        left = [f for f in left if f is not own]
        _put(own, change, session)
        placed.append(own)
    rest = [f for f in findings if f not in wrong]
    return [*placed, *([] if made[-1].whole else left), *rest]


def _put(finding: Finding, change: Change, session: TrainingSession) -> None:
    at = (change.file, change.line)
    if finding.mistake in UNNAMED:
        finding.mistake = MISTAKES.get(change.kind, "unknown")
    finding.file, finding.line = at
    finding.code = session.program.loops.line(*at)
    finding.fix = change.text
    what = "all updates follow" if change.whole else f"the update of {', '.join(change.tensors)} follows"
    finding.notes.append(f"In a pass that was run with `{change.text}` in line {change.line}, {what} the slope.")
