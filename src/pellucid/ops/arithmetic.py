"""Arithmetic of each element: sums, products, quotients, remainders, powers' relatives are in `powers`."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from typing import Any

from pellucid.core import elementwise, nonzero, real


@elementwise(kind="arith", domain=real())
def add(xp: Any, input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Sum of each pair of elements: input + alpha · other."""
    return input + other if alpha == 1 else input + other * alpha


add.vjp(
    input=lambda m, g: g,
    other=lambda m, g, alpha: g if alpha == 1 else g * alpha,
)


@elementwise(kind="arith", domain=real())
def sub(xp: Any, input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Difference of each pair of elements: input - alpha · other."""
    if _is_bool(input) or _is_bool(other):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )
    return input - other if alpha == 1 else input - other * alpha


sub.vjp(
    input=lambda m, g: g,
    other=lambda m, g, alpha: -g if alpha == 1 else g * -alpha,
)


@elementwise(kind="arith", domain=real())
def mul(xp: Any, input: Any, other: Any) -> Any:
    """Product of each pair of elements."""
    return input * other


mul.vjp(
    input=lambda m, g, other: g * other,
    other=lambda m, g, input: g * input,
)


@elementwise(kind="float", domain=nonzero(), reference="torch.div")
def true_divide(xp: Any, input: Any, other: Any) -> Any:
    """Quotient of each pair of elements, as floating-point numbers."""
    return input / other


true_divide.vjp(
    input=lambda m, g, other: g / other,
    other=lambda m, g, other, out: -g * (out / other),
)


@elementwise(kind="arith", domain=real())
def neg(xp: Any, input: Any) -> Any:
    """Each element with the opposite sign."""
    if _is_bool(input):
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return -input


neg.vjp(input=lambda m, g: -g)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b"
