"""How Python calls machine code: as a builtin function, in a tenth of the time that ctypes takes.

Beside each kernel there is a second function, its caller, in the form of CPython's C interface. It takes the arguments
as objects, asks each for its number, or an array for the address of its first one, and calls the kernel without the
GIL. What it needs of Python (functions of the interface, the type of arrays) is in a table that it is handed each time,
so that the code can be kept on disk. Where objects are not as CPython has them, ctypes calls the kernel.

The interface is in https://docs.python.org/3/c-api: METH_FASTCALL is the form, PyCFunction the builtin function.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pellucid.backend import Array

_ndarray = np.ndarray
_POINTER = ctypes.sizeof(ctypes.c_void_p)
_pointer = ctypes.c_size_t.from_address

_TYPE = object.__basicsize__ - _POINTER  # where an object has its type
_DATA = object.__basicsize__  # an array begins as each object does, and then comes the address (PyArrayObject)
_CONTENT = bytes.__basicsize__ - 1  # where bytes are


def _asked(array: Array) -> int:
    """Where an array's first number is, as NumPy says it."""
    return array.__array_interface__["data"][0]


def _looked_up(array: Array) -> int:
    """The same, read where NumPy's C interface has it, in a tenth of the time."""
    return _pointer(id(array) + _DATA).value


def _is_known() -> bool:
    """Whether objects are as they are described here."""
    if sys.implementation.name != "cpython" or object.__basicsize__ != 2 * _POINTER:
        return False
    for array in (np.zeros(3), np.zeros((2, 2), np.float32)[1:], np.zeros(0)):
        if _looked_up(array) != _asked(array) or _pointer(id(array) + _TYPE).value != id(_ndarray):
            return False
    return True


_KNOWN = _is_known()
address = _looked_up if _KNOWN else _asked

_FUNCTIONS = {
    "integer": "PyLong_AsLongLong", "real": "PyFloat_AsDouble", "failed": "PyErr_Occurred",
    "refuse": "PyErr_BadArgument", "leave": "PyEval_SaveThread", "return": "PyEval_RestoreThread",
    "refer": "Py_NewRef",
}  # fmt: skip
_TABLE = ("array", "none", *_FUNCTIONS)  # the addresses in it


@functools.cache
def _table() -> bytes | None:
    """What a caller is handed; None where there are no callers."""
    try:
        places = [ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value for name in _FUNCTIONS.values()]
    except AttributeError:  # another Python
        return None
    return struct.pack(f"{len(_TABLE)}P", id(_ndarray), id(None), *places) if _KNOWN else None


def caller(kernel: str) -> str:
    """The name of a kernel's caller."""
    return f"{kernel}.caller"


def text(kernel: str, types: Iterable[str]) -> str:
    """The caller of a kernel whose parameters after `start` and `stop` are of these types."""
    lines: list[str] = []

    def load(name: str, pointer: str, offset: int) -> None:
        lines.append(f"%{name}_at = getelementptr i8, ptr %{pointer}, i64 {offset}")
        lines.append(f"%{name} = load ptr, ptr %{name}_at")

    for i, name in enumerate(_TABLE):
        load(name, "table", _CONTENT + _POINTER * i)
    kinds = ["i64", "i64", *types]
    lines += [
        f"%fits = icmp eq i64 %count, {len(kinds)}",
        "br i1 %fits, label %take, label %miscounted",
        "miscounted:", "%ignored = call i32 %refuse()", "br label %raise",
        "raise:", "ret ptr null",
        "take:",
    ]  # fmt: skip
    for i, kind in enumerate(kinds):
        load(f"o{i}", "given", _POINTER * i)
        if kind == "i64":
            lines.append(f"%x{i} = call i64 %integer(ptr %o{i})")
        elif kind == "double":
            lines.append(f"%x{i} = call double %real(ptr %o{i})")
        elif kind == "float":
            lines += [f"%wide{i} = call double %real(ptr %o{i})", f"%x{i} = fptrunc double %wide{i} to float"]
        else:
            load(f"type{i}", f"o{i}", _TYPE)
            lines += [f"%is{i} = icmp eq ptr %type{i}, %array", f"br i1 %is{i}, label %array{i}, label %number{i}"]
            lines.append(f"array{i}:")
            load(f"data{i}", f"o{i}", _DATA)
            lines += [
                f"br label %next{i}",
                f"number{i}:", f"%i{i} = call i64 %integer(ptr %o{i})", f"%p{i} = inttoptr i64 %i{i} to ptr",
                f"br label %next{i}",
                f"next{i}:", f"%x{i} = phi ptr [%data{i}, %array{i}], [%p{i}, %number{i}]",
            ]  # fmt: skip
    lines += [
        "%failure = call ptr %failed()", "%fine = icmp eq ptr %failure, null", "br i1 %fine, label %run, label %raise",
        "run:", "%thread = call ptr %leave()",
        f"call void @{kernel}({', '.join(f'{kind} %x{i}' for i, kind in enumerate(kinds))}) noinline",
        "call void %return(ptr %thread)", "%result = call ptr %refer(ptr %none)", "ret ptr %result",
    ]  # fmt: skip
    return "\n".join([f"define ptr @{caller(kernel)}(ptr %table, ptr %given, i64 %count) {{", *lines, "}"])


class _Method(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (("name", ctypes.c_char_p), ("code", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


_FAST_CALL = 0x80
_methods: list[_Method] = []  # builtin functions point to them
_TYPES: dict[str, Any] = {
    "ptr": ctypes.c_void_p, "i64": ctypes.c_int64, "float": ctypes.c_float, "double": ctypes.c_double,
}  # fmt: skip


def function(name: str, kernel: int, code: int | None, types: Iterable[str]) -> Callable[..., None]:
    """What Python calls, from the addresses of a kernel and its caller."""
    table = _table()
    if table is None or not code:
        slow = ctypes.CFUNCTYPE(None, *(_TYPES[type] for type in ("i64", "i64", *types)))(kernel)
        return lambda *given: slow(*(_asked(each) if type(each) is _ndarray else each for each in given))
    method = _Method(name.encode(), code, _FAST_CALL, None)
    _methods.append(method)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return make(ctypes.addressof(method), table, None)
