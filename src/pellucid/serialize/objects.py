"""Whole objects in PyTorch's format: modules, arrays, and objects of the program's own classes, by Python's pickle.

Writing does what ``torch.save`` does: tensors are stored apart, and a class of pellucid's that is one of PyTorch's goes
by PyTorch's name, so that PyTorch finds its own. Reading unpickles, which can call whatever the file names: it is done
only where the program says ``weights_only=False``.
"""

from __future__ import annotations

import importlib
import io
import pickle
import sys
from collections import OrderedDict
from types import FunctionType
from typing import Any, ClassVar

import numpy as np

from .. import torch_names
from ..core import Tensor
from ..core import device as device_type
from ..core import dtype as dtype_type
from ..ops.storage import STORAGE_NAMES, TypedStorage, UntypedStorage
from ..types import layouts
from ..types.size import Size
from . import reader

__all__ = ["Raised", "pickled", "unpickled"]


class _Named:
    """A name of PyTorch's that is written in the place of an object."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Reference(tuple[Any, ...]):
    """What says which storage is meant."""


def pickled(obj: Any) -> tuple[bytes, list[np.ndarray]]:
    """The pickle of ``obj``, and the arrays that it refers to by number."""
    stream = io.BytesIO()
    pickler = _Pickler(stream)
    pickler.dump(obj)
    return stream.getvalue(), pickler.storages


_InPython: Any = pickle._Pickler  # its `save_global` can be another


class _Pickler(_InPython):
    """Writes tensors as ``torch.save`` does, and PyTorch's names in the place of pellucid's."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, 2)
        self.storages: list[np.ndarray] = []
        self.numbers: dict[tuple[Any, ...], int] = {}
        self.kept: list[Any] = []

    def persistent_id(self, obj: Any) -> Any:
        """The reference to a storage goes beside the pickle's objects."""
        if isinstance(obj, TypedStorage | UntypedStorage):
            memory = obj.memory
            name = obj.pickle_storage_type() if isinstance(obj, TypedStorage) else None
            return self._reference(memory, name, memory.size if name else memory.nbytes)
        return tuple(obj) if type(obj) is _Reference else None

    def reducer_override(self, obj: Any) -> Any:
        """How an object is made again."""
        parts = _sparse_parts(obj)
        if parts is not None:
            return _Named("torch._utils", "_rebuild_sparse_tensor"), parts
        if isinstance(obj, Tensor):
            return self._tensor(obj)
        if isinstance(obj, dtype_type):
            return obj.name
        if isinstance(obj, device_type):
            return _Named("torch", "device"), (str(obj),)
        if isinstance(obj, Size):
            return _Named("torch", "Size"), (tuple(obj),)
        if isinstance(obj, layouts.layout) and type(obj) is layouts.layout:
            return _Named("torch.serialization", "_get_layout"), (repr(obj),)
        return NotImplemented

    def _reference(self, root: np.ndarray, name: str | None, count: int) -> tuple[Any, ...]:
        """What says which storage `root` is in the file: once for all that lies in it; as bytes without a name."""
        key = (root.ctypes.data, root.size, root.dtype)
        if key not in self.numbers:
            self.numbers[key] = len(self.storages)
            self.storages.append(root.reshape(-1))
        kind = _Named("torch", name) if name else _Named("torch.storage", "UntypedStorage")
        return "storage", kind, str(self.numbers[key]), "cpu", count

    def _tensor(self, tensor: Tensor) -> Any:
        array = tensor._array if isinstance(tensor._array, np.ndarray) else tensor.detach().cpu().numpy()
        root: np.ndarray = array
        while type(root.base) is np.ndarray and root.base.dtype == array.dtype:
            root = root.base
        whole = root.flags.c_contiguous and min(array.strides, default=0) >= 0 and array.size
        if not whole:
            array = root = np.ascontiguousarray(array)
        self.kept += [root, tensor]
        size, name = array.itemsize, STORAGE_NAMES.get(tensor.dtype.name)
        storage = _Reference(self._reference(root, name, root.size if name else root.nbytes))
        offset = (array.ctypes.data - root.ctypes.data) // size if array.size else 0
        strides = tuple(stride // size for stride in array.strides) if array.size else tuple(tensor.stride())
        parameter = type(tensor).__name__ == "Parameter"
        needs = bool(tensor.requires_grad) and not parameter
        made: tuple[Any, ...] = (storage, offset, tuple(array.shape), strides, needs, OrderedDict())
        if not name:
            made = (*made, tensor.dtype)
        rebuild = _Named("torch._utils", "_rebuild_tensor_v2" if name else "_rebuild_tensor_v3")
        if not parameter:
            return rebuild, made
        data = _Made(rebuild, made)
        return _Named("torch._utils", "_rebuild_parameter"), (data, bool(tensor.requires_grad), OrderedDict())

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        """Write an object; a name of PyTorch's as it is."""
        if type(obj) is _Named:
            self.write(b"c" + f"{obj.module}\n{obj.name}\n".encode())
        elif type(obj) is _Made:
            self.save_reduce(obj.function, obj.arguments)
        else:
            super().save(obj, save_persistent_id)

    def save_reduce(self, func: Any, args: Any, *more: Any, **options: Any) -> None:
        """Write the call that makes an object."""
        if type(func) is _Named:
            self.save(func)
            self.save(args)
            self.write(b"R")
            if options.get("obj") is not None:
                self.memoize(options["obj"])
            return
        super().save_reduce(func, args, *more, **options)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write the name of a class or function: PyTorch's, where it is one of its."""
        found = ("torch", obj.name) if isinstance(obj, dtype_type) else _name_in_torch(obj)
        if found is None:
            super().save_global(obj, name)
            return
        self.write(b"c" + f"{found[0]}\n{found[1]}\n".encode())
        self.memoize(obj)

    dispatch: ClassVar[dict[Any, Any]] = {**_InPython.dispatch, FunctionType: save_global}


def _sparse_parts(obj: Any) -> Any:
    """The layout and the parts of a sparse tensor, as PyTorch has them; None for another object."""
    room = sys.modules.get("pellucid.sparse")
    if room is None:
        return None
    if isinstance(obj, room.SparseTensor):
        return obj.layout, (obj._indices(), obj._values(), obj.shape, obj.is_coalesced())
    if isinstance(obj, room.CompressedTensor):
        return obj.layout, (obj.crow_indices(), obj.col_indices(), obj.values(), obj.shape)
    return None


class _Made:
    """An object that is made by a call."""

    def __init__(self, function: _Named, arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments = function, arguments


def _name_in_torch(obj: Any) -> tuple[str, str] | None:
    """Where PyTorch has a class or function of pellucid's: ``("torch.nn", "Linear")``."""
    module = getattr(obj, "__module__", None) or ""
    if module.split(".")[0] not in ("pellucid", "torch"):  # in a program that is run as PyTorch's they say `torch`
        return None
    for where, names in sorted(torch_names.known().names.items(), key=lambda item: len(item[0])):
        there = sys.modules.get(where.replace("torch", "pellucid", 1))
        if obj.__name__ in names and there is not None and vars(there).get(obj.__name__) is obj:
            return where, obj.__name__
    return None


# Reading -------------------------------------------------------------------------------------------------------------


class _Unpickler(pickle.Unpickler):
    """Unpickles, with pellucid's in the place of PyTorch's."""

    def __init__(self, stream: bytes, storage: reader.Storage, source: str) -> None:
        super().__init__(io.BytesIO(stream), encoding="utf-8")
        self.stored = reader.storages(storage, source)

    def persistent_load(self, pid: Any) -> Any:
        """What a reference means: a storage, or, in an older file, a class beside its source."""
        return pid[1] if pid[0] == "module" else self.stored(pid)

    def find_class(self, module: str, name: str) -> Any:
        """What a name means."""
        found = reader.known(module, name)
        if found is not None:
            return found
        if module.split(".")[0] == "torch":
            return _answer(module, name)
        return super().find_class(module, name)


def _answer(module: str, name: str) -> Any:
    """pellucid's class or function for one of PyTorch's: in the module of the same name, or around it."""
    parts = ["pellucid", *module.split(".")[1:]]
    while parts:
        try:
            there = importlib.import_module(".".join(parts))
        except ModuleNotFoundError:
            there = None
        found = there
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
        parts.pop()
    raise pickle.UnpicklingError(torch_names.message(module, name, ()))


def unpickled(stream: bytes, storage: reader.Storage, source: str) -> Any:
    """What the pickle says; whatever it names is imported and called."""
    try:
        return _Unpickler(stream, storage, source).load()
    except Exception as error:
        raise Raised(error) from error


class Raised(Exception):
    """An error of what a file runs, as opposed to one of the file."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause
