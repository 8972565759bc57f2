"""Schedules that go up and down: one cycle, many cycles, a cosine that restarts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..names import Options, Rate
from ..optimizer import Optimizer
from .base import (
    LRScheduler,
    check_momentum,
    check_optimizer,
    per_group,
    set_momentum,
    set_value,
    within_step,
)
from .formulas import attributes_of

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class OneCycleLR(LRScheduler):
    """Up to ``max_lr`` and down again within one training, momentum the other way round (arXiv:1708.07120).

    Call ``step`` after each batch. ``total_steps``, or ``epochs`` and ``steps_per_epoch``, says how many there are.
    The rate starts at ``max_lr / div_factor``, peaks after the fraction ``pct_start`` and ends at the starting rate
    divided by ``final_div_factor``; ``three_phase`` comes back to the starting rate in between.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
            _check_positive_integer(epochs=epochs, steps_per_epoch=steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        _check_positive_integer(total_steps=total_steps)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self.total_steps = total_steps
        self._schedule_phases = _phases(total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            check_momentum(optimizer)
            self.use_beta1 = "betas" in optimizer.defaults
        for name, values in (("max_lr", max_lr), ("max_momentum", max_momentum), ("base_momentum", base_momentum)):
            if last_epoch != -1 or (name != "max_lr" and not cycle_momentum):
                continue
            for group, value in zip(optimizer.param_groups, per_group(name, optimizer, values), strict=True):
                group[name] = value
                if name == "max_lr":
                    group["initial_lr"] = value / div_factor
                    group["min_lr"] = group["initial_lr"] / final_div_factor
                elif name == "max_momentum":
                    set_momentum(group, value)
        super().__init__(optimizer, last_epoch)

    def _anneal(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)

    def get_lr(self) -> list[Rate]:
        self._check_within_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        begin, phase = 0.0, self._schedule_phases[0]
        for later in self._schedule_phases[1:]:
            if step <= phase["end_step"]:
                break
            begin, phase = phase["end_step"], later
        part = (step - begin) / (phase["end_step"] - begin)
        lrs = []
        for group in self.optimizer.param_groups:
            lrs.append(self._anneal(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                set_momentum(group, self._anneal(*ends, part))
        return lrs


def _phases(total_steps: int, pct_start: float, three_phase: bool) -> list[Options]:
    """Where each phase of the one cycle ends, and between which of a group's values it goes."""
    ends = [float(pct_start * total_steps) - 1, total_steps - 1]
    lrs = ["initial_lr", "max_lr", "min_lr"]
    momenta = ["max_momentum", "base_momentum", "max_momentum"]
    if three_phase:
        ends.insert(1, float(2 * pct_start * total_steps) - 2)
        lrs.insert(2, "initial_lr")
        momenta.append("max_momentum")
    return [
        {
            "end_step": end,
            "start_lr": lrs[place],
            "end_lr": lrs[place + 1],
            "start_momentum": momenta[place],
            "end_momentum": momenta[place + 1],
        }
        for place, end in enumerate(ends)
    ]


def _check_positive_integer(**values: Any) -> None:
    for name, value in values.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {value}")


class CyclicLR(LRScheduler):
    """From ``base_lr`` up to ``max_lr`` and down again, over and over, in steps of batches (arXiv:1506.01186).

    Up takes ``step_size_up`` steps, down ``step_size_down`` (or as many). The height of a cycle stays the same
    (``mode="triangular"``), halves with each (``"triangular2"``), or shrinks by ``gamma`` with each step
    (``"exp_range"``); ``scale_fn``, a function of the number of the cycle or of the iteration (``scale_mode``),
    replaces the mode. Momentum goes the other way round.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                set_value(group, "lr", lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if mode not in _SCALES and scale_fn is None:
            raise ValueError(f"mode is invalid and scale_fn is None: mode={mode!r} is none of {', '.join(_SCALES)}")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else _SCALES[mode][0]
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            check_momentum(optimizer)
            self.use_beta1 = "betas" in optimizer.defaults
            self.base_momentums = per_group("base_momentum", optimizer, base_momentum)
            self.max_momentums = per_group("max_momentum", optimizer, max_momentum)
            if last_epoch == -1:
                ends = zip(optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
                for group, low, high in ends:
                    set_momentum(group, high)
                    group["max_momentum"], group["base_momentum"] = high, low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """What the height of the cycle is multiplied by."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return _SCALES[self.mode][1](self.gamma, x)

    def get_lr(self) -> list[Rate]:
        self._check_within_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        part = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        at = cycle if self.scale_mode == "cycle" else self.last_epoch
        ends = zip(self.base_lrs, self.max_lrs, strict=True)
        lrs = [low + (high - low) * part * self.scale_fn(at) for low, high in ends]
        if self.cycle_momentum:
            ends = zip(self.base_momentums, self.max_momentums, self.optimizer.param_groups, strict=True)
            for low, high, group in ends:
                set_momentum(group, high - (high - low) * part * self.scale_fn(at))
        return lrs

    def state_dict(self) -> Options:
        """A plain ``scale_fn`` is not saved; a callable object by its attributes."""
        return {**super().state_dict(), "_scale_fn_custom": attributes_of(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: Options) -> None:
        state = dict(state_dict)
        saved = state.pop("_scale_fn_custom")
        super().load_state_dict(state)
        if saved is not None:
            vars(self._scale_fn_custom).update(saved)


# For each mode of CyclicLR, what its scale is a function of, and the scale itself, given gamma.
_SCALES: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "triangular": ("cycle", lambda gamma, x: 1.0),
    "triangular2": ("cycle", lambda gamma, x: 1 / 2.0 ** (x - 1)),
    "exp_range": ("iterations", lambda gamma, x: gamma**x),
}


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine down to ``eta_min`` over ``T_0`` epochs, and again, each ``T_mult`` times as long as the last.

    From arXiv:1608.03983. ``step(epoch)`` takes fractions of an epoch too, for calls within one.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        _check_positive_integer(T_0=T_0)
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min).__name__}")
        self.T_0 = T_0
        self.T_i: float = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        self._check_within_step()
        low, at, period = self.eta_min, self.T_cur, self.T_i
        return [low + (base - low) * (1 + math.cos(math.pi * at / period)) / 2 for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go to the next epoch, or to ``epoch``."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        elif epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            times = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**times - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**times
        self.last_epoch = math.floor(epoch)
        with within_step(self):
            self._set(self.get_lr())
