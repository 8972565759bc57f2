"""A job done beside the training: the disk is waited for while the next steps are computed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Background:
    """Does one job at a time, each after the one before it. What a job raises comes out of the next call here.

    >>> done = []
    >>> background = Background()
    >>> background.do(done.append, 1)
    >>> background.do(done.append, 2)
    >>> background.wait()
    >>> done
    [1, 2]
    """

    def __init__(self) -> None:
        self._under_way: Future[Any] | None = None

    def do(self, job: Callable[..., Any], *args: Any) -> None:
        """Begin `job(*args)` in another thread when the job before it has ended."""
        self.wait()
        pool = ThreadPoolExecutor(1, "pellucid-writer")
        self._under_way = pool.submit(job, *args)
        pool.shutdown(wait=False)  # the thread ends with its job; the interpreter waits for it

    def wait(self) -> None:
        """Until nothing is under way."""
        job, self._under_way = self._under_way, None
        if job is not None:
            job.result()
