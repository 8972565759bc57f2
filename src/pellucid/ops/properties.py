"""Questions about a tensor: what it is, and how it lies in memory."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from pellucid.core import Tensor, method
from pellucid.declare import function

from .memory import RANKS


@function(method=False)
def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor, dense or sparse."""
    return isinstance(obj, Tensor) or hasattr(cast("Any", type(obj)), "is_sparse")


@method
def sparse_dim(self: Tensor) -> int:
    """How many dimensions are given by coordinates: none of a dense tensor."""
    return 0


@method
def dense_dim(self: Tensor) -> int:
    """How many dimensions are not given by coordinates: all of a dense tensor."""
    return self.ndim


@function(method=False)
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype of `input` is a floating type."""
    return input.is_floating_point()


@function(method=False)
def is_complex(input: Tensor) -> bool:
    """Whether the dtype of `input` is complex."""
    return input.is_complex()


@function(method=False)
def numel(input: Tensor) -> int:
    """Number of elements of `input`."""
    return input.numel()


@function()
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of `input` is not 0. Raises RuntimeError for any other number of elements."""
    if input.numel() != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {input.numel()} elements is ambiguous; write .any() or .all()"
        )
    return bool(input.item())


@function()
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return input.shape == other.shape


@method
def is_signed(self: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return self.dtype.is_signed


# --- in memory -------------------------------------------------------------------------------------------------------


@method
def element_size(self: Tensor) -> int:
    """Bytes of one element."""
    return self._array.itemsize


def _nbytes(self: Tensor) -> int:
    """Bytes of all elements."""
    return self._array.nbytes


@method
def stride(self: Tensor, dim: int | None = None) -> Any:
    """Steps in elements from one index to the next in each dimension (PyTorch counts elements, NumPy bytes)."""
    size, lengths = self._array.itemsize, self._array.shape
    steps = tuple(step // size for step in self._array.strides)
    if 0 in lengths and not any(steps):  # NumPy gives 0 for what it has made empty
        steps = tuple(math.prod(max(length, 1) for length in lengths[i + 1 :]) for i in range(len(lengths)))
    return steps if dim is None else steps[dim]


@method
def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Whether the elements lie in memory in row-major order without gaps.

    With `memory_format=channels_last`: in that order with the channels innermost, (N, H, W, C).
    """
    array = self._array
    if memory_format in ("channels_last", "channels_last_3d"):
        return array.ndim == RANKS[memory_format] and bool(np.moveaxis(array, 1, -1).flags.c_contiguous)
    return bool(array.flags.c_contiguous)


@method
def data_ptr(self: Tensor) -> int:
    """Address of the first element; 0 where there is none."""
    array: Any = self._array
    if not array.size:
        return 0
    return int(array.ctypes.data) if type(array) is np.ndarray else int(array.data.ptr)


setattr(Tensor, "itemsize", property(element_size))  # noqa: B010 (the type checker knows no such attribute)
setattr(Tensor, "nbytes", property(_nbytes))  # noqa: B010
