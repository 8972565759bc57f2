"""`torch.utils.checkpoint`: what is computed again, how often, and with which numbers, held to PyTorch's."""

from __future__ import annotations

import gc
import importlib
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch

import pellucid
from tests.optiminfo.compare import Case, answer, run

WAYS: dict[str, dict[str, Any]] = {
    "not reentrant": {"use_reentrant": False},
    "to the end": {"use_reentrant": False, "early_stop": False},
    "reentrant": {"use_reentrant": True},
    "fresh random numbers": {"use_reentrant": False, "preserve_rng_state": False},
    "reentrant, fresh random numbers": {"use_reentrant": True, "preserve_rng_state": False},
}


def of(T: Any) -> Any:
    return importlib.import_module("pellucid.utils.checkpoint" if T is pellucid else "torch.utils.checkpoint")


def checkpoint(T: Any, *args: Any, **options: Any) -> Any:
    return of(T).checkpoint(*args, **options)


def same(case: Case) -> None:
    failed = answer(case, torch)
    assert not isinstance(failed, Exception), failed
    assert run(case) is None


class Block:
    """Layers with dropout, and how often each was called."""

    def __init__(self, T: Any) -> None:
        T.manual_seed(0)
        nn = T.nn
        self.net = nn.Sequential(
            nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 4), nn.Sigmoid(), nn.Flatten()
        )
        self.calls: list[str] = []
        for layer in self.net:
            layer.register_forward_hook(lambda layer, *_: self.calls.append(type(layer).__name__))

    def grads(self) -> Any:
        return [param.grad for param in self.net.parameters()]


def trained(T: Any, **way: Any) -> Any:
    """Two checkpoints one after the other, a hook on what is between, two passes over a graph that is kept."""
    one, two, arrived = Block(T), Block(T), []
    x = T.linspace(-1, 1, 12).reshape(3, 4).requires_grad_()
    between = checkpoint(T, one.net, x, **way)
    between.register_hook(lambda grad: arrived.append(grad.clone()))
    out = checkpoint(T, two.net, between, **way)
    before = [list(one.calls), list(two.calls)]
    (out**2).sum().backward(retain_graph=True)
    first = [list(one.calls), list(two.calls), x.grad.clone(), T.rand(2)]
    (out**2).sum().backward()
    return [out, before, first, one.calls, two.calls, x.grad, arrived, one.grads(), two.grads(), T.rand(2)]


def nested(T: Any, **way: Any) -> Any:
    inner, outer = Block(T), Block(T)
    x = T.linspace(-1, 1, 12).reshape(3, 4).requires_grad_()
    out = checkpoint(T, lambda x: outer.net(checkpoint(T, inner.net, x * 2, **way)) * x, x, **way)
    out.sum().backward()
    return [out, x.grad, inner.grads(), outer.grads()]


def several(T: Any, **way: Any) -> Any:
    """Several arguments, of which some are no tensors or need no gradient, and several results."""
    x, y = T.ones(3, requires_grad=True), T.full((3,), 2.0)
    a, b = checkpoint(T, lambda x, y, n, flag: ((x * y).exp() * n, (x + y).sin() if flag else x), x, y, 3, True, **way)
    (a.sum() + (b**2).sum()).backward()
    return [a, b, x.grad, y.grad]


