"""The usual losses of an output and a label, up to a factor, and the form in which the two go together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Usual:
    title: str
    function: Callable[[Any, Any], Any]
    classes: bool = False  # takes one-hot labels along the last axis
    fits: Callable[[np.ndarray, np.ndarray], bool] = lambda output, label: True


def _logs(x: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(x, 1e-300))


def _binary(o: Any, y: Any) -> Any:
    return -(np.where(y != 0, y * _logs(o), 0.0) + np.where(y != 1, (1 - y) * _logs(1 - o), 0.0)).sum()


def _cross(o: Any, y: Any) -> Any:
    return -np.where(y != 0, y * _logs(o), 0.0).sum()


def _binary_logits(o: Any, y: Any) -> Any:
    return (np.logaddexp(0.0, o) - y * o).sum()


def _cross_logits(o: Any, y: Any) -> Any:
    top = np.array(np.asarray(o).max(-1, keepdims=True))
    return ((np.log(np.exp(o - top).sum(-1, keepdims=True)) + top) * y.sum(-1, keepdims=True)).sum() - (o * y).sum()


def _huber(o: Any, y: Any) -> Any:
    e = np.abs(o - y)
    return np.where(e <= 1, 0.5 * e * e, e - 0.5).sum()


def _unit(o: np.ndarray) -> bool:
    return bool((o >= 0).all() and (o <= 1).all())


def _probabilities(o: np.ndarray, y: np.ndarray) -> bool:
    return _unit(o) and _unit(y)


def signs(o: np.ndarray, y: np.ndarray) -> bool:
    return bool(np.isin(y, (-1.0, 1.0)).all())


def _counts(o: np.ndarray, y: np.ndarray) -> bool:
    return bool((y >= 0).all() and np.equal(np.mod(y, 1), 0).all() and y.max(initial=0) > 1 and o.max(initial=0) < 30)


def _rates_of_counts(o: np.ndarray, y: np.ndarray) -> bool:
    return bool((o > 0).all()) and _counts(o, y)


def _binary_labels(o: np.ndarray, y: np.ndarray) -> bool:
    return bool(np.isin(y, (0.0, 1.0)).all())


def _of_two(o: np.ndarray, y: np.ndarray) -> bool:
    """Whether a sigmoid is to say these labels: shares, or two whole numbers, though it cannot say those beyond 1."""
    return _unit(y) or bool(len(kinds := np.unique(y)) < 3 and np.equal(np.mod(kinds, 1), 0).all())


def _distribution(o: np.ndarray, y: np.ndarray) -> bool:
    return _unit(y) and o.shape[-1:] != (1,) and bool(np.abs(y.sum(-1) - 1).max() < 1e-6)


SIGNED = ("hinge", "squared-hinge", "perceptron")  # for labels of -1 and 1
DECIDED = ("perceptron", "perceptron-01")  # of a sum whose side of a threshold is what a unit says
PIECEWISE = ("hinge", "squared-hinge", "perceptron", "perceptron-01")  # without a slope where an output is right

USUAL: dict[str, Usual] = {
    "squared": Usual("squared error", lambda o, y: 0.5 * ((o - y) ** 2).sum()),
    "log": Usual("log loss", _binary, fits=lambda o, y: _unit(o) and _of_two(o, y)),
    "cross": Usual("cross entropy", _cross, True, lambda o, y: _probabilities(o, y) and _distribution(o, y)),
    "log-logits": Usual("log loss of the sigmoid", _binary_logits, fits=_of_two),
    "cross-logits": Usual("cross entropy of the softmax", _cross_logits, True, _distribution),
    "nll": Usual(
        "negative log likelihood",
        lambda o, y: -(o * y).sum(),
        True,
        lambda o, y: _distribution(o, y) and bool((o <= 1e-12).all()),
    ),
    # of labels of -1 and 1 within the margin, the absolute error has the same slope
    "hinge": Usual("hinge loss", lambda o, y: np.maximum(0, 1 - y * o).sum(), fits=signs),
    "absolute": Usual("absolute error", lambda o, y: np.abs(o - y).sum()),
    "huber": Usual("Huber loss", _huber),
    "poisson": Usual("Poisson loss", lambda o, y: (o - y * _logs(o)).sum(), fits=_rates_of_counts),
    "poisson-logs": Usual("Poisson loss of the exponential", lambda o, y: (np.exp(o) - y * o).sum(), fits=_counts),
    "perceptron": Usual("perceptron loss", lambda o, y: np.maximum(0, -y * o).sum(), fits=signs),
    "perceptron-01": Usual(
        "perceptron loss",
        lambda o, y: np.where(y > 0.5, np.maximum(0, -o), np.maximum(0, o)).sum(),
        fits=_binary_labels,
    ),
    "squared-hinge": Usual("squared hinge loss", lambda o, y: (np.maximum(0, 1 - y * o) ** 2).sum(), fits=signs),
}


def aligned(output: np.ndarray, label: np.ndarray, classes: bool = False) -> tuple[np.ndarray, np.ndarray] | None:
    """The two in one shape; class numbers become one-hot rows, and classes go to the last axis."""
    if output.size == label.size:
        if output.shape != label.shape:
            shape, other = _squeezed(output), _squeezed(label)
            if other not in (shape, shape[::-1]):
                return None
            output, label = output.reshape(shape), label.reshape(other)
            label = label if other == shape else label.T  # samples in columns
        if classes and output.ndim == 2 and label.ndim == 2:
            rows, columns = np.abs(label.sum(-1) - 1).max(), np.abs(label.sum(0) - 1).max()
            if rows > 1e-6 and columns <= 1e-6:
                return output.T, label.T
        return output, label
    if output.size > label.size and label.size and np.equal(np.mod(label, 1), 0).all() and label.min() >= 0:
        out, numbers = output.reshape(_squeezed(output)), label.astype(int).ravel()
        if out.ndim == 1 and numbers.size == 1:
            out = out[None]
        if out.ndim == 2 and out.shape[0] != numbers.size and out.shape[1] == numbers.size:
            out = out.T
        if out.ndim > 2:
            out = out.reshape(-1, out.shape[-1])
        if out.ndim == 2 and out.shape[0] == numbers.size and numbers.max() < out.shape[1]:
            return out, np.eye(out.shape[1])[numbers]
    return None


def stacked(
    outputs: Sequence[Any], labels: Sequence[Any], classes: bool = False
) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    """The samples of a loop as the rows of one array each, so that their losses are computed at once; None where they
    differ in shape, or a row of classes may be turned otherwise alone."""
    if not all(type(value) is np.ndarray for value in (*outputs, *labels)):  # what records is added up one by one
        return None
    if len({value.shape for value in outputs}) > 1 or len({value.shape for value in labels}) > 1:
        return None
    shape, other = _squeezed(outputs[0]), _squeezed(labels[0])
    if len(shape) > 1 or other not in (shape, ()):
        return None
    rows, truths = np.array(outputs).reshape(-1, *shape), np.array(labels).reshape(-1, *other)
    if other != shape and len(outputs) == outputs[0].size:  # as many samples as classes: which are which is not told
        return None
    if classes and other == shape and (not shape or np.abs(truths.sum(-1) - 1).max() > 1e-6):
        return None
    return [rows], [truths]


def _squeezed(array: np.ndarray) -> tuple[int, ...]:
    return tuple(n for n in array.shape if n != 1)
