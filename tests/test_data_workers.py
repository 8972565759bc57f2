"""Worker processes of a loader: the batches, seeds and errors of PyTorch's, for the same seed."""

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.utils import data as ours

from .test_data import plain

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forks")


class Drawing(ours.Dataset[Any]):
    """What a worker knows of itself, and a number from each stream."""

    def __init__(self, library: Any, failing: int = -1, kind: type[Exception] = ValueError) -> None:
        self.library, self.failing, self.kind = library, failing, kind

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> Any:
        if index == self.failing:
            raise self.kind("a sample that fails")
        info = self.library.utils.data.get_worker_info()
        assert info is not None
        drawn = self.library.rand(2), random.random(), np.random.rand()  # noqa: NPY002  the stream that is seeded
        return index, info.id, info.num_workers, len(info.dataset), *drawn


def sharded(library: Any, n: int) -> Any:
    class Sharded(library.utils.data.IterableDataset):
        def __iter__(self) -> Any:
            info = library.utils.data.get_worker_info()
            return iter(range(info.id, n, info.num_workers))

    return Sharded()


def loaded(passes: int = 2, **options: Any) -> Callable[[Any], Any]:
    def load(library: Any) -> Any:
        library.manual_seed(3)
        loader = library.utils.data.DataLoader(Drawing(library), **options)
        return plain([list(loader) for _ in range(passes)]), plain(library.rand(1))

    return load


def streamed(n: int, **options: Any) -> Callable[[Any], Any]:
    def stream(library: Any) -> Any:
        loader = library.utils.data.DataLoader(sharded(library, n), **options)
        return plain([list(loader) for _ in range(2)])

    return stream


ROWS: dict[str, Callable[[Any], Any]] = {
    "shuffled": loaded(batch_size=3, shuffle=True, num_workers=2),
    "persistent": loaded(batch_size=3, shuffle=True, num_workers=2, persistent_workers=True),
    "far ahead": loaded(1, batch_size=2, num_workers=1, prefetch_factor=9),
    "seeded by number": loaded(1, num_workers=2, worker_init_fn=np.random.seed),
    "a stream in shares": streamed(11, batch_size=2, num_workers=2),
    "last of each share dropped": streamed(11, batch_size=2, num_workers=2, drop_last=True),
    "a stream, persistent": streamed(5, batch_size=2, num_workers=2, persistent_workers=True),
    "a stream without batches": streamed(5, batch_size=None, num_workers=2),
    "fewer samples than workers": streamed(1, num_workers=2),
}


@pytest.mark.parametrize("name", ROWS)
def test_workers_do_what_those_of_pytorch_do(name: str) -> None:
    assert ROWS[name](pellucid) == ROWS[name](torch)


# As PyTorch prints them. It is not asked here: its loader waits five seconds for each worker of a pass that failed.
@pytest.mark.parametrize("kind", [ValueError, KeyError])
def test_an_error_in_a_worker_is_raised_in_the_loop_with_its_traceback(kind: type[Exception]) -> None:
    seen: list[int] = []
    loader = ours.DataLoader(Drawing(pellucid, 4, kind), num_workers=2)
    with pytest.raises(kind) as caught:
        seen.extend(batch[0].item() for batch in loader)
    lines = str(caught.value).splitlines()
    assert seen == [0, 1, 2, 3]
    assert lines[:2] == [
        f"Caught {kind.__name__} in DataLoader worker process 0.",
        "Original Traceback (most recent call last):",
    ]
    assert "__getitem__" in str(caught.value) and lines[-1] == f"{kind.__name__}: {kind('a sample that fails')}"


def test_an_error_at_the_start_of_a_worker_is_raised_with_the_first_batch() -> None:
    def start(worker: int) -> None:
        raise RuntimeError(f"worker {worker} does not start")

    with pytest.raises(RuntimeError, match="(?s)Caught RuntimeError in DataLoader worker process 0.*does not start"):
        next(iter(ours.DataLoader(Drawing(pellucid), num_workers=1, worker_init_fn=start)))


def test_a_loop_that_breaks_off_ends_the_processes() -> None:
    iterator = iter(ours.DataLoader(Drawing(pellucid), num_workers=2))
    next(iterator)
    pids = [process.pid for process in iterator._processes]  # type: ignore[attr-defined]
    del iterator
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_slow_worker_is_waited_for_no_longer_than_timeout() -> None:
    class Slow(Drawing):
        def __getitem__(self, index: int) -> Any:
            time.sleep(30)

    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.2 seconds"):
        next(iter(ours.DataLoader(Slow(pellucid), num_workers=1, timeout=0.2)))


def test_a_worker_that_dies_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.utils.data.workers._POLL", 0.2)

    class Dying(Drawing):
        def __getitem__(self, index: int) -> Any:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly"):
        next(iter(ours.DataLoader(Dying(pellucid), num_workers=1)))


def test_what_is_ready_first_comes_first_where_order_is_not_asked_for() -> None:
    class Uneven(Drawing):
        def __getitem__(self, index: int) -> Any:
            time.sleep(0.3 if index == 0 else 0)
            return index

    loader = ours.DataLoader(Uneven(pellucid), num_workers=2, in_order=False)
    got = [batch.item() for batch in loader]
    assert sorted(got) == list(range(7)) and got[0] != 0


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_streams_that_end_at_different_times_are_read_to_the_end_in_any_order() -> None:
    for count, workers in ((3, 2), (1, 3), (0, 2)):
        loader = ours.DataLoader(sharded(pellucid, count), None, num_workers=workers, in_order=False)
        assert sorted(loader) == list(range(count))


def test_processes_that_are_kept_end_with_their_loader() -> None:
    loader = ours.DataLoader(Drawing(pellucid), num_workers=1, persistent_workers=True)
    going = iter(loader)
    next(going)
    processes = going._workers
    del loader, going
    assert not any(process.is_alive() for process in processes)


@pytest.mark.parametrize(("base", "worker"), [(13434589827475259383, 4), (7, 0)])
def test_what_a_worker_seeds_numpy_with(base: int, worker: int) -> None:
    from torch.utils.data._utils.worker import _generate_state as theirs

    from pellucid.utils.data._utils.worker import _generate_state as found

    assert found(base, worker) == theirs(base, worker)


def test_the_processes_under_pytorch_s_name() -> None:
    for library in (torch, pellucid):
        batches = iter(library.utils.data.DataLoader(range(4), num_workers=1))
        (process,) = batches._workers
        assert process.is_alive()
        del batches
        process.join(10)
        assert process.exitcode == 0


def test_an_error_of_a_process_is_wrapped() -> None:
    from pellucid.bridge.torch._utils import ExceptionWrapper

    for wrapper in (torch._utils.ExceptionWrapper, ExceptionWrapper):
        for kind in (ValueError, KeyError, UnicodeDecodeError):
            try:
                raise kind("a word") if kind is not UnicodeDecodeError else kind("utf-8", b"", 0, 1, "a word")
            except Exception:
                wrapped = wrapper(where="in a process")
            with pytest.raises(
                (kind, RuntimeError), match="Caught .*Error in a process.\\nOriginal Traceback"
            ) as found:
                wrapped.reraise()
            assert "a word" in str(found.value)
