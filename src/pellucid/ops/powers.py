"""Powers and roots of each element."""

from __future__ import annotations

import cmath
import math
from typing import Any

from pellucid.core import Tensor, called, positive, real
from pellucid.declare import TABLE, elementwise, function, op
from pellucid.kernels import elementwise as native
from pellucid.types.dtypes import complex128, float64

from .elements import check_number, in_float32, is_bool, is_integral, kind_of
from .node_names import power
from .return_types import return_type


def _check_exponent(input: Any, exponent: Any) -> None:
    if not isinstance(exponent, int) or not is_integral(input):
        return
    if kind_of(input) in ("i", "u"):
        check_number(max(exponent, 0), input.dtype.numpy)
    if exponent < 0:
        raise RuntimeError(
            "Integers to negative integer powers are not allowed: write input.float(), or a float exponent"
        )


@elementwise(kind="arith", domain=positive(), check=_check_exponent, node=power, in_place=True)
def pow(xp: Any, input: Any, exponent: Any) -> Any:
    """Each element of `input` to the power of `exponent`; 0 to the power of 0 is 1, negative to a fraction NaN.

    Integers stay integers and wrap around. Raises RuntimeError for integers to a negative Python number; in a tensor of
    exponents, those give the power rounded towards 0.
    """
    if isinstance(exponent, bool):
        return input.copy() if exponent else xp.ones_like(input)
    if is_bool(input) and is_bool(exponent):
        raise NotImplementedError("pow is not implemented for bool tensors; write .to(pellucid.int64)")
    if isinstance(exponent, int | float):
        if kind_of(input) == "f" and input.dtype == xp.float16:
            check_number(exponent, input.dtype)
        if exponent == 3:
            return input * input * input
        if exponent in native.powers and (made := native.powers[exponent](input)) is not None:
            return made
        return input**exponent  # NumPy has its own ways for -1, 0.5, 1 and 2
    if is_integral(input, exponent) and (negative := exponent < 0).any():
        inverse = xp.where(input == 1, 1, xp.where(input == -1, 1 - 2 * (exponent % 2), 0))
        return xp.where(negative, inverse, xp.power(input, xp.where(negative, 0, exponent))).astype(exponent.dtype)
    return xp.power(input, exponent)


def _base_rule(m: Any, g: Any, input: Any, exponent: Any) -> Any:
    if isinstance(exponent, int | float):
        if exponent == 0:
            return m.zeros_like(g)
        return g * (exponent * input) if exponent == 2 else g * (exponent * m.pow(input, exponent - 1))
    return m.where(exponent == 0, 0, g * (exponent * m.pow(input, exponent - 1)))


def _exponent_rule(m: Any, g: Any, input: Any, exponent: Any, out: Any) -> Any:
    if isinstance(input, int | float) and kind_of(exponent) != "c":
        logarithm = math.log(input) if input > 0 else -math.inf if input == 0 else math.nan
        slope = g * (out * logarithm)
        return m.where(exponent >= 0, 0, slope) if input == 0 else slope
    if isinstance(input, int | float | complex) and input != 0:
        return g * (out * cmath.log(input))
    size = m.real(exponent) if kind_of(exponent) == "c" else exponent
    return m.where((input == 0) & (size >= 0), 0, g * (out * m.log(input)))


pow.vjp(input=_base_rule, exponent=_exponent_rule)


@function()
def float_power(input: Any, exponent: Any) -> Tensor:
    """`input` to the power of `exponent`, computed in float64."""
    return TABLE["pow"](*(_in_double(value) for value in (input, exponent)))


def _in_double(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value if isinstance(value, complex) else float(value)
    return value.to(complex128 if value.is_complex() else float64)


@function(public=False)
def float_power_(input: Tensor, exponent: Any) -> Tensor:
    """In place: `input`, of float64, to the power of `exponent`."""
    if input.dtype is not float64:
        raise RuntimeError(f"the base given to float_power_ has dtype {input.dtype!r} but the operation's result "
                           "requires dtype pellucid.float64; write float_power (not in place)")  # fmt: skip
    return TABLE["pow_"](input, exponent.to(float64) if isinstance(exponent, Tensor) else float(exponent))


@elementwise(kind="arith", domain=real(), node="PowBackward0", in_place="function")
def square(xp: Any, input: Any) -> Any:
    """Each element times itself; bools become integers."""
    return input.astype(xp.int64) if is_bool(input) else input * input


square.vjp(input=lambda m, g, input: g * (2 * input))


@elementwise(domain=positive(), in_place="function")
def sqrt(xp: Any, input: Any) -> Any:
    """Square root of each element; NaN below 0. Its gradient at 0 is infinite."""
    return xp.sqrt(input)


sqrt.vjp(input=lambda m, g, out: g / (2 * out))


@elementwise(domain=positive(), in_place="function")
@in_float32
def rsqrt(xp: Any, input: Any) -> Any:
    """1 / sqrt(x) of each element; infinite at 0, NaN below."""
    return 1 / xp.sqrt(input)


rsqrt.vjp(input=lambda m, g, out: -0.5 * g * (out * out * out))


@elementwise(domain=real(), tensors=("input", "other"), in_place=True)
def hypot(xp: Any, input: Any, other: Any) -> Any:
    """sqrt(input² + other²) of each pair of elements, without overflow on the way."""
    return xp.hypot(input, other)


hypot.vjp(
    input=lambda m, g, input, out: g * (input / out),
    other=lambda m, g, other, out: g * (other / out),
)


@function()
@called("LdexpBackward0")
def ldexp(input: Tensor, other: Any) -> Tensor:
    """input · 2^other, for each pair of elements."""
    if not isinstance(input, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"ldexp(): argument 'input' must be a Tensor, not {type(input).__name__}")
    return input * TABLE["pow"](2.0, other)


@op(name="frexp", elementwise=True, method=False, public=False, aux=("exponent",))
def _frexp(xp: Any, input: Any) -> Any:
    """The mantissa of each element, in ½ ≤ |m| < 1, and the exponent: input = m · 2^exponent."""
    if input.dtype.kind != "f":
        raise RuntimeError(f"torch.frexp() only supports floating-point dtypes, got {input.dtype}")
    mantissa, exponent = xp.frexp(input)
    return xp.asarray(mantissa), xp.asarray(exponent).astype(xp.int32)


_frexp.vjp(input=lambda m, g, exponent: g / m.pow(2.0, exponent))


@function()
def frexp(input: Tensor) -> Any:
    """(mantissa, exponent) of each element: input = mantissa · 2^exponent with ½ ≤ |mantissa| < 1, the exponent int32.

    >>> import pellucid
    >>> pellucid.tensor([6.0]).frexp().exponent
    tensor([3], dtype=torch.int32)
    """
    return return_type("frexp")(*_frexp(input))
