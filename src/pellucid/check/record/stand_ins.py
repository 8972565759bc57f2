"""What is put in the place of NumPy's, SciPy's and Python's names that would lose a recorded number."""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pellucid.check.record import matrices
from pellucid.check.record.plain import strip
from pellucid.check.record.tape import Array
from pellucid.check.record.traced import ArrayRecorder, Traced

# Python's math by the NumPy function that does the same to a recorded number.
MATH = {
    **{name: name for name in ("exp", "log", "sqrt", "tanh", "sin", "cos", "tan", "log1p", "expm1", "log2", "log10")},
    **{name: name for name in ("cosh", "sinh", "hypot", "exp2", "cbrt", "copysign", "fmod", "degrees", "radians")},
    "fabs": "abs",
    "pow": "power",
    "atan": "arctan",
    "asin": "arcsin",
    "acos": "arccos",
    "atan2": "arctan2",
    "atanh": "arctanh",
    "asinh": "arcsinh",
    "acosh": "arccosh",
}
# Python's own numbers from what is recorded: these stay recorded.
PROBED_MATH = ("erf", "erfc", "gamma", "lgamma")

# NumPy's functions that are often given a list of numbers or arrays.
OF_LISTS = (
    *("sum", "mean", "max", "min", "amax", "amin", "prod", "std", "var", "dot", "inner", "outer", "average"),
    *("cumsum", "argmax", "argmin", "clip", "where", "transpose", "ravel", "reshape", "sort", "median", "squeeze"),
)

# SciPy's functions that are neither ufuncs nor written in terms of NumPy's.
SCIPY = {
    "scipy.signal": ("correlate2d", "convolve2d", "convolve", "correlate", "fftconvolve", "oaconvolve", "lfilter"),
    "scipy.ndimage": ("correlate", "convolve", "correlate1d", "convolve1d", "gaussian_filter", "uniform_filter"),
    "scipy.linalg": ("norm", "det", "expm", "solve", "inv", "sqrtm"),
    "scipy.special": ("logsumexp", "softmax", "log_softmax"),
}


def stand_ins(recorder: ArrayRecorder) -> Iterator[tuple[Any, str, Any]]:
    """The module, the name, and what is put there for the length of a recording."""
    for name, maker in _makers(recorder).items():
        yield np, name, maker
    for name, maker in matrices.makers(recorder).items():
        yield np, name, maker
    for name in MATH:
        if hasattr(math, name):
            yield math, name, _of_math(getattr(math, name), name)
    for name in PROBED_MATH:
        yield math, name, _probed(recorder, getattr(math, name), elementwise=True)
    yield math, "fsum", lambda values: sum(values) if _holds(values := list(values)) else _fsum(values)
    yield math, "prod", lambda values, *, start=1: _product(list(values), start)
    for name in OF_LISTS:
        yield np, name, _of_list(getattr(np, name))
    yield np, "vectorize", vectorized(recorder)
    yield np, "fromiter", _from_iterator(np.fromiter)
    yield np, "ndenumerate", _enumerated
    yield np, "nditer", _iterated(np.nditer)
    yield np, "c_", _Joined(np.c_, columns=True)
    yield np, "r_", _Joined(np.r_, columns=False)
    for module, names in SCIPY.items():
        found = sys.modules.get(module)
        for name in names if found is not None else ():
            if hasattr(found, name):
                own = getattr(found, name)
                written = name in ("logsumexp", "softmax", "log_softmax")
                yield found, name, _written(name, own) if written else _probed(recorder, own)


def builtin_stand_ins() -> dict[str, Any]:
    """Python's names that a program's module gets for the length of a recording."""
    return {"float": Float}


class _FloatKind(type):
    """`float` that leaves a recorded number what it is; all else of it is Python's own."""

    def __call__(cls, value: Any = 0.0) -> Any:
        if isinstance(value, Traced) and value.size == 1 and value.is_recorded:
            return np.reshape(value, ())
        return builtins.float(strip(value))

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, builtins.float) or (isinstance(instance, Traced) and instance.ndim == 0)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, builtins.float)

    def __getattr__(cls, name: str) -> Any:
        return getattr(builtins.float, name)


class Float(metaclass=_FloatKind):
    """Given as a dtype it is float64, as Python's `float` is."""

    dtype = np.dtype(np.float64)


_fsum, _prod = math.fsum, math.prod


def _product(values: list[Any], start: Any) -> Any:
    if not _holds(values):
        return _prod(values, start=start)
    for value in values:
        start = start * value
    return start


def _of_math(own: Callable[..., Any], name: str) -> Callable[..., Any]:
    array_function = getattr(np, MATH[name])

    def function(*values: Any) -> Any:
        traced = any(isinstance(value, Traced) for value in values)
        if traced and name == "log" and len(values) == 2:
            return array_function(values[0]) / own(values[1])
        return array_function(*values) if traced else own(*values)

    return function


def _probed(recorder: ArrayRecorder, own: Callable[..., Any], elementwise: bool = False) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        if not _holds([*args, *kwargs.values()]):
            return own(*args, **kwargs)
        return recorder.probe(own, args, kwargs, elementwise)

    return function


