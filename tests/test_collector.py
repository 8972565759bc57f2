"""Python's garbage collector beside graphs that grow: put off, never switched off."""

import functools
import gc
import multiprocessing
import weakref
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pellucid


def alone(test: Callable[[], None]) -> Callable[[], None]:
    """Run it in a process of its own: how much other tests hold decides how often the collector looks."""

    @functools.wraps(test)
    def run() -> None:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
            processes.submit(_run, test.__name__).result()

    return run


def _run(name: str) -> None:
    globals()[name].__wrapped__()


class Cycle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.own = self


def chain(length: int) -> pellucid.Tensor:
    y = x = pellucid.tensor(0.5, requires_grad=True)
    for _ in range(length):
        y = y + x
    return y


def noted() -> list[int]:
    """How many objects the collector's looks through everything have before them, from now on."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            seen.append(len(gc.get_objects()))

    chain(1)  # from the first node on it is put off
    gc.collect()
    gc.callbacks.append(note)  # after ours
    return seen


def old_garbage() -> "weakref.ref[Cycle]":
    cycle = Cycle()
    for generation in (0, 1):
        gc.collect(generation)
    return weakref.ref(cycle)


@alone
def test_a_growing_graph_is_looked_through_a_few_times() -> None:
    looks, start = noted(), len(gc.get_objects())
    y = chain(200_000)
    real = [count for count in looks if count > 1000]  # what is put off has nothing before it
    assert len(looks) - len(real) >= 3
    assert all(later > 2 * sooner for sooner, later in zip([start, *real], real, strict=False))
    assert y._node is not None and gc.get_freeze_count() == 0 and gc.isenabled()


@alone
def test_garbage_is_found_meanwhile() -> None:
    garbage = old_garbage()
    graphs = []
    while garbage() is not None and len(graphs) < 40:
        graphs.append(chain(20_000))
    assert garbage() is None


@alone
def test_who_asks_is_answered() -> None:
    graph, garbage = chain(30_000), old_garbage()
    gc.collect()
    assert garbage() is None and graph._node is not None


@alone
def test_a_program_that_froze_what_it_has_is_left_alone() -> None:
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        assert before
        chain(60_000)
        assert 0.9 * before < gc.get_freeze_count() <= before
    finally:
        gc.unfreeze()
