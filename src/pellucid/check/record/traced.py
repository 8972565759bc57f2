"""Arrays that record what is done with them: a NumPy program is run once, unchanged, and its operations are on a tape.

A `Traced` is an array like any other, so the program need not know. Nothing is taken on trust: where something slips
past the recording (a number put into a list and taken out as a float), the derivative along the tape does not agree
with the one by differences, and the tape is not used.
"""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.check.record.plain import Recorded, Untraceable, strip
from pellucid.check.record.probe import MOST, gathered
from pellucid.check.record.rules import ELEMENTWISE
from pellucid.check.record.tables import ALIASES, HANDLERS, MOVES, OPAQUE, PLAIN
from pellucid.check.record.tape import Array, Site, Tape, TapeNode

LIMIT = 2**29  # bytes of recorded values: what does not fit is not recorded

FLAT = ("sign", "floor", "ceil", "rint", "trunc", "heaviside", "floor_divide", "spacing")

_HERE = str(Path(__file__).parent.parent)  # the room `check`
_NUMPY = str(Path(np.__file__).parent)


class Traced(Recorded):
    """An array with a node on a tape."""

    _node: TapeNode | None
    _tape: ArrayRecorder | None
    _parent: tuple[Traced, Any] | None

    def __array_finalize__(self, other: Any) -> None:
        self._node = self._tape = self._parent = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        recorder = _recorder((*inputs, *(out or ())))
        if recorder is None:
            return getattr(ufunc, method)(*strip(inputs), **strip(options), **({"out": strip(out)} if out else {}))
        into = out[0] if out else None
        result = recorder.ufunc(ufunc, method, inputs, options, into)
        if method == "at":
            return None
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

    def __round__(self, digits: Any = None) -> Any:
        return round(float(strip(self)), digits)

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce__(self) -> Any:
        return strip(self).__reduce__()

    @property
    def shape(self) -> Any:
        return np.ndarray.shape.__get__(self)

    @shape.setter
    def shape(self, shape: Any) -> None:
        """`x.shape = (2, 1)`: an array of another shape takes its place."""
        moved = self._tape is not None and self._tape.recording and self._node is not None
        node = self._tape.node(np.reshape(self, shape)) if moved and self._tape is not None else self._node
        np.ndarray.shape.__set__(self, shape)  # type: ignore[attr-defined]
        self._node = node

    @property
    def T(self) -> Any:
        return np.transpose(self)

    @property
    def mT(self) -> Any:
        return np.swapaxes(self, -1, -2)

    @property
    def real(self) -> Any:
        return self

    @property
    def is_recorded(self) -> bool:
        """Whether it has a node: what slipped past the recording has none."""
        return self._node is not None

    @property
    def flat(self) -> Any:
        return np.ravel(self)

    def tolist(self) -> Any:
        return [self[i].tolist() for i in range(len(self))] if self.ndim else self

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


def _in_place(name: str, ufunc: Any) -> Callable[..., Any]:
    own = getattr(np.ndarray, name)

    def method(self: Traced, other: Any) -> Any:
        """What comes out of a sum or an index is a scalar to NumPy: `x += y` makes a new one of it."""
        scalar = self.ndim == 0 and self._node is not None and self._node.op not in ("parameter", "constant", "assign")
        return ufunc(self, other) if scalar else own(self, other)

    method.__name__ = name
    return method


