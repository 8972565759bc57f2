"""What else is wrong: the program is examined again as a whole, with what was found put right in its source.

One fault hides another: beside a wrong gradient nobody sees that the rows are sorted, and what ends a program says
nothing of its rate. So what can be written as a change of the source is, and the changed program is examined as the
first one was. What is found there is true of the program, too, if the change put right what it was to, and no more.
"""

from __future__ import annotations

import difflib
import itertools
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

from pellucid.doctor.edits import around
from pellucid.doctor.repairs import moved, repairs, together
from pellucid.doctor.report import Finding, Report
from pellucid.doctor.sources import home_of, is_own, text_of

Changed = dict[Path, str]  # what is to stand in files of the program
Examine = Callable[[Changed, float], Report]  # of the program as if these texts stood in it, within some seconds

MOST = 3  # faults that are told
ROUNDS = 2
TRIED = 3  # changes that may put right what was found
ENOUGH = 0.35  # of the seconds of the first examination, for another one, which goes by the time that it has
ALARMS = ("error", "warning")
# what a program computes is another thing with these mended: a gradient that was right is not right for that
OF_THE_NETWORK = (
    "activation-before-loss", "double-softmax", "no-nonlinearity", "output-range-mismatch", "softmax-single-unit",
    "softmax-wrong-axis",
)  # fmt: skip
# other first weights are drawn by what puts these right, and what these are like is no fault of the program
OF_FIRST_WEIGHTS = ("symmetric-init", "init-too-small", "init-too-large", "dead-units")
OF_SIZE = ("batch-factor", "constant-factor")  # a gradient of another size goes with another rate
OF_LENGTH = ("too-few-updates", "lr-too-high", "lr-too-low", "late-instability")
SEEN_AGAIN = "This was seen in a run of the program with what stands above put right, as it says there."


def look_again(report: Report, script: Path, examine: Examine, ends: float) -> None:
    """Put into a report of faults what is found once they are put right, by the lines of the program as it is.

    `ends`: when the time is up, by `time.monotonic`.
    """
    if report.status != "faults" or script.suffix != ".py":
        return
    now, changed = report, Changed()
    for _ in range(ROUNDS):
        wrong = faults_of(now, script)
        if not wrong or len([f for f in report.findings if f.severity == "error"]) >= MOST:
            return
        path = Path(wrong[0].file or "")
        source = changed.get(path) or text_of(path)
        for text in itertools.islice(changes(wrong, source), TRIED):
            left = ends - time.monotonic()
            if left < ENOUGH * report.seconds:
                return
            other = examine({**changed, path: text}, left)
            if is_put_right(wrong, other, changed_lines(source, text)):
                break
        else:
            return
        changed[path] = text
        _enter(report, further(wrong, other, report), changed)
        now = other


def faults_of(report: Report, script: Path) -> list[Finding]:
    """The errors whose line is in the file of the first that is in one of the program's; where there is none, the
    warnings."""
    root = home_of(script).root
    for severity in ALARMS:
        found = [f for f in report.findings if f.severity == severity and is_own(f.file, root)]
        if found:
            return [f for f in found if f.file == found[0].file]
    return []


def changes(wrong: list[Finding], source: str) -> Iterator[str]:
    """The program with all of these put right, or the first one alone."""
    if len(wrong) > 1:
        yield from together(wrong, source)
    yield from repairs(wrong[0], source)


def changed_lines(source: str, changed: str) -> set[int]:
    """The lines of a changed program that are new in it."""
    matcher = difflib.SequenceMatcher(a=source.splitlines(), b=changed.splitlines(), autojunk=False)
    new = [range(start, end) for kind, _, _, start, end in matcher.get_opcodes() if kind != "equal"]
    return {line + 1 for lines in new for line in lines}


