"""Derivatives by differences: with their own error, and with a word where there is none to be had."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

STEPS = tuple(2.0**-k for k in (8, 9, 10, 11, 12, 13))  # exact in binary, so that x + h − x is h
EPSILON = 2.0**-52


@dataclass(frozen=True)
class Slope:
    """A derivative, how far off it may be, and whether the function has a kink there."""

    value: float
    error: float
    kink: bool


def slope(function: Callable[[float], float], steps: tuple[float, ...] = STEPS) -> Slope:
    """The derivative of a function of one number at 0.

    Central differences at steps that halve, extrapolated to step 0 (Ridders 1982): D(h) = (f(h) − f(−h)) / 2h has an
    error in h², so (4·D(h/2) − D(h)) / 3 has one in h⁴, and so on. What two neighbouring extrapolations differ by is
    the error, and the pair with the least is taken: a large step is truncated, a small one rounded.

    A kink: the slopes to the right and to the left differ by f''·h where f is smooth, so by less and less; where they
    differ by the same at every step, f has two slopes. The derivative is then their mean, and its error their distance.

    >>> found = slope(lambda t: (1 + t) ** 3)
    >>> abs(found.value - 3) < 1e-9 and found.error < 1e-8 and not found.kink
    True
    >>> slope(abs).kink
    True
    """
    middle = function(0.0)
    right, left = [function(h) for h in steps], [function(-h) for h in steps]
    values = [middle, *right, *left]
    if not all(math.isfinite(value) for value in values):
        return Slope(math.nan, math.inf, True)
    size = max(map(abs, values))
    rows: list[list[float]] = []
    best, error = math.nan, math.inf
    for i, h in enumerate(steps):
        row = [(right[i] - left[i]) / (2 * h)]
        for j in range(i):
            power = 4.0 ** (j + 1)
            row.append((power * row[j] - rows[i - 1][j]) / (power - 1))
            away = max(abs(row[j + 1] - row[j]), abs(row[j + 1] - rows[i - 1][j]))
            away += 4 * EPSILON * size / h
            if away < error:
                best, error = row[j + 1], away
        rows.append(row)
    large, small = 0, len(steps) - 1
    jumps = [(right[i] - 2 * middle + left[i]) / steps[i] for i in (large, small)]
    rounding = 64 * EPSILON * size / steps[small]
    expected = abs(jumps[0]) * steps[small] / steps[large]
    kink = abs(jumps[1]) > 4 * expected + rounding and abs(jumps[1]) > 1e-5 * max(abs(best), abs(jumps[1]))
    return Slope(best, max(error, abs(jumps[1]) / 2) if kink else error, kink)
