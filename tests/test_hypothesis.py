"""Invariants, on shapes and programs that hypothesis makes up: broadcasting, views, accumulation."""

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import pellucid

settings.register_profile("pellucid", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("pellucid")

NUMBERS = st.floats(-4, 4, width=32).map(lambda x: x if abs(x) > 1e-3 or x == 0 else 0.0)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def filled(shapes: Any, dtype: Any = np.float64) -> Any:
    return arrays.arrays(dtype, shapes, elements=NUMBERS)


BROADCAST = arrays.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4, min_side=0)
BINARY = ["add", "sub", "mul", "maximum", "minimum", "lt", "eq", "atan2", "copysign", "hypot"]


@given(BROADCAST.flatmap(lambda s: st.tuples(*map(filled, s.input_shapes))), st.sampled_from(BINARY))
def test_broadcasting(pair: Any, name: str) -> None:
    """The shape is NumPy's, the values are PyTorch's."""
    a, b = pair
    got = getattr(pellucid, name)(pellucid.tensor(a), pellucid.tensor(b))
    expected = getattr(torch, name)(torch.tensor(a), torch.tensor(b))
    assert tuple(got.shape) == np.broadcast_shapes(a.shape, b.shape)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)


@given(st.tuples(SHAPES, SHAPES))
def test_shapes_that_do_not_broadcast(pair: Any) -> None:
    """Refused if and only if NumPy refuses, with both shapes in the message."""
    left, other = pair
    try:
        wanted = np.broadcast_shapes(left, other)
    except ValueError:
        wanted = None
    try:
        got = tuple((pellucid.zeros(left) + pellucid.zeros(other)).shape)
    except RuntimeError as refused:
        got, message = None, str(refused)
    assert got == wanted
    assert got is not None or (str(left) in message and str(other) in message)


@given(BROADCAST.flatmap(lambda s: st.tuples(*map(filled, s.input_shapes))))
def test_gradients_sum_over_broadcast_dimensions(pair: Any) -> None:
    """The gradient has the input's shape: it is summed over what was stretched."""
    a, b = pair
    x, y = pellucid.tensor(a, requires_grad=True), pellucid.tensor(b, requires_grad=True)
    seed = np.random.default_rng(0).normal(size=np.broadcast_shapes(a.shape, b.shape))
    (x * y).backward(pellucid.tensor(seed))
    for leaf, own, other in ((x, a, b), (y, b, a)):
        whole = seed * other
        extra = whole.ndim - own.ndim
        axes = tuple(range(extra)) + tuple(
            i + extra for i, length in enumerate(own.shape) if length == 1 and whole.shape[i + extra] != 1
        )
        np.testing.assert_allclose(
            leaf.grad.numpy(), whole.sum(axis=axes, keepdims=True).reshape(own.shape), rtol=1e-12, atol=1e-12
        )


@given(filled(SHAPES), st.integers(1, 5))
def test_accumulation(a: Any, times: int) -> None:
    """k backward calls leave k times the gradient."""
    x = pellucid.tensor(a, requires_grad=True)
    for _ in range(times):
        (x.sin() * x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), times * (np.cos(a) * a + np.sin(a)), rtol=1e-12, atol=1e-12)


@given(filled(SHAPES), st.lists(st.integers(-3, 3), min_size=1, max_size=5))
def test_backward_is_linear(a: Any, factors: list[int]) -> None:
    """The gradient of a sum is the sum of the gradients, in whichever way they are added up."""
    x = pellucid.tensor(a, requires_grad=True)
    y = x.exp()
    outputs = [(y * factor).sum() for factor in factors]
    (together,) = pellucid.autograd.grad(sum(outputs), x, retain_graph=True)
    (at_once,) = pellucid.autograd.grad(outputs, x, retain_graph=True)
    pellucid.autograd.backward(outputs)
    wanted = sum(factors) * np.exp(a)
    for found in (together, at_once, x.grad):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10, atol=1e-9)


# --- views -----------------------------------------------------------------------------------------------------------


def basic_key(shape: Any) -> Any:
    return arrays.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True).filter(
        lambda key: all(
            not isinstance(index, slice) or index.step is None or index.step > 0
            for index in (key if isinstance(key, tuple) else (key,))
        )
    )


KEYED = filled(arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)).flatmap(
    lambda a: st.tuples(st.just(a), basic_key(a.shape))
)


@given(KEYED)
def test_slices(pair: Any) -> None:
    """x[key] is NumPy's and PyTorch's, and shares memory with x."""
    a, key = pair
    x = pellucid.tensor(a)
    part = x[key]
    np.testing.assert_array_equal(part.numpy(), a[key])
    np.testing.assert_array_equal(part.numpy(), torch.tensor(a)[key].numpy())
    if part.numel():
        assert np.shares_memory(part.numpy(), x.numpy())


@given(KEYED)
def test_writes_through_views_are_seen_both_ways(pair: Any) -> None:
    a, key = pair
    x, y = pellucid.tensor(a), torch.tensor(a)
    mine, theirs = x[key], y[key]
    mine.mul_(2).add_(1)
    theirs.mul_(2).add_(1)
    np.testing.assert_array_equal(x.numpy(), y.numpy())
    x.neg_()
    y.neg_()
    np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    x[key] = 7
    y[key] = 7
    np.testing.assert_array_equal(x.numpy(), y.numpy())
    np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


