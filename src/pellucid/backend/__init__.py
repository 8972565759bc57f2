"""The array libraries behind one name.

An op's forward is written once against `xp`, the array library of the arrays it received. A library is a
`Backend`: its namespace, its array type and its device. NumPy is always there; CuPy is imported when somebody
asks for a `cuda` device, never before, and the arrays without numbers when somebody asks for `meta`; `register` adds
another (the tests add one, to prove that no op names NumPy).
"""

from __future__ import annotations

import numpy

from . import numpy_namespace
from .library import Array, Backend, Moves

__all__ = ["NUMPY", "Array", "Backend", "Moves", "is_registered", "of_array", "of_device", "register"]


def _same(array: Array, /) -> Array:
    return array


NUMPY = Backend("cpu", numpy_namespace.xp, numpy.ndarray, _same, _same)

_by_device: dict[str, Backend] = {"cpu": NUMPY}


def register(backend: Backend) -> None:
    """Make `backend` the array library of its device."""
    _by_device[backend.device] = backend


def is_registered(kind: str) -> bool:
    """Whether an array library was registered for a device type."""
    return kind in _by_device


def of_device(kind: str) -> Backend:
    """The backend of a device type (`"cpu"`, `"cuda"`), imported now if need be."""
    if kind == "cuda" and kind not in _by_device:
        from . import cupy_namespace

        register(cupy_namespace.load())
    if kind == "meta" and kind not in _by_device:
        from .meta_namespace import META

        register(META)
    try:
        return _by_device[kind]
    except KeyError:
        known = ", ".join(sorted({"cpu", "cuda", "meta", *_by_device}))
        raise RuntimeError(f"no array library for device type {kind!r}; there are: {known}") from None


def of_array(array: Array) -> Backend:
    """The backend that made `array`."""
    if isinstance(array, numpy.ndarray):
        for backend in _by_device.values():
            if type(array) is backend.array_type:
                return backend
        return NUMPY
    for backend in _by_device.values():
        if isinstance(array, backend.array_type):
            return backend
    raise TypeError(f"no backend knows arrays of type {type(array).__name__}")
