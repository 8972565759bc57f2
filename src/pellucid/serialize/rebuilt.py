"""What the functions of PyTorch's that a file calls make of a storage: tensors, parameters, sparse tensors."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ..core import Tensor
from ..core import dtype as dtype_type
from ..core.tensor import wrap
from ..ops.storage import TypedStorage
from ..types import layouts

unfilled: dict[int, list[Callable[[], None]]] = {}
"""By id of a storage whose numbers come later in the file: what is to be done once they are there."""


def _memory(storage: Any) -> np.ndarray:
    """The numbers of a storage."""
    if not isinstance(storage, TypedStorage):
        raise UnpicklingError("a tensor refers to something that is not a storage")
    return storage.memory


def tensor(storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
    """A tensor over part of a storage; sizes that reach beyond it are refused."""
    storage = _memory(storage)
    if len(size) != len(stride) or not all(type(n) is int and n >= 0 for n in (offset, *size, *stride)):
        raise UnpicklingError(f"a tensor has impossible sizes: {offset=}, {size=}, {stride=}")
    strides = tuple(step * storage.itemsize for step in stride)
    if 0 in size:
        return wrap(np.lib.stride_tricks.as_strided(storage[:0], size, strides))
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= storage.size:
        raise UnpicklingError(f"a tensor of size {tuple(size)} reaches beyond its storage of {storage.size}")
    return wrap(np.lib.stride_tricks.as_strided(storage[offset:], size, strides))


def tensor_v2(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any = None, metadata: Any = None
) -> Tensor:
    """A tensor over part of a storage, with what PyTorch only notes: that it is a conjugate, or negative."""
    made = tensor(storage, offset, size, stride)
    if isinstance(metadata, dict) and (metadata.get("conj") or metadata.get("neg")):

        def work_out() -> None:
            array = np.conj(made._array) if metadata.get("conj") else made._array
            made._array = -array if metadata.get("neg") else array

        if id(storage.memory) in unfilled:
            unfilled[id(storage.memory)].append(work_out)
        else:
            work_out()
    return made.requires_grad_() if requires_grad else made


def tensor_v3(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, dtype: Any, metadata: Any = None
) -> Tensor:
    """A tensor over part of a storage of bytes: of a dtype for which PyTorch has no kind of storage, such as uint16."""
    if not isinstance(dtype, dtype_type):
        raise UnpicklingError("a tensor refers to a storage, and has no dtype")
    numbers = TypedStorage.of(_memory(storage).view(dtype.numpy))
    return tensor_v2(numbers, offset, size, stride, requires_grad, hooks, metadata)


def parameter(data: Any, requires_grad: Any, hooks: Any = None) -> Tensor:
    """A parameter with the memory of a tensor."""
    if not isinstance(data, Tensor):
        raise UnpicklingError("a parameter refers to something that is not a tensor")
    made: Tensor = importlib.import_module("pellucid.nn").Parameter(data, bool(requires_grad))
    return made


def layout(name: Any) -> layouts.layout:
    """A layout by its name, `torch.sparse_coo`."""
    return layouts.layout(str(name).removeprefix("torch."))


def sparse(kind: Any, data: Any) -> Any:
    """A sparse tensor of its parts; they are checked, unless their numbers come later in the file."""
    room = importlib.import_module("pellucid.sparse")
    match data:
        case (Tensor() as at, Tensor() as values, size, *coalesced) if kind == layouts.sparse_coo:
            if unfilled:
                return room.SparseTensor(at, values, size, bool(coalesced and coalesced[0]))
            return room.sparse_coo_tensor(at, values, size, is_coalesced=bool(coalesced and coalesced[0]))
        case (Tensor() as rows, Tensor() as columns, Tensor() as values, size) if kind == layouts.sparse_csr:
            return (room.CompressedTensor if unfilled else room.sparse_csr_tensor)(rows, columns, values, size)
    raise UnpicklingError(f"a sparse tensor has the layout {kind!s}, or parts that do not fit it")
