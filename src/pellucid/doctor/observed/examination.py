"""The order of questions: run the program as it is, look closer where numbers broke, and search for what is wrong."""

from __future__ import annotations

import importlib
import linecache
import traceback
from contextlib import nullcontext

from pellucid.doctor.finding import SEVERITIES, calmed, place
from pellucid.doctor.process.clock import OutOfTime, until
from pellucid.doctor.progress import NO_BACKWARD
from pellucid.doctor.report import Finding, Report

from . import orders
from .by_patch import prove
from .compare import LIKELIHOODS, by_guessing, does_well, explained, goes_far, guesses, is_still, outcome, stands
from .criteria import placed
from .findings import facts_of, finding_of, findings_of_error, rank, status_of
from .firsts import shown_where_made
from .laboratory import MOST_OF_IT, Laboratory, ScriptLaboratory, is_part
from .phases import Phase, phases_of
from .record import ProgramRecord
from .rules import gradients
from .rules.crash import crashed
from .search import ENOUGH, Search

LATE = (
    "It learns next to nothing, and the time was up before all was tried that might help: ask again with a larger "
    "budget (--budget SECONDS)."
)
UP = "The time was up before all was tried that might help: ask again with a larger budget (--budget SECONDS)."
NOT_RUN = "The time was up before the program could be run: ask again with a larger budget (--budget SECONDS)."
LIMIT = (
    "In {} steps it comes hardly further than saying the same of every row, and nothing that was tried in forks does: "
    "the limit is the data, or what the network can compute, or the first weights that it begins with."
)
SUSPECTED = (
    "This is suspected, and the time was up before a fork could tell whether it does harm: ask again with a larger "
    "budget (--budget SECONDS). {}"
)
ROSE = (
    "The loss is {:.4g} at first and {:.4g} at the end, and nothing that was tried in forks (a lower rate, other first "
    "weights, clipped gradients, …) prevents that."
)
LONG = 26.0  # seconds that an examination takes, but of a program that takes long itself
SPARED = 3.0  # for what is said in the end
SURELY = 8.0  # times the noise of a loss, by which it is lower at the end
ASTRAY, ABOVE = 10.0, 1.5  # times the loss at first, of any loss and of one of classes that guesses


def report_on(laboratory: Laboratory) -> Report:
    """`examine`, or what it found until its time was up; whatever goes wrong in it is said to be the doctor's fault,
    not the program's."""
    try:
        with nullcontext() if laboratory.ends is None else until(laboratory.ends):
            return examine(laboratory)
    except OutOfTime:
        return _together(laboratory.judged) if laboratory.judged else _so_far(laboratory.search)
    except Exception as error:  # noqa: BLE001 (an error of our own must not look like one of the user's program)
        at = traceback.extract_tb(error.__traceback__)[-1]
        shown = "".join(traceback.format_exception_only(error)).strip()
        reason = f"The doctor itself failed, which is a mistake of pellucid: {shown} ({at.filename}:{at.lineno})"
        return Report("inconclusive", reason=reason)


def _so_far(search: Search | None) -> Report:
    if search is None:
        return Report("inconclusive", reason=UP)
    findings, facts = sorted([*search.found, *search.open], key=rank), facts_of(search.base)
    if status_of(findings) == "faults":
        return Report("faults", findings, facts)
    return Report("inconclusive", findings, facts, reason=UP)


def examine(laboratory: Laboratory) -> Report:
    """Run the program as it is, find what is wrong with it, and try what would help."""
    whole = laboratory.left()
    first, usual = max(whole * 0.28, 3.0), laboratory.patience
    laboratory.patience = max(whole - first - SPARED, usual)  # without this run there is nothing to be said
    base = laboratory.run(seconds=first)
    laboratory.patience = usual
    if base is None:
        lost = f"The program gave no record: {laboratory.lost}" if laboratory.lost else NOT_RUN
        return Report("inconclusive", reason=lost)
    laboratory.alone = base.seconds - base.own_seconds
    busy = base.seconds / max(base.processor_seconds, 0.5)  # above 1 on a machine that has other work
    laboratory.deadline -= max(whole - max(LONG * max(busy, 1.0), 5 * base.seconds), 0.0)
    if base.bad_at is not None and not base.bad_inputs:
        _look_closer(laboratory, base)
    for name in base.modules:
        importlib.import_module(name)  # so that each fork need not
    facts = facts_of(base)
    findings: list[Finding] = []
    if base.error:
        findings = findings_of_error(base)
        findings += _behind(laboratory, base, first)
        if not findings and len(base.steps) < ENOUGH:
            # An error of pellucid's own says where it was.
            where, misfit = _where(base), f". {base.misfit}" if base.misfit else ""
            facts["error"] = base.error
            return Report("inconclusive", [], facts, reason=f"The program ended with {base.error}{where}{misfit}")
    if laboratory.loss and base.steps and not base.named:
        there = ", ".join(base.numbers) or "none that a gradient flows to"
        reason = f"--loss {laboratory.loss}: no number has this name where backward() is called. There: {there}."
        return Report("inconclusive", [], facts, reason=reason)
    if not base.steps and not findings:
        findings = [finding_of(s, base, None) for s in gradients.no_backward(base)]
        if findings:
            _by_patch(laboratory, base, findings)
            return Report(status_of(findings), findings, facts)
        return Report("inconclusive", [], facts, reason=NO_BACKWARD)
    parts = phases_of(base) if not findings else []
    if parts:
        report = _of_phases(laboratory, parts, first)
        idle = [finding_of(suspicion, base, None) for suspicion in gradients.idle(base)]
        report.findings[:0] = idle
        report.status = "faults" if idle else report.status
        return report
    return _judged(laboratory, base, findings)


