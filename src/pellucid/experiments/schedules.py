"""A scheduler of `optim.lr_scheduler` by its name, which learns from the fit how many steps there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.train.callbacks.scheduler import Scheduler, Stepping, by_step
from pellucid.train.loop import Loop


class Scheduled(Scheduler):
    """A `Scheduler` whose scheduler is made when the fit begins where it counts steps, and else at once.

    Args:
        make: makes the scheduler from the number of steps, where it asks for that, or from nothing.
        kind: its class.
    """

    def __init__(self, make: Callable[..., Stepping], kind: type) -> None:
        self._make = make
        self.by_step = by_step(kind)
        # Made before a checkpoint is loaded: making it moves the learning rate to the first of its own.
        self.scheduler = None if self.by_step else make()
        self._stored: dict[str, Any] = {}

    def before_fit(self, learner: Loop) -> None:
        if self.scheduler is None:
            groups = learner.optimizer.param_groups
            before = [{name: value for name, value in group.items() if name != "params"} for group in groups]
            self.scheduler = scheduler = self._make(total_steps=learner.steps)
            if self._stored:  # it goes on: the rates are those of the checkpoint
                scheduler.load_state_dict(self._stored)
                for group, own in zip(groups, before, strict=True):
                    group.update(own)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._stored = state["scheduler"] or {}
        if self.scheduler is not None and self._stored:
            self.scheduler.load_state_dict(self._stored)
