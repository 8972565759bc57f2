"""Derivatives by differences, each with an estimate of its error, or with the finding that there is none."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

STEPS = tuple(2.0**-k for k in (8, 9, 10, 11, 12, 13))  # exact in binary, so that x + h − x is h
FINE = tuple(2.0**-k for k in (14, 15, 16, 17, 18, 19))  # where the coarse ones see a kink, or the end of a domain
EPSILON = 2.0**-52
LOOSE = 1e-5  # a derivative that is known no better than this, relatively, is worth a second look


@dataclass(frozen=True)
class Slopes:
    """Derivatives of each component of a function, how far off each may be, and where there is a kink.

    `kink` says that there is no derivative: the slopes to the right and to the left differ, or the function
    jumps, or it is not finite. `value` and `error` then mean nothing.
    """

    value: Any
    error: Any
    kink: Any


def slopes(function: Callable[[float], Any], size: float = 1.0) -> Slopes:
    """The derivative at 0 of a function of one number, which may return an array.

    Central differences at steps that halve, extrapolated to step 0 (Ridders 1982): D(h) = (f(h) − f(−h)) / 2h has an
    error in h², so (4·D(h/2) − D(h)) / 3 has one in h⁴, and so on. What neighbouring extrapolations differ by is the
    error, and the one with the least is taken: a large step is truncated, a small one rounded. Where the steps from
    2⁻⁸ to 2⁻¹³ (times `size`) leave a doubt, smaller ones are tried.

    A kink: the slopes to the right and to the left differ by J(h) = (f(h) − 2·f(0) + f(−h)) / h, which goes to 0 with h
    where f is smooth; extrapolated in the same way, it is the angle of the kink.

    >>> found = slopes(lambda t: (1 + t) ** 3)
    >>> bool(abs(found.value - 3) < 1e-9 and found.error < 1e-8), bool(found.kink)
    (True, False)
    >>> bool(slopes(abs).kink)
    True
    """
    with np.errstate(all="ignore"):
        middle = np.asarray(function(0.0), float)
        found = _ridders(function, middle, [size * h for h in STEPS])
        if _doubtful(found).any():
            again = _ridders(function, middle, [size * h for h in FINE])
            better = ~(again.error >= found.error)
            found = Slopes(
                *(np.where(better, getattr(again, n), getattr(found, n)) for n in ("value", "error", "kink"))
            )
        unknown = ~(found.error <= 0.1 * np.abs(found.value) + 1e-4 * np.abs(middle) + 1e-10)
    return Slopes(found.value, found.error, found.kink | unknown)


def slope(function: Callable[[float], float], size: float = 1.0) -> Slopes:
    """`slopes` of a function that returns one number, as Python's own numbers.

    >>> slope(abs).kink
    True
    """
    found = slopes(function, size)
    return Slopes(float(found.value), float(found.error), bool(found.kink))


def _doubtful(found: Slopes) -> Any:
    return found.kink | ~(found.error <= LOOSE * np.abs(found.value) + EPSILON)


def _ridders(function: Callable[[float], Any], middle: Any, steps: list[float]) -> Slopes:
    right = np.stack([np.asarray(function(h), float) for h in steps])
    left = np.stack([np.asarray(function(-h), float) for h in steps])
    every = np.stack([middle, np.nanmin(right, 0, initial=0), np.nanmax(right, 0, initial=0)])
    size = np.abs(np.where(np.isfinite(every), every, 0)).max(axis=0)
    h = np.array(steps).reshape(-1, *[1] * middle.ndim)
    value, error = _extrapolated((right - left) / (2 * h), steps, size, (2, 4, 6, 8, 10))
    error = np.maximum(error, _noise((right - left) / 2) / steps[0])
    angle, doubt = _extrapolated((right - 2 * middle + left) / h, steps, 4 * size, (1, 3, 5, 7, 9))
    lost = ~np.isfinite(error)
    bent = np.abs(angle) > 8 * doubt
    kink = lost | (bent & (np.abs(angle) > 1e-7 * np.abs(value)))
    return Slopes(
        np.where(lost, np.nan, value), np.where(lost, np.inf, np.where(bent, error + np.abs(angle), error)), kink
    )


def _noise(odd: Any) -> Any:
    """How far the odd part of a function, at steps that halve, is from any odd polynomial of degree 7.

    Extrapolations of a function that rounds to float32 agree by accident, since its values lie on a grid. Those values
    are on no smooth curve, though.
    """
    rest = np.einsum("ij,j...->i...", _REST, odd)
    return np.nan_to_num(np.sqrt((rest**2).sum(axis=0)), nan=0.0)


_POWERS = np.array([[2.0 ** (-k * power) for power in (1, 3, 5, 7)] for k in range(len(STEPS))])
_REST = np.eye(len(STEPS)) - _POWERS @ np.linalg.pinv(_POWERS)


def _extrapolated(values: Any, steps: list[float], size: Any, powers: tuple[int, ...]) -> tuple[Any, Any]:
    """The limit at step 0 of values at steps that halve, whose error goes in these powers of the step."""
    best, error = np.full(values.shape[1:], np.nan), np.full(values.shape[1:], np.inf)
    last: list[Any] = []
    for i, h in enumerate(steps):
        row = [values[i]]
        for j in range(i):
            factor = 2.0 ** powers[j]
            row.append((factor * row[j] - last[j]) / (factor - 1))
            away = np.maximum(np.abs(row[j + 1] - row[j]), np.abs(row[j + 1] - last[j])) + 4 * EPSILON * size / h
            better = away < error
            best, error = np.where(better, row[j + 1], best), np.where(better, away, error)
        last = row
    return best, error


def complex_slope(function: Callable[[complex], Any], expected: Slopes) -> float | None:
    """The derivative at 0 by the complex step, f′(0) = Im f(i·h) / h; None where the function does not allow it.

    There is no difference in it, so no digit is lost (Squire and Trapp 1998), but f must be analytic and take complex
    numbers throughout: `abs`, a comparison or a conversion to float spoils it, often in silence. So it is believed only
    where it agrees with the central difference `expected`.

    >>> complex_slope(lambda t: np.exp(2 * t), slope(lambda t: np.exp(2 * t)))
    2.0
    >>> complex_slope(lambda t: abs(1 + t), slope(lambda t: abs(1 + t)))
    """
    step = 1e-30
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            result = np.asarray(function(1j * step))
    except Exception:  # noqa: BLE001 (whatever a function does that was never meant for complex numbers)
        return None
    if result.size != 1 or result.dtype.kind != "c":
        return None
    value = float(np.imag(result.reshape(()))) / step
    agrees = abs(value - expected.value) <= 4 * expected.error + 1e-9 * abs(expected.value)
    return value if agrees and not expected.kink else None


def scale_of(array: np.ndarray, way: np.ndarray) -> float:
    """By how much an array may be moved along `way`: by about its own size, and 1 where it is zero."""
    finite = np.isfinite(array)
    if not finite.any():
        return 1.0
    own = float(np.abs(array[finite & (way != 0)]).max(initial=0.0))
    typical = float(np.sqrt(np.mean(array[finite] ** 2)))
    return max(own, typical) or 1.0


def beside(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A point so far off that the kink is no longer between the steps: an element moves by 2 to 8 % of its size."""
    size = np.maximum(np.abs(array), 0.1 * scale_of(array, np.ones(array.shape)))
    return array + size * rng.uniform(0.02, 0.08, array.shape) * rng.choice([-1.0, 1.0], array.shape)
