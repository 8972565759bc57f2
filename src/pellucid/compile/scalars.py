"""The elementwise ops that can stand inside a fused loop: for each the line of the emitter that computes one element.

`EXPRESSIONS[name](k, *values, **attributes)` gives the value; an op that is not here runs as it does in eager mode.
`CALLS` are those that NumPy does in one call into memory that is there already: `numpy.add(x, y, out=…)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pellucid.kernels import mathematics as m
from pellucid.kernels.emitter import Emitter, Value

from .graph import Node
from .graph import Value as GraphValue

Expression = Callable[..., Value]


def _relu(k: Emitter, x: Value) -> Value:
    return k.select(x < 0, k.like(x, 0.0), x)


def _threshold_backward(k: Emitter, g: Value, x: Value, threshold: float = 0.0) -> Value:
    return k.select(x <= threshold, k.like(g, 0.0), g)


def _leaky_relu(k: Emitter, x: Value, negative_slope: float = 0.01) -> Value:
    return k.select(x > 0, x, x * negative_slope)


def _add(k: Emitter, x: Any, y: Any, alpha: float = 1) -> Value:
    return x + (y if alpha == 1 else y * alpha)


def _sub(k: Emitter, x: Any, y: Any, alpha: float = 1) -> Value:
    return x - (y if alpha == 1 else y * alpha)


def _rsub(k: Emitter, x: Any, y: Any, alpha: float = 1) -> Value:
    return _sub(k, y, x, alpha)


def _pow(k: Emitter, x: Value, exponent: Any) -> Value:
    power = _WHOLE[exponent]
    return power(k, x)


_WHOLE: dict[float, Callable[[Emitter, Value], Value]] = {
    1: lambda k, x: x,
    2: lambda k, x: x * x,
    3: lambda k, x: x * x * x,
    0.5: lambda k, x: k.intrinsic("sqrt", x),
    -1: lambda k, x: 1 / x,
}


def _silu(k: Emitter, x: Value) -> Value:
    return x / (1 + m.exp(k, -x))


def _gelu(k: Emitter, x: Value, approximate: str = "none") -> Value:
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1 + m.tanh(k, inner))
    return 0.5 * x * (1 + m.erf(k, x * math.sqrt(0.5)))


def _larger(k: Emitter, x: Value, y: Any) -> Value:
    return k.intrinsic("maximum", x, k.like(x, y))


def _lesser(k: Emitter, x: Value, y: Any) -> Value:
    return k.intrinsic("minimum", x, k.like(x, y))


EXPRESSIONS: dict[str, Expression] = {
    "relu": _relu,
    "threshold_backward": _threshold_backward,
    "leaky_relu": _leaky_relu,
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "mul": lambda k, x, y: x * y,
    "true_divide": lambda k, x, y: x / y,
    "neg": lambda k, x: -x,
    "square": lambda k, x: x * x,
    "reciprocal": lambda k, x: 1 / x,
    "sqrt": lambda k, x: k.intrinsic("sqrt", x),
    "rsqrt": lambda k, x: 1 / k.intrinsic("sqrt", x),
    "abs": lambda k, x: k.intrinsic("fabs", x),
    "exp": m.exp,
    "tanh": m.tanh,
    "sigmoid": m.sigmoid,
    "silu": lambda k, x: _silu(k, x),
    "gelu": _gelu,
    "erf": m.erf,
    "pow": _pow,
    "addcmul": lambda k, x, y, z, value=1: x + (y * z if value == 1 else y * z * value),
    "lerp": lambda k, x, y, w: x + (y - x) * w,
    "spread": lambda k, x: x,
    "clone": lambda k, x: x,
}

TYPES = {"gelu": ("float32",), "erf": ("float32",)}  # those with an error of less than a unit in float32 alone

CALLS: dict[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "true_divide": np.true_divide, "neg": np.negative,
    "square": np.square, "sqrt": np.sqrt, "abs": np.abs, "exp": np.exp, "tanh": np.tanh, "reciprocal": np.reciprocal,
    "maximum": np.maximum, "minimum": np.minimum,
}  # fmt: skip


def can(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an application can be a line of a fused loop, by what is not an array among its arguments."""
    if name not in EXPRESSIONS:
        return False
    if name == "pow":
        return isinstance(args[1], int | float) and args[1] in _WHOLE
    if any(isinstance(value, bool | complex) for value in args):
        return False
    if name == "spread":
        return kwargs.get("dim") is None
    return name != "clone" or not kwargs.get("memory_format")


def through(
    k: Emitter, type: str, body: Iterable[Node], known: dict[int, Any], is_number: Callable[[Any], bool]
) -> dict[int, Any]:
    """The values that a loop's applications make of those that are `known` by the id of their graph value; with these.

    `is_number` says which arguments are constants that stand in the code itself.
    """

    def found(argument: Any) -> Any:
        if not isinstance(argument, GraphValue):
            return argument
        if is_number(argument) and argument.array is not None:
            return k.constant(type, float(argument.array.item()))
        return known[id(argument)]

    for node in body:
        known[id(node.outputs[0])] = EXPRESSIONS[node.name](k, *map(found, node.args), **node.kwargs)
    return known
