"""Numbers that are drawn until they are accepted: gamma, Poisson and binomial, in PyTorch's order of draws.

Each takes from a generator what PyTorch's loop on a CPU takes: uniform numbers of 53 bits and normal numbers in pairs,
one element after the other, so the results are the same, up to the last digits of `log` and `pow`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .generator import Generator

__all__ = ["binomial", "poisson", "standard_gamma"]

_float = np.float32  # PyTorch's constants are float32 numbers
_THIRD, _SQUEEZE = float(_float(1) / _float(3)), float(_float(0.0331))


def _uniform(generator: Generator) -> Callable[[], float]:
    return lambda: float(generator.uniform((1,), dtype=np.float64)[0])


def standard_gamma(alpha: float, generator: Generator) -> float:
    """Marsaglia and Tsang (https://doi.org/10.1145/358407.358414): a normal number, cubed, and accepted or not."""
    uniform, scale = _uniform(generator), 1.0
    if alpha < 1:
        if alpha == 0:
            return 0.0
        scale *= math.pow(1 - uniform(), 1.0 / alpha)
        alpha += 1.0
    d = alpha - _THIRD
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = y = 0.0
        while y <= 0:
            x = float(generator.normal((1,), dtype=np.float64)[0])
            y = 1.0 + c * x
        v = y * y * y
        u = 1 - uniform()
        square = x * x
        if u < 1.0 - _SQUEEZE * square * square or math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v


def poisson(rate: float, generator: Generator) -> float:
    """Uniform numbers multiplied (Knuth); from 10 on Hörmann's transformed rejection."""
    uniform = _uniform(generator)
    if rate < 10:
        if rate == 0:
            return 0.0
        limit, product, count = math.exp(-rate), uniform(), 0
        while product > limit:
            product *= uniform()
            count += 1
        return float(count)
    root, log_rate = math.sqrt(rate), math.log(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha, accepted = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= accepted:
            return float(k)
        if k < 0 or (us < 0.013 and v > us):
            continue
        bound = -rate + k * log_rate - math.lgamma(k + 1)
        if math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) <= bound:
            return float(k)


def binomial(count: float, probability: float, generator: Generator) -> float:
    """Sums of geometric numbers; where ten and more successes are expected, Hörmann's transformed rejection."""
    if count <= 0 or probability <= 0:
        return 0.0
    if probability >= 1:
        return float(count)
    if probability > 0.5:
        return count - binomial(count, 1 - probability, generator)
    uniform = _uniform(generator)
    if count * probability >= 10.0:
        return _transformed_binomial(count, probability, uniform)
    if math.isnan(count * probability):
        return math.nan
    total, successes, log_failure = 0.0, 0, math.log1p(-probability)
    while True:
        total += math.ceil(math.log(uniform()) / log_failure)
        if total > count:
            return float(successes)
        successes += 1


_TAILS = (
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
)  # fmt: skip


def _stirling(k: float) -> float:
    """What Stirling's approximation of log k! lacks."""
    if k <= 9:
        return _TAILS[int(k)]
    square = (k + 1) * (k + 1)
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)


def _transformed_binomial(count: float, probability: float, uniform: Callable[[], float]) -> float:
    deviation = math.sqrt(count * probability * (1 - probability))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * probability
    c = count * probability + 0.5
    accepted = 0.92 - 4.2 / b
    odds = probability / (1 - probability)
    alpha = (2.83 + 5.1 / b) * deviation
    mode = math.floor((count + 1) * probability)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= accepted:
            return float(k)
        if k < 0 or k > count:
            continue
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
            + _stirling(mode)
            + _stirling(count - mode)
            - _stirling(k)
            - _stirling(count - k)
        )
        if math.log(v * alpha / (a / (us * us) + b)) <= bound:
            return float(k)
