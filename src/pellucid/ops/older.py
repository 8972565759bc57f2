"""Methods that write an op's result into its tensor, `tril_` and its like; and older ones, `new`, `map_`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core import Tensor, method
from pellucid.core.tensor import inference, wrap
from pellucid.core.views import changeable
from pellucid.declare import FUNCTIONS
from pellucid.errors import with_line
from pellucid.types.dtypes import can_cast
from pellucid.types.layouts import preserve_format
from pellucid.types.size import Size

from .memory import RANKS
from .view_methods import become

_IN_PLACE = (
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "cumprod", "cumsum", "ldexp", "polygamma", "renorm", "tril", "triu",
)  # fmt: skip


def _in_place(name: str) -> Callable[..., Tensor]:
    def change(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        compute: Any = getattr(Tensor, name)
        result = compute(self, *args, **kwargs)
        if not can_cast(result.dtype, self.dtype):
            raise RuntimeError(with_line(
                f"{name}_(): result type {result.dtype!r} can't be cast to the desired output type {self.dtype!r}"
            ))  # fmt: skip
        return self.copy_(result)

    change.__name__, change.__qualname__ = f"{name}_", f"Tensor.{name}_"
    change.__doc__ = f"`{name}`, its result written into this tensor."
    return change


for _name in _IN_PLACE:
    method(_in_place(_name))


@method
def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """An older name: a tensor of this dtype, of the given sizes or with the given numbers."""
    if len(args) == 1 and isinstance(args[0], Size):
        return wrap(np.zeros(tuple(args[0]), self._array.dtype))
    if args and not all(isinstance(size, int) for size in args):
        data = args[0]
        return FUNCTIONS["tensor"](data, dtype=self.dtype) if not isinstance(data, Tensor) else data.to(self.dtype)
    return wrap(np.zeros(args or (0,), self._array.dtype))


@method
def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each number by `callable(number)`: slow, for tensors on the CPU."""
    if self.requires_grad:
        raise RuntimeError(with_line("apply_() can't be called on a tensor that requires grad: use ops, or detach()"))
    for index in np.ndindex(*self._array.shape):
        self._array[index] = callable(self._array[index].item())
    return self


@method
def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace each number by `callable(number, other)`, `other` from a second tensor of a shape that fits."""
    if self.requires_grad or tensor.requires_grad:
        raise RuntimeError(with_line("map_() can't be called on a tensor that requires grad: use ops, or detach()"))
    other = np.broadcast_to(tensor._array, self._array.shape)
    for index in np.ndindex(*self._array.shape):
        self._array[index] = callable(self._array[index].item(), other[index].item())
    return self


@method
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Give the tensor another shape, in place: the first numbers stay, those added at the end are zeros."""
    size = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    if self.requires_grad and not (inference.on and self.is_inference()):
        raise RuntimeError(with_line("cannot resize variables that require grad"))
    if size == self._array.shape and memory_format is None:
        return self
    count = math.prod(size)
    if count * self._array.itemsize >= 2**63:
        raise RuntimeError(with_line(f"Storage size calculation overflowed with sizes={list(size)}"))
    if math.prod(max(length, 1) for length in size) >= 2**63:
        raise RuntimeError(with_line("Stride calculation overflowed"))
    changeable(self)[0] += 1
    flat = self._array.reshape(-1)
    if count > flat.size:
        flat = np.concatenate([flat, np.zeros(count - flat.size, flat.dtype)])
    if memory_format in RANKS:
        rank = RANKS[memory_format]
        if len(size) != rank:
            raise RuntimeError(with_line(f"required rank {rank} tensor to use {memory_format} format, got {len(size)}"))
        batch, channels, *places = list(size)
        self._array = np.moveaxis(flat[:count].reshape(batch, *places, channels), -1, 1)
    else:
        self._array = flat[:count].reshape(size)
    return self


@method
def as_strided_(self: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Make the tensor, in place, another part of the memory that it lies in: by sizes, strides and offset."""
    if self.requires_grad:
        return become(self, self.as_strided(size, stride, storage_offset))
    offset = self.storage_offset() if storage_offset is None else storage_offset
    return self.set_(self, offset, tuple(size), tuple(stride))


@method
def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """`resize_` to the shape of another tensor."""
    if memory_format == preserve_format and not the_template.is_contiguous():
        laid = [kept for kept, rank in RANKS.items() if the_template.ndim == rank and the_template.is_contiguous(kept)]
        memory_format = laid[0] if laid else None
    elif memory_format == preserve_format:
        memory_format = None
    return self.resize_(tuple(the_template.shape), memory_format=memory_format)


@method
def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """The tensor itself: memory is pinned for copies to a GPU."""
    return self


@method
def is_pinned(self: Tensor, device: Any = None) -> bool:
    """False: no memory is pinned."""
    return False


@method
def is_shared(self: Tensor) -> bool:
    """Whether the memory is shared among processes."""
    return False


def _false(self: Tensor) -> bool:
    """False: there is no such device or layout here."""
    return False


def _on_the_cpu(self: Tensor) -> bool:
    """Whether it is on the CPU."""
    return self.device.type == "cpu"


def _without_numbers(self: Tensor) -> bool:
    """Whether it has a shape and a dtype, but no numbers."""
    return self.device.type == "meta"


for _name in ("is_mps", "is_xpu", "is_nested", "is_mkldnn", "is_sparse_csr", "is_vulkan", "is_xla", "is_ipu",
              "is_mtia"):  # fmt: skip
    setattr(Tensor, _name, property(_false))
setattr(Tensor, "is_meta", property(_without_numbers))  # noqa: B010
setattr(Tensor, "is_cpu", property(_on_the_cpu))  # noqa: B010 (the type checker knows no such attribute)
