"""Exponentials, logarithms and what is built on them, of each element."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from typing import Any

from pellucid.core import elementwise, positive, real


@elementwise(domain=real())
def exp(xp: Any, input: Any) -> Any:
    """Exponential of each element: e^x."""
    return xp.exp(input)


exp.vjp(input=lambda m, g, out: g * out)


@elementwise(domain=positive())
def log(xp: Any, input: Any) -> Any:
    """Natural logarithm of each element; -inf at 0, NaN below."""
    return xp.log(input)


log.vjp(input=lambda m, g, input: g / input)


@elementwise(domain=real())
def tanh(xp: Any, input: Any) -> Any:
    """Hyperbolic tangent of each element: (e^x - e^-x) / (e^x + e^-x)."""
    return xp.tanh(input)


tanh.vjp(input=lambda m, g, out: g * (1 - out * out))
