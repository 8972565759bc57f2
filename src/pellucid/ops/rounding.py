"""Rounding of each element, and where its sign and its fraction are taken apart."""

from __future__ import annotations

from typing import Any

from pellucid.core import Domain, real
from pellucid.declare import elementwise

from .elements import in_float32, is_integral, refuse_bools
from .node_names import by_operand, rounding

_HALVES = real(*(k / 2 for k in range(-6, 7)))  # where one of them jumps


@elementwise(kind="arith", domain=_HALVES, in_place="function")
def ceil(xp: Any, input: Any) -> Any:
    """Smallest integer that is not below each element; integers as they are."""
    refuse_bools("ceil", input)
    return input.copy() if is_integral(input) else xp.ceil(input)


ceil.vjp(input=lambda m, g: m.zeros_like(g))


@elementwise(kind="arith", domain=_HALVES, in_place="function")
def floor(xp: Any, input: Any) -> Any:
    """Largest integer that is not above each element; integers as they are."""
    refuse_bools("floor", input)
    return input.copy() if is_integral(input) else xp.floor(input)


floor.vjp(input=lambda m, g: m.zeros_like(g))


@elementwise(kind="arith", domain=_HALVES, in_place="function", aliases=("fix",))
def trunc(xp: Any, input: Any) -> Any:
    """Integer part of each element, rounded towards 0; integers as they are."""
    refuse_bools("trunc", input)
    return input.copy() if is_integral(input) else xp.trunc(input)


trunc.vjp(input=lambda m, g: m.zeros_like(g))


@elementwise(kind="arith", domain=_HALVES, in_place="function", node=rounding)
@in_float32
def round(xp: Any, input: Any, *, decimals: int = 0) -> Any:
    """Each element rounded to `decimals` places (to tens for -1), halves to the even digit; integers as they are."""
    refuse_bools("round", input)
    if is_integral(input):
        if decimals:
            raise NotImplementedError("round with decimals is not implemented for integers; write .float() first")
        return input.copy()
    if decimals == 0:
        return xp.rint(input)
    scale = 10.0 ** (decimals if decimals > 0 else -decimals)
    return xp.rint(input * scale) / scale if decimals > 0 else xp.rint(input / scale) * scale


round.vjp(input=lambda m, g: m.zeros_like(g))


@elementwise(kind="arith", domain=_HALVES, in_place="function")
def frac(xp: Any, input: Any) -> Any:
    """Fraction of each element, with its sign: x - trunc(x)."""
    if is_integral(input):
        raise NotImplementedError("frac is not implemented for integers")
    return input - xp.trunc(input)


frac.vjp(input=lambda m, g: g)


@elementwise(
    kind="float", domain=Domain(kinks=(0.0,), margin=0.2), tensors=("input",), in_place=True,
    node=by_operand("Copysign", number=1, tensor=0),
)  # fmt: skip
def copysign(xp: Any, input: Any, other: Any) -> Any:
    """The size of each element of `input` with the sign of `other` (that of -0.0 is negative)."""
    return xp.copysign(input, other)


copysign.vjp(
    input=lambda m, g, input, out: m.where(input == 0, 0, g * (out / input)),
    other=lambda m, g: m.zeros_like(g),
)


@elementwise(kind="float", domain=real(), tensors=("input", "other"), in_place=True)
def nextafter(xp: Any, input: Any, other: Any) -> Any:
    """The next floating-point number after each element in the direction of `other`."""
    return xp.nextafter(input, other)


nextafter.vjp(
    input=lambda m, g, input, other: m.where(input == other, 0, g),
    other=lambda m, g: m.zeros_like(g),
)


@elementwise(kind="arith", domain=Domain(kinks=(0.0,)), tensors=("input", "values"), in_place=True)
def heaviside(xp: Any, input: Any, values: Any) -> Any:
    """The step: 0 where input is negative, 1 where positive, `values` where 0."""
    return xp.where(input == 0, values, (input > 0).astype(input.dtype))


@elementwise(kind="compare", domain=real())
def signbit(xp: Any, input: Any) -> Any:
    """Whether the sign of each element is negative (that of -0.0 is)."""
    return xp.signbit(input) if input.dtype.kind == "f" else input < 0
