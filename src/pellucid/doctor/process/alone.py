"""What a program would have done by other processes or by a pool of threads, done by this process itself, at once.

A fork of the doctor has no threads but the one that forked, and shares nothing with other processes: a pool would never
answer it. What each is to compute is the same.
"""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from concurrent.futures import Executor, Future
from typing import Any


class Alone(Executor):
    """As `ThreadPoolExecutor`."""

    _of_processes = False

    def __init__(
        self, max_workers: Any = None, *_: Any, initializer: Any = None, initargs: Any = (), **__: Any
    ) -> None:
        self._max_workers = max_workers or 1
        if initializer is not None:
            initializer(*initargs)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        try:
            if self._of_processes:
                args, kwargs = copied((args, kwargs))
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 (whoever asks for the result gets it)
            future.set_exception(error)
        return future


class AloneOfProcesses(Alone):
    """As `ProcessPoolExecutor`: what is computed with are copies."""

    _of_processes = True


class Result:
    """As `multiprocessing.pool.AsyncResult`, of what is computed already."""

    def __init__(self, work: Callable[[], Any], callback: Any = None, error_callback: Any = None) -> None:
        self._error: Exception | None = None
        self._value: Any = None
        try:
            self._value = work()
        except Exception as error:  # noqa: BLE001 (whoever asks for the result gets it)
            self._error = error
        told = callback if self._error is None else error_callback
        if told is not None:
            told(self._value if self._error is None else self._error)

    def get(self, timeout: float | None = None) -> Any:
        if self._error is not None:
            raise self._error
        return self._value

    def wait(self, timeout: float | None = None) -> None:
        return None

    def ready(self) -> bool:
        return True

    def successful(self) -> bool:
        return self._error is None


class Pool:
    """As `multiprocessing.pool.Pool`."""

    def __init__(self, processes: Any = None, initializer: Any = None, initargs: Any = (), *_: Any, **__: Any) -> None:
        self._processes = processes or os.cpu_count() or 1
        if initializer is not None:
            initializer(*initargs)

    def apply(self, func: Any, args: Any = (), kwds: Any = None) -> Any:
        return func(*copied(tuple(args)), **copied(kwds or {}))

    def apply_async(self, func: Any, args: Any = (), kwds: Any = None, *told: Any, **by_name: Any) -> Result:
        return Result(lambda: self.apply(func, args, kwds), *told, **by_name)

    def map(self, func: Any, iterable: Iterable[Any], chunksize: Any = None) -> list[Any]:
        return [*self.imap(func, iterable)]

    def map_async(self, func: Any, iterable: Iterable[Any], chunksize: Any = None, *told: Any, **named: Any) -> Result:
        return Result(lambda: self.map(func, iterable), *told, **named)

    def imap(self, func: Any, iterable: Iterable[Any], chunksize: Any = 1) -> Iterator[Any]:
        return (func(copied(value)) for value in iterable)

    imap_unordered = imap

    def starmap(self, func: Any, iterable: Iterable[Any], chunksize: Any = None) -> list[Any]:
        return [*itertools.starmap(func, map(copied, iterable))]

    def starmap_async(self, func: Any, iterable: Any, chunksize: Any = None, *told: Any, **named: Any) -> Result:
        return Result(lambda: self.starmap(func, iterable), *told, **named)

    def close(self) -> None:
        return None

    terminate = join = close

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def copied(value: Any) -> Any:
    """What another process would be given: a change of it is not seen here."""
    try:
        return copy.deepcopy(value)  # not by pickling, by which a recording would lose sight of arrays
    except Exception:  # noqa: BLE001 (what a thread may be given, and a process not)
        return value


def _with(**named: Any) -> Callable[[Any], None]:
    def change(module: Any) -> None:
        for name, value in named.items():
            setattr(module, name, value)
            if name in vars(futures):  # which takes some of its names from this module once they are asked for
                setattr(futures, name, value)

    return change


def _one_job(module: Any) -> None:
    """Have joblib do by itself what it would have workers do."""
    own = module.Parallel.__init__

    def made(self: Any, n_jobs: Any = None, *args: Any, **kwargs: Any) -> None:
        own(self, 1, *args, **kwargs)

    module.Parallel.__init__ = made


def _forked(module: Any) -> None:
    """Fork, where the program would start Python anew for a process: that would be no part of the examination."""
    for name in ("SpawnProcess", "ForkServerProcess"):
        getattr(module, name)._Popen = staticmethod(module.ForkProcess._Popen)


PROCESSES: dict[str, Callable[[Any], None]] = {
    "multiprocessing.context": _forked,
    "multiprocessing.pool": _with(Pool=Pool, ThreadPool=Pool),
    "concurrent.futures.process": _with(ProcessPoolExecutor=AloneOfProcesses),
    "joblib.parallel": _one_job,
}
THREADS: dict[str, Callable[[Any], None]] = {"concurrent.futures.thread": _with(ThreadPoolExecutor=Alone)}
"""How modules are changed, by their names."""
