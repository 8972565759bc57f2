"""PyTorch's other names: the in-place form of an op, and the aliases."""

from __future__ import annotations

from pellucid.core import FUNCTIONS, TABLE, Tensor, in_place

# Ops that Tensor also has as `NAME_`, which stores the result in the tensor.
IN_PLACE_METHODS = (
    "add", "addcdiv", "addcmul", "atan2", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "copysign", "digamma", "elu", "eq", "erfinv", "floor_divide", "fmod",
    "gcd", "ge", "gt", "hardtanh", "heaviside", "hypot", "lcm", "le", "leaky_relu", "lerp", "lgamma", "logical_and",
    "logical_not", "logical_or", "logical_xor", "lt", "mul", "ne", "nextafter", "pow", "remainder", "sign", "sub",
    "trunc_divide", "true_divide",
)  # fmt: skip

# Those whose `NAME_` is a function besides.
IN_PLACE_FUNCTIONS = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "clamp", "clamp_max", "clamp_min", "cos",
    "cosh", "deg2rad", "erf", "erfc", "exp", "exp2", "expm1", "floor", "frac", "log", "log10", "log1p", "log2",
    "logit", "nan_to_num", "neg", "rad2deg", "reciprocal", "relu", "round", "rsqrt", "sigmoid", "sin", "sinc",
    "sinh", "sqrt", "square", "tan", "tanh", "trunc", "xlogy",
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
    for name in (*IN_PLACE_METHODS, *IN_PLACE_FUNCTIONS):
        made = in_place(TABLE[name])
        made.method = TABLE[name].method
        made.public = name in IN_PLACE_FUNCTIONS
    for alias, name in ALIASES.items():
        FUNCTIONS[alias] = FUNCTIONS.get(name) or TABLE[name]
        if (changed := TABLE.get(name + "_")) is not None and changed.public:
            FUNCTIONS[alias + "_"] = changed


def install_methods() -> None:
    """Put the aliases on Tensor, once the ops are there."""
    for alias, name in ALIASES.items():
        for ending in ("", "_"):
            if (method := Tensor.__dict__.get(name + ending)) is not None:
                setattr(Tensor, alias + ending, method)
