"""The proof of what no treatment confirmed: the program is run with the line changed, as `--fix` would change it."""

from __future__ import annotations

import difflib
import itertools
import math
from pathlib import Path
from typing import Any

from pellucid.doctor.edits import diff
from pellucid.doctor.repairs import repairs, together
from pellucid.doctor.report import Finding
from pellucid.doctor.sources import home_of, is_own, text_of

from .compare import better, better_held_out, outcome, stays
from .findings import curves, show
from .laboratory import ScriptLaboratory, is_part
from .matching import curve
from .record import ProgramRecord

TRIED = 2  # patches
ENOUGH = 10  # backwards without which a run says nothing
LOWER = 0.3  # of the loss at first, by which it has to fall where the program as it was made no step
AT_THE_LOSS = ("labels-misaligned",)  # which is shown where it is measured, until a change tells where it is made
# whose targets, or whose loss, are others with the patch: what both runs come to is not the same thing
OTHER_TARGETS = ("constant-target", "noisy-labels", "train-val-leak", "wrong-loss-for-task", "overfitting")


def prove(laboratory: ScriptLaboratory, base: ProgramRecord, findings: list[Finding], spared: float) -> None:
    """Run the program with the worst of these faults repaired in its source, and say so where that goes better."""
    first = next((f for f in findings if f.severity == "error"), None)
    if first is None or first.verified or not is_own(first.file, home_of(laboratory.script).root):
        return
    path = Path(first.file or "")
    source = text_of(path)
    seconds = 1.5 * base.seconds + 2.0
    errors = [f for f in findings if f.severity == "error" and f.file == first.file]
    for changed in itertools.islice(itertools.chain(repairs(first, source), together(errors, source)), TRIED):
        if laboratory.left() < seconds + spared:
            return
        now = laboratory.patched(path, changed, max(len(base.steps), 20 * ENOUGH), seconds)
        shown = _shown(first.cause, base, now) if now is not None and not now.error else {}
        if shown:
            first.verified, first.fork = True, {**shown, "diff": diff(source, changed, path)}
            line = replaced(source, changed)
            if first.cause in AT_THE_LOSS and line is not None:
                show(first, str(path), line)
            return


def replaced(source: str, changed: str) -> int | None:
    """The one line in which two texts differ; None where they differ in more."""
    matcher = difflib.SequenceMatcher(None, source.splitlines(), changed.splitlines(), autojunk=False)
    other = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    kind, start, end, _, _ = other[0] if len(other) == 1 else ("", 0, 0, 0, 0)
    return start + 1 if kind == "replace" and end == start + 1 else None


def _shown(cause: str, was: ProgramRecord, now: ProgramRecord) -> dict[str, Any]:
    """Both runs, where that with the patch went better; {} where it did not, or where that cannot be told."""
    if len(was.steps) < ENOUGH or stays(was):  # it ended in an error, or made no update
        end = outcome(now)
        fell = end.finite and end.begin - end.loss > max(LOWER * abs(end.begin), 3 * end.noise)
        return curves(was, now) if len(now.steps) >= ENOUGH and fell else {}
    if better_held_out(was, now):
        return _of_evaluation(was, now) or curves(was, now)
    same = was.loss.kind == now.loss.kind
    if cause in OTHER_TARGETS or is_part(was) or not better(was, now, same_loss=same):
        return {}
    return curves(was, now)


def _of_evaluation(was: ProgramRecord, now: ProgramRecord) -> dict[str, Any]:
    """The shares of right answers of the program's own evaluation; {} where they are not known."""
    shares = [[hits for _, _, hits in curve(record) if hits is not None] for record in (was, now)]
    if not all(shares) or not all(math.isfinite(share) for each in shares for share in each):
        return {}
    two = [each if len(each) > 1 else each * 2 for each in shares]
    return {"as it was": two[0], "with the fix": two[1], "what": "share of right answers in the evaluation"}
