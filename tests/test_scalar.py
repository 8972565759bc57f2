"""pellucid.scalar: its gradients against PyTorch's, and the promises that micrograd does not keep."""

import ast
import gc
import inspect
import math

import pytest
import torch

from pellucid import scalar
from pellucid.scalar import MLP, Layer, Neuron, Value, uniform

# name, expression of one or two operands in the language that both engines speak, points to try it at
EXPRESSIONS = [
    ("add", lambda a, b: a + b, [(2.0, -3.0), (0.0, 0.0)]),
    ("add number", lambda a, b: a + 3 + b * 0, [(2.0, 1.0)]),
    ("number add", lambda a, b: 3 + a + b * 0, [(2.0, 1.0)]),
    ("sub", lambda a, b: a - b, [(2.0, -3.0)]),
    ("sub number", lambda a, b: a - 5 + b * 0, [(2.0, 1.0)]),
    ("number sub", lambda a, b: 5 - a + b * 0, [(2.0, 1.0)]),
    ("mul", lambda a, b: a * b, [(2.0, -3.0), (0.0, 4.0)]),
    ("number mul", lambda a, b: 2.5 * a * b, [(2.0, -3.0)]),
    ("div", lambda a, b: a / b, [(2.0, -3.0), (0.0, 0.1)]),
    ("div number", lambda a, b: a / 4 + b * 0, [(2.0, 1.0)]),
    ("number div", lambda a, b: 4 / a + b * 0, [(2.0, 1.0), (-0.5, 1.0)]),
    ("neg", lambda a, b: -a * b, [(2.0, -3.0)]),
    ("square", lambda a, b: a**2 + b**3, [(2.0, -3.0), (0.0, 0.0)]),
    ("root", lambda a, b: a**0.5 + b, [(2.0, 0.0), (0.0, 0.0)]),
    ("power 0", lambda a, b: a**0 + b**0.0, [(2.0, 0.0)]),
    ("power 1", lambda a, b: a**1 * b**-2, [(0.0, 3.0), (2.0, -3.0)]),
    ("exp", lambda a, b: (a + b).exp(), [(0.0, 0.0), (-300.0, 1.0), (3.0, 4.0)]),
    ("tanh", lambda a, b: (a * b).tanh(), [(0.3, 2.0), (-0.3, 2.0), (0.0, 1.0), (1e-12, 1.0), (900.0, 1.0), (-900, 1)]),
    ("tanh seam", lambda a, b: a.tanh() + b.tanh(), [(0.00099999, 0.00100001), (-0.00099999, -0.00100001)]),
    ("relu", lambda a, b: (a + b).relu(), [(2.0, 1.0), (-2.0, 1.0), (-1.0, 1.0)]),
    ("shared", lambda a, b: (a * b + a) * (a * b) + a * a, [(2.0, -3.0)]),
    ("same operand", lambda a, b: (a + a) * (b + b) + b / b, [(2.0, -3.0)]),
    (
        "long",
        lambda a, b: ((a * b + b**3).relu() / 3 - (1 - a).tanh() * 2 / (b * b + 1)).exp(),
        [(0.4, 0.2), (-4.0, 2)],
    ),
]


def close(received, expected, rel=1e-12):
    return received == pytest.approx(expected, rel=rel, abs=1e-300)


@pytest.mark.parametrize(
    ("expression", "points"), [row[1:] for row in EXPRESSIONS], ids=[row[0] for row in EXPRESSIONS]
)
def test_values_and_gradients_are_those_of_pytorch(expression, points):
    for point in points:
        ours = [Value(p) for p in point]
        theirs = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in point]
        out, expected = expression(*ours), expression(*theirs)
        out.backward()
        expected.backward()
        assert close(out.data, expected.item())
        for leaf, leaf_expected in zip(ours, theirs, strict=True):
            assert close(leaf.grad, leaf_expected.grad.item())


def test_a_second_backward_adds_exactly_the_same_again():
    a, b = Value(1.5), Value(-0.5)
    c = a * b + a.tanh()
    d = (c * c + c).relu() + c
    d.backward()
    once = a.grad, b.grad
    d.backward()
    assert (a.grad, b.grad) == (2 * once[0], 2 * once[1])
    (c * 3).backward()  # another result through the same intermediate value
    fresh_a, fresh_b = Value(1.5), Value(-0.5)
    ((fresh_a * fresh_b + fresh_a.tanh()) * 3).backward()
    assert (a.grad, b.grad) == (2 * once[0] + fresh_a.grad, 2 * once[1] + fresh_b.grad)


