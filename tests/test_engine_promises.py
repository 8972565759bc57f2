"""What the engine promises beyond numbers: it may be interrupted, forked, and leaves the user's memory alone.

Each program runs on PyTorch and on pellucid: the same result, or an error of the same class.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid.core import state
from pellucid.declare import TABLE, op
from pellucid.random import undrawn
from tests.twins import both_raise

LIBRARIES = (torch, pellucid)


def lists(value: Any) -> Any:
    """Tensors as lists with their dtype's name; nests of them too."""
    if isinstance(value, tuple | list):
        return [lists(part) for part in value]
    return (str(value.dtype).rpartition(".")[2], value.tolist()) if hasattr(value, "tolist") else value


def same(program: Callable[[Any], Any]) -> None:
    theirs, ours = (lists(program(library)) for library in LIBRARIES)
    assert ours == theirs


# --- interrupted, forked ----------------------------------------------------------------------------------------------


def compute() -> list[float]:
    x = pellucid.tensor([1.0, -1.0], requires_grad=True)
    with pellucid.enable_grad():
        (x / pellucid.tensor([2.0, 0.0])).log().sum().backward()  # of what NumPy would warn of
    assert x.grad is not None
    return x.grad.tolist()


def test_an_op_runs_while_another_is_interrupted() -> None:
    """As a signal handler does that evaluates, and a finaliser that the collector calls."""
    alone, seen = compute(), list[Any]()

    @op(name="interrupted", public=False, method=False)
    def interrupted(xp: Any, input: Any) -> Any:
        seen.append(compute())
        return input * 2

    def rule(m: Any, g: Any) -> Any:
        seen.append(compute())
        return g * 2

    try:
        interrupted.vjp(input=rule)
        x = pellucid.tensor([3.0], requires_grad=True)
        interrupted(x).sum().backward()
        assert x.grad is not None and x.grad.tolist() == [2.0]
    finally:
        del TABLE["interrupted"]
    assert [str(text) for text in seen] == [str(alone)] * 2


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals that come at a time")
def test_a_signal_handler_evaluates() -> None:
    alone, heard = compute(), list[Any]()
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append(compute()))
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    weight = pellucid.ones(40, 40, requires_grad=True)
    try:
        end = time.monotonic() + 20
        while len(heard) < 30 and time.monotonic() < end:
            weight.grad = None
            (weight @ weight).sum().backward()
            assert weight.grad is not None and weight.grad[0, 0].item() == 80
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(heard) >= 30 and all(str(text) == str(alone) for text in heard)


def test_a_finaliser_evaluates() -> None:
    alone, heard = compute(), list[Any]()

    class Last:
        def __del__(self) -> None:
            heard.append(compute())

    @op(name="collecting", public=False, method=False)
    def collecting(xp: Any, input: Any) -> Any:
        last: Any = Last()
        last.itself = last
        del last
        gc.collect()
        return input.copy()

    try:
        collecting(pellucid.ones(2))
    finally:
        del TABLE["collecting"]
    assert str(heard) == str([alone])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_while_another_thread_draws() -> None:
    generator, stop = pellucid.Generator().manual_seed(0), threading.Event()

    def draw() -> None:
        while not stop.is_set():
            pellucid.rand(100_000, generator=generator)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        for _ in range(8):
            child = os.fork()
            if child == 0:
                pellucid.rand(3, generator=generator)
                os._exit(0)
            end = time.monotonic() + 20
            while os.waitpid(child, os.WNOHANG) == (0, 0):
                if time.monotonic() > end:
                    os.kill(child, signal.SIGKILL)
                    pytest.fail("the child hangs")
                time.sleep(0.005)
    finally:
        stop.set()
        thread.join()


# --- the user's memory ------------------------------------------------------------------------------------------------


def test_the_engine_adds_into_no_array_of_others() -> None:
    """A rule may return what was saved, what it closes over, or what it has kept."""
    constant, kept = np.ones(2), list[Any]()

    @op(name="lending", kind="float", elementwise=True, public=False, method=False)
    def lending(xp: Any, input: Any, other: Any) -> Any:
        return 0.5 * input * input + other

    def keeping(m: Any, g: Any) -> Any:
        kept.append(g + 1)
        return kept[-1]

    try:
        lending.vjp(input=lambda m, g, input: input, other=lambda m, g: constant)
        x = pellucid.tensor([1.0, 2.0], dtype=pellucid.float64, requires_grad=True)
        y = pellucid.zeros(2, dtype=pellucid.float64, requires_grad=True)
        (lending(x, y) + lending(x, y)).sum().backward()
        assert (x.tolist(), x.grad.tolist()) == ([1, 2], [2, 4])
        assert (constant.tolist(), y.grad.tolist()) == ([1, 1], [2, 2])
        x.grad = None
        lending(x, y).sum().backward()
        x.grad += 1
        (found,) = pellucid.autograd.grad(lending(x, y).sum(), x)
        found += 1
        assert x.tolist() == [1, 2] and constant.tolist() == [1, 1]
        lending.vjp(input=keeping)
        lending.plans.clear()
        (lending(x, 1) + lending(x, 1)).sum().backward()
        assert [array.tolist() for array in kept] == [[2, 2], [2, 2]]
    finally:
        del TABLE["lending"]


