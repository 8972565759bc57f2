"""Arrays that record what is done with them: a NumPy program is run once, unchanged, and its operations are on a tape.

A `Traced` is an array like any other, so the program need not know. Nothing is taken on trust: where something slips
past the recording (a number put into a list and taken out as a float), the derivative along the tape does not agree
with the one by differences, and the tape is not used.
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from pellucid.check.rules import ELEMENTWISE
from pellucid.check.tape import Array, Node, Site, Tape

LIMIT = 2**29  # bytes of recorded values: what does not fit is not recorded

_HERE = str(Path(__file__).parent)
_NUMPY = str(Path(np.__file__).parent)


class Untraceable(Exception):
    """The program does something that cannot be recorded; it is then judged by its numbers alone."""


class Traced(np.ndarray):
    """An array with a node on a tape."""

    _node: Node | None
    _tape: Recorder | None
    _parent: tuple[Traced, Any] | None

    def __array_finalize__(self, other: Any) -> None:
        self._node = self._tape = self._parent = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        recorder = _recorder((*inputs, *(out or ())))
        if recorder is None:
            return getattr(ufunc, method)(*strip(inputs), **strip(options), **({"out": strip(out)} if out else {}))
        result = recorder.ufunc(ufunc, method, inputs, options)
        return recorder.write(out[0], result) if out and out[0] is not None else result

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        recorder = _recorder((*args, *kwargs.values()))
        if recorder is None:
            return func(*strip(args), **strip(kwargs))
        return recorder.function(func, args, kwargs)

    def __getitem__(self, index: Any) -> Any:
        if self._tape is None or not self._tape.recording:
            return strip(self)[strip(index)]
        result = self._tape.move(lambda array: array[strip(index)], self, "getitem")
        if isinstance(result, Traced) and _is_basic(index):
            result._parent = (self, index)  # what is done to a view in place is done to the array
        return result

    def __setitem__(self, index: Any, value: Any) -> None:
        if self._tape is None or not self._tape.recording:
            strip(self)[strip(index)] = strip(value)
        else:
            self._tape.assign(self, index, value)

    def __float__(self) -> float:
        value = float(strip(self))
        if self._tape is not None and self._node is not None:
            self._tape.floats.append((value, self._node))
        return value

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce__(self) -> Any:
        return strip(self).__reduce__()

    @property
    def T(self) -> Any:
        return np.transpose(self)

    @property
    def mT(self) -> Any:
        return np.swapaxes(self, -1, -2)

    @property
    def real(self) -> Any:
        return self

    def item(self, *index: Any) -> Any:
        return self[index] if index else self.reshape(())

    def copy(self, order: Any = "C") -> Any:
        return self._same()

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        plain = strip(self).astype(dtype)
        return self._same() if plain.dtype.kind == "f" else plain

    def reshape(self, *shape: Any, order: Any = "C", **options: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self, order: Any = "C") -> Any:
        return np.ravel(self, order=order)

    def dot(self, other: Any, out: Any = None) -> Any:
        return np.dot(self, other)

    def clip(self, min: Any = None, max: Any = None, **options: Any) -> Any:
        return np.clip(self, min, max)

    def fill(self, value: Any) -> None:
        self[...] = value

    def _same(self) -> Any:
        tape = self._tape
        return strip(self).copy() if tape is None or not tape.recording else tape.wrap(tape.node(self))


def _method(name: str) -> Callable[..., Any]:
    def method(self: Traced, *args: Any, **kwargs: Any) -> Any:
        return getattr(np, name)(self, *args, **kwargs)

    method.__name__ = name
    return method


for _name in (
    *("sum", "mean", "max", "min", "prod", "var", "std", "cumsum", "argmax", "argmin", "argsort", "any", "all"),
    *("ravel", "swapaxes", "squeeze", "repeat", "take", "diagonal", "trace", "nonzero", "round"),
):
    setattr(Traced, _name, _method(_name))


def strip(value: Any) -> Any:
    """The same without recording: plain arrays in place of traced ones, in tuples, lists, dicts and slices too."""
    if isinstance(value, Traced):
        return value.view(np.ndarray)
    if isinstance(value, tuple | list):
        return type(value)([strip(item) for item in value]) if type(value) in (tuple, list) else value
    if isinstance(value, dict):
        return {key: strip(item) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(int(v) if isinstance(v, Traced) else v for v in (value.start, value.stop, value.step)))
    return value


def _recorder(values: Sequence[Any]) -> Recorder | None:
    for value in values:
        if isinstance(value, Traced):
            if value._tape is not None and value._tape.recording:
                return value._tape
        elif isinstance(value, tuple | list) and (found := _recorder(value)) is not None:
            return found
    return None


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, slice | int | np.integer) for part in parts)


@lru_cache(maxsize=64)
def _places(shape: tuple[int, ...]) -> Array:
    """The place of each element, counted from 1, so that 0 is what was filled in."""
    return np.arange(1, math.prod(shape) + 1).reshape(shape)


class Recorder:
    """A tape while it is being written."""

    def __init__(self) -> None:
        self.tape = Tape()
        self.recording = False
        self.floats: list[tuple[float, Node]] = []
        self.bytes = 0
        self._constants: dict[int, tuple[Any, Node]] = {}
        self._pending: dict[int, Node] = {}

    # Arrays and nodes -------------------------------------------------------------------------------------------

    def wrap(self, node: Node, memory: Array | None = None) -> Traced:
        array = (np.array(node.value) if memory is None else np.asarray(memory)).view(Traced)
        array._node, array._tape = node, self
        return array

    def parameter(self, name: str, value: Array) -> Traced:
        node = self.tape.add("parameter", (), value, attributes={"name": name}, needs=True)
        self.tape.parameters[name] = node
        return self.wrap(node)

    def add(self, op: str, inputs: Sequence[Node], value: Any, part: str = "", **attributes: Any) -> Node:
        value = np.asarray(value)
        self.bytes += value.nbytes
        if self.bytes > LIMIT:
            raise Untraceable(f"it computes more than {LIMIT >> 20} MiB of intermediate values")
        needs = False if op == "flat" else None
        return self.tape.add(op, inputs, value, site(part), attributes, needs)

    def node(self, value: Any) -> Node:
        """The node of an array or a number; a constant has one too."""
        if isinstance(value, Traced) and value._node is not None and value._tape is self:
            node = value._node
            if self._pending.pop(node.index, None) is not None:
                node.value = np.array(strip(value))  # the buffer as it is now, before it is written to again
            return node
        plain = np.asarray(strip(value))
        known = self._constants.get(id(value))
        if known is not None and known[0] is value and np.array_equal(known[1].value, plain):
            return known[1]
        node = self.tape.add("constant", (), plain, needs=False)
        if isinstance(value, np.ndarray):
            self._constants[id(value)] = (value, node)
        return node

    def write(self, out: Any, result: Any) -> Any:
        """In place: the array has new values, and so has the one that it is a view of."""
        if not isinstance(out, Traced):
            out[...] = strip(result)  # lost, unless somebody reads it through `result`
            return out
        strip(out)[...] = strip(result)
        node = self.node(result)
        if node.shape != out.shape:
            node = self.node(np.broadcast_to(result, out.shape))
        out._node, out._tape = node, self
        if out._parent is not None:
            parent, index = out._parent
            self.assign(parent, index, self.wrap(node))
        return out

    def assign(self, array: Traced, index: Any, value: Any) -> None:
        node = array._node or self.node(strip(array))
        self._pending.pop(node.index, None)
        index = strip(index)
        mask = isinstance(index, np.ndarray) and index.dtype == bool and index.shape == array.shape
        if mask and np.ndim(value) == 0:  # x[x < 0] = 0 is a choice, like `where`
            array._node = self.node(np.where(index, value, array._same()))
            strip(array)[index] = strip(value)
            return
        inputs = (node, self.node(value))
        strip(array)[index] = strip(value)
        later = np.broadcast_to(np.zeros(()), array.shape)  # its values are taken when they are first read
        new = self.tape.add("assign", inputs, 0.0, site(), {"index": _frozen(index)})
        new.value = later
        self._pending[new.index] = new
        array._node, array._tape = new, self
        if array._parent is not None:
            parent, where = array._parent
            self.assign(parent, where, array)

    # Operations -------------------------------------------------------------------------------------------------

    def elementwise(self, op: str, values: Sequence[Any], result: Any, part: str = "") -> Traced:
        return self.wrap(self.add(op, [self.node(value) for value in values], result, part))

    def ufunc(self, ufunc: Any, method: str, inputs: Any, options: dict[str, Any]) -> Any:
        plain = strip(inputs)
        if method == "__call__":
            where = options.pop("where", True)
            options.pop("casting", None)
            result = ufunc(*plain, **strip(options))
            if where is not True:
                raise Untraceable(f"numpy.{ufunc.__name__} with where=")
            if ufunc is np.matmul:
                return self.wrap(self.add("matmul", [self.node(value) for value in inputs], result))
            name = ALIASES.get(ufunc.__name__, ufunc.__name__)
            if name in ELEMENTWISE:
                return self.elementwise(name, inputs, result)
            if np.asarray(result).dtype == bool or name in ("sign", "floor", "ceil", "rint", "trunc", "heaviside"):
                return self.elementwise("flat", inputs, result)
            if isinstance(result, tuple) or np.asarray(result).dtype.kind != "f":
                return result
            return self.lost(f"numpy.{ufunc.__name__}", result)
        if method == "reduce":
            reducers = {"add": np.sum, "maximum": np.max, "minimum": np.min, "multiply": np.prod}
            axis, keepdims = options.get("axis", 0), options.get("keepdims", False)
            if ufunc.__name__ in reducers:
                return reducers[ufunc.__name__](inputs[0], axis=axis, keepdims=keepdims)
            if ufunc is np.logaddexp:
                top = strip(inputs[0]).max(axis=axis, keepdims=True)
                total = np.log(np.sum(np.exp(inputs[0] - top), axis=axis, keepdims=True)) + top
                return total if keepdims else np.squeeze(total, axis=axis)
            return ufunc.reduce(*plain, **strip(options))
        if method == "accumulate" and ufunc is np.add:
            return np.cumsum(inputs[0], axis=options.get("axis", 0))
        if method == "outer":
            first, second = inputs
            return ufunc(np.reshape(first, (*np.shape(first), *[1] * np.ndim(second))), second)
        raise Untraceable(f"numpy.{ufunc.__name__}.{method}")

    def function(self, func: Any, args: Any, kwargs: Any) -> Any:
        name: str = func.__name__
        if handler := HANDLERS.get(name):
            return handler(self, *args, **kwargs)
        if name in MOVES:
            return self.move(lambda array: func(array, *strip(args[1:]), **strip(kwargs)), args[0], name)
        if name in PLAIN:
            return func(*strip(args), **strip(kwargs))
        if hasattr(func, "_implementation") and func.__module__.startswith("numpy") and name not in OPAQUE:
            try:
                return func._implementation(*args, **kwargs)  # its own steps are recorded
            except (RecursionError, TypeError):
                pass
        return self.lost(f"numpy.{name}", func(*strip(args), **strip(kwargs)))

    def lost(self, what: str, result: Any) -> Any:
        """A result that the tape does not know how to differentiate."""
        raise Untraceable(f"{what} has no derivative here")

    def move(self, function: Callable[[Array], Any], array: Any, name: str, values: Any = None) -> Any:
        """An operation that only moves elements: what it does to the places tells where each value came from."""
        source = self.node(array)
        if not np.issubdtype(source.value.dtype, np.floating):
            return function(strip(array))
        places = function(_places(source.shape))
        moved = function(strip(array)) if values is None else values
        if isinstance(places, list | tuple):
            parts = [self._moved(source, p, m, name) for p, m in zip(places, moved, strict=True)]
            return type(places)(parts) if type(places) in (list, tuple) else tuple(parts)
        return self._moved(source, places, moved, name)

    def _moved(self, source: Node, places: Any, moved: Any, name: str) -> Traced:
        return self.wrap(self.add("move", [source], moved, places=np.asarray(places) - 1, kind=name))

    def reduced(self, op: str, array: Any, axis: Any, keepdims: bool, part: str = "") -> Traced:
        source = self.node(array)
        axes = tuple(range(source.value.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(sorted(int(one) % max(source.value.ndim, 1) for one in axes))
        value = getattr(np, op)(source.value, axis=axes, keepdims=keepdims)
        return self.wrap(self.add(op, [source], value, part, axes=axes, keepdims=bool(keepdims)))


def _frozen(index: Any) -> Any:
    """The index as it is now: a mask may be changed afterwards."""
    return tuple(_frozen(part) for part in index) if isinstance(index, tuple) else copy.copy(index)


def site(part: str = "") -> Site:
    """The user's instruction that is running."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith((_HERE, _NUMPY, "<__array_function__")):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:  # pragma: no cover
        return Site("?", 0, 0, part)
    return Site(frame.f_code.co_filename, frame.f_lineno, _column(frame.f_code, frame.f_lasti), part)