def test_slopes_are_those_of_the_forward_pass():
    x = Value(3.0)
    y = x * x
    x.data = 100.0  # as an optimiser would
    y.backward()
    assert x.grad == 6.0


def test_backward_of_a_leaf_counts_itself():
    x = Value(3.0)
    x.backward()
    x.backward()
    assert x.grad == 2.0


def test_a_hundred_thousand_steps_deep_and_back():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward()
    assert x.grad == 100_001
    y.backward()
    assert x.grad == 200_002
    del y  # letting go of the chain must not recurse either
    gc.collect()
    assert x.grad == 200_002


def test_a_diamond_ladder_is_linear_not_exponential():
    x = Value(1.0)
    y = x
    for _ in range(60):  # 2^60 paths from the result to x
        y = (y + y) * 0.5
    y.backward()
    assert x.grad == 1.0


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (lambda: Value(2.0) ** Value(3.0), TypeError, "plain number"),
        (lambda: Value(-2.0) ** 0.5, ValueError, r"\(-2.0\) \*\* 0.5 is not a real number"),
        (lambda: Value("two"), ValueError, "two"),
        (lambda: Value(Value(1.0)), TypeError, "Value"),
        (lambda: Value(1.0) / 0, ZeroDivisionError, "power"),
        (lambda: Neuron(3)([1.0, 2.0]), ValueError, r"ReLUNeuron\(3\) takes 3 inputs, received 2"),
        (lambda: MLP(2, [4, 1])([1.0]), ValueError, "takes 2 inputs, received 1"),
    ],
)
def test_errors_say_what_to_do(act, error, words):
    with pytest.raises(error, match=words):
        act()


def test_repr_and_label():
    assert repr(Value(2)) == "Value(data=2.0, grad=0.0)"
    assert repr(Value(2, label="x")) == "Value(x: data=2.0, grad=0.0)"
    assert repr(MLP(2, [2, 1])) == ("MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]")


def test_numpy_numbers_become_python_numbers():
    import numpy as np

    out = np.float64(2.0) * Value(np.float32(1.5)) + np.int64(1)
    assert isinstance(out, Value)
    assert type(out.data) is float
    assert out.data == 4.0


def test_layers_of_one_neuron_may_follow_each_other():
    model = MLP(2, [1, 1, 1], rng=uniform(3))
    out = model([1.0, 2.0])
    assert isinstance(out, Value)
    assert isinstance(Layer(2, 3)([1.0, 2.0]), list)
    assert len(model.parameters()) == 3 + 2 + 2


def test_the_same_seed_gives_the_same_model():
    first, again, other = (MLP(2, [3, 1], rng=uniform(seed)).parameters() for seed in (5, 5, 6))
    assert [p.data for p in first] == [p.data for p in again]
    assert [p.data for p in first] != [p.data for p in other]
    assert [p.data for p in MLP(2, [3]).parameters()] != [p.data for p in MLP(2, [3]).parameters()]


def test_uniform_is_uniform():
    stream = uniform(7)
    numbers = [next(stream) for _ in range(20_000)]
    assert min(numbers) > -1
    assert max(numbers) < 1
    assert abs(sum(numbers)) / len(numbers) < 4 / math.sqrt(3 * 20_000)  # four standard errors of the mean
    assert abs(sum(n * n for n in numbers) / len(numbers) - 1 / 3) < 0.01
    assert len({round(next(uniform(seed)), 2) for seed in range(100)}) > 50  # neighbouring seeds start apart


def test_a_step_of_gradient_descent_learns_xor():
    points = [([0.0, 0.0], -1), ([0.0, 1.0], 1), ([1.0, 0.0], 1), ([1.0, 1.0], -1)]
    model = MLP(2, [8, 1], rng=uniform(1))
    for _ in range(200):
        loss = sum((model(x) - y) ** 2 for x, y in points)
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.05 * p.grad
    assert loss.data < 1e-3


def test_the_page_imports_nothing():
    tree = ast.parse(inspect.getsource(scalar))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
