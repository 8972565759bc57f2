"""The examination of a program that stands at the head of a pass of its training loop."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pellucid.doctor import conditions, engines
from pellucid.doctor.conditions import regime
from pellucid.doctor.probes.noise import drawn
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.recorded import Autopsy, Named, autopsy
from pellucid.doctor.probes.slopes import study
from pellucid.doctor.probes.trials import Change, gently
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.clock import OutOfTime, until
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Lab
from pellucid.doctor.process.source import Assignments, draws_units, suspect, undoing
from pellucid.doctor.progress import NO_GRADIENT, NO_LOOP, UNTOLD, Progress, facts_of, loss_facts, no_such_loss
from pellucid.doctor.proof import prove
from pellucid.doctor.repairs import repairs
from pellucid.doctor.report import Finding, Report
from pellucid.doctor.rules import backward, gradient, update

FACTORS = ("sign", "constant-factor", "batch-factor", "zero-gradient", "swapped-tensors")
OF_A_STEP = ("missing-activation-derivative", "derivative-at-wrong-point", "wrong-mask", "dropped-term")


@dataclass
class Options:
    """What was asked for: the loss by name, and how long it may take."""

    loss: str | None = None
    budget: float = 60.0
    conditions: bool = True  # whether to look for what needs a whole program: its data, its epochs


def examine(session: TrainingSession, options: Options) -> Report:
    """Measure, judge, prove. Whatever goes wrong here is said to be the doctor's fault, not the program's."""
    progress = Progress(facts_of(session))
    try:
        if not options.conditions:  # a step of a program that goes on: its alarms are its own
            return _examine(session, options, progress)
        with until(session.deadline + SPARE):
            return _examine(session, options, progress)
    except OutOfTime:
        report = progress.report
        report.reason = report.reason or UNTOLD
        return report
    except Exception as error:  # noqa: BLE001 (an error of our own must not look like one of the user's program)
        shown = "".join(traceback.format_exception_only(error)).strip()
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"The doctor itself failed, which is a mistake of pellucid: {shown} ({place.filename}:{place.lineno})"
        return Report("inconclusive", facts=facts_of(session), reason=reason)


SPARE = 1.0  # seconds beyond the deadline, which the last answers may take
SLOW = 150  # passes that the slopes of a loss and the proof may take


def _examine(session: TrainingSession, options: Options, progress: Progress) -> Report:
    started = time.monotonic()
    facts = progress.facts
    whole = options.conditions
    if whole:
        spoilt = conditions.spoilt(session)
        if spoilt is not None:
            return Report("faults", [spoilt], facts, time.monotonic() - started)
        if conditions.strayed(session, FAR):
            conditions.rewind(session)  # where numbers overflow, no slope tells anything
    rules = engines.findings(session) if engines.has_engine(session) else []
    if rules:
        progress.wrong(rules)
        if session.found.seconds * SLOW > session.left():  # a rule that was tried by itself needs no slopes
            return progress.report
    try:
        try:
            seen, judgement = _judged(session, options)
        except Lost:
            if not whole or session.returned:
                raise
            conditions.rewind(session)
            seen, judgement = _judged(session, options)
        doubtful = judgement is None or bool(judgement.wrong)
        partly = judgement is not None and "partly" in judgement.verdicts.values()
        if whole and doubtful and not session.returned and (partly or conditions.strayed(session)):
            conditions.rewind(session)  # nor where all units are saturated
            seen, judgement = _judged(session, options)
    except Lost as lost:
        if rules:
            return progress.report
        return Report("inconclusive", facts=facts, reason=f"the pass could not be repeated: {lost}")
    if judgement is None and rules:
        return progress.report
    session.known = seen.known
    if whole and session.doubtful and (judgement is None or not gradient.explains_some(judgement)):
        return Report("inconclusive", reason=NO_LOOP)
    odd = conditions.of_outputs(session, judgement, seen) if whole else []
    if whole and not odd and (judgement is None or judgement.wrong):
        seen, judgement = _where_slopes_tell(session, options, seen, judgement)
    if options.loss is not None and judgement is not None and not judgement.candidate.is_called(options.loss):
        return Report("inconclusive", facts=facts, reason=no_such_loss(options.loss, seen))
    if judgement is not None:
        facts |= loss_facts(judgement)
        if seen.passes and (rule := update.of(seen, judgement)):
            facts["update"] = rule
        if not judgement.wrong and not judgement.climbs and gradient.tells(judgement):
            progress.right(judgement, len(seen.passes))
    if odd:
        return Report("faults", odd, facts, time.monotonic() - started)
    if judgement is None and not seen.passes and not seen.complete:
        return Report("inconclusive", facts=facts, reason=UNTOLD)
    if judgement is None:
        return Report(
            "inconclusive",
            facts=facts,
            reason="No number that was seen in a pass, and no usual loss of what was seen, depends on the parameters. "
            "Name the loss: pellucid doctor SCRIPT --loss NAME",
        )
    findings = backward.findings(judgement, seen, session.found, _sizes(seen, session.found))
    wrong_rules = bool(rules) and any(finding.cause == rules[0].cause for finding in findings)
    if wrong_rules:
        findings = rules
    random = _drawn(session, judgement) if judgement.wrong else set[str]()
    depends = {key[1].split(".")[-1] for key in seen.depends}
    units = bool(judgement.wrong) and draws_units(session.program.loops.sources, depends)
    if judgement.wrong and (random >= set(judgement.wrong) or units):
        names = ", ".join(judgement.wrong)
        return Report(
            "inconclusive",
            facts=facts,
            reason=f"The updates of {names} are drawn at random in part, so no slope of a loss can be compared with "
            "them. Where that is meant, as in a policy gradient or an evolution, nothing is wrong with it; where it is "
            "not, run it without the noise.",
        )
    more: list[Finding] = []
    if not wrong_rules:
        more = [other for finding in findings for other in _explain(finding, session, judgement, seen)]
    if all(_sure(finding, judgement, options) for finding in findings):
        if findings:
            progress.wrong([*findings, *more])
        for finding in findings:
            prove(finding, session, judgement)
        for other in more:  # one fork has the right gradient of all tensors
            other.fork, other.verified = findings[0].fork, findings[0].verified
        findings += more
        if whole and not any(finding.severity == "error" for finding in findings):
            findings += conditions.look(session, judgement, seen)
        elif whole and all(finding.verified is False for finding in findings):
            findings = _doubted(findings, conditions.look(session, judgement, seen))
    else:
        findings = []
        if whole:  # what is wrong with the data is so whatever the gradient is
            findings = [f for f in conditions.look(session, judgement, seen, ("data",)) if f.severity == "error"]
        if not findings:
            return Report(
                "inconclusive",
                facts=facts,
                reason=f"No usual loss explains the updates; {judgement.candidate.title} comes nearest. "
                "Name the loss, as a variable that holds it in each pass: pellucid doctor SCRIPT --loss NAME. "
                f"{NO_GRADIENT}.",
            )
    if not findings and session.unfinished:
        return Report(
            "inconclusive",
            facts=facts,
            reason="The gradient is right, but the time was up before every cause of a loss that hardly moves was "
            "tried. Give it more: pellucid doctor SCRIPT --budget 300",
        )
    if not findings and session.blown_up:
        return Report(
            "inconclusive",
            facts=facts,
            reason="The gradient is right, but the loss becomes infinite or no number, and nothing that was tried in "
            "forks (a lower rate, scaled inputs, other first weights) prevents that.",
        )
    faults = any(f.severity == "error" or (f.severity == "warning" and f.verified) for f in findings)
    return Report("faults" if faults else "healthy", findings, facts, time.monotonic() - started)


def _doubted(findings: list[Finding], others: list[Finding]) -> list[Finding]:
    """With the right gradient a fork went no better: a condition that one confirmed goes before what slopes said.

    Where numbers overflow or units are saturated, slopes mislead.
    """
    confirmed = [finding for finding in others if finding.verified]
    if not confirmed:
        return findings
    if all(_is_named(finding) for finding in findings):  # correctness first: what is wrong is wrong beside all else
        return [*findings, *confirmed]
    for finding in findings:
        finding.severity, finding.confidence = "info", 0.3
    return [*confirmed, *findings]


def _is_named(finding: Finding) -> bool:
    """Whether a mistake that was made on purpose in the recorded pass gave exactly the numbers of the program."""
    kinds = {row["mistake"] for row in finding.details}
    return bool(kinds) and not kinds & {"unknown", *FACTORS}


FAR = 1000.0  # times its first size, which no parameter reaches by training that goes well


def _judged(
    session: TrainingSession, options: Options, case: conditions.Case | None = None, made: tuple[Change, ...] = ()
) -> tuple[SlopeStudy, gradient.Judgement | None]:
    """The study of some passes, and what it says; in another regime, with these changes made first."""
    found = session.found

    def work(lab: Lab) -> Any:
        steps = study(lab, found, options.loss)
        if case is not None:
            return regime.under(lab, case, made, steps)
        return gently(lab, found, steps) if session.returned else steps

    seconds = max(12.0, 16 * found.seconds)  # where a pass takes long, at least one is to be studied
    seen = session.lab(work, found.groups, min(seconds, session.left() / 2))
    return seen, gradient.judge(seen)


def _where_slopes_tell(
    session: TrainingSession, options: Options, seen: SlopeStudy, judgement: gradient.Judgement | None
) -> tuple[SlopeStudy, gradient.Judgement | None]:
    """The judgement in a regime where slopes tell something, if the gradient is right there."""
    case = conditions.Case.of(session, judgement, seen)
    made = regime.changes(case)
    if not made:
        return seen, judgement
    try:
        other, there = _judged(session, options, case, made)
    except Lost:
        return seen, judgement
    if there is not None and not there.wrong and not there.climbs and gradient.tells(there):
        return other, there
    return seen, judgement


def _explain(
    finding: Finding, session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy
) -> list[Finding]:
    """Where a finding about the gradient is, and what mistake it is; further mistakes are findings of their own."""
    more: list[Finding] = []
    _place(finding, session, judgement, seen)
    if finding.cause == "wrong-backward":
        more = _name(finding, session, judgement, seen)
    elif finding.cause == "loss-sign-flipped":
        _where_it_turns(finding, session, judgement, seen)
    for found in (finding, *more):
        if found.mistake in ("missing-activation-derivative", "derivative-at-wrong-point"):
            _in_own_names(found, session)
    return more


def _drawn(session: TrainingSession, judgement: gradient.Judgement) -> set[str]:
    found = session.found
    try:
        return session.lab(lambda lab: drawn(lab, found, judgement.candidate), found.groups, 3.0)
    except Lost:
        return set()


def _sure(finding: Finding, judgement: gradient.Judgement, options: Options) -> bool:
    """Whether a program may be called wrong: by a loss that explains a part of it, or that was named; or by a mistake
    that, made on purpose, gives exactly the numbers that were found."""
    if finding.cause != "wrong-backward" or _trusted(judgement) or finding.confidence == engines.CERTAIN:
        return True
    asked = options.loss is not None and judgement.candidate.is_seen
    named = {row["tensor"] for row in finding.details if row["mistake"] != "unknown"}
    return asked or (bool(named) and named >= set(judgement.wrong))


def _in_own_names(finding: Finding, session: TrainingSession) -> None:
    """What to write instead of the line, by the names of the program."""
    source = session.program.loops.sources.get(finding.file or "", "")
    changed = list(repairs(finding, source))
    if len(changed) == 1 and finding.line is not None:
        finding.fix = changed[0].splitlines()[finding.line - 1].strip()


def _trusted(judgement: gradient.Judgement) -> bool:
    """Whether the loss is known well enough to call a program wrong by it."""
    return not judgement.wrong or gradient.explains_some(judgement)


def _sizes(seen: SlopeStudy, found: Any) -> set[int]:
    """Lengths of axes of what was seen, but for those of the parameters: a batch may be one of them."""
    sizes = {n for series in seen.seen.values() for value in series[:1] for n in value.shape}
    sizes |= {len(series) for series in seen.seen.values()}
    return {n for n in sizes if n > 1}


def _place(
    finding: Finding,
    session: TrainingSession,
    judgement: gradient.Judgement,
    seen: SlopeStudy,
    tensors: Sequence[str] = (),
) -> None:
    """The line, by the source; of these tensors, or of all that are wrong."""
    groups = session.found.groups
    source = Assignments.of(session.program.loops.sources)
    wrong = [groups[name] for name in (tensors or judgement.wrong or judgement.verdicts) if name in groups]
    right = (
        [groups[name] for name, verdict in judgement.verdicts.items() if verdict == "right"] if judgement.wrong else []
    )
    at = suspect(source, wrong, right)
    moved = [line for group in wrong for line in seen.update_lines.get(group.name, ())]
    if at is None and moved:  # nothing in the source says more than where it was moved
        at = moved[0]
    if finding.cause == "loss-sign-flipped":
        at = source.climbing(wrong) or at
    elif finding.mistake == "sign":
        at = source.other_way(wrong, right) or at
    if at is not None:
        _put(finding, session, at)


def _put(finding: Finding, session: TrainingSession, at: tuple[str, int]) -> None:
    finding.file, finding.line = at
    finding.code = session.program.loops.line(*at)


def _name(finding: Finding, session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy) -> list[Finding]:
    """The mistake and its line, by a recording of the pass; further mistakes, each of other tensors, are returned."""
    found = session.found
    index = next(
        (i for i, entry in enumerate(seen.passes) if any(_is_wrong(judgement, name, i) for name in judgement.wrong)), 0
    )
    entry = seen.passes[index]
    sizes = _sizes(seen, found)
    files = session.program.loops.sources
    agreed = [name for name, verdict in judgement.verdicts.items() if verdict == "right"]
    untold = [name for name, verdict in judgement.verdicts.items() if verdict == "unknown"]
    try:
        result: Autopsy = session.lab(
            lambda lab: autopsy(
                lab,
                found,
                judgement.candidate,
                entry,
                seen.passes[:index],
                sizes,
                files,
                agreed,
                judgement.factors,
                untold,
            ),
            found.groups,
            min(10.0, session.left() / 3),
        )
    except Lost as lost:
        finding.notes.append(f"the pass could not be recorded: {lost}")
        return []
    finding.notes += result.notes
    if not result.named:
        at = result.first_wrong if finding.mistake not in FACTORS else _line_of(result, judgement.wrong)
        if at is not None:
            _put(finding, session, at)
        return []
    finding.details = [vars(item) for item in result.named]
    kinds = list(dict.fromkeys(item.mistake for item in result.named))
    whole = replace(finding, notes=[], details=[])
    more: list[Finding] = []
    for kind in kinds:
        own = [item for item in result.named if item.mistake == kind]
        other = finding if kind == kinds[0] else replace(whole)
        if kind == kinds[0] or kind != "unknown":
            _of_autopsy(other, own, result, session, judgement, seen, alone=len(kinds) == 1)
        if other is not finding and kind != "unknown":
            more.append(other)
    return more


def _where_it_turns(
    finding: Finding, session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy
) -> None:
    """The line by which a recorded gradient has the other sign, where the update is a descent: `W -= lr * dW`."""
    groups = session.found.groups
    source = Assignments.of(session.program.loops.sources)
    signs = {update.sign for name in judgement.verdicts for update in source.updates(groups[name])}
    if 1 in signs:
        return
    found, files = session.found, session.program.loops.sources
    factors = dict.fromkeys(judgement.verdicts, -1.0)
    entry, sizes = seen.passes[0], _sizes(seen, found)
    try:
        result: Autopsy = session.lab(
            lambda lab: autopsy(lab, found, judgement.candidate, entry, [], sizes, files, [], factors),
            groups,
            min(8.0, session.left() / 4),
        )
    except Lost:
        return
    at = _line_of(result, list(judgement.verdicts))
    if at is not None and not any((u.file, u.line) == at for name in factors for u in source.updates(groups[name])):
        _put(finding, session, at)


def _of_autopsy(
    finding: Finding,
    named: list[Named],
    result: Autopsy,
    session: TrainingSession,
    judgement: gradient.Judgement,
    seen: SlopeStudy,
    alone: bool,
) -> None:
    """What the autopsy says of some tensors, all by one mistake. `alone`: there is no other mistake."""
    best, tensors = named[0], [item.tensor for item in named]
    files = session.program.loops.sources
    if best.mistake != "unknown" or not finding.mistake:
        if best.mistake in FACTORS and (not alone or finding.mistake != best.mistake):
            finding.mistake = best.mistake
            _place(finding, session, judgement, seen, tensors)
        finding.mistake, finding.explanation, finding.fix = best.mistake, best.text, best.fix
        finding.confidence = min(finding.confidence, best.confidence)
    if not alone:
        finding.tensors = [row for row in finding.tensors if row["name"] in tensors]
        if finding.tensors:
            said = "; ".join(row["said"] for row in finding.tensors)
            finding.evidence = f"Against the slope of {judgement.candidate.title} by differences: {said}."
    at = best.backward
    if at is None:
        at = _line_of(result, tensors) if best.mistake in FACTORS else result.first_wrong
    if best.forward is not None and best.mistake in OF_A_STEP:
        at = undoing(files, best.forward, at, best.mistake == OF_A_STEP[0]) or at
    if at is not None:
        _put(finding, session, at)


def _line_of(result: Autopsy, tensors: list[str]) -> tuple[str, int] | None:
    """The line by which most of these tensors are off by their factor."""
    lines = [result.lines[name] for name in tensors if name in result.lines]
    return max(lines, key=lines.count, default=None)


def _is_wrong(judgement: gradient.Judgement, name: str, index: int) -> bool:
    cell = judgement.cells[name][index]
    if cell.state == "along":
        return abs(cell.ratio / judgement.ratios[index] - 1) > gradient.EXACT or cell.residual > gradient.EXACT
    return cell.state != "silent"
