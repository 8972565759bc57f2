"""The page of scalars and the engine of tensors are one idea: they agree neuron by neuron, and with PyTorch."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid.datasets import moons
from pellucid.scalar import MLP, Value, uniform

ENGINES = [pytest.param(pellucid, id="pellucid"), pytest.param(torch, id="torch")]
ALPHA = 1e-4


def exactly(received: Any, expected: Any) -> None:
    """Equal but for the rounding of float64: sums are taken in different orders."""
    np.testing.assert_allclose(np.asarray(received), np.asarray(expected), rtol=1e-10, atol=1e-14)


def data(values: Any) -> Any:
    """The numbers of nested lists of Values."""
    return [data(value) for value in values] if isinstance(values, list) else values.data


def grad(values: Any) -> Any:
    """The gradients of nested lists of Values."""
    return [grad(value) for value in values] if isinstance(values, list) else values.grad


class Scalars:
    """One backward through the scalar MLP, keeping what each neuron said of each point."""

    def __init__(self, points: np.ndarray, labels: np.ndarray, backwards: int) -> None:
        self.model = MLP(2, [16, 16, 1], rng=uniform(seed=4))
        self.inputs = [[Value(number) for number in point] for point in points]
        self.layers: list[list[list[Value]]] = []  # [layer][point][neuron], after the relu
        outputs: list[list[Value]] = self.inputs
        for layer in self.model.layers:
            outputs = [[neuron(point) for neuron in layer.neurons] for point in outputs]
            self.layers.append(outputs)
        margins = [(1 - label * out[0]).relu() for label, out in zip(labels, outputs, strict=True)]
        decay = sum(p * p for p in self.model.parameters())
        self.loss = sum(margins) / len(margins) + ALPHA * decay
        for _ in range(backwards):
            self.loss.backward()


class Tensors:
    """The same with arrays: a layer's neurons are the rows of its weight, the points the rows of its input."""

    def __init__(self, engine: ModuleType, scalars: Scalars, labels: np.ndarray, backwards: int) -> None:
        def leaf(values: Any) -> Any:
            return engine.tensor(values, dtype=engine.float64, requires_grad=True)

        self.inputs = leaf(data(scalars.inputs))  # (N, 2)
        self.weights = [leaf([data(neuron.w) for neuron in layer.neurons]) for layer in scalars.model.layers]
        self.biases = [leaf([neuron.b.data for neuron in layer.neurons]) for layer in scalars.model.layers]
        self.layers = []
        outputs = self.inputs
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            outputs = outputs @ weight.T + bias  # (N, in) @ (in, out) -> (N, out)
            if i < 2:
                outputs = outputs.relu()
            outputs.retain_grad()
            self.layers.append(outputs)
        margins = (1 - engine.tensor(labels.tolist(), dtype=engine.float64) * outputs[:, 0]).relu()
        decay = sum((p * p).sum() for p in [*self.weights, *self.biases])
        self.loss = margins.mean() + ALPHA * decay
        for _ in range(backwards):
            self.loss.backward(retain_graph=True)


def problem() -> tuple[np.ndarray, np.ndarray]:
    made = moons(n=40, seed=0, val_fraction=0)
    return made.x_train.astype(np.float64), 2 * made.y_train - 1


@pytest.mark.parametrize("backwards", [1, 2])
@pytest.mark.parametrize("engine", ENGINES)
def test_scalars_and_tensors_agree_neuron_by_neuron(engine: ModuleType, backwards: int) -> None:
    points, labels = problem()
    scalars = Scalars(points, labels, backwards)
    tensors = Tensors(engine, scalars, labels, backwards)
    exactly(tensors.loss.item(), scalars.loss.data)
    exactly(tensors.inputs.grad.numpy(), grad(scalars.inputs))
    for scalar_layer, weight, bias in zip(scalars.model.layers, tensors.weights, tensors.biases, strict=True):
        for i, neuron in enumerate(scalar_layer.neurons):
            exactly(weight.grad[i].numpy(), grad(neuron.w))
            exactly(bias.grad[i].item(), neuron.b.grad)
    for scalar_outputs, outputs in zip(scalars.layers, tensors.layers, strict=True):
        exactly(outputs.detach().numpy(), data(scalar_outputs))
        # A computed Value holds the last backward's gradient; a tensor that retains its own adds them up.
        exactly(outputs.grad.numpy() / backwards, grad(scalar_outputs))


OPERATIONS = [
    ("add", lambda a, b: a + b),
    ("sub", lambda a, b: a - b),
    ("mul", lambda a, b: a * b),
    ("div", lambda a, b: a / b),
    ("pow", lambda a, b: a**3 + b**-2 + (a * a) ** 0.5),
    ("reflected", lambda a, b: (2 + a) * (3 - b) / (4 / a) + 5 * b),
    ("neg", lambda a, b: -a - b),
    ("exp", lambda a, b: (a / b).exp()),
    ("tanh", lambda a, b: (a * b).tanh()),
    ("relu", lambda a, b: (a + b).relu()),
]


@pytest.mark.parametrize("operation", [row[1] for row in OPERATIONS], ids=[row[0] for row in OPERATIONS])
@pytest.mark.parametrize("engine", ENGINES)
def test_each_operation_agrees(engine: ModuleType, operation: Any) -> None:
    for a, b in [(0.5, -2.0), (-1.5, 0.25), (3.0, 3.0)]:
        values = [Value(a), Value(b)]
        tensors = [engine.tensor(x, dtype=engine.float64, requires_grad=True) for x in (a, b)]
        out, expected = operation(*values), operation(*tensors)
        out.backward()
        expected.backward()
        exactly(out.data, expected.item())
        exactly(grad(values), [x.grad.item() for x in tensors])
