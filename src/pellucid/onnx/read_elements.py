"""Operators of ONNX of single elements, comparisons and reductions, as functions of pellucid."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor
from ..declare import TABLE
from ..nn import functional as F
from ..nn import vocabulary as t
from ..types.dtypes import OF_NUMPY, dtype
from .errors import OnnxLoadError
from .reader import Attributes, reads

_UNARY = """Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Erf Exp Floor Log Neg Reciprocal Relu Round Sigmoid Sign
    Sin Sinh Sqrt Tan Tanh""".split()
_BINARY = {"Add": "add", "Sub": "sub", "Mul": "mul", "Pow": "pow", "Equal": "eq", "Greater": "gt", "Less": "lt",
           "GreaterOrEqual": "ge", "LessOrEqual": "le", "And": "logical_and", "Or": "logical_or", "Xor": "logical_xor",
           "BitwiseAnd": "bitwise_and", "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor"}  # fmt: skip


def _unary(name: str) -> None:
    @reads(name)
    def compute(a: Attributes, x: Tensor) -> Tensor:
        return TABLE[name.lower()](x)


def _binary(name: str, ours: str) -> None:
    @reads(name)
    def compute(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
        made = TABLE[ours](x, y)
        return made.to(x.dtype) if name == "Pow" else made


for _name in _UNARY:
    _unary(_name)
for _name, _ours in _BINARY.items():
    _binary(_name, _ours)


@reads("Div")
def div(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    return t.true_divide(x, y) if x.is_floating_point() else t.trunc_divide(x, y)


@reads("Mod")
def mod(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    return t.fmod(x, y) if a.get("fmod") else t.remainder(x, y)


def _folded(name: str, ours: str) -> None:
    @reads(name)
    def compute(a: Attributes, *xs: Tensor) -> Tensor:
        total = xs[0]
        for x in xs[1:]:
            total = TABLE[ours](total, x)
        return total / len(xs) if name == "Mean" else total


for _name, _ours in {"Max": "maximum", "Min": "minimum", "Sum": "add", "Mean": "add"}.items():
    _folded(_name, _ours)


@reads("Not")
def not_(a: Attributes, x: Tensor) -> Tensor:
    return t.logical_not(x)


@reads("BitwiseNot")
def bitwise_not(a: Attributes, x: Tensor) -> Tensor:
    return t.bitwise_not(x)


@reads("Where")
def where(a: Attributes, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return t.where(condition, x, y)


@reads("IsNaN")
def is_nan(a: Attributes, x: Tensor) -> Tensor:
    return t.isnan(x)


@reads("IsInf")
def is_inf(a: Attributes, x: Tensor) -> Tensor:
    if not a.get("detect_negative", 1):
        return t.isposinf(x)
    return t.isinf(x) if a.get("detect_positive", 1) else t.isneginf(x)


@reads("Identity", "Dropout")
def identity(a: Attributes, x: Tensor, *_: Any) -> Tensor:
    return x


def dtype_of(code: int) -> dtype:
    """Ours, of ONNX's number for a dtype."""
    import onnx

    found = OF_NUMPY.get(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(code)))
    if found is None:
        raise OnnxLoadError(f"pellucid has no dtype for ONNX's {onnx.TensorProto.DataType.Name(code)}")
    return found


@reads("Cast")
def cast(a: Attributes, x: Tensor) -> Tensor:
    return x.to(dtype_of(a["to"]))


@reads("CastLike")
def cast_like(a: Attributes, x: Tensor, other: Tensor) -> Tensor:
    return x.to(other.dtype)


# --- activations ------------------------------------------------------------------------------------------------------


@reads("Clip")
def clip(a: Attributes, x: Tensor, low: Any = None, high: Any = None) -> Tensor:
    low, high = a.get("min", low), a.get("max", high)
    return x if low is None and high is None else t.clamp(x, low, high)


@reads("Elu")
def elu(a: Attributes, x: Tensor) -> Tensor:
    return F.elu(x, a.get("alpha", 1.0))


@reads("Celu")
def celu(a: Attributes, x: Tensor) -> Tensor:
    return F.celu(x, a.get("alpha", 1.0))


@reads("Selu")
def selu(a: Attributes, x: Tensor) -> Tensor:
    return F.selu(x)


@reads("LeakyRelu")
def leaky_relu(a: Attributes, x: Tensor) -> Tensor:
    return F.leaky_relu(x, a.get("alpha", 0.01))


