"""Worker processes of a `DataLoader`: forks that make batches ahead, in PyTorch's order, with PyTorch's seeds.

The parent keeps `prefetch_factor` batches per worker under way. Tasks go to the workers in turn, to each through a
queue of its own; batches come back through one queue and are handed out in the order of the tasks. Worker `i` seeds
PyTorch's and Python's default generators with `base_seed + i`, and NumPy's from both, as PyTorch's workers do.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ...random import manual_seed, sampler_seed

__all__ = ["WorkerInfo", "LoaderWorkers", "forks", "get_worker_info"]

_POLL = 5.0  # seconds after which either side looks whether the other still lives


class WorkerInfo(NamedTuple):
    """What a worker process knows of itself.

    Attributes:
        id: from 0 to ``num_workers - 1``.
        num_workers: how many there are.
        seed: what its generators were seeded with, `base_seed + id`.
        dataset: its own copy of the data set.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker process of a `DataLoader`, its `WorkerInfo`; elsewhere None."""
    return _info


def forks() -> bool:
    """Whether worker processes can be forked here. macOS has forks, but its own libraries do not survive them."""
    return hasattr(os, "fork") and sys.platform != "darwin"


class _Failure(NamedTuple):
    """An error in a worker, as it travels: its class and what Python would print of it."""

    kind: type[BaseException]
    worker: int
    text: str

    def raised(self) -> BaseException:
        """The error of the same class whose message holds the worker's traceback."""
        said = f"Caught {self.kind.__name__} in DataLoader worker process {self.worker}.\nOriginal {self.text}"
        if self.kind is KeyError:
            return KeyError(Lines(said))
        try:
            return self.kind(said)
        except Exception:  # noqa: BLE001  a class whose constructor wants something else
            return RuntimeError(said)


