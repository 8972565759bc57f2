"""Arithmetic of each element: sums, products, quotients and remainders. Powers are in `powers`."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor, integers, nonzero, real
from pellucid.declare import TABLE, elementwise, function, op

from .elements import (
    check_number,
    half_and_number,
    in_float32,
    is_bool,
    is_integral,
    kind_of,
    refuse_bools,
    refuse_floats,
    with_numbers,
)
from .node_names import by_operand, division, subtraction

_ONE = 1  # the default of `alpha`, told from True by identity


@elementwise(kind="arith", domain=real(), numbers=True, in_place=True)
def add(xp: Any, input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Sum of each pair of elements: input + alpha · other. Bools: their disjunction.

    >>> from pellucid import ones, tensor
    >>> add(ones(2), tensor([1.0, 2.0]), alpha=10)
    tensor([11., 21.])
    """
    if alpha is _ONE or _plain(alpha, input, other):
        return input + other
    return _plus(xp, input, other, _held(alpha, input))


add.vjp(
    input=lambda m, g: g,
    other=lambda m, g, alpha: g if alpha == 1 else g * alpha,
)


def _refuse_bool(input: Any, other: Any) -> None:
    if is_bool(input) and is_bool(other):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if is_bool(input) or is_bool(other):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )


@elementwise(
    kind="arith",
    domain=real(),
    check=_refuse_bool,
    numbers=True,
    node=subtraction,
    in_place=True,
    aliases=("subtract",),
)
def sub(xp: Any, input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Difference of each pair of elements: input - alpha · other. Raises RuntimeError for bools."""
    _refuse_bool(input, other)
    if alpha is _ONE or _plain(alpha, input, other):
        return input - other
    return _plus(xp, input, other, -_held(alpha, input))


sub.vjp(
    input=lambda m, g: g,
    other=lambda m, g, alpha: -g if alpha == 1 else g * -alpha,
)


@elementwise(
    kind="arith", domain=real(), check=_refuse_bool, tensors=("input",), node=by_operand("Rsub", number=1, tensor=0)
)
def rsub(xp: Any, input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Difference of each pair of elements, turned round: other - alpha · input."""
    return sub.forward(xp, other, input, alpha=alpha)


rsub.vjp(
    input=lambda m, g, alpha: -g if alpha == 1 else g * -alpha,
    other=lambda m, g: g,
)


def _held(alpha: Any, input: Any) -> Any:
    if kind_of(input) in "fiu" and hasattr(input, "dtype"):
        check_number(alpha, input.dtype)
    return alpha


@in_float32
def _plus(xp: Any, input: Any, other: Any, alpha: Any) -> Any:
    return input + _scaled(other, alpha)


def _scaled(other: Any, alpha: Any) -> Any:
    if kind_of(other) in "iu" and hasattr(other, "dtype"):
        alpha = np.asarray(alpha).astype(other.dtype)  # wraps around where it does not fit
    return other * alpha


def _plain(alpha: Any, input: Any, other: Any) -> bool:
    """Whether alpha is 1; raises for an alpha that the dtype of the result does not have."""
    if isinstance(alpha, bool) and not (is_bool(input) and is_bool(other)):
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, float) and is_integral(input, other):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    return alpha == 1


@elementwise(kind="arith", domain=real(), numbers=True, in_place=True, aliases=("multiply",))
def mul(xp: Any, input: Any, other: Any) -> Any:
    """Product of each pair of elements. Bools: their conjunction."""
    if input.__class__ is other.__class__ or not half_and_number(input, other):
        return input * other
    return _multiplied(xp, input, other)


@in_float32
def _multiplied(xp: Any, input: Any, other: Any) -> Any:
    return input * other


mul.vjp(
    input=lambda m, g, other: g * other,
    other=lambda m, g, input: g * input,
)


@elementwise(kind="float", domain=nonzero(), reference="torch.div", numbers=True, node=division, in_place=True)
def true_divide(xp: Any, input: Any, other: Any) -> Any:
    """Quotient of each pair of elements, as floating-point numbers: x/0 is infinite or, for 0/0, NaN."""
    if input.__class__ is other.__class__ or not half_and_number(input, other):
        return input / other
    return _divided(xp, input, other)


@in_float32
def _divided(xp: Any, input: Any, other: Any) -> Any:
    return input / other


true_divide.vjp(
    input=lambda m, g, other: g / other,
    other=lambda m, g, other, out: -g * (out / other),
)


