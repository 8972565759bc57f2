"""Threads and processes of the program: they are watched as it is itself, as one of them may be what trains."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from pellucid.core import state
from pellucid.doctor.process.child import ChildAnswer

from .observer import Observer

Failed = Callable[[BaseException, Any], None]


class Elsewhere:
    """From here on, in this process, each thread that is started is watched, and what ended it reported; the first
    process that has trained when it ends answers for the program.

    Args:
        failed: called with an error, and where it was raised, of a thread that has trained; of any, in `finish`, where
            none has.
    """

    def __init__(self, observer: Observer, end: ChildAnswer, failed: Failed) -> None:
        self._observer, self._end, self._failed = observer, end, failed
        self._errors: list[tuple[BaseException, Any]] = []
        self._turn, turn = os.pipe()  # the one byte in it is had by who answers
        os.set_blocking(self._turn, False)
        os.write(turn, b"1")
        _wrap(threading.Thread, self._thread)
        _wrap(BaseProcess, self._process)

    def finish(self) -> None:
        """The program is over."""
        if self._errors and not self._observer.record.steps:
            self._failed(*self._errors[0])

    def _thread(self, run: Callable[[], Any]) -> None:
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

    def _process(self, run: Callable[[], Any]) -> None:
        record = self._observer.record
        before = len(record.steps)
        try:
            run()
        except Exception as error:  # noqa: BLE001 (it is reported)
            self._failed(error, sys.exc_info()[2])
        if len(record.steps) > before and self._first():
            self._observer.stop()
            record.ended = True
            self._end.send(self._observer.finish())

    def _first(self) -> bool:
        try:
            return bool(os.read(self._turn, 1))
        except BlockingIOError:
            return False


def _wrap(kind: Any, within: Callable[[Callable[[], Any]], None]) -> None:
    """Have what runs in a thread or a process run within this."""
    own = kind.start

    def start(started: Any) -> None:
        run = started.run
        started.run = lambda: within(run)
        own(started)

    kind.start = start
