"""`Tensor.storage()` and `untyped_storage()`: the memory that a tensor, and its views, are parts of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pellucid.backend import Array
from pellucid.core import Tensor, method
from pellucid.core.tensor import wrap
from pellucid.core.views import memory_of
from pellucid.errors import with_line
from pellucid.types.devices import CPU
from pellucid.types.dtypes import OF_NUMPY, float32, float64, int64

__all__ = ["TypedStorage", "UntypedStorage"]

STORAGE_NAMES = {
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
    "int8": "CharStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
"""By dtype, the older names of the kinds of storage."""


class UntypedStorage:
    """The bytes of a tensor's memory, the same for all that share it: `UntypedStorage(8)` are eight new ones."""

    device, is_cuda, is_sparse, filename = CPU, False, False, None

    def __init__(self, size: Any = 0, *, device: Any = None) -> None:
        self.memory: Array = np.zeros(size, np.uint8) if isinstance(size, int) else np.array(size, np.uint8)

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

    def __getitem__(self, index: Any) -> Any:
        found = self.memory.view(np.uint8)[index]
        if not isinstance(index, slice):
            return int(found)
        part = UntypedStorage()
        part.memory = found
        return part

    def __setitem__(self, index: Any, value: int) -> None:
        self.memory.view(np.uint8)[index] = value

    def fill_(self, value: int) -> UntypedStorage:
        """Make each byte `value`."""
        self.memory.view(np.uint8)[:] = value
        return self

    def copy_(self, source: UntypedStorage, non_blocking: bool = False) -> UntypedStorage:
        """Overwrite the bytes with those of another storage of the same length."""
        self.memory.view(np.uint8)[:] = source.memory.view(np.uint8)
        return self

    def clone(self) -> UntypedStorage:
        """The same bytes in memory of their own."""
        return UntypedStorage(self.memory.view(np.uint8))

    def cpu(self) -> UntypedStorage:
        """The storage itself."""
        return self

    def type(self) -> str:
        """The name of the class."""
        return "torch.storage.UntypedStorage"

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
    """The memory of a tensor as numbers of one dtype, in a row; a change of one is seen by all that share it.

    Args:
        *args: how many numbers, or the numbers; none for none.
        dtype: their type, float32 by default.
        wrap_storage: the bytes that they are, in place of memory of their own.

    >>> TypedStorage([1, 2]).tolist()
    [1.0, 2.0]
    """

    device, is_cuda, is_sparse = CPU, False, False

    def __init__(self, *args: Any, dtype: Any = None, device: Any = None, wrap_storage: Any = None) -> None:
        kind = (dtype or float32).numpy
        if wrap_storage is not None:
            self.memory: Array = wrap_storage.memory.view(kind)
        elif args and not isinstance(args[0], int):
            self.memory = np.array(list(args[0]), kind)
        else:
            self.memory = np.zeros(args or (0,), kind)

    @classmethod
    def of(cls, memory: Array) -> TypedStorage:
        """The storage that this memory is."""
        made = TypedStorage()
        made.memory = memory
        return made

    @property
    def dtype(self) -> Any:
        """The type of the numbers."""
        return OF_NUMPY[self.memory.dtype]

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return UntypedStorage.of(self.memory)

    @property
    def _untyped_storage(self) -> UntypedStorage:
        return self.untyped()

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
        numbers: Any = wrap(self.memory)
        return list(numbers.tolist())

    def __len__(self) -> int:
        return self.size()

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            raise RuntimeError(with_line(
                "slices are only supported in UntypedStorage.__getitem__; write storage.untyped()[…], or tolist()[…]"
            ))  # fmt: skip
        return TypedStorage.of(self.memory[index : index + 1 or None]).tolist()[0]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.memory[index] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def fill_(self, value: Any) -> TypedStorage:
        """Make each number `value`."""
        self.memory[:] = value
        return self

    def copy_(self, source: TypedStorage, non_blocking: bool = False) -> TypedStorage:
        """Overwrite the numbers with those of another storage of the same length."""
        self.memory[:] = source.memory
        return self

    def resize_(self, size: int) -> None:
        """Take as many numbers, in memory of its own: the first stay."""
        self.memory = np.resize(self.memory, size) if self.memory.size else np.zeros(size, self.memory.dtype)

    def clone(self) -> TypedStorage:
        """The same numbers in memory of their own."""
        return TypedStorage.of(self.memory.copy())

    def cpu(self) -> TypedStorage:
        """The storage itself."""
        return self

    def is_shared(self) -> bool:
        """Whether other processes see it."""
        return False

    def type(self) -> str:
        """The older name of its kind: `torch.FloatStorage`."""
        return f"torch.{self.pickle_storage_type()}"

    def pickle_storage_type(self) -> str:
        """The name of its kind in a file: `FloatStorage`."""
        return STORAGE_NAMES[self.dtype.name]

    def to(self, dtype: Any) -> TypedStorage:
        """The numbers as another type, in memory of their own where that is a change."""
        return self if dtype is self.dtype else TypedStorage.of(self.memory.astype(dtype.numpy))

    def float(self) -> TypedStorage:
        """The numbers as float32."""
        return self.to(float32)

    def double(self) -> TypedStorage:
        """The numbers as float64."""
        return self.to(float64)

    def long(self) -> TypedStorage:
        """The numbers as int64."""
        return self.to(int64)

    def __repr__(self) -> str:
        rows = "\n".join(f" {number}" for number in self.tolist())
        return f"{rows}\n[torch.storage.TypedStorage(dtype={self.dtype}, device=cpu) of size {self.size()}]"


class StorageType(type):
    """The type of `FloatStorage` and its like: storages of a dtype are instances of it, and calling it makes one."""

    dtype: Any

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, TypedStorage) and instance.dtype is cls.dtype

    def __call__(cls, *args: Any, **given: Any) -> TypedStorage:
        """A storage of this dtype; see `TypedStorage`."""
        return TypedStorage(*args, dtype=cls.dtype, **given)


def _of(name: str) -> StorageType:
    dtype = next(kind for kind in OF_NUMPY.values() if STORAGE_NAMES.get(kind.name) == name)
    made = StorageType(name, (), {"__module__": "torch", "__doc__": f"Storages of {dtype.name}."})
    made.dtype = dtype
    return made


FloatStorage, DoubleStorage, HalfStorage = _of("FloatStorage"), _of("DoubleStorage"), _of("HalfStorage")
BFloat16Storage, BoolStorage = _of("BFloat16Storage"), _of("BoolStorage")
LongStorage, IntStorage, ShortStorage = _of("LongStorage"), _of("IntStorage"), _of("ShortStorage")
CharStorage, ByteStorage = _of("CharStorage"), _of("ByteStorage")
ComplexFloatStorage, ComplexDoubleStorage = _of("ComplexFloatStorage"), _of("ComplexDoubleStorage")


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
    return TypedStorage.of(UntypedStorage.of(self._array).memory)


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