@elementwise(kind="arith", domain=nonzero(), numbers=True, node="DivBackward2", in_place=True)
@with_numbers
def floor_divide(xp: Any, input: Any, other: Any) -> Any:
    """Quotient of each pair of elements rounded down. Raises RuntimeError for an integer divided by 0."""
    refuse_bools("floor_divide", input, other)
    if is_integral(input, other):
        _refuse_zero(xp, other)
        return input // other
    out = xp.floor_divide(input, other)
    infinite = xp.isinf(input)  # where NumPy's is NaN
    return xp.where(infinite & (other == 0), input / other, out) if infinite.any() else out


@elementwise(
    kind="arith", method=False, public=False, reference="torch.div", numbers=True, node="DivBackward2", in_place=True
)
@with_numbers
def trunc_divide(xp: Any, input: Any, other: Any) -> Any:
    """Quotient of each pair of elements rounded towards 0."""
    refuse_bools("div", input, other)
    if is_integral(input, other):
        _refuse_zero(xp, other)
        return (input - xp.fmod(input, other)) // other
    return xp.trunc(input / other)


# Constant between their jumps.
for _step in (floor_divide, trunc_divide):
    _step.vjp(input=lambda m, g: m.zeros_like(g), other=lambda m, g: m.zeros_like(g))


@elementwise(kind="arith", domain=nonzero(), node=by_operand("Remainder"), in_place=True)
@with_numbers
def remainder(xp: Any, input: Any, other: Any) -> Any:
    """What Python's % gives for each pair of elements: input - other · floor(input / other), with the sign of other.

    Raises RuntimeError for an integer divided by 0; floating-point numbers give NaN.
    """
    refuse_bools("remainder", input, other)
    if is_integral(input, other):
        _refuse_zero(xp, other)
    return xp.remainder(input, other)


remainder.vjp(
    input=lambda m, g: g,
    other=lambda m, g, input, other: -g * m.floor_divide(input, other),
)


@elementwise(kind="arith", domain=nonzero(), tensors=("input",), node=by_operand("Fmod"), in_place=True)
@with_numbers
def fmod(xp: Any, input: Any, other: Any) -> Any:
    """What C's fmod gives for each pair of elements: input - other · trunc(input / other), with the sign of input.

    Raises RuntimeError for an integer divided by 0; floating-point numbers give NaN.
    """
    refuse_bools("fmod", input, other)
    if is_integral(input, other):
        _refuse_zero(xp, other)
    return xp.fmod(input, other)


fmod.vjp(
    input=lambda m, g: g,
    other=lambda m, g, input, other: -g * m.trunc_divide(input, other),
)


def _refuse_zero(xp: Any, divisor: Any) -> None:
    if (divisor == 0) if isinstance(divisor, int) else (xp.asarray(divisor) == 0).any():
        raise RuntimeError("ZeroDivisionError: integers have no quotient by 0; write .float() for inf and NaN")


_ROUNDED = {None: "true_divide", "floor": "floor_divide", "trunc": "trunc_divide"}


def _divide(ending: str) -> None:
    def div(input: Tensor | float, other: Tensor | float, *, rounding_mode: str | None = None) -> Tensor:
        """Quotient of each pair of elements: as it is (None), rounded down ("floor") or towards 0 ("trunc")."""
        if rounding_mode not in _ROUNDED:
            raise RuntimeError(
                f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}"
            )
        return TABLE[_ROUNDED[rounding_mode] + ending](input, other)

    div.__name__ = div.__qualname__ = "div" + ending
    function(public=not ending, aliases=("divide" + ending,))(div)


_divide("")
_divide("_")


@elementwise(kind="arith", domain=real(), in_place="function", aliases=("negative",))
def neg(xp: Any, input: Any) -> Any:
    """Each element with the opposite sign. Raises RuntimeError for bools."""
    if is_bool(input):
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return -input


neg.vjp(input=lambda m, g: -g)


@function()
def positive(input: Tensor) -> Tensor:
    """The tensor itself: what the operator + before it gives. Raises RuntimeError for bools."""
    if is_bool(input):
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@elementwise(kind="arith", domain=real(0.0), in_place="function", aliases=("absolute",))
def abs(xp: Any, input: Any) -> Any:
    """Absolute value of each element; its gradient at 0 is 0."""
    refuse_bools("abs", input)
    return xp.abs(input)


abs.vjp(input=lambda m, g, input: g * (m.phase(input) if kind_of(input) == "c" else m.sign(input)))


@elementwise(kind="arith", domain=real(0.0), in_place=True)
def sign(xp: Any, input: Any) -> Any:
    """1, 0 or -1 for each element by its sign; 0 for NaN."""
    if is_bool(input):
        return input.copy()
    return xp.subtract(input > 0, input < 0, dtype=input.dtype)


