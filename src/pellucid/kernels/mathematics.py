"""exp, tanh, erf and what is made of them, as sums and products: of a number, which LLVM can put into vectors, or of a
vector.

Errors, measured over the whole range in float32: exp 1 unit in the last place, tanh 2, sigmoid 2; erf 2e-7 of 1.
In float64 the same but for erf, which has none here. Infinities, NaN and numbers that underflow come out as they
should.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .emitter import Emitter, Number, Value, lane_of, vector


class Format(NamedTuple):
    """What a format's exponential needs."""

    integer: str  # the type of its bits
    mantissa: int  # bits after the point
    bias: int  # of the exponent
    low: float  # below, e^x is 0
    high: float  # above, it is infinite
    ln2: tuple[float, float]  # ln 2 in two parts, the first with zeros at its end
    terms: int  # of e^r for |r| ≤ ln(2) / 2
    flat: float  # above, tanh is 1


FORMATS = {
    "float": Format("i32", 23, 127, -105.0, 89.0, (0.693359375, -2.12194440e-4), 7, 9.5),
    "double": Format("i64", 52, 1023, -746.0, 710.0, (6.93145751953125e-1, 1.42860682030941723212e-6), 13, 20.0),
}


def _like(type: str, lane: str) -> str:
    """`lane`, or a vector of it with as many lanes as `type` has."""
    return lane if lane_of(type) == type else vector(int(type[1:-1].split(" x ")[0]), lane)


def _horner(k: Emitter, x: Value, coefficients: list[float]) -> Value:
    """Σ coefficients[i] · x^i."""
    total = k.like(x, coefficients[-1])
    for each in reversed(coefficients[:-1]):
        total = k.intrinsic("fmuladd", total, x, k.like(x, each))
    return total


def bounded(k: Emitter, x: Value, low: Number, high: Number) -> Value:
    """x, `low` where it is below and `high` where it is above; NaN stays NaN."""
    x = k.select(x < low, k.like(x, low), x)
    return k.select(x > high, k.like(x, high), x)


def _reduced(k: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """(n as an integer, r, e^r - 1) with x = n · ln 2 + r."""
    format = FORMATS[lane_of(x.type)]
    # Added to 1.5 · 2^mantissa, a number keeps no bits after the point: its last bits are then n.
    magic = k.like(x, 1.5 * 2.0**format.mantissa)
    shifted = k.intrinsic("fmuladd", x, k.like(x, 1 / math.log(2)), magic)
    integer = _like(x.type, format.integer)
    n = k.bits(shifted, integer) - k.bits(magic, integer)
    whole = shifted - magic
    r = k.intrinsic("fmuladd", whole, k.like(x, -format.ln2[0]), x)
    r = k.intrinsic("fmuladd", whole, k.like(x, -format.ln2[1]), r)
    series = _horner(k, r, [1 / math.factorial(i) for i in range(2, format.terms + 1)])
    return n, r, k.intrinsic("fmuladd", r * r, series, r)


def _power(k: Emitter, n: Value, type: str) -> Value:
    """2^n."""
    format = FORMATS[lane_of(type)]
    raised = k.add(n.type, f"shl {n.type} {(n + format.bias).name}, {k.like(n, format.mantissa).name}")
    return k.bits(raised, type)


def exp(k: Emitter, x: Value) -> Value:
    """e^x: 2^n · e^r with |r| ≤ ln(2) / 2, and 2^n in two factors, so that it may overflow or underflow gradually."""
    format = FORMATS[lane_of(x.type)]
    n, _, below = _reduced(k, bounded(k, x, format.low, format.high))
    half = k.add(n.type, f"ashr {n.type} {n.name}, {k.like(n, 1).name}")
    return (below + 1) * _power(k, half, x.type) * _power(k, n - half, x.type)


def expm1(k: Emitter, x: Value) -> Value:
    """e^x - 1 for x ≤ 0, without a difference of like numbers. Far below, it is -1."""
    n, _, below = _reduced(k, bounded(k, x, -4 * FORMATS[lane_of(x.type)].flat, 0))
    power = _power(k, n, x.type)
    return k.intrinsic("fmuladd", power, below, power - 1)


def tanh(k: Emitter, x: Value) -> Value:
    """(e^2|x| - 1) / (e^2|x| + 1) with the sign of x; e^y - 1 is made without a difference of like numbers."""
    y = 2 * bounded(k, k.intrinsic("fabs", x), 0, FORMATS[lane_of(x.type)].flat)
    n, _, below = _reduced(k, y)
    power = _power(k, n, x.type)
    grown = k.intrinsic("fmuladd", power, below, power - 1)
    return k.intrinsic("copysign", grown / (grown + 2), x)


def sigmoid(k: Emitter, x: Value) -> Value:
    """1 / (1 + e^-x)."""
    return 1 / (1 + exp(k, -x))


# x · p(x²) / q(x²), a rational fit of erf for |x| < 4 (as in Eigen's generic_fast_erf).
_ERF_ABOVE = [1.128379143519084, 0.18520832239976145, 0.050955695062380861, 0.0034082910107109506,
              0.00022905065861350646]  # fmt: skip
_ERF_BELOW = [1.0, 0.49746925110067538, 0.11098505178285362, 0.014070470171167667, 0.0010179625278914885,
              0.000023547966471313185, -1.1791602954361697e-7]  # fmt: skip
_ERF_FLAT = 3.832506856900711


def erf(k: Emitter, x: Value) -> Value:
    """The error function, in float32."""
    clipped = bounded(k, x, -_ERF_FLAT, _ERF_FLAT)
    square = clipped * clipped
    found = clipped * _horner(k, square, _ERF_ABOVE) / _horner(k, square, _ERF_BELOW)
    return bounded(k, found, -1.0, 1.0)
