"""What a compiled step holds in memory: buffers that are shared, results written over what dies, views kept whole."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn
from pellucid.compile import calls, lifetimes, lines
from pellucid.compile.compiled import Compiled

pytest.importorskip("llvmlite", reason="buffers are for what machine code makes")


def compiled(function: Callable[..., Any], *inputs: Any) -> tuple[Compiled, list[Any]]:
    """The function, compiled and run, and what it gave in the last of three runs, of numbers that were not recorded."""
    made: Compiled = torch.compile(function, fullgraph=True)
    for factor in (1.0, 0.5, -0.7):
        given = [each * factor for each in inputs]
        found, wanted = made(*given), function(*given)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-4)
    assert made.runs == 2
    return made, list(found)


def plan_of(made: Compiled) -> Any:
    ((recording,),) = made._recordings.values()
    return recording.plan


@pytest.mark.parametrize("depth", [3, 12])
def test_the_buffers_of_a_deep_network_are_those_of_a_shallow_one(depth: int) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(60, 60) for _ in range(depth)]

    def forward(x: Any) -> Any:
        with torch.no_grad():
            for layer in layers:
                x = layer(x).tanh()
            return (x + 0,)

    made, _ = compiled(forward, torch.randn(50, 60))
    assert plan_of(made).pool.size == 2 * 50 * 60 * 4


def test_a_large_result_is_written_over_what_dies() -> None:
    layer = nn.Conv2d(1, 32, 3)

    def forward(x: Any) -> Any:
        with torch.no_grad():
            return (layer(x).relu().amax(),)

    made, _ = compiled(forward, torch.randn(8, 1, 30, 30))
    assert plan_of(made).natives == 1
    assert plan_of(made).pool.size == 0


def test_what_is_read_again_is_not_written_over() -> None:
    def forward(x: Any, w: Any) -> Any:
        with torch.no_grad():
            y = x @ w
            z = y.tanh()
            return (z @ w + y, y.flip(0).cumsum(1))

    compiled(forward, torch.randn(30, 30), torch.randn(30, 30))


def test_views_of_a_value_that_is_computed_twice_keep_it() -> None:
    def forward(x: Any, y: Any) -> Any:
        with torch.no_grad():
            a, b, c = x.relu(), x.relu(), y * 0.5 + x
            parts = torch.cat([b[:10], b[10:]])  # views of what the pass drops in favour of `a`
            return (parts + a.flip(0), x * c.t().sigmoid())

    compiled(forward, torch.randn(20, 20), torch.randn(20, 20))


def test_a_reshape_that_copied_when_it_was_recorded_is_still_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(x: Any) -> Any:
        with torch.no_grad():
            y = x.t() * 2  # eager mode lays it as x.t() lies, the loop row by row
            flat = y.reshape(-1)
            sums = flat.cumsum(0)
            return (sums.reshape(30, 30) + y, flat.flip(0), (sums * 2).sin() + flat)

    x = torch.randn(30, 30)
    compiled(forward, x)
    monkeypatch.setattr(lines, "separate", lambda made, *given: made)
    monkeypatch.setattr(calls, "NATIVE", {})  # a kernel copies anyway
    with pytest.raises(AssertionError):
        compiled(forward, x)


def test_a_sum_is_of_the_values_of_its_time() -> None:
    def forward(x: Any) -> Any:
        with torch.no_grad():
            y = (x * 0.01).clone()
            y.mul_(0.5)
            return (x + y.sum(0),)

    compiled(forward, torch.randn(40, 40))


def test_values_are_freed_while_a_step_is_recorded() -> None:
    def forward(x: Any) -> Any:
        with torch.no_grad():
            for _ in range(30):
                x = x.flip(0)
            return x

    x = torch.randn(500, 1000)
    tracemalloc.start()
    try:
        made = torch.compile(forward, fullgraph=True)
        first = made(x)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 8 * x._array.nbytes
    np.testing.assert_array_equal(made(x * 2).numpy(), 2 * first.numpy())
    assert made.runs == 1


def test_blocks_are_used_again_where_they_are_not_much_too_large() -> None:
    pool = lifetimes.Pool()
    first, block = pool.take((100,), np.float32)
    pool.give(block)
    second, again = pool.take((5, 10), np.float64)
    assert np.shares_memory(first, second)
    assert pool.size == 400
    pool.give(again)
    small, _ = pool.take((10,), np.float32)
    assert not np.shares_memory(first, small)
    assert pool.size == 440
    assert small.ctypes.data % 64 == 0
    empty, _ = pool.take((0, 3), np.float32)
    assert empty.shape == (0, 3)
