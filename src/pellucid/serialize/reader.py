"""Reads the pickle inside a file of PyTorch's format, and only what such a file of tensors and plain data holds.

A pickle is a program for a small stack machine: it may name any function and have it called. This is such a machine,
with the few instructions that PyTorch's files need. A name is looked up in the table below and nowhere else, and only
what is there can be called, so nothing that is loaded executes code or changes an object that was here before.
"""

from __future__ import annotations

import _compat_pickle
import pickletools
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

import numpy as np

from ..core import device as device_type
from ..ops.storage import STORAGE_NAMES, TypedStorage
from ..types.dtypes import ALL, WIDE_UNSIGNED
from ..types.size import Size
from . import allowed, rebuilt

Storage = Callable[[str, np.dtype[Any], int], np.ndarray]

_DTYPES = {dtype.name: dtype for dtype in (*ALL, *WIDE_UNSIGNED)}


class _StorageType:
    """In the place of ``torch.FloatStorage`` and its like: a dtype."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype


class _Callable:
    """In the place of a function that a file may call. Nothing else can be called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


class _Allowed(_Callable):
    """A class or function that the program itself has allowed (`add_safe_globals`)."""


def _restore(made: Any, state: Any) -> None:
    """Give an object its state, as unpickling does."""
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
        return
    plain, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if plain:
        made.__dict__.update(plain)
    for name, value in (slots or {}).items():
        setattr(made, name, value)


def _device(*args: Any) -> Any:
    return device_type(":".join(str(arg) for arg in args))


def _encoded(text: Any, encoding: Any = "utf-8") -> bytes:
    """Bytes, which a pickle of protocol 2 has as text."""
    if not isinstance(text, str) or encoding not in ("latin1", "utf-8"):
        raise UnpicklingError("bytes are not written as text")
    return text.encode(encoding)


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Callable(OrderedDict),
    ("collections", "Counter"): _Callable(Counter),
    ("builtins", "set"): _Callable(set),
    ("builtins", "complex"): _Callable(complex),
    ("builtins", "bytearray"): _Callable(bytearray),
    ("_codecs", "encode"): _Callable(_encoded),
    ("torch._utils", "_rebuild_tensor"): _Callable(rebuilt.tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Callable(rebuilt.tensor_v2),
    ("torch._utils", "_rebuild_tensor_v3"): _Callable(rebuilt.tensor_v3),
    ("torch._utils", "_rebuild_parameter"): _Callable(rebuilt.parameter),
    ("torch._utils", "_rebuild_sparse_tensor"): _Callable(rebuilt.sparse),
    ("torch.serialization", "_get_layout"): _Callable(rebuilt.layout),
    ("torch", "Size"): _Callable(Size),
    ("torch", "device"): _Callable(_device),
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
    **{("torch", storage): _StorageType(_DTYPES[name].numpy) for name, storage in STORAGE_NAMES.items()},
    ("torch.storage", "UntypedStorage"): _StorageType(np.dtype(np.uint8)),
}


_MARK = object()
_CONSTANTS = {b"N": None, b"\x88": True, b"\x89": False}
_EMPTY = {b"}": dict, b"]": list, b")": tuple}
_NUMBERS = {b"K": "<B", b"M": "<H", b"J": "<i", b"G": ">d"}
_TEXTS = {b"X": "<I", b"\x8c": "<B", b"\x8d": "<Q"}  # by the format of the length
_PUT = {b"q": "<B", b"r": "<I"}
_GET = {b"h": "<B", b"j": "<I"}
_SHORT_TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}


