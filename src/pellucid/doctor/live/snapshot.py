"""The process as it was at a moment: a fork that waits, and of which forks go on from there, over and over."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import NoReturn

from pellucid.doctor.observed.laboratory import Laboratory
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.treatments import Treatment
from pellucid.doctor.process.child import ChildAnswer, fork_here
from pellucid.doctor.process.endings import end_process

GRACE = 10.0  # seconds beyond those of its runs that the waiting process may take to answer


class Rerun(Exception):
    """Raised in a fork, where the snapshot was taken: go on from here, with treatments, and send the record."""

    def __init__(self, end: ChildAnswer, treatments: Sequence[Treatment], steps: int, seconds: float) -> None:
        super().__init__()
        self.end, self.treatments, self.steps, self.seconds = end, treatments, steps, seconds


class Snapshot:
    """Taken where it is made. Raises Rerun in each of the forks that are run later on."""

    def __init__(self) -> None:
        self._ours, theirs = Pipe()
        self._pid = fork_here()
        if not self._pid:
            self._ours.close()
            _serve(theirs)
        theirs.close()

    def several(self, each: Sequence[Sequence[Treatment]], steps: int, seconds: float) -> list[ProgramRecord | None]:
        """The records of runs with treatments, from the moment on."""
        try:
            self._ours.send((each, steps, seconds))
            if self._ours.poll(len(each) * (seconds + GRACE)):
                records: list[ProgramRecord | None] = self._ours.recv()
                return records
        except (OSError, EOFError):
            pass
        return [None] * len(each)

    def close(self) -> None:
        """End the process that waits."""
        if self._pid:
            self._ours.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0


@dataclass
class _Reruns(Laboratory):
    """In the waiting process: forks of it go back to where the snapshot was taken."""

    def _program(self, end: ChildAnswer, treatments: Sequence[Treatment], steps: int, seconds: float) -> NoReturn:
        raise Rerun(end, treatments, steps, seconds)


def _serve(orders: Connection) -> NoReturn:
    """Answer orders until nobody is there any more. Whatever happens, nothing of the user's goes on in this process."""
    with contextlib.suppress(ValueError):  # Ctrl-C is for the process that waits for the answers
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            each, steps, seconds = orders.recv()
            orders.send(_Reruns(deadline=float("inf")).several(each, steps, seconds))
    except Rerun:
        raise
    except BaseException:  # noqa: BLE001 (the user's program must not see it)
        end_process(0)
