"""The examination of a program that stands at the head of a pass of its training loop."""

from __future__ import annotations

import contextlib
import time
import traceback
from dataclasses import dataclass, replace
from typing import Any

from pellucid.doctor import conditions, engines, uncleared, unfrozen
from pellucid.doctor.against import against_its_own
from pellucid.doctor.conditions import regime
from pellucid.doctor.finding import calmed
from pellucid.doctor.naming import by_another_loss, by_classes, by_exact_loss, explain, is_named, sizes_of, sure
from pellucid.doctor.odd import rank
from pellucid.doctor.probes import batches
from pellucid.doctor.probes.decisions import without_decisions
from pellucid.doctor.probes.losses import of_classes
from pellucid.doctor.probes.noise import drawn
from pellucid.doctor.probes.otherwise import early, turned, written
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.slopes import study
from pellucid.doctor.probes.training import Mended
from pellucid.doctor.probes.trials import Change, as_studied
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.clock import OutOfTime, until
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Lab
from pellucid.doctor.process.moving import root_of
from pellucid.doctor.process.source import Assignments, draws_units
from pellucid.doctor.progress import (
    MORE,
    NO_LOOP,
    UNTOLD,
    Progress,
    facts_of,
    loss_facts,
    no_better,
    no_such_loss,
    no_usual_loss,
)
from pellucid.doctor.proof import as_note, at_ties, changes_nothing, hardly_told, prove, rest_is_wrong, rests_aloft
from pellucid.doctor.report import Finding, Report
from pellucid.doctor.rules import backward, exchanged, gradient, own_rate, update


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
            report = _examine(session, options, progress)
            unexplained = report.status == "inconclusive" and not report.findings and not session.blown_up
            wild = conditions.runs_away(session) if unexplained else None
            return report if wild is None else Report("faults", [wild], progress.facts)
    except OutOfTime:
        report = progress.report
        report.reason = report.reason or (MORE if report.findings else UNTOLD)
        return report
    except Exception as error:  # noqa: BLE001 (an error of our own must not look like one of the user's program)
        shown = "".join(traceback.format_exception_only(error)).strip()
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"The doctor itself failed, which is a mistake of pellucid: {shown} ({place.filename}:{place.lineno})"
        return Report("inconclusive", facts=facts_of(session), reason=reason)


FAR_BETTER = 1.5  # times what the program itself gains in as many passes
SPARE = 1.0  # seconds beyond the deadline, which the last answers may take
SLOW = 150  # passes that the slopes of a loss and the proof may take


