"""The two vocabularies in which a rule of the backward pass speaks: ops on raw arrays, and ops on Tensors."""

from __future__ import annotations

import functools
from typing import Any, cast

import numpy as np

from pellucid import backend
from pellucid.backend import Array
from pellucid.core.context import state
from pellucid.core.door import apply
from pellucid.core.tensor import Tensor, derived
from pellucid.declare import TABLE, Op


class Raw:
    """The vocabulary of ops on raw arrays of one array library: what a first-order backward speaks."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    def __getattr__(self, name: str) -> Any:
        op = _named(name)
        kernel = functools.partial(op.forward, self._xp)
        if op.aux:
            kernel = functools.partial(_first, kernel)
        setattr(self, name, kernel)
        return kernel


def _first(kernel: Any, *arrays: Array, **attributes: Any) -> Any:
    return kernel(*arrays, **attributes)[0]


def _is_plain(value: object) -> bool:
    return type(value) is Tensor


class Lifted:
    """The vocabulary of ops on Tensors: what a backward speaks that is itself differentiated or recorded."""

    def __getattr__(self, name: str) -> Any:
        op = _named(name)
        count = len(op.inputs)

        def call(*tensors: Any, **attributes: Any) -> Any:
            if op.composition is not None and state.grad:
                return op.composition(LIFTED, *tensors, **attributes)
            # A rule names attributes as the op does: nothing is to be sorted where all inputs are plain tensors.
            plain = len(tensors) == count and all(map(_is_plain, tensors)) and not derived and "dtype" not in attributes
            result: Any = apply(op, tensors, attributes) if plain else op(*tensors, **attributes)
            return cast("tuple[Any, ...]", result)[0] if type(result) is tuple else result

        setattr(self, name, call)
        return call


def _named(name: str) -> Op:
    try:
        return TABLE[name]
    except KeyError:
        raise AttributeError(f"a backward rule asks for the op {name!r}, which is not in the table") from None


LIFTED = Lifted()
NUMPY = Raw(backend.NUMPY.xp)
_raw: dict[Any, Raw] = {backend.NUMPY: NUMPY}


def of_array(array: Array) -> Raw:
    """The vocabulary of the library that made `array`."""
    if type(array) is np.ndarray:
        return NUMPY
    library = backend.of_array(array)
    return _raw.get(library) or _raw.setdefault(library, Raw(library.xp))


def sum_to(m: Any, gradient: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum over the dimensions that were stretched or added."""
    extra = len(gradient.shape) - len(shape)
    dims = tuple(range(extra)) + tuple(
        i + extra for i, length in enumerate(shape) if length == 1 and gradient.shape[i + extra] != 1
    )
    if dims:
        gradient = m.sum(gradient, dim=dims, keepdim=True)
    return m.reshape(gradient, shape=shape) if extra else gradient
