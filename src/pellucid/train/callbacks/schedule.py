"""Hyperparameters over a run: the learning rate, mostly, but any that the optimiser's parameter groups hold.

Such a callback looks at nothing but where in the run it is, so a resumed run needs nothing remembered, and when the fit
ends the optimiser has the values it had before.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from typing import Any

from pellucid.train.loop import Callback, Loop
from pellucid.train.schedule import Schedule, cosine, linear


class ParamScheduler(Callback):
    """Sets a hyperparameter before every step: to `schedule(part)`, where part is how much of the fit is done.

    Args:
        name: the name in the optimiser's parameter groups: "lr", "weight_decay", "momentum", … . Where the groups have
            `betas` and no `momentum`, "momentum" is the first of the betas.
        schedule: from the part, 0 at the first step and just below 1 at the last, to the value.
        group: the number of the parameter group; all of them if None.

    Raises ValueError when the fit begins if the optimiser has no such hyperparameter or group.

    >>> decay = ParamScheduler("weight_decay", linear(0.1, 0.0))
    >>> body, head = ParamScheduler("lr", cosine(1e-4, 0), group=0), ParamScheduler("lr", cosine(1e-2, 0), group=1)
    """

    order = -50

    def __init__(self, name: str, schedule: Schedule, group: int | None = None) -> None:
        if not callable(schedule):
            raise TypeError(
                f"A schedule is a function of the part of the run that is done, but {schedule!r} was given. For a "
                f"fixed value write constant({schedule!r})."
            )
        self.name, self.schedule, self.group = name, schedule, group

    def groups(self, learner: Loop) -> list[dict[str, Any]]:
        groups = learner.optimizer.param_groups
        if self.group is None:
            return groups
        if not -len(groups) <= self.group < len(groups):
            raise ValueError(f"{type(self).__name__}: there is no group {self.group} among the {len(groups)} groups.")
        return [groups[self.group]]

    def before_fit(self, learner: Loop) -> None:
        for group in self.groups(learner):
            check_hyperparameter(learner, group, self.name)

    def before_batch(self, learner: Loop) -> None:
        value = self.schedule(learner.progress)
        for group in self.groups(learner):
            set_hyperparameter(learner, group, self.name, value)


class CosineDecay(ParamScheduler):
    """Lowers the learning rate from `lr` to 0 over the run, along half a cosine.

    Formula: lr · (1 + cos(π · step / steps)) / 2, where `steps` is the number of all steps of the fit.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, without the restarts.
    """

    def __init__(self, lr: float) -> None:
        self.lr = lr
        super().__init__("lr", cosine(lr, 0.0))


class OneCycle(Callback):
    """The learning rate once up to `max_lr` and down to almost nothing, the momentum the other way round.

    It starts at max_lr/div_factor, is at max_lr after the fraction `pct_start` of the steps, and ends at
    max_lr/(div_factor·final_div_factor). The momentum (of Adam and its kin: the first beta) goes from `max_momentum` to
    `base_momentum` and back. The values are PyTorch's `OneCycleLR` at each step.

    Args:
        max_lr: one rate, or a sequence of one for each parameter group.
        anneal: the shape of both ways, `cosine` or `linear`, or another function of start and end.
        cycle_momentum: False leaves the momentum alone, as an optimiser that has none needs it.

    Source: Smith and Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates, 2018.
    """

    order = -50

    def __init__(
        self,
        max_lr: float | Sequence[float],
        pct_start: float = 0.3,
        anneal: Callable[[float, float], Schedule] = cosine,
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycle: pct_start is a fraction of the steps, from 0 to 1, but it is {pct_start}.")
        rates = max_lr if isinstance(max_lr, Sequence) else [max_lr]
        if not all(isinstance(rate, numbers.Real) and rate > 0 for rate in rates):
            raise ValueError(
                "OneCycle: max_lr is a number above 0, such as 0.1, or one for each parameter group, but it is "
                f"{max_lr!r}."
            )
        self.max_lr, self.pct_start, self.anneal, self.cycle_momentum = max_lr, pct_start, anneal, cycle_momentum
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        self.div_factor, self.final_div_factor = div_factor, final_div_factor

    def before_fit(self, learner: Loop) -> None:
        groups = learner.optimizer.param_groups
        self.rates = list(self.max_lr) if isinstance(self.max_lr, Sequence) else [self.max_lr] * len(groups)
        if len(self.rates) != len(groups):
            raise ValueError(
                f"OneCycle: max_lr has {len(self.rates)} rates for {len(groups)} parameter groups. Give one for each, "
                "or a single one for all."
            )
        for group in groups:
            check_hyperparameter(learner, group, "lr")
            if self.cycle_momentum and "momentum" not in group and "betas" not in group:
                raise ValueError(
                    f"OneCycle: {type(learner.optimizer).__name__} has no momentum to cycle. Write "
                    "OneCycle(…, cycle_momentum=False)."
                )

    def before_batch(self, learner: Loop) -> None:
        for group, peak in zip(learner.optimizer.param_groups, self.rates, strict=True):
            first = peak / self.div_factor
            set_hyperparameter(learner, group, "lr", self._at(learner, first, peak, first / self.final_div_factor))
            if self.cycle_momentum:
                top, low = self.max_momentum, self.base_momentum
                set_hyperparameter(learner, group, "momentum", self._at(learner, top, low, top))

    def _at(self, learner: Loop, start: float, middle: float, end: float) -> float:
        """The value at this step: from start to middle and on to end, where the last step has the end's value."""
        step, last = fit_step(learner), learner.steps - 1
        turn = self.pct_start * learner.steps - 1
        if step <= turn:
            return self.anneal(start, middle)(step / turn if turn else 1.0)
        return self.anneal(middle, end)((step - turn) / (last - turn))


