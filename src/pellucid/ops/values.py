"""The values of a tensor as Python's numbers and NumPy's arrays.

A value that leaves for Python is a thing that a watcher wants to know of: the tracer would freeze it into every replay.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid import backend
from pellucid.core import Tensor, method
from pellucid.core.context import note_read, state
from pellucid.errors import ShapeError, called_from_outside, warn, with_line
from pellucid.types.bfloat16 import is_narrow, widened


@method
def item(self: Tensor) -> Any:
    """The value of a tensor with one element, as a Python number."""
    if self._array.size != 1:
        raise ShapeError(
            f"a Tensor with {self._array.size} elements cannot be converted to Scalar: item() takes a tensor with "
            f"one element, this one has shape {tuple(self._array.shape)}; reduce it first (.sum(), .mean()) or "
            "write .tolist()"
        )
    note_read(self)
    if type(self._array) is np.ndarray and self._array.dtype.kind != "V":  # most often
        return self._array.item()
    if not backend.of_array(self._array).has_numbers:
        raise RuntimeError(with_line("Tensor.item() cannot be called on meta tensors: they have no numbers"))
    return (widened(self._array) if is_narrow(self._array) else self._array).item()


@method
def tolist(self: Tensor) -> Any:
    """The values as (nested lists of) Python numbers."""
    note_read(self)
    library = backend.of_array(self._array)
    if not library.has_numbers:
        library.to_numpy(self._array)  # which says that there is nothing to be had
    return (widened(self._array) if is_narrow(self._array) else self._array).tolist()


@method
def numpy(self: Tensor, *, force: bool = False) -> Any:
    """The values as a NumPy array that shares memory with the tensor.

    Raises for a tensor that requires a gradient (changes through the array would go unnoticed) and for one on a
    GPU; `force=True` detaches and copies instead.
    """
    if state.grad and self.requires_grad and not force:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    if is_narrow(self._array):
        raise TypeError(
            with_line("Got unsupported ScalarType BFloat16: NumPy has no such type; write .float().numpy()")
        )
    note_read(self)
    of = backend.of_array(self._array)
    if of.device != "cpu" and not force:
        raise TypeError(f"can't convert {self.device} tensor to numpy; write tensor.cpu().numpy()")
    return of.to_numpy(self._array)


@method
def __array__(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@method
def __dlpack__(self: Tensor, **how: Any) -> Any:
    if self.requires_grad:
        raise BufferError("can't export a Tensor that requires grad by DLPack; write tensor.detach()")
    note_read(self)
    return self._array.__dlpack__(**how)


@method
def __dlpack_device__(self: Tensor) -> Any:
    return self._array.__dlpack_device__()


@method
def __bool__(self: Tensor) -> bool:
    if self._array.size != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'more than one value' if self._array.size else 'no values'} is "
            f"ambiguous (shape {tuple(self._array.shape)}): write (…).all() or (…).any()"
        )
    return bool(self.item())


@method
def __int__(self: Tensor) -> int:
    return int(_real(self.item()))


@method
def __float__(self: Tensor) -> float:
    if self.requires_grad and called_from_outside():
        _say_that_it_leaves_the_graph()
    return float(_real(self.item()))


def _say_that_it_leaves_the_graph() -> None:
    """Once in a process, as PyTorch does, and where gradients are recorded."""
    if state.grad and not _said:
        _said.append(True)
        warn(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\nConsider using "
            "tensor.detach() first."
        )


_said: list[bool] = []


def _real(value: Any) -> Any:
    if isinstance(value, complex):
        if value.imag:
            raise RuntimeError(f"value cannot be converted to a real number without overflow: {value}; write .real")
        return value.real
    return value


@method
def __complex__(self: Tensor) -> complex:
    if self.requires_grad and called_from_outside():
        _say_that_it_leaves_the_graph()
    return complex(self.item())


@method
def __index__(self: Tensor) -> int:
    if self._array.dtype.kind in "fcV" or self._array.size != 1:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self.item())
