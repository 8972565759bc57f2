"""Threads of the program: they are watched as its main one is, as one of them may be what trains."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from pellucid.core import state

from .observer import Observer

Failed = Callable[[BaseException, Any], None]


class Threads:
    """From here on, in this process, each thread that is started is watched, and what it ends with is told.

    Args:
        failed: called with an error, and where it was raised, of a thread that has trained; of any, in `finish`, where
            none has.
    """

    def __init__(self, observer: Observer, failed: Failed) -> None:
        self._observer, self._failed = observer, failed
        self._errors: list[tuple[BaseException, Any]] = []
        own = threading.Thread.start

        def start(thread: Any) -> None:
            run = thread.run
            thread.run = lambda: self._run(run)
            own(thread)

        threading.Thread.start = start  # type: ignore[method-assign]

    def finish(self) -> None:
        """The program is over."""
        if self._errors and not self._observer.record.steps:
            self._failed(*self._errors[0])

    def _run(self, run: Callable[[], Any]) -> None:
        steps = self._observer.record.steps
        before = len(steps)
        state.interpreters = (*state.interpreters, self._observer)
        state.watchers.append(self._observer)
        try:
            run()
        except Exception as error:
            trace = sys.exc_info()[2]
            if len(steps) > before:
                self._failed(error, trace)
            else:
                self._errors.append((error, trace))
            raise
