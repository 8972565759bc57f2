"""An end to whatever takes too long: an alarm of the system, which no fork inherits."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any


class OutOfTime(BaseException):
    """The time is up. Not an `Exception`, so that no program catches it by chance."""


@contextlib.contextmanager
def until(deadline: float) -> Iterator[None]:
    """Raise OutOfTime inside the block at this time of `time.monotonic`. Outside the main thread nothing is raised."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: Any) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    # Once a second from then on: Python drops what is raised within a destructor or a weak reference's callback.
    signal.setitimer(signal.ITIMER_REAL, max(deadline - time.monotonic(), 0.01), 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
