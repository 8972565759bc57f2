"""Tensors from numbers, nested lists and arrays."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from pellucid import backend
from pellucid.backend import Array
from pellucid.errors import warn
from pellucid.types import devices
from pellucid.types.bfloat16 import converted
from pellucid.types.dtypes import OF_NUMPY, as_dtype, dtype, get_default_dtype, number_in
from pellucid.types.size import Size

from .context import note_read
from .tensor import Tensor, derived, method, wrap


def from_data(data: Any, dtype: dtype | None = None, device: Any = None, *, copy: bool = True) -> Tensor:
    """A leaf from numbers, nested lists, arrays or a tensor; floats become the default dtype."""
    array: Array
    listed = False  # whether these are Python's numbers, which must fit; arrays are cast
    if isinstance(data, Tensor):
        array = data._array
    elif hasattr(data, "__array__"):  # of NumPy, or of another library
        array = np.asarray(data)
    else:
        listed = True
        array, python = _from_lists(data, dtype is not None and as_dtype(dtype).numpy.kind in "fcV")
        if python and dtype is None:
            dtype = get_default_dtype()
            dtype = dtype.to_complex() if array.dtype.kind == "c" else dtype
    target = as_dtype(dtype).numpy if dtype is not None else _known(array.dtype)
    to = devices.device(device).backend if device is not None else backend.of_array(array)
    if to is not backend.of_array(array):
        array, copy = to.from_numpy(backend.of_array(array).to_numpy(array)), False
    if array.dtype != target:
        if listed and target.kind in "iu" and array.size:
            for extreme in (array.min(), array.max()):  # of NaN both are NaN
                number_in(extreme.item(), target)
        if array.dtype.kind == "c" and target.kind != "c":
            array = real_part(array, listed)
        with np.errstate(all="ignore"):
            array = converted(array, target)
    elif copy:
        array = array.copy()
    if isinstance(data, Tensor) and array is not data._array:
        note_read(data)
    return wrap(array)


def _known(found: np.dtype[Any]) -> np.dtype[Any]:
    if found in OF_NUMPY:
        return OF_NUMPY[found].numpy  # the native object, so that identity holds
    names = ", ".join(known.name for known in OF_NUMPY.values())
    raise TypeError(f"can't convert an array of dtype {found} to a tensor; pellucid has {names}")


def _from_lists(data: Any, floating: bool) -> tuple[Any, bool]:
    """An array, and whether its elements are Python's floats, which become the default type unless another is given.

    Integers beyond int64 are numbers only where floats are wanted.
    """
    types = _types(data)
    if any(issubclass(kind, Tensor) for kind in types):
        data = _plain(data)
    try:
        array: Array = np.array(data)
    except ValueError:
        raise ValueError(
            f"{_uneven(data)}: nested lists must be of equal length at each level, but the lengths differ somewhere in "
            "what was given"
        ) from None
    if (
        types
        and types <= {int, float, bool}
        and (array.dtype.kind in "Ou" or (array.dtype.kind == "f" and float not in types))
    ):
        if float not in types and not floating:
            raise ValueError("Overflow when unpacking long long: an integer is beyond int64; give a floating dtype")
        array = np.array(data, np.float64)
    if array.dtype.kind in "OUS":
        odd: Any = next((kind for kind in types if not issubclass(kind, _NUMBERS)), cast("Any", type(data)))
        said = f"can't make a tensor from {type(data).__name__} with elements of type {odd.__name__}"
        if issubclass(odd, str):
            raise TypeError(f"new(): invalid data type 'str': {said}")
        raise RuntimeError(f"Could not infer dtype of {odd.__name__}: {said}")
    python = array.dtype == np.float64 and np.float64 not in types
    python = python or (array.dtype == np.complex128 and np.complex128 not in types)
    return array, python and np.ndarray not in types


def real_part(array: Array, listed: bool = False) -> Array:
    """The real parts, with PyTorch's warning that the others are lost; TypeError where numbers were `listed`."""
    if listed and array.imag.any():
        raise TypeError("must be real number, not complex; write dtype=pellucid.complex64")
    if not listed:
        warn("Casting complex values to real discards the imaginary part")
    return array.real


def _uneven(data: Any, dim: int = 0) -> str:
    """PyTorch's words for the first list that is not as long as the first at its level."""
    rows: list[Any] = [row for row in data if isinstance(row, list | tuple | np.ndarray)]
    if len(rows) != len(data):
        return f"expected sequence of length {len(rows[0]) if rows else 0} at dim {dim + 1}"
    wrong = next((len(row) for row in rows if len(row) != len(rows[0])), None)
    if wrong is not None:
        return f"expected sequence of length {len(rows[0])} at dim {dim + 1} (got {wrong})"
    return next((_uneven(row, dim + 1) for row in rows), "expected sequences of one length")


_NUMBERS = (int, float, complex, np.generic, np.ndarray, Tensor)


def _types(data: Any) -> set[type[Any]]:
    """The types of all that is in nested lists."""
    if not isinstance(data, list | tuple):
        return {type(data)}
    found = set(map(type, cast("list[Any]", data)))
    if list in found or tuple in found:
        for entry in cast("list[Any]", data):
            if isinstance(entry, list | tuple):
                found |= _types(entry)
        found -= {list, tuple}
    return found


def _plain(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data.tolist()
    return [_plain(value) for value in cast("list[Any]", data)] if isinstance(data, list | tuple) else data


@staticmethod
def __new__(cls: type[Tensor], *data: object, **how: dtype | None) -> Tensor:
    """The object; from the data already where a program's own class may have an `__init__` that does not pass it on."""
    made = object.__new__(cls)
    if data and cls in derived:
        _fill(made, data, how.get("dtype"))
    return made


setattr(Tensor, "__new__", __new__)  # noqa: B010


@method
def __init__(self: Tensor, *data: Any, dtype: dtype | None = None, **_: Any) -> None:
    """From data, or of the sizes that are given, as PyTorch's `Tensor(2, 3)` and `Tensor(x.shape)` (here of zeros)."""
    if "_array" not in self.__dict__:
        _fill(self, data, dtype)


def _fill(tensor: Tensor, data: tuple[object, ...], dtype: dtype | None) -> None:
    found = data[0] if data else ()
    sizes = found if type(found) is Size else [length for length in data if type(length) is int]
    if type(found) is Size or (data and len(sizes) == len(data)):
        found = np.zeros(sizes)
    tensor._array = from_data(found, dtype or get_default_dtype())._array
