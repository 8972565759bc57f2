"""Bessel functions and their relatives, of each element; those whose names begin with `special_` are in
`pellucid.special`.

PyTorch differentiates the four that probability needs (`i0`, `i0e`, `i1`, `i1e`) and no other.
"""

from __future__ import annotations

from typing import Any

from pellucid.core import real
from pellucid.declare import Op, elementwise


def without_derivative(op: Op, *names: str) -> None:
    """Have backward through these inputs of `op` (all, if none is named) refused, where PyTorch has no derivative."""
    for name in names or op.inputs:
        op.vjp(**{name: _refusal(f"the derivative for '{op.name}: {name}' is not implemented, as in PyTorch")})


def _refusal(text: str) -> Any:
    def rule(m: Any, g: Any) -> Any:
        raise NotImplementedError(text)

    return rule


@elementwise(domain=real(), in_place="function", node="I0Backward0")
def i0(xp: Any, input: Any) -> Any:
    """Modified Bessel function of the first kind, order 0: Σ (x² / 4)^k / k!² over k >= 0."""
    return xp.i0(input)


@elementwise(
    domain=real(), name="special_i0e", method=False, public=False, reference="torch.special.i0e",
    node="SpecialI0EBackward0",
)  # fmt: skip
def i0e(xp: Any, input: Any) -> Any:
    """e^-|x| · i0(x), which does not overflow."""
    return xp.i0e(input)


@elementwise(
    domain=real(), name="special_i1", method=False, public=False, reference="torch.special.i1",
    node="SpecialI1Backward0",
)  # fmt: skip
def i1(xp: Any, input: Any) -> Any:
    """Modified Bessel function of the first kind, order 1: x / 2 · Σ (x² / 4)^k / (k! (k + 1)!) over k >= 0."""
    return xp.i1(input)


@elementwise(
    domain=real(), name="special_i1e", method=False, public=False, reference="torch.special.i1e",
    node="SpecialI1EBackward0",
)  # fmt: skip
def i1e(xp: Any, input: Any) -> Any:
    """e^-|x| · i1(x), which does not overflow."""
    return xp.i1e(input)


def _over(m: Any, value: Any, input: Any) -> Any:
    """value / input, and its limit ½ at 0."""
    zero = input == 0
    return m.where(zero, 0.5, value / m.where(zero, 1.0, input))


i0.vjp(input=lambda m, g, input: g * m.special_i1(input))
i1.vjp(input=lambda m, g, input, out: g * (m.i0(input) - _over(m, out, input)))
i0e.vjp(input=lambda m, g, input, out: g * (m.special_i1e(input) - m.sign(input) * out))
i1e.vjp(
    input=lambda m, g, input, out: g * (m.special_i0e(input) - m.sign(input) * out - _over(m, out, input)),
)


def _without_rule(name: str, function: str, text: str) -> Op:
    def forward(xp: Any, input: Any) -> Any:
        return getattr(xp, function)(input)

    forward.__name__, forward.__module__ = f"special_{name}", __name__
    forward.__doc__ = text
    made = elementwise(method=False, public=False, reference=f"torch.special.{name}")(forward)
    without_derivative(made)
    return made


airy_ai = _without_rule("airy_ai", "airy_ai", "Airy's function Ai of each element.")
bessel_j0 = _without_rule("bessel_j0", "j0", "Bessel function of the first kind, order 0.")
bessel_j1 = _without_rule("bessel_j1", "j1", "Bessel function of the first kind, order 1.")
bessel_y0 = _without_rule("bessel_y0", "y0", "Bessel function of the second kind, order 0; -inf at 0, NaN below.")
bessel_y1 = _without_rule("bessel_y1", "y1", "Bessel function of the second kind, order 1; -inf at 0, NaN below.")
modified_bessel_i0 = _without_rule("modified_bessel_i0", "i0", "Modified Bessel function of the first kind, order 0.")
modified_bessel_i1 = _without_rule("modified_bessel_i1", "i1", "Modified Bessel function of the first kind, order 1.")
modified_bessel_k0 = _without_rule("modified_bessel_k0", "k0", "Modified Bessel function of the second kind, order 0.")
modified_bessel_k1 = _without_rule("modified_bessel_k1", "k1", "Modified Bessel function of the second kind, order 1.")
scaled_modified_bessel_k0 = _without_rule(
    "scaled_modified_bessel_k0", "k0e", "e^x times the modified Bessel function of the second kind, order 0."
)
scaled_modified_bessel_k1 = _without_rule(
    "scaled_modified_bessel_k1", "k1e", "e^x times the modified Bessel function of the second kind, order 1."
)
spherical_bessel_j0 = _without_rule(
    "spherical_bessel_j0", "spherical_j0", "Spherical Bessel function of the first kind, order 0: sin(x) / x."
)


def _polynomial(name: str, text: str) -> Op:
    def forward(xp: Any, input: Any, n: Any) -> Any:
        return getattr(xp, name.replace("_polynomial", ""))(input, n)

    forward.__name__, forward.__module__ = f"special_{name}", __name__
    forward.__doc__ = f"{text} of degree n; `n` is a number or a tensor. 0 for n < 0."
    made = elementwise(method=False, public=False, reference=f"torch.special.{name}")(forward)
    without_derivative(made)
    return made


chebyshev_polynomial_t = _polynomial("chebyshev_polynomial_t", "Chebyshev polynomial of the first kind")
chebyshev_polynomial_u = _polynomial("chebyshev_polynomial_u", "Chebyshev polynomial of the second kind")
chebyshev_polynomial_v = _polynomial("chebyshev_polynomial_v", "Chebyshev polynomial of the third kind")
chebyshev_polynomial_w = _polynomial("chebyshev_polynomial_w", "Chebyshev polynomial of the fourth kind")
hermite_polynomial_h = _polynomial("hermite_polynomial_h", "Physicist's Hermite polynomial")
hermite_polynomial_he = _polynomial("hermite_polynomial_he", "Probabilist's Hermite polynomial")
laguerre_polynomial_l = _polynomial("laguerre_polynomial_l", "Laguerre polynomial")
legendre_polynomial_p = _polynomial("legendre_polynomial_p", "Legendre polynomial")
shifted_chebyshev_polynomial_t = _polynomial(
    "shifted_chebyshev_polynomial_t", "Chebyshev polynomial of the first kind at 2x - 1"
)
shifted_chebyshev_polynomial_u = _polynomial(
    "shifted_chebyshev_polynomial_u", "Chebyshev polynomial of the second kind at 2x - 1"
)
shifted_chebyshev_polynomial_v = _polynomial(
    "shifted_chebyshev_polynomial_v", "Chebyshev polynomial of the third kind at 2x - 1"
)
shifted_chebyshev_polynomial_w = _polynomial(
    "shifted_chebyshev_polynomial_w", "Chebyshev polynomial of the fourth kind at 2x - 1"
)
