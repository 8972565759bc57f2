"""Metrics of real targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.train.metrics.metric import Metric, to_array


class MeanAbsoluteError(Metric):
    """Mean of |output − target|, times `scale`: the standard deviation that a standardised target was divided by.

    In the units of the target. Shape: output and target alike; (N, 1) and (N,) count as alike.

    >>> mae = MeanAbsoluteError()
    >>> mae.update(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
    >>> mae.value()
    1.5
    """

    name = "mae"

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        super().__init__()

    def reset(self) -> None:
        self.total, self.samples = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        output, target = _alike(self, output, target)
        self.total += float(np.abs(output - target).sum())
        self.samples += target.size

    def value(self) -> float:
        self._need(self.samples)
        return self.scale * self.total / self.samples


class R2(Metric):
    """Coefficient of determination: 1 − Σ(target − output)² / Σ(target − mean target)².

    1 for a perfect prediction, 0 for one no better than the mean, negative for a worse one. NaN where the targets are
    all equal. With several targets a sample, the mean over them. Keeps all numbers until `reset`.

    Shape: output and target alike, (N,) or (N, D); (N, 1) and (N,) count as alike. References: scikit-learn's
    `r2_score`, torchmetrics' `R2Score`.

    >>> r2 = R2()
    >>> r2.update(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    >>> r2.value()
    0.5
    """

    name = "r2"

    def reset(self) -> None:
        self.outputs: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []

    def update(self, output: Any, target: Any) -> None:
        output, target = _alike(self, output, target)
        self.outputs.append(output)
        self.targets.append(target)

    def value(self) -> float:
        self._need(sum(len(target) for target in self.targets))
        # The deviations are taken from the mean of all targets, which is known only now: sums of squares collected on
        # the way would cancel where the mean is large against the spread.
        output, target = np.concatenate(self.outputs), np.concatenate(self.targets)
        spread = ((target - target.mean(0)) ** 2).sum(0)  # (D,)
        if not spread.all():
            return float("nan")
        return float((1.0 - ((target - output) ** 2).sum(0) / spread).mean())


def _alike(metric: Metric, output: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, (N, D)."""
    output, target = to_array(output), to_array(target)
    shapes = output.shape, target.shape
    # Else (N, 1) − (N,) would be broadcast to the (N, N) differences of everything with everything.
    same = shapes[0] == shapes[1] or sorted(shapes, key=len)[1] == (*sorted(shapes, key=len)[0], 1)
    if not same or output.ndim == 0:
        raise ValueError(
            f"{type(metric).__name__} compares each output with its target, but received output {output.shape} and "
            f"target {target.shape}. Bring them to one shape."
        )
    shape = len(output), math.prod(output.shape[1:])
    return np.array(output, np.float64).reshape(shape), np.array(target, np.float64).reshape(shape)
