"""The recorded graph: however deep, freed in time, its gradients nobody else's memory, one mode per thread."""

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from tests.leaves import B, leaf

# --- deep graphs -----------------------------------------------------------------------------------------------------


def test_a_chain_of_100_000_ops() -> None:
    """Forward, backward, a second order, and letting go: nothing recurses."""
    x = pellucid.tensor(1.0, requires_grad=True, dtype=pellucid.float64)
    y = x
    for _ in range(100_000):
        y = y + 1e-5
    y.backward()
    assert x.grad.item() == 1.0
    assert abs(y.item() - 2.0) < 1e-9
    (slope,) = pellucid.autograd.grad(y * y, x, create_graph=True)
    assert abs(slope.item() - 4.0) < 1e-9
    node = weakref.ref(y.grad_fn)
    del y, slope
    gc.collect()
    assert node() is None


def test_a_deep_chain_that_saves_values() -> None:
    x = pellucid.tensor(0.5, requires_grad=True, dtype=pellucid.float64)
    y = x
    for _ in range(20_000):
        y = y * 1.0001
    y.backward()
    np.testing.assert_allclose(x.grad.item(), 1.0001**20_000, rtol=1e-9)


def test_a_graph_dies_with_its_result() -> None:
    """No cycles: memory is given back at once, without the garbage collector."""
    x = pellucid.ones(3, requires_grad=True)
    gc.disable()
    try:
        y = (x.exp() * x).tanh().sum()
        y.backward()
        node = weakref.ref(y.grad_fn)
        array = weakref.ref(y.grad_fn.edges[0])
        del y
        assert node() is None
        assert array() is None
    finally:
        gc.enable()


def test_backward_frees_what_was_saved() -> None:
    x = pellucid.ones(3, requires_grad=True)
    y = x * 2
    z = y.exp()
    kept = weakref.ref(z._array)
    total = z.sum()
    del z
    assert kept() is not None
    total.backward()
    assert kept() is None


# --- gradients are nobody else's memory ------------------------------------------------------------------------------

ALIASING: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "nested": lambda a, b: (a + b) + (b + a),
    "reshape": lambda a, b: a.reshape(3, 1).reshape(3) + b,
    "transpose": lambda a, b: a.reshape(1, 3).permute(1, 0).reshape(3) + b,
    "clone": lambda a, b: a.clone() + b.clone(),
    "slice": lambda a, b: a[:] + b[0:3],
    "cast": lambda a, b: a.double() + b.to(pellucid.float64),
    "twice": lambda a, b: a + a + b,
    "sum": lambda a, b: (a + b).sum().expand(3),
    "expand": lambda a, b: a.expand(3) + b.expand(3),
    "positive": lambda a, b: +a + (+b),
    "clamp": lambda a, b: a.clamp(-9, 9) + b.clamp(-9, 9),
    "cat": lambda a, b: pellucid.cat([a[:1], a[1:]]) + b,
    "split": lambda a, b: a.split(3)[0] + b,
    "flip": lambda a, b: a.flip(0) + b.flip(0),
    "where": lambda a, b: pellucid.where(a == a, a, b) + b,
    "squeeze": lambda a, b: a.unsqueeze(0).squeeze(0) + b,
    "mul by one": lambda a, b: a * 1 + b,
}


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", ALIASING)
def test_gradients_never_share_memory(name: str, create_graph: bool) -> None:
    """To change one gradient in place changes neither another one nor the seed."""
    a, b = leaf(pellucid, B), leaf(pellucid, B)
    seed = pellucid.ones(3, dtype=pellucid.float64)
    y = ALIASING[name](a, b)
    y.backward(seed, retain_graph=True, create_graph=create_graph)
    expected = b.grad.numpy(force=True).copy()
    with pellucid.no_grad():
        a.grad.mul_(100)
    np.testing.assert_array_equal(b.grad.numpy(force=True), expected)
    np.testing.assert_array_equal(seed.numpy(), 1)
    with pellucid.no_grad():
        b.grad.mul_(100)
    np.testing.assert_array_equal(seed.numpy(), 1)
    first, other = pellucid.autograd.grad(y, [a, b], seed, create_graph=create_graph)
    assert not np.shares_memory(first._array, other._array)
    assert not np.shares_memory(first._array, seed._array)
    assert not np.shares_memory(other._array, seed._array)