def _judged(laboratory: Laboratory, base: ProgramRecord, findings: list[Finding]) -> Report:
    """What is wrong with a training that was seen, and what would help."""
    facts, search = facts_of(base), None
    if not findings:
        laboratory.search = search = Search(laboratory, base)
        findings = search.findings()
        reason = _cut_off(base)
        if search.learns:
            late = (search.unfinished or is_part(base)) and guesses(base)
            reason = reason or _astray(base) or _unknown(base) or _untried(search) or (LATE if late else "")
        if reason and status_of(findings) == "healthy":
            return Report("inconclusive", findings, facts, reason=reason)
    _by_patch(laboratory, base, findings)
    placed(findings)
    if isinstance(laboratory, ScriptLaboratory):
        lost = bool(_of_limits(search, base, findings))
        shown_where_made(findings, base, lambda held: laboratory.followed(held, 2 * base.seconds + 2.0), lost)
    findings = weighed(findings)
    return Report(status_of(findings), findings, facts, reason=_ended_by(base) or _of_limits(search, base, findings))


def weighed(findings: list[Finding]) -> list[Finding]:
    """Findings, the worst first, of which what may be so by the nature of the data is no error: no line shows it, and
    no change proves it. Where nothing is wrong, what no change proves is no more than worth knowing."""
    for finding in findings:
        if finding.cause == "labels-misaligned" and finding.confidence <= orders.UNSEEN and not finding.verified:
            finding.severity = "warning"
    return sorted(findings if status_of(findings) == "faults" else calmed(findings), key=rank)


def _of_limits(search: Search | None, base: ProgramRecord, findings: list[Finding]) -> str:
    """What is said of a program without a fault that knows hardly anything of its rows; "" of others."""
    if search is None or not search.learns or status_of(findings) != "healthy":
        return ""
    return LIMIT.format(len(base.steps)) if knows_of_guesses(base) and guesses(base) else ""


def _ended_by(record: ProgramRecord) -> str:
    """What is said of a program that ended with an error once it had trained for a while; "" of others."""
    if not record.error or findings_of_error(record):
        return ""
    ended = f"After {len(record.steps)} steps the program ended with {record.error}{_where(record)}."
    return f"{ended} What it did until then is judged."


def knows_of_guesses(record: ProgramRecord) -> bool:
    """Whether it is known what a guess comes to: not where several losses of other kinds add up, of which one may rise
    while another falls."""
    return record.classes or explained(record) is not None


def _of_phases(laboratory: Laboratory, parts: list[Phase], seconds: float) -> Report:
    """Of a program that makes several trainings, one after the other: each is judged by itself, the last one first, as
    it is by that one's result that the program is good or bad. Of those before, what is surely wrong counts."""
    whole = laboratory.deadline
    for left, phase in zip(range(len(parts), 0, -1), reversed(parts), strict=True):
        laboratory.phase, laboratory.deadline = phase, whole - laboratory.left() * (left - 1) / left
        record = laboratory.run(seconds=min(seconds, MOST_OF_IT * laboratory.left()))
        if record is not None and (record.steps or left == len(parts)):
            laboratory.judged.append((phase, record, _judged(laboratory, record, [])))
        laboratory.deadline = whole
    laboratory.phase = None
    return _together(laboratory.judged) if laboratory.judged else Report("inconclusive", reason=UP)