class _Machine:
    """Runs one pickle (https://github.com/python/cpython/blob/main/Lib/pickletools.py describes the instructions)."""

    def __init__(self, stream: bytes, storage: Storage, source: str) -> None:
        self.stream, self.place = stream, 0
        self.storage, self.source = storage, source
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.loaded: dict[tuple[str, _StorageType], TypedStorage] = {}
        self.made: list[Any] = []  # what the classes and functions made that the program has allowed

    def run(self) -> Any:
        """Run to the end, and return what is left on the stack."""
        while True:
            code = self.take(1)
            if code == b".":
                (result,) = self.stack
                return result
            self.do(code)

    def do(self, code: bytes) -> None:
        """One instruction."""
        stack = self.stack
        if code in _CONSTANTS:
            stack.append(_CONSTANTS[code])
        elif code in _EMPTY:
            stack.append(_EMPTY[code]())
        elif code in _NUMBERS:
            stack.append(self.number(_NUMBERS[code]))
        elif code in _TEXTS:
            stack.append(self.take(self.number(_TEXTS[code])).decode("utf-8", "surrogatepass"))
        elif code in _PUT:
            self.memo[self.number(_PUT[code])] = stack[-1]
        elif code in _GET:
            stack.append(self.memo[self.number(_GET[code])])
        elif code in _SHORT_TUPLES:
            count = _SHORT_TUPLES[code]
            stack[-count:] = [tuple(stack[-count:])]
        elif code == b"(":
            stack.append(_MARK)
        elif code == b"t":
            stack.append(tuple(self.since_mark()))
        elif code == b"u":
            items = self.since_mark()
            self.top(dict).update(zip(items[::2], items[1::2], strict=True))
        elif code == b"s":
            value, key = stack.pop(), stack.pop()
            self.top(dict)[key] = value
        elif code == b"e":
            items = self.since_mark()
            self.top(list).extend(items)
        elif code == b"a":
            item = stack.pop()
            self.top(list).append(item)
        elif code == b"\x8a":  # an integer, after the number of its bytes
            stack.append(int.from_bytes(self.take(self.number("<B")), "little", signed=True))
        elif code == b"c":
            stack.append(self.named(self.line(), self.line()))
        elif code == b"\x93":  # a name from the stack
            name, module = stack.pop(), stack.pop()
            stack.append(self.named(module, name))
        elif code == b"R":
            self.call()
        elif code == b"\x81":
            self.make()
        elif code == b"b":
            self.set_state()
        elif code == b"Q":
            stack.append(self.stored(stack.pop()))
        elif code == b"\x94":
            self.memo[len(self.memo)] = stack[-1]
        elif code == b"\x80":
            self.take(1)  # the protocol
        elif code == b"\x95":
            self.take(8)  # the length of a frame
        else:
            raise UnpicklingError(
                f"{self.source} has the pickle instruction {code!r}, which files of tensors and plain data do not need"
            )

    def take(self, count: int) -> bytes:
        """The next bytes."""
        taken = self.stream[self.place : self.place + count]
        if len(taken) != count:
            raise RuntimeError(f"{self.source}: its index ends too early")
        self.place += count
        return taken

    def number(self, format: str) -> Any:
        """The next number."""
        return struct.unpack(format, self.take(struct.calcsize(format)))[0]

    def line(self) -> str:
        """The next line of text."""
        end = self.stream.index(b"\n", self.place)
        return self.take(end + 1 - self.place)[:-1].decode()

    def since_mark(self) -> list[Any]:
        """Take what was put on the stack since the last mark, and the mark."""
        mark = len(self.stack) - 1
        while self.stack[mark] is not _MARK:
            mark -= 1
        items = self.stack[mark + 1 :]
        del self.stack[mark:]
        return items

    def top(self, kind: type) -> Any:
        """The container on top of the stack."""
        if not isinstance(self.stack[-1], kind):
            raise UnpicklingError(f"{self.source} puts an item into a {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    def named(self, module: str, name: str) -> Any:
        """What a name means, if it is a known one."""
        module, name = _today(module, name)
        found = _KNOWN.get((module, name))
        if found is None:
            own = allowed.find(module, name)
            found = None if own is None else _Allowed(own)
        if found is None:
            raise UnpicklingError(
                f"{self.source} asks for {self.wanted(module, name)}, which is neither a tensor nor plain data; it was "
                "refused and nothing was executed. If you trust whoever wrote the file, write "
                "torch.load(…, weights_only=False), which runs what it asks for, or allow those names with "
                "torch.serialization.add_safe_globals([…])"
            )
        return found

    def wanted(self, module: str, name: str) -> str:
        """The name that was met, and all others in the file that are as unknown."""
        try:
            others = [found for found in wanted(self.stream) if found != f"{module}.{name}"]
        except ValueError:  # what follows is damaged
            others = []
        return ", ".join([f"{module}.{name}", *others])

    def call(self) -> None:
        """Call a known function."""
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, _Callable) or not isinstance(arguments, tuple):
            raise UnpicklingError(f"{self.source} calls a {type(called).__name__}; it was refused")
        arguments = tuple(found.function if isinstance(found, _Allowed) else found for found in arguments)
        self.stack.append(self.own(called, called.function(*arguments)))

    def make(self) -> None:
        """Make an object of a class that the program has allowed."""
        arguments, kind = self.stack.pop(), self.stack.pop()
        if not isinstance(kind, _Allowed) or not isinstance(arguments, tuple):
            raise UnpicklingError(
                f"{self.source} makes an object of a {type(kind).__name__}, which it may not; it was refused"
            )
        make: Any = kind.function.__new__
        self.stack.append(self.own(kind, make(kind.function, *arguments)))

    def own(self, maker: _Callable, made: Any) -> Any:
        """What was made; where the program allowed its maker, its state may be set, too."""
        if isinstance(maker, _Allowed):
            self.made.append(made)
        return made

    def set_state(self) -> None:
        """The attributes of an object: a state_dict has one, ``_metadata``; else only what the program has allowed."""
        state = self.stack.pop()
        if any(self.stack[-1] is made for made in self.made):
            _restore(self.stack[-1], state)
            return
        if not isinstance(self.stack[-1], OrderedDict) or not isinstance(state, dict):
            raise UnpicklingError(f"{self.source} sets attributes of a {type(self.stack[-1]).__name__}; it was refused")
        if isinstance(state.get("_metadata"), dict):
            self.stack[-1]._metadata = state["_metadata"]  # type: ignore[attr-defined]

    def stored(self, reference: Any) -> TypedStorage:
        """The storage that a reference means."""
        match reference:
            case (
                ("storage", _StorageType() as kind, str() as key, str(), int() as count)
                | ("storage", _StorageType() as kind, str() as key, str(), int() as count, None)  # of an older file
            ):
                found = self.loaded.get((key, kind))
                if found is None:
                    found = self.loaded[key, kind] = TypedStorage.of(self.storage(key, kind.dtype, count))
                return found
        raise UnpicklingError(f"{self.source} refers to a storage in an unknown way: {reference!r}")