@given(KEYED)
def test_gradients_of_slices(pair: Any) -> None:
    """The gradient of a part is zero elsewhere."""
    a, key = pair
    x = pellucid.tensor(a, requires_grad=True)
    (x[key] * 3).sum().backward()
    wanted = np.zeros_like(a)
    wanted[key] = 3
    np.testing.assert_array_equal(x.grad.numpy(), wanted)


STEPS = ["view", "transpose", "slice", "mul", "add", "assign", "whole", "row", "square"]


def run(library: Any, a: Any, program: list[tuple[str, int]]) -> Any:
    """A program of views, changes in place and ordinary ops; its result and gradient."""
    x = library.tensor(a, dtype=library.float64, requires_grad=True)
    base = x * 1
    now = base
    for step, number in program:
        if step == "view":
            now = now.unsqueeze(0)[0]
        elif step == "transpose":
            now = now.transpose(0, 1)
        elif step == "slice":
            now = now[number % 2 :] if now.shape[0] > 1 else now
        elif step == "mul":
            now.mul_(number + 2)
        elif step == "add":
            now.add_(x.sum() * number)
        elif step == "assign":
            now[number % now.shape[0]] = x[0, 0] * number
        elif step == "whole":
            now = base
        elif step == "row":
            now[number % now.shape[0]].mul_(0.5)
        else:
            base = now * now.detach() + now
            now = base
    ((base * base.detach()).sum() + now.sum()).backward()
    return base.detach().numpy(), now.detach().numpy(), x.grad.numpy()


@given(
    arrays.arrays(np.float64, (3, 2), elements=st.integers(-2, 2).map(float)),
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3)), max_size=8),
)
@settings(max_examples=150)
def test_programs_of_views_and_changes(a: Any, program: list[tuple[str, int]]) -> None:
    """Whatever is viewed and overwritten in whatever order: values and gradients are PyTorch's."""
    for mine, theirs in zip(run(pellucid, a, program), run(torch, a, program), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9)


OPS: dict[str, Any] = {
    "sin": lambda x, y: x.sin(), "mul": lambda x, y: x * y, "add": lambda x, y: x + y, "tanh": lambda x, y: x.tanh(),
    "sub": lambda x, y: y - x, "square": lambda x, y: x * x, "sigmoid": lambda x, y: y.sigmoid(),
    "sum": lambda x, y: x.sum(dim=0, keepdim=True), "transpose": lambda x, y: (x * y).transpose(0, 1).transpose(0, 1),
    "mean": lambda x, y: y - x.mean(), "matmul": lambda x, y: (x @ y.transpose(0, 1)) @ y / 9,
}  # fmt: skip


def graph(library: Any, a: Any, b: Any, program: list[tuple[str, int, int]]) -> Any:
    values = [library.tensor(value, dtype=library.float64, requires_grad=True) for value in (a, b)]
    leaves = list(values)
    for name, left, other in program:
        values.append(OPS[name](values[left % len(values)], values[other % len(values)]))
    total = sum(value.sum() for value in values[2:]) + values[-1].sum()
    first = library.autograd.grad(total, leaves, create_graph=True, materialize_grads=True)
    found = [total, *first]
    score = sum((value * value).sum() for value in first)
    constant = not score.requires_grad  # where the function is linear
    found += [x * 0 for x in leaves] if constant else library.autograd.grad(score, leaves, materialize_grads=True)
    return [value.detach().numpy() for value in found]


@given(
    filled((2, 3)), filled((2, 3)),
    st.lists(st.tuples(st.sampled_from(sorted(OPS)), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=10),
)  # fmt: skip
@settings(max_examples=150)
def test_random_graphs(a: Any, b: Any, program: list[tuple[str, int, int]]) -> None:
    """Any graph of ops, with values used any number of times: value, gradient and second order are PyTorch's."""
    mine, theirs = graph(pellucid, a, b, program), graph(torch, a, b, program)
    assert len(mine) == len(theirs)
    for array, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-7, atol=1e-7 * max(1.0, float(np.abs(other).max(initial=0))))


@given(
    filled((2, 3)), filled((2, 3)),
    st.lists(st.tuples(st.sampled_from(sorted(OPS)), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8),
)  # fmt: skip
@settings(max_examples=40)
def test_random_graphs_replayed(a: Any, b: Any, program: list[tuple[str, int, int]]) -> None:
    """The same graphs, traced on one pair of inputs and replayed on another, bit for bit."""

    def step(x: Any, y: Any) -> Any:
        values = [x.detach().requires_grad_(), y.detach().requires_grad_()]
        leaves = list(values)
        for name, left, other in program:
            values.append(OPS[name](values[left % len(values)], values[other % len(values)]))
        total = sum(result.sum() for result in values[2:]) + values[-1].sum()
        return [total.detach(), *pellucid.autograd.grad(total, leaves, materialize_grads=True)]

    recorded = pellucid.compile.trace(step, pellucid.ones(2, 3, dtype=pellucid.float64), pellucid.tensor(b))
    x, y = pellucid.tensor(a), pellucid.tensor(b)
    for result, other in zip(recorded(x, y), step(x, y), strict=True):
        assert result.numpy().tobytes() == other.numpy().tobytes()