def _together(judged: list[tuple[Phase, ProgramRecord, Report]]) -> Report:
    """The report of the last training, with what was surely wrong in those before that it builds on.

    Of others, as of a network that is only to be compared with the last one, what is wrong may be so on purpose.
    """
    last = judged[0][2]
    needed = judged[0][1].builds_on
    found: list[Finding] = []
    for phase, record, report in judged[1:]:
        wrong = [finding for finding in report.findings if finding.severity == "error"]
        if phase.optimizers & needed:
            needed |= record.builds_on
        else:
            for finding in wrong:
                finding.severity = "info"
        found = [*sorted(wrong, key=rank), *found]  # a training may go wrong because the one before it did
    told = {(finding.cause, finding.file, finding.line) for finding in last.findings if finding.severity == "error"}
    found = [f for f in found if f.severity == "error" or (f.cause, f.file, f.line) not in told]
    told = {(finding.cause, finding.file, finding.line) for finding in found}
    found += [f for f in last.findings if (f.cause, f.file, f.line) not in told]
    last.findings = sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
    if status_of(last.findings) == "faults":
        last.status, last.reason = "faults", ""
    return last


def _where(record: ProgramRecord) -> str:
    """The line of the error that ended a run, unless it says so itself."""
    if record.error_place is None or "\n  at " in record.error:
        return ""
    code = linecache.getline(*record.error_place).strip()
    return f" ({place(*record.error_place)}{': ' if code else ''}{code})"


def _behind(laboratory: Laboratory, base: ProgramRecord, seconds: float) -> list[Finding]:
    """What else is wrong with a program that ended with an error, behind the fault that the error tells of."""
    treatments = [treatment for suspicion in crashed(base) for treatment in suspicion.treatments]
    run = laboratory.run(treatments, seconds=min(seconds, MOST_OF_IT * laboratory.left())) if treatments else None
    if run is None or run.error or len(run.steps) < ENOUGH:
        return []
    laboratory.search = search = Search(laboratory, run)
    search.treatments = list(treatments)
    return [finding for finding in search.findings() if finding.severity == "error" and finding.verified]


def _by_patch(laboratory: Laboratory, base: ProgramRecord, findings: list[Finding]) -> None:
    """What no treatment confirmed is proved by a run of the program as it would be repaired, where it is a script."""
    if isinstance(laboratory, ScriptLaboratory):
        prove(laboratory, base, findings, SPARED)


def _cut_off(record: ProgramRecord) -> str:
    """What is said of a run of which too little was seen to say anything; "" of others."""
    if not is_part(record) or len(record.steps) >= ENOUGH:
        return ""
    count = len(record.steps)
    return (
        f"In the time that there was, the program came to {count} step{'s' if count > 1 else ''} of its training, too "
        "few to say how it learns: ask again with a larger budget (--budget SECONDS)."
    )


def _unknown(record: ProgramRecord) -> str:
    """What is said of a run whose loss is none that is known, and does not fall; "" of others."""
    if record.loss.kind or record.continues or not is_still(record):
        return ""
    end = outcome(record)
    if (
        goes_far(record) and end.begin - end.loss > SURELY * end.noise > 0
    ):  # of some, the lowest is near what a guess has
        return ""
    return (
        f"The number that backward() is called on is {end.begin:.4g} at first and {end.loss:.4g} at the end. It is no "
        "loss that is known, so it cannot be told whether it is to fall: --loss NAME names the variable that holds it."
    )


def _untried(search: Search) -> str:
    """What is said where a fault is suspected and there was no time to try its remedy; "" where all was tried."""
    told = {(finding.cause, finding.line) for finding in search.found}
    for suspicion in [] if does_well(search.base) else search.untried:
        line = suspicion.place[1] if suspicion.place is not None else None
        if (suspicion.cause, line) not in told:
            where = f" ({place(*suspicion.place)})" if suspicion.place is not None else ""
            return SUSPECTED.format(f"{suspicion.cause}{where}: {suspicion.evidence}")
    return ""


def _look_closer(laboratory: Laboratory, base: ProgramRecord) -> None:
    """Run the program again up to where numbers were no longer finite, to see which op made them so."""
    at = base.bad_at or 0
    laboratory.looks = (at - 1, at, at + 1)
    again = laboratory.several([()], at + 2, base.seconds + 2)[0]
    laboratory.looks = ()
    if again is not None and again.first_bad not in ("", "loss"):
        base.first_bad, base.bad_at = again.first_bad, again.bad_at
        if "first bad" in again.lines:
            base.lines["first bad"] = again.lines["first bad"]


def _astray(record: ProgramRecord) -> str:
    """What is said of a run whose loss ends far above where it began, of which nothing was found; "" of others."""
    end, share = outcome(record), explained(record)
    one = record.together and record.loss.kind in LIKELIHOODS and not does_well(record)
    if end.finite and one and end.loss > ABOVE * max(abs(record.losses[0]), by_guessing(record)) and stands(record):
        return ROSE.format(record.losses[0], end.loss)
    if end.finite and (end.loss <= ASTRAY * max(abs(record.losses[0]), by_guessing(record)) or (share or 0.0) > 0):
        return ""
    return ROSE.format(record.losses[0], end.loss)
