"""What every metric has, and how a network's output is read: as scores of classes, or as one score for yes or no."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.train.files.described import describe
from pellucid.types.dtypes import bfloat16


class Metric:
    """Base class: `update` takes a batch, `value` gives the result over all batches since `reset`.

    `name` is what the result is called in the history (`val_<name>`). A metric of your own overrides the three:

    >>> class Largest(Metric):
    ...     name = "largest"
    ...
    ...     def reset(self):
    ...         self.seen = -np.inf
    ...
    ...     def update(self, output, target):
    ...         self.seen = max(self.seen, float(to_array(output).max()))
    ...
    ...     def value(self):
    ...         return self.seen
    >>> largest = Largest()
    >>> largest.update(np.array([1.0, 3.0]), None)
    >>> largest.value()
    3.0
    """

    name = ""

    def __init__(self) -> None:
        self.reset()

    def __repr__(self) -> str:
        return describe(self)

    def reset(self) -> None:
        """Forget the batches seen."""
        raise NotImplementedError(f"{type(self).__name__} must define reset().")

    def update(self, output: Any, target: Any) -> None:
        """Take in a batch: what the model gave and what was right, Tensors or arrays."""
        raise NotImplementedError(f"{type(self).__name__} must define update(output, target).")

    def value(self) -> Any:
        """The metric over all samples since `reset`. Raises ValueError where there was none."""
        raise NotImplementedError(f"{type(self).__name__} must define value().")

    def _need(self, samples: int) -> None:
        if not samples:
            raise ValueError(
                f"{type(self).__name__} has seen no samples, so it has no value: call update(output, target) first. "
                "In a Learner this means that the validation data are empty."
            )


def to_array(value: Any) -> np.ndarray:
    """The numbers of a Tensor or an array, outside the graph: a metric is looked at, not differentiated."""
    if not hasattr(value, "detach"):
        return np.asarray(value)
    value = value.detach().cpu()
    return (value.float() if value.dtype is bfloat16 else value).numpy()


def as_scores(metric: Metric, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores and class numbers of a batch, one row a decision: (M, C) or, of a single output, (M,); and (M,) int64.

    Shape:
        output (N, C) with target (N,); output (N, C, ...) with target (N, ...), as cross entropy takes them, where
        each place is a decision of its own; output (N,), (N, 1) or (N, 1, ...) with target (N,), (N, 1), (N, ...):
        a single score, the larger the more class 1.

    Raises:
        ValueError: the shapes do not belong together, or the target holds no class numbers.
    """
    output, target = to_array(output), to_array(target)
    if target.ndim == output.ndim and target.ndim > 1 and target.shape[1] == 1:
        target = target[:, 0]  # (N, 1, ...) -> (N, ...)
    if output.ndim == target.ndim + 1 and output.shape[:1] + output.shape[2:] == target.shape and output.shape[1]:
        scores = np.moveaxis(output, 1, -1).reshape(-1, output.shape[1])  # (N, C, ...) -> (M, C)
        scores = scores[:, 0] if scores.shape[1] == 1 else scores
    elif output.ndim == target.ndim == 1 and len(output) == len(target):
        scores = output
    else:
        raise ValueError(
            f"{type(metric).__name__} takes scores (N, classes) or (N,) and class numbers (N,), but received output "
            f"{output.shape} and target {target.shape}. One-hot targets become class numbers by target.argmax(1); "
            "where each sample has several yes-or-no answers, hand over output.flatten() and target.flatten()."
        )
    return scores, _class_numbers(metric, target.reshape(-1), 2 if scores.ndim == 1 else scores.shape[1])


def as_classes(metric: Metric, output: Any, target: Any, threshold: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Predicted and true class numbers of a batch, (M,) and (M,), and how many classes there are.

    The prediction is the class with the largest score, the first of them where several are equal; of a single score
    it is class 1 where the score exceeds `threshold`.
    """
    scores, true = as_scores(metric, output, target)
    if scores.ndim == 1:
        return (scores > threshold).astype(np.int64), true, 2
    return scores.argmax(1), true, scores.shape[1]


def _class_numbers(metric: Metric, target: np.ndarray, classes: int) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        numbers = target.astype(np.int64)
    wrong = (numbers != target) | (numbers < 0) | (numbers >= classes)
    if wrong.any():
        raise ValueError(
            f"{type(metric).__name__} takes the class numbers from 0 to {classes - 1} as target, one for each score of "
            f"the output, but received {target[wrong][0]:g}."
        )
    return numbers
