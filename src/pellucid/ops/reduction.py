"""Which dimensions a reduction goes over, from what PyTorch lets a user write as `dim`; and back to the whole shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import as_dtype
from pellucid.declare.arguments import is_list
from pellucid.types.dtypes import OF_NUMPY, SCALAR_TYPES

from .dims import dim_of, dims_of

_ndarray = np.ndarray


def axis_of(dim: Any, rank: int) -> Any:
    """`dim` as NumPy's `axis`: None (all dimensions; also for an empty list, and in a 0-d tensor), an int or a tuple.

    Raises IndexError where it is out of range, RuntimeError where one dimension is named twice.
    """
    if dim is None or (rank and type(dim) is int):
        return dim
    if is_list(dim):
        if len(dim) == 1 and rank:
            return dim[0] if type(dim[0]) is int else dim_of(dim[0], rank)
        found = dims_of(dim, rank)
        return found if found and rank else None
    axis = dim_of(dim, rank)
    return axis if rank else None


def all_axes(dim: Any, rank: int) -> tuple[int, ...]:
    """The dimensions meant by `dim`, counted from the front."""
    axis = axis_of(dim, rank)
    if axis is None:
        return tuple(range(rank))
    return tuple(sorted(dim_of(given, rank) for given in ((axis,) if isinstance(axis, int) else axis)))


def count_of(shape: Any, dim: Any) -> int:
    """How many elements a reduction of `shape` over `dim` makes one of."""
    count = 1
    for axis in all_axes(dim, len(shape)):
        count *= shape[axis]
    return count


def kept_shape(shape: Any, dim: Any) -> tuple[int, ...]:
    """The shape that a reduction over `dim` has with `keepdim`."""
    if dim is None:
        return (1,) * len(shape)
    axes = all_axes(dim, len(shape))
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def repeated(xp: Any, array: Any, shape: Any) -> Any:
    """`array` over `shape`, of as many dimensions, where those of length 1 are repeated: a view that is only read."""
    if type(array) is not _ndarray or not array.flags.c_contiguous or not array.size:
        return xp.broadcast_to(array, shape)
    # The same in an eighth of the time, most of which is what a small gradient takes.
    steps = [step if own == length else 0 for step, own, length in zip(array.strides, array.shape, shape, strict=True)]
    made = _ndarray(shape, array.dtype, array, 0, steps)
    made.flags.writeable = False
    return made


def keep(m: Any, g: Any, shape: Any, dim: Any, keepdim: bool) -> Any:
    """`g`, of the shape of a reduction's result, with the dimensions that were reduced put back as 1."""
    return g if keepdim or not shape else m.reshape(g, shape=kept_shape(shape, dim))


def numpy_dtype(dtype: Any) -> Any:
    """NumPy's type for a dtype of ours, or for what stands for one."""
    return as_dtype(dtype).numpy


def widened(xp: Any, array: Any) -> Any:
    """float16 as float32, in which PyTorch adds it up; other floating types as they are."""
    return array.astype(xp.float32) if array.dtype == xp.float16 else array


def floating(name: str, input: Any) -> None:
    """Raise where a floating type is needed and `input` is of another."""
    if input.dtype.kind not in "fc":
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {SCALAR_TYPES[OF_NUMPY[input.dtype].name]}; write .float() first"
        )
