"""exploding-gradients: parameters that become infinite or NaN, asked where no loss explains the updates."""

from __future__ import annotations

import time
from collections.abc import Generator

import numpy as np

from pellucid.doctor.conditions.case import error
from pellucid.doctor.probes.trials import beginning
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.report import Finding

LONGEST = 3.0  # seconds
MOST = 20_000  # passes


def find(session: TrainingSession) -> Finding | None:
    """Whatever the rule of the updates is meant to be: it begins with numbers, and ends in what is none."""
    initial = session.controller.scout.loops[session.number].initial
    known = [initial[name] for name in session.found.parameters if name in initial]
    if not known or not all(np.isfinite(values).all() for values in known):
        return None
    found = session.found
    end = session.lab(lambda lab: _last(lab, found, initial), found.groups, LONGEST + 2)
    if end is None:
        return None
    name, passes, size = end
    finding = error(
        "exploding-gradients",
        0.85,
        f"After {passes} passes {name} is infinite or NaN; ten passes before, its largest number was {size:.3g}.",
        "The updates grow from pass to pass, and follow the slope of no usual loss of what was seen.",
        f"look whether the update of {name} is the rate times a derivative of the loss, with a minus before it: the "
        "difference of output and label belongs in it, not its square or a sum that goes on",
    )
    group = found.groups[name]
    updates = Assignments.of(session.program.loops.sources).updates(group)
    if updates:
        finding.file, finding.line = updates[0].file, updates[0].line
        finding.code = session.program.loops.line(updates[0].file, updates[0].line)
    return finding


def _last(
    lab: Lab, found: Parameters, initial: dict[str, np.ndarray]
) -> Generator[PassRun, PassOutcome, tuple[str, int, float] | None]:
    """In a laboratory: the first parameter that is no number any more, after how many passes, and how large it was."""
    until = time.monotonic() + LONGEST
    sizes: dict[str, list[float]] = {name: [] for name in found.parameters}
    try:
        for i in range(MOST):
            outcome = yield Next(before=beginning(lab, found, initial, ()) if i == 0 else None)
            for name in found.parameters:
                values = outcome.after.get(name)
                if values is None:
                    continue
                if not np.isfinite(values).all():
                    return name, i + 1, sizes[name][-10:][0] if sizes[name] else 0.0
                sizes[name].append(float(np.abs(values).max(initial=0.0)))
            if time.monotonic() > until:
                break
    except Ended:
        pass
    return None
