"""Training in a fork: some hundred passes as they are, or with something else in their place, and their losses."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.slopes import RELATIVE
from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.paths import Scope

Values = dict[str, np.ndarray]


@dataclass
class Curve:
    """The loss of each pass of a training."""

    losses: list[float] = field(default_factory=list)
    what: str = ""
    ended: bool = False  # the program left its loop

    @property
    def finite(self) -> bool:
        return all(np.isfinite(self.losses))

    def level(self, begin: float, end: float) -> float:
        """The mean loss over a part of the passes, given as shares of them."""
        count = len(self.losses)
        part = self.losses[int(begin * count) : max(int(begin * count) + 1, int(end * count))]
        return float(np.mean(part)) if part and all(np.isfinite(part)) else float("inf")

    @property
    def start(self) -> float:
        return self.level(0.0, 0.1)

    @property
    def last(self) -> float:
        return self.level(0.8, 1.0)


@dataclass(frozen=True)
class Mended:
    """The right gradient in the place of the program's, at its rate. The tensors that are `wrong` go along it as far as
    the program moves them, where there is no rate."""

    gradient: Callable[[Lab], Generator[PassRun, PassOutcome, Values]]
    rate: float | None
    wrong: tuple[str, ...] = ()


def train(
    lab: Lab,
    found: Parameters,
    candidate: Candidate,
    passes: int,
    seconds: float,
    what: str = "",
    scale: float = 1.0,
    begin: Callable[[Scope], Any] | None = None,
    gradient: Callable[[Lab], Generator[PassRun, PassOutcome, Values]] | None = None,
    rate: float | None = 0.0,
    wrong: Collection[str] = (),
) -> Generator[PassRun, PassOutcome, Curve]:
    """In a laboratory: train on, with updates `scale` times as large, or by another `gradient` at a rate.

    Without a rate, as where the rule scales each element by its memory, the tensors that are `wrong` go along the other
    gradient as far as the program itself moves them, and the others are left to the program.

    `begin` may change the state first: other weights, scaled inputs.
    """
    curve = Curve(what=what)
    keys = frozenset(candidate.keys)
    end = time.process_time() + seconds
    try:
        while len(curve.losses) < passes and time.process_time() < end and lab.left() > 0.2:
            other = (yield from gradient(lab)) if gradient is not None else None
            outcome = yield Next(
                watch=keys,
                before=begin if not curve.losses else None,
                after=moving(lab, found, scale, other, rate, wrong),
            )
            value = candidate.value(outcome.seen)
            curve.losses.append(value)
            if not np.isfinite(value) and len(curve.losses) > 3:
                break
    except Ended:
        curve.ended = True
    return curve


def moving(
    lab: Lab, found: Parameters, scale: float, gradient: Values | None, rate: float | None, wrong: Collection[str]
) -> Callable[[Scope], Any] | None:
    """What is done at the end of a pass, so that its updates are others; None where they are to stay."""
    if gradient is None and scale == 1.0:
        return None

    def after(scope: Scope) -> None:
        for name in found.parameters:
            group, old = lab.groups[name], lab.before.get(name)
            if old is None:
                continue
            if gradient is not None:
                if name in gradient and rate is not None:
                    group.write(scope, old - rate * gradient[name])
                elif name in gradient and name in wrong:
                    group.write(scope, old - _as_far(gradient[name], group.read(scope) - old))
            else:
                group.write(scope, old + scale * (group.read(scope) - old))

    return after


def _as_far(gradient: np.ndarray, step: np.ndarray) -> np.ndarray:
    """A gradient, as long as a step.

    >>> _as_far(np.array([3.0, 4.0]), np.array([0.0, -0.1]))
    array([0.06, 0.08])
    """
    length = float(np.linalg.norm(gradient))
    return gradient * (float(np.linalg.norm(step)) / length if length > 0 else 0.0)


def by_differences(found: Parameters, candidate: Candidate) -> Callable[[Lab], Generator[PassRun, PassOutcome, Values]]:
    """The gradient of each parameter, element by element."""
    keys = frozenset(candidate.keys)

    def gradient(lab: Lab) -> Generator[PassRun, PassOutcome, Values]:
        plain = yield PassRun(watch=keys)
        middle = candidate.value(plain.seen)
        result: Values = {}
        for name in found.parameters:
            old = plain.before[name]
            size = RELATIVE * max(float(np.sqrt(np.mean(old * old))), 1e-2)
            slopes = np.zeros(old.size)
            for i in range(old.size):
                moved = old.copy()
                moved[i] += size
                outcome = yield PassRun({name: moved}, watch=keys)
                slopes[i] = (candidate.value(outcome.seen) - middle) / size
            result[name] = np.nan_to_num(slopes, posinf=0.0, neginf=0.0)
        return result

    return gradient
