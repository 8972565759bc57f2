"""Data sets, samplers and loaders: the same batches in the same order as PyTorch's after the same seed."""

import os
import threading
import warnings
from collections import Counter, OrderedDict, UserList, defaultdict, deque, namedtuple
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.utils import data as ours


def plain(value: Any) -> Any:
    """Tensors as (dtype, nested lists), whichever library made them."""
    if hasattr(value, "tolist"):
        return str(value.dtype).split(".")[-1], value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(item) for item in value]
    return value


X = np.arange(46, dtype=np.float32).reshape(23, 2)
Y = np.arange(23)
WEIGHTS = [0.1, 0.0, 0.5, 2.0, 0.3, 0.3, 1.0]

# Each row is given a library (its top module) and its ``utils.data``, and returns what both must agree on.
ROWS: dict[str, Any] = {
    "in order": lambda torch, data: list(data.DataLoader(dataset(torch, data), batch_size=4)),
    "one by one": lambda torch, data: list(data.DataLoader(dataset(torch, data))),
    "shuffled": lambda torch, data: list(data.DataLoader(dataset(torch, data), batch_size=4, shuffle=True)),
    "shuffled twice": lambda torch, data: twice(data.DataLoader(dataset(torch, data), batch_size=5, shuffle=True)),
    "last one dropped": lambda torch, data: twice(
        data.DataLoader(dataset(torch, data), batch_size=5, shuffle=True, drop_last=True)
    ),
    "own generator": lambda torch, data: twice(
        data.DataLoader(dataset(torch, data), batch_size=5, shuffle=True, generator=torch.Generator().manual_seed(7))
    ),
    "draws after a pass": lambda torch, data: [
        list(data.DataLoader(dataset(torch, data), batch_size=5, shuffle=True)),
        torch.rand(3),
    ],
    "draws after a pass in order": lambda torch, data: [
        list(data.DataLoader(dataset(torch, data), batch_size=5)),
        torch.rand(3),
    ],
    "draws in the middle of a pass": lambda torch, data: [
        (torch.rand(1), batch) for batch in data.DataLoader(dataset(torch, data), batch_size=10, shuffle=True)
    ],
    "no batches": lambda torch, data: list(data.DataLoader(dataset(torch, data), batch_size=None, shuffle=True)),
    "batches of numbers": lambda torch, data: list(data.DataLoader(range(10), batch_size=4)),
    "random sampler": lambda torch, data: list(data.RandomSampler(range(10))),
    "random sampler, fewer": lambda torch, data: list(data.RandomSampler(range(10), num_samples=7)),
    "random sampler, more": lambda torch, data: [list(data.RandomSampler(range(10), num_samples=25)), torch.rand(1)],
    "random sampler, replacement": lambda torch, data: list(data.RandomSampler(range(50), True, num_samples=70)),
    "random sampler, without end": lambda torch, data: list(
        islice(data.RandomSampler(range(50), True, num_samples=10**10), 40)
    ),
    "subset sampler": lambda torch, data: list(data.SubsetRandomSampler([3, 1, 4, 1, 5, 9])),
    "weighted sampler": lambda torch, data: list(data.WeightedRandomSampler(WEIGHTS, 20)),
    "weighted sampler, no replacement": lambda torch, data: list(data.WeightedRandomSampler(WEIGHTS, 5, False)),
    "weighted loader": lambda torch, data: list(
        data.DataLoader(range(7), sampler=data.WeightedRandomSampler(WEIGHTS, 9), batch_size=4)
    ),
    "batch sampler": lambda torch, data: list(data.BatchSampler(data.SequentialSampler(range(7)), 3, False)),
    "batch sampler, whole": lambda torch, data: list(data.BatchSampler(data.SequentialSampler(range(7)), 3, True)),
    "own batches": lambda torch, data: list(
        data.DataLoader(dataset(torch, data), batch_sampler=[[1, 2], [5], [0, 22, 3]])
    ),
    "split": lambda torch, data: [part.indices for part in data.random_split(range(11), [5, 6])],
    "split by fractions": lambda torch, data: [
        part.indices for part in data.random_split(range(11), [0.3, 0.3, 0.4], torch.Generator().manual_seed(1))
    ],
    "batches of a split": lambda torch, data: [
        list(data.DataLoader(part, batch_size=4, shuffle=True))
        for part in data.random_split(dataset(torch, data), [0.5, 0.5])
    ],
    "joined": lambda torch, data: list(
        data.DataLoader(dataset(torch, data) + dataset(torch, data), batch_size=9, shuffle=True)
    ),
    "from the end": lambda torch, data: (dataset(torch, data) + dataset(torch, data))[-1],
    "stacked": lambda torch, data: list(
        data.DataLoader(data.StackDataset(a=range(5), b=dataset(torch, data, 5)), batch_size=2)
    ),
    "stacked by position": lambda torch, data: data.StackDataset(range(5), dataset(torch, data, 5))[3],
    "stacked, several at once": lambda torch, data: [
        data.StackDataset(range(5), data.StackDataset(a=range(5), b=dataset(torch, data, 5))).__getitems__([4, 0]),
        data.DataLoader(range(5))._auto_collation,
        data.DataLoader(range(5), batch_size=None)._auto_collation,
    ],
    "stream": lambda torch, data: list(data.DataLoader(stream(data), batch_size=3)),
    "stream, whole batches": lambda torch, data: list(data.DataLoader(stream(data), batch_size=3, drop_last=True)),
    "stream without batches": lambda torch, data: list(data.DataLoader(stream(data), batch_size=None)),
    "chained streams": lambda torch, data: list(data.DataLoader(stream(data) + stream(data), batch_size=6)),
    "sizes": lambda torch, data: [
        len(data.DataLoader(dataset(torch, data), batch_size=size, drop_last=drop))
        for size in (1, 4, 23, 30)
        for drop in (False, True)
    ],
    "collate": lambda torch, data: data.default_collate(
        [
            {"a": 1, "b": 2.5, "c": "x", "d": np.float32(3), "e": np.ones(2), "f": (True, [1]), "g": torch.ones(1)},
            {"a": 2, "b": 3.5, "c": "y", "d": np.float32(4), "e": np.ones(2), "f": (False, [2]), "g": torch.ones(1)},
        ]
    ),
    "convert": lambda torch, data: data.default_convert({"a": np.ones(2), "b": [1, "x"], "c": (np.zeros(1), 2)}),
    "converted, containers of other classes": lambda torch, data: [
        (type(made).__name__, plain(list(made.items()) if isinstance(made, dict) else list(made)))
        for made in map(
            data.default_convert,
            (
                range(2),
                deque([np.ones(1), 2]),
                OrderedDict(a=np.zeros(1)),
                Counter("aab"),
                UserList([np.float32(1)]),
            ),
        )
    ],
    "collated, containers of other classes": lambda torch, data: [
        (type(made).__name__, plain(list(made.items()) if isinstance(made, dict) else list(made)))
        for made in map(
            data.default_collate,
            (
                [range(2)] * 2,
                [deque([1, 2])] * 2,
                [OrderedDict(a=1.5)] * 2,
                [defaultdict(int, a=1)] * 2,
                [UserList([1])] * 2,
            ),
        )
    ],
    "a stream longer than it says": lambda torch, data: too_long(torch, data, None),
    "a stream longer than it says, in batches": lambda torch, data: too_long(torch, data, 2),
    "a stream longer than it says, by a worker": lambda torch, data: too_long(torch, data, None, num_workers=1),
    "distributed sampler": lambda torch, data: [
        list(data.DistributedSampler(range(11), num_replicas=3, rank=rank, seed=5)) for rank in range(3)
    ],
    "own collate": lambda torch, data: list(data.DataLoader(range(5), batch_size=2, collate_fn=sum)),
}


