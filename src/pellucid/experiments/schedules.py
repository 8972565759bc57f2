"""A scheduler of `optim.lr_scheduler` in a training loop."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pellucid.train import Callback
from pellucid.train.loop import Loop


class Scheduled(Callback):
    """Takes a step of a scheduler of PyTorch's kind: after every epoch, or after every batch where it counts steps.

    A scheduler counts steps if it asks for their number, `total_steps`, which it is given, or for the length of a
    cycle in steps, `step_size_up`. One whose `step` takes a measurement, as that of `ReduceLROnPlateau` does, is given
    the validation loss, or the training loss where nothing is validated.

    Args:
        make: makes the scheduler from the number of steps, where it asks for that, or from nothing.
        kind: its class.
    """

    order = 60  # after those who record the rate of the step, before those who save the state

    def __init__(self, make: Callable[..., Any], kind: type) -> None:
        self._make = make
        takes = inspect.signature(kind).parameters
        self._spread = "total_steps" in takes
        self.by_step = self._spread or "step_size_up" in takes
        self._measures = "metrics" in inspect.signature(kind.step).parameters  # type: ignore[attr-defined]
        # Made before a checkpoint is loaded: making it moves the learning rate to the first of its own.
        self.scheduler = None if self.by_step else make()
        self._stored: dict[str, Any] = {}

    def before_fit(self, learner: Loop) -> None:
        if self.scheduler is None:
            groups = learner.optimizer.param_groups
            before = [{name: value for name, value in group.items() if name != "params"} for group in groups]
            self.scheduler = self._make(total_steps=learner.steps)
            if self._stored:  # it goes on: the rates are those of the checkpoint
                self.scheduler.load_state_dict(self._stored)
                for group, own in zip(groups, before, strict=True):
                    group.update(own)

    def after_batch(self, learner: Loop) -> None:
        if self.by_step and not (self._spread and learner.progress == 1):  # there is no rate for one step more
            self.scheduler.step()  # type: ignore[union-attr]

    def after_epoch(self, learner: Loop) -> None:
        if self.by_step:
            return
        if self._measures:
            self.scheduler.step(learner.evaluation.get("loss", learner.train_loss))  # type: ignore[union-attr]
        else:
            self.scheduler.step()  # type: ignore[union-attr]

    def state_dict(self) -> dict[str, Any]:
        return {"scheduler": None if self.scheduler is None else self.scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._stored = state["scheduler"] or {}
        if self.scheduler is not None and self._stored:
            self.scheduler.load_state_dict(self._stored)
