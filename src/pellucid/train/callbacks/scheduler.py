"""A scheduler of `optim.lr_scheduler` in the training loop."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Protocol

from pellucid.train.loop import Callback, Loop


class Stepping(Protocol):
    """What is known of a scheduler."""

    @property
    def optimizer(self) -> object: ...
    @property
    def last_epoch(self) -> int: ...
    @property
    def step(self) -> Callable[..., object]: ...
    def state_dict(self) -> dict[str, object]: ...
    def load_state_dict(self, state_dict: dict[str, object]) -> None: ...


class Scheduler(Callback):
    """Takes a step of a scheduler of PyTorch's kind: after every epoch, or after every batch where it counts those.

    A scheduler counts batches if it asks for their number, `total_steps`, or for the length of a cycle in steps,
    `step_size_up`; `every` says otherwise. One whose `step` takes a measurement, as that of `ReduceLROnPlateau` does,
    is given the validation loss, or the training loss where nothing is validated. Its state is in the checkpoint.

    Args:
        scheduler: made with the optimiser of the learner.
        every: "epoch" or "batch"; None goes by its class.

    Raises:
        TypeError: it is no scheduler. ValueError: another `every`; when the fit begins, one of another optimiser.

    >>> from pellucid import nn, optim, tensor
    >>> from pellucid.train import Learner
    >>> model = nn.Linear(1, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> halving = Scheduler(optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5))
    >>> data = [(tensor([[1.0]]), tensor([[3.0]]))]
    >>> Learner(model, data, nn.MSELoss(), optimizer, callbacks=[halving], defaults=()).fit(4)
    >>> optimizer.param_groups[0]["lr"]
    0.025
    """

    order = 60  # after those who record the rate of the step, before those who save the state

    def __init__(self, scheduler: Stepping, every: str | None = None) -> None:
        if not (hasattr(scheduler, "step") and hasattr(scheduler, "state_dict") and hasattr(scheduler, "optimizer")):
            raise TypeError(
                f"{scheduler!r} is no scheduler: write Scheduler(optim.lr_scheduler.StepLR(optimizer, step_size=10))."
            )
        if every not in (None, "epoch", "batch"):
            raise ValueError(f"Scheduler was given every={every!r}: write 'epoch' or 'batch'.")
        self.scheduler: Stepping | None = scheduler
        self.by_step = by_step(type(scheduler)) if every is None else every == "batch"

    def before_fit(self, learner: Loop) -> None:
        if self.scheduler is not None and self.scheduler.optimizer is not learner.optimizer:
            raise ValueError(
                f"The {type(self.scheduler).__name__} of this Scheduler was made with another optimiser than the "
                "learner's: give both the same."
            )

    def after_batch(self, learner: Loop) -> None:
        if self.by_step and self.scheduler is not None:
            total = getattr(self.scheduler, "total_steps", None)
            if total is None or self.scheduler.last_epoch + 1 < total:  # there is no rate for one step more
                self._step(self.scheduler, learner)

    def after_epoch(self, learner: Loop) -> None:
        if not self.by_step and self.scheduler is not None:
            self._step(self.scheduler, learner)

    def _step(self, scheduler: Stepping, learner: Loop) -> None:
        measures = "metrics" in inspect.signature(scheduler.step).parameters
        scheduler.step(*([learner.evaluation.get("loss", learner.train_loss)] if measures else []))

    def state_dict(self) -> dict[str, object]:
        return {"scheduler": None if self.scheduler is None else self.scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, object]) -> None:
        found = state["scheduler"]
        if self.scheduler is not None and isinstance(found, dict):
            self.scheduler.load_state_dict(found)


def by_step(kind: type) -> bool:
    """Whether schedulers of this class count batches."""
    return not {"total_steps", "step_size_up"}.isdisjoint(inspect.signature(kind).parameters)
