"""The program as it is, run on in a fork: what it prints, where nothing that it does in a pass can be compared."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.printed import Trend, learns

SPARED = 0.3  # seconds of a laboratory, for its answer
PART = 0.5  # of the time that is left


def learns_by_what_it_prints(session: TrainingSession) -> Trend | None:
    """The number that gets better as the program runs on, to its end or as far as it comes; None where none does."""
    seconds = PART * session.left()
    if seconds < 1:
        return None
    try:
        return learns(session.lab(lambda lab: _to_the_end(lab, session.program.printed), {}, seconds))
    except Lost:
        return None


def _to_the_end(lab: Lab, lines: list[str]) -> Generator[PassRun, PassOutcome, Any]:
    while lab.left() > SPARED:
        try:
            yield Next()
        except Ended as end:
            if str(end) != "a pass was left from within":
                break
    return lines