def _examine(session: TrainingSession, options: Options, progress: Progress) -> Report:
    started = time.monotonic()
    facts = progress.facts
    whole, named = options.conditions, options.loss is not None
    stuck = session.returned  # what moved in the first pass had stopped
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
    lines = {name: at for name in session.found.crossed if (at := _replaced(session, name)) is not None}
    if crossed := backward.crossed(session.found, lines):
        for finding in crossed:
            finding.code = session.program.loops.line(*lines[finding.tensors[0]["name"]])
        return Report("faults", crossed, facts, time.monotonic() - started)
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
        if whole and doubtful and not session.returned and (partly or judgement is None or conditions.strayed(session)):
            conditions.rewind(session)  # nor where all units are saturated, or off
            before = judgement
            seen, judgement = _judged(session, options)
            judgement = gradient.keeping(before, judgement, seen)
    except Lost as lost:
        if rules:
            return progress.report
        return Report("inconclusive", facts=facts, reason=f"the pass could not be repeated: {lost.said}")
    if judgement is None and rules:
        return progress.report
    session.known = seen.known
    if whole and judgement is None and (nothing := conditions.no_number(session, seen)) is not None:
        return Report("faults", [nothing], facts, time.monotonic() - started)
    if whole and session.doubtful and (judgement is None or not gradient.explains_some(judgement)):
        return Report("inconclusive", reason=NO_LOOP)
    if judgement is not None and judgement.wrong and not rules:
        loops = session.program.loops
        own = own_rate.of_design(judgement, loops.sources, session.found.groups, loops.loops.get(session.number))
        untold = unfrozen.later(session, judgement, seen)
        judgement = replace(judgement, verdicts=judgement.verdicts | dict.fromkeys(own, "right") | untold)
    odd = conditions.of_outputs(session, judgement, seen) if whole else []
    if whole and not odd and (judgement is None or judgement.wrong):
        seen, judgement = _where_slopes_tell(session, options, seen, judgement)
    taken: list[Finding] = []
    if judgement is not None and judgement.wrong and not rules and (exchange := exchanged.find(seen)) is not None:
        told = exchanged.told(session, seen, exchange)
        judgement, taken = (told[0], [told[1]]) if told is not None else (judgement, [])
    if (
        judgement is not None
        and not taken
        and not rules
        and whole
        and gradient.accuses(judgement.candidate)
        and {"across", "partly"} & {*judgement.verdicts.values()}
    ):
        done = _done_otherwise(session, judgement, seen)
        judgement, taken = (done[0], [done[1]]) if done is not None else (judgement, [])
    other_loss = against_its_own(session, seen, judgement) if whole and not named and judgement is not None else None
    if other_loss is not None:
        return Report("faults", [other_loss], facts, time.monotonic() - started)
    if options.loss is not None and judgement is not None and not judgement.candidate.is_called(options.loss):
        return Report("inconclusive", facts=facts, reason=no_such_loss(options.loss, seen))
    if judgement is not None:
        facts |= loss_facts(judgement)
        if seen.passes and not session.found.batches and (rule := update.of(seen, judgement)):
            facts["update"] = rule
        if not judgement.wrong and not judgement.climbs and gradient.tells(judgement):
            progress.right(judgement, len(seen.passes))
            if stuck and session.suspected is not None:
                progress.wrong([session.suspected])
    if odd:
        return Report("faults", odd, facts, time.monotonic() - started)
    if judgement is None and not seen.passes and not seen.complete:
        return Report("inconclusive", facts=facts, reason=UNTOLD)
    if judgement is None:
        session.lossless = True
        return Report(
            "inconclusive",
            facts=facts,
            reason="No number that was seen in a pass, and no usual loss of what was seen, depends on the parameters. "
            "Name the loss: pellucid doctor SCRIPT --loss NAME",
        )
    if judgement.wrong and not backward.moves_any(judgement):
        return Report("inconclusive", facts=facts, reason=NO_LOOP)
    if judgement.wrong and not seen.complete and len(seen.passes) < 2 and not taken and _is_guess(judgement):
        return Report("inconclusive", facts=facts, reason=UNTOLD)  # other losses may explain what this one does not
    if not judgement.wrong and gradient.strays(judgement) and not named:
        return Report("inconclusive", facts=facts, reason=no_usual_loss(judgement))
    findings = taken or backward.findings(judgement, seen, session.found, sizes_of(seen, session.found))
    wrong_rules = bool(rules) and any(finding.cause == rules[0].cause for finding in findings)
    if wrong_rules:
        findings = rules
    asks = bool(judgement.wrong) and not wrong_rules  # a rule that was tried by itself is wrong whatever is drawn
    random = _drawn(session, judgement) if asks else set[str]()
    depends = {key[1].split(".")[-1] for key in seen.depends}
    units = asks and draws_units(session.program.loops.sources, depends)
    if asks and (random >= set(judgement.wrong) or units):
        names = ", ".join(judgement.wrong)
        return Report(
            "inconclusive",
            facts=facts,
            reason=f"The updates of {names} are drawn at random in part, so no slope of a loss can be compared with "
            "them. Where that is meant, as in a policy gradient or an evolution, nothing is wrong with it; where it is "
            "not, run it without the noise.",
        )
    more: list[Finding] = []
    if not wrong_rules and not taken:
        more = [other for finding in findings for other in explain(finding, session, judgement, seen)]
    if not taken and not all(sure(finding, judgement, named) for finding in findings):
        told = by_another_loss(session, seen, judgement, named)
        if told is not None:
            judgement, findings, more = told
            facts |= loss_facts(judgement)
    if not taken and not named and (told := by_exact_loss(session, seen, judgement, findings)) is not None:
        judgement, findings, more = told
        facts |= loss_facts(judgement)
    certain = bool(taken) or all(sure(finding, judgement, named) for finding in findings)
    if not certain and (told := by_classes(session, seen, judgement)) is not None:
        judgement, findings, more = told
        facts |= loss_facts(judgement)
    if certain or _proven(findings, session, judgement, seen):
        if findings:
            progress.wrong([*findings, *more])
        rated = uncleared.at_own_rate(session, judgement) if findings and certain else judgement
        mended: Mended | None = None
        for finding in findings if certain else []:
            mended = prove(finding, session, rated, facts.get("update", {}).get("rule", "")) or mended
        if any(rests_aloft(finding, judgement) for finding in findings):
            return Report("inconclusive", facts=facts, reason=no_usual_loss(judgement))
        if findings and not more and whole and all(_disproved(finding) for finding in findings):
            return Report("inconclusive", facts=facts, reason=no_better(findings[0]))
        if taken and taken[0].mistake == "updated-too-early":
            turns = gradient.by_turns(judgement, seen.passes)
            for finding in taken:
                if changes_nothing(finding):
                    finding.severity = "warning"
                    finding.notes.append(HARMLESS)
                elif turns and not finding.verified:
                    finding.severity = "warning"
        for other in more:  # one fork has the right gradient of all tensors
            other.fork, other.verified = findings[0].fork, findings[0].verified
        findings += more
        findings += uncleared.beside(session, findings)
        if findings and session.beside:
            findings[0].notes.append("All of this was measured with scaled inputs.")
            findings += session.beside
        notes: list[Finding] = []
        if findings and all(at_ties(finding, judgement) for finding in findings):
            notes, findings = [as_note(findings[0])], []
            progress.right(judgement, len(seen.passes))
        if whole and not any(finding.severity == "error" for finding in findings):
            findings += conditions.look(session, judgement, seen)
        elif whole and mended is not None and rest_is_wrong(findings) and session.left() > LASTING:
            rest = _besides(session, judgement, seen, mended)
            doubted = all(finding.verified is False for finding in findings)
            findings = _doubted(findings, rest) if doubted else [*findings, *rest]
        elif whole and all(finding.verified is False for finding in findings):
            findings = _doubted(findings, conditions.look(session, judgement, seen))
        findings += notes
    else:
        findings = []
        if whole:  # what is wrong with the data is so whatever the gradient is
            findings = [f for f in conditions.look(session, judgement, seen, ("data",)) if f.severity == "error"]
        if not findings:
            return Report("inconclusive", facts=facts, reason=no_usual_loss(judgement))
    if whole and not findings and (nothing := conditions.no_number(session, seen)) is not None:
        findings = [nothing]
    if not findings and stuck and session.suspected is not None:
        findings = [session.suspected]
    if whole and not findings and session.only_there:
        return Report(
            "inconclusive",
            facts=facts,
            reason="With inputs and first weights of the usual size every update follows the slope of "
            f"{judgement.candidate.title}; as they are, no update follows that of any loss. Scale the inputs, and look "
            "whether the loss falls then.",
        )
    findings.sort(key=lambda f: rank(f, session.found.still))
    if findings and all(hardly_told(finding) for finding in findings):
        return Report("inconclusive", facts=facts, reason=HARDLY_TOLD.format(findings[0].evidence))
    faults = any(f.severity == "error" or (f.severity == "warning" and _stands(f)) for f in findings)
    if not faults and not named and gradient.is_chance(judgement):
        return Report("inconclusive", findings, facts, reason=no_usual_loss(judgement))
    findings = findings if faults else calmed(findings)
    if not faults and session.unfinished:
        return Report(
            "inconclusive",
            findings,
            facts,
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
    if not findings and session.gets_to_a_guess and session.inputs_unseen:
        return Report("inconclusive", facts=facts, reason=UNSEEN.format(session.gets_to_a_guess))
    reason = "" if findings or not session.gets_to_a_guess else LIMIT.format(session.gets_to_a_guess)
    return Report("faults" if faults else "healthy", findings, facts, time.monotonic() - started, reason=reason)


def _stands(finding: Finding) -> bool:
    """Whether a warning makes a program a faulty one: a fork confirms it, or it is a mistake that does no harm here."""
    return bool(finding.verified) or HARMLESS in finding.notes


HARMLESS = (
    "In a fork the right order trains by the same curve: it is a mistake, but not what holds this program back, if "
    "anything does."
)

HARDLY_TOLD = (
    "{} So it is where several numbers are the largest of a pooling, which is no mistake; the time was up before that, "
    "or a mistake, could be told. Give it more: pellucid doctor SCRIPT --budget 300"
)
UNSEEN = (
    "The gradient is right, but in {} passes the training comes no further than saying the mean label for every row, "
    "and neither other rates nor other first weights do in forks. The inputs were not found, or are too large to be "
    "looked at, so that scaling them was not tried: give fewer rows, and divide pixels from 0 to 255 by 255."
)
LIMIT = (
    "The gradient is right, but in {} passes the training comes no further than saying the mean label for every row, "
    "and none of what was tried in forks (other rates, scaled inputs, other first weights) does: the limit is what the "
    "network can compute (without a hidden layer, classes that a straight line divides), or the data."
)
LASTING = 10.0  # seconds, the fewest in which a second fault can be told
OF_LENGTH = ("too-few-updates", "lr-too-high", "lr-too-low", "late-instability")  # what the measured rate may be off by


def _besides(
    session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy, mended: Mended
) -> list[Finding]:
    """What keeps a program from learning though its gradient is mended, each confirmed by a fork with that gradient."""
    right = replace(judgement, verdicts=dict.fromkeys(judgement.verdicts, "right"), climbs=False)
    found = conditions.look(session, right, seen, mended=mended)
    session.unfinished = session.blown_up = False
    session.gets_to_a_guess = 0
    confirmed = [finding for finding in found if finding.verified and finding.cause not in OF_LENGTH]
    for finding in confirmed:
        called = {"as it is": "with the right gradient"}
        finding.fork = {called.get(name, name): curve for name, curve in finding.fork.items()}
    return confirmed


def _replaced(session: TrainingSession, name: str) -> tuple[str, int] | None:
    return Assignments.of(session.program.loops.sources).replaced(root_of(name))


def _is_guess(judgement: gradient.Judgement) -> bool:
    """Whether the loss is one that the program does not compute, and explains nothing of the updates exactly."""
    return not judgement.candidate.is_seen and not gradient.explains_some(judgement)


def _proven(findings: list[Finding], session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy) -> bool:
    """Whether what the program calls its loss falls far better by its own slope, which the updates hardly follow."""
    candidate = judgement.candidate
    meant = (candidate.is_seen and candidate.named > 0) or of_classes(candidate, seen.seen)
    if len(findings) != 1 or not meant:
        return False
    rate = gradient.at_odds(seen.passes, judgement)
    if not rate:
        return False
    prove(findings[0], session, replace(judgement, ratio=rate))
    curves = findings[0].fork or {}
    was, better = curves.get("as it is", []), curves.get("with the right gradient", [])
    return bool(findings[0].verified) and len(better) > 2 and better[0] - better[-1] > FAR_BETTER * (was[0] - was[-1])


def _disproved(finding: Finding) -> bool:
    """Whether nobody could say what is wrong, and the program learns as well as a fork with the right gradient."""
    curves = finding.fork or {}
    was, better = curves.get("as it is", []), curves.get("with the right gradient", [])
    told = finding.mistake != "unknown" or is_named(finding)
    if finding.verified is not False or told or len(was) < 3 or len(better) < 3:
        return False
    gained = was[0] - was[-1]
    return gained > LEARNT * abs(was[0]) and better[0] - better[-1] < 1.02 * gained


LEARNT = 0.3  # of the loss at the beginning


def _doubted(findings: list[Finding], others: list[Finding]) -> list[Finding]:
    """With the right gradient a fork went no better: a condition that one confirmed goes before what slopes said.

    Where numbers overflow or units are saturated, slopes mislead. More updates do not make them right.
    """
    confirmed = [finding for finding in others if finding.verified and finding.cause != "too-few-updates"]
    if not confirmed:
        return findings
    if all(is_named(finding) for finding in findings):  # correctness first: what is wrong is wrong beside all else
        return [*findings, *confirmed]
    for finding in findings:
        finding.severity, finding.confidence = "info", 0.3
    return [*confirmed, *findings]


FAR = 1000.0  # times its first size, which no parameter reaches by training that goes well


def _judged(
    session: TrainingSession, options: Options, case: conditions.Case | None = None, made: tuple[Change, ...] = ()
) -> tuple[SlopeStudy, gradient.Judgement | None]:
    """The study of some passes, and what it says; in another regime, with these changes made first."""
    found = session.found
    _of_batches(session)

    def work(lab: Lab) -> Any:
        steps = study(lab, found, options.loss)
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


def _where_slopes_tell(
    session: TrainingSession, options: Options, seen: SlopeStudy, judgement: gradient.Judgement | None
) -> tuple[SlopeStudy, gradient.Judgement | None]:
    """The judgement in a regime where slopes tell something, if the gradient is right there."""
    case = conditions.Case.of(session, judgement, seen)
    made = regime.changes(case, judgement)
    if not made:
        return seen, judgement
    try:
        other, there = _judged(session, options, case, made)
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


def _done_otherwise(
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


def _drawn(session: TrainingSession, judgement: gradient.Judgement) -> set[str]:
    found = session.found
    try:
        return session.lab(lambda lab: drawn(lab, found, judgement.candidate), found.groups, 3.0)
    except Lost:
        return set()
