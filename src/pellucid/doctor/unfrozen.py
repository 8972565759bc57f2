"""Parameters that rest at first and are moved later on, as of layers that are trained one after the other."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.trials import Remedy, trial
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.rules.gradient import Judgement

LONG = 4000  # passes in which they may be moved
STILL = 1e-9  # as far as roundings of a sum that is zero may move them


def later(session: TrainingSession, judgement: Judgement, study: SlopeStudy) -> dict[str, str]:
    """What is to be said of parameters that no pass moved that was looked at, and that the program moves further on:
    that nothing is known of them."""
    resting = [name for name, verdict in judgement.verdicts.items() if verdict == "zero"]
    written = Assignments.of(session.program.loops.sources)
    resting = [name for name in resting if written.updates(session.found.groups[name])]
    if not resting or len(resting) == len(judgement.verdicts):
        return {}
    seconds, found = min(3.0, session.left() / 8), session.found
    initial = session.controller.scout.loops[session.number].initial
    try:
        done = session.lab(
            lambda lab: trial(lab, found, judgement.candidate, initial, LONG, seconds, Remedy()),
            found.groups,
            3 * seconds,
        )
    except Lost:
        return {}
    begun = study.passes[0].values
    return {
        name: "unknown"
        for name in resting
        if name in begun
        and name in done.values
        and not np.allclose(np.ravel(done.values[name]), np.ravel(begun[name]), rtol=1e-9, atol=STILL)
    }
