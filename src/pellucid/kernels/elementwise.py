"""Kernels that work on each element alone: the activations that NumPy makes of many passes, or of slow functions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from pellucid.backend import Array

from . import mathematics as m
from .emitter import Emitter, Value
from .pool import share
from .table import TYPES, Kernel, flat

LEAST = 2048  # elements: below, a call costs as much as it saves
_EACH = 1 << 16  # elements that a thread takes at least

Expression = Callable[..., Value]


class Elementwise:
    """The kernel of an expression in one element of each array, and in `numbers` that are the same for all."""

    def __init__(
        self, name: str, expression: Expression, count: int = 1, types: tuple[str, ...] = ("float", "double"),
        least: int = LEAST, numbers: int = 0,
    ) -> None:  # fmt: skip
        self.expression, self.count, self.least, self.numbers = expression, count, least, numbers
        self.kernel = Kernel(name, self._emit, types)

    def _emit(self, name: str, type: str) -> Emitter:
        parameters, numbers = [f"x{i}" for i in range(self.count)], [f"n{i}" for i in range(self.numbers)]
        made = Emitter(name, {**dict.fromkeys([*parameters, "out"], "ptr"), **dict.fromkeys(numbers, type)})
        with made.loop(made.start, made.stop) as i:
            loaded = [made.load(type, getattr(made, each), i) for each in parameters]
            made.store(self.expression(made, *loaded, *(getattr(made, each) for each in numbers)), made.out, i)
        return made

    def __call__(self, *arrays: Array, numbers: tuple[float, ...] = ()) -> Array | None:
        """The result in new memory, laid out as the arrays are; None where the NumPy line is to run."""
        first = arrays[0]
        if type(first) is not np.ndarray or first.size < self.least or first.dtype not in TYPES or not flat(*arrays):
            return None
        function = self.kernel.function(first.dtype)
        if function is None:
            return None
        out = np.empty(first.shape, first.dtype) if first.flags.c_contiguous else np.empty_like(first)
        share(function, first.size, _EACH, *arrays, out, *numbers)
        return out


_ROOT_HALF = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)
_BEND, _CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu(k: Emitter, x: Value, bent: bool) -> Value:
    if bent:
        inner = _BEND * (x + _CUBE * (x * x * x))
        return 0.5 * x * (1 + m.tanh(k, inner))
    return 0.5 * x * (1 + m.erf(k, x * _ROOT_HALF))


def _gelu_backward(k: Emitter, g: Value, x: Value, bent: bool) -> Value:
    square = x * x
    if bent:
        curve = m.tanh(k, _BEND * (x + _CUBE * (square * x)))
        slope = _BEND * (1 + 3 * _CUBE * square)
        return g * (0.5 * (1 + curve) + 0.5 * x * (1 - curve * curve) * slope)
    return g * (0.5 * (1 + m.erf(k, x * _ROOT_HALF)) + x * (_DENSITY * m.exp(k, -0.5 * square)))


def _silu(k: Emitter, x: Value) -> Value:
    return x / (1 + m.exp(k, -x))


def _silu_backward(k: Emitter, g: Value, x: Value) -> Value:
    gate = m.sigmoid(k, x)
    return g * (gate * (1 + x * (1 - gate)))


def _leaky_relu(k: Emitter, x: Value, slope: Value) -> Value:
    return k.select(x > 0, x, x * slope)


def _leaky_relu_backward(k: Emitter, g: Value, x: Value, slope: Value) -> Value:
    return k.select(x > 0, g, g * slope)


def _elu(k: Emitter, x: Value, below: Value, above: Value, within: Value) -> Value:
    """above · x where positive, else below · (e^(within · x) - 1), within > 0."""
    return k.select(x > 0, x * above, m.expm1(k, x * within) * below)


def _elu_backward(k: Emitter, g: Value, x: Value, below: Value, above: Value, within: Value) -> Value:
    negative = k.select(x > 0, k.like(x, 0.0), x)
    return g * k.select(x > 0, above, m.exp(k, negative * within) * below)


def _hardtanh(k: Emitter, x: Value, low: Value, high: Value) -> Value:
    return k.select(x > high, high, k.select(x < low, low, x))


def _hardtanh_backward(k: Emitter, g: Value, x: Value, low: Value, high: Value) -> Value:
    return k.select(x > low, k.select(x < high, g, 0), 0)


def _hardswish(k: Emitter, x: Value) -> Value:
    return x * m.bounded(k, x + 3, 0, 6) / 6


def _hardswish_backward(k: Emitter, g: Value, x: Value) -> Value:
    inner = g * (x / 3 + 0.5)
    return k.select(x <= -3, k.like(g, 0.0), k.select(k.compare(">=", x, 3), g, inner))


def _relu(k: Emitter, x: Value) -> Value:
    return k.select(x <= 0, k.like(x, 0.0), x)  # NaN stays


def _relu_backward(k: Emitter, g: Value, x: Value) -> Value:
    return k.select(x <= 0, k.like(g, 0.0), g)  # NaN lets it through, as in PyTorch


def _raised(halves: int, k: Emitter, x: Value) -> Value:
    """x^(halves / 2), computed in float64: the product of roots and squares is off by less than float32 can hold.

    The inverse root alone is computed in float32, as PyTorch does: roots and quotients in float64 take long.
    """
    kind = x.type
    x = x if halves == -1 else k.convert(x, "double")
    if halves % 2:  # as C's pow has it: of -0 and -inf that of 0 and inf
        x = k.select(k.compare("==", k.intrinsic("fabs", x), math.inf), math.inf * k.like(x, 1.0), x)
        x = k.intrinsic("sqrt", k.select(k.compare("==", x, 0), k.like(x, 0.0), x))
    else:
        halves //= 2
    made, square, rest = None, x, abs(halves)
    while rest:
        if rest % 2:
            made = square if made is None else made * square
        rest //= 2
        square = square * square if rest else square
    made = k.like(x, 1.0) if made is None else made
    return k.convert(1.0 / made if halves < 0 else made, kind)


exp = Elementwise("exp", m.exp)
_SLOW_POWERS = (4, 5, 6, 7, 8, -2, -3, -4, 1.5, 2.5, 3.5, -0.5, -1.5)  # which NumPy asks the C library for, one by one
powers = {
    exponent: Elementwise(
        f"power_{exponent}".replace("-", "_").replace(".", "_"),
        functools.partial(_raised, round(2 * exponent)),
        types=("float",),
    )
    for exponent in _SLOW_POWERS
}
leaky_relu = Elementwise("leaky_relu", _leaky_relu, numbers=1)
leaky_relu_backward = Elementwise("leaky_relu_backward", _leaky_relu_backward, 2, numbers=1)
elu = Elementwise("elu", _elu, numbers=3)
elu_backward = Elementwise("elu_backward", _elu_backward, 2, numbers=3)
hardtanh = Elementwise("hardtanh", _hardtanh, numbers=2)
hardtanh_backward = Elementwise("hardtanh_backward", _hardtanh_backward, 2, numbers=2)
hardswish = Elementwise("hardswish", _hardswish)
hardswish_backward = Elementwise("hardswish_backward", _hardswish_backward, 2)
relu = Elementwise("relu", _relu)
relu_backward = Elementwise("relu_backward", _relu_backward, 2, least=256)  # NumPy takes four calls
tanh = Elementwise("tanh", m.tanh)
sigmoid = Elementwise("sigmoid", m.sigmoid)
silu = Elementwise("silu", _silu)
silu_backward = Elementwise("silu_backward", _silu_backward, 2)
gelu = Elementwise("gelu", lambda k, x: _gelu(k, x, False), types=("float",))
gelu_backward = Elementwise("gelu_backward", lambda k, g, x: _gelu_backward(k, g, x, False), 2, types=("float",))
gelu_tanh = Elementwise("gelu_tanh", lambda k, x: _gelu(k, x, True))
gelu_tanh_backward = Elementwise("gelu_tanh_backward", lambda k, g, x: _gelu_backward(k, g, x, True), 2)
