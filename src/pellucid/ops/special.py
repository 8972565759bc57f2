"""Special functions of each element: the error function and the gamma function, with what belongs to them."""

from __future__ import annotations

import math
from typing import Any

from pellucid.core import TABLE, Tensor, elementwise, function, interval, positive, real

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


@elementwise(domain=real(), in_place="function")
def erf(xp: Any, input: Any) -> Any:
    """Error function of each element: 2/sqrt(π) · ∫ e^(-t²) dt from 0 to x."""
    return xp.erf(input)


erf.vjp(input=lambda m, g, input: g * (_TWO_OVER_ROOT_PI * m.exp(-(input * input))))


@elementwise(domain=real(), in_place="function")
def erfc(xp: Any, input: Any) -> Any:
    """Complementary error function of each element: 1 - erf(x), exact where that is close to 0."""
    return xp.erfc(input)


erfc.vjp(input=lambda m, g, input: g * (-_TWO_OVER_ROOT_PI * m.exp(-(input * input))))


@elementwise(domain=interval(-1.0, 1.0), in_place=True)
def erfinv(xp: Any, input: Any) -> Any:
    """Inverse of the error function of each element; infinite at -1 and 1, NaN beyond."""
    return xp.erfinv(input)


erfinv.vjp(input=lambda m, g, out: g * (m.exp(out * out) / _TWO_OVER_ROOT_PI))


@elementwise(domain=positive(), in_place=True)
def lgamma(xp: Any, input: Any) -> Any:
    """Logarithm of the absolute value of the gamma function of each element; infinite at 0, -1, -2, …"""
    return xp.gammaln(input)


lgamma.vjp(input=lambda m, g, input: g * m.digamma(input))


@elementwise(domain=positive(), in_place=True)
def digamma(xp: Any, input: Any) -> Any:
    """Derivative of `lgamma` of each element; -inf at 0, NaN at -1, -2, …"""
    return xp.digamma(input)


digamma.vjp(input=lambda m, g, input: g * m.polygamma_of(input, n=1))


@elementwise(method=False, public=False, reference="torch.special.polygamma", node="PolygammaBackward0")
def polygamma_of(xp: Any, input: Any, *, n: int) -> Any:
    """n-th derivative of `digamma` of each element."""
    return xp.polygamma(n, input)


polygamma_of.vjp(input=lambda m, g, input, n: g * m.polygamma_of(input, n=n + 1))


@function(method=False)
def polygamma(n: int, input: Tensor) -> Tensor:
    """n-th derivative of the digamma function of each element."""
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got n={n}")
    return TABLE["digamma"](input) if n == 0 else TABLE["polygamma_of"](input, n=n)


@function(public=False, name="polygamma")
def polygamma_method(self: Tensor, n: int) -> Tensor:
    """n-th derivative of the digamma function of each element."""
    return polygamma(n, self)
