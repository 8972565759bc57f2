"""Whether two tensors differ beyond rounding, where rounding is measured and not assumed.

Both sides are run twice, in float32 and in float64. How far a side's float32 tensor is from its own float64 one is
what rounding did to it, up to this step and with all that made it grow. And since

    |a₃₂ − b₃₂| ≤ |a₃₂ − a₆₄| + |a₆₄ − b₆₄| + |b₆₄ − b₃₂|,

two float32 tensors differ by more than both roundings only where the float64 ones differ: where the formulas do.

A side that does not run in float64 is run a second time in float32, from weights moved by a unit in the last place:
how far that is from the first is about as much, and has grown as much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pellucid.check.parity.sides import Array
from pellucid.train.records.divergence import ROUNDING_UNITS, Difference, difference

EPS32 = float(np.finfo(np.float32).eps)
EPS64 = float(np.finfo(np.float64).eps)
BEYOND = 4.0  # × what rounding was seen to do: it is seen at one point, and does a little more or less at the next
ROUGHLY = 8.0  # × that, where it was seen by moving the weights: a step that happens to be small says little
NOISE = 1e-3  # of a tensor's greatest element: with more rounding than that, there is nothing else in it
FORWARD = frozenset({"input", "output", "loss"})


@dataclass(frozen=True)
class TensorComparison:
    """One tensor at one step.

    Attributes:
        scale: its greatest magnitude.
        error: the greatest difference of the sides in float32.
        rounding: how much of a difference rounding explains.
        floor: how much rounding there is in float32; of an update more than `rounding`, which leaves out that its
            parameter was stored.
        exact: the greatest difference of the sides in float64; None where one of them does not run in it.
        beyond: whether they differ beyond rounding.
        trace: whether they differ by less than float32 resolves, but by more than float64's rounding.
        reason: "formula"; "precision" where the float64 tensors agree, and one side's float32 is far less exact or
            overflows.
        difference: the elements, where they differ.
    """

    scale: float
    error: float
    rounding: float
    exact: float | None
    floor: float = 0.0
    beyond: bool = False
    trace: bool = False
    reason: str = ""
    difference: Difference | None = None

    @property
    def units(self) -> float:
        """The difference in units of rounding."""
        value = self.error if self.exact is None or self.reason == "precision" else self.exact
        return value / self.rounding if self.rounding else (math.inf if value else 0.0)


def judge(
    kind: str,
    name: str,
    step: int,
    single: tuple[Array, Array],
    double: tuple[Array, Array],
    exact: bool = True,
    stored: float = 0.0,
) -> TensorComparison:
    """Compare a tensor of two sides.

    Args:
        kind, name: what it is.
        step: at which step; the first is 1.
        single: ours and theirs in float32.
        double: the same in float64; where a side does not run in it, in float32 from weights that were moved by a unit
            in the last place.
        exact: whether both are in float64.
        stored: of an update, the greatest magnitude of its parameter. An update is the difference of two stored
            numbers; what storing them rounds off is not the update's own rounding.
    """
    if single[0].shape != single[1].shape:
        found = difference(name, *(array.astype(np.float64) for array in single))
        return TensorComparison(math.nan, math.inf, 0.0, math.inf, beyond=True, reason="formula", difference=found)
    scale = _scale(*single, *double)
    error = distance(*single)
    if not all(np.issubdtype(array.dtype, np.floating) for array in single):
        return _told(name, single, TensorComparison(scale, error, 0.0, error, beyond=error > 0, reason="formula"))
    own = [distance(rough, other) for rough, other in zip(single, double, strict=True)]
    if not exact:  # no less than what `pellucid compare` takes for rounding, which has only the numbers of two runs
        rounding = max(ROUGHLY * sum(own), (ROUNDING_UNITS * EPS32 * scale + 2 * EPS32 * stored) / BEYOND)
        beyond = error > BEYOND * rounding
        return _told(name, single, TensorComparison(scale, error, rounding, None, rounding, beyond, reason="formula"))
    floor = max(sum(own), EPS32 * scale)
    rounding = max(sum(own) - 2 * EPS32 * stored, EPS32 * scale, EPS64 * stored)
    apart = distance(*double)
    if apart > BEYOND * rounding:
        return _told(name, double, TensorComparison(scale, error, rounding, apart, floor, True, reason="formula"))
    whole = [bool(np.isfinite(array).all()) for array in single]
    overflow = whole[0] != whole[1] and math.isfinite(apart)
    # Only before anything could grow, and only where nothing jumps: a ReLU at its kink has gradient 0 or 1.
    loss_of_digits = (
        step == 1 and kind in FORWARD and max(own) > max(100 * min(own), BEYOND * ROUNDING_UNITS * EPS32 * scale)
    )
    if overflow or loss_of_digits:
        fair = max(min(own) if math.isfinite(min(own)) else 0.0, EPS32 * scale)
        return _told(name, single, TensorComparison(scale, error, fair, apart, fair, True, reason="precision"))
    small = max(ROUNDING_UNITS * EPS64 * max(scale, stored), 1024 * rounding * EPS64 / EPS32)
    noise = rounding > NOISE * scale  # zero but for rounding, in both precisions, and not in proportion
    return TensorComparison(scale, error, rounding, apart, floor, trace=apart > small and not noise)


def distance(ours: Array, other: Array) -> float:
    """The greatest |one − other|; infinite where one is NaN or infinite and the other is not the same.

    >>> distance(np.array([1.0, np.nan]), np.array([1.5, np.nan])), distance(np.array([1.0]), np.array([np.nan]))
    (0.5, inf)
    """
    with np.errstate(invalid="ignore", over="ignore"):
        away = np.abs(ours.astype(np.float64) - other.astype(np.float64))
    same = (ours == other) | (np.isnan(ours) & np.isnan(other))
    away = np.where(same, 0.0, np.where(np.isnan(away), np.inf, away))
    return float(away.max(initial=0.0))


def _scale(*arrays: Array) -> float:
    return max(float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in arrays)


def _told(name: str, pair: tuple[Array, Array], verdict: TensorComparison) -> TensorComparison:
    """With the elements that differ, if it is beyond rounding."""
    if not verdict.beyond:
        return verdict
    tolerance = BEYOND * verdict.rounding / verdict.scale if verdict.scale else 0.0
    ours, theirs = (array.astype(np.float64) for array in pair)
    return replace(verdict, difference=difference(name, ours, theirs, tolerance=tolerance))
