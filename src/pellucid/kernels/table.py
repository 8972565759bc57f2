"""What a kernel is, and when it runs: by dtype, layout and size.

A `Kernel` is called with arrays and gives the result, or None, and then the NumPy line that stands beside the call is
what runs. Only what a call is given decides: the dtypes, the shapes, how the arrays lie in memory, and whether kernels
can be made on this machine. So the same program gives the same numbers each time, and a run that is resumed those of
one that was not interrupted, where `status()` says the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backend import Array

from . import compiler
from .emitter import Emitter

TYPES: dict[Any, str] = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
KERNELS: dict[str, Kernel] = {}

_ndarray = np.ndarray
_absent: Any = object()


class Kernel:
    """A function for each dtype (and each choice of `options`), compiled when it is first called."""

    def __init__(self, name: str, emit: Callable[..., Emitter], types: tuple[str, ...] = ("float", "double")) -> None:
        self.name, self.emit, self.types = name, emit, types
        self.__doc__ = emit.__doc__
        self._made: dict[Any, Any] = {}
        KERNELS[name] = self

    def function(self, dtype: Any, *options: Any) -> Callable[..., None] | None:
        """The machine code for arrays of `dtype`, or None."""
        key = (dtype, *options)
        found = self._made.get(key, _absent)
        if found is _absent:
            type = TYPES.get(dtype)
            found = None
            if type in self.types:
                found = compiler.function(self.emit(f"{self.name}_{type}", type, *options))
            self._made[key] = found
        return found


def flat(*arrays: Array) -> bool:
    """Whether these are NumPy's arrays of one dtype and shape, each in one piece of memory, all in the same order."""
    first = arrays[0]
    if type(first) is not _ndarray:
        return False
    flags, dtype, shape = first.flags, first.dtype, first.shape
    last_first, first_first = flags.c_contiguous, flags.f_contiguous
    for array in arrays[1:]:
        if type(array) is not _ndarray or array.shape != shape:
            return False
        if array.dtype is not dtype and array.dtype != dtype:
            return False
        flags = array.flags
        last_first, first_first = last_first and flags.c_contiguous, first_first and flags.f_contiguous
    return last_first or first_first


def rows(*arrays: Array) -> bool:
    """As `flat`, in the order of the last index first."""
    first = arrays[0]
    if type(first) is not _ndarray:
        return False
    for array in arrays:
        if type(array) is not _ndarray or array.dtype != first.dtype or not array.flags.c_contiguous:
            return False
    return True
