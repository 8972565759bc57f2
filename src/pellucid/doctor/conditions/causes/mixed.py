"""samples-mixed: one output for all rows where each should have its own, asked where no loss explains the updates."""

from __future__ import annotations

from collections.abc import Collection, Generator

import numpy as np

from pellucid.doctor.conditions.case import at, error
from pellucid.doctor.probes.losses import LABEL_NAME, Seen, is_no_output
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Lab, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.places import SourcePlace
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.report import Finding

LONGEST = 2.5  # seconds
FEWEST = 4  # rows
SHIFT = 1e-3  # of a parameter's size


def find(session: TrainingSession) -> Finding | None:
    """A single number that depends on the parameters is subtracted from the labels of all rows."""
    found = session.found
    plain, moved = session.lab(lambda lab: _twice(lab, found), found.groups, LONGEST)
    pair = one_for_all(plain, moved, session.program.loops.pairs, frozenset(found.groups))
    if pair is None:
        return None
    output, label, rows = pair
    finding = error(
        "samples-mixed",
        0.85,
        f"{output} is one number in each pass, and {label}, from which it is subtracted, holds the labels of {rows} "
        "rows.",
        "One output is computed for all rows together: a sum goes over the rows, or a function of one number was given "
        "the whole batch. Each row should have an output of its own.",
        f"compute {output} row by row, or with functions of arrays: np.exp, not math.exp, and no sum over the rows",
    )
    loops = session.program.loops
    made = [a for a in Assignments.of(loops.sources).assignments if output in a.targets]
    if made:
        at(finding, SourcePlace(made[0].file, made[0].line))
        finding.code = loops.line(made[0].file, made[0].line)
    return finding


def one_for_all(
    plain: Seen, moved: Seen, pairs: Collection[tuple[str, str]], parameters: Collection[str]
) -> tuple[str, str, int] | None:
    """The number, what the labels are called, and how many there are."""
    for output, label in sorted(pairs):
        values = [seen.get(("", name), []) for seen in (plain, moved) for name in (output, label)]
        if any(len(series) != 1 for series in values) or output in parameters or is_no_output(("", output)):
            continue
        number, labels, other, same = (series[0] for series in values)
        if number.size != 1 or labels.size < FEWEST or not np.array_equal(labels, same) or number == other:
            continue
        rows = {value.shape[0] for (_, name), series in plain.items() for value in series if value.ndim == 2}
        if LABEL_NAME.search(label.lower()) and float(np.ptp(labels)) > 0 and labels.size in rows:
            return output, label, labels.size
    return None


def _twice(lab: Lab, found: Parameters) -> Generator[PassRun, PassOutcome, tuple[Seen, Seen]]:
    """In a laboratory: a pass as it is, and with other parameters."""
    plain = yield PassRun(watch="all")
    rng = np.random.default_rng(0)
    start = {name: plain.before[name] for name in found.parameters if name in plain.before}
    moved = yield PassRun(
        {name: old + SHIFT * max(float(np.abs(old).max(initial=0)), 1e-3) * rng.normal(size=old.shape)
         for name, old in start.items()},
        watch="all",
    )  # fmt: skip
    return dict(plain.seen), dict(moved.seen)
