"""A tensor in another dtype, on another device, in another order in memory: `to` and its short forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor, as_dtype, dtype, from_data, method
from pellucid.core import dtype as DType
from pellucid.errors import with_line
from pellucid.types import devices

from .memory import RANKS, clone, to_device
from .memory import cast as to_dtype

_TYPES: Any = (DType, type, np.dtype)


@method
def to(
    self: Tensor, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False, copy: bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """This tensor in another dtype or on another device: `to(dtype)`, `to(device, dtype)`, `to(other)`."""
    flags = [value for value in args if isinstance(value, bool)]  # non_blocking, copy
    copy = copy or flags[1:2] == [True]
    for value in args:
        if isinstance(value, Tensor):
            dtype, device = value.dtype, value.device
        elif isinstance(value, str | devices.device):
            device = value
        elif isinstance(value, _TYPES):
            dtype = value
        elif value is not None and not isinstance(value, bool):
            raise TypeError(with_line(
                f"to() takes a dtype, a device or a tensor, not {type(value).__name__}; "
                "it is called as to(dtype), to(device, dtype) or to(other)"
            ))  # fmt: skip
    result = self
    if device is not None:
        target = devices.device(device)
        if target.type != result.device.type:
            result = to_device(result, device=target)
    if dtype is not None and as_dtype(dtype) is not result.dtype:
        result = to_dtype(result, dtype=as_dtype(dtype))
    if memory_format in RANKS and not result.is_contiguous(memory_format):
        return clone(result, memory_format=memory_format)
    return clone(result) if copy and result is self else result


def _casting(name: str, to: dtype) -> None:
    def cast(self: Tensor, *, memory_format: str | None = None) -> Tensor:
        return self if self.dtype is to else to_dtype(self, dtype=to)

    cast.__name__, cast.__doc__ = name, f"This tensor as {to.name}."
    method(cast)


for _name, _to in {
    "float": "float32", "double": "float64", "half": "float16", "bfloat16": "bfloat16", "long": "int64", "int": "int32",
    "short": "int16",
    "char": "int8", "byte": "uint8", "bool": "bool", "cfloat": "complex64", "cdouble": "complex128",
}.items():  # fmt: skip
    _casting(_name, as_dtype(_to))


@method
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor in main memory."""
    return self.to("cpu")  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]


@method
def cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """This tensor on the GPU (needs CuPy)."""
    return self.to("cuda")  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor in the dtype of `other`."""
    return self if self.dtype is other.dtype else to_dtype(self, dtype=other.dtype)


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor, or a copy in row-major order (or that of `memory_format`) if it is not in that order."""
    if memory_format in RANKS:
        return self if self.is_contiguous(memory_format) else clone(self, memory_format=memory_format)
    return self if self.is_contiguous() else clone(self, memory_format="contiguous")


@method
def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor from `data` in this one's dtype and on its device unless others are given."""
    made = from_data(data, dtype or self.dtype, device or self.device)
    return made.requires_grad_(requires_grad)
