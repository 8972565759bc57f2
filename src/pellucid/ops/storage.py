"""`Tensor.storage()` and `untyped_storage()`: the memory that a tensor, and its views, are parts of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pellucid.backend import Array
from pellucid.core import Tensor, method
from pellucid.core.views import memory_of
from pellucid.errors import with_line
from pellucid.types.devices import CPU
from pellucid.types.dtypes import OF_NUMPY

__all__ = ["TypedStorage", "UntypedStorage"]


class UntypedStorage:
    """The bytes of a tensor's memory, the same for all that share it: `UntypedStorage(8)` are eight new ones."""

    device, is_cuda = CPU, False

    def __init__(self, size: int = 0) -> None:
        self.memory: Array = np.zeros(size, np.uint8)

    @classmethod
    def of(cls, array: Array) -> UntypedStorage:
        """The storage that an array is a part of."""
        made = cls()
        root = memory_of(array)
        made.memory = np.lib.stride_tricks.as_strided(root, (root.size,), (root.itemsize,))
        return made

    def data_ptr(self) -> int:
        """Address of the first byte."""
        return int(self.memory.ctypes.data)

    def nbytes(self) -> int:
        """How many bytes there are."""
        return int(self.memory.nbytes)

    def size(self) -> int:
        """How many bytes there are."""
        return self.nbytes()

    def __len__(self) -> int:
        return self.nbytes()

    def __getitem__(self, index: int) -> int:
        return int(self.memory.view(np.uint8)[index])

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return list(self.memory.view(np.uint8).tolist())

    def element_size(self) -> int:
        """One byte."""
        return 1

    def is_shared(self) -> bool:
        """Whether other processes see it."""
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self.data_ptr() == other.data_ptr()

    def __hash__(self) -> int:
        return hash(self.data_ptr())

    def __repr__(self) -> str:
        rows = "\n".join(f" {number}" for number in self.tolist())
        return f"{rows}\n[torch.storage.UntypedStorage(device=cpu) of size {self.nbytes()}]"


class TypedStorage:
    """The memory of a tensor as numbers of its dtype, in a row; a change of one is seen by all that share it."""

    device, is_cuda = CPU, False

    def __init__(self, memory: Array) -> None:
        self.memory = memory

    @property
    def dtype(self) -> Any:
        """The type of the numbers."""
        return OF_NUMPY[self.memory.dtype]

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage.of(self.memory)

    def data_ptr(self) -> int:
        """Address of the first number."""
        return int(self.memory.ctypes.data)

    def size(self) -> int:
        """How many numbers there are."""
        return int(self.memory.size)

    def nbytes(self) -> int:
        """How many bytes they take."""
        return int(self.memory.nbytes)

    def element_size(self) -> int:
        """How many bytes a number takes."""
        return int(self.memory.itemsize)

    def tolist(self) -> list[Any]:
        """The numbers as a list."""
        return list(self.memory.tolist())

    def __len__(self) -> int:
        return self.size()

    def __getitem__(self, index: Any) -> Any:
        found = self.memory[index]
        return TypedStorage(found) if isinstance(index, slice) else found.item()

    def __setitem__(self, index: Any, value: Any) -> None:
        self.memory[index] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __repr__(self) -> str:
        rows = "\n".join(f" {number}" for number in self.tolist())
        return f"{rows}\n[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {self.size()}]"


@method
def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes of the memory that this tensor is a part of.

    >>> import pellucid
    >>> x = pellucid.ones(2, 3)
    >>> x.untyped_storage().data_ptr() == x[1].untyped_storage().data_ptr(), x[1].untyped_storage().nbytes()
    (True, 24)
    """
    return UntypedStorage.of(self._array)


@method
def storage(self: Tensor) -> TypedStorage:
    """The numbers of the memory that this tensor is a part of, in a row.

    >>> import pellucid
    >>> list(pellucid.tensor([[1, 2], [3, 4]]).t().storage())
    [1, 2, 3, 4]
    """
    return TypedStorage(UntypedStorage.of(self._array).memory)


@method
def storage_type(self: Tensor) -> type[TypedStorage]:
    """The class of `storage()`."""
    return TypedStorage


@method
def set_(self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor:
    """Make this tensor a part of other memory: of another tensor's, or of a storage by offset, size and strides.

    Raises:
        RuntimeError: the part would reach beyond the storage.
    """
    if source is None:
        self._array = np.zeros(0, self._array.dtype)
        return self
    if isinstance(source, Tensor) and size is None:
        self._array, self._counter = source._array, source._counter
        return self
    memory: Array = source.untyped_storage().memory if isinstance(source, Tensor) else source.memory
    flat = memory if memory.dtype == self._array.dtype else memory.view(self._array.dtype)
    lengths: tuple[int, ...] = tuple(size) if size is not None else (flat.size - storage_offset,)
    if stride is None:
        stride = tuple(int(np.prod(lengths[place + 1 :])) for place in range(len(lengths)))
    reach = storage_offset + 1 + sum((length - 1) * step for length, step in zip(lengths, stride, strict=True))
    if 0 not in lengths and reach > flat.size:
        raise RuntimeError(
            with_line(
                f"setStorage: sizes {list(lengths)}, strides {list(stride)}, storage offset {storage_offset}, and "
                f"itemsize {flat.itemsize} requiring a storage size of {reach * flat.itemsize} are out of bounds for "
                f"storage of size {flat.nbytes}"
            )
        )
    steps = [step * flat.itemsize for step in stride]
    self._array = np.lib.stride_tricks.as_strided(flat[storage_offset:], lengths, steps)
    return self


@method
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether two tensors are the same part of the same memory, with the same sizes and strides."""
    mine, other = self._array, tensor._array
    same = mine.ctypes.data == other.ctypes.data and mine.dtype == other.dtype
    return bool(same and mine.shape == other.shape and mine.strides == other.strides)
