"""Time spent in `fit`, over all resumes of a run."""

from __future__ import annotations

import time


class Stopwatch:
    """Adds up the seconds between `start` and `stop`; `seconds` may be read at any time.

    >>> watch = Stopwatch(10.0)  # of the run before this one
    >>> watch.start()
    >>> watch.stop()
    >>> 10 < watch.seconds < 11
    True
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._stopped_at: float | None = seconds
        self._zero = 0.0  # when it would have started, had it never been stopped

    def start(self) -> None:
        self._zero, self._stopped_at = time.perf_counter() - self.seconds, None

    def stop(self) -> None:
        self._stopped_at = self.seconds

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._zero if self._stopped_at is None else self._stopped_at