@reads("PRelu")
def prelu(a: Attributes, x: Tensor, slope: Tensor) -> Tensor:
    return t.where(x > 0, x, x * slope)


@reads("Softplus")
def softplus(a: Attributes, x: Tensor) -> Tensor:
    return F.softplus(x)


@reads("Softsign")
def softsign(a: Attributes, x: Tensor) -> Tensor:
    return F.softsign(x)


@reads("Gelu")
def gelu(a: Attributes, x: Tensor) -> Tensor:
    return F.gelu(x, approximate=a.get("approximate", "none"))


@reads("Mish")
def mish(a: Attributes, x: Tensor) -> Tensor:
    return F.mish(x)


@reads("HardSigmoid")
def hard_sigmoid(a: Attributes, x: Tensor) -> Tensor:
    return (x * a.get("alpha", 0.2) + a.get("beta", 0.5)).clamp(0, 1)


@reads("HardSwish")
def hard_swish(a: Attributes, x: Tensor) -> Tensor:
    return F.hardswish(x)


def _flat(name: str) -> None:
    @reads(name)
    def compute(a: Attributes, x: Tensor) -> Tensor:
        function = F.softmax if name == "Softmax" else F.log_softmax
        if a["opset"] < 13:  # over all dimensions from the axis on
            axis = a.get("axis", 1) % x.ndim
            return function(x.flatten(axis), dim=-1).reshape(x.shape)
        return function(x, dim=a.get("axis", -1))


_flat("Softmax")
_flat("LogSoftmax")


# --- reductions -------------------------------------------------------------------------------------------------------

_REDUCTIONS: dict[str, Any] = {
    "ReduceSum": lambda x, dims, keep: t.sum(x, dim=dims, keepdim=keep),
    "ReduceMean": lambda x, dims, keep: t.mean(x, dim=dims, keepdim=keep),
    "ReduceMax": lambda x, dims, keep: t.amax(x, dim=dims, keepdim=keep),
    "ReduceMin": lambda x, dims, keep: t.amin(x, dim=dims, keepdim=keep),
    "ReduceL1": lambda x, dims, keep: t.sum(t.abs(x), dim=dims, keepdim=keep),
    "ReduceL2": lambda x, dims, keep: t.sqrt(t.sum(x * x, dim=dims, keepdim=keep)),
    "ReduceSumSquare": lambda x, dims, keep: t.sum(x * x, dim=dims, keepdim=keep),
    "ReduceLogSum": lambda x, dims, keep: t.log(t.sum(x, dim=dims, keepdim=keep)),
    "ReduceLogSumExp": lambda x, dims, keep: t.logsumexp(x, dim=dims, keepdim=keep),
}


def _reduction(name: str) -> None:
    @reads(name)
    def compute(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
        given = a.get("axes") if axes is None else axes.tolist()
        if not given and a.get("noop_with_empty_axes"):
            return x
        dims = tuple(given) if given else tuple(range(x.ndim))
        keep = bool(a.get("keepdims", 1))
        if name == "ReduceProd":
            for dim in sorted((dim % x.ndim for dim in dims), reverse=True):
                x = t.prod(x, dim=dim, keepdim=keep)
            return x
        made = _REDUCTIONS[name](x, dims, keep) if dims else x
        return made.to(x.dtype)


for _name in (*_REDUCTIONS, "ReduceProd"):
    _reduction(_name)


def _place(name: str) -> None:
    @reads(name)
    def compute(a: Attributes, x: Tensor) -> Tensor:
        axis, keep = a.get("axis", 0), bool(a.get("keepdims", 1))
        ours = TABLE[name.lower()]
        if not a.get("select_last_index"):
            return ours(x, dim=axis, keepdim=keep)
        return x.shape[axis] - 1 - ours(t.flip(x, dims=(axis,)), dim=axis, keepdim=keep)


_place("ArgMax")
_place("ArgMin")


@reads("CumSum")
def cumsum(a: Attributes, x: Tensor, axis: Tensor) -> Tensor:
    dim = int(axis.item())
    if a.get("reverse"):
        x = t.flip(x, dims=(dim % x.ndim,))
    made = t.cumsum(x, dim=dim)
    made = made - x if a.get("exclusive") else made
    return t.flip(made, dims=(dim % x.ndim,)) if a.get("reverse") else made


@reads("TopK")
def topk(a: Attributes, x: Tensor, k: Tensor) -> Any:
    return t.topk(x, k=int(k.item()), dim=a.get("axis", -1), largest=bool(a.get("largest", 1)))
