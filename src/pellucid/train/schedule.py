"""Annealing: plain functions of the part of a run that is done, from 0 to 1, to the value of a hyperparameter.

`cosine(0.1, 0.0)` is one, and so is `lambda part: 0.1 * 0.5 ** int(4 * part)`. `ParamScheduler` sets a
hyperparameter by it before every step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

Schedule = Callable[[float], Any]


def constant(value: Any) -> Schedule:
    """`value`, all the time."""
    return lambda part: value


def linear(start: float, end: float) -> Schedule:
    """start + (end − start)·part.

    >>> linear(1.0, 0.0)(0.25)
    0.75
    """
    return lambda part: (end - start) * part + start


def cosine(start: float, end: float) -> Schedule:
    """end + (start − end)·(1 + cos(π·part)) / 2: slow at both ends.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017.

    >>> round(cosine(1.0, 0.0)(0.5), 6)
    0.5
    """
    return lambda part: end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def exponential(start: float, end: float) -> Schedule:
    """start·(end/start)^part: by the same factor in each step. Both are above 0 or both below.

    >>> round(exponential(1.0, 0.01)(0.5), 6)
    0.1
    """
    if start == 0 or end == 0 or (start > 0) != (end > 0):
        raise ValueError(
            f"exponential goes by a factor from one value to the other, so both must be above 0 (or both below); it "
            f"was given {start} and {end}. To end at 0 write cosine({start}, {end}) or linear({start}, {end})."
        )
    return lambda part: start * (end / start) ** part


def polynomial(start: float, end: float, power: float = 2.0) -> Schedule:
    """end + (start − end)·(1 − part)^power: linear for a power of 1, the flatter towards the end the larger it is.

    >>> polynomial(1.0, 0.0)(0.5)
    0.25
    """
    if not power > 0:
        raise ValueError(f"polynomial takes a power above 0, such as 2.0, but was given {power}.")
    return lambda part: end + (start - end) * max(1.0 - part, 0.0) ** power


def combine(fractions: Sequence[float], parts: Sequence[Schedule]) -> Schedule:
    """One schedule after the other, each over its fraction of the run; the fractions sum to 1.

    >>> warm_up_then_decay = combine([0.2, 0.8], [linear(0.0, 1.0), cosine(1.0, 0.0)])
    >>> [round(warm_up_then_decay(part), 3) for part in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    fractions, parts = list(fractions), list(parts)
    if len(fractions) != len(parts) or not parts:
        raise ValueError(
            f"combine takes a fraction for each part, but was given {len(fractions)} fractions and {len(parts)} parts."
        )
    if min(fractions) < 0 or not math.isclose(sum(fractions), 1.0, abs_tol=1e-6):
        raise ValueError(
            f"The fractions of combine are from 0 and sum to 1, but {fractions} sum to {sum(fractions):g}."
        )
    ends = [0.0, *accumulate(fractions)]
    last = max(place for place, fraction in enumerate(fractions) if fraction > 0)

    def combined(part: float) -> Any:
        place = min(bisect_right(ends, part) - 1, last)
        return parts[place](min((part - ends[place]) / fractions[place], 1.0))

    return combined
