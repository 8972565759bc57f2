"""Gradients of an update that are still there when the next backward adds to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import array_of
from .record import OptimizerRecord, Place, StepRecord


@dataclass
class _Held:
    """A parameter of an optimiser since its last update: what its gradient came to then, and what it comes to as the
    last backward left it."""

    parameter: Any
    value: float
    left: float
    untouched: bool = True  # by anything but the update and backwards

    def now(self) -> float:
        return _size(self.parameter.grad)


class Leftovers:
    """Follows one gradient of each optimiser from an update to the next."""

    def __init__(self) -> None:
        self.held: dict[int, _Held] = {}  # by the id of an optimiser
        self.fresh: set[int] = set()  # those that made an update since the last backward
        self.backward: Place | None = None  # the line of the last one

    def note(self, step: StepRecord) -> None:
        """A backward is about to run: whether the gradients of the update before it are in, where one clears them."""
        new = [self.held[identity] for identity in self.fresh]
        step.stale = any(_same(held.now(), held.value) for held in new)
        step.told = not new or any(held.value != 0 for held in new)

    def before_backward(self, at: Place | None) -> None:
        self.backward = at
        self.fresh.clear()
        for held in self.held.values():
            held.untouched &= _same(held.now(), held.left)

    def after_backward(self) -> None:
        for held in self.held.values():
            held.left = held.now()

    def before_step(self, optimizer: Any, note: OptimizerRecord) -> None:
        """An update is about to be made: whether its gradients are what backwards added to those of the one before, and
        whether it has any."""
        given = any(_size(p.grad) != 0 for group in optimizer.param_groups for p in group["params"])
        note.without = 0 if given else note.without + 1
        held = self.held.get(id(optimizer))
        if held is not None and held.untouched and id(optimizer) not in self.fresh:
            note.uncleared += 1
            note.backward = note.backward or self.backward

    def after_step(self, optimizer: Any) -> None:
        parameters = [p for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        sums = ((p, _size(p.grad)) for p in parameters)
        if parameters:
            parameter, value = next((one for one in sums if one[1] != 0), (parameters[0], 0.0))
            self.held[id(optimizer)] = _Held(parameter, value, value)
            self.fresh.add(id(optimizer))
        else:
            self.held.pop(id(optimizer), None)
            self.fresh.discard(id(optimizer))


def _size(gradient: Any) -> float:
    return 0.0 if gradient is None else float(np.abs(array_of(gradient)).sum())


def _same(now: float, value: float) -> bool:
    """Whether a gradient is what it was, and any at all."""
    return value != 0 and (now == value or not (np.isfinite(now) or np.isfinite(value)))
