"""Samples that count more than others: the mean of a loss by weights, and the loop that hands them to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pellucid.core import Tensor
from pellucid.train import Callback, Learner


class WeightedLoss:
    """The mean of the losses of a batch's samples by their weights: Σ w·loss / Σ w.

    Args:
        each: `each(output, target)`, a loss for each sample, (N,) or (N, outputs), of which the mean is taken.
    """

    def __init__(self, each: Callable[[Any, Any], Tensor]) -> None:
        self.each = each
        self.weights: Any = None  # of the batch that is under way, (N,)

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        losses = self.each(output, target)
        if losses.ndim > 1:
            losses = losses.mean(tuple(range(1, losses.ndim)))  # (N, outputs) -> (N,)
        return (losses * self.weights).sum() / self.weights.sum()

    def total_weight(self, output: Tensor, target: Tensor) -> float:
        """What the loss was divided by."""
        return self.weights.sum().item()


class WeightedLearner(Learner):
    """A `Learner` whose batches are (inputs, target, weights), for a `WeightedLoss`."""

    def unpack(self, batch: Any) -> None:
        inputs, target, self.loss_function.weights = batch  # type: ignore[attr-defined]
        super().unpack((inputs, target))


class Finite(Callback):
    """Ends a training whose loss is no number any more, with what can be done about it."""

    def after_epoch(self, learner: Any) -> None:
        if not math.isfinite(learner.train_loss):
            raise ValueError(
                f"The loss is {learner.train_loss} after epoch {learner.epoch}: the training diverged. Scale the "
                "features, make_pipeline(StandardScaler(), …), or set a smaller lr."
            )
