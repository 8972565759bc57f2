"""`--fix`: a copy of the program with the repair in it, beside the script, offered only if the doctor finds it healthy.

Each repair is examined as if it stood in the script, under the same arguments. One that leaves another fault is kept
for the next round, as a program may have two; one that changes nothing for the better is dropped: both programs are
run, from the same random numbers, for as many steps, and what they come to is compared and reported.
"""

from __future__ import annotations

import time
from pathlib import Path

from pellucid.doctor.again import Examine
from pellucid.doctor.edits import diff
from pellucid.doctor.notebook import Book, is_notebook
from pellucid.doctor.repairs import repairs, together
from pellucid.doctor.report import Finding, Report
from pellucid.doctor.sources import encoded, text_of
from pellucid.files import write_atomically

ROUNDS = 3
WORSE = 0.05  # of the way from a guess to all that can be known, by which a repaired program may come less far
GAINED = 0.1  # of it, by which one that still does little more than guess has to come further
OF_CLASSES = ("class-imbalance",)  # where the share of right answers says nothing of the rare classes
OF_LENGTH = ("overfitting",)  # which ends a training earlier


class Exists(Exception):
    """There is a file of that name already."""


def copy_of(script: Path) -> Path:
    """Where the patched copy goes. Raises Exists."""
    path = script.with_name(f"{script.stem}.fixed{script.suffix}")
    if path.exists():
        raise Exists(f"{path} is there already: move it away, or delete it, and ask for --fix again.")
    return path


def fix(report: Report, script: Path, examine: Examine, budget: float) -> None:
    """Try repairs, and write the copy and the diff of one that cured the program into the report.

    Nothing is written over the script. `report.fix` says what came of it: "path" and "diff", or "reason".
    """
    path = copy_of(script)
    end = time.monotonic() + budget
    before = text_of(script)
    source, now, tried = before, report, 0
    for _ in range(ROUNDS):
        alarms = [f for f in now.findings if f.severity in ("error", "warning") and _of(f, script)]
        better: tuple[str, Report] | None = None
        all_at_once = list(together(alarms, source)) if len(alarms) > 1 else []
        for changed in [*all_at_once, *(changed for finding in alarms[:2] for changed in repairs(finding, source))]:
            left = end - time.monotonic()
            if left < 4:
                break
            tried += 1
            other = examine({script: changed}, left)
            if other.status == "healthy" and comes_further(report, other):
                _write(path, script, before, changed)
                report.fix = {"path": str(path), "diff": diff(before, changed, script), "tried": tried}
                if seen := what_was_seen(report, other):
                    report.fix["seen"] = seen
                return
            if better is None and _is_better(now, other):
                better = changed, other
        if better is None:
            break
        source, now = better
    report.fix = {"reason": _reason(report, script, tried, end - time.monotonic() < 4), "tried": tried}


def comes_further(was: Report, now: Report) -> bool:
    """Whether the patched program, run as the script was, does not do worse, and does more than guess; True where the
    runs say nothing of that, as of a loss that need not fall."""
    before, after = was.facts.get("run"), now.facts.get("run")
    if not before or not after or not before["loss"] or not after["loss"]:
        return True
    if any(finding.cause in OF_LENGTH for finding in was.findings[:1]):
        return True  # to train for less is what is meant
    if before["loss"] != after["loss"]:
        return not after["guesses"]  # what another loss comes to cannot be compared
    gained = (after["reached"] or 0.0) - (before["reached"] or 0.0)
    if after["end"] is None or (after["guesses"] and gained < GAINED):
        return False
    by_class = any(finding.cause in OF_CLASSES for finding in was.findings[:1])
    if not by_class and before["accuracy"] is not None and after["accuracy"] is not None:
        return bool(after["accuracy"] >= before["accuracy"] - WORSE)
    return gained >= -WORSE


def what_was_seen(was: Report, now: Report) -> str:
    """What both programs came to, where both were run."""
    before, after = was.facts.get("run"), now.facts.get("run")
    if not before or not after:
        return ""
    what = [f"Run for {after['steps']} steps, it comes from a loss of {_said(after['begin'])} to {_said(after['end'])}"]
    if after["accuracy"] is not None:
        what.append(f"and {after['accuracy']:.0%} right answers")
    what.append(f"; the script, in {before['steps']} steps, from {_said(before['begin'])} to {_said(before['end'])}")
    if before["accuracy"] is not None:
        what.append(f"and {before['accuracy']:.0%}")
    return " ".join(what).replace(" ;", ";") + "."


def _said(value: float | None) -> str:
    return "no number" if value is None else f"{value:.4g}"


def _reason(report: Report, script: Path, tried: int, late: bool) -> str:
    if report.status != "faults":
        return "There is nothing to repair."
    elsewhere = [f for f in report.findings if f.severity in ("error", "warning") and f.file and not _of(f, script)]
    if not tried and elsewhere:
        where = Path(str(elsewhere[0].file)).name
        return f"No copy was written: it would be one of {script.name}, and the fault is in {where}. Change it there."
    if not tried:
        return (
            "No copy was written: no change of a line is known that might repair this. The fix above says what to do."
        )
    why = "the time was up" if late else "with none of them the doctor found a program that is healthy and learns"
    return f"No copy was written: {tried} repair{'s were' if tried > 1 else ' was'} tried, and {why}."


def _is_better(was: Report, now: Report) -> bool:
    """Whether the first fault is gone, and what is left is another one."""
    if now.status != "faults" or not now.findings or not was.findings:
        return False
    first, other = was.findings[0], now.findings[0]
    return (first.title, first.line) != (other.title, other.line) and _wrong(now) < _wrong(was)


def _wrong(report: Report) -> int:
    if not any(finding.tensors for finding in report.findings):
        return sum(finding.severity in ("error", "warning") for finding in report.findings)
    return sum(t.get("verdict") not in ("right", "unknown") for f in report.findings for t in f.tensors)


def _of(finding: Finding, script: Path) -> bool:
    return finding.file is not None and Path(finding.file).resolve() == script.resolve()


def _write(path: Path, script: Path, before: str, changed: str) -> None:
    book = is_notebook(script)
    write_atomically(path, Book(script).patched(before, changed).encode() if book else encoded(changed, script))
