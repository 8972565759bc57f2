"""`out=`: the result of a function, stored in tensors that the caller has. One way for all ops and functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from pellucid.core.context import state
from pellucid.core.declaration import TABLE
from pellucid.core.door import apply
from pellucid.core.modes import is_grad_enabled, no_grad
from pellucid.core.node import Arguments, Attributes
from pellucid.core.tensor import Tensor
from pellucid.errors import warn, with_line
from pellucid.types.dtypes import SCALAR_TYPES, can_cast

# The results that are not cast: indices (here by the name that one of several results has), and what has the dtype of
# the input because it gives numbers of it, or near them.
_NOT_CAST = {
    "indices", "nonzero", "argmax", "argmin", "searchsorted", "bucketize",
    "amax", "amin", "neg", "negative", "sign", "sgn", "ceil", "floor", "round", "trunc", "fix", "frac", "nan_to_num",
    "bitwise_not",
}  # fmt: skip


def stored(name: str, function: Callable[..., Any], args: Arguments, kwargs: Attributes) -> Any:
    """What `function(*args, **kwargs)` gives, in the tensor (or the tuple of tensors) that `kwargs["out"]` is.

    Raises RuntimeError where a gradient would be wanted, and for a dtype that the result cannot be cast to: some are
    not cast at all. An `out` of another shape is resized, with a warning if it has elements.
    """
    out: Any = kwargs.pop("out")
    if out is None:
        return function(*args, **kwargs)
    outs = tuple(cast("Arguments", out)) if isinstance(out, tuple | list) else (out,)
    for entry in outs:
        if not isinstance(entry, Tensor):
            raise TypeError(with_line(f"{name}(): argument 'out' must be Tensor, not {type(entry).__name__}"))
    if is_grad_enabled() and any(isinstance(entry, Tensor) and entry.requires_grad for entry in (*_flat(args), *outs)):
        raise RuntimeError(with_line(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad; write no_grad() around the call, or leave out= out"
        ))  # fmt: skip
    if state.tangents is not None and state.tangents.moving((*_flat(args), *outs)):
        raise NotImplementedError(with_line(
            f"Trying to use forward AD with {name}_out that does not support it because it is an out= function; leave "
            "out= out"
        ))  # fmt: skip
    with no_grad():
        result: Any = function(*args, **kwargs)
    results: Arguments = tuple(cast("Any", result)) if isinstance(result, tuple) else (result,)
    fields: tuple[str, ...] = getattr(cast("Any", result), "_fields", (name,) * len(results))
    if len(results) != len(outs):
        raise TypeError(with_line(f"{name}(): out= must be {len(results)} tensors, got {len(outs)}"))
    for target, value, field in zip(outs, results, fields, strict=True):
        if field in _NOT_CAST and target.dtype is not value.dtype:
            raise RuntimeError(with_line(
                f"{name}: Expected out tensor to have scalar type {SCALAR_TYPES[value.dtype.name]} but got scalar type "
                f"{SCALAR_TYPES[target.dtype.name]}; write out=torch.empty(0, dtype={value.dtype!r})"
            ))  # fmt: skip
        _store(name, target, value)
    made = cast("Callable[..., Any]", type(cast("Any", result)))
    return made(*outs) if hasattr(made, "_fields") else cast("Any", out)


def _flat(args: Arguments) -> list[Any]:
    return [entry for arg in args for entry in (cast("list[Any]", arg) if isinstance(arg, tuple | list) else [arg])]


def _store(name: str, target: Tensor, value: Tensor) -> None:
    if not can_cast(value.dtype, target.dtype):
        raise RuntimeError(with_line(
            f"{name}(): result type {value.dtype!r} can't be cast to the desired output type {target.dtype!r}"
        ))  # fmt: skip
    if target.shape != value.shape:
        if target.numel():
            warn(
                f"An output with one or more elements was resized since it had shape {list(target.shape)}, which does "
                f"not match the required output shape {list(value.shape)}. Give an out of that shape, or of no elements"
            )
        target._array = np.empty(value.shape, target.dtype.numpy)
    with no_grad():
        apply(TABLE["copy_"], (target, value), {})