def _written(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
    """SciPy's softmax and its kin in NumPy's words, so that a recording knows them."""

    def function(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(x, Traced) or set(kwargs) - {"axis", "keepdims"} or len(args) > 1:
            return own(x, *args, **kwargs)
        axis, keepdims = (args[0] if args else kwargs.get("axis")), bool(kwargs.get("keepdims", False))
        shifted = x - strip(x).max(axis=axis, keepdims=True)
        e = np.exp(shifted)
        total = np.sum(e, axis=axis, keepdims=True)
        if name == "softmax":
            return e / total
        if name == "log_softmax":
            return shifted - np.log(total)
        whole = np.log(total) + strip(x).max(axis=axis, keepdims=True)
        return whole if keepdims else np.squeeze(whole, axis=axis)

    return function


def _of_list(own: Callable[..., Any]) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        return own(
            *[_stacked(value) if isinstance(value, list) and _holds(value) else value for value in args], **kwargs
        )

    function.__name__ = own.__name__
    return function


def vectorized(recorder: ArrayRecorder) -> Callable[..., Any]:
    """`np.vectorize`, whose function of single numbers is probed where it is given recorded ones."""
    own = np.vectorize

    class Vectorized(own):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            if not _holds([*args, *kwargs.values()]):
                return super().__call__(*args, **kwargs)
            plain = own(self.pyfunc, otypes=[float], excluded=self.excluded, signature=self.signature)
            return recorder.probe(plain, args, kwargs, elementwise=self.signature is None)

    return Vectorized


def _from_iterator(own: Callable[..., Any]) -> Callable[..., Any]:
    def function(iterable: Any, *args: Any, **kwargs: Any) -> Any:
        values = list(iterable)
        return _stacked(values) if _holds(values) else own(values, *args, **kwargs)

    return function


def _enumerated(array: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    return ((index, array[index]) for index in np.ndindex(np.shape(array)))


def _iterated(own: Callable[..., Any]) -> Callable[..., Any]:
    def function(op: Any, *args: Any, **kwargs: Any) -> Any:
        plain = isinstance(op, Traced) and not args and not kwargs
        return iter(np.ravel(op)) if plain else own(op, *args, **kwargs)

    return function


class _Joined:
    """`np.c_[…]` and `np.r_[…]` of recorded arrays."""

    def __init__(self, own: Any, columns: bool) -> None:
        self._own, self._columns = own, columns

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not _holds(list(parts)) or any(isinstance(part, str | slice) for part in parts):
            return self._own[key]
        if self._columns:
            arrays = [part if np.ndim(part) > 1 else np.reshape(np.atleast_1d(part), (-1, 1)) for part in parts]
            return np.concatenate(arrays, axis=-1)
        return np.concatenate([np.atleast_1d(part) for part in parts], axis=0)


def _makers(recorder: ArrayRecorder) -> dict[str, Callable[..., Any]]:
    """NumPy's constructors, whose arrays of floats are traced."""
    own = {name: getattr(np, name) for name in ("zeros", "ones", "empty", "full", "eye", "identity")}
    like = {name: getattr(np, name) for name in ("zeros_like", "ones_like", "empty_like", "full_like")}
    into = {
        name: getattr(np, name)
        for name in ("array", "asarray", "asanyarray", "ascontiguousarray", "asfarray")
        if hasattr(np, name)
    }
    empty = np.empty

    def constant(array: Array) -> Any:
        if isinstance(array, matrices.MATRIX):
            return matrices.traced(recorder, array)
        if not recorder.recording or array.dtype.kind != "f":
            return array
        return recorder.wrap(recorder.tape.add("constant", (), array, needs=False))

    def make(maker: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: constant(maker(*strip(args), **strip(kwargs)))

    def made_like(maker: Callable[..., Any]) -> Callable[..., Any]:
        def function(value: Any, *args: Any, **kwargs: Any) -> Any:
            made = constant(maker(strip(value), *strip(args), **strip(kwargs)))
            return matrices.as_matrix(made) if isinstance(value, matrices.TracedMatrix) else made

        return function

    def convert(maker: Callable[..., Any], name: str) -> Callable[..., Any]:
        def function(value: Any, *args: Any, **kwargs: Any) -> Any:
            kind = args[0] if args else kwargs.get("dtype")
            kind = None if kind is None else np.dtype(kind).kind
            value = value if name == "asanyarray" else matrices.as_array(value)
            if isinstance(value, Traced) and value._tape is recorder:  # pyright: ignore[reportPrivateUsage]
                plain = kind not in (None, "f")
                if plain:
                    return maker(strip(value), *args, **kwargs)
                return _deep(value if name != "array" else value.copy(), kwargs)
            if _holds(value):
                return _boxed(value, empty) if kind == "O" else _deep(_stacked(value), kwargs)
            made = maker(value, *args, **kwargs)
            return constant(made) if isinstance(value, list | tuple) else made

        return function

    return (
        {name: make(maker) for name, maker in own.items()}
        | {name: made_like(maker) for name, maker in like.items()}
        | {name: convert(maker, name) for name, maker in into.items()}
    )


def _deep(array: Any, options: dict[str, Any]) -> Any:
    """With axes of length 1 before its own, as `np.array(row, ndmin=2)` has."""
    missing = options.get("ndmin", 0) - np.ndim(array)
    return np.reshape(array, (*[1] * missing, *np.shape(array))) if missing > 0 else array


def _boxed(value: Any, empty: Callable[..., Array]) -> Array:
    """An array of objects, which may be arrays."""
    box = empty(len(value), dtype=object)
    for i, item in enumerate(value):
        box[i] = item
    return box


def _holds(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(item, Traced) or _holds(item) for item in value)


def _stacked(value: Any) -> Any:
    """A nested list with traced arrays in it, as one array."""
    return np.stack([_stacked(item) if isinstance(item, list | tuple) else item for item in value])
