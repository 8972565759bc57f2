"""How ops compute in bfloat16, for which NumPy has no arithmetic: in float32, rounded once at the end.

No op knows of it. The door asks here for what to call in place of an op's forward: a function that widens the arrays of
bfloat16 to float32, which is exact, calls the forward, and rounds its result; what an op overwrites is rounded into
the memory that it is to be in. So sums are added up in float32, as in PyTorch's kernels. Backward does the same with
the rules (`reverse.rules`). Only ops that are declared with `any_dtype`, and views, get the arrays as they are: they
share memory, or move numbers and cast by themselves.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from pellucid.errors import with_line
from pellucid.types.bfloat16 import is_narrow, rounded, widened
from pellucid.types.dtypes import OF_NUMPY, bfloat16, float32

from .declaration import Declaration, Forward
from .node import Arguments, Attributes

_MIXING = frozenset(("batch_norm", "layer_norm"))  # PyTorch gives these float32 weights besides
_FACTORS = frozenset(("mul", "mul_", "true_divide", "true_divide_", "floor_divide", "floor_divide_"))


def forward_of(op: Declaration, arrays: list[Any], kwargs: Attributes) -> Forward:
    """What computes `op`: its forward, or one in float32 where a dtype is bfloat16, which the forward does not know."""
    if op.view or op.any_dtype:
        return op.forward
    for array in arrays:
        if is_narrow(array):
            break
    else:
        if kwargs.get("dtype") is not bfloat16:
            return op.forward
    if op.kind is None and op.name not in _MIXING and len(op.mutates) < 2:
        _refuse_mixed(op, arrays)
    return functools.partial(_in_float32, op)


def _in_float32(op: Declaration, xp: Any, *arrays: Any, **kwargs: Any) -> Any:
    asked = kwargs.get("dtype")
    if asked is bfloat16:
        kwargs["dtype"] = float32
    exact = not op.elementwise or op.name in _FACTORS
    wide: Arguments = tuple(_wide(array, exact) for array in arrays)
    result = op.forward(xp, *wide, **kwargs)
    if op.mutates:
        for position in op.mutates:
            if is_narrow(arrays[position]):
                arrays[position][...] = rounded(wide[position])
        return arrays[op.mutates[0]]
    if asked is not None and asked is not bfloat16:
        return result
    if isinstance(result, tuple):  # by-products are for the rules, which compute in float32
        return _narrowed(result[0]), *result[1:]
    return _narrowed(result)


def is_factor(op: Declaration, array: Any) -> bool:
    """Whether `array` is a single number that PyTorch multiplies or divides bfloat16 by before it rounds it."""
    return op.name in _FACTORS and array.ndim == 0 and array.dtype.kind == "f"


def _wide(value: Any, exact: bool) -> Any:
    """An argument in float32. A number beside tensors is rounded to bfloat16 first, but where it is a factor."""
    if is_narrow(value):
        return widened(value)
    return widened(rounded(np.asarray(value))).item() if type(value) is float and not exact else value


def _narrowed(result: Any) -> Any:
    kind = getattr(result, "dtype", None)
    return rounded(result) if isinstance(kind, np.dtype) and kind.kind == "f" else result


def _refuse_mixed(op: Declaration, arrays: list[Any]) -> None:
    """Raise RuntimeError where bfloat16 is beside another floating type in an op that mixes none."""
    tensors: list[Any] = [array for array in arrays if isinstance(array, np.ndarray) and array.ndim]
    kinds = {array.dtype for array in tensors if array.dtype.kind in "fcV"}
    if len(kinds) > 1:
        names = " and ".join(OF_NUMPY[kind].name for kind in sorted(kinds, key=str))
        raise RuntimeError(with_line(
            f"{op.name}(): expected all tensors to have the same dtype, but got {names}; write .to(other.dtype)"
        ))  # fmt: skip