def test_a_leaf_takes_the_memory_that_a_rule_made_for_it() -> None:
    """Without a copy, where nobody else holds it; what is added to it later goes into the same memory."""
    made: list[weakref.ref[Any]] = []

    def rule(m: Any, g: Any, input: Any) -> Any:
        gradient = g * input
        made.append(weakref.ref(gradient))
        return gradient

    @op(public=False, method=False)
    def giving(xp: Any, input: Any) -> Any:
        """input² / 2."""
        return input * input / 2

    try:
        giving.vjp(input=rule)
        x = pellucid.ones(3, requires_grad=True)
        giving(x).sum().backward()
        assert x.grad is not None
        assert made[0]() is x.grad._array
        x.grad = None
        (giving(x) + giving(x)).sum().backward()
        assert x.grad is not None
        assert made[1]() is x.grad._array
        assert x.grad.tolist() == [2, 2, 2]
    finally:
        del TABLE["giving"]


# --- views and changes in place ---------------------------------------------------------------------------------------


def function_on_view(library: Any) -> Any:
    class Double(library.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    w = library.ones(3, requires_grad=True)
    base = library.zeros(3)
    view = base[:2]
    base.add_(w)
    (Double.apply(view).sum() + w.sum()).backward()
    return w.grad


def flags_of_view(library: Any) -> Any:
    base = library.zeros(3)
    view, hooked = base[:2], base[1:]
    base.add_(library.ones(3, requires_grad=True))
    seen: list[Any] = []
    leaf = hooked.is_leaf  # PyTorch would crash at the hook if nothing had asked before
    hooked.register_hook(lambda g: seen.append(g.tolist()))
    hooked.sum().backward()
    return view.requires_grad, leaf, seen


def retain_then_change(library: Any) -> Any:
    x = library.ones(3, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    return y.grad, x.grad


def retain_then_change_view(library: Any) -> Any:
    x = library.ones(3, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y[:2].mul_(3)
    (y * y).sum().backward()
    return y.grad, x.grad


def retain_on_view(library: Any) -> Any:
    x = library.ones(3, requires_grad=True)
    view = (x * 2)[:2]
    view.retain_grad()
    view.mul_(3)
    (view * view).sum().backward()
    return view.grad, x.grad


def hook_then_change(library: Any) -> Any:
    seen: list[Any] = []
    y = library.ones(3, requires_grad=True) * 2
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.mul_(3)
    y.sum().backward()
    return seen


def changed_parts_without_gradient(library: Any) -> Any:
    x = library.ones(4, 2)
    x.unbind()[0].mul_(2)
    x.split(2)[1].add_(1)
    with library.no_grad():
        y = library.ones(4, requires_grad=True) * 1
        y.split(2)[0].mul_(2)
    return x, y


@pytest.mark.parametrize(
    "program",
    [
        function_on_view,
        flags_of_view,
        retain_then_change,
        retain_then_change_view,
        retain_on_view,
        hook_then_change,
        changed_parts_without_gradient,
    ],
)
def test_history(program: Callable[[Any], Any]) -> None:
    same(program)


PARTS = {
    "split": lambda x: x.split(2),
    "split_with_sizes": lambda x: x.split([1, 3]),
    "chunk": lambda x: x.chunk(2),
    "unbind": lambda x: x.unbind(),
    "iteration": list,
    "a view of one": lambda x: [part[:1] for part in x.split(2)],
}


@pytest.mark.parametrize("name", PARTS)
def test_one_of_several_views_is_not_changed_in_place(name: str) -> None:
    both_raise(lambda library: PARTS[name](library.ones(4, 2, requires_grad=True) * 1)[0].mul_(2), "modified inplace")
    both_raise(
        lambda library: PARTS[name](library.ones(4, 2))[0].mul_(library.ones(2, requires_grad=True)),
        "modified inplace",
    )


# --- Function ---------------------------------------------------------------------------------------------------------


def a_function(library: Any, **methods: Callable[..., Any]) -> Any:
    methods.setdefault("forward", lambda ctx, x: x * 2)
    return type(
        "Made", (library.autograd.Function,), {name: staticmethod(function) for name, function in methods.items()}
    )


def broadcast_gradient(library: Any) -> Any:
    function = a_function(library, forward=lambda ctx, x, y: x * y, backward=lambda ctx, g: (g, g * 3))
    x, y = library.ones(3, requires_grad=True), library.ones(2, 1, requires_grad=True)
    function.apply(x, y).sum().backward()
    return x.grad, y.grad


def vjp_alone(library: Any) -> Any:
    x = library.ones(2, requires_grad=True)
    a_function(library, vjp=lambda ctx, g: g * 5).apply(x).sum().backward()
    return x.grad


@pytest.mark.parametrize("program", [broadcast_gradient, vjp_alone])
def test_function(program: Callable[[Any], Any]) -> None:
    same(program)


def test_function_with_two_names_for_backward() -> None:
    both_raise(
        lambda library: (
            a_function(library, backward=lambda ctx, g: g, vjp=lambda ctx, g: g)
            .apply(library.ones(2, requires_grad=True))
            .sum()
            .backward()
        ),
        "Implementing both 'backward' and 'vjp'",
    )


@pytest.mark.parametrize("gradient", [lambda g: g[:2], lambda g: g.sum(), lambda g: g[None][:, :1]])
def test_function_with_a_gradient_of_another_shape(gradient: Callable[[Any], Any]) -> None:
    both_raise(
        lambda library: (
            a_function(library, backward=lambda ctx, g: gradient(g))
            .apply(library.ones(3, requires_grad=True))
            .sum()
            .backward()
        ),
        "invalid gradient at index 0",
    )


# --- derivatives that are constant between kinks ----------------------------------------------------------------------

ROWS = [[0.3, -1.2, 0.7, 2.0], [-0.4, 0.9, -2.5, 0.1], [1.1, -0.8, 0.25, 6.5]]
PIECEWISE: dict[str, Callable[[Any, Any], Any]] = {
    "relu": lambda library, x: library.relu(x),
    "relu in place": lambda library, x: (x * 1).relu_(),
    "relu6": lambda library, x: library.nn.functional.relu6(x),
    "hardtanh": lambda library, x: library.nn.functional.hardtanh(x, -0.5, 0.5),
    "leaky_relu": lambda library, x: library.nn.functional.leaky_relu(x, 0.1),
    "prelu": lambda library, x: library.nn.functional.prelu(x, library.tensor([0.3], dtype=library.float64)),
    "threshold": lambda library, x: library.nn.functional.threshold(x, 0.2, 3.0),
    "threshold in place": lambda library, x: library.nn.functional.threshold(x * 1, 0.2, 3.0, inplace=True),
    "hardshrink": lambda library, x: library.nn.functional.hardshrink(x),
    "softshrink": lambda library, x: library.nn.functional.softshrink(x),
    "adaptive_max_pool2d": lambda library, x: library.nn.functional.adaptive_max_pool2d(x[None], (2, 3)),
    "adaptive_avg_pool1d": lambda library, x: library.nn.functional.adaptive_avg_pool1d(x[None], 3),
    "adaptive_avg_pool2d": lambda library, x: library.nn.functional.adaptive_avg_pool2d(x[None], 2),
    "padded by reflection": lambda library, x: library.nn.functional.pad(x, (1, 2), mode="reflect"),
    "padded by replication": lambda library, x: library.nn.functional.pad(x, (1, 2), mode="replicate"),
    "rrelu": lambda library, x: library.nn.functional.rrelu(x),
    "max_pool1d": lambda library, x: library.nn.functional.max_pool1d(x[None], 2),
    "max_pool2d": lambda library, x: library.nn.functional.max_pool2d(x[None], 2),
    "avg_pool1d": lambda library, x: library.nn.functional.avg_pool1d(x[None], 2),
    "nll_loss": lambda library, x: library.nn.functional.nll_loss(x, library.tensor([0, 1, 2])),
}


@pytest.mark.parametrize("seeded", [False, True])
@pytest.mark.parametrize("name", PIECEWISE)
def test_the_second_derivative_of_what_is_piecewise_linear_is_zero(name: str, seeded: bool) -> None:
    def program(library: Any) -> Any:
        leaf = library.tensor(ROWS, dtype=library.float64, requires_grad=True)
        x = leaf * 1  # a node's history, and below the leaf's own
        results = []
        for source in (leaf, x):
            out = PIECEWISE[name](library, source)
            seed = library.ones_like(out).requires_grad_(seeded)
            (first,) = library.autograd.grad(out, leaf, seed, create_graph=True)
            results += [first.detach(), *library.autograd.grad(first.sum(), leaf)]
        return results

    same(program)


def test_a_network_of_relus_has_a_second_derivative() -> None:
    def program(library: Any) -> Any:
        weight = library.tensor(ROWS, dtype=library.float64, requires_grad=True)
        x = library.ones(2, 4, dtype=library.float64, requires_grad=True)
        out = library.relu(x @ weight.T).relu().sum()
        (first,) = library.autograd.grad(out, x, create_graph=True)
        return library.autograd.grad((first * first).sum(), (x, weight))

    same(program)


# --- numbers outside of a dtype ---------------------------------------------------------------------------------------


def assigned(library: Any, value: Any, kind: str) -> Any:
    x = library.zeros(2, dtype=getattr(library, kind))
    x[0] = value
    return x


NUMBERS: list[tuple[Any, str]] = [
    (2**40, "int32"), (300, "uint8"), (255, "uint8"), (-1, "uint8"), (-255, "uint8"), (-256, "uint8"), (-128, "int8"),
    (-129, "int8"), (127, "int8"), (128, "int8"), (2**63 - 1, "int64"), (-(2**63), "int64"), (1.5, "int32"),
    (255.5, "uint8"), (1e20, "int32"), (float("nan"), "int32"), (float("inf"), "int64"), (1e300, "float64"),
    (float("inf"), "float32"), (2**40, "float32"), (2**40, "bool"), (0.5, "bool"),
]  # fmt: skip
WAYS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "tensor": lambda library, value, kind: library.tensor(value, dtype=kind),
    "tensor of a list": lambda library, value, kind: library.tensor([[1, 1], [1, value]], dtype=kind),
    "as_tensor": lambda library, value, kind: library.as_tensor([value], dtype=kind),
    "full": lambda library, value, kind: library.full((2,), value, dtype=kind),
    "full_like": lambda library, value, kind: library.full_like(library.zeros(2, dtype=kind), value),
    "new_full": lambda library, value, kind: library.zeros(2, dtype=kind).new_full((2,), value),
    "new_tensor": lambda library, value, kind: library.zeros(2, dtype=kind).new_tensor([value]),
    "scalar_tensor": lambda library, value, kind: library.scalar_tensor(value, dtype=kind),
    "fill_": lambda library, value, kind: library.zeros(2, dtype=kind).fill_(value),
    "assignment": lambda library, value, kind: assigned(library, value, str(kind).rpartition(".")[2]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("value", "kind"), NUMBERS, ids=str)
def test_a_number_that_the_dtype_has_or_not(way: str, value: Any, kind: str) -> None:
    def program(library: Any) -> Any:
        return WAYS[way](library, value, getattr(library, kind))

    try:
        program(torch)
    except RuntimeError:
        both_raise(program, "without overflow")
    else:
        same(program)


def stored(library: Any, x: Any, key: Any, value: Any) -> Any:
    x[key] = value
    return x


OPERATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "x + n": lambda library, x, n: x + n, "n - x": lambda library, x, n: n - x, "x * n": lambda library, x, n: x * n,
    "x / n": lambda library, x, n: x / n, "n / x": lambda library, x, n: n / x, "x // n": lambda library, x, n: x // n,
    "x % n": lambda library, x, n: x % n, "x ** n": lambda library, x, n: (x + 1) ** n,
    "n ** x": lambda library, x, n: n**x,
    "x == n": lambda library, x, n: x == n, "n < x": lambda library, x, n: n < x,
    "x != n": lambda library, x, n: x != n,
    "x += n": lambda library, x, n: x.add_(n), "x & n": lambda library, x, n: x & n,
    "x[0] = n": lambda library, x, n: stored(library, x, 0, n),
    "x[:] = n": lambda library, x, n: stored(library, x, slice(None), n),
    "x[[0]] = n": lambda library, x, n: stored(library, x, [0], n),
    "x[mask] = n": lambda library, x, n: stored(library, x, x == 1, n),
    "clamp": lambda library, x, n: x.clamp(0, n), "clamp from": lambda library, x, n: x.clamp(min=n),
    "clamp_min": lambda library, x, n: x.clamp_min(n), "clamp_max": lambda library, x, n: x.clamp_max(n),
    "where": lambda library, x, n: library.where(x == 1, x, n), "where not": lambda library, x, n: x.where(x != 1, n),
    "masked_fill": lambda library, x, n: x.masked_fill(x == 1, n),
    "index_fill": lambda library, x, n: x.index_fill(0, library.tensor([0]), n),
    "scatter": lambda library, x, n: x.scatter(0, library.tensor([0]), n),
    "pad": lambda library, x, n: library.nn.functional.pad(x, (1, 1), value=n),
    "add alpha": lambda library, x, n: library.add(x, x, alpha=n),
    "addcmul": lambda library, x, n: library.addcmul(x, x, x, value=n),
    "fmod": lambda library, x, n: x.fmod(n), "lerp": lambda library, x, n: library.lerp(x.float(), x.float() + 1, n),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "int32", "uint8"])
def test_a_number_outside_of_a_dtype_as_an_operand(name: str, kind: str) -> None:
    """The same error as PyTorch, or the same numbers: never NaN, an infinity or a wrapped integer in silence."""
    for number in (2**64, -(2**63) - 1, 2**200, 2**2000, 2**40, 300, 1e300, 1e39, float("inf"), -1.5):
        if (name, kind, number) in ACCEPTED_BY_PYTORCH:
            continue

        def program(library: Any, number: Any = number) -> Any:
            return OPERATIONS[name](library, library.ones(2, dtype=getattr(library, kind)), number)

        try:
            program(torch)
        except Exception as failure:
            with pytest.raises(type(failure)):
                program(pellucid)
        else:
            same(program)


# What PyTorch computes of an integer tensor and a fraction, which its own documentation refuses.
ACCEPTED_BY_PYTORCH = {("addcmul", "int64", -1.5), ("addcmul", "int32", -1.5), ("addcmul", "uint8", -1.5)}


@pytest.mark.parametrize(
    "data", [2**63, [2**63], [2**64], -(2**64), [1, 2**63], [-1, 2**63], 2**2000], ids=lambda data: str(data)[:24]
)
def test_integers_beyond_int64(data: Any) -> None:
    both_raise(lambda library: library.tensor(data), "Overflow when unpacking long long")


@pytest.mark.parametrize("data", [[0.5, 2**64], [[2**63, 1.0]], [-0.5, 2**63]])
def test_integers_beyond_int64_among_floats(data: Any) -> None:
    same(lambda library: library.tensor(data))
    same(lambda library: library.tensor(data, dtype=library.float64))
    both_raise(lambda library: library.tensor([1.0, 2**2000]))


def test_watchers_are_of_their_thread() -> None:
    heard: list[Any] = []

    class Hears(pellucid.core.EngineWatcher):
        def read(self, tensor: Any) -> None:
            heard.append("read")

        def before_backward(self, roots: Any) -> None:
            heard.append("backward")

        def function(self, kind: Any, args: Any, kwargs: Any) -> None:
            heard.append(kind.__name__)

    def work() -> None:
        x = pellucid.ones(2, requires_grad=True)
        a_function(pellucid, backward=lambda ctx, g: g).apply(x).sum().backward()
        x.tolist()

    hears = Hears()
    state.watchers.append(hears)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert not heard
        work()
    finally:
        state.watchers.remove(hears)
    assert heard == ["Made", "backward", "read"]
    work()
    assert len(heard) == 3


def test_all_streams_are_put_back() -> None:
    own = pellucid.Generator().manual_seed(3)

    def draw() -> list[Any]:
        return [
            pellucid.rand(3).tolist(), random.random(), np.random.random(), torch.rand(3).tolist(),  # noqa: NPY002
            pellucid.randn(3).tolist(), pellucid.rand(2, generator=own).tolist(), random.gauss(0, 1),
        ]  # fmt: skip

    with undrawn(own):
        inside = draw()
    assert draw() == inside

    def fails() -> None:
        with undrawn(own):
            inside[:] = draw()
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert draw() == inside


def test_the_second_derivative_of_hardswish_at_infinity() -> None:
    """By the gradient from above: what the middle's slope would be at ±inf must not reach it, or it is NaN."""
    found = []
    for library in (torch, pellucid):
        x = library.tensor([-np.inf, -4.0, -3.0, 1.0, 3.0, 4.0, np.inf], dtype=library.float64).requires_grad_()
        g = library.ones(7, dtype=library.float64).requires_grad_()
        (slope,) = library.autograd.grad(library.nn.functional.hardswish(x), x, g, create_graph=True)
        found.append(library.autograd.grad(slope.sum(), g)[0].tolist())
    assert found[1] == pytest.approx(found[0])
