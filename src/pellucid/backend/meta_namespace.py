"""Arrays without numbers, for `device="meta"`: shapes, strides and dtypes of what an op would compute.

A `MetaArray` lies over memory that is never written, so that the system never provides it: it has a layout, and views
of it have theirs by NumPy's own rules. For elementwise functions, reductions and products the shape and dtype follow by
rule; the few others are computed on the zeros. What depends on the numbers themselves is refused.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, NoReturn, cast

import numpy as np

from .library import Array, Backend
from .numpy_namespace import xp as numpy_xp

__all__ = ["META", "MetaArray"]


class MetaArray(np.ndarray[Any, Any]):
    """An array of which the layout alone counts."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is not None:
            return out[0] if ufunc.nout == 1 else out
        if method == "at":
            return None
        if method == "__call__":
            return _product(*inputs) if ufunc.signature else _elementwise(ufunc, inputs, kwargs)
        if method in ("reduce", "accumulate"):
            return _reduced(ufunc, method, inputs[0], kwargs)
        return wrapped(getattr(ufunc, method)(*map(plain, inputs), **kwargs))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(super().__array_function__(func, types, args, kwargs))

    def __getitem__(self, key: Any) -> Any:
        if any(getattr(entry, "dtype", None) == np.bool_ for entry in (key if isinstance(key, tuple) else (key,))):
            _depends_on_numbers()
        return wrapped(super().__getitem__(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        shape = np.shape(super().__getitem__(key))
        np.broadcast_to(np.broadcast_to(np.zeros(()), _shape(value)), shape)  # ValueError where it does not fit

    def astype(self, dtype: Any, order: Any = "K", *others: Any, **kwargs: Any) -> Any:
        """An array of the other dtype; nothing is converted."""
        return empty_like(self, dtype=dtype, order=order)

    def copy(self, order: Any = "C") -> Any:
        """Another array of this layout."""
        return empty_like(self, order=order)

    def fill(self, value: Any) -> None:
        """Nothing: there are no numbers."""


def plain(value: Any) -> Any:
    """The NumPy array below, also within tuples and lists."""
    if isinstance(value, MetaArray):
        return value.view(np.ndarray)
    if isinstance(value, tuple | list):
        return type(cast("Any", value))(plain(entry) for entry in cast("Any", value))
    return value


def wrapped(value: Any) -> Any:
    """Arrays as `MetaArray`, also within tuples and lists."""
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(cast("Any", value)).view(MetaArray)
    if type(value) in (tuple, list):
        return type(value)(wrapped(entry) for entry in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(cast("Any", value))(*map(wrapped, cast("Any", value)))
    return value


def empty(shape: Any, dtype: Any = None, order: Any = "C") -> MetaArray:
    """An array of `shape`: zeros that the system provides when they are read, which seldom happens."""
    return np.zeros(shape, dtype, order).view(MetaArray)


def empty_like(array: Array, dtype: Any = None, order: Any = "K", *others: Any, **kwargs: Any) -> MetaArray:
    """An array of the layout of another."""
    shape = kwargs.get("shape")
    layout: Any = np.broadcast_to(np.zeros((), array.dtype), array.shape)
    if shape is None and order == "K" and not array.flags.c_contiguous:
        axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
        made = empty([array.shape[axis] for axis in axes], dtype or array.dtype)
        return made.transpose(np.argsort(axes)) if axes else made
    return empty(layout.shape if shape is None else shape, dtype or array.dtype)


def _shape(value: Any) -> tuple[int, ...]:
    return value.shape if hasattr(value, "shape") else np.shape(value)


def _small(value: Any) -> Any:
    """An array of the same dtype and rank with one element."""
    return np.ones((1,) * value.ndim, value.dtype) if isinstance(value, np.ndarray) else value


def _elementwise(ufunc: np.ufunc, inputs: Any, kwargs: Any) -> Any:
    shape = np.broadcast_shapes(*map(_shape, inputs))
    kwargs.pop("where", None)
    result: Any = ufunc(*map(_small, inputs), **kwargs)
    if isinstance(result, tuple):
        return tuple(empty(shape, part.dtype) for part in cast("Any", result))
    return empty(shape, result.dtype)


def _reduced(ufunc: np.ufunc, method: str, array: Any, kwargs: Any) -> Any:
    kwargs.pop("where", None)
    result: Any = np.asarray(getattr(ufunc, method)(_small(array), **kwargs))
    if method == "accumulate":
        return empty(array.shape, result.dtype)
    axis = kwargs.get("axis", 0)
    axes = range(array.ndim) if axis is None else (axis,) if not isinstance(axis, tuple) else axis
    gone = {cast("int", entry) % max(array.ndim, 1) for entry in cast("Any", axes)}
    if (
        ufunc.identity is None
        and "initial" not in kwargs
        and any(array.shape[axis] == 0 for axis in gone if array.ndim)
    ):
        raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
    kept = kwargs.get("keepdims", False)
    shape = [1 if i in gone else n for i, n in enumerate(array.shape) if kept or i not in gone]
    if ufunc is np.logical_and and not shape:
        return wrapped(np.True_)  # `all`: there is no number that is not as it should be
    return empty(shape, result.dtype)


def _product(a: Any, b: Any) -> MetaArray:
    """Of `matmul`: (…, n, k) (…, k, m) -> (…, n, m), vectors being rows and columns."""
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ValueError(f"matmul: the inner dimensions differ: {a.shape} and {b.shape}")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    shape = (*batch, *(a.shape[-2:-1] if a.ndim > 1 else ()), *(b.shape[-1:] if b.ndim > 1 else ()))
    return empty(shape, np.result_type(a.dtype, b.dtype))


def _depends_on_numbers(*_: Any, **__: Any) -> NoReturn:
    raise NotImplementedError(
        "the shape of the result depends on the numbers of a tensor, and a tensor on device 'meta' has none; move the "
        "module with .to_empty(device='cpu'), fill it, and compute there"
    )


def _repeat(array: Array, repeats: Any, axis: Any = None) -> Any:
    if np.ndim(repeats):
        _depends_on_numbers()
    return wrapped(np.repeat(array, int(repeats), axis))


def _bincount(array: Array, weights: Any = None, minlength: int = 0) -> Any:
    if not minlength:
        _depends_on_numbers()
    return empty(minlength, np.int64 if weights is None else np.float64)


def _no_numbers(array: Array, /) -> NoReturn:
    raise NotImplementedError(
        "Cannot copy out of meta tensor; no data! Write module.to_empty(device='cpu') in place of module.to('cpu'), "
        "and fill the parameters then; for a tensor, torch.empty_like(x, device='cpu')"
    )


def _of_layout(array: Array, /) -> MetaArray:
    """The layout of a NumPy array."""
    return empty_like(array)


def _lifted(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return wrapped(function(*args, **kwargs))

    return call


class _UniversalFunction:
    """A ufunc of the namespace with its methods: whatever it is given, it gives arrays without numbers."""

    def __init__(self, of: np.ufunc) -> None:
        self.of = of

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return wrapped(self.of(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.of, name)
        return _lifted(found) if callable(found) else found


def _namespace(source: types.ModuleType, name: str, depth: int = 2) -> Any:
    made = types.ModuleType(name)
    for key, value in vars(source).items():
        if isinstance(value, np.ufunc):
            vars(made)[key] = _UniversalFunction(value)
        elif isinstance(value, types.ModuleType) and value.__name__.startswith("numpy.") and depth:
            vars(made)[key] = _namespace(value, f"{name}.{key}", depth - 1)
        elif isinstance(value, type) or not callable(value) or key.startswith("__"):
            vars(made)[key] = value
        else:
            vars(made)[key] = _lifted(value)
    return made


xp = _namespace(numpy_xp, "pellucid.backend.meta")
xp.zeros = xp.ones = xp.empty = empty
xp.full = lambda shape, fill_value, dtype=None, order="C": empty(shape, dtype or np.asarray(fill_value).dtype, order)
xp.zeros_like = xp.ones_like = xp.empty_like = empty_like
xp.full_like = lambda array, fill_value, dtype=None, **kwargs: empty_like(array, dtype, **kwargs)
xp.repeat, xp.bincount = _repeat, _bincount
for _name in ("nonzero", "flatnonzero", "argwhere", "unique", "extract", "compress"):
    setattr(xp, _name, _depends_on_numbers)

META = Backend("meta", xp, MetaArray, _of_layout, _no_numbers, has_numbers=False)
