"""Time spent in `fit`, over all resumes of a run."""

from __future__ import annotations

import time


class Stopwatch:
    """Adds up the seconds between `start` and `stop`; `seconds` may be read, and set, at any time.

    >>> watch = Stopwatch(10.0)  # of the run before this one
    >>> watch.start()
    >>> watch.stop()
    >>> 10 < watch.seconds < 11
    True
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._before, self._started = seconds, None

    def start(self) -> None:
        self._started = time.perf_counter()

    def stop(self) -> None:
        self._before, self._started = self.seconds, None

    @property
    def seconds(self) -> float:
        if self._started is None:
            return self._before
        return self._before + (time.perf_counter() - self._started)
