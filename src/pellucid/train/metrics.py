"""Metrics: quantities collected over batches of any size and averaged once, at the end, over all samples."""

from __future__ import annotations

from typing import Any

import numpy as np


class Accuracy:
    """Share of samples whose predicted class is the true one.

    The prediction is the class with the largest output; with a single output per sample it is class 1 where the output
    exceeds `threshold` (0 for a logit, 0.5 for a probability).

    >>> accuracy = Accuracy()
    >>> accuracy.update(np.array([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]]), np.array([0, 1, 1]))
    >>> round(accuracy.value(), 4)
    0.6667
    """

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold, self.correct, self.samples = threshold, 0, 0

    def update(self, output: Any, target: Any) -> None:
        output, target = _array(output), _array(target)
        single = output.ndim == 1 or output.shape[-1] == 1
        predicted = output.reshape(len(target)) > self.threshold if single else output.argmax(-1)
        self.correct += int((predicted == target).sum())
        self.samples += len(target)

    def value(self) -> float:
        return self.correct / self.samples


class MeanAbsoluteError:
    """Mean of |output − target|, times `scale`: the standard deviation that a standardised target was divided by."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale, self.total, self.samples = scale, 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        target = _array(target).astype(np.float64)
        self.total += float(np.abs(_array(output).reshape(target.shape) - target).sum())
        self.samples += target.size

    def value(self) -> float:
        return self.scale * self.total / self.samples


class R2:
    """Coefficient of determination: 1 − Σ(target − output)² / Σ(target − mean target)².

    1 for a perfect prediction, 0 for one no better than the mean. NaN where the targets are all equal.
    """

    def __init__(self) -> None:
        self.outputs: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []

    def update(self, output: Any, target: Any) -> None:
        self.outputs.append(_array(output).astype(np.float64).reshape(-1))
        self.targets.append(_array(target).astype(np.float64).reshape(-1))

    def value(self) -> float:
        # The deviations are taken from the mean of all targets, which is known only now: sums of squares collected on
        # the way would cancel where the mean is large against the spread.
        output, target = np.concatenate(self.outputs), np.concatenate(self.targets)
        spread = float(((target - target.mean()) ** 2).sum())
        return 1.0 - float(((target - output) ** 2).sum()) / spread if spread else float("nan")


def _array(value: Any) -> np.ndarray:
    """The numbers of a Tensor or an array, outside the graph: a metric is looked at, not differentiated."""
    return value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()