def is_put_right(wrong: list[Finding], other: Report, new: Collection[int] = ()) -> bool:
    """Whether a changed program has none of these faults any more: of gradients, whether fewer tensors are wrong, and
    none that was right. Of the lines that are `new` in it nothing may be told."""
    if other.status == "inconclusive":
        return False
    alarms = [f for f in other.findings if f.severity in ALARMS]
    if any(f.severity == "error" and f.line in new and f.file == wrong[0].file for f in alarms):
        return False
    before, after = _tensors(wrong), _tensors(alarms)
    if before and not after < before:
        return False
    others = {f.title for f in wrong if not f.tensors}
    return not any(f.title in others for f in alarms)


def _tensors(findings: list[Finding]) -> set[str]:
    """The names of the tensors whose gradient is wrong."""
    return {t["name"] for f in findings for t in f.tensors if t.get("verdict") not in ("right", "unknown")}


def further(wrong: list[Finding], other: Report, was: Report) -> list[Finding]:
    """What is found in the changed program and holds for the program as it is."""
    network = any(f.cause in OF_THE_NETWORK for f in wrong) or _of_another_loss(was, other)
    size = any(f.mistake in OF_SIZE for f in wrong)
    drawn = any(f.cause in OF_FIRST_WEIGHTS for f in wrong)
    found: list[Finding] = []
    for finding in other.findings:
        named = finding.cause == "wrong-backward" and finding.mistake not in ("", "unknown")
        named = named and not (finding.mistake in OF_SIZE and finding.verified is False)  # as good as a rate of its own
        is_error = finding.severity == "error"
        shown = finding.verified or (is_error and (named or finding.verified is None))
        if finding.severity not in ALARMS or not shown:
            continue
        of_length = finding.cause in OF_LENGTH and (size or not is_error)
        of_draw = drawn and finding.cause in OF_FIRST_WEIGHTS
        of_network = network and finding.cause == "wrong-backward" and not _is_apart(finding, wrong)
        if of_length or of_draw or of_network:
            continue
        found.append(finding)
    return found


def _is_apart(finding: Finding, wrong: list[Finding]) -> bool:
    """Whether a gradient is wrong where what was put right at the output has no part in it: that of the last layer is
    right for the changed program."""
    at_output = all(f.cause in OF_THE_NETWORK and f.cause != "no-nonlinearity" for f in wrong)
    return at_output and any(tensor.get("verdict") == "right" for tensor in finding.tensors)


def _of_another_loss(was: Report, other: Report) -> bool:
    """Whether gradients were compared with those of another loss, which the program does not compute: no mistake of
    the one that they are meant for."""
    losses = [report.facts.get("loss", {}) for report in (was, other)]
    titles = [loss.get("title") for loss in losses]
    return None not in titles and titles[0] != titles[1] and not str(losses[1].get("how", "")).startswith("seen")


def _enter(report: Report, found: list[Finding], changed: Changed) -> None:
    """Add findings of the changed program behind the errors of the report, but for what is said there."""
    known = [f for f in report.findings if f.severity in ALARMS]
    causes = {f.cause for f in known if f.cause != "wrong-backward"}
    at = sum(f.severity == "error" for f in report.findings) or len(known)  # behind what was put right
    for finding in found:
        path = Path(finding.file or "")
        source = text_of(path) if path in changed else ""
        own = moved(finding, changed[path], source) if source else finding
        same = any((f.title, f.file, f.line) == (own.title, own.file, own.line) for f in known)
        if same or own.cause in causes:
            continue
        at_first = [f for f in report.findings if (f.title, f.file, f.line) == (own.title, own.file, own.line)]
        report.findings = [f for f in report.findings if all(f is not o for o in at_first)]  # what was not sure then
        own = replace(own, notes=[*own.notes, SEEN_AGAIN])
        if source and own.file is not None and own.line is not None:
            own.code = source.splitlines()[own.line - 1].strip()
            own.around = around({own.file: source}, own)
        report.findings.insert(at, own)
        at += 1