sign.vjp(input=lambda m, g: m.zeros_like(g))


@elementwise(kind="float", domain=nonzero(), in_place="function")
def reciprocal(xp: Any, input: Any) -> Any:
    """1 / x of each element; infinite at 0."""
    return 1 / input


reciprocal.vjp(input=lambda m, g, out: -g * out * out)


@elementwise(kind="arith", domain=real(), in_place=True, tensors=("input", "tensor1", "tensor2"))
@in_float32
def addcmul(xp: Any, input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value · tensor1 · tensor2, for each triple of elements."""
    _check_value("addcmul", value, input, tensor1, tensor2)
    return input + (tensor1 if value == 1 else tensor1 * value) * tensor2


addcmul.vjp(
    input=lambda m, g: g,
    tensor1=lambda m, g, tensor2, value: g * (tensor2 if value == 1 else tensor2 * value),
    tensor2=lambda m, g, tensor1, value: g * (tensor1 if value == 1 else tensor1 * value),
)


def _refuse_integers(input: Any, tensor1: Any, tensor2: Any) -> None:
    if is_integral(tensor1, tensor2):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported; write input + value * (tensor1 / tensor2), or "
            "floor_divide for integers"
        )


@elementwise(
    kind="arith", domain=nonzero(), check=_refuse_integers, in_place=True, tensors=("input", "tensor1", "tensor2")
)
@in_float32
def addcdiv(xp: Any, input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value · tensor1 / tensor2, for each triple of elements. Raises RuntimeError for integers."""
    check_number(value, input.dtype)
    return input + (tensor1 if value == 1 else tensor1 * value) / tensor2


addcdiv.vjp(
    input=lambda m, g: g,
    tensor1=lambda m, g, tensor2, value: g * (value / tensor2),
    tensor2=lambda m, g, tensor1, tensor2, value: -g * (value * tensor1 / (tensor2 * tensor2)),
)


def _check_value(name: str, value: Any, *arrays: Any) -> None:
    if isinstance(value, float) and is_integral(*arrays):
        raise RuntimeError(f"{name}: for integral input tensors, argument value must not be a floating point number")
    check_number(value, arrays[0].dtype)


def _of_one_dtype(input: Any, end: Any, weight: Any) -> None:
    for name, other in (("end", end), ("weight", weight)):
        if hasattr(other, "dtype") and other.dtype != input.dtype:
            words = {"float32": "float", "float64": "double"}
            wanted, got = (words.get(str(kind)[6:], str(kind)[6:]) for kind in (input.dtype, other.dtype))
            raise RuntimeError(f"expected dtype {wanted} for `{name}` but got dtype {got}")


@elementwise(
    kind="arith", domain=real(), check=_of_one_dtype, in_place=True, tensors=("input", "end"),
    node=by_operand("Lerp", position=2),
)  # fmt: skip
@in_float32
def lerp(xp: Any, input: Any, end: Any, weight: Any) -> Any:
    """Linear interpolation: input + weight · (end - input), from the nearer end so that a weight of 1 gives `end`."""
    if isinstance(weight, int | float):
        check_number(weight, input.dtype)
        return input + weight * (end - input) if -0.5 < weight < 0.5 else end - (end - input) * (1 - weight)
    return xp.where(xp.abs(weight) < 0.5, input + weight * (end - input), end - (end - input) * (1 - weight))


lerp.vjp(
    input=lambda m, g, weight: g * (1 - weight),
    end=lambda m, g, weight: g * weight,
    weight=lambda m, g, input, end: g * (end - input),
)


@elementwise(kind="arith", domain=integers(), tensors=("input", "other"), in_place=True)
def gcd(xp: Any, input: Any, other: Any) -> Any:
    """Greatest common divisor of each pair of integers."""
    refuse_floats("gcd", input, other)
    refuse_bools("gcd", input, other)
    return xp.gcd(input, other)


@elementwise(kind="arith", domain=integers(), tensors=("input", "other"), in_place=True)
def lcm(xp: Any, input: Any, other: Any) -> Any:
    """Least common multiple of each pair of integers."""
    refuse_floats("lcm", input, other)
    refuse_bools("lcm", input, other)
    return xp.abs(xp.lcm(input, other))


# The gradient of what is constant between jumps. Not `g * 0`, which an infinite gradient would make NaN.
@op(name="zeros_like", method=False, public=False)
def zeros_of(xp: Any, input: Any) -> Any:
    """Zeros in the shape and dtype of `input`."""
    return xp.zeros_like(input)


zeros_of.vjp(input=lambda m, g: m.zeros_like(g))
