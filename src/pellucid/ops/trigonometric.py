"""Trigonometric and hyperbolic functions of each element, and their inverses."""

from __future__ import annotations

import math
from typing import Any

from pellucid.core import interval, nonzero, positive, real
from pellucid.declare import elementwise
from pellucid.kernels import elementwise as native

from .elements import in_float32, kind_of


@elementwise(domain=real(), in_place="function")
def sin(xp: Any, input: Any) -> Any:
    """Sine of each element, in radians."""
    return xp.sin(input)


sin.vjp(input=lambda m, g, input: g * m.cos(input))


@elementwise(domain=real(), in_place="function")
def cos(xp: Any, input: Any) -> Any:
    """Cosine of each element, in radians."""
    return xp.cos(input)


cos.vjp(input=lambda m, g, input: g * -m.sin(input))


@elementwise(domain=interval(-1.4, 1.4), in_place="function")
def tan(xp: Any, input: Any) -> Any:
    """Tangent of each element, in radians."""
    return xp.tan(input)


tan.vjp(input=lambda m, g, out: g * (1 + out * out))


@elementwise(domain=interval(-1.0, 1.0), in_place="function", aliases=("arcsin",))
def asin(xp: Any, input: Any) -> Any:
    """Inverse sine of each element, in [-π/2, π/2]; NaN out of [-1, 1]."""
    return xp.arcsin(input)


asin.vjp(input=lambda m, g, input: g * m.rsqrt(1 - input * input))


@elementwise(domain=interval(-1.0, 1.0), in_place="function", aliases=("arccos",))
def acos(xp: Any, input: Any) -> Any:
    """Inverse cosine of each element, in [0, π]; NaN out of [-1, 1]."""
    return xp.arccos(input)


acos.vjp(input=lambda m, g, input: g * -m.rsqrt(1 - input * input))


@elementwise(domain=real(), in_place="function", aliases=("arctan",))
def atan(xp: Any, input: Any) -> Any:
    """Inverse tangent of each element, in [-π/2, π/2]."""
    return xp.arctan(input)


atan.vjp(input=lambda m, g, input: g / (input * input + 1))


@elementwise(domain=nonzero(), tensors=("input", "other"), in_place=True, aliases=("arctan2",))
def atan2(xp: Any, input: Any, other: Any) -> Any:
    """Angle of the point (other, input), in [-π, π], for each pair of elements; its gradient at (0, 0) is 0."""
    return xp.arctan2(input, other)


def _over_radius(m: Any, g: Any, input: Any, other: Any) -> Any:
    square = input * input + other * other
    return m.where(square == 0, 0, g / square)


atan2.vjp(
    input=lambda m, g, input, other: other * _over_radius(m, g, input, other),
    other=lambda m, g, input, other: -input * _over_radius(m, g, input, other),
)


@elementwise(domain=real(), in_place="function")
def sinh(xp: Any, input: Any) -> Any:
    """Hyperbolic sine of each element: (e^x - e^-x) / 2."""
    return xp.sinh(input)


sinh.vjp(input=lambda m, g, input: g * m.cosh(input))


@elementwise(domain=real(), in_place="function")
def cosh(xp: Any, input: Any) -> Any:
    """Hyperbolic cosine of each element: (e^x + e^-x) / 2."""
    return xp.cosh(input)


cosh.vjp(input=lambda m, g, input: g * m.sinh(input))


@elementwise(domain=real(), in_place="function")
def tanh(xp: Any, input: Any) -> Any:
    """Hyperbolic tangent of each element: (e^x - e^-x) / (e^x + e^-x)."""
    made = native.tanh(input)
    return xp.tanh(input) if made is None else made


tanh.vjp(input=lambda m, g, out: g * (1 - out * out))


@elementwise(domain=real(), in_place="function", aliases=("arcsinh",))
def asinh(xp: Any, input: Any) -> Any:
    """Inverse hyperbolic sine of each element."""
    return xp.arcsinh(input)


asinh.vjp(input=lambda m, g, input: g * m.rsqrt(input * input + 1))


@elementwise(domain=positive(1.0), in_place="function", aliases=("arccosh",))
def acosh(xp: Any, input: Any) -> Any:
    """Inverse hyperbolic cosine of each element; NaN below 1."""
    return xp.arccosh(input)


def _acosh_rule(m: Any, g: Any, input: Any) -> Any:
    if kind_of(input) == "c":  # on the other side of the cut the root of the product has the other sign
        return g * (m.rsqrt(input - 1) * m.rsqrt(input + 1))
    return g * m.rsqrt(input * input - 1)


acosh.vjp(input=lambda m, g, input: _acosh_rule(m, g, input))


@elementwise(domain=interval(-1.0, 1.0), in_place="function", aliases=("arctanh",))
def atanh(xp: Any, input: Any) -> Any:
    """Inverse hyperbolic tangent of each element; infinite at -1 and 1, NaN beyond."""
    return xp.arctanh(input)


atanh.vjp(input=lambda m, g, input: g / (1 - input * input))


@elementwise(domain=nonzero(), in_place="function")
@in_float32
def sinc(xp: Any, input: Any) -> Any:
    """sin(πx) / (πx) of each element, and 1 at 0."""
    return xp.sinc(input)


def _sinc_rule(m: Any, g: Any, input: Any) -> Any:
    """Near 0 by its series −π²x/3 · (1 − a²/10 + a⁴/280) with a = πx: the formula cancels there, and is 0/0 at 0."""
    near = m.abs(input) < 0.01
    square = input * input * math.pi**2
    series = input * (-(math.pi**2) / 3) * (1 - square / 10 + square * square / 280)
    away = m.where(near, 1.0, input)  # a number at which the formula and its derivatives are finite
    angle = away * math.pi
    slope = (angle * m.cos(angle) - m.sin(angle)) / (angle * away)
    return g * m.where(near, series, slope)


sinc.vjp(input=_sinc_rule)


@elementwise(domain=real(), in_place="function")
def deg2rad(xp: Any, input: Any) -> Any:
    """Degrees to radians: x · π / 180."""
    return input * (math.pi / 180)


deg2rad.vjp(input=lambda m, g: g * (math.pi / 180))


@elementwise(domain=real(), in_place="function")
def rad2deg(xp: Any, input: Any) -> Any:
    """Radians to degrees: x · 180 / π."""
    return input * (180 / math.pi)


rad2deg.vjp(input=lambda m, g: g * (180 / math.pi))