def known(module: str, name: str) -> Any:
    """The function, dtype or kind of storage that a name of PyTorch's means in a file of tensors; None for others."""
    found = _KNOWN.get((module, name))
    return found.function if isinstance(found, _Callable) else found


def storages(storage: Storage, source: str) -> Callable[[Any], TypedStorage]:
    """The function from a reference in a pickle to the storage that it means."""
    return _Machine(b"", storage, source).stored


def _today(module: str, name: str) -> tuple[str, str]:
    """Python 3's name for one that protocol 2 writes as Python 2's."""
    module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def wanted(stream: bytes) -> list[str]:
    """All names that a pickle asks for and that are not known, found without running it."""
    texts: list[str] = []
    found: list[str] = []
    for code, argument, _ in pickletools.genops(stream):
        if code.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
        elif code.name == "STACK_GLOBAL" and len(texts) >= 2:
            module, name = texts[-2:]
        else:
            if isinstance(argument, str):
                texts.append(argument)
            continue
        module, name = _today(module, name)
        if (module, name) not in _KNOWN and f"{module}.{name}" not in found:
            found.append(f"{module}.{name}")
    return found


def unpickled(stream: bytes, storage: Storage, source: str) -> Any:
    """What the pickle ``stream`` says, with its storages from ``storage(key, dtype, count)``."""
    machine = _Machine(stream, storage, source)
    try:
        found = machine.run()
    except UnpicklingError as error:
        raise error if source in str(error) else UnpicklingError(f"{source}: {error}") from None
    except Exception as error:
        if type(error) is RuntimeError and source in str(error):
            raise
        raise RuntimeError(f"{source}: its index is damaged ({type(error).__name__}: {error})") from error
    return found
