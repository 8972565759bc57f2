"""A fork of the program: it does something, sends back what came out, and ends."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import random
import re
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from pellucid.doctor.process import endings, sandbox

BUSY = 3.0  # times the seconds of the processor that a fork may take by the clock, on a busy machine
TIME_UP = "its time was up"


def patience(seconds: float, left: float) -> float:
    """Seconds of the clock for a fork that may take these of the processor; `left`: of the whole examination."""
    return max(seconds, min(BUSY * seconds, left / 2))


class Lost(Exception):
    """A fork gave no answer: it crashed, or its time was up."""

    @property
    def said(self) -> str:
        """The last line, which says what it was; the lines above it are ours, and so is the name of a class of ours.

        >>> Lost("Traceback\\npellucid.doctor.process.lab.Ended: no such row").said
        'no such row'
        """
        last = (str(self).strip().splitlines() or [""])[-1]
        return re.sub(r"^pellucid\.[\w.]+: ", "", last)


class Fork:
    """One forked child, seen from the parent.

    In the child, `fork()` returns None and the program runs on; what is to be reported goes through `answer`.
    """

    def __init__(self, pid: int, reading: int, started: float) -> None:
        self.pid, self.reading, self.started = pid, reading, started
        self.data = bytearray()

    def result(self, seconds: float) -> Any:
        """Wait for what the child sends. Raises Lost."""
        end = time.monotonic() + seconds
        try:
            while True:
                left = end - time.monotonic()
                if left <= 0 or not select.select([self.reading], [], [], left)[0]:
                    raise Lost(TIME_UP)
                part = os.read(self.reading, 1 << 20)
                if not part:
                    break
                self.data += part
        finally:
            self.end()
        if not self.data:
            raise Lost("it ended without an answer")
        kind, value = pickle.loads(bytes(self.data))  # noqa: S301 (our own child wrote it)
        if kind == "error":
            raise Lost(value)
        return value

    def end(self) -> None:
        os.close(self.reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class ChildAnswer:
    """The child's end: `send` once, and the process is over."""

    def __init__(self, writing: int) -> None:
        self.writing = writing

    def send(self, value: Any) -> NoReturn:
        self._write(("value", value))

    def fail(self, error: BaseException | str) -> NoReturn:
        if isinstance(error, BaseException):
            error = "".join(traceback.format_exception(error)[-6:])
        self._write(("error", error))

    def _write(self, value: Any) -> NoReturn:
        try:
            data = pickle.dumps(value, protocol=5)
        except Exception as error:  # noqa: BLE001 (the parent has to hear of it)
            data = pickle.dumps(("error", f"the answer cannot be sent: {error}"))
        view = memoryview(data)
        while view:
            view = view[os.write(self.writing, view) :]
        endings.end_process(0)


def fork_here() -> int:
    """`os.fork` without a warning; in the child, what it writes is kept in memory, and Python's random numbers go on as
    they would have: it seeds them anew in each child."""
    stream, loop = random.getstate(), _running_loop()
    with warnings.catch_warnings():
        # JAX, and Python from 3.12 on, warn that a fork of a program with threads may hang: a child that does is ended.
        warnings.simplefilter("ignore")
        pid = endings.fork()
    if not pid:
        gc.freeze()  # what was there before is not gone through: that would copy its memory
        random.setstate(stream)
        if loop is not None:  # which a fork is not taken for a part of
            sys.modules["asyncio"]._set_running_loop(loop)
        sandbox.isolate()
    return pid


def _running_loop() -> Any:
    """That of asyncio, where a program waits in one."""
    asyncio: Any = sys.modules.get("asyncio")
    return None if asyncio is None else asyncio._get_running_loop()


def fork() -> Fork | ChildAnswer:
    """Fork the program: the parent gets a `Fork`, the child an `ChildAnswer`."""
    reading, writing = os.pipe()
    started = time.monotonic()
    pid = fork_here()
    if pid:
        os.close(writing)
        return Fork(pid, reading, started)
    os.close(reading)
    return ChildAnswer(writing)


def ask(work: Callable[[], Any], seconds: float) -> Any:
    """What `work()` returns in a fork, which ends with it."""
    end = fork()
    if isinstance(end, Fork):
        return end.result(seconds)
    try:
        end.send(work())
    except BaseException as error:  # noqa: BLE001 (whatever it was, this process ends here)
        end.fail(error)
