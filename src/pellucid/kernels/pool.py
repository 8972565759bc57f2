"""The threads that share the work of a kernel.

The work of a kernel is a range of indices, and what is done for one does not depend on which others are done with it:
the result is the same, bit for bit, whatever the number of threads. Pieces are claimed as they come, so that a core
that is busy with something else gets fewer.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_PIECES = 4  # for each thread


class _Pool:
    """The number of threads, and the threads, which are made when they are first needed."""

    def __init__(self) -> None:
        self.threads: int | None = None
        self.executor: ThreadPoolExecutor | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """A fork has no threads but its own."""
        self.executor = None

    def count(self) -> int:
        if self.threads is None:
            self.threads = _wanted()
        return self.threads

    def workers(self) -> ThreadPoolExecutor:
        if self.executor is None:
            from concurrent.futures import ThreadPoolExecutor  # not when pellucid is imported: it takes a while

            self.executor = ThreadPoolExecutor(self.count() - 1, "pellucid-kernel")
        return self.executor


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
    old, _pool.executor, _pool.threads = _pool.executor, None, count
    if old is not None:
        old.shutdown(wait=False)


def share(function: Callable[..., None], total: int, least: int, *arguments: Any) -> None:
    """Call `function(start, stop, *arguments)` for all of `range(total)`: on the threads, `least` or more to each."""
    threads = _pool.count()
    pieces = min(threads * _PIECES, total // max(least, 1))
    if threads == 1 or pieces <= 1:
        function(0, total, *arguments)
        return
    numbers = itertools.count()

    def work() -> None:
        while (piece := next(numbers)) < pieces:
            function(total * piece // pieces, total * (piece + 1) // pieces, *arguments)

    workers = _pool.workers()
    helpers = [workers.submit(work) for _ in range(min(threads, pieces) - 1)]
    work()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
