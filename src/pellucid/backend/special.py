"""Special functions that NumPy lacks, on whole arrays: erf and its kin, the gamma function's logarithm and derivatives.

Accuracy in float64 is a few units in the last place (of 1, near the zeros of `gammaln` and `digamma`); float32 and
float16 are computed in float64 and rounded, but for `erf`, which activations call often: float32 has its own formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Function = Callable[..., Any]


def _in_float64(function: Function) -> Function:
    def computed(x: Any) -> Array:
        x = np.asarray(x)
        kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
        with np.errstate(all="ignore"):
            return np.asarray(function(np.atleast_1d(x).astype(np.float64)).reshape(x.shape)).astype(kind)

    computed.__name__, computed.__doc__ = function.__name__, function.__doc__
    return computed


def _horner(x: Array, coefficients: tuple[float, ...]) -> Array:
    """The polynomial with these coefficients, the constant one first."""
    value = np.full_like(x, coefficients[-1])
    for one in coefficients[-2::-1]:
        value *= x
        value += x.dtype.type(one)
    return value


# --- the error function ----------------------------------------------------------------------------------------------
# Rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of
# Computation 23 (1969), in three ranges of |x|.

_NEAR_P = (3.20937758913846947e03, 3.77485237685302021e02, 1.13864154151050156e02, 3.16112374387056560e00,
           1.85777706184603153e-1)  # fmt: skip
_NEAR_Q = (2.84423683343917062e03, 1.28261652607737228e03, 2.44024637934444173e02, 2.36012909523441209e01, 1.0)
_MIDDLE_P = (1.23033935479799725e03, 2.05107837782607147e03, 1.71204761263407058e03, 8.81952221241769090e02,
             2.98635138197400131e02, 6.61191906371416295e01, 8.88314979438837594e00, 5.64188496988670089e-1,
             2.15311535474403846e-8)  # fmt: skip
_MIDDLE_Q = (1.23033935480374942e03, 3.43936767414372164e03, 4.36261909014324716e03, 3.29079923573345963e03,
             1.62138957456669019e03, 5.37181101862009858e02, 1.17693950891312499e02, 1.57449261107098347e01,
             1.0)  # fmt: skip
_FAR_P = (6.58749161529837803e-4, 1.60837851487422766e-2, 1.25781726111229246e-1, 3.60344899949804439e-1,
          3.05326634961232344e-1, 1.63153871373020978e-2)  # fmt: skip
_FAR_Q = (2.33520497626869185e-3, 6.05183413124413191e-2, 5.27905102951428412e-1, 1.87295284992346725e00,
          2.56852019228982242e00, 1.0)  # fmt: skip
_INVERSE_ROOT_PI = 1 / math.sqrt(math.pi)


def _scaled_erfc(x: Array) -> Array:
    """erfc(x) for x >= 0.46875."""
    near, far = np.minimum(x, 4.0), np.maximum(x, 4.0)
    middle = _horner(near, _MIDDLE_P) / _horner(near, _MIDDLE_Q)
    inverse = 1 / (far * far)
    outer = (_INVERSE_ROOT_PI - inverse * _horner(inverse, _FAR_P) / _horner(inverse, _FAR_Q)) / far
    # e^(-x²) with x² split in an exact part and a rest, so that the exponent is not rounded.
    coarse = np.trunc(np.minimum(x, 30.0) * 16) / 16
    gauss = np.exp(-coarse * coarse) * np.exp(-(x - coarse) * (x + coarse))
    return np.where(x > 30, 0.0, gauss * np.where(x <= 4, middle, outer))


def _small_erf(x: Array) -> Array:
    """erf(x) for |x| <= 0.46875."""
    square = np.minimum(x * x, 0.25)
    return x * (_horner(square, _NEAR_P) / _horner(square, _NEAR_Q))


@_in_float64
def _erf64(x: Array) -> Array:
    size = np.abs(x)
    large = np.copysign(1 - _scaled_erfc(np.maximum(size, 0.46875)), x)
    return np.where(size <= 0.46875, _small_erf(x), large)


# x · P(x²) / Q(x²) on [-4, 4], beyond which erf is ±1 in float32: the approximation that Eigen uses.
_SINGLE_P = (-1.60960333262415e-02, -2.95459980854025e-03, -7.34990630326855e-04, -5.69250639462346e-05,
             -2.10102402082508e-06, 2.77068142495902e-08, -2.72614225801306e-10)  # fmt: skip
_SINGLE_Q = (-1.42647390514189e-02, -7.37332916720468e-03, -1.68282697438203e-03, -2.13374055278905e-04,
             -1.45660718464996e-05)  # fmt: skip


def erf(x: Any) -> Array:
    """Error function."""
    x = np.asarray(x)
    if x.dtype != np.float32:
        return _erf64(x)
    bounded = np.atleast_1d(np.minimum(np.maximum(x, np.float32(-4)), np.float32(4)))
    square = bounded * bounded
    bounded *= _horner(square, _SINGLE_P)
    bounded /= _horner(square, _SINGLE_Q)
    return bounded.reshape(x.shape)


@_in_float64
def erfc(x: Array) -> Array:
    """Complementary error function, 1 - erf(x)."""
    size = np.abs(x)
    large = _scaled_erfc(np.maximum(size, 0.46875))
    return np.where(size <= 0.46875, 1 - _small_erf(x), np.where(x < 0, 2 - large, large))


@_in_float64
def erfinv(y: Array) -> Array:
    """Inverse of the error function: a rational approximation and two of Newton's steps, as in PyTorch's ATen."""
    size = np.minimum(np.abs(y), 1.0)
    square = y * y
    centre = y * _horner(square, (0.886226899, -1.645349621, 0.914624893, -0.140543331))
    centre /= _horner(square, (1.0, -2.118377725, 1.442710462, -0.329097515, 0.012229801))
    root = np.sqrt(-np.log((1 - size) / 2))
    tail = np.copysign(_horner(root, (-1.970840454, -1.624906493, 3.429567803, 1.641345311)), y)
    tail /= _horner(root, (1.0, 3.543889200, 1.637067800))
    x = np.where(size <= 0.7, centre, tail)
    for _ in range(2):
        # Beyond the middle the difference is taken of erfc, where erf has no digits left.
        error = np.where(size <= 0.7, erf(x) - y, np.copysign((1 - size) - erfc(np.abs(x)), y))
        x = x - error / (2 * _INVERSE_ROOT_PI * np.exp(-x * x))
    x = np.where(size == 1, np.copysign(np.inf, y), x)
    return np.where(np.abs(y) > 1, np.nan, x)


# --- the gamma function ----------------------------------------------------------------------------------------------
# Asymptotic series from `_FAR` on; smaller numbers are brought there by the recurrence, negative ones by reflection.

_FAR = 10.0
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)  # B₂, B₄, …
_LOG_SERIES = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, 1))
_DIGAMMA_SERIES = tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI, 1))


@_in_float64
def gammaln(x: Array) -> Array:
    """Logarithm of the absolute value of the gamma function."""
    y = np.where(x < 0.5, 1 - x, x)
    shifted, product = y.copy(), np.ones_like(y)
    while (below := shifted < _FAR).any():
        product = np.where(below, product * shifted, product)
        shifted = np.where(below, shifted + 1, shifted)
    inverse = 1 / shifted
    value = (shifted - 0.5) * np.log(shifted) - shifted + 0.5 * math.log(2 * math.pi)
    value += inverse * _horner(inverse * inverse, _LOG_SERIES) - np.log(product)
    value = np.where(y == np.inf, np.inf, value)
    value = np.where((y == 1) | (y == 2), 0.0, value)
    reflected = math.log(math.pi) - np.log(np.abs(_sin_pi(x))) - value
    value = np.where(x < 0.5, reflected, value)
    return np.where((x == -np.inf) | ((x <= 0) & (x == np.floor(x))), np.inf, value)


def _sin_pi(x: Array) -> Array:
    return np.sin(math.pi * (x - 2 * np.rint(x / 2)))


@_in_float64
def digamma(x: Array) -> Array:
    """Derivative of `gammaln`."""
    y = np.where(x <= 0, 1 - x, x)
    shifted, total = y.copy(), np.zeros_like(y)
    while (below := shifted < _FAR).any():
        total = np.where(below, total + 1 / shifted, total)
        shifted = np.where(below, shifted + 1, shifted)
    inverse = 1 / shifted
    square = inverse * inverse
    value = np.log(shifted) - 0.5 * inverse - square * _horner(square, _DIGAMMA_SERIES) - total
    fraction = x - np.rint(x)
    value = np.where(x < 0, value - math.pi / np.tan(math.pi * fraction), value)
    value = np.where(x == 0, np.copysign(np.inf, -x), value)
    return np.where((x < 0) & (x == np.floor(x)), np.nan, value)


def polygamma(n: int, x: Any) -> Array:
    """n-th derivative of `digamma`, for n >= 1: (-1)^(n+1) · n! · ζ(n + 1, x), with Hurwitz's zeta function."""
    return _in_float64(lambda x: (-1.0) ** (n + 1) * math.factorial(n) * _zeta(n + 1, x))(x)


def _zeta(s: int, q: Array) -> Array:
    """Σ 1 / (q + k)^s over k >= 0, the first terms by themselves and the rest by Euler and Maclaurin's formula."""
    total, term = np.zeros_like(q), q.copy()
    steps = 10 + math.ceil(max(0.0, -float(np.min(q, initial=0.0, where=np.isfinite(q)))))
    for _ in range(min(steps, 10_000)):
        total += term**-s
        term = term + 1
    total += term ** (1 - s) / (s - 1) + 0.5 * term**-s
    factor, power = float(s), term ** -(s + 1)
    for k, bernoulli in enumerate(_BERNOULLI, 1):
        total += bernoulli / math.factorial(2 * k) * factor * power
        factor *= (s + 2 * k - 1) * (s + 2 * k)
        power = power / (term * term)
    total = np.where((q <= 0) & (q == np.floor(q)), np.inf, total)
    return np.where(q == np.inf, 0.0, total)
