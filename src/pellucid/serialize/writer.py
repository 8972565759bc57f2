"""Writes tensors and plain data as the pickle that ``torch.load`` expects, opcode by opcode.

https://github.com/python/cpython/blob/main/Lib/pickletools.py describes the opcodes; protocol 2, as PyTorch's.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core import Tensor
from ..core import device as device_type
from ..core import dtype as dtype_type
from ..ops.storage import STORAGE_NAMES
from ..types.layouts import strided
from ..types.size import Size
from .memory import Piece, hull, shared_pieces


def pickled(obj: Any) -> tuple[bytes, list[np.ndarray]]:
    """The pickle of ``obj``, and the arrays that it refers to by number."""
    writer = _Writer()
    writer.share(obj)
    writer.write(obj, "")
    return b"\x80\x02" + b"".join(writer.parts) + b".", writer.storages


class _Writer:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.storages: list[np.ndarray] = []
        self.numbers: dict[Any, int] = {}  # what memory is already among the storages
        self.memo: dict[Any, int] = {}  # what was written before, and where the reader keeps it
        self.open: set[int] = set()  # the containers around what is being written
        self.kept: list[Any] = []  # holds what `memo` knows by id alive
        self.shared: dict[int, tuple[Piece, Piece]] = {}  # by id of an array: the memory that it is a part of

    def share(self, obj: Any) -> None:
        """Find what memory the tensors in ``obj`` share: it is stored once, from its first to its last element."""
        arrays = {id(array): array for array in map(_array, _tensors(obj, set()))}
        for pieces in shared_pieces(arrays.values()):
            memory = hull(pieces)
            if memory is not None:
                whole = Piece(min(piece.begin for piece in pieces), max(piece.end for piece in pieces), memory)
                self.shared.update({id(piece.array): (whole, piece) for piece in pieces})

    def emit(self, *parts: bytes) -> None:
        self.parts += parts

    def write(self, value: Any, path: str) -> None:
        """Put ``value`` on the reader's stack."""
        match value:
            case None:
                self.emit(b"N")
            case bool():
                self.emit(b"\x88" if value else b"\x89")
            case int():
                self._integer(int(value))
            case float():
                self.emit(b"G", struct.pack(">d", value))
            case str():
                self._text(value)
            case Tensor() if value.layout is strided:
                self._tensor(value)
            case Size():
                self._call("torch", "Size", lambda: self._tuple([list(value)], path, as_tuple={0}))
            case dict() | list() | tuple():
                self._container(value, path)
            case dtype_type():
                self._global("torch", value.name)
            case device_type():
                self._call("torch", "device", lambda: self._tuple([str(value)], path))
            case np.generic():
                self.write(value.item(), path)
            case _:
                raise TypeError(
                    f"can't save {path or 'the object'}: it is a {type(value).__name__}; tensors, numbers, texts, "
                    "None and dicts, lists and tuples of these can be saved"
                )

    def _integer(self, value: int) -> None:
        if -(2**31) <= value < 2**31:
            self.emit(b"J", struct.pack("<i", value))
        else:
            encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            if len(encoded) > 255:
                raise TypeError(f"can't save an integer of {value.bit_length()} bits")
            self.emit(b"\x8a", bytes([len(encoded)]), encoded)

    def _text(self, value: str) -> None:
        if not self._seen(("text", value)):
            encoded = value.encode("utf-8", "surrogatepass")
            self.emit(b"X", struct.pack("<I", len(encoded)), encoded)
            self._remember(("text", value))

    def _global(self, module: str, name: str) -> None:
        if not self._seen(("global", module, name)):
            self.emit(b"c", f"{module}\n{name}\n".encode())
            self._remember(("global", module, name))

    def _call(self, module: str, name: str, arguments: Any) -> None:
        self._global(module, name)
        arguments()
        self.emit(b"R")

    def _container(self, value: Any, path: str) -> None:
        if self._seen(id(value)):
            return
        if id(value) in self.open:
            raise TypeError(f"can't save {path}: it contains itself")
        self.open.add(id(value))
        if isinstance(value, dict):
            self._dict(value, path)
        elif isinstance(value, list):
            self.emit(b"]", b"(")
            for place, item in enumerate(value):
                self.write(item, _below(path, place))
            self.emit(b"e")
        elif hasattr(value, "_fields"):
            raise TypeError(f"can't save {path or 'the object'}: a {type(value).__name__} is a class of its own; "
                            "write tuple(...) or a dict of it")  # fmt: skip
        else:
            self._tuple(value, path)
        self.open.discard(id(value))
        self._remember(id(value))
        self.kept.append(value)

    def _dict(self, value: dict[Any, Any], path: str) -> None:
        if isinstance(value, OrderedDict):
            self._call("collections", "OrderedDict", lambda: self.emit(b")"))
        else:
            self.emit(b"}")
        self.emit(b"(")
        for key, item in value.items():
            self.write(key, path)
            self.write(item, _below(path, key))
        self.emit(b"u")
        metadata = getattr(value, "_metadata", None)  # a state_dict's versions of its modules
        if metadata is not None:
            self.write({"_metadata": metadata}, f"{path}._metadata")
            self.emit(b"b")

    def _tuple(self, items: Any, path: str, as_tuple: Any = ()) -> None:
        self.emit(b"(")
        for place, item in enumerate(items):
            if place in as_tuple:
                self._tuple(item, path)
            else:
                self.write(item, _below(path, place))
        self.emit(b"t")

    def _tensor(self, tensor: Tensor) -> None:
        if self._seen(id(tensor)):
            return
        array = _array(tensor)
        if id(array) in self.shared:
            whole, piece = self.shared[id(array)]
            key: Any = (whole.begin, array.dtype)
            (offset, strides), shape = piece.within(whole), array.shape
        else:
            # The same memory seen in the same way is stored once: tied weights stay tied.
            key = (array.ctypes.data, array.dtype, array.shape, array.strides)
            whole, offset, shape, strides = None, 0, array.shape, None
        number = self.numbers.get(key)
        if number is None:
            number = self.numbers[key] = len(self.storages)
            self.storages.append(_as_it_lies(array if whole is None else whole.array).copy(order="C"))
        storage = self.storages[number]
        if strides is None:
            kept = array if _as_it_lies(array) is not array else storage
            strides = [step // storage.itemsize for step in kept.strides] if storage.size else tensor.stride()
        parameter = type(tensor).__name__ == "Parameter"
        if parameter:
            self._global("torch._utils", "_rebuild_parameter")
            self.emit(b"(")
        kind = STORAGE_NAMES.get(tensor.dtype.name)  # None: kept as bytes, and the dtype is said
        reference = (kind, number, storage.size if kind else storage.nbytes)
        self._rebuild(tensor, reference, offset, shape, strides, tensor.requires_grad and not parameter)
        if parameter:
            self.emit(b"\x88" if tensor.requires_grad else b"\x89")
            self._call("collections", "OrderedDict", lambda: self.emit(b")"))
            self.emit(b"t", b"R")
        self._remember(id(tensor))
        self.kept.append(tensor)

    def _rebuild(self, tensor: Tensor, reference: Any, offset: int, shape: Any, strides: Any, needs: bool) -> None:
        kind, number, count = reference
        self._global("torch._utils", "_rebuild_tensor_v2" if kind else "_rebuild_tensor_v3")
        self.emit(b"(")
        self.emit(b"(")
        self._text("storage")
        self._global(*(("torch", kind) if kind else ("torch.storage", "UntypedStorage")))
        self._text(str(number))
        self._text("cpu")
        self._integer(count)
        self.emit(b"t", b"Q")
        self._integer(offset)
        self._tuple(shape, "")
        self._tuple(tuple(strides), "")
        self.emit(b"\x88" if needs else b"\x89")
        self._call("collections", "OrderedDict", lambda: self.emit(b")"))
        if not kind:
            self._global("torch", tensor.dtype.name)
        self.emit(b"t", b"R")

    def _seen(self, key: Any) -> bool:
        place = self.memo.get(key)
        if place is None:
            return False
        self.emit(b"j", struct.pack("<I", place))
        return True

    def _remember(self, key: Any) -> None:
        self.memo[key] = len(self.memo)
        self.emit(b"r", struct.pack("<I", self.memo[key]))


def _array(tensor: Tensor) -> np.ndarray:
    """The memory of a tensor on the CPU, the same object at each call."""
    return tensor._array if isinstance(tensor._array, np.ndarray) else tensor.detach().cpu().numpy()


def _as_it_lies(array: np.ndarray) -> np.ndarray:
    """The array with its dimensions in the order of memory, if so its numbers lie one after the other; else itself."""
    if array.flags.c_contiguous or not array.size:
        return array
    turned = array.transpose(sorted(range(array.ndim), key=lambda dim: -array.strides[dim]))
    return turned if turned.flags.c_contiguous else array


def _tensors(value: Any, seen: set[int]) -> Iterator[Tensor]:
    """All tensors in nested containers."""
    if isinstance(value, Tensor):
        if value.layout is strided:
            yield value
    elif isinstance(value, dict | list | tuple) and id(value) not in seen:
        seen.add(id(value))
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item, seen)


def _below(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
