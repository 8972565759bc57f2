"""A large batch in a small memory."""

from __future__ import annotations

from typing import Any

from pellucid.core import no_grad
from pellucid.train.loop import Callback, Loop, SkipBatch


class Accumulate(Callback):
    """One step of the optimiser for every `batches` batches, with the gradient that all of them as one would have.

    The gradients of the batches are summed, each weighted as the loss weighs (see `Loop.weight`): by the number of its
    samples, or of the targets that are not ignored, or by the weights of their classes. So they are right for a loss
    that is a mean over the batch, whatever the sizes. A batch that weighs nothing adds nothing. The group at the
    end of an epoch is smaller where the batches do not come out even. (Batch normalisation
    still sees each batch for itself.)

    `learner.step` counts batches, so schedules go by them too; `after_step` comes for the steps of the optimiser.

    >>> Accumulate(4)  # batches of 16, steps as with batches of 64
    Accumulate(batches=4)
    """

    order = -20  # before those who look at the gradients of the step: the others see them only when they are whole
    changes_step = True

    def __init__(self, batches: int) -> None:
        if not isinstance(batches, int) or batches < 1:
            raise ValueError(f"Accumulate: batches is a whole number from 1, but it is {batches!r}.")
        self.batches = batches
        self._passed, self._samples = 0, 0.0  # batches of the group that is under way, and what they weigh
        self._weight = 0.0
        self._kept: list[Any] | None = None  # the gradients, while no fit is under way
        self._parameters: list[Any] = []

    def before_fit(self, learner: Loop) -> None:
        self._parameters = [p for group in learner.optimizer.param_groups for p in group["params"]]
        if self._kept is not None:
            for parameter, gradient in zip(self._parameters, self._kept, strict=True):
                parameter.grad = None if gradient is None else gradient.detach().clone()
        self._kept = None
        learner.at_end(learner.zero_grad)

    def after_loss(self, learner: Loop) -> None:
        # The sum over the batch: it adds up, as a mean does not. `loss_value`, which is recorded, stays the mean.
        self._weight = learner.weight()
        if self._weight:
            learner.loss = learner.loss * self._weight
        else:  # a mean over nothing is NaN, and so might its gradient be
            learner.loss = (learner.output * 0).sum()

    def after_backward(self, learner: Loop) -> None:
        self._passed, self._samples = self._passed + 1, self._samples + self._weight
        if self._passed < self.batches and learner.batch + 1 < len(learner.loader):
            raise SkipBatch
        if not self._samples:  # nothing in the whole group has a target: no step
            self._passed = 0
            learner.zero_grad()
            raise SkipBatch
        with no_grad():
            for parameter in self._parameters:
                if parameter.grad is not None:
                    parameter.grad.mul_(1 / self._samples)
        self._passed, self._samples = 0, 0.0

    def after_fit(self, learner: Loop) -> None:
        self._kept = self._gradients()

    def state_dict(self) -> dict[str, Any]:
        gradients = self._kept if self._kept is not None else self._gradients()
        return {"passed": self._passed, "samples": self._samples, "gradients": gradients}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._passed, self._samples, self._kept = state["passed"], state["samples"], state["gradients"]

    def _gradients(self) -> list[Any] | None:
        """What has been summed of a group that is not complete."""
        if not self._passed:
            return None
        return [None if p.grad is None else p.grad.detach().clone() for p in self._parameters]
