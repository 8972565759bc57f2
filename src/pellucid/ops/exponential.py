"""Exponentials, logarithms and what is built on them, of each element."""

from __future__ import annotations

import math
from typing import Any

from pellucid.core import interval, positive, real
from pellucid.declare import elementwise
from pellucid.kernels import elementwise as native

from .elements import in_float32

_LN2, _LN10 = math.log(2), math.log(10)


@elementwise(domain=real(), in_place="function")
def exp(xp: Any, input: Any) -> Any:
    """Exponential of each element: e^x."""
    made = native.exp(input)
    return xp.exp(input) if made is None else made


exp.vjp(input=lambda m, g, out: g * out)


@elementwise(domain=real(), in_place="function")
def exp2(xp: Any, input: Any) -> Any:
    """2^x of each element."""
    return xp.exp2(input)


exp2.vjp(input=lambda m, g, out: g * (out * _LN2))


@elementwise(domain=real(), in_place="function")
def expm1(xp: Any, input: Any) -> Any:
    """e^x - 1 of each element, exact where x is close to 0."""
    return xp.expm1(input)


expm1.vjp(input=lambda m, g, out: g * (out + 1))


@elementwise(domain=positive(), in_place="function")
def log(xp: Any, input: Any) -> Any:
    """Natural logarithm of each element; -inf at 0, NaN below."""
    return xp.log(input)


log.vjp(input=lambda m, g, input: g / input)


@elementwise(domain=positive(), in_place="function")
def log2(xp: Any, input: Any) -> Any:
    """Logarithm to the base 2 of each element; -inf at 0, NaN below."""
    return xp.log2(input)


log2.vjp(input=lambda m, g, input: g / (input * _LN2))


@elementwise(domain=positive(), in_place="function")
def log10(xp: Any, input: Any) -> Any:
    """Logarithm to the base 10 of each element; -inf at 0, NaN below."""
    return xp.log10(input)


log10.vjp(input=lambda m, g, input: g / (input * _LN10))


@elementwise(domain=positive(-1.0), in_place="function")
def log1p(xp: Any, input: Any) -> Any:
    """log(1 + x) of each element, exact where x is close to 0; -inf at -1, NaN below."""
    return xp.log1p(input)


log1p.vjp(input=lambda m, g, input: g / (input + 1))


@elementwise(domain=real(), tensors=("input", "other"))
def logaddexp(xp: Any, input: Any, other: Any) -> Any:
    """log(e^input + e^other) of each pair of elements, without overflow on the way."""
    return xp.logaddexp(input, other)


logaddexp.vjp(
    input=lambda m, g, input, other: g / (1 + m.exp(other - input)),
    other=lambda m, g, input, other: g / (1 + m.exp(input - other)),
)


@elementwise(domain=real(), tensors=("input", "other"))
def logaddexp2(xp: Any, input: Any, other: Any) -> Any:
    """log2(2^input + 2^other) of each pair of elements, without overflow on the way."""
    return xp.logaddexp2(input, other)


logaddexp2.vjp(
    input=lambda m, g, input, other: g / (1 + m.exp2(other - input)),
    other=lambda m, g, input, other: g / (1 + m.exp2(input - other)),
)


@elementwise(domain=positive(), in_place="function")
@in_float32
def xlogy(xp: Any, input: Any, other: Any) -> Any:
    """input · log(other) of each pair of elements, and 0 where input is 0 (but NaN where other is)."""
    if isinstance(other, int | float):
        other = xp.asarray(other, dtype=input.dtype)
    return xp.where((input == 0) & ~xp.isnan(other), 0, input * xp.log(other))


def _xlogy_rule(m: Any, g: Any, input: Any, other: Any) -> Any:
    return m.where((input == 0) & (other <= 0), 0, m.xlogy(g, other))


xlogy.vjp(
    input=_xlogy_rule,
    other=lambda m, g, input, other: g * input / other,
)


@elementwise(domain=real(), in_place="function")
@in_float32
def sigmoid(xp: Any, input: Any) -> Any:
    """1 / (1 + e^-x) of each element."""
    made = native.sigmoid(input)
    return 1 / (1 + xp.exp(-input)) if made is None else made


sigmoid.vjp(input=lambda m, g, out: g * ((1 - out) * out))


@elementwise(domain=interval(0.0, 1.0), in_place="function")
@in_float32
def logit(xp: Any, input: Any, *, eps: float | None = None) -> Any:
    """log(x / (1 - x)) of each element, clamped to [eps, 1 - eps] first if `eps` is given; NaN out of [0, 1]."""
    if eps is not None:
        input = xp.minimum(xp.maximum(input, eps), 1 - eps)
    return xp.log(input / (1 - input))


def _logit_rule(m: Any, g: Any, input: Any, eps: Any) -> Any:
    slope = g / (input * (1 - input))
    if eps is None:
        return m.where((input < 0) | (input > 1), math.nan, slope)
    return m.where((input < eps) | (input > 1 - eps), 0, slope)


logit.vjp(input=_logit_rule)
