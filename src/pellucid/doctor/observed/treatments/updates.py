"""Changes of how parameters are updated: rates, gradients, decay, and which parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import no_grad

from ..arrays import array_of
from .treatment import Treatment


@dataclass
class LearningRate(Treatment):
    """The learning rate times a factor, in each step, whatever a scheduler does."""

    factor: float

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * self.factor

    def after_step(self, optimizer: Any) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] / self.factor

    def after_backward(self, parameters: list[Any], optimizers: int) -> None:
        if not optimizers:  # the program makes its updates by itself
            _scale(parameters, self.factor)


@dataclass
class ConstantRate(Treatment):
    """The learning rate as it was made, or this one, whatever a scheduler does."""

    rate: float

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        self.held = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = self.rate

    def after_step(self, optimizer: Any) -> None:
        for group, rate in zip(optimizer.param_groups, self.held, strict=True):
            group["lr"] = rate


def _scale(parameters: list[Any], factor: float) -> None:
    for parameter in parameters:
        if parameter.grad is not None:
            with no_grad():
                parameter.grad = parameter.grad * factor


@dataclass
class NoClip(Treatment):
    """Gradients are not clipped."""

    def clips(self) -> bool:
        return False


@dataclass
class Clip(Treatment):
    """All gradients together are clipped to a norm."""

    norm: float = 1.0

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        held = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        size = float(np.sqrt(sum(float((array_of(p.grad).astype(float) ** 2).sum()) for p in held)))
        if not np.isfinite(size):
            _scale(held, 0.0)
        elif size > self.norm:
            _scale(held, self.norm / size)


@dataclass
class Shrink(Treatment):
    """After each step all weights are a little smaller: weight decay, apart from the optimiser's."""

    share: float = 2e-3

    def after_step(self, optimizer: Any) -> None:
        with no_grad():
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter.dim() > 1:
                        parameter.mul_(1 - self.share)


@dataclass
class NoWeightDecay(Treatment):
    """Without weight decay."""

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        self.held = [group.get("weight_decay", 0) for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.0

    def after_step(self, optimizer: Any) -> None:
        for group, value in zip(optimizer.param_groups, self.held, strict=True):
            group["weight_decay"] = value


@dataclass
class ZeroGradients(Treatment):
    """The gradients are forgotten after each step; without optimisers, before each backward."""

    stepped: bool = False

    def after_step(self, optimizer: Any) -> None:
        optimizer.zero_grad()

    def before_backward(self, parameters: list[Any]) -> None:
        if not self.stepped:  # a program that makes its updates by itself
            for parameter in parameters:
                parameter.grad = None

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        self.stepped = True


@dataclass
class KeptGradients(Treatment):
    """An update is made of what the backward before it gave, whatever cleared that since."""

    def __post_init__(self) -> None:
        self.held: dict[int, Any] = {}

    def after_backward(self, parameters: list[Any], optimizers: int) -> None:
        self.held = {id(p): p.grad.detach().clone() for p in parameters if p.grad is not None}

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = self.held.get(id(parameter), parameter.grad)


@dataclass
class StepEach(Treatment):
    """An update after each backward, once the program has made one by itself."""

    def __post_init__(self) -> None:
        self.optimizers: dict[int, Any] = {}

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        self.optimizers[id(optimizer)] = optimizer

    def after_backward(self, parameters: list[Any], optimizers: int) -> None:
        for optimizer in self.optimizers.values():
            optimizer.step()


@dataclass
class Descend(Treatment):
    """Each gradient with its sign turned."""

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    with no_grad():
                        parameter.grad = -parameter.grad


@dataclass
class ScaleGradients(Treatment):
    """Each gradient times a factor."""

    factor: float

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    with no_grad():
                        parameter.grad = parameter.grad * self.factor

    def after_step(self, optimizer: Any) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    with no_grad():
                        parameter.grad = parameter.grad / self.factor


class _Owned:
    """Which optimiser has which parameters, as they make their updates."""

    def __init__(self) -> None:
        self.ids: dict[int, set[int]] = {}

    def strangers(self, optimizer: Any, parameters: list[Any]) -> list[Any]:
        """Those with a gradient that none has, once each of them made an update: the first is there to know them."""
        known = id(optimizer) in self.ids
        self.ids[id(optimizer)] = {id(p) for group in optimizer.param_groups for p in group["params"]}
        every = set().union(*self.ids.values())
        return [p for p in parameters if p.grad is not None and id(p) not in every] if known else []


@dataclass
class OptimizeAll(Treatment):
    """What the networks have and no optimiser knows joins the first optimiser; what is frozen is trained."""

    def __post_init__(self) -> None:
        self.owned = _Owned()

    def module(self, module: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        for parameter in module.parameters():
            parameter.requires_grad_(True)
        return args

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        new = self.owned.strangers(optimizer, parameters)
        if new:
            optimizer.add_param_group({"params": new})


@dataclass
class TrainStrangers(Treatment):
    """What no optimiser knows gets updates of its own, as of Adam at a usual rate, beside those of the program."""

    rate: float = 3e-3

    def __post_init__(self) -> None:
        self.moments: dict[int, tuple[np.ndarray, np.ndarray, int]] = {}  # by the id of a parameter, and its updates
        self.owned = _Owned()

    def before_step(self, optimizer: Any, parameters: list[Any]) -> None:
        for parameter in self.owned.strangers(optimizer, parameters):
            slope = array_of(parameter.grad).astype(float)
            first, second, count = self.moments.get(id(parameter), (np.zeros_like(slope), np.zeros_like(slope), 0))
            first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
            self.moments[id(parameter)] = first, second, (count := count + 1)
            size = np.sqrt(second / (1 - 0.999**count)) + 1e-8
            step = self.rate * first / (1 - 0.9**count) / size
            with no_grad():
                parameter.sub_(parameter.new_tensor(step.astype(array_of(parameter).dtype)))
            parameter.grad = None
