"""The threads that share the work of a kernel.

The work of a kernel is a range of indices, and what is done for one does not depend on which others are done with it:
the result is the same, bit for bit, whatever the number of threads. Pieces are claimed as they come, so that a core
that is busy with something else gets fewer. To wake a thread and to wait for it costs some 20 µs, so a kernel says how
much work is enough for one. Several threads may share work at once: each has a job of its own in the queue.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from queue import SimpleQueue

_PIECES = 4  # for each thread


class Run(NamedTuple):
    """A call of a kernel that is ready to be made: once, or in each run of a plan.

    `function(start, stop, *arguments)` does its work for all of `range(total)`, of which a thread takes `least` or
    more. `memory` is what the arguments are the addresses of, where nobody else has it.
    """

    function: Callable[..., None]
    total: int
    least: int
    arguments: tuple[Any, ...]
    memory: tuple[Any, ...] = ()

    def __call__(self) -> None:
        share(self.function, self.total, self.least, *self.arguments)


class _Job:
    """Work in pieces. Whoever finishes the last one opens the lock that the owner waits for."""

    def __init__(self, function: Callable[..., None], total: int, pieces: int, arguments: tuple[Any, ...]) -> None:
        self.function, self.total, self.pieces, self.arguments = function, total, pieces, arguments
        self.claim = itertools.count().__next__
        self.finish = itertools.count(1).__next__
        self.failure: BaseException | None = None
        self.whole = threading.Lock()
        self.whole.acquire()

    def work(self) -> None:
        """Do pieces until there is none left."""
        while (piece := self.claim()) < self.pieces:
            try:
                self.function(
                    self.total * piece // self.pieces, self.total * (piece + 1) // self.pieces, *self.arguments
                )
            except BaseException as failure:  # noqa: BLE001  the owner raises it
                self.failure = failure
            if self.finish() == self.pieces:
                self.whole.release()


class _Pool:
    """The number of threads, and the threads, which are made when they are first needed."""

    def __init__(self) -> None:
        self.threads: int | None = None
        self.queue: SimpleQueue[_Job | None] | None = None
        self.lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """A fork has no threads but its own."""
        self.queue, self.lock = None, threading.Lock()

    def count(self) -> int:
        if self.threads is None:
            self.threads = _wanted()
        return self.threads

    def pieces(self, total: int, least: int) -> int:
        """Into how many pieces work is cut."""
        return min(self.count() * _PIECES, total // max(least, 1))

    def jobs(self) -> SimpleQueue[_Job | None]:
        """Where the threads take jobs from."""
        with self.lock:
            if self.queue is None:
                from queue import SimpleQueue  # not when pellucid is imported: it takes a while

                self.queue = SimpleQueue()
                for i in range(self.count() - 1):
                    name = f"pellucid-kernel_{i}"
                    with contextlib.suppress(RuntimeError):  # none can be started: the owner does it all
                        threading.Thread(target=_serve, args=(self.queue,), name=name, daemon=True).start()
            return self.queue

    def resize(self, count: int) -> None:
        with self.lock:
            queue, old, self.queue, self.threads = self.queue, self.threads or 1, None, count
        if queue is not None:
            for _ in range(old - 1):
                queue.put(None)  # after the jobs that are there


def _serve(queue: SimpleQueue[_Job | None]) -> None:
    """What a thread does."""
    while (job := queue.get()) is not None:
        job.work()
        del job  # it may hold what its owner is done with


def _wanted() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked):
        return int(asked)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


_pool = _Pool()


def get_num_threads() -> int:
    """How many threads a large kernel uses: `OMP_NUM_THREADS`, else the cores that the process may run on."""
    return _pool.count()


def set_num_threads(count: int) -> None:
    """Use `count` threads from now on."""
    _pool.resize(count)


def share(function: Callable[..., None], total: int, least: int, *arguments: Any) -> None:
    """Call `function(start, stop, *arguments)` for all of `range(total)`: on the threads, `least` or more to each."""
    threads = _pool.threads or _pool.count()
    if threads == 1 or (pieces := _pool.pieces(total, least)) <= 1:
        function(0, total, *arguments)
        return
    job, jobs = _Job(function, total, pieces, arguments), _pool.jobs()
    for _ in range(min(threads, pieces) - 1):
        jobs.put(job)
    job.work()
    job.whole.acquire()
    if job.failure is not None:
        raise job.failure
