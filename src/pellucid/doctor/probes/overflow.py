"""Where in a pass numbers leave their domain: the first line that overflows, divides by zero or has no result.

NumPy says it when it is asked to; in a fork it is asked to call a function, which looks at the line that runs.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.doctor.process.lab import Lab, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.paths import Scope

MOST = 200


@dataclass(frozen=True)
class Leaving:
    """One line that leaves the domain of numbers: `kind` is "divide by zero", "overflow" or "invalid value"."""

    kind: str
    file: str
    line: int


def leavings(lab: Lab, found: Parameters) -> Generator[PassRun, PassOutcome, tuple[list[Leaving], list[str]]]:
    """In a laboratory: what happens in one pass, in its order, each line once for each kind; and the parameters that
    are no numbers at its end."""
    events: dict[Leaving, None] = {}

    def said(kind: str, flag: int) -> None:
        frame = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename not in lab.files:
            frame = frame.f_back
        if frame is not None and len(events) < MOST:
            events[Leaving(kind, frame.f_code.co_filename, frame.f_lineno)] = None

    def before(scope: Scope) -> None:
        np.seterrcall(said)
        np.seterr(divide="call", over="call", invalid="call")

    def after(scope: Scope) -> Any:
        np.seterr(all="ignore")
        return list(events)

    outcome = yield PassRun(before=before, after=after)
    spoilt = [n for n in found.parameters if n in outcome.after and not np.isfinite(outcome.after[n]).all()]
    return outcome.said, spoilt


def origin(found: list[Leaving]) -> Leaving | None:
    """The line that the first value without a number comes from: a logarithm of 0, or the power that became infinite
    before infinity was divided by infinity."""
    first = next((event for event in found if event.kind != "overflow"), None)
    if first is None:
        return None
    earlier = [event for event in found[: found.index(first)] if event.kind == "overflow"]
    return earlier[-1] if first.kind.startswith("invalid") and earlier else first
