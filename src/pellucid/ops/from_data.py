"""Tensors from the user's data: Python's numbers and lists, NumPy's arrays, buffers. To a tracer each is a constant."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from pellucid.core import Tensor, as_dtype, from_data
from pellucid.declare import TABLE, function
from pellucid.errors import warn, with_line
from pellucid.types.devices import default


@function(method=False)
def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
           pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor with a copy of `data`: a number, nested lists, an array or a tensor.

    Python floats become the default dtype, integers int64, bools bool; arrays keep their dtype. Raises ValueError for
    lists of unequal lengths, TypeError for what is not a number.

    >>> tensor([[1, 2], [3, 4]], dtype=float)
    tensor([[1., 2.],
            [3., 4.]], dtype=torch.float64)
    """
    if isinstance(data, Tensor):
        warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor)."
        )
    return from_data(data, dtype, device or default()).requires_grad_(requires_grad)


@function(method=False)
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, without a copy where it is a tensor or an array of the right dtype already."""
    device = device or default()
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    return from_data(data, dtype, device, copy=False)


@function(method=False)
def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
            requires_grad: bool | None = None) -> Tensor:  # fmt: skip
    """`obj` as a tensor; `copy=True` always copies, `copy=False` refuses where a copy is needed (ValueError).

    A tensor keeps its history unless `requires_grad` is given.
    """
    if isinstance(obj, Tensor):
        result = as_tensor(obj, dtype, device)
        shared = result is obj
        if requires_grad is None:
            requires_grad = result.requires_grad
        result = result if result.requires_grad == requires_grad else result.detach()
        if copy and shared:
            result = TABLE["clone"](result)
    else:
        result = from_data(obj, dtype, device or default(), copy=bool(copy))
        shared = isinstance(obj, np.ndarray) and np.may_share_memory(cast("Any", obj), result._array)
    if copy is False and not shared:
        raise ValueError("asarray: a copy is needed here (copy=False was given); leave copy out to allow it")
    return result if bool(requires_grad) == result.requires_grad else result.requires_grad_(bool(requires_grad))


@function(method=False)
def from_numpy(ndarray: Any) -> Tensor:
    """A tensor that shares memory with a NumPy array: changes to one are seen in the other.

    >>> array = np.zeros(2)
    >>> from_numpy(array).add_(1)
    tensor([1., 1.], dtype=torch.float64)
    >>> array
    array([1., 1.])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__}); write tensor(...) for other data")
    return from_data(ndarray, copy=False)


@function(method=False)
def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A row of `count` numbers (all, for -1) that shares the memory of an object such as a bytearray or a file map.

    `offset` is in bytes. Raises ValueError where the memory is too short, or no multiple of a number's size.

    >>> frombuffer(bytearray([1, 0, 2, 0]), dtype="int16")
    tensor([1, 2], dtype=torch.int16)
    """
    kind = as_dtype(dtype).numpy
    view = memoryview(buffer)
    left = view.nbytes - offset
    if view.nbytes == 0 or count == 0:
        raise ValueError(with_line(f"both buffer length ({view.nbytes}) and count ({count}) must not be 0"))
    if not 0 <= offset < view.nbytes:
        raise ValueError(
            with_line(
                f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({view.nbytes} bytes) "
                "minus 1"
            )
        )
    if count < 0 and left % kind.itemsize:
        raise ValueError(
            with_line(
                f"buffer length ({left} bytes) after offset ({offset} bytes) must be a multiple of element size "
                f"({kind.itemsize})"
            )
        )
    if count > 0 and offset + count * kind.itemsize > view.nbytes:
        raise ValueError(
            with_line(
                f"requested buffer length ({count} * {kind.itemsize} bytes) after offset ({offset} bytes) must not be "
                f"greater than actual buffer length ({view.nbytes} bytes)"
            )
        )
    if view.readonly:
        warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can "
            "write to the underlying (supposedly non-writable) buffer using the tensor. Give a bytearray, or .clone()"
        )
    array = np.frombuffer(buffer, kind, count, offset)
    made = from_data(array, copy=False)
    return made.requires_grad_() if requires_grad else made


@function(method=False)
def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares memory with another library's array, through the DLPack protocol."""
    return from_data(np.from_dlpack(ext_tensor), copy=False)
