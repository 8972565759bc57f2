"""Training runs in processes of their own, several at a time.

Each process trains one run after the other. How many threads its BLAS has is set before NumPy is loaded, and does not
depend on how many processes there are: then a trial gives the same bits whatever runs beside it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import connection as pipes
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.datasets import DataError
from pellucid.experiments.config import Options
from pellucid.experiments.errors import UsageError
from pellucid.experiments.session import Diverged, RunSession, resume, start
from pellucid.train import Callback, CheckpointError, Learner, RunFolder, RunFolderError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Task:
    """A run to do: its number in the sweep, its options as `pellucid train` takes them, its folder."""

    index: int
    options: Options
    folder: Path


@dataclass(frozen=True)
class TaskResult:
    """What came of a task.

    `state` is "complete"; "diverged", where the numbers were no longer numbers; "stopped", where it can be taken up
    again; or "failed", with a `message`.
    """

    index: int
    state: str
    summary: dict[str, Any] = field(default_factory=dict)
    message: str = ""


def run_task(task: Task, stop: Any) -> TaskResult:
    """Do one run, or the rest of it; `stop` is an Event that ends it after a step, saved."""
    folder = RunFolder(task.folder)
    try:
        if not folder.summary.exists():  # else only the news of its end was lost
            if folder.config.exists():
                session = resume(task.folder)
            else:
                session = start(task.options, task.folder)
            session.learner.add(_StopWhenAsked(stop, session))
            with np.errstate(all="ignore"):  # a diverging trial is reported as such
                if session.run() == "stopped":
                    return TaskResult(task.index, "stopped")
        return TaskResult(task.index, "complete", json.loads(folder.summary.read_text(encoding="utf-8")))
    except Diverged as error:
        return TaskResult(task.index, "diverged", message=str(error).splitlines()[0])
    except (UsageError, DataError, CheckpointError, RunFolderError, OSError, MemoryError) as error:
        return TaskResult(task.index, "failed", message=str(error) or type(error).__name__)


class _StopWhenAsked(Callback):
    def __init__(self, event: Any, session: RunSession) -> None:
        self.event, self.session = event, session

    def after_batch(self, learner: Learner) -> None:
        if self.event.is_set() and not learner.stopping:
            self.session.stop()


class Workers:
    """Up to `jobs` processes, each with `threads` threads for its BLAS. A context manager: they end with it."""

    def __init__(self, jobs: int, threads: int) -> None:
        self.jobs, self.threads = jobs, threads
        self._context = multiprocessing.get_context("spawn")  # a forked one would have NumPy's threads set already
        self._stop = self._context.Event()
        self._idle: list[_Worker] = []
        self._busy: dict[Any, _Worker] = {}

    def run(self, tasks: Iterator[Task]) -> Iterator[TaskResult]:
        """The outcomes, as they come. A process that dies fails its task alone."""
        more = True
        while more or self._busy:
            while more and len(self._busy) < self.jobs and not self._stop.is_set():
                task = next(tasks, None)
                more = task is not None
                if task is not None:
                    worker = self._idle.pop() if self._idle else self._start()
                    worker.take(task)
                    self._busy[worker.pipe] = worker
            if not self._busy:
                return
            for ready in pipes.wait(list(self._busy)):
                worker = self._busy.pop(ready)
                outcome = worker.outcome()
                if worker.process.is_alive():
                    self._idle.append(worker)
                yield outcome

    def stop(self) -> None:
        """Have every run saved and ended after its step; no other is begun."""
        self._stop.set()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._idle:
            worker.pipe.close()  # it ends at the end of its pipe
        for worker in self._busy.values():  # only where an error or a second Ctrl-C came out of `run`
            worker.process.terminate()
        for worker in [*self._idle, *self._busy.values()]:
            worker.process.join()

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._stop), daemon=True)
        with _environment({name: str(self.threads) for name in THREADS}):
            process.start()
        theirs.close()
        return _Worker(process, ours)


class _Worker:
    def __init__(self, process: Any, pipe: Any) -> None:
        self.process, self.pipe = process, pipe

    def take(self, task: Task) -> None:
        self.task = task
        self.pipe.send(task)

    def outcome(self) -> TaskResult:
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            return TaskResult(self.task.index, "failed", message=f"its process ended with code {code}")


def _work(pipe: Any, stop: Any) -> None:
    """What each process does: one task after the other, until the pipe is closed."""
    # Ctrl-C reaches every process of a terminal. The first one speaks for all, by `stop`.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:  # killed, it cannot ask for anything: no run may go on that a new sweep takes up
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(run_task(task, stop))


def _end_with(sentinel: Any) -> None:
    pipes.wait([sentinel])
    os._exit(1)  # files are whole at any moment


@contextmanager
def _environment(changed: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
