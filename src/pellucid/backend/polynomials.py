"""Orthogonal polynomials of each element, of a degree for each element, by their recurrences, in float64.

A degree is a number whose fraction is cut off; of a negative degree (and NaN) the polynomial is 0, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .special import Array, in_float64

Step = Callable[[int, Array, Array, Array], Array]
"""The next polynomial from the number of the last, x, the last and the one before it."""

_MOST = 100_000  # beyond this degree a polynomial is NaN


def _recurrence(first: Callable[[Array], Array], step: Step, x: Array, n: Array) -> Array:
    degree = np.where(np.isfinite(n), np.trunc(np.where(np.isfinite(n), n, 0.0)), -1.0)
    before, last = np.ones_like(x), first(x)
    value = np.where(degree == 0, 1.0, np.where(degree == 1, last, 0.0))
    highest = int(min(np.max(degree, initial=0.0), _MOST))
    for k in range(1, highest):
        before, last = last, step(k, x, last, before)
        value = np.where(degree == k + 1, last, value)
        if np.isnan(last).all():
            break
    return np.where(degree > highest, np.nan, value) if (degree > highest).any() else value


def _family(name: str, text: str, first: Callable[[Array], Array], step: Step) -> Callable[..., Array]:
    def polynomial(x: Array, n: Array) -> Array:
        return _recurrence(first, step, x, n)

    polynomial.__name__, polynomial.__doc__ = name, text
    return in_float64(polynomial)


def _double(k: int, x: Array, last: Array, before: Array) -> Array:
    return 2 * x * last - before


def _shifted(family: Callable[..., Array]) -> Callable[..., Array]:
    return in_float64(lambda x, n: family(2 * x - 1, n))


chebyshev_t = _family("chebyshev_t", "Chebyshev polynomial of the first kind.", lambda x: x, _double)
chebyshev_u = _family("chebyshev_u", "Chebyshev polynomial of the second kind.", lambda x: 2 * x, _double)
chebyshev_v = _family("chebyshev_v", "Chebyshev polynomial of the third kind.", lambda x: 2 * x - 1, _double)
chebyshev_w = _family("chebyshev_w", "Chebyshev polynomial of the fourth kind.", lambda x: 2 * x + 1, _double)
shifted_chebyshev_t = _shifted(chebyshev_t)
shifted_chebyshev_u = _shifted(chebyshev_u)
shifted_chebyshev_v = _shifted(chebyshev_v)
shifted_chebyshev_w = _shifted(chebyshev_w)
hermite_h = _family(
    "hermite_h",
    "Physicist's Hermite polynomial.",
    lambda x: 2 * x,
    lambda k, x, last, before: 2 * (x * last - k * before),
)
hermite_he = _family(
    "hermite_he", "Probabilist's Hermite polynomial.", lambda x: x, lambda k, x, last, before: x * last - k * before
)
laguerre_l = _family(
    "laguerre_l",
    "Laguerre polynomial.",
    lambda x: 1 - x,
    lambda k, x, last, before: ((2 * k + 1 - x) * last - k * before) / (k + 1),
)
legendre_p = _family(
    "legendre_p",
    "Legendre polynomial.",
    lambda x: x,
    lambda k, x, last, before: ((2 * k + 1) * x * last - k * before) / (k + 1),
)