def dataset(torch: Any, data: Any, size: int = 23) -> Any:
    return data.TensorDataset(torch.from_numpy(X[:size].copy()), torch.from_numpy(Y[:size].copy()))


def twice(loader: Any) -> list[Any]:
    return [list(loader), list(loader)]


def stream(data: Any) -> Any:
    class Counting(data.IterableDataset):
        def __iter__(self) -> Iterator[int]:
            return iter(range(10))

    return Counting()


def too_long(torch: Any, data: Any, batch_size: int | None, **given: Any) -> list[Any]:
    stream_of_ten = stream(data)
    type(stream_of_ten).__len__ = lambda self: 8
    loader = data.DataLoader(stream_of_ten, batch_size=batch_size, **given)
    with warnings.catch_warnings(record=True) as before:
        warnings.simplefilter("always")
        got = list(loader)
    with warnings.catch_warnings(record=True) as after:
        warnings.simplefilter("always")
        got += [len(loader), *loader]
    texts = [str(warning.message).split("reported to be")[-1].strip()[:70] for warning in after]
    return [got, len(before), texts]


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_the_same_as_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils import data as theirs

    pellucid.manual_seed(3)
    torch.manual_seed(3)
    assert plain(ROWS[name](pellucid, ours)) == plain(ROWS[name](torch, theirs))


