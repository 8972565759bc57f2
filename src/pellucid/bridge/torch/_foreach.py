"""`torch._foreach_add_` and its like: a method of tensors, called on each of a list of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pellucid
from pellucid.core import Tensor

_UNARY = (
    "abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1", "floor", "frac", "lgamma",
    "log", "log10", "log1p", "log2", "neg", "reciprocal", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt",
    "tan", "tanh", "trunc",
)  # fmt: skip
_WITH_OTHERS = ("add", "sub", "mul", "div", "pow", "lerp", "addcmul", "addcdiv", "clamp_max", "clamp_min", "maximum",
                "minimum")  # fmt: skip
_RENAMED = {"maximum": "clamp_min", "minimum": "clamp_max"}  # which take a number too
_ALONE = ("max", "zero_", "copy_", "clone", "mm")


def _each(name: str) -> Callable[..., Any]:
    method = _RENAMED.get(name.removesuffix("_"), name.removesuffix("_")) + ("_" if name.endswith("_") else "")

    def call(self: Sequence[Tensor], *others: Any, **keywords: Any) -> Any:
        rows = [_row(other, len(self), name) for other in others]
        results = [getattr(x, method)(*(row[i] for row in rows), **keywords) for i, x in enumerate(self)]
        return None if name.endswith("_") else tuple(results)

    call.__name__ = call.__qualname__ = f"_foreach_{name}"
    call.__doc__ = f"`{method}` of each tensor of a list; the others are lists as long, or one for all."
    return call


def _row(other: Any, count: int, name: str) -> Sequence[Any]:
    """What goes with each of `count` tensors."""
    if not isinstance(other, list | tuple):
        return [other] * count
    if len(other) != count and not isinstance(other[0] if other else None, Tensor):
        raise RuntimeError("Tensor list must have same number of elements as scalar list.")
    if len(other) != count:
        raise RuntimeError(
            f"Tensor lists must have the same number of tensors, got {count} and {len(other)}, in _foreach_{name}"
        )
    return other


def _foreach_norm(self: Sequence[Tensor], ord: Any = 2, dtype: Any = None) -> tuple[Tensor, ...]:
    """The norm of each tensor, of all its elements."""
    return tuple(pellucid.linalg.vector_norm(x, ord, dtype=dtype) for x in self)


for _name in (*_UNARY, *_WITH_OTHERS, *_ALONE, *(f"{name}_" for name in (*_UNARY, *_WITH_OTHERS))):
    globals()[f"_foreach_{_name}"] = _each(_name)
NAMES = sorted(name for name in globals() if name.startswith("_foreach_"))
