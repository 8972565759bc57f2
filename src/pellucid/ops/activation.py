"""Activations with a gradient of their own, of each element; those composed of others are in `nn.functional`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core import real
from pellucid.declare import elementwise, op
from pellucid.kernels import elementwise as native

from .elements import in_float32, is_bool, is_integral
from .memory import zeros_of

_ROOT_HALF = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)
_INTEGER = {2: np.int16, 4: np.int32, 8: np.int64}


def _refuse_bool(input: Any) -> None:
    if is_bool(input):
        raise RuntimeError("Boolean inputs not supported for relu")


@elementwise(kind="arith", domain=real(0.0), check=_refuse_bool, in_place="function")
def relu(xp: Any, input: Any) -> Any:
    """max(x, 0) of each element; NaN stays NaN. Its gradient at 0 is 0."""
    made = native.relu(input)
    return xp.maximum(input, 0) if made is None else made


relu.vjp(input=lambda m, g, out: m.threshold_backward(g, out))


@op(elementwise=True, method=False, public=False, reference="torch.ops.aten.threshold_backward")
def threshold_backward(xp: Any, grad_output: Any, input: Any, *, threshold: float = 0.0) -> Any:
    """The gradient where `input` is above the threshold (or NaN), else 0."""
    found = None if threshold else native.relu_backward(grad_output, input)
    if found is not None:
        return found
    # `grad * (input > threshold)` would make NaN of an infinite gradient, and `where` takes up to fifty times as long.
    # Its bits, seen as an integer, times 0 or 1 are zero or the gradient.
    bits = grad_output.view(_INTEGER[grad_output.dtype.itemsize])
    return xp.multiply(bits, ~(input <= threshold)).view(grad_output.dtype)


threshold_backward.vjp(
    grad_output=lambda m, g, input, threshold: m.threshold_backward(g, input, threshold=threshold),
    input=lambda m, g, input: zeros_of(m, input),
)


@elementwise(
    domain=real(0.0),
    method=False,
    public=False,
    reference="torch.nn.functional.leaky_relu",
    in_place=True,
    piecewise=True,
)
@in_float32
def leaky_relu(xp: Any, input: Any, *, negative_slope: float = 0.01) -> Any:
    """x of each element where positive, else negative_slope · x."""
    made = native.leaky_relu(input, numbers=(negative_slope,))
    return xp.where(input > 0, input, input * negative_slope) if made is None else made


def _leaky_relu_rule(m: Any, g: Any, input: Any, negative_slope: float) -> Any:
    made = native.leaky_relu_backward(g, input, numbers=(negative_slope,))
    return m.where(input > 0, g, g * negative_slope) if made is None else made


leaky_relu.vjp(input=_leaky_relu_rule)


@elementwise(domain=real(0.0), method=False, public=False, reference="torch.nn.functional.elu", in_place=True)
@in_float32
def elu(xp: Any, input: Any, *, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """scale · x of each element where positive, else scale · alpha · (e^(input_scale · x) - 1) (arXiv:1511.07289)."""
    if input_scale > 0:
        made = native.elu(input, numbers=(scale * alpha, scale, input_scale))
        if made is not None:
            return made
    below = scale * alpha * xp.expm1(input_scale * xp.minimum(input, 0))
    return xp.where(input > 0, input if scale == 1 else input * scale, below)


def _elu_rule(m: Any, g: Any, input: Any, alpha: float, scale: float, input_scale: float) -> Any:
    if input_scale > 0:
        made = native.elu_backward(g, input, numbers=(scale * alpha * input_scale, scale, input_scale))
        if made is not None:
            return made
    negative = -m.relu(-input)  # min(x, 0) with the slope 0 at 0, where PyTorch's second derivative is 0
    below = g * (scale * alpha * input_scale) * m.exp(input_scale * negative)
    return m.where(input > 0, g * scale, below)


elu.vjp(input=_elu_rule)


@elementwise(domain=real(), method=False, public=False, reference="torch.nn.functional.silu")
@in_float32
def silu(xp: Any, input: Any) -> Any:
    """x · sigmoid(x) of each element (arXiv:1702.03118)."""
    made = native.silu(input)
    return input / (1 + xp.exp(-input)) if made is None else made


def _silu_rule(m: Any, g: Any, input: Any) -> Any:
    made = native.silu_backward(g, input)
    if made is not None:
        return made
    gate = m.sigmoid(input)
    return g * (gate * (1 + input * (1 - gate)))


silu.vjp(input=_silu_rule)


@elementwise(domain=real(), method=False, public=False, reference="torch.nn.functional.mish")
@in_float32
def mish(xp: Any, input: Any) -> Any:
    """x · tanh(log(1 + e^x)) of each element (arXiv:1908.08681)."""
    return input * xp.tanh(xp.log1p(xp.exp(input)))


def _mish_rule(m: Any, g: Any, input: Any) -> Any:
    gate = m.sigmoid(input)
    bent = m.tanh(m.softplus(input))
    return g * (bent + input * gate * (1 - bent * bent))


mish.vjp(input=_mish_rule)


@elementwise(domain=real(), method=False, public=False, reference="torch.nn.functional.softplus")
@in_float32
def softplus(xp: Any, input: Any, *, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + e^(beta · x)) / beta of each element; x itself where beta · x is above the threshold."""
    scaled = input if beta == 1 else input * beta
    smooth = xp.log1p(xp.exp(scaled))
    return xp.where(scaled > threshold, input, smooth if beta == 1 else smooth / beta)