def test_every_public_name_has_a_row() -> None:
    import inspect

    rows = inspect.getsource(inspect.getmodule(test_the_same_as_pytorch))  # type: ignore[arg-type]
    missing = [name for name in ours.__all__ if f"data.{name}" not in rows and f"ours.{name}" not in rows]
    # Base classes, and what adding two data sets makes.
    assert set(missing) <= {"Dataset", "Sampler", "ConcatDataset", "ChainDataset", "Subset"}


@pytest.fixture
def no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.utils.data.dataloader.forks", lambda: False)


@pytest.mark.usefixtures("no_fork")
@pytest.mark.parametrize("workers", [1, 3])
def test_threads_give_the_same_batches(workers: int) -> None:
    for shuffle in (False, True):
        pellucid.manual_seed(0)
        alone = plain(list(ours.DataLoader(dataset(pellucid, ours), 4, shuffle=shuffle)))
        pellucid.manual_seed(0)
        together = plain(list(ours.DataLoader(dataset(pellucid, ours), 4, shuffle=shuffle, num_workers=workers)))
        assert alone == together
    assert plain(list(ours.DataLoader(stream(ours), 4, num_workers=workers))) == plain(
        list(ours.DataLoader(stream(ours), 4))
    )


@pytest.mark.usefixtures("no_fork")
def test_threads_run_elsewhere_and_stop_when_the_loop_does() -> None:
    started: list[int] = []
    threads = set()

    class Watching(ours.Dataset):
        def __getitem__(self, index: int) -> int:
            threads.add(threading.current_thread().name)
            return index

        def __len__(self) -> int:
            return 1000

    for _ in ours.DataLoader(Watching(), num_workers=2, worker_init_fn=started.append):
        break
    assert started and set(started) <= {0, 1}
    assert all(name.startswith("pellucid-loader") for name in threads)
    assert not any(thread.name.startswith("pellucid-loader") for thread in threading.enumerate())


@pytest.mark.usefixtures("no_fork")
def test_an_error_in_a_thread_reaches_the_loop() -> None:
    class Failing(ours.Dataset):
        def __getitem__(self, index: int) -> int:
            raise KeyError(f"no sample {index}")

        def __len__(self) -> int:
            return 3

    with pytest.raises(KeyError, match="no sample 0"):
        list(ours.DataLoader(Failing(), num_workers=2))


def test_whole_batches_are_taken_by_one_indexing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, index: Any) -> Any:
        raise AssertionError("asked sample by sample")

    whole = dataset(pellucid, ours)
    part = ours.Subset(whole, [3, 5, 8])
    monkeypatch.setattr(ours.TensorDataset, "__getitem__", refuse)
    assert plain(next(iter(ours.DataLoader(whole, batch_size=2))))[1][1] == ("int64", [0, 1])
    assert plain(next(iter(ours.DataLoader(part, batch_size=2))))[1][1] == ("int64", [3, 5])