class WarmUp(Callback):
    """Raises the learning rate from a part of it to the whole over the first steps of the fit, in a straight line.

    Formula: lr · (start + (1 − start)·(step + 1)/steps) for step = 0, …, steps − 1. Each parameter group comes to its
    own rate; where another callback schedules the learning rate, the rate that this one gives is what is scaled.

    Args:
        steps: for how many steps.
        fraction: or for what fraction of the fit, such as 0.05.
        start: with what part of the rate it would begin, one step before the first.

    Source: Goyal and others, Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, 2017.
    """

    order = -40  # after the schedules whose rates it scales

    def __init__(self, steps: int | None = None, fraction: float | None = None, start: float = 0.0) -> None:
        if (steps is None) == (fraction is None):
            raise TypeError("WarmUp takes either a number of steps, WarmUp(500), or a fraction, WarmUp(fraction=0.05).")
        if steps is not None and steps < 1:
            raise ValueError(f"WarmUp: steps must be at least 1, but it is {steps}.")
        if fraction is not None and not 0 < fraction <= 1:
            raise ValueError(f"WarmUp: fraction is a part of the fit, above 0 and up to 1, but it is {fraction}.")
        self.steps, self.fraction, self.start = steps, fraction, start

    def before_fit(self, learner: Loop) -> None:
        for group in learner.optimizer.param_groups:
            check_hyperparameter(learner, group, "lr")
        self._own = [group["lr"] for group in learner.optimizer.param_groups]
        self._scheduled = any(
            isinstance(callback, OneCycle) or (isinstance(callback, ParamScheduler) and callback.name == "lr")
            for callback in learner.callbacks
        )

    def before_batch(self, learner: Loop) -> None:
        step = fit_step(learner)
        steps = self.steps if self.steps is not None else max(round((self.fraction or 0) * learner.steps), 1)
        if step > steps:
            return
        factor = linear(self.start, 1.0)(min((step + 1) / steps, 1.0))
        for group, own in zip(learner.optimizer.param_groups, self._own, strict=True):
            set_hyperparameter(learner, group, "lr", factor * (group["lr"] if self._scheduled else own))


def fit_step(learner: Loop) -> int:
    """How many batches of this fit have passed: its first step has 0, its last one `learner.steps` − 1."""
    return (learner.epoch - learner.first_epoch) * len(learner.loader) + learner.batch


def check_hyperparameter(learner: Loop, group: dict[str, Any], name: str) -> None:
    if name in group or (name == "momentum" and "betas" in group):
        return
    known = ", ".join(key for key in group if key not in ("params", "param_names"))
    raise ValueError(f"{type(learner.optimizer).__name__} has no hyperparameter {name!r} to schedule; it has {known}.")


def set_hyperparameter(learner: Loop, group: dict[str, Any], name: str, value: Any) -> None:
    """Until the fit ends. The momentum of Adam and its kin is the first of their betas."""
    if name == "momentum" and name not in group:
        name, value = "betas", (value, *group["betas"][1:])
    learner.replace(group, name, value)
