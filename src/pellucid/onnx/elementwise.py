"""Ops of single elements: one operator of ONNX each, or a formula of several."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import CONVERTERS, writes
from .writer import Term, Writer

# Ops that ONNX has, for floats (what rounds leaves whole numbers as they are).
SAME = {
    "acos": "Acos", "acosh": "Acosh", "asin": "Asin", "asinh": "Asinh", "atan": "Atan", "atanh": "Atanh",
    "cos": "Cos", "cosh": "Cosh", "erf": "Erf", "exp": "Exp", "log": "Log", "reciprocal": "Reciprocal",
    "sigmoid": "Sigmoid", "sin": "Sin", "sinh": "Sinh", "sqrt": "Sqrt", "tan": "Tan", "tanh": "Tanh",
    "abs": "Abs", "neg": "Neg", "sign": "Sign", "relu": "Relu", "ceil": "Ceil", "floor": "Floor",
}  # fmt: skip
_ROUNDING = ("ceil", "floor", "round", "trunc")
COMPARISONS = {"eq": "Equal", "ge": "GreaterOrEqual", "gt": "Greater", "le": "LessOrEqual", "lt": "Less"}
LOGIC = {"and": "And", "or": "Or", "xor": "Xor"}


def _same(name: str, operator: str) -> None:
    @writes(name)
    def write(w: Writer, input: Term) -> Term:
        if name in _ROUNDING and not input.floating:
            return w.Identity(input)
        return w.node(operator, input)


for _name, _operator in SAME.items():
    _same(_name, _operator)


def _pair(w: Writer, a: Any, b: Any) -> tuple[Term, Term]:
    """Two arguments of which one may be a number, in one dtype."""
    kind = (a if isinstance(a, Term) else b).dtype
    if isinstance(a, Term) and isinstance(b, Term):
        kind = np.promote_types(a.dtype, b.dtype)
    return tuple(x.cast(kind) if isinstance(x, Term) else w.number(x, kind) for x in (a, b))  # type: ignore[return-value]


@writes("add")
def add(w: Writer, input: Any, other: Any, alpha: Any = 1) -> Term:
    a, b = _pair(w, input, other)
    if a.dtype == bool:
        return w.Or(a, b)
    return a + (b if alpha == 1 else b * alpha)


@writes("sub")
def sub(w: Writer, input: Any, other: Any, alpha: Any = 1) -> Term:
    a, b = _pair(w, input, other)
    return a - (b if alpha == 1 else b * alpha)


@writes("rsub")
def rsub(w: Writer, input: Any, other: Any, alpha: Any = 1) -> Term:
    return sub(w, other, input, alpha)


@writes("mul")
def mul(w: Writer, input: Any, other: Any) -> Term:
    a, b = _pair(w, input, other)
    return w.And(a, b) if a.dtype == bool else a * b


@writes("true_divide")
def true_divide(w: Writer, input: Any, other: Any) -> Term:
    a, b = _pair(w, input, other)
    return a / b


def _remainder(w: Writer, a: Term, b: Term) -> Term:
    """With the sign of the divisor."""
    return a - w.Floor(a / b) * b if a.floating else w.Mod(a, b)


@writes("floor_divide")
def floor_divide(w: Writer, input: Any, other: Any) -> Term:
    a, b = _pair(w, input, other)
    return w.Floor(a / b) if a.floating else (a - w.Mod(a, b)) / b


@writes("trunc_divide")
def trunc_divide(w: Writer, input: Any, other: Any) -> Term:
    a, b = _pair(w, input, other)
    return trunc(w, a / b)


@writes("remainder")
def remainder(w: Writer, input: Any, other: Any) -> Term:
    return _remainder(w, *_pair(w, input, other))


@writes("fmod")
def fmod(w: Writer, input: Any, other: Any) -> Term:
    return w.Mod(*_pair(w, input, other), fmod=1)


@writes("pow")
def power(w: Writer, input: Any, exponent: Any) -> Term:
    return w.Pow(*_pair(w, input, exponent))


@writes("square")
def square(w: Writer, input: Term) -> Term:
    return input * input


@writes("rsqrt")
def rsqrt(w: Writer, input: Term) -> Term:
    return 1 / w.Sqrt(input)


@writes("exp2")
def exp2(w: Writer, input: Term) -> Term:
    return w.Pow(w.constant(2, input.dtype), input)


@writes("expm1")
def expm1(w: Writer, input: Term) -> Term:
    # e^x - 1 = tanh(x/2) · (e^x + 1), which has no cancellation for small x.
    return w.where(w.Greater(w.Abs(input), w.constant(1, input.dtype), dtype=bool), w.Exp(input) - 1,
                   w.Tanh(input * 0.5) * (w.Exp(input) + 1))  # fmt: skip


@writes("log1p")
def log1p(w: Writer, input: Term) -> Term:
    # log(1 + x) · x / ((1 + x) - 1): the rounding of 1 + x cancels (Goldberg 1991, theorem 4).
    shifted = input + 1
    ratio = w.Log(shifted) * input / (shifted - 1)
    same = w.Or(w.Equal(shifted, w.constant(1, input.dtype), dtype=bool), w.IsInf(input, dtype=bool), dtype=bool)
    return w.where(same, input, ratio)


@writes("log2")
def log2(w: Writer, input: Term) -> Term:
    return w.Log(input) * (1 / math.log(2))


@writes("log10")
def log10(w: Writer, input: Term) -> Term:
    return w.Log(input) * (1 / math.log(10))


@writes("erfc")
def erfc(w: Writer, input: Term) -> Term:
    return 1 - w.Erf(input)


@writes("deg2rad")
def deg2rad(w: Writer, input: Term) -> Term:
    return input * (math.pi / 180)


@writes("rad2deg")
def rad2deg(w: Writer, input: Term) -> Term:
    return input * (180 / math.pi)


@writes("trunc")
def trunc(w: Writer, input: Term) -> Term:
    return w.Sign(input) * w.Floor(w.Abs(input)) if input.floating else w.Identity(input)


@writes("frac")
def frac(w: Writer, input: Term) -> Term:
    return input - trunc(w, input)


@writes("round")
def round_(w: Writer, input: Term, decimals: int = 0) -> Term:
    if not input.floating:
        return w.Identity(input)
    return w.Round(input * 10.0**decimals) / 10.0**decimals if decimals else w.Round(input)


@writes("hypot")
def hypot(w: Writer, input: Any, other: Any) -> Term:
    a, b = _pair(w, input, other)
    return w.Sqrt(a * a + b * b)


@writes("xlogy")
def xlogy(w: Writer, input: Any, other: Any) -> Term:
    a, b = _pair(w, input, other)
    return w.where(w.Equal(a, w.constant(0, a.dtype), dtype=bool), 0.0, a * w.Log(b))


@writes("logaddexp")
def logaddexp(w: Writer, input: Any, other: Any) -> Term:
    a, b = _pair(w, input, other)
    return w.Max(a, b) + w.Log(1 + w.Exp(-w.Abs(a - b)))


@writes("logit")
def logit(w: Writer, input: Term, eps: float | None = None) -> Term:
    if eps is not None:
        input = clamp(w, input, eps, 1 - eps)
    return w.Log(input / (1 - input))


@writes("lerp")
def lerp(w: Writer, input: Term, end: Term, weight: Any) -> Term:
    return input + (end - input) * weight


@writes("addcmul")
def addcmul(w: Writer, input: Term, tensor1: Any, tensor2: Any, value: Any = 1) -> Term:
    return input + mul(w, tensor1, tensor2) * value


@writes("addcdiv")
def addcdiv(w: Writer, input: Term, tensor1: Any, tensor2: Any, value: Any = 1) -> Term:
    return input + true_divide(w, tensor1, tensor2) * value


@writes("maximum", "fmax")
def maximum(w: Writer, input: Any, other: Any) -> Term:
    return w.Max(*_pair(w, input, other))


@writes("minimum", "fmin")
def minimum(w: Writer, input: Any, other: Any) -> Term:
    return w.Min(*_pair(w, input, other))


@writes("clamp")
def clamp(w: Writer, input: Term, min: Any = None, max: Any = None) -> Term:
    if min is not None:
        input = maximum(w, input, min)
    return input if max is None else minimum(w, input, max)


@writes("clamp_min")
def clamp_min(w: Writer, input: Term, min: Any) -> Term:
    return maximum(w, input, min)


@writes("clamp_max")
def clamp_max(w: Writer, input: Term, max: Any) -> Term:
    return minimum(w, input, max)


@writes("nan_to_num")
def nan_to_num(w: Writer, input: Term, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Term:
    if not input.floating:
        return w.Identity(input)
    limits = np.finfo(input.dtype)
    whole = w.where(w.IsNaN(input, dtype=bool), nan or 0.0, input, input.dtype)
    whole = w.where(w.IsInf(whole, dtype=bool, detect_negative=0), limits.max if posinf is None else posinf, whole)
    return w.where(w.IsInf(whole, dtype=bool, detect_positive=0), limits.min if neginf is None else neginf, whole)


# --- activations ------------------------------------------------------------------------------------------------------


@writes("gelu")
def gelu(w: Writer, input: Term, approximate: str = "none") -> Term:
    if approximate == "tanh":
        inner = (input + input * input * input * 0.044715) * math.sqrt(2 / math.pi)
        return input * 0.5 * (w.Tanh(inner) + 1)
    return input * 0.5 * (w.Erf(input * math.sqrt(0.5)) + 1)


@writes("silu")
def silu(w: Writer, input: Term) -> Term:
    return input * w.Sigmoid(input)


@writes("mish")
def mish(w: Writer, input: Term) -> Term:
    return input * w.Tanh(w.Softplus(input))


@writes("elu")
def elu(w: Writer, input: Term, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Term:
    if input_scale == 1:
        return w.Elu(input, alpha=float(alpha)) if scale == 1 else w.Elu(input, alpha=float(alpha)) * scale
    low = expm1(w, w.Min(input, w.constant(0, input.dtype)) * input_scale) * (alpha * scale)
    return w.where(w.Greater(input, w.constant(0, input.dtype), dtype=bool), input * scale, low)


@writes("hardtanh")
def hardtanh(w: Writer, input: Term, min_val: Any = -1.0, max_val: Any = 1.0) -> Term:
    return w.Clip(input, w.constant(min_val, input.dtype), w.constant(max_val, input.dtype))


@writes("hardswish")
def hardswish(w: Writer, input: Term) -> Term:
    return input * w.Clip(input * (1 / 6) + 0.5, w.constant(0, input.dtype), w.constant(1, input.dtype))


@writes("leaky_relu")
def leaky_relu(w: Writer, input: Term, negative_slope: float = 0.01) -> Term:
    return w.LeakyRelu(input, alpha=float(negative_slope))


@writes("prelu")
def prelu(w: Writer, input: Term, weight: Term) -> Term:
    return w.where(w.Greater(input, w.constant(0, input.dtype), dtype=bool), input, weight * input)


@writes("smooth_l1")
def smooth_l1(w: Writer, input: Term, target: Term, beta: float) -> Term:
    apart = w.Abs(input - target)
    near = w.Min(apart, w.constant(beta, apart.dtype))
    return near * (apart - near * 0.5) / beta


@writes("softplus")
def softplus(w: Writer, input: Term, beta: float = 1.0, threshold: float = 20.0) -> Term:
    scaled = input if beta == 1 else input * beta
    soft = w.Softplus(scaled) if beta == 1 else w.Softplus(scaled) / beta
    return w.where(w.Greater(scaled, w.constant(threshold, input.dtype), dtype=bool), input, soft)


@writes("logsigmoid")
def logsigmoid(w: Writer, input: Term) -> Term:
    return -w.Softplus(-input)


# --- comparisons and logic --------------------------------------------------------------------------------------------


def _comparison(name: str, operator: str) -> None:
    @writes(name)
    def write(w: Writer, input: Any, other: Any) -> Term:
        a, b = _pair(w, input, other)
        if a.dtype == bool and operator != "Equal":
            a, b = a.cast(np.int32), b.cast(np.int32)
        return w.node(operator, a, b, dtype=bool)


for _name, _operator in COMPARISONS.items():
    _comparison(_name, _operator)


@writes("ne")
def ne(w: Writer, input: Any, other: Any) -> Term:
    return w.Not(CONVERTERS["eq"](w, input, other))


def _logic(name: str, operator: str) -> None:
    @writes(f"logical_{name}")
    def logical(w: Writer, input: Any, other: Any) -> Term:
        a, b = _pair(w, input, other)
        return w.node(operator, a.cast(bool), b.cast(bool))

    @writes(f"bitwise_{name}")
    def bitwise(w: Writer, input: Any, other: Any) -> Term:
        a, b = _pair(w, input, other)
        return w.node(operator if a.dtype == bool else f"Bitwise{operator}", a, b)


for _name, _operator in LOGIC.items():
    _logic(_name, _operator)


@writes("logical_not")
def logical_not(w: Writer, input: Term) -> Term:
    return w.Not(input.cast(bool))


@writes("bitwise_not")
def bitwise_not(w: Writer, input: Term) -> Term:
    return w.Not(input) if input.dtype == bool else w.BitwiseNot(input)


@writes("isnan")
def isnan(w: Writer, input: Term) -> Term:
    return w.IsNaN(input.cast(np.float32) if not input.floating else input, dtype=bool)


@writes("isinf")
def isinf(w: Writer, input: Term) -> Term:
    return w.IsInf(input if input.floating else input.cast(np.float32), dtype=bool)


@writes("isposinf")
def isposinf(w: Writer, input: Term) -> Term:
    return w.IsInf(input if input.floating else input.cast(np.float32), dtype=bool, detect_negative=0)


@writes("isneginf")
def isneginf(w: Writer, input: Term) -> Term:
    return w.IsInf(input if input.floating else input.cast(np.float32), dtype=bool, detect_positive=0)


@writes("isfinite")
def isfinite(w: Writer, input: Term) -> Term:
    return w.Not(w.Or(isnan(w, input), isinf(w, input)))


@writes("isclose")
def isclose(
    w: Writer, input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Term:
    a, b = _pair(w, input, other)
    near = w.LessOrEqual(w.Abs(a - b), w.Abs(b) * rtol + atol, dtype=bool)
    near = w.Or(near, w.Equal(a, b, dtype=bool))
    return w.Or(near, w.And(isnan(w, a), isnan(w, b))) if equal_nan else near


@writes("where")
def where(w: Writer, condition: Term, input: Any, other: Any) -> Term:
    return w.Where(condition.cast(bool), *_pair(w, input, other), dtype=_pair(w, input, other)[0].dtype)


@writes("masked_fill")
def masked_fill(w: Writer, input: Term, mask: Term, value: Any) -> Term:
    value = value.cast(input.dtype) if isinstance(value, Term) else value
    return w.where(mask, value, input, input.dtype)


@writes("cast")
def cast(w: Writer, input: Term, dtype: Any) -> Term:
    return w.Identity(input) if dtype.numpy == input.dtype else input.cast(dtype.numpy)


@writes("cast_like")
def cast_like(w: Writer, input: Term, other: Term) -> Term:
    return input.cast(other.dtype)


@writes("clone", "kinked", "to_device", "conj", "real")
def identity(w: Writer, input: Term, **_: Any) -> Term:
    return w.Identity(input)