def test_a_subclass_that_changes_samples_is_asked_for_them() -> None:
    class Doubled(ours.TensorDataset):
        def __getitem__(self, index: Any) -> Any:
            x, y = super().__getitem__(index)
            return 2 * x, y

    doubled = Doubled(*dataset(pellucid, ours).tensors)
    for loader in (ours.DataLoader(doubled, 2), ours.DataLoader(ours.Subset(doubled, [0, 1, 2]), 2)):
        assert next(iter(loader))[0].tolist() == (2 * X[:2]).tolist()


def test_getitems_is_used_where_there_is_one() -> None:
    class Many(ours.Dataset):
        def __getitems__(self, indices: list[int]) -> list[int]:
            return [10 * index for index in indices]

        def __len__(self) -> int:
            return 3

    assert [batch.tolist() for batch in ours.DataLoader(Many(), 2)] == [[0, 10], [20]]


def test_named_tuples_stay_named() -> None:
    Pair = namedtuple("Pair", "x y")
    pair = ours.default_collate([Pair(1, 2.0), Pair(3, 4.0)])
    assert type(pair) is Pair
    assert pair.x.tolist() == [1, 3]


RANGE = range(5)
ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "sampler and shuffle": (
        lambda: ours.DataLoader(RANGE, sampler=RANGE, shuffle=True),
        ValueError,
        "mutually exclusive",
    ),
    "batch sampler and size": (
        lambda: ours.DataLoader(RANGE, 2, batch_sampler=[[1]]),
        ValueError,
        "mutually exclusive",
    ),
    "no batches but drop": (lambda: ours.DataLoader(RANGE, None, drop_last=True), ValueError, "disables auto-batching"),
    "negative workers": (lambda: ours.DataLoader(RANGE, num_workers=-1), ValueError, "non-negative"),
    "negative timeout": (lambda: ours.DataLoader(RANGE, timeout=-1), ValueError, "timeout"),
    "prefetch alone": (lambda: ours.DataLoader(RANGE, prefetch_factor=2), ValueError, "num_workers > 0"),
    "no prefetch": (lambda: ours.DataLoader(RANGE, num_workers=1, prefetch_factor=0), ValueError, "positive"),
    "persistent alone": (lambda: ours.DataLoader(RANGE, persistent_workers=True), ValueError, "num_workers > 0"),
    "batch size 0": (lambda: ours.DataLoader(RANGE, 0), ValueError, "batch_size should be a positive integer"),
    "drop_last a number": (lambda: ours.BatchSampler(RANGE, 2, 1), ValueError, "drop_last should be a boolean"),  # type: ignore[arg-type]
    "shuffled stream": (lambda: ours.DataLoader(stream(ours), shuffle=True), ValueError, "unspecified shuffle"),
    "nothing to shuffle": (lambda: ours.RandomSampler([]), ValueError, "num_samples should be a positive"),
    "replacement a number": (lambda: ours.RandomSampler(RANGE, 3), TypeError, "replacement should be a boolean"),  # type: ignore[arg-type]
    "weights of a matrix": (lambda: ours.WeightedRandomSampler([[1.0]], 1), ValueError, "1d sequence"),  # type: ignore[list-item]
    "no draws": (lambda: ours.WeightedRandomSampler([1.0], 0), ValueError, "num_samples should be a positive"),
    "weights with a word": (lambda: ours.WeightedRandomSampler([1.0], 1, "yes"), ValueError, "should be a boolean"),  # type: ignore[arg-type]
    "sizes differ": (lambda: ours.TensorDataset(pellucid.ones(3), pellucid.ones(4)), ValueError, r"\(3,\), \(4,\)"),
    "split too long": (lambda: ours.random_split(RANGE, [2, 2]), ValueError, "sum to 4, but the data set has 5"),
    "split by a negative part": (lambda: ours.random_split(RANGE, [1.5, -0.5]), ValueError, "index 0 is not between"),
    "joining nothing": (lambda: ours.ConcatDataset([]), ValueError, "empty"),
    "joining streams": (lambda: ours.ConcatDataset([stream(ours)]), ValueError, "does not support IterableDataset"),
    "beyond the joined": (lambda: (dataset(pellucid, ours) + dataset(pellucid, ours))[46], IndexError, "out of range"),
    "stacking both ways": (lambda: ours.StackDataset(RANGE, a=RANGE), ValueError, "but both types are given"),
    "stacking unequal": (lambda: ours.StackDataset(RANGE, range(4)), ValueError, r"lengths \[5, 4\]"),
    "uneven samples": (
        lambda: ours.default_collate([[1], [1, 2]]),
        RuntimeError,
        r"equal size, but got lengths \[1, 2\]",
    ),
    "odd samples": (lambda: ours.default_collate([object()]), TypeError, "found object"),
    "arrays of texts": (lambda: ours.default_collate([np.array(["a"])]), TypeError, "must be numeric"),
    "no __getitem__": (lambda: ours.Dataset()[0], NotImplementedError, "must define __getitem__"),
    "no __iter__": (lambda: iter(ours.IterableDataset()), NotImplementedError, "must define __iter__"),
    "no order": (lambda: iter(ours.Sampler()), NotImplementedError, "must define __iter__"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_to_do(name: str) -> None:
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()


def test_outside_a_worker_there_is_nothing_to_know() -> None:
    assert ours.get_worker_info() is None


# What PyTorch refuses, by the class of its error; and what it lets pass.
AS_IN_PYTORCH: dict[str, Any] = {
    **{
        f"{name} after the fact": lambda data, name=name: setattr(data.DataLoader(range(4), 2), name, 2)
        for name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
    },
    **{
        f"{name} may change": lambda data, name=name: setattr(data.DataLoader(range(4), 2), name, None)
        for name in ("collate_fn", "generator", "num_workers", "timeout", "multiprocessing_context", "anything")
    },
    "a context alone": lambda data: data.DataLoader(range(4), multiprocessing_context="fork"),
    "an unknown context": lambda data: data.DataLoader(range(4), num_workers=1, multiprocessing_context="x"),
    "no context": lambda data: data.DataLoader(range(4), num_workers=1, multiprocessing_context=3),
    "a context": lambda data: data.DataLoader(range(4), num_workers=1, multiprocessing_context="spawn"),
    "batch size -1": lambda data: data.DataLoader(range(4), -1),
    "batch size 1.5": lambda data: data.DataLoader(range(4), 1.5),
    "batch size True": lambda data: data.DataLoader(range(4), True),
    "drop_last of 1": lambda data: data.DataLoader(range(4), 2, drop_last=1),
    "sampler and shuffle": lambda data: data.DataLoader(range(4), sampler=[1], shuffle=True),
    "batch sampler and size": lambda data: data.DataLoader(range(4), 2, batch_sampler=[[1]]),
    "batch sampler and drop_last": lambda data: data.DataLoader(range(4), batch_sampler=[[1]], drop_last=True),
    "batch sampler and sampler": lambda data: data.DataLoader(range(4), batch_sampler=[[1]], sampler=[1]),
    "no batches, drop_last": lambda data: data.DataLoader(range(4), None, drop_last=True),
    "nothing shuffled": lambda data: data.DataLoader([], shuffle=True),
    "nothing": lambda data: len(list(data.DataLoader([]))),
    "workers -1": lambda data: data.DataLoader(range(4), num_workers=-1),
    "timeout -1": lambda data: data.DataLoader(range(4), timeout=-1),
    "prefetch -1": lambda data: data.DataLoader(range(4), num_workers=1, prefetch_factor=-1),
    "prefetch alone": lambda data: data.DataLoader(range(4), prefetch_factor=1),
    "persistent alone": lambda data: data.DataLoader(range(4), persistent_workers=True),
    "shuffled stream": lambda data: data.DataLoader(stream(data), shuffle=True),
    "sampled stream": lambda data: data.DataLoader(stream(data), sampler=[1]),
    "batch-sampled stream": lambda data: data.DataLoader(stream(data), batch_sampler=[[1]]),
    "length of a stream": lambda data: len(data.DataLoader(stream(data))),
    "unknown option": lambda data: data.DataLoader(range(4), workers=1),
    "no data": lambda data: data.DataLoader(),
    "an index too many": lambda data: list(data.DataLoader([1], sampler=[3])),
    "ragged samples": lambda data: list(data.DataLoader([[1], [1, 2]], 2)),
    "samples of nothing": lambda data: list(data.DataLoader([None])),
    "random: replacement": lambda data: data.RandomSampler(range(4), replacement=1),
    "random: none": lambda data: data.RandomSampler(range(4), num_samples=0),
    "random: half": lambda data: data.RandomSampler(range(4), num_samples=0.5),
    "random: nothing": lambda data: data.RandomSampler([]),
    "weighted: none": lambda data: data.WeightedRandomSampler([1.0], 0),
    "weighted: replacement": lambda data: data.WeightedRandomSampler([1.0], 1, 1),
    "weighted: matrix": lambda data: data.WeightedRandomSampler([[1.0]], 1),
    "weighted: too many": lambda data: list(data.WeightedRandomSampler([1.0, 1.0], 3, replacement=False)),
    "weighted: negative": lambda data: list(data.WeightedRandomSampler([1.0, -1.0], 1)),
    "batches: size": lambda data: data.BatchSampler(range(3), 0, False),
    "batches: drop": lambda data: data.BatchSampler(range(3), 1, 1),
    "split: too many": lambda data: data.random_split(range(3), [2, 2]),
    "split: a fraction": lambda data: data.random_split(range(3), [1.5, -0.5]),
    "tensors of two lengths": lambda data: data.TensorDataset(*tensors_of_two_lengths(data)),
    "stack of two lengths": lambda data: data.StackDataset(range(2), range(3)),
    "stack of nothing": lambda data: data.StackDataset(),
    "concat of nothing": lambda data: data.ConcatDataset([]),
    "concat of a stream": lambda data: data.ConcatDataset([stream(data)]),
    "concat, beyond": lambda data: data.ConcatDataset([range(2), range(3)])[5],
    "concat, before": lambda data: data.ConcatDataset([range(2), range(3)])[-6],
}


def tensors_of_two_lengths(data: Any) -> Any:
    library = pellucid if data is ours else pytest.importorskip("torch")
    return library.zeros(2), library.zeros(3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", AS_IN_PYTORCH)
def test_refused_as_in_pytorch(name: str) -> None:
    theirs: Any = pytest.importorskip("torch.utils.data")

    def outcome(data: Any) -> Any:
        try:
            AS_IN_PYTORCH[name](data)
        except Exception as error:
            return error
        return None

    expected, found = outcome(theirs), outcome(ours)
    if expected is None:
        assert found is None
    else:
        assert isinstance(found, type(expected)), f"PyTorch: {expected!r}, here: {found!r}"


@pytest.mark.parametrize("persistent", [False, True])
def test_more_workers_than_cores(persistent: bool) -> None:
    """The loader says so, in PyTorch's words, where it is made, and again where its processes begin."""
    torch = pytest.importorskip("torch")
    many = (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) + 1

    def said(data: Any) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loader = data.DataLoader(range(2), num_workers=many, persistent_workers=persistent)
            list(loader), list(loader)
        return [str(warning.message) for warning in caught if "worker" in str(warning.message)]

    told = said(ours)
    assert len(told) == (2 if persistent else 3)
    assert told == said(torch.utils.data)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_pass_has_the_length_of_its_loader(workers: int) -> None:
    loader = ours.DataLoader(range(10), batch_size=3, num_workers=workers)
    batches = iter(loader)
    assert len(batches) == 4
    assert next(batches).tolist() == [0, 1, 2]
    assert iter(batches) is batches
    assert len(list(batches)) == 3