for _name, _ufunc in (
    *(("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("truediv", np.divide), ("pow", np.power)),
):
    setattr(Traced, f"__i{_name}__", _in_place(f"__i{_name}__", _ufunc))

for _name in (
    *("sum", "mean", "max", "min", "prod", "var", "std", "cumsum", "argmax", "argmin", "argsort", "any", "all"),
    *("ravel", "swapaxes", "squeeze", "repeat", "take", "diagonal", "trace", "nonzero", "round"),
):
    setattr(Traced, _name, _method(_name))


def _recorder(values: Sequence[Any]) -> ArrayRecorder | None:
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


def _filled(node: TapeNode, value: Traced) -> bool:
    """Whether an array that was made empty holds other numbers by now, though nothing was recorded that wrote them, as
    `np.random.randn` does."""
    plain = strip(value)
    return plain.shape == node.value.shape and not np.array_equal(plain, node.value, equal_nan=True)


class ArrayRecorder:
    """A tape while it is being written."""

    def __init__(self) -> None:
        self.tape = Tape()
        self.recording = False
        self.floats: list[tuple[float, TapeNode]] = []
        self.bytes = 0
        self._constants: dict[int, tuple[Any, TapeNode]] = {}
        self._pending: dict[int, TapeNode] = {}

    # Arrays and nodes -------------------------------------------------------------------------------------------

    def wrap(self, node: TapeNode, memory: Array | None = None) -> Traced:
        array = (np.array(node.value) if memory is None else np.asarray(memory)).view(Traced)
        array._node, array._tape = node, self
        return array

    def parameter(self, name: str, value: Array) -> Traced:
        node = self.tape.add("parameter", (), value, attributes={"name": name}, needs=True)
        self.tape.parameters[name] = node
        return self.wrap(node)

    def add(self, op: str, inputs: Sequence[TapeNode], value: Any, part: str = "", **attributes: Any) -> TapeNode:
        value = np.asarray(value)
        self.bytes += value.nbytes
        if self.bytes > LIMIT:
            raise Untraceable(f"it computes more than {LIMIT >> 20} MiB of intermediate values")
        needs = False if op == "flat" else None
        return self.tape.add(op, inputs, value, site(part), attributes, needs)

    def node(self, value: Any) -> TapeNode:
        """The node of an array or a number; a constant has one too."""
        if isinstance(value, Traced) and value._node is not None and value._tape is self:
            node = value._node
            if self._pending.pop(node.index, None) is not None:
                node.value = np.array(strip(value))  # the buffer as it is now, before it is written to again
            elif node.op == "constant" and _filled(node, value):  # by code that is not recorded: what was drawn
                node = value._node = self.tape.add("constant", (), np.array(strip(value)), needs=False)
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

    def ufunc(self, ufunc: Any, method: str, inputs: Any, options: dict[str, Any], out: Any = None) -> Any:
        plain = strip(inputs)
        if method == "__call__":
            where = options.pop("where", True)
            options.pop("casting", None)
            result = ufunc(*plain, **strip(options))
            if where is not True:
                return self._partly(ufunc, inputs, where, out, options)
            if ufunc is np.matmul:
                return self.wrap(self.add("matmul", [self.node(value) for value in inputs], result))
            name = ALIASES.get(ufunc.__name__, ufunc.__name__)
            if name in ELEMENTWISE:
                return self.elementwise(name, inputs, result)
            if name in ("divmod", "modf", "frexp"):
                return self._in_parts(name, inputs)
            if np.asarray(result).dtype == bool or name in FLAT:
                return self.elementwise("flat", inputs, result)
            if isinstance(result, tuple) or np.asarray(result).dtype.kind not in "fO":
                return result
            return self.probe(ufunc, inputs, options, elementwise=True)
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
        if method == "at" and ufunc.__name__ in ("add", "subtract"):
            return self._scattered(ufunc.__name__, *inputs)
        if method in ("reduceat", "accumulate"):
            return self.probe(getattr(ufunc, method), inputs, options)
        raise Untraceable(f"numpy.{ufunc.__name__}.{method}")

    def _partly(self, ufunc: Any, inputs: Any, where: Any, out: Any, options: dict[str, Any]) -> Any:
        """A ufunc with where=: what it leaves out stays as it was in `out`."""
        if out is None:
            raise Untraceable(f"numpy.{ufunc.__name__} with where= and no out=")
        with np.errstate(all="ignore"):
            whole = ufunc(*inputs, **options)
        return np.where(strip(where), whole, out)

    def _in_parts(self, name: str, inputs: Any) -> Any:
        """Of a whole part and a rest, the rest has a slope."""
        if name == "divmod":
            return np.floor_divide(*inputs), np.remainder(*inputs)
        if name == "modf":
            return np.fmod(inputs[0], 1.0), np.trunc(inputs[0])
        raise Untraceable(f"numpy.{name} has no derivative here")

    def _scattered(self, name: str, array: Any, index: Any, values: Any) -> None:
        """`np.add.at(array, index, values)`, in place."""
        index, node = _frozen(strip(index)), self.node(values)
        total = strip(np.zeros(array.shape))
        np.add.at(total, index, node.value)
        spread = self.wrap(self.add("scatter", [node], total, index=index))
        self.write(array, np.add(array, spread) if name == "add" else np.subtract(array, spread))

    def function(self, func: Any, args: Any, kwargs: Any) -> Any:
        name: str = func.__name__
        out = kwargs.get("out") if isinstance(kwargs.get("out"), Traced) else None
        if out is not None:
            return self.write(out, self.function(func, args, {k: v for k, v in kwargs.items() if k != "out"}))
        partly = not any(kwargs.get("where", True) is whole for whole in (True, np._NoValue))
        if partly and name in ("sum", "mean", "max", "min", "prod", "var", "std"):
            if name != "sum":
                raise Untraceable(f"numpy.{name} with where=")
            args = (np.where(strip(kwargs["where"]), args[0], 0.0), *args[1:])
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
        return self.probe(func, args, kwargs)

    def probe(self, func: Callable[..., Any], args: Any, kwargs: Any, elementwise: bool = False) -> Any:
        """A function that no rule is known for: what it does to each input is found by differences of it alone."""
        found, call = gathered(args, kwargs)
        name = getattr(func, "__name__", "a function")
        if sum(array.size for array in found) > MOST and not elementwise:
            raise Untraceable(f"{name} has no derivative here, and {MOST} elements are too many to move one by one")
        nodes = [self.node(array) for array in found]

        def plainly(arrays: list[Array]) -> Any:
            given, named = call(arrays)
            self.recording, before = False, self.recording
            try:
                return strip(func(*given, **named))
            finally:
                self.recording = before

        def part(arrays: list[Array], which: int | None = None) -> Any:
            result = plainly(arrays)
            return np.asarray(result if which is None else result[which], float)

        result = plainly([np.array(strip(array)) for array in found])
        if isinstance(result, tuple):
            return (
                type(result)(*self._several(name, nodes, part, result))
                if hasattr(result, "_fields")
                else tuple(self._several(name, nodes, part, result))
            )
        plain = np.asarray(result)
        if plain.dtype.kind not in "fO":
            return result
        plain = plain.astype(float)
        if (
            elementwise
            and len(found) == 1
            and plain.shape == found[0].shape
            and (known := _known(part, nodes[0].value, plain))
        ):
            return known(found[0])
        same = elementwise and all(array.shape == plain.shape for array in found)
        return self.wrap(self.add("probed", nodes, plain, function=part, elementwise=same, name=name))

    def _several(
        self, name: str, nodes: list[TapeNode], part: Callable[..., Any], result: tuple[Any, ...]
    ) -> list[Any]:
        return [
            self.wrap(
                self.add(
                    "probed", nodes, np.asarray(value, float), name=name, elementwise=False,
                    function=lambda arrays, which=which: part(arrays, which),
                )
            )
            if np.asarray(value).dtype.kind == "f"
            else value
            for which, value in enumerate(result)
        ]  # fmt: skip

    def move(self, function: Callable[[Array], Any], array: Any, name: str, values: Any = None) -> Any:
        """An operation that only moves elements: what it does to the places tells where each value came from."""
        source = self.node(array)
        if not np.issubdtype(source.value.dtype, np.floating):
            moved = function(strip(array))
            if type(moved) is np.ndarray and moved.ndim and moved.dtype.kind in "iu":
                return self.wrap(self.tape.add("constant", (), moved, needs=False))  # its `.dot` takes what is recorded
            return moved
        places = function(_places(source.shape))
        moved = function(strip(array)) if values is None else values
        if isinstance(places, list | tuple):
            parts = [self._moved(source, p, m, name) for p, m in zip(places, moved, strict=True)]
            return type(places)(parts) if type(places) in (list, tuple) else tuple(parts)
        return self._moved(source, places, moved, name)

    def _moved(self, source: TapeNode, places: Any, moved: Any, name: str) -> Traced:
        return self.wrap(self.add("move", [source], moved, places=np.asarray(places) - 1, kind=name))

    def reduced(self, op: str, array: Any, axis: Any, keepdims: bool, part: str = "") -> Traced:
        source = self.node(array)
        axes = tuple(range(source.value.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(sorted(int(number) % max(source.value.ndim, 1) for number in axes))
        value = getattr(np, op)(source.value, axis=axes, keepdims=keepdims)
        return self.wrap(self.add(op, [source], value, part, axes=axes, keepdims=bool(keepdims)))


# Functions that are recorded as what they are, in whatever way a program computes them: element by element, by SciPy.
_USUAL: tuple[Callable[[Any], Any], ...] = (
    np.tanh,
    lambda z: 1 / (1 + np.exp(-z)),
    lambda z: np.maximum(z, 0.0),
    np.exp,
)


def _known(part: Callable[..., Any], value: Array, result: Array) -> Callable[[Any], Any] | None:
    """Which usual function one of single numbers is, by its values here and beside."""
    with np.errstate(all="ignore"):
        for usual in _USUAL:
            if not np.allclose(usual(value), result, rtol=1e-12, atol=1e-14):
                continue
            if all(np.allclose(usual(z), part([z]), rtol=1e-12, atol=1e-14) for z in (value + 0.3, -value)):
                return usual
    return None


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
    calls: list[Any] = []
    caller = frame.f_back
    while caller is not None and not caller.f_code.co_filename.startswith(_HERE):
        calls += [caller.f_code, _column(caller.f_code, caller.f_lasti)]
        caller = caller.f_back
    return Site(frame.f_code.co_filename, frame.f_lineno, _column(frame.f_code, frame.f_lasti), part, tuple(calls))


@lru_cache(maxsize=4096)
def _column(code: Any, instruction: int) -> int:
    """Where in its line an instruction stands. Its own number changes while a loop runs: Python specialises it."""
    line, _, begin, end = next(islice(code.co_positions(), instruction // 2, None), (0, 0, 0, 0))
    return ((line or 0) * 10_000 + (begin or 0)) * 10_000 + (end or 0)
