"""`np.matrix` that records: `*` is a product, every result has two axes, and sums along an axis keep it.

Only what differs from arrays stands here. Everything is done on the recorded array that a matrix is a view of, and what
comes out is made a matrix again where NumPy would make it one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.check.record.plain import Recorded, strip
from pellucid.check.record.traced import ArrayRecorder, Traced

# Functions of matrices that give plain arrays.
TO_ARRAYS = {"where", "outer", "asarray", "array", "copy", "einsum", "tensordot", "kron", "choose", "select"}
REDUCTIONS = ("sum", "mean", "max", "min", "prod", "var", "std")
INDICES = ("argmax", "argmin", "any", "all")
MATRIX = np.matrix  # before a stand-in takes its name


class TracedMatrix(Traced, np.matrix):
    """A matrix with a node on a tape."""

    def __array_finalize__(self, other: Any) -> None:
        Traced.__array_finalize__(self, other)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "reduce" and options.get("axis", 0) is not None:
            options["keepdims"] = True
        given = [as_array(value) for value in inputs]
        result = as_array(self).__array_ufunc__(ufunc, method, *given, out=out, **options)
        return result if out and out[0] is not None else as_matrix(result)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = func.__name__
        if name in REDUCTIONS + INDICES and args and isinstance(args[0], TracedMatrix):
            return getattr(args[0], name)(*args[1:], **kwargs)
        result = super().__array_function__(func, types, _as_arrays(args), _as_arrays(kwargs))
        if name in TO_ARRAYS:
            return result
        if name == "trace":  # a matrix of one number
            return as_matrix(np.reshape(result, (1, 1)))
        return type(result)(map(as_matrix, result)) if type(result) in (list, tuple) else as_matrix(result)

    def __getitem__(self, index: Any) -> Any:
        result = as_array(self)[index]
        if not isinstance(result, np.ndarray) or result.ndim != 1:
            return as_matrix(result, (self, index))
        column = isinstance(index, tuple) and len(index) > 1 and np.isscalar(index[1])
        return as_matrix(np.reshape(result, (-1, 1) if column else (1, -1)), (self, index))

    def __mul__(self, other: Any) -> Any:
        number = np.ndim(other) == 0
        return np.multiply(self, other) if number else as_matrix(np.dot(as_array(self), _two_axes(other)))

    def __rmul__(self, other: Any) -> Any:
        number = np.ndim(other) == 0
        return np.multiply(other, self) if number else as_matrix(np.dot(_two_axes(other), as_array(self)))

    def __imul__(self, other: Any) -> Any:
        self[...] = self * other
        return self

    def __pow__(self, other: Any) -> Any:
        return as_matrix(np.linalg.matrix_power(as_array(self), other))

    def __ipow__(self, other: Any) -> Any:
        self[...] = self**other
        return self

    @property
    def T(self) -> Any:
        return as_matrix(np.transpose(as_array(self)))

    H = T

    @property
    def A(self) -> Any:
        return as_array(self)

    @property
    def A1(self) -> Any:
        return np.ravel(as_array(self))

    @property
    def I(self) -> Any:  # noqa: E743 (NumPy's name)
        return as_matrix(np.linalg.inv(as_array(self)))

    def tolist(self) -> Any:
        return as_array(self).tolist()

    def copy(self, order: Any = "C") -> Any:
        return as_matrix(as_array(self).copy())

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        return as_matrix(as_array(self).astype(dtype))


def _getter(name: str) -> Callable[..., Any]:
    return lambda self: getattr(self, name)


def _reduction(name: str) -> Callable[..., Any]:
    def method(self: TracedMatrix, axis: Any = None, dtype: Any = None, out: Any = None, **options: Any) -> Any:
        options |= {"keepdims": True} if axis is not None else {}
        return as_matrix(getattr(np, name)(as_array(self), axis=axis, **options))

    method.__name__ = name
    return method


def _of_indices(name: str) -> Callable[..., Any]:
    def method(self: TracedMatrix, axis: Any = None, out: Any = None) -> Any:
        return getattr(strip(self).view(MATRIX), name)(axis)

    method.__name__ = name
    return method


for _name in ("A", "A1", "T", "H", "I"):
    setattr(TracedMatrix, f"get{_name}", _getter(_name))
for _name in REDUCTIONS:
    setattr(TracedMatrix, _name, _reduction(_name))
for _name in INDICES:
    setattr(TracedMatrix, _name, _of_indices(_name))


def as_array(value: Any) -> Any:
    """The recorded array behind a matrix, of the same memory; anything else as it is."""
    if not isinstance(value, TracedMatrix):
        return value
    array = value.view(Traced)
    array._node, array._tape, array._parent = value._node, value._tape, value._parent
    return array


def as_matrix(value: Any, parent: tuple[Traced, Any] | None = None) -> Any:
    """An array as a matrix, of the same memory where it has two axes; a number as it is."""
    if not isinstance(value, np.ndarray) or value.ndim == 0 or value.ndim > 2:
        return value
    if not isinstance(value, Recorded):
        return np.atleast_2d(value).view(MATRIX)
    array: Any = np.reshape(value, (1, -1)) if value.ndim == 1 else value
    matrix = array.view(TracedMatrix)
    matrix._node, matrix._tape = array._node, array._tape
    matrix._parent = parent if parent is not None and array._parent is not None else array._parent
    return matrix


def _two_axes(value: Any) -> Any:
    value = as_array(value)
    return np.reshape(value, (1, -1)) if np.ndim(value) == 1 else value


def _as_arrays(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: _as_arrays(value) for name, value in values.items()}
    if type(values) in (list, tuple):
        return type(values)(map(_as_arrays, values))
    return as_array(values)


def makers(recorder: ArrayRecorder) -> dict[str, Any]:
    """What takes the place of `np.matrix`, `np.asmatrix` and `np.mat`, by name."""

    def made(value: Any, dtype: Any = None, copy: bool = True) -> Any:
        if isinstance(value, Traced) and dtype is None:
            return as_matrix(as_array(value).copy() if copy else as_array(value))
        if isinstance(value, list | tuple):
            value = np.array(value)
        if isinstance(value, Traced):
            return as_matrix(_two_axes(value.astype(dtype) if dtype is not None else value))
        return traced(recorder, MATRIX(value, dtype, copy))

    class Kind(type):
        """`np.matrix` whose matrices are recorded; all else of it is NumPy's own."""

        def __call__(cls, data: Any, dtype: Any = None, copy: bool = True) -> Any:
            return made(data, dtype, copy)

        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, MATRIX)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, MATRIX)

    def asmatrix(data: Any, dtype: Any = None) -> Any:
        return made(data, dtype, copy=False)

    names = {"matrix": Kind("matrix", (), {}), "asmatrix": asmatrix, "mat": asmatrix}
    return {name: maker for name, maker in names.items() if hasattr(np, name)}


def traced(recorder: ArrayRecorder, matrix: Any) -> Any:
    """A constant matrix, recorded where it holds numbers."""
    if matrix.dtype.kind not in "fiu" or not recorder.recording:
        return matrix
    return as_matrix(recorder.wrap(recorder.tape.add("constant", (), np.array(matrix), needs=False)))