def _softplus_rule(m: Any, g: Any, input: Any, beta: float, threshold: float) -> Any:
    scaled = input if beta == 1 else input * beta
    return m.where(scaled > threshold, g, g * m.sigmoid(scaled))


softplus.vjp(input=_softplus_rule)


@elementwise(
    domain=real(), method=False, public=False, reference="torch.nn.functional.logsigmoid", node="LogSigmoidBackward0"
)
@in_float32
def logsigmoid(xp: Any, input: Any) -> Any:
    """log(sigmoid(x)) of each element, without overflow on the way."""
    return xp.minimum(input, 0) - xp.log1p(xp.exp(-xp.abs(input)))


logsigmoid.vjp(input=lambda m, g, input: g * m.sigmoid(-input))


@elementwise(domain=real(), method=False, public=False, reference="torch.nn.functional.gelu")
@in_float32
def gelu(xp: Any, input: Any, *, approximate: str = "none") -> Any:
    """x · Φ(x) of each element, Φ the normal distribution (arXiv:1606.08415); `approximate="tanh"` is GPT-2's."""
    made = _native_gelu(approximate, input)
    if made is not None:
        return made
    if approximate == "tanh":
        return 0.5 * input * (1 + xp.tanh(_BEND * (input + _CUBE * (input * input * input))))
    if approximate != "none":
        raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate!r}")
    return 0.5 * input * (1 + xp.erf(input * _ROOT_HALF))


_BEND, _CUBE = math.sqrt(2 / math.pi), 0.044715
_NATIVE = {("none", 1): native.gelu, ("tanh", 1): native.gelu_tanh,
           ("none", 2): native.gelu_backward, ("tanh", 2): native.gelu_tanh_backward}  # fmt: skip


def _native_gelu(approximate: str, *arrays: Any) -> Any:
    """By a kernel, forward from the input and backward from the gradient and the input; None where there is none."""
    kernel = _NATIVE.get((approximate, len(arrays)))
    return None if kernel is None else kernel(*arrays)


def _gelu_rule(m: Any, g: Any, input: Any, approximate: str) -> Any:
    made = _native_gelu(approximate, g, input)
    if made is not None:
        return made
    square = input * input
    if approximate == "tanh":
        bent = m.tanh(_BEND * (input + _CUBE * (square * input)))
        slope = _BEND * (1 + 3 * _CUBE * square)
        return g * (0.5 * (1 + bent) + 0.5 * input * (1 - bent * bent) * slope)
    return g * (0.5 * (1 + m.erf(input * _ROOT_HALF)) + input * (_DENSITY * m.exp(-0.5 * square)))


gelu.vjp(input=_gelu_rule)


@elementwise(
    domain=real(-1.0, 1.0),
    kind="arith",
    method=False,
    public=False,
    reference="torch.nn.functional.hardtanh",
    in_place=True,
    piecewise=True,
)
def hardtanh(xp: Any, input: Any, *, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Each element brought between `min_val` and `max_val`. Its gradient at the bounds is 0."""
    if is_integral(input):
        if is_bool(input):
            raise RuntimeError("Bool inputs not supported for hardtanh")
        if input.dtype.kind == "u" and (min_val < 0 or max_val < 0):
            raise RuntimeError("cannot do hardtanh on an unsigned type with negative limits")
        min_val, max_val = int(min_val), int(max_val)
    made = native.hardtanh(input, numbers=(min_val, max_val))
    return xp.minimum(xp.maximum(input, min_val), max_val) if made is None else made


def _hardtanh_rule(m: Any, g: Any, input: Any, min_val: float, max_val: float) -> Any:
    made = native.hardtanh_backward(g, input, numbers=(min_val, max_val))
    return m.where((input > min_val) & (input < max_val), g, 0) if made is None else made


hardtanh.vjp(input=_hardtanh_rule)


@elementwise(domain=real(-3.0, 3.0), method=False, public=False, reference="torch.nn.functional.hardswish")
@in_float32
def hardswish(xp: Any, input: Any) -> Any:
    """x · min(max(x + 3, 0), 6) / 6 of each element (arXiv:1905.02244)."""
    made = native.hardswish(input)
    return input * xp.minimum(xp.maximum(input + 3, 0), 6) / 6 if made is None else made


def _hardswish_rule(m: Any, g: Any, input: Any) -> Any:
    """A slope of x / 3 + 1 / 2 in the middle, where alone it is computed: at ±inf it would make NaN."""
    made = native.hardswish_backward(g, input)
    if made is not None:
        return made
    inner = m.where((input <= -3) | (input >= 3), 0, input)
    return m.where(input <= -3, 0, m.where(input >= 3, g, g * (inner / 3 + 0.5)))


hardswish.vjp(input=_hardswish_rule)


@elementwise(
    domain=real(0.0),
    kind="float",
    method=False,
    public=False,
    reference="torch.ops.aten._prelu_kernel",
    node="PreluKernelBackward0",
    piecewise=True,
    tensors=("input", "weight"),
)
def prelu(xp: Any, input: Any, weight: Any) -> Any:
    """x of each element where positive, else weight · x (arXiv:1502.01852)."""
    return xp.where(input > 0, input, weight * input)


prelu.vjp(
    input=lambda m, g, input, weight: m.where(input > 0, g, g * weight),
    weight=lambda m, g, input: m.where(input > 0, 0, g * input),
)
