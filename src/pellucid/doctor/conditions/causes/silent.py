"""dead-units: an output that is 0 for every row where a training ends, asked where no loss explains the updates."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator

import numpy as np

from pellucid.doctor.conditions.case import at, error
from pellucid.doctor.probes.losses import Seen
from pellucid.doctor.probes.trials import beginning
from pellucid.doctor.process import origins
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.places import SourcePlace
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.report import Finding

LONGEST = 2.5  # seconds
MOST = 5_000  # passes
FILLED = 0.3  # of the labels, which are not 0


def find(session: TrainingSession) -> Finding | None:
    """What the program subtracts its labels from tells rows from one another in the first pass, and is 0 for all of
    them in the last."""
    initial, found = session.controller.scout.loops[session.number].initial, session.found
    seen = session.lab(lambda lab: _ends(lab, found, initial), found.groups, LONGEST + 2)
    name = off(seen[0], seen[1], session.program.loops.pairs)
    if name is None:
        return None
    finding = error(
        "dead-units",
        0.85,
        f"In the first pass {name} differs from row to row; after {seen[2]} passes it is 0 for every one, and the "
        "labels are not.",
        "Every unit that the output is made of is off for all of the data: the training pushed them there, and no "
        "gradient brings them back.",
        "lower the learning rate, multiply the gradient by the slope of each activation (0 where a unit is off), and "
        "let the last layer be without one",
    )
    loops = session.program.loops
    loop, made = loops.loops[session.number], Assignments.of(loops.sources).assignments
    inside = [a for a in made if name in a.targets and a.file == loop.file and loop.line <= a.line <= loop.last_line]
    place = SourcePlace(inside[0].file, inside[0].line) if inside else origins.made_at(loops.sources, name)
    at(finding, place)
    if finding.file is not None and finding.line is not None:
        finding.code = loops.line(finding.file, finding.line)
    return finding


def off(first: Seen, last: Seen, pairs: Collection[tuple[str, str]]) -> str | None:
    """The output of a pair that is 0 everywhere at last, and was not at first."""
    for output, label in sorted(pairs):
        values = [seen.get(("", name), []) for seen in (first, last) for name in (output, label)]
        if any(len(series) != 1 for series in values):
            continue
        begun, _, ended, wanted = (series[0] for series in values)
        if not begun.size == ended.size == wanted.size > 2 or ended.any():
            continue
        differ = len(np.unique(begun)) > 1 and float(np.ptp(wanted)) > 0
        if differ and float((wanted != 0).mean()) > FILLED:
            return output
    return None


def _ends(
    lab: Lab, found: Parameters, initial: dict[str, np.ndarray]
) -> Generator[PassRun, PassOutcome, tuple[Seen, Seen, int]]:
    """In a laboratory: what is seen in the first pass and in one later, and how many passes that is."""
    until = time.monotonic() + LONGEST
    outcome = yield Next(watch="all", before=beginning(lab, found, initial, ()))
    first, passes = dict(outcome.seen), 1
    try:
        while passes < MOST and time.monotonic() < until:
            yield Next()
            passes += 1
        outcome = yield PassRun(watch="all")
    except Ended:
        pass
    return first, dict(outcome.seen), passes
