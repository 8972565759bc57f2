"""Special functions of each element: the error function and the gamma function, with what belongs to them."""

from __future__ import annotations

import math
from typing import Any

from pellucid.core import Tensor, called, get_default_dtype, interval, positive, real
from pellucid.declare import TABLE, elementwise, function

from .bessel import without_derivative

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


# --- the normal distribution -----------------------------------------------------------------------------------------


@elementwise(
    domain=real(), name="special_erfcx", method=False, public=False, reference="torch.special.erfcx",
    node="SpecialErfcxBackward0",
)  # fmt: skip
def erfcx(xp: Any, input: Any) -> Any:
    """e^(x²) · erfc(x) of each element, which does not underflow for large x."""
    return xp.erfcx(input)


erfcx.vjp(input=lambda m, g, input, out: g * (2 * input * out - _TWO_OVER_ROOT_PI))


@elementwise(
    domain=real(), name="special_ndtr", method=False, public=False, reference="torch.special.ndtr",
    node="MulBackward1",
)  # fmt: skip
def ndtr(xp: Any, input: Any) -> Any:
    """The standard normal distribution's function: the share that lies below x, ½ erfc(-x / √2)."""
    return 0.5 * xp.erfc(input * -math.sqrt(0.5))


ndtr.vjp(input=lambda m, g, input: g * m.exp(input * input * -0.5) * (1 / math.sqrt(2 * math.pi)))


@elementwise(
    domain=real(), name="special_log_ndtr", method=False, public=False, reference="torch.special.log_ndtr",
    node="SpecialLogNdtrBackward0",
)  # fmt: skip
def log_ndtr(xp: Any, input: Any) -> Any:
    """Logarithm of `ndtr` of each element, without underflow for very negative x."""
    return xp.log_ndtr(input)


log_ndtr.vjp(input=lambda m, g, input: g / m.special_erfcx(input * -math.sqrt(0.5)) * math.sqrt(2 / math.pi))


@elementwise(
    domain=interval(0.02, 0.98), name="special_ndtri", method=False, public=False, reference="torch.special.ndtri",
    node="SpecialNdtriBackward0",
)  # fmt: skip
def ndtri(xp: Any, input: Any) -> Any:
    """Inverse of `ndtr`: the x below which a share lies; infinite at 0 and 1, NaN beyond."""
    return xp.ndtri(input)


ndtri.vjp(input=lambda m, g, out: g * (math.sqrt(2 * math.pi) * m.exp(out * out * 0.5)))


# --- entropy, zeta and the incomplete gamma functions ----------------------------------------------------------------


@elementwise(
    domain=positive(), name="special_entr", method=False, public=False, reference="torch.special.entr",
    node="SpecialEntrBackward0",
)  # fmt: skip
def entr(xp: Any, input: Any) -> Any:
    """-x · ln(x) of each element: 0 at 0, -inf below."""
    inside = input > 0
    value = -input * xp.log(xp.where(inside, input, 1))
    value = xp.where(inside | (input != input), value, xp.where(input == 0, 0, -xp.inf))
    return value.astype(input.dtype, copy=False)


entr.vjp(input=lambda m, g, input: g * (-m.log(input) - 1))


@elementwise(
    domain=positive(), name="special_xlog1py", method=False, public=False, reference="torch.special.xlog1py",
    node="SpecialXlog1PyBackward0",
)  # fmt: skip
def xlog1py(xp: Any, input: Any, other: Any) -> Any:
    """input · ln(1 + other), 0 where input is 0 and other no NaN."""
    if isinstance(other, int | float):
        other = xp.asarray(other, dtype=input.dtype)
    return xp.where((input == 0) & ~xp.isnan(other), 0, input * xp.log1p(other))


xlog1py.vjp(
    input=lambda m, g, input, other: g * m.where((input == 0) & (other <= -1), 0.0, m.log1p(other)),
    other=lambda m, g, input, other: g * input / (other + 1),
)


@elementwise(name="special_zeta", method=False, public=False, reference="torch.special.zeta",
             node="SpecialZetaBackward0")  # fmt: skip
def zeta(xp: Any, input: Any, other: Any) -> Any:
    """Hurwitz's zeta function, Σ 1 / (other + k)^input over k >= 0."""
    return xp.zeta(input, other)


zeta.vjp(other=lambda m, g, input, other: g * -input * m.special_zeta(input + 1, other))
without_derivative(zeta, "input")


@elementwise(in_place=True, tensors=("input", "other"))
def igamma(xp: Any, input: Any, other: Any) -> Any:
    """Regularised lower incomplete gamma function, ∫ t^(input-1) e^-t dt / Γ(input) from 0 to other."""
    return xp.gammainc(input, other)


def _density(m: Any, g: Any, input: Any, other: Any) -> Any:
    return g * m.exp((input - 1) * m.log(other) - other - m.lgamma(input))


igamma.vjp(other=lambda m, g, input, other: _density(m, g, input, other))
without_derivative(igamma, "input")


@elementwise(in_place=True, tensors=("input", "other"))
def igammac(xp: Any, input: Any, other: Any) -> Any:
    """Regularised upper incomplete gamma function, 1 - `igamma`, with all its digits."""
    return xp.gammaincc(input, other)


igammac.vjp(other=lambda m, g, input, other: -_density(m, g, input, other))
without_derivative(igammac, "input")


@function()
@called("MvlgammaBackward0")
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """Logarithm of the p-dimensional gamma function: p (p - 1) / 4 · ln(π) + Σ lgamma(x - i / 2) over i < p."""
    if p < 1:
        raise RuntimeError(f"p has to be greater than or equal to 1, got p={p}")
    halves = TABLE["arange"](start=-(p - 1) / 2, step=0.5, length=p, dtype=_kind_of(input))
    return (input.unsqueeze(-1) + halves).lgamma().sum(-1) + p * (p - 1) * math.log(math.pi) / 4


def _kind_of(input: Tensor) -> Any:
    return input.dtype if input.dtype.is_floating_point else get_default_dtype()


@function(public=False)
def mvlgamma_(input: Tensor, p: int) -> Tensor:
    """In place: `mvlgamma`."""
    return TABLE["copy_"](input, mvlgamma(input, p))
