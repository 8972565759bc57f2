"""Stop a run when its time is up."""

from __future__ import annotations

import math
import re
from typing import Any

from pellucid.train.loop import Callback, Loop
from pellucid.train.records.stopwatch import Stopwatch

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[dhms]\s*)+")


class TimeLimit(Callback):
    """Ends the fit after the first step at which `limit` has passed, as `learner.stop()` does: nothing is lost.

    Counted is the time spent in `fit`, over all resumes of the run. A run that is resumed when its time is up does no
    step; give it a larger limit.

    Args:
        limit: seconds, or a text such as "90s", "10m", "1h30m", "2d".

    Raises:
        ValueError: `limit` is not a positive time.

    >>> TimeLimit("1h30m").limit
    5400.0
    """

    observes = True
    order = 0

    def __init__(self, limit: float | str) -> None:
        self.limit = seconds_of(limit)
        self._watch = Stopwatch()

    @property
    def spent(self) -> float:
        """Seconds spent in `fit` so far."""
        return self._watch.seconds

    def before_fit(self, learner: Loop) -> None:
        self._watch.start()
        self.after_batch(learner)

    def after_batch(self, learner: Loop) -> None:
        if self._watch.seconds >= self.limit:
            learner.stop()

    def after_fit(self, learner: Loop) -> None:
        self._watch.stop()

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.spent}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._watch = Stopwatch(state["seconds"])


def seconds_of(limit: float | str) -> float:
    """Seconds, of a number or of a text of numbers with units.

    >>> seconds_of("1.5h"), seconds_of(20)
    (5400.0, 20.0)
    """
    if isinstance(limit, str):
        text = limit.strip().lower()
        if _DURATION.fullmatch(text):
            seconds = sum(float(part[:-1]) * _UNITS[part[-1]] for part in re.findall(r"[\d.]+[dhms]", text))
        else:
            seconds = float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else math.nan
    else:
        seconds = float(limit)
    if not 0 < seconds < math.inf:
        raise ValueError(
            f"A time limit of {limit!r} is no time: write seconds, or a text such as '90s', '10m', '1h30m'."
        )
    return seconds