@lru_cache(maxsize=4096)
def _column(code: Any, instruction: int) -> int:
    """Where in its line an instruction stands. Its own number changes while a loop runs: Python specialises it."""
    _, _, begin, end = next(islice(code.co_positions(), instruction // 2, None), (0, 0, 0, 0))
    return (begin or 0) * 10_000 + (end or 0)


ALIASES: dict[str, str] = {
    "true_divide": "divide",
    "float_power": "power",
    "pow": "power",
    "fabs": "absolute",
    "abs": "absolute",
    "fmax": "maximum",
    "fmin": "minimum",
}

# NumPy's functions --------------------------------------------------------------------------------------------------

# Those that only move elements, and fill what they add with zeros.
MOVES = {
    *("reshape", "ravel", "transpose", "permute_dims", "matrix_transpose", "swapaxes", "moveaxis", "rollaxis"),
    *("expand_dims", "squeeze", "broadcast_to", "repeat", "tile", "roll", "flip", "fliplr", "flipud", "rot90"),
    *("take", "take_along_axis", "diag", "diagonal", "tril", "triu", "atleast_1d", "atleast_2d", "atleast_3d"),
    *("split", "array_split", "hsplit", "vsplit", "dsplit", "sliding_window_view", "compress", "delete", "diagflat"),
    *("as_strided", "unstack"),
}
# Those whose results have no slope.
PLAIN = {
    *("shape", "ndim", "size", "argmax", "argmin", "argsort", "nonzero", "any", "all", "isclose", "allclose"),
    *("array_equal", "count_nonzero", "unique", "searchsorted", "bincount", "around", "round", "isfinite", "isnan"),
    *(
        "array_repr",
        "array_str",
        "array2string",
        "result_type",
        "can_cast",
        "min_scalar_type",
        "iscomplexobj",
        "isreal",
    ),
    *(
        "argwhere",
        "flatnonzero",
        "histogram",
        "may_share_memory",
        "shares_memory",
        "isin",
        "argpartition",
        "array_equiv",
    ),
    *("common_type", "save", "savez", "savetxt"),
}
# Those whose Python text would lose the recording.
OPAQUE = {
    "tensordot",
    "kron",
    "apply_along_axis",
    "vectorize",
    "interp",
    "convolve",
    "correlate",
    "percentile",
    "quantile",
}

HANDLERS: dict[str, Callable[..., Any]] = {}


def handles(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        HANDLERS.update(dict.fromkeys(names, function))
        return function

    return register


@handles("sum")
def _sum(
    r: Recorder, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **_: Any
) -> Any:
    return r.reduced("sum", a, axis, keepdims is True)


@handles("max", "amax")
def _max(r: Recorder, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **_: Any) -> Any:
    return r.reduced("max", a, axis, keepdims is True)


@handles("min", "amin")
def _min(r: Recorder, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **_: Any) -> Any:
    return r.reduced("min", a, axis, keepdims is True)


@handles("prod")
def _prod(
    r: Recorder, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **_: Any
) -> Any:
    return r.reduced("prod", a, axis, keepdims is True)


@handles("mean")
def _mean(
    r: Recorder,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    part: str = "mean",
    **_: Any,
) -> Any:
    total = r.reduced("sum", a, axis, keepdims is True, f"{part}.sum")
    count = total._node.inputs[0].value.size / max(total.size, 1)  # type: ignore[union-attr]
    scale = r.node(np.array(1 / count))
    return r.wrap(r.add("multiply", [r.node(total), scale], strip(total) / count, f"{part}.scale", mean=count))


@handles("average")
def _average(r: Recorder, a: Any, axis: Any = None, weights: Any = None, **_: Any) -> Any:
    return np.mean(a, axis=axis) if weights is None else np.sum(a * weights, axis=axis) / np.sum(weights)


@handles("var")
def _var(
    r: Recorder,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    **_: Any,
) -> Any:
    centre = _mean(r, a, axis, keepdims=True, part="var.centre")
    away = r.elementwise("subtract", [a, centre], strip(a) - strip(centre), "var.subtract")
    squares = r.elementwise("square", [away], strip(away) ** 2, "var.square")
    result = _mean(r, squares, axis, keepdims=keepdims, part="var.mean")
    if not ddof:
        return result
    count = a.size / max(result.size, 1)
    return r.elementwise(
        "multiply", [result, count / (count - ddof)], strip(result) * count / (count - ddof), "var.ddof"
    )


@handles("std")
def _std(r: Recorder, a: Any, axis: Any = None, **options: Any) -> Any:
    variance = _var(r, a, axis, **options)
    return r.elementwise("sqrt", [variance], np.sqrt(strip(variance)), "std.sqrt")


@handles("norm")
def _norm(r: Recorder, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord not in (None, 2, "fro") or (ord == 2 and axis is None and np.ndim(x) > 1):
        raise Untraceable(f"numpy.linalg.norm of order {ord}")
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


@handles("concatenate", "concat")
def _concatenate(r: Recorder, arrays: Any, axis: Any = 0, **_: Any) -> Any:
    if axis is None:
        arrays, axis = [np.ravel(array) for array in arrays], 0
    nodes = [r.node(array) for array in arrays]
    value = np.concatenate([node.value for node in nodes], axis=axis)
    return r.wrap(r.add("join", nodes, value, axis=axis % value.ndim))


@handles("where")
def _where(r: Recorder, condition: Any, *branches: Any) -> Any:
    if not branches:
        return np.where(strip(condition))
    return r.elementwise("where", [condition, *branches], np.where(strip(condition), *strip(branches)))


@handles("clip")
def _clip(r: Recorder, a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **options: Any) -> Any:
    low, high = options.get("min", a_min), options.get("max", a_max)
    low, high = (-np.inf if low is None else low), (np.inf if high is None else high)
    return r.elementwise("clip", [a, low, high], np.clip(strip(a), strip(low), strip(high)))


@handles("dot")
def _dot(r: Recorder, a: Any, b: Any, out: Any = None) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) <= 2:
        return np.matmul(a, b)
    letters = "abcdefghijklm"
    first, second = letters[: np.ndim(a)], letters[np.ndim(a) : np.ndim(a) + np.ndim(b)]
    second = second[:-2] + first[-1] + second[-1]
    return np.einsum(f"{first},{second}->{first[:-1]}{second.replace(first[-1], '')}", a, b)


@handles("inner", "vecdot", "vdot")
def _inner(r: Recorder, a: Any, b: Any) -> Any:
    if np.ndim(a) == np.ndim(b) == 1:
        return np.matmul(a, b)
    raise Untraceable("numpy.inner of matrices")


@handles("outer")
def _outer(r: Recorder, a: Any, b: Any, out: Any = None) -> Any:
    return np.einsum("i,j->ij", np.ravel(a), np.ravel(b))


@handles("tensordot")
def _tensordot(r: Recorder, a: Any, b: Any, axes: Any = 2) -> Any:
    if isinstance(axes, int | np.integer):
        axes = (list(range(np.ndim(a) - axes, np.ndim(a))), list(range(axes)))
    first, second = ([axis] if isinstance(axis, int | np.integer) else list(axis) for axis in axes)
    letters = "abcdefghijklmnopqrstuvwxyz"
    left = list(letters[: np.ndim(a)])
    right = list(letters[np.ndim(a) : np.ndim(a) + np.ndim(b)])
    for one, other in zip(first, second, strict=True):
        right[other] = left[one]
    summed = {left[one] for one in first}
    out = [letter for letter in [*left, *right] if letter not in summed]
    return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", a, b)


@handles("einsum")
def _einsum(r: Recorder, *operands: Any, **_: Any) -> Any:
    spec, *arrays = operands
    if not isinstance(spec, str):
        raise Untraceable("numpy.einsum with lists of axes")
    nodes = [r.node(array) for array in arrays]
    spec = _explicit(spec.replace(" ", ""), [node.value.ndim for node in nodes])
    if any(len(set(term)) < len(term) for term in spec.split("->")[0].split(",")):
        raise Untraceable("numpy.einsum along a diagonal")
    return r.wrap(r.add("einsum", nodes, np.einsum(spec, *[node.value for node in nodes]), spec=spec))


def _explicit(spec: str, dims: list[int]) -> str:
    """The specification with its output written out, and letters for an ellipsis."""
    inputs, arrow, output = spec.partition("->")
    terms = inputs.split(",")
    free = [letter for letter in "ZYXWVUTSRQPON" if letter not in spec]
    most = max((dim - (len(term) - 3) for term, dim in zip(terms, dims, strict=True) if "..." in term), default=0)
    spread = "".join(free[:most])
    if not arrow:
        letters = "".join(terms).replace(".", "")
        output = ("..." if "..." in inputs else "") + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    terms = [
        term.replace("...", spread[most - (dim - (len(term) - 3)) :] if "..." in term else "")
        for term, dim in zip(terms, dims, strict=True)
    ]
    return ",".join(terms) + "->" + output.replace("...", spread)


@handles("cumsum")
def _cumsum(r: Recorder, a: Any, axis: Any = None, **_: Any) -> Any:
    array = np.ravel(a) if axis is None else a
    axis = 0 if axis is None else axis % np.ndim(a)
    return r.wrap(r.add("cumsum", [r.node(array)], np.cumsum(strip(array), axis=axis), axis=axis))


@handles("pad")
def _pad(r: Recorder, array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    values = np.pad(strip(array), strip(pad_width), mode, **strip(options))
    options.pop("constant_values", None)  # the places of what is filled in are those of nothing
    return r.move(lambda places: np.pad(places, strip(pad_width), mode, **strip(options)), array, "pad", values)


@handles("sort")
def _sort(r: Recorder, a: Any, axis: int = -1, **_: Any) -> Any:
    return np.take_along_axis(a, np.argsort(strip(a), axis=axis), axis=axis)


@handles("inv")
def _inv(r: Recorder, a: Any) -> Any:
    return r.wrap(r.add("inverse", [r.node(a)], np.linalg.inv(strip(a))))


@handles("solve")
def _solve(r: Recorder, a: Any, b: Any) -> Any:
    return np.matmul(np.linalg.inv(a), b)


@handles("copy")
def _copy(r: Recorder, a: Any, *_: Any, **__: Any) -> Any:
    return r.wrap(r.node(a))


@handles("zeros_like", "ones_like", "empty_like", "full_like")
def _like(r: Recorder, a: Any, fill_value: Any = None, dtype: Any = None, **_: Any) -> Any:  # pragma: no cover
    raise Untraceable("an array made like another")  # replaced by the patches below


# What is not a function of arrays: NumPy's own ways to make one, and Python's math ----------------------------------


@contextmanager
def recording() -> Iterator[Recorder]:
    """NumPy records on one tape, for the length of a `with`: new arrays are traced too, since they may be filled."""
    recorder = Recorder()
    patches = [mock.patch.object(np, name, function) for name, function in _makers(recorder).items()]
    patches += [mock.patch.object(math, name, _both(getattr(math, name), name)) for name in MATH]
    for patch in patches:
        patch.start()
    recorder.recording = True
    try:
        yield recorder
    finally:
        recorder.recording = False
        for patch in patches:
            patch.stop()


MATH = ("exp", "log", "sqrt", "tanh", "sin", "cos", "log1p", "expm1", "fabs", "pow")


def _both(own: Callable[..., Any], name: str) -> Callable[..., Any]:
    array_function = getattr(np, {"fabs": "abs", "pow": "power"}.get(name, name))

    def function(*values: Any) -> Any:
        traced = any(isinstance(value, Traced) for value in values)
        if traced and name == "log" and len(values) == 2:
            return array_function(values[0]) / own(values[1])
        return array_function(*values) if traced else own(*values)

    return function


def _makers(recorder: Recorder) -> dict[str, Callable[..., Any]]:
    """NumPy's constructors, whose arrays of floats are traced."""
    own = {name: getattr(np, name) for name in ("zeros", "ones", "empty", "full", "eye", "identity")}
    like = {name: getattr(np, name) for name in ("zeros_like", "ones_like", "empty_like", "full_like")}
    into = {
        name: getattr(np, name)
        for name in ("array", "asarray", "asanyarray", "ascontiguousarray", "asfarray")
        if hasattr(np, name)
    }

    def constant(array: Array) -> Any:
        return (
            recorder.wrap(recorder.tape.add("constant", (), array, needs=False)) if array.dtype.kind == "f" else array
        )

    def make(maker: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: constant(maker(*strip(args), **strip(kwargs)))

    def convert(maker: Callable[..., Any], name: str) -> Callable[..., Any]:
        def function(value: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(value, Traced) and value._tape is recorder:
                kind = args[0] if args else kwargs.get("dtype")
                plain = kind is not None and np.dtype(kind).kind != "f"
                return maker(strip(value), *args, **kwargs) if plain else value if name != "array" else value.copy()
            if _holds(value):
                return _stacked(value)
            return maker(value, *args, **kwargs)

        return function

    return {name: make(maker) for name, maker in (own | like).items()} | {
        name: convert(maker, name) for name, maker in into.items()
    }


def _holds(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(item, Traced) or _holds(item) for item in value)


def _stacked(value: Any) -> Any:
    """A nested list with traced arrays in it, as one."""
    return np.stack([_stacked(item) if isinstance(item, list | tuple) else item for item in value])


def record(function: Callable[..., Any], params: dict[str, Array]) -> Tape:
    """Run `function(params)`, a number, and give the tape of how it came about.

    Raises:
        Untraceable: it does something that cannot be recorded; what, the message says.
    """
    with recording() as recorder, np.errstate(all="ignore"):
        traced = {name: recorder.parameter(name, value) for name, value in params.items()}
        result = function(traced)
        if isinstance(result, tuple | list):  # (loss, cache)
            result = result[0]
        if isinstance(result, Traced):
            recorder.tape.result = recorder.node(np.reshape(result, ()) if result.size == 1 else np.sum(result))
        else:
            value = float(result)
            known = [node for seen, node in recorder.floats if seen == value and node.value.size == 1]
            if not known:
                raise Untraceable("its result is a plain number, made from others of which nothing is known")
            recorder.tape.result = known[-1]
    return recorder.tape
