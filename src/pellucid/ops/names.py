"""PyTorch's other names: the in-place form of an op, and the aliases."""

from __future__ import annotations

from pellucid.core import FUNCTIONS, TABLE, Tensor, in_place

# Ops that Tensor also has as `NAME_`, which stores the result in the tensor.
IN_PLACE = (
    "abs", "acos", "acosh", "add", "addcdiv", "addcmul", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and",
    "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "clamp",
    "clamp_max", "clamp_min", "copysign", "cos", "cosh", "deg2rad", "digamma", "elu", "eq", "erf", "erfc", "erfinv",
    "exp", "exp2", "expm1", "floor", "floor_divide", "fmod", "frac", "ge", "gt", "hardtanh", "heaviside", "hypot",
    "le", "leaky_relu", "lerp", "lgamma", "log", "log10", "log1p", "log2", "logical_and", "logical_not", "logical_or",
    "logical_xor", "logit", "lt", "mul", "nan_to_num", "ne", "neg", "nextafter", "pow", "rad2deg", "reciprocal",
    "relu", "remainder", "round", "rsqrt", "sigmoid", "sign", "sin", "sinc", "sinh", "sqrt", "square", "sub", "tan",
    "tanh", "trunc", "trunc_divide", "true_divide", "xlogy",
)  # fmt: skip

# Another name for the same: alias -> name. The in-place form has its alias too.
ALIASES = {
    "absolute": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh", "arctan": "atan",
    "arctan2": "atan2", "arctanh": "atanh", "clip": "clamp", "divide": "div", "fix": "trunc", "greater": "gt",
    "greater_equal": "ge", "less": "lt", "less_equal": "le", "multiply": "mul", "negative": "neg", "not_equal": "ne",
    "sgn": "sign", "subtract": "sub",
}  # fmt: skip


def install() -> None:
    """Make the in-place ops and set the aliases, for the ops declared so far."""
    for name in IN_PLACE:
        made = in_place(TABLE[name])
        made.method = TABLE[name].method
    for alias, name in ALIASES.items():
        FUNCTIONS[alias] = FUNCTIONS.get(name) or TABLE[name]


def install_methods() -> None:
    """Put the aliases on Tensor, once the ops are there."""
    for alias, name in ALIASES.items():
        for ending in ("", "_"):
            if (method := Tensor.__dict__.get(name + ending)) is not None:
                setattr(Tensor, alias + ending, method)
