"""What ops that read and write at indexed places share: in place and on a copy, the checks, adding.

`add_at` is the one place where adding at indices happens: in the order of the indices (so that sums round as in
PyTorch), and on flat memory, where NumPy is several times faster than on rows. What writes is declared once with
`@writes`, which makes the op in place (`scatter_`) and the one on a copy (`scatter`).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.declare import TABLE, Op, function
from pellucid.errors import with_line
from pellucid.kernels import classes as native

from .reduction import widened


def writes(**declaration: Any) -> Callable[[Any], Op]:
    """Declare from a forward that overwrites its first input two ops: `NAME_`, which does, and `NAME`, on a copy."""

    def declare(forward: Any) -> Op:
        def on_copy(xp: Any, input: Any, *others: Any, **attributes: Any) -> Any:
            return forward(xp, xp.array(input, order="C"), *others, **attributes)

        name, text = declaration.pop("name", forward.__name__), inspect.cleandoc(forward.__doc__ or "")
        on_copy.__name__, on_copy.__module__, on_copy.__doc__ = name, forward.__module__, forward.__doc__
        made = Op(on_copy, like=forward, **declaration)
        forward.__name__, forward.__doc__ = name + "_", f"In place: {text}"
        options: dict[str, Any] = {
            **declaration,
            "public": False,
            "reference": f"torch.Tensor.{name}_",
            "mutates": (0,),
        }
        Op(forward, **options).rules = made.rules
        return made

    return declare


def dim_first(*names: str) -> None:
    """Offer ops in PyTorch's order of arguments, `NAME(input, dim, index, …)`, and so their forms in place."""
    for name in names:
        op = TABLE[name]
        _offer(op, True)
        if name + "_" in TABLE:
            _offer(TABLE[name + "_"], False)


def _offer(op: Op, public: bool) -> None:
    # As PyTorch has it; a reduction is named by keyword where there may be none.
    keyword = ["alpha", "include_self", *(["reduce"] if op.attributes.get("reduce", "") is None else [])]

    def call(input: Tensor, dim: int, *others: Any, **attributes: Any) -> Tensor:
        if op.name.startswith("scatter") and "value" in attributes:  # the name of a src that is one number
            attributes["src"] = attributes.pop("value")
        spare = len(others) - len(op.inputs) + 1
        if spare > 0:  # attributes without their names
            left = [name for name in op.attributes if name not in ("dim", *keyword)][:spare]
            if spare > len(left):
                raise TypeError(with_line(
                    f"{op.name}() takes at most {len(op.inputs) + 1 + len(left)} positional arguments "
                    f"({len(others) + 2} given)"
                ))  # fmt: skip
            attributes.update(zip(left, others[-spare:], strict=False))
            others = others[:-spare]
        return op(input, *others, dim=dim, **attributes)

    parameters = [parameter for parameter in list(op.__signature__.parameters.values()) if parameter.name != "dim"]
    dim = inspect.Parameter("dim", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation="int")
    shown: Any = call
    shown.__signature__ = inspect.Signature(
        [parameters[0].replace(annotation="Tensor"), dim, *parameters[1:]], return_annotation="Tensor"
    )
    call.__name__ = call.__qualname__ = op.name
    call.__module__, call.__doc__ = op.__module__, op.__doc__
    function(public=public)(call)


def check_index(name: str, index: Any, size: int, dim: int) -> None:
    """Raise for indices that are not integers, or outside of [0, size): as PyTorch, which has two classes for it."""
    if index.dtype.kind not in "iu" or index.itemsize < 4:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index, got {index.dtype}; write index.long()")
    if index.size:
        low, high = index.min(), index.max()
        if low < 0 or high >= size:
            bad = low if low < 0 else high
            said = f"index {bad} is out of bounds for dimension {dim} with size {size}"
            if name.startswith(("gather", "scatter", "index_add")):
                raise RuntimeError(said)
            raise IndexError(f"index out of range in self: {said}")


def add_at(xp: Any, out: Any, positions: Any, values: Any) -> None:
    """out.flat[positions] += values, one after the other where positions repeat."""
    flat = widened(xp, out.reshape(-1))  # a copy where `out` has gaps
    xp.add.at(flat, positions.reshape(-1), values.reshape(-1).astype(flat.dtype, copy=False))
    if flat.dtype != out.dtype or not out.flags.c_contiguous:
        out[...] = flat.reshape(out.shape)


def add_lines(target: Any, index: Any, values: Any) -> bool:
    """Add each of `values` to the slice of `target` that the vector `index` names; False where `add_at` is to do it."""
    if type(target) is not np.ndarray or target.ndim < 2 or values.shape != (*index.shape, *target.shape[1:]):
        return False
    if not target.flags.c_contiguous or np.may_share_memory(target, values):
        return False
    lines = np.ascontiguousarray(values).reshape(len(index), -1)
    return native.place(lines, np.ascontiguousarray(index), target.reshape(len(target), -1))


def line_positions(xp: Any, shape: tuple[int, ...], index: Any, dim: int) -> Any:
    """Flat positions of the slices that the vector `index` names along `dim`: (outer, len(index), inner)."""
    outer, inner = math.prod(shape[:dim]), math.prod(shape[dim + 1 :])
    places = index.astype(xp.int64, copy=False) * inner
    if inner > 1:
        places = places[:, None] + xp.arange(inner)
    return (
        places if outer == 1 else xp.arange(outer).reshape(-1, 1, 1) * (shape[dim] * inner) + places.reshape(-1, inner)
    )


def element_positions(xp: Any, shape: tuple[int, ...], index: Any, dim: int) -> Any:
    """Flat positions in an array of `shape` of the elements that `index`, of the same rank, names along `dim`."""
    places = index.astype(xp.int64, copy=False) * math.prod(shape[dim + 1 :])
    for axis, length in enumerate(index.shape):
        if axis != dim and length > 1:
            step = xp.arange(length) * math.prod(shape[axis + 1 :])
            places = places + step.reshape((-1,) + (1,) * (len(shape) - axis - 1))
    return places


def corner(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The key of the part of an array that begins at its first corner and has `shape`."""
    return tuple(slice(0, length) for length in shape)


def raised(array: Any) -> Any:
    return array if getattr(array, "ndim", 1) else array.reshape(1)


def store(target: Any, positions: Any, values: Any) -> None:
    flat = target.reshape(-1)
    flat[positions] = values
    if not target.flags.c_contiguous:
        target[...] = flat.reshape(target.shape)
