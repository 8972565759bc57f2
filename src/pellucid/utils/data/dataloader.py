"""`DataLoader`: a data set, an order and a batch size make an iterable of batches."""

from __future__ import annotations

import copy
import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from ...errors import warn
from ...random import Generator
from . import draws
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, loads_whole_batches
from .sampler import BatchSampler, RandomSampler, SequentialSampler
from .workers import LoaderWorkers, _BaseDataLoaderIter, forks  # pyright: ignore[reportPrivateUsage]

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)


class DataLoader(Generic[T_co]):
    """Iterate over a data set in batches.

    Args:
        dataset: something with ``__getitem__`` and ``__len__``, or an `IterableDataset`.
        batch_size: samples per batch; None hands out samples as they are.
        shuffle: a fresh random order in each pass (the order PyTorch gives after the same ``manual_seed``).
        sampler, batch_sampler: an order of your own, instead of ``shuffle``.
        num_workers: 0 loads in the calling thread. More than 0 loads in that many forked processes, with PyTorch's
            order and seeds (`get_worker_info`); every other ``multiprocessing_context`` is forked, too. Where a system
            has no safe fork (Windows, macOS), threads do the work: the order of batches is the same, but random
            numbers drawn inside ``__getitem__`` are then not reproducible, and ``get_worker_info`` is None.
        worker_init_fn: called in each worker with its number, after it was seeded.
        prefetch_factor: how many batches each worker makes ahead; 2 by default.
        persistent_workers: keep the processes from one pass to the next.
        timeout: seconds to wait for a batch of a worker, then RuntimeError; 0 waits for ever.
        in_order: with False, hand out what is ready first.
        collate_fn: makes a batch of a list of samples; by default `default_collate`. With the default, a data set
            that defines ``__getbatch__`` is asked for whole batches.
        drop_last: leave out a last batch that is not full.
        generator: where the order is drawn from, instead of the default generator.

    >>> import pellucid as torch
    >>> data = torch.utils.data.TensorDataset(torch.arange(5))
    >>> [batch.tolist() for (batch,) in DataLoader(data, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[list[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to load in the calling thread."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor option could only be specified when num_workers > 0")
        if num_workers == 0 and persistent_workers:
            raise ValueError("persistent_workers option needs num_workers > 0")
        if prefetch_factor is not None and prefetch_factor <= 0:
            raise ValueError("prefetch_factor option should be positive")
        samples: Any = dataset
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            for name, given in (("shuffle", shuffle), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if given is not None and given is not False:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={given}: "
                        "a stream is seen in its own order"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None and not self._iterable:
            sampler = RandomSampler(samples, generator=generator) if shuffle else SequentialSampler(samples)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(itertools.repeat(0) if sampler is None else sampler, batch_size, drop_last)
        batches = batch_sampler is not None
        self.dataset: Any = dataset
        self.batch_size = batch_size
        self.sampler: Any = sampler
        self.batch_sampler: Any = batch_sampler
        self.num_workers = num_workers
        self.collate_fn: Callable[[Any], Any] = collate_fn or (default_collate if batches else default_convert)
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self._kept: LoaderWorkers | None = None  # the processes, where they outlive a pass
        self._ready = True
        self._check_cores()

    _ready = False
    _length_said: int | None = None  # by a stream
    _FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")

    def __setattr__(self, name: str, value: Any) -> None:
        if self._ready and name in self._FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized: the order of the "
                f"samples was made with the old one; build a new DataLoader with {name}=…"
            )
        if name == "multiprocessing_context" and value is not None:
            self._check_context(value)
        super().__setattr__(name, value)

    def _check_context(self, context: Any) -> None:
        """Refuse what PyTorch refuses. Nothing else comes of it: workers are forks, or threads where there are none."""
        if self.num_workers == 0:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got "
                "num_workers=0"
            )
        import multiprocessing.context

        if isinstance(context, str):
            methods = multiprocessing.get_all_start_methods()
            if context not in methods:
                raise ValueError(
                    f"multiprocessing_context option should specify a valid start method in {methods}, but got "
                    f"multiprocessing_context={context!r}"
                )
        elif not isinstance(context, multiprocessing.context.BaseContext):
            raise TypeError(
                "multiprocessing_context option should be a valid context object or a string specifying the start "
                f"method, but got multiprocessing_context={context!r}"
            )

    def _check_cores(self) -> None:
        """Warn of more workers than cores that this process may use."""
        counted = hasattr(os, "sched_getaffinity")
        cores = len(os.sched_getaffinity(0)) if counted else os.cpu_count()
        if not self.num_workers or (cores is not None and self.num_workers <= cores):
            return
        most = (
            "DataLoader is not able to compute a suggested max number of worker in current system."
            if cores is None
            else f"Our suggested max number of worker in current system is {cores}"
            f"{'' if counted else ' (`cpuset` is not taken into account)'}, which is smaller than what this DataLoader "
            "is going to create."
        )
        warn(
            f"This DataLoader will create {self.num_workers} worker processes in total. {most} Please be aware that "
            "excessive worker creation might get DataLoader running slow or even freeze, lower the worker number to "
            "avoid potential slowness/freeze if necessary."
        )

    def __iter__(self) -> Iterator[Any]:
        if self.pin_memory:
            warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be "
                "used."
            )
        if self._kept is None:
            self._check_cores()
        if self.num_workers and forks():
            return self._by_processes()
        return _Batches(self, self._by_hand())

    def _by_hand(self) -> Iterator[Any]:
        """The batches of one pass, made in this process."""
        # PyTorch draws a seed for worker processes here, with or without workers: the order that follows depends on it.
        draws.sampler_seed(self.generator)
        if self._iterable:
            return self._ahead_in_one_thread(self._stream()) if self.num_workers else self._stream()
        fetch = self._fetcher(self.dataset)
        return self._ahead(fetch, self._indices()) if self.num_workers else map(fetch, self._indices())

    def _by_processes(self) -> LoaderWorkers:
        if self._kept is not None:
            self._kept.restart(self._length_said)
            return self._kept
        twin = copy.copy(self)  # so that processes which are kept end with the loader: it is not in a circle with them
        if self._iterable:
            workers = LoaderWorkers(twin, twin._stream_fetcher, lambda: itertools.repeat(None))
        else:
            workers = LoaderWorkers(twin, twin._fetcher, twin._indices)
        if self.persistent_workers:
            self._kept = workers
        return workers

    def _indices(self) -> Iterator[Any]:
        return iter(self.sampler if self.batch_sampler is None else self.batch_sampler)

    @property
    def _auto_collation(self) -> bool:
        """Whether samples are put together into batches (under PyTorch's name, which programs read)."""
        return self.batch_sampler is not None

    def __len__(self) -> int:
        if not self._iterable:
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
        samples = self._length_said = len(self.dataset)
        if self.batch_size is None:
            return samples
        return samples // self.batch_size if self.drop_last else math.ceil(samples / self.batch_size)

    def _length_of_pass(self) -> int:
        """The number of batches of one pass: of a stream nobody knows it, whatever it says."""
        if self._iterable:
            raise TypeError(f"a pass over {type(self.dataset).__name__}, a stream, has no len()")
        return len(self)

    def _check_count(self, handed_out: int, said: int | None) -> None:
        """Warn where a stream gives more than the length that it `said`, when asked for it before the pass."""
        if said is None or handed_out <= said:
            return
        replicas = (
            " For multiprocessing data-loading, this could be caused by not properly configuring the IterableDataset "
            "replica at each worker: see get_worker_info."
        )
        warn(
            f"Length of IterableDataset {self.dataset} was reported to be {said}(when accessing len(dataloader)), but "
            f"{handed_out} samples have been fetched." + (replicas if self.num_workers else "")
        )

    def _fetcher(self, dataset: Any) -> Callable[[Any], Any]:
        """The function from an index (or a list of them) to a batch, chosen once per pass."""
        collate = self.collate_fn
        if self.batch_sampler is None:
            return lambda index: collate(dataset[index])
        if collate is default_collate and loads_whole_batches(dataset):
            return dataset.__getbatch__
        if getattr(dataset, "__getitems__", None):
            return lambda indices: collate(dataset.__getitems__(indices))
        return lambda indices: collate([dataset[index] for index in indices])

    def _stream_fetcher(self, dataset: Any) -> Callable[[Any], Any]:
        """The next batch of a worker's stream, at each call; StopIteration at its end."""
        stream = self._stream()
        return lambda task: next(stream)

    def _stream(self) -> Iterator[Any]:
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(itertools.islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def _pool(self, workers: int) -> ThreadPoolExecutor:
        ids = itertools.count()
        start = self.worker_init_fn
        return ThreadPoolExecutor(workers, "pellucid-loader", (lambda: start(next(ids))) if start else None)

    def _ahead(self, fetch: Callable[[Any], Any], indices: Iterator[Any]) -> Iterator[Any]:
        """Load ``num_workers * prefetch_factor`` batches ahead, and hand them out in order."""
        waiting: deque[Future[Any]] = deque()
        with self._pool(self.num_workers) as pool:
            try:
                for index in indices:
                    waiting.append(pool.submit(fetch, index))
                    if len(waiting) >= self.num_workers * (self.prefetch_factor or 1):
                        yield waiting.popleft().result(self.timeout or None)
                while waiting:
                    yield waiting.popleft().result(self.timeout or None)
            finally:  # a loop that breaks off must not wait for what nobody wants any more
                for future in waiting:
                    future.cancel()

    def _ahead_in_one_thread(self, stream: Iterator[Any]) -> Iterator[Any]:
        """A stream has one position, so one thread reads it, whatever ``num_workers`` says."""
        end = object()
        waiting: deque[Future[Any]] = deque()
        with self._pool(1) as pool:
            try:
                waiting.extend(pool.submit(next, stream, end) for _ in range(self.prefetch_factor or 1))
                while (batch := waiting.popleft().result(self.timeout or None)) is not end:
                    waiting.append(pool.submit(next, stream, end))
                    yield batch
            finally:
                for future in waiting:
                    future.cancel()


class _Batches(_BaseDataLoaderIter, Iterator[Any]):
    """One pass through a loader. It has the loader's length, as PyTorch's has."""

    def __init__(self, loader: DataLoader[Any], batches: Iterator[Any]) -> None:
        self._loader = loader
        said = loader._length_said  # pyright: ignore[reportPrivateUsage]
        self._next = batches.__next__ if said is None else self._counted(batches, said).__next__

    def __next__(self) -> Any:
        return self._next()

    def _counted(self, batches: Iterator[Any], said: int) -> Iterator[Any]:
        for count, batch in enumerate(batches, 1):
            self._loader._check_count(count, said)  # pyright: ignore[reportPrivateUsage]
            yield batch

    def __len__(self) -> int:
        return self._loader._length_of_pass()  # pyright: ignore[reportPrivateUsage]


_SingleProcessDataLoaderIter, _MultiProcessingDataLoaderIter = _Batches, LoaderWorkers