class Lines(str):
    """A text whose repr is the text: a KeyError prints the repr of its message."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _End(NamedTuple):
    """The stream of a worker is over."""

    worker: int


class _Again(NamedTuple):
    """A new pass begins; the worker says the same back."""


class _BaseDataLoaderIter:
    """One pass through a loader, to ask for (under PyTorch's name): `isinstance(iter(loader), …)`."""


class LoaderWorkers(_BaseDataLoaderIter):
    """One pass over a loader by worker processes, or several with ``persistent_workers``.

    Args:
        loader: the `DataLoader`.
        fetcher: from a data set, makes the function from a task (an index, a list of indices, or None for the next
            batch of a stream) to a batch. It is called in the worker; StopIteration ends a stream.
        tasks: makes the tasks of one pass.
    """

    def __init__(
        self, loader: Any, fetcher: Callable[[Any], Callable[[Any], Any]], tasks: Callable[[], Iterator[Any]]
    ) -> None:
        import multiprocessing

        context = multiprocessing.get_context("fork")
        self._loader, self._make_tasks = loader, tasks
        self._count, self._parent = loader.num_workers, os.getpid()
        self._tasks = tasks()
        base = sampler_seed(loader.generator)
        self._results: Any = context.Queue()
        self._queues: list[Any] = []
        self._processes: list[Any] = []
        for i in range(self._count):
            inbox: Any = context.Queue()
            inbox.cancel_join_thread()  # what nobody reads any more must not keep the program alive
            settings = (fetcher, loader.dataset, inbox, self._results, base, i, self._count, loader.worker_init_fn)
            process = context.Process(target=_work, args=settings, daemon=True)
            process.start()
            self._queues.append(inbox)
            self._processes.append(process)
        self._prime(loader._length_said)  # pyright: ignore[reportPrivateUsage]

    def restart(self, said: int | None) -> None:
        """Begin another pass with the same processes; a stream has `said` its length."""
        self._tasks = self._make_tasks()
        for inbox in self._queues:
            inbox.put(_Again())
        waiting = self._count
        while waiting:
            waiting -= isinstance(self._receive()[1], _Again)
        self._prime(said)

    def _prime(self, said: int | None) -> None:
        self._sent = self._given = self._handed_out = 0
        self._said = said
        self._under_way: dict[int, int] = {}  # task -> the worker that has it
        self._arrived: dict[int, Any] = {}
        self._alive = [True] * self._count  # whose stream is not over
        self._turn = itertools.cycle(range(self._count))
        for _ in range(self._count * (self._loader.prefetch_factor or 1)):
            self._send()

    def _send(self) -> None:
        try:
            task = next(self._tasks)
        except StopIteration:
            return
        for _ in range(self._count):
            worker = next(self._turn)
            if self._alive[worker]:
                self._queues[worker].put((self._sent, task))
                self._under_way[self._sent] = worker
                self._sent += 1
                return

    @property
    def _workers(self) -> list[Any]:
        """The processes (under PyTorch's name, which programs read)."""
        return self._processes

    def __iter__(self) -> LoaderWorkers:
        return self

    def __len__(self) -> int:
        return self._loader._length_of_pass()  # pyright: ignore[reportPrivateUsage]

    def __next__(self) -> Any:
        in_order = self._loader.in_order
        while True:
            while in_order and self._given < self._sent and not self._waited_for(self._given):
                self._given += 1
            number = self._given if in_order else next(iter(self._arrived), -1)
            if number in self._arrived:
                result = self._arrived.pop(number)
                self._given += in_order
                self._under_way.pop(number, None)
                self._send()
                if isinstance(result, _Failure):
                    raise result.raised()
                self._handed_out += 1
                self._loader._check_count(self._handed_out, self._said)  # pyright: ignore[reportPrivateUsage]
                return result
            if not self._under_way:
                if not self._loader.persistent_workers:
                    self.close()
                raise StopIteration
            number, result = self._receive()
            if isinstance(result, _End):
                self._alive[result.worker] = False
                for late in [task for task, worker in self._under_way.items() if worker == result.worker]:
                    if late not in self._arrived:  # what was sent to it since: no batch will come of that
                        del self._under_way[late]
                self._send()
            elif number in self._under_way:
                self._arrived[number] = result

    def _waited_for(self, number: int) -> bool:
        """Whether a task will still give a batch: not where the stream of its worker ended before."""
        return number in self._arrived or number in self._under_way

    def _receive(self) -> tuple[int, Any]:
        limit = self._loader.timeout
        end = time.monotonic() + limit if limit else None
        while True:
            wait = _POLL if end is None else min(_POLL, max(0.0, end - time.monotonic()))
            with contextlib.suppress(queue.Empty):
                return self._results.get(timeout=wait)
            dead = [process.pid for process in self._processes if not process.is_alive()]
            if dead:
                self.close()
                raise RuntimeError(f"DataLoader worker (pid(s) {', '.join(map(str, dead))}) exited unexpectedly")
            if end is not None and time.monotonic() >= end:
                self.close()
                raise RuntimeError(f"DataLoader timed out after {limit} seconds")

    def close(self) -> None:
        """End the processes."""
        if os.getpid() != self._parent:
            return  # a copy in a process that was forked meanwhile: they are not its children
        for inbox in self._queues:
            with contextlib.suppress(OSError, ValueError):
                inbox.put(None)
        for process in self._processes:
            process.join(0.5)
            if process.is_alive():
                process.terminate()
                process.join()
        for channel in [*self._queues, self._results]:
            channel.close()
        self._queues, self._processes, self._under_way = [], [], {}

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the program modules may be gone
            if self._processes:
                self.close()


def _work(
    fetcher: Callable[[Any], Callable[[Any], Any]], dataset: Any, inbox: Any, results: Any, base: int, worker: int,
    count: int, start: Callable[[int], None] | None,
) -> None:  # fmt: skip
    """What a worker process does until it gets None."""
    global _info
    seed = base + worker
    random.seed(seed)
    manual_seed(seed)
    np.random.seed(_generate_state(base, worker))  # noqa: NPY002  what programs draw from
    _info = WorkerInfo(worker, count, seed, dataset)
    fetch: Callable[[Any], Any] | None = None
    failure: _Failure | None = None
    parent = os.getppid()
    try:
        try:
            if start is not None:
                start(worker)
            fetch = fetcher(dataset)
        except Exception as error:  # noqa: BLE001  it is raised in the parent, with the first batch
            failure = _failure(error, worker)
        over = False
        while True:
            try:
                task = inbox.get(timeout=_POLL)
            except queue.Empty:
                if os.getppid() != parent:
                    return
                continue
            if task is None:
                return
            if isinstance(task, _Again):
                over = False
                if failure is None:
                    fetch = fetcher(dataset)
                results.put((-1, task))
                continue
            if over:
                continue
            number, wanted = task
            result: Any
            try:
                result, failure = failure if fetch is None else fetch(wanted), None
            except StopIteration as error:
                over = wanted is None
                result = _End(worker) if over else _failure(error, worker)
            except Exception as error:  # noqa: BLE001  it is raised in the parent
                result = _failure(error, worker)
            results.put((number, result))
    except KeyboardInterrupt:
        return  # the parent has it, too


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """What a worker seeds NumPy's generator with (under PyTorch's name): four numbers of 32 bits."""
    words = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return [int(word) for word in np.random.SeedSequence(words).generate_state(4)]


def _failure(error: BaseException, worker: int) -> _Failure:
    return _Failure(type(error), worker, "".join(traceback.format_exception(error)))