def of_a_function(T: Any, **way: Any) -> Any:
    class Cube(T.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grads[0] * 3 * x**2

    x = T.linspace(0.5, 2, 4).requires_grad_()
    checkpoint(T, lambda x: Cube.apply(x.exp()).log() * x, x, **way).sum().backward()
    return x.grad


def in_place(T: Any, **way: Any) -> Any:
    x = T.linspace(0.5, 2, 4).requires_grad_()
    y = x * 1
    out = checkpoint(T, lambda y: ((y * y).relu_().exp() + 1).mul_(2), y, **way)
    out.sum().backward()
    return x.grad


def autocast(T: Any, **way: Any) -> Any:
    w, x = T.linspace(-1, 1, 16).reshape(4, 4).requires_grad_(), T.linspace(0, 1, 8).reshape(2, 4).requires_grad_()
    with T.autocast("cpu", dtype=T.bfloat16):
        out = checkpoint(T, lambda x: (x @ w).float().exp() @ w, x, **way)
    out.float().sum().backward()
    return [out.float(), x.grad, w.grad]


def without_gradients(T: Any, **way: Any) -> Any:
    block = Block(T)
    with T.no_grad():
        out = checkpoint(T, block.net, T.ones(2, 4), **way)
    return [out.requires_grad, block.calls]


PROGRAMS: dict[str, Callable[..., Any]] = {
    "trained": trained, "nested": nested, "several": several, "of a Function": of_a_function, "in place": in_place,
    "autocast": autocast, "without gradients": without_gradients,
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_in_pytorch(name: str, way: str) -> None:
    def program(T: Any) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "None of the inputs")
            return PROGRAMS[name](T, **WAYS[way])

    same(Case("checkpoint", way, name, program, slack=4))


def sequential(T: Any, use_reentrant: bool, segments: int) -> Any:
    block = Block(T)
    x = T.linspace(-1, 1, 8).reshape(2, 4).requires_grad_()
    out = of(T).checkpoint_sequential(block.net, segments, x, use_reentrant=use_reentrant)
    out.sum().backward()
    return [out, x.grad, block.grads(), sorted(block.calls)]


@pytest.mark.parametrize("segments", [1, 2, 3])
@pytest.mark.parametrize("reentrant", [False, True])
def test_in_segments(segments: int, reentrant: bool) -> None:
    same(Case("checkpoint", "sequential", "", lambda T: sequential(T, reentrant, segments), slack=4))


def second(T: Any) -> Any:
    x = T.linspace(0.5, 2, 4).requires_grad_()
    y = checkpoint(T, lambda x: (x**3).sin() * x, x, use_reentrant=False)
    (first,) = T.autograd.grad(y.sum(), x, create_graph=True)
    (first**2).sum().backward()
    return [first, x.grad]


def of_another_shape(T: Any) -> Any:
    sizes = iter([2, 3])
    x = T.ones(3, requires_grad=True)
    checkpoint(T, lambda x: x[: next(sizes)].exp().sin(), x, use_reentrant=False).sum().backward()


def fewer(T: Any) -> Any:
    again = iter([True, False])
    x = T.ones(3, requires_grad=True)
    checkpoint(T, lambda x: x.exp().sin() if next(again) else x.exp(), x, use_reentrant=False).sum().backward()


def more(T: Any) -> Any:
    again = iter([False, True])
    x = T.ones(3, requires_grad=True)
    way = {"use_reentrant": False, "early_stop": False}
    checkpoint(T, lambda x: x.exp().sin() if next(again) else x.exp(), x, **way).sum().backward()


def changed(T: Any) -> Any:
    x = T.ones(3, requires_grad=True)
    y = x * 2
    out = checkpoint(T, lambda y: y.exp().sin(), y, use_reentrant=False)
    with T.no_grad():
        y.add_(1)
    out.sum().backward()


def unpacked_twice(T: Any) -> Any:
    """What is computed again is kept until it is asked for."""

    class Asks(T.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0] + ctx.saved_tensors[0]

    x = T.ones(3, requires_grad=True)
    checkpoint(T, lambda x: Asks.apply(x.exp()), x, use_reentrant=False).sum().backward()


def norms(T: Any) -> Any:
    """Second derivatives of what backward computes again of by-products."""
    layer, x = T.nn.LayerNorm(4), T.arange(8.0).reshape(2, 4).sin().requires_grad_()
    y = checkpoint(T, lambda x: T.nn.functional.softmax(layer(x), 1) ** 2, x, use_reentrant=False)
    (first,) = T.autograd.grad(y.sum(), x, create_graph=True)
    (first**2).sum().backward()
    return [first, x.grad]


def grad_of_reentrant(T: Any) -> Any:
    x = T.ones(3, requires_grad=True)
    return T.autograd.grad(checkpoint(T, lambda x: x.exp(), x, use_reentrant=True).sum(), x)


ROWS: dict[str, Callable[[Any], Any]] = {
    "second derivatives": second, "changed": changed,
    "grad of reentrant": grad_of_reentrant,
    "second derivatives of norms": norms,
    "no gradient": lambda T: checkpoint(T, T.exp, T.ones(2), use_reentrant=True),
    "not said": lambda T: checkpoint(T, T.exp, T.ones(2, requires_grad=True)),
    "keywords": lambda T: checkpoint(T, T.sum, T.ones(2, requires_grad=True), use_reentrant=True, dim=0),
    "unknown check": lambda T: checkpoint(T, T.exp, T.ones(2), use_reentrant=False, determinism_check="some"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_refused_and_warned_of(name: str) -> None:
    assert run(Case("checkpoint", "row", name, ROWS[name], slack=4)) is None


@pytest.mark.parametrize("program", [of_another_shape, fewer, more, unpacked_twice])
def test_what_is_not_the_same_again(program: Callable[[Any], Any]) -> None:
    found = []
    for T in (torch, pellucid):
        with pytest.raises(of(T).CheckpointError) as caught:
            program(T)
        found.append(str(caught.value).replace(".\n.\n", "\n").strip().splitlines())
    theirs, ours = found
    assert ours == theirs[: len(ours)]  # which goes on with a hint at debug=True


def test_what_is_between_is_not_kept() -> None:
    held: list[Any] = []

    def part(x: Any) -> Any:
        between = x.exp()
        held.append(weakref.ref(between._array))
        return between.sin()

    x = pellucid.ones(4, requires_grad=True)
    out = checkpoint(pellucid, part, x, use_reentrant=False)
    gc.collect()
    assert held[0]() is None
    out.sum().backward()
    assert len(held) == 2
    gc.collect()
    assert held[1]() is None


def test_with_an_observer_everything_is_computed_once() -> None:
    block = Block(pellucid)
    x = pellucid.ones(2, 4, requires_grad=True)
    with pellucid.autograd.detect_anomaly():
        checkpoint(pellucid, block.net, x, use_reentrant=False).sum().backward()
    assert len(block.calls) == 6


def test_no_device_has_a_generator_of_its_own() -> None:
    """What reversible layers ask, which compute again by themselves."""
    from torch.utils import checkpoint as theirs

    from pellucid.utils import checkpoint as ours

    for library in (ours, theirs):
        states = library.get_device_states(3, "x")
        assert states == ([], [])
        library.set_device_states(*states)