def test_accumulation_leaves_a_handed_out_gradient_alone() -> None:
    """The gradient from grad(), and a retained one, are not the array that a leaf accumulates into."""
    x = leaf(pellucid, B)
    y = x + 0
    y.retain_grad()
    (y + 0).backward(pellucid.ones(3, dtype=pellucid.float64))
    x.grad.mul_(5)
    np.testing.assert_array_equal(y.grad.numpy(), 1)


# --- grad mode, by thread --------------------------------------------------------------------------------------------


def test_grad_mode_is_a_thread_s_own() -> None:
    seen: dict[str, bool] = {}
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        seen["starts"] = pellucid.is_grad_enabled()
        with pellucid.no_grad():
            inside.set()
            leave.wait(10)
        seen["ends"] = pellucid.is_grad_enabled()

    with pellucid.no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(10)
    seen["main"] = pellucid.is_grad_enabled()
    leave.set()
    thread.join(10)
    assert seen == {"starts": True, "ends": True, "main": True}


def test_threads_differentiate_at_once() -> None:
    found: list[float] = []

    def work(factor: float) -> None:
        for _ in range(50):
            x = pellucid.full((4,), factor, requires_grad=True)
            (x * x).sum().backward()
            found.append(float((x.grad == 2 * factor).all()))

    threads = [threading.Thread(target=work, args=(float(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [1.0] * 200


# --- the graph, to look at -------------------------------------------------------------------------------------------


def test_the_graph_can_be_walked() -> None:
    x = leaf(pellucid, B)
    y = x.exp()
    z = y.sum(dim=0)
    assert repr(z.grad_fn).startswith("<SumBackward1 object at 0x")
    assert z.grad_fn.name() == "SumBackward1"
    assert z.grad_fn.next_functions[0][0] is y.grad_fn
    end = y.grad_fn.next_functions[0][0]
    assert (end.name(), end.variable is x, end.next_functions) == ("torch::autograd::AccumulateGrad", True, ())
    assert {end, y.grad_fn.next_functions[0][0]} == {end}
    assert z.grad_fn.metadata == {"dim": 0}
    assert x.grad_fn is None
    assert y.output_nr == 0
    z = x * 1
    part = z[0]
    z.mul_(2)
    assert part.grad_fn.name() == "AsStridedBackward0"
    part.mul_(2)
    assert z.grad_fn.name() == "CopySlices"


def test_a_graph_leaves_the_collector_little_to_walk() -> None:
    # A full collection walks all that is tracked: a node, where its inputs came from, and what must not change.
    x, factor = leaf(pellucid, 0.5, "float32"), pellucid.tensor(0.999)
    y = x * factor
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(500):
        y = y * factor + x
    gc.collect()
    assert len(gc.get_objects()) - before <= 3 * 1000 + 100
    y.backward()
    assert x.grad is not None


def test_what_is_added_to_the_metadata_of_a_node_is_its_own() -> None:
    x = leaf(pellucid, 0.5, "float32")
    first, second = (x * 2.0).grad_fn, (x * 2.0).grad_fn
    assert first is not None and second is not None
    first.metadata["seen"] = True
    assert first.metadata == {"seen": True} and second.metadata == {}


@pytest.mark.parametrize("which", ["out", "number", "list", "attribute"])
def test_what_a_node_keeps(which: str) -> None:
    x, other = leaf(pellucid, [1.0, 2.0], "float32"), pellucid.tensor([3.0, 4.0])
    made = {
        "out": lambda: x.exp(), "number": lambda: x * 2.0, "list": lambda: pellucid.stack([x, other]),
        "attribute": lambda: x.sum(dim=0),
    }[which]()  # fmt: skip
    node: Any = made.grad_fn
    assert [edge is x for edge in node.edges].count(True) == 1
    if which == "out":
        assert node._saved_result.tolist() == made.tolist()
        with pellucid.no_grad():
            made.mul_(2.0)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            made.sum().backward()
        return
    made.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == ([2.0, 2.0] if which == "number" else [1.0, 1.0])
