"""The first test of a training program: a network that cannot learn one batch by heart has a mistake in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pellucid.train.loop import Callback, Loop

FEW = 100  # steps that say nothing yet of a model that has not overfitted


class OverfitOneBatch(Callback):
    """Trains on the first batch alone, again and again, and says at the end whether the model could overfit it.

    It could if the loss fell below `target`, and then the fit is ended. Any network of some size does that within a few
    hundred steps; where it does not, the mistake is in the model, the loss, the optimiser or in how inputs and targets
    go together, and not in the amount of data or of training. Turn off what is there to prevent overfitting (dropout,
    weight decay, MixUp), and take it off before training in earnest.

    Args:
        target: the loss to reach; None for a twentieth of the first loss. (Where the least possible loss is not 0, as
            with label smoothing, give a number.)
        say: called with the verdict when the fit ends, or None. It is `verdict` too; `overfitted` is whether it could.

    Source: Karpathy, A Recipe for Training Neural Networks, 2019: "overfit one batch".

    >>> from pellucid import nn, optim, tensor
    >>> from pellucid.train import Learner
    >>> model = nn.Linear(1, 1)
    >>> batches = [(tensor([[1.0]]), tensor([[3.0]])), (tensor([[2.0]]), tensor([[7.0]]))]
    >>> test = OverfitOneBatch(target=1e-6)
    >>> Learner(model, batches, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1), callbacks=[test]).fit(100)
    The model could overfit one batch: ...
    """

    order = -60  # before MixUp and whoever else looks at the batch

    def __init__(self, target: float | None = None, say: Callable[[str], Any] | None = print) -> None:
        self.target, self.say = target, say
        self._forget()

    def _forget(self) -> None:
        self.steps = 0
        self.first = self.least = math.nan
        self._course: list[float] = []  # the least loss up to each step
        self._batch: list[Any] | None = None

    @property
    def overfitted(self) -> bool:
        """Whether the loss has fallen below the target."""
        return self.least <= self._target

    @property
    def _target(self) -> float:
        if self.target is not None:
            return self.target
        return self.first / 20 if self.first > 0 else -math.inf

    @property
    def verdict(self) -> str:
        """What came out, in words; what to look at where it could not."""
        if self.steps == 0:
            return "OverfitOneBatch has seen no step yet."
        how = f"the loss went from {self.first:.4g} to {self.least:.4g} in {self.steps} steps"
        if self.overfitted:
            return f"The model could overfit one batch: {how}."
        if self.first <= 0 and self.target is None:
            return (
                f"OverfitOneBatch cannot tell: {how}, and a loss that begins at 0 or below has no twentieth to fall "
                "to. Say what it should reach: OverfitOneBatch(target=…)."
            )
        if self.steps < FEW or self._falling:
            why = "were few" if self.steps < FEW else "did not suffice, as the loss was still falling"
            return (
                f"OverfitOneBatch cannot tell yet: {how}; it should fall below {self._target:.4g}, and these steps "
                f"{why}. Train for more epochs: fit({self._enough})."
            )
        return (
            f"The model could not overfit one batch: {how}; it should have fallen below {self._target:.4g}. Look at "
            "whether the optimiser has all parameters of the model and a gradient reaches each of them, whether inputs "
            "and targets belong together (print a batch), whether the last layer fits the loss (cross entropy takes "
            "logits, without a softmax), whether dropout or weight decay are still on, and at the learning rate: "
            "learner.lr_find()."
        )

    @property
    def _falling(self) -> bool:
        """Whether the last tenth of the steps brought the loss down by a twentieth of what it had come down before."""
        tenth = max(self.steps // 10, 1)
        before = min(self._course[:-tenth], default=self.first)
        return before - self.least > 0.05 * (self.first - before)

    def before_fit(self, learner: Loop) -> None:
        self._enough = math.ceil(4 * max(FEW, self.steps) / max(len(learner.loader), 1))
        if learner.epoch == learner.first_epoch and learner.batch == 0:
            self._forget()

    def before_batch(self, learner: Loop) -> None:
        if self._batch is None:
            self._batch = [learner.inputs, learner.target]
        learner.inputs, learner.target = self._batch

    def after_loss(self, learner: Loop) -> None:
        self.steps += 1
        if self.steps == 1:
            self.first = learner.loss_value
        self.least = min(self.least, learner.loss_value) if self.steps > 1 else learner.loss_value
        self._course.append(self.least)
        if self.overfitted:
            learner.stop()

    def after_fit(self, learner: Loop) -> None:
        if self.say is not None:
            self.say(self.verdict)

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "first": self.first,
            "least": self.least,
            "course": self._course,
            "batch": self._batch,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self.first, self.least = state["steps"], state["first"], state["least"]
        self._course = list(state.get("course", [self.least]))
        self._batch = state["batch"]
