"""The step of the MLP in NumPy by hand, and in the small libraries of the field, from the weights of the model."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np


def in_numpy(model: Any, x: Any, y: Any) -> Callable[[], Any]:
    w1, b1, w2, b2 = (parameter.detach().numpy().copy() for parameter in model.parameters())
    x, y = x.numpy(), y.numpy()
    rows = np.arange(len(x))

    def step() -> Any:
        hidden = np.maximum(x @ w1.T + b1, 0)
        scores = hidden @ w2.T + b2
        scores -= scores.max(axis=1, keepdims=True)
        exp = np.exp(scores)
        total = exp.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - scores[rows, y]).mean()
        slope = exp / total
        slope[rows, y] -= 1
        slope /= len(x)
        before = (slope @ w2) * (hidden > 0)
        for weight, gradient in (
            (w2, slope.T @ hidden), (b2, slope.sum(axis=0)), (w1, before.T @ x), (b1, before.sum(axis=0)),
        ):  # fmt: skip
            gradient *= 0.1
            weight -= gradient
        return loss

    return step


def in_autograd(model: Any, x: Any, y: Any) -> Callable[[], Any]:
    from autograd import numpy as anp
    from autograd import value_and_grad

    weights = [parameter.detach().numpy().copy() for parameter in model.parameters()]
    x, y = x.numpy(), y.numpy()
    rows = np.arange(len(x))

    def loss_of(weights: Any) -> Any:
        w1, b1, w2, b2 = weights
        scores = anp.dot(anp.maximum(anp.dot(x, w1.T) + b1, 0), w2.T) + b2
        top = anp.max(scores, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(scores - top), axis=1)) + top[:, 0] - scores[rows, y])

    gradient = value_and_grad(loss_of)

    def step() -> Any:
        loss, slopes = gradient(weights)
        for weight, slope in zip(weights, slopes, strict=True):
            weight -= 0.1 * slope
        return loss

    return step


def in_mygrad(model: Any, x: Any, y: Any) -> Callable[[], Any]:
    import mygrad
    from mygrad.nnet import softmax_crossentropy
    from mygrad.nnet.activations import relu

    w1, b1, w2, b2 = weights = [mygrad.tensor(p.detach().numpy().copy()) for p in model.parameters()]
    x, y = x.numpy(), y.numpy()

    def step() -> Any:
        loss = softmax_crossentropy(relu(x @ w1.T + b1) @ w2.T + b2, y)
        loss.backward()
        for weight in weights:
            weight.data -= 0.1 * weight.grad
        return loss

    return step


def in_tinygrad(model: Any, x: Any, y: Any) -> Callable[[], Any]:
    """On its CPU device, which needs clang, and by its JIT."""
    os.environ.setdefault("DEV", "CPU")
    from tinygrad import Tensor, TinyJit

    w1, b1, w2, b2 = weights = [Tensor(p.detach().numpy().copy()).realize() for p in model.parameters()]
    x, y = Tensor(x.numpy()).realize(), Tensor(y.numpy().astype(np.int32)).realize()

    @TinyJit
    def step() -> Any:
        loss = ((x @ w1.T + b1).relu() @ w2.T + b2).sparse_categorical_crossentropy(y)
        slopes = loss.gradient(*weights)
        new = [weight.assign(weight - 0.1 * slope) for weight, slope in zip(weights, slopes, strict=True)]
        return loss.realize(*new)

    return step
