"""too-few-updates: a run that ends while its loss still falls."""

from __future__ import annotations

import ast
import itertools
import math
from dataclasses import replace

from pellucid.doctor.conditions import learning
from pellucid.doctor.conditions.case import Case, Found, at
from pellucid.doctor.conditions.causes.rate import noisy
from pellucid.doctor.probes.data import SeenData
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import places, settings

FEW = 40  # passes that nobody takes for a training: asked before what else would speed it up
SOME = 90  # updates, beyond which a program that learns by them is not called too short
MANY = 200  # passes, or epochs of a program that learns nothing, beyond which a run is no short one
MORE = 20  # times as many


def find_very_few(case: Case) -> Found | None:
    return find(case) if case.was.ended and case.was.passes / interval(case) <= FEW else None


def find(case: Case) -> Found | None:
    """Confirmed by a training of 20 times as many epochs; of passes that see all of the data, of 20 times as many."""
    was = case.was
    falls = was.finite and learning.share(case.frozen.level, was.level) > 0.01
    rests = interval(case)
    count = was.passes if case.learns else epochs(case)
    count /= rests
    if not was.ended or count > (SOME if case.learns else MANY) or len(was.losses) < 2 or not falls or noisy(was):
        return None
    if _until_right(case):
        return None
    by_epoch = case.session.around >= 0 and was.turns > 0
    remedy = Remedy("too-few-updates", f"with each pass run {MORE} times", repeat=MORE)
    if by_epoch:
        remedy = Remedy("too-few-updates", f"with {MORE} times as many epochs", epochs=MORE)
    seconds = max(1.0, min(4.0, case.session.left() / 5))
    other = case.run(case.so_far.and_(remedy), was.passes * MORE, seconds, case.asked)
    if not other.losses or not other.finite:
        return None
    branch = _branch(case) if rests > 1 else None
    if case.learns:  # who throws most gradients away gains by all of them
        worth = learning.WORTH if branch is None else learning.WORTH / 6
        better = learning.worthwhile(case.guess, was, other, (case.hits(was), case.hits(other)), worth)
    else:
        better = learning.confirmed(case.frozen, was, other)
    if not better:
        return None
    finding = case.confirmed(
        remedy, other,
        f"The program makes {was.passes} updates and ends while its loss still falls.",
        "Nothing is wrong with the updates; there are too few of them.",
        "train for more epochs",
    )  # fmt: skip
    if branch is not None:
        finding.evidence = finding.evidence.replace(
            f"makes {was.passes} updates", f"makes an update in one of {rests} passes", 1
        )
        finding.fix = "take the update out of this `if`, so that every pass makes one"
        at(finding, branch)
        return Found(finding, remedy, other)
    once = _all_at_once(case)
    if once is not None:
        finding.fix += ", or make more updates in each: this loop over the batches makes one"
        at(finding, once)
        return Found(finding, remedy, other)
    loop = case.session.program.loops.loops[case.session.around if by_epoch else case.session.number]
    while loop.outer is not None and not by_epoch:
        loop = case.session.program.loops.loops[loop.outer]
    at(finding, settings.count(case.sources, loop.file, loop.line) or places.SourcePlace(loop.file, loop.line))
    return Found(finding, remedy, other)


def interval(case: Case) -> int:
    """Of how many passes one makes an update, by those that were studied."""
    moving = [entry.index for entry in case.study.passes if any(update.any() for update in entry.update.values())]
    if len(moving) < 3 or len(moving) == len(case.study.passes):
        return 1
    return min(b - a for a, b in itertools.pairwise(moving))


def _branch(case: Case) -> places.SourcePlace | None:
    """The `if` around the updates that counts the passes: `if step % 100 == 99`."""
    for file, line in sorted({place for known in case.study.update_lines.values() for place in known}):
        around = [node for node in ast.walk(ast.parse(case.sources.get(file, ""))) if isinstance(node, ast.If)]
        for node in around:
            counts = any(isinstance(part, ast.Mod) for part in ast.walk(node.test))
            if counts and node.lineno < line <= (node.end_lineno or 0):
                return places.SourcePlace(file, node.lineno)
    return None


def _until_right(case: Case) -> bool:
    """Whether a program that trains as long as some row is wrong, not for a number of epochs, ends with all of the rows
    of its last epoch right: it has made as many updates as it wants, whatever the loss is."""
    by_epoch = case.session.around >= 0 and case.was.turns > 0
    loops = case.session.program.loops
    loop = loops.loops[case.session.around if by_epoch else case.session.number]
    if not loops.line(loop.file, loop.line).strip().startswith("while"):
        return False
    batch, passes = case.last, len(case.was.last.get(case.keys.labels or ("", ""), []))
    if batch.labels is None or batch.outputs is None or not passes:
        return False
    count = len(batch.labels) // passes * (math.ceil(case.was.passes / case.was.turns) if by_epoch else 1)
    if not 0 < count <= len(batch.labels):
        return False
    right = learning.hits(replace(batch, labels=batch.labels[-count:], outputs=batch.outputs[-count:]))
    return right is not None and right.share == 1


def _all_at_once(case: Case) -> places.SourcePlace | None:
    """A loop over batches that has one turn, `for i in range(0, n, n)`: the training loop, or one within it."""
    loop, frame = case.session.program.loops.loops[case.session.number], case.session.frame
    names = {**frame.f_globals, **frame.f_locals}
    for line in settings.in_steps(case.sources, loop.file, loop.line, loop.last_line):
        if places.passes(case.sources, loop.file, line, names) == 1:
            return places.SourcePlace(loop.file, line)
    return None


def epochs(case: Case) -> float:
    """How often the training went through its data, by the rows that came again or by the loop around it; each pass is
    one where neither is known."""
    period = repeated_after(case.data) if case.data is not None else None
    known = [case.was.turns] if case.was.turns else []
    known += [case.was.passes / period] if period else []
    return max(known, default=case.was.passes)


def repeated_after(data: SeenData) -> int | None:
    """After how many passes a row of the first one is seen again."""
    rows = [{row.tobytes() for row in batch.inputs} for batch in data.batches if batch.inputs is not None]
    return next((i for i, seen in enumerate(rows) if i and seen & rows[0]), None)
