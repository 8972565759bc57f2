"""Kernels that go through rows of numbers: normalisation, softmax, and their gradients.

What is normalised together is a *unit*: `segments` runs of `length` numbers each, `apart` from each other. In layer
norm it is a row; in batch norm a channel, which has a run in each image. A run is summed in vectors, the runs in
float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pellucid.backend import Array

from . import mathematics as m
from .calling import address
from .emitter import Emitter, Value
from .pool import Run, share
from .table import TYPES, Kernel, rows

LEAST = 2048  # numbers: below, a call costs as much as it saves
_EACH = 1 << 16  # numbers that a thread takes at least
_SHORT = 8  # numbers of a run: below, a vector is not filled


class Layout(NamedTuple):
    """Where the units are."""

    units: int
    segments: int
    length: int
    step: int  # from a unit to the next
    apart: int  # from a run to the next


def _layout(shape: Any, dims: tuple[int, ...]) -> Layout | None:
    """The units of an array in which `dims` are normalised over: the last dimensions, or all but the second."""
    rank = len(shape)
    if dims == tuple(range(rank - len(dims), rank)):
        length = math.prod(shape[rank - len(dims) :])
        return Layout(math.prod(shape[: rank - len(dims)]), 1, length, length, 0)
    if dims == (0, *range(2, rank)):
        length = math.prod(shape[2:])
        return Layout(shape[1], shape[0], length, length, shape[1] * length)
    return None


def _sums(k: Emitter, unit: Value, type: str, *terms: Any) -> list[Value]:
    """The sum of each term, a function of a place, over a unit, as float64."""
    totals = [k.variable(k.constant("double", 0.0)) for _ in terms]
    with k.loop(0, k.segments) as segment:
        first = unit * k.step + segment * k.apart
        parts = [k.variable(k.constant(type, 0.0)) for _ in terms]
        with k.loop(0, k.length) as j:
            for part, term in zip(parts, terms, strict=True):
                part.add(term(first + j), reassociate=True)
        for total, part in zip(totals, parts, strict=True):
            total.add(k.convert(part.get(), "double"))
    return [total.get() for total in totals]


_PLACES = {"segments": "i64", "length": "i64", "step": "i64", "apart": "i64"}


class Expression:
    """What is made of a number of each of several arrays: `emit(emitter, type, *numbers)`; `text` tells which it is."""

    def __init__(self, text: str, count: int, emit: Callable[..., Value]) -> None:
        self.text, self.count, self.emit = text, count, emit

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


def _normalise(name: str, type: str, by_unit: bool, then: Expression | None = None) -> Emitter:
    """normal = (x - mean) / √(var + eps), out = normal · weight + bias: these of each unit or of each number of one.

    With `then`, out is what it makes of that and of a number of each of the other arrays.
    """
    pointers = ("x", "weight", "bias", "out", "normal", "mean", "var", "scale")
    others = [f"other{i}" for i in range(then.count - 1 if then else 0)]
    k = Emitter(
        f"{name}_{int(by_unit)}",
        {**dict.fromkeys(pointers, "ptr"), "eps": type, **_PLACES, **dict.fromkeys(others, "ptr")},
    )
    count = k.convert(k.segments * k.length, "double")
    with k.loop(k.start, k.stop) as unit:
        (total,) = _sums(k, unit, type, lambda place: k.load(type, k.x, place))
        mean = k.convert(total / count, type)

        def square(place: Value) -> Value:
            apart = k.load(type, k.x, place) - mean
            return apart * apart

        (total,) = _sums(k, unit, type, square)
        var = k.convert(total / count, type)
        scale = 1.0 / k.intrinsic("sqrt", var + k.eps)
        for value, pointer in ((mean, k.mean), (var, k.var), (scale, k.scale)):
            k.store(value, pointer, unit)
        with k.loop(0, k.segments) as segment:
            first = unit * k.step + segment * k.apart
            with k.loop(0, k.length) as j:
                normal = (k.load(type, k.x, first + j) - mean) * scale
                k.store(normal, k.normal, first + j)
                which = unit if by_unit else j
                made = normal * k.load(type, k.weight, which) + k.load(type, k.bias, which)
                if then is not None:
                    made = then.emit(k, type, made, *(k.load(type, getattr(k, each), first + j) for each in others))
                k.store(made, k.out, first + j)
    return k


def _normalise_gradients(name: str, type: str, by_unit: bool, first_of_all: Expression | None = None) -> Emitter:
    """With h = grad · weight: out = scale · (h - mean(h) - normal · mean(h · normal)).

    With a weight of each unit also what it and the bias get, Σ grad · normal and Σ grad of the unit. With
    `first_of_all`, grad is what it makes of a number of each of several arrays.
    """
    given_arrays = [f"given{i}" for i in range(first_of_all.count)] if first_of_all else ["grad"]
    pointers = ("weight", "normal", "scale", "out", "of_weight", "of_bias")
    k = Emitter(f"{name}_{int(by_unit)}", {**dict.fromkeys([*given_arrays, *pointers], "ptr"), **_PLACES})
    count = k.convert(k.segments * k.length, "double")
    with k.loop(k.start, k.stop) as unit:

        def given(place: Value, unit: Value = unit) -> Value:
            loaded = [k.load(type, getattr(k, each), place) for each in given_arrays]
            found = first_of_all.emit(k, type, *loaded) if first_of_all else loaded[0]
            return found if by_unit else found * k.load(type, k.weight, place - unit * k.step)

        plain, along = _sums(k, unit, type, given, lambda place: given(place) * k.load(type, k.normal, place))
        mean, slope = k.convert(plain / count, type), k.convert(along / count, type)
        scale = k.load(type, k.scale, unit)
        if by_unit:
            k.store(k.convert(along, type), k.of_weight, unit)
            k.store(k.convert(plain, type), k.of_bias, unit)
            scale = scale * k.load(type, k.weight, unit)
        with k.loop(0, k.segments) as segment:
            first = unit * k.step + segment * k.apart
            with k.loop(0, k.length) as j:
                rest = given(first + j) - mean - k.load(type, k.normal, first + j) * slope
                k.store(rest * scale, k.out, first + j)
    return k


_TALL = 256  # rows that are added up before their sum is added to those of others: rounding then grows less


def _sums_of_columns(name: str, type: str) -> Emitter:
    """of_weight[j] = Σ grad · normal and of_bias[j] = Σ grad over rows of `length`; items are columns j."""
    pointers = ("grad", "normal", "of_weight", "of_bias", "part_weight", "part_bias")
    k = Emitter(name, {**dict.fromkeys(pointers, "ptr"), "rows": "i64", "length": "i64"})
    zero = k.constant(type, 0.0)

    def clear(*arrays: Value) -> None:
        with k.loop(k.start, k.stop) as j:
            for array in arrays:
                k.store(zero, array, j)

    def gather(total: Value, part: Value) -> None:
        with k.loop(k.start, k.stop) as j:
            k.store(k.load(type, total, j) + k.load(type, part, j), total, j)

    clear(k.of_weight, k.of_bias)
    with k.loop(0, k.rows, _TALL) as begin:
        clear(k.part_weight, k.part_bias)
        with k.loop(begin, k.smaller(begin + _TALL, k.rows)) as row, k.loop(k.start, k.stop) as j:
            grad = k.load(type, k.grad, row * k.length + j)
            along = grad * k.load(type, k.normal, row * k.length + j)
            k.store(k.load(type, k.part_weight, j) + along, k.part_weight, j)
            k.store(k.load(type, k.part_bias, j) + grad, k.part_bias, j)
        gather(k.of_weight, k.part_weight)
        gather(k.of_bias, k.part_bias)
    return k


def _softmax(name: str, type: str, zero: bool) -> Emitter:
    """e^x / Σ e^x of each row of `length`, in place; with `zero`, a row of nothing but -inf becomes 0, else NaN."""
    k = Emitter(f"{name}_{int(zero)}", {"x": "ptr", "length": "i64"})
    low = k.constant(type, -math.inf)
    with k.loop(k.start, k.stop) as unit:
        first = unit * k.length
        largest = k.variable(low)
        with k.loop(0, k.length) as j:
            largest.set(k.intrinsic("maximum", largest.get(), k.load(type, k.x, first + j)))
        none = k.compare("==", largest.get(), low)
        top = k.select(none, k.constant(type, 0.0), largest.get()) if zero else largest.get()
        total = k.variable(k.constant(type, 0.0))
        with k.loop(0, k.length) as j:
            power = m.exp(k, k.load(type, k.x, first + j) - top)
            k.store(power, k.x, first + j)
            total.add(power, reassociate=True)
        share = 1.0 / (k.select(none, k.constant(type, 1.0), total.get()) if zero else total.get())
        with k.loop(0, k.length) as j:
            k.store(k.load(type, k.x, first + j) * share, k.x, first + j)
    return k


def _log_softmax(name: str, type: str) -> Emitter:
    """x - log Σ e^x of each row of `length`, its largest number taken out first."""
    k = Emitter(name, {"x": "ptr", "out": "ptr", "length": "i64"})
    with k.loop(k.start, k.stop) as unit:
        first = unit * k.length
        largest, total = k.variable(k.constant(type, -math.inf)), k.variable(k.constant(type, 0.0))
        with k.loop(0, k.length) as j:
            largest.set(k.intrinsic("maximum", largest.get(), k.load(type, k.x, first + j)))
        top = largest.get()
        with k.loop(0, k.length) as j:
            total.add(m.exp(k, k.load(type, k.x, first + j) - top), reassociate=True)
        below = k.intrinsic("log", total.get())
        with k.loop(0, k.length) as j:
            k.store(k.load(type, k.x, first + j) - top - below, k.out, first + j)
    return k


def _log_softmax_backward(name: str, type: str) -> Emitter:
    """out = grad - e^output · Σ grad, by rows of `length`."""
    k = Emitter(name, {"grad": "ptr", "output": "ptr", "out": "ptr", "length": "i64"})
    with k.loop(k.start, k.stop) as unit:
        first = unit * k.length
        total = k.variable(k.constant(type, 0.0))
        with k.loop(0, k.length) as j:
            total.add(k.load(type, k.grad, first + j), reassociate=True)
        whole = total.get()
        with k.loop(0, k.length) as j:
            part = m.exp(k, k.load(type, k.output, first + j)) * whole
            k.store(k.load(type, k.grad, first + j) - part, k.out, first + j)
    return k


def _softmax_backward(name: str, type: str) -> Emitter:
    """out = output · (grad - Σ grad · output), by rows of `length`."""
    k = Emitter(name, {"grad": "ptr", "output": "ptr", "out": "ptr", "length": "i64"})
    with k.loop(k.start, k.stop) as unit:
        first = unit * k.length
        total = k.variable(k.constant(type, 0.0))
        with k.loop(0, k.length) as j:
            total.add(k.load(type, k.grad, first + j) * k.load(type, k.output, first + j), reassociate=True)
        along = total.get()
        with k.loop(0, k.length) as j:
            rest = k.load(type, k.grad, first + j) - along
            k.store(k.load(type, k.output, first + j) * rest, k.out, first + j)
    return k


_forward = Kernel("normalise", _normalise)
_gradients = Kernel("normalise_gradients", _normalise_gradients)
_columns = Kernel("sums_of_columns", _sums_of_columns)
_soft = Kernel("softmax", _softmax)
_soft_back = Kernel("softmax_backward", _softmax_backward)
_log_soft = Kernel("log_softmax", _log_softmax)
_log_soft_back = Kernel("log_softmax_backward", _log_softmax_backward)


def _large(x: Array) -> bool:
    return type(x) is np.ndarray and x.dtype in TYPES and x.size >= LEAST and x.flags.c_contiguous


def _least(layout: Layout) -> int:
    return -(-_EACH // (layout.segments * layout.length))


def normalise(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    dims: tuple[int, ...],
    eps: float,
    by_unit: bool,
    then: Expression | None = None,
    others: Sequence[Array] = (),
) -> tuple[Array, Array, Array, Array, Array] | None:
    """(normal · weight + bias, normal, mean, variance, 1 / √(var + eps)); None where the NumPy lines are to run.

    Weight and bias are `by_unit` of each channel, else of each place of the last dimensions. With `then`, the first is
    what it makes of that and of each of `others`, which have the shape of `x`.
    """
    if not _large(x):
        return None
    kept = tuple(1 if i in dims else n for i, n in enumerate(x.shape))
    out, normal = np.empty_like(x), np.empty_like(x)
    mean, var, scale = (np.empty(kept, x.dtype) for _ in range(3))
    made = (out, normal, mean, var, scale)
    run = normalising(x, weight, bias, dims, eps, by_unit, made, then, others)
    if run is None:
        return None
    run()
    return made


def normalising(
    x: Array, weight: Array | None, bias: Array | None, dims: tuple[int, ...], eps: float, by_unit: bool,
    made: tuple[Array, ...], then: Expression | None = None, others: Sequence[Array] = (),
) -> Run | None:  # fmt: skip
    """The call that puts what `normalise` gives into the arrays `made`."""
    layout = _layout(x.shape, dims) if _large(x) else None
    if layout is None or layout.length < _SHORT:
        return None
    size = layout.units if by_unit else layout.length
    factor: Array = np.ones(size, x.dtype) if weight is None else weight
    shift: Array = np.zeros(size, x.dtype) if bias is None else bias
    if not rows(x, factor, shift, *made, *others) or factor.size != size or shift.size != size:
        return None
    if any(each.shape != x.shape for each in others):
        return None
    function = _forward.function(x.dtype, by_unit, *([] if then is None else [then]))
    if function is None:
        return None
    out, normal, mean, var, scale = made
    places = map(address, (x, factor, shift, out, normal, mean, var, scale))
    arguments = (*places, eps, *layout[1:], *map(address, others))
    return Run(function, layout.units, _least(layout), arguments, (factor, shift, *made))


def normalise_gradients(
    grad: Array, weight: Array | None, normal: Array, scale: Array, dims: tuple[int, ...], by_unit: bool,
    out: list[Array],
) -> bool:  # fmt: skip
    """Put the gradients of what was normalised, of weight and of bias into `out`; False where the lines are to run."""
    runs = gradients_of_normalising(grad, weight, normal, scale, dims, by_unit, out)
    for run in runs or ():
        run()
    return runs is not None


def gradients_of_normalising(
    grad: Array, weight: Array | None, normal: Array, scale: Array, dims: tuple[int, ...], by_unit: bool,
    out: list[Array],
) -> list[Run] | None:  # fmt: skip
    """The calls that do it, in order."""
    layout = _layout(grad.shape, dims) if _large(grad) and rows(grad, normal, scale, *out) else None
    if layout is None or layout.length < _SHORT or grad.shape != normal.shape or scale.size != layout.units:
        return None
    size = layout.units if by_unit else layout.length
    factor: Array = np.ones(size, grad.dtype) if weight is None else weight
    if not rows(grad, factor) or any(each.size != size for each in (factor, *out[1:])):
        return None
    if not by_unit and layout.segments != 1:
        return None
    function = _gradients.function(grad.dtype, by_unit)
    columns = None if by_unit else _columns.function(grad.dtype)
    if function is None or (columns is None and not by_unit):
        return None
    places = (*map(address, (grad, factor, normal, scale, *out)), *layout[1:])
    runs = [Run(function, layout.units, _least(layout), places, (factor,))]
    if columns is not None:
        parts = np.empty((2, size), grad.dtype)
        least = max(16, -(-_EACH // layout.units))  # columns: whole lines of the cache
        places = (*map(address, (grad, normal, *out[1:], *parts)), layout.units, size)
        runs.append(Run(columns, size, least, places, (parts,)))
    return runs


def joined_gradients(
    first_of_all: Expression, given: Sequence[Array], weight: Array | None, normal: Array, scale: Array,
    dims: tuple[int, ...],
) -> Array | None:  # fmt: skip
    """The gradients of what was normalised by channel, of weight and of bias in a row; None where the lines are to run.

    The gradient that comes in is what `first_of_all` makes of each number of the arrays `given`.
    """
    layout = _layout(normal.shape, dims) if _large(normal) else None
    made = None if layout is None else np.empty(normal.size + 2 * layout.units, normal.dtype)
    if made is None:
        return None
    run = joining_gradients(first_of_all, given, weight, normal, scale, dims, made)
    if run is None:
        return None
    run()
    return made


def joining_gradients(
    first_of_all: Expression, given: Sequence[Array], weight: Array | None, normal: Array, scale: Array,
    dims: tuple[int, ...], made: Array,
) -> Run | None:  # fmt: skip
    """The call that puts them into `made`."""
    layout = _layout(normal.shape, dims) if _large(normal) and rows(normal, scale, made, *given) else None
    if layout is None or layout.length < _SHORT or scale.size != layout.units:
        return None
    factor: Array = np.ones(layout.units, normal.dtype) if weight is None else weight
    if not rows(normal, factor) or factor.size != layout.units or any(each.shape != normal.shape for each in given):
        return None
    function = _gradients.function(normal.dtype, True, first_of_all)
    if function is None:
        return None
    of_weight, of_bias = made[normal.size :].reshape(2, layout.units)
    arrays = (*given, factor, normal, scale, made, of_weight, of_bias)
    return Run(function, layout.units, _least(layout), (*map(address, arrays), *layout[1:]), (factor,))


def softmax_(x: Array, zero: bool) -> bool:
    """Make each row of the last dimension its softmax, in place. False where the NumPy lines are to run.

    With `zero`, a row of nothing but -inf becomes 0, else NaN.
    """
    function = _soft.function(x.dtype, zero) if _large(x) and x.shape[-1] >= _SHORT else None
    if function is None:
        return False
    length = x.shape[-1]
    share(function, x.size // length, -(-_EACH // length), x, length)
    return True


def softmax(x: Array, dim: int) -> Array | None:
    """The softmax over the last dimension; None where the NumPy lines are to run."""
    if not _large(x) or dim not in (-1, x.ndim - 1):
        return None
    made = x.copy()
    return made if softmax_(made, zero=False) else None


def softmax_backward(grad: Array, output: Array, dim: int) -> Array | None:
    """output · (grad - Σ grad · output) over the last dimension; None where the NumPy lines are to run."""
    return _by_rows(_soft_back, dim, grad, output)


def log_softmax(x: Array, dim: int) -> Array | None:
    """The logarithm of the softmax over the last dimension; None where the NumPy lines are to run."""
    return _by_rows(_log_soft, dim, x)


def log_softmax_backward(grad: Array, output: Array, dim: int) -> Array | None:
    """grad - e^output · Σ grad over the last dimension; None where the NumPy lines are to run."""
    return _by_rows(_log_soft_back, dim, grad, output)


def _by_rows(kernel: Kernel, dim: int, *arrays: Array) -> Array | None:
    """What a kernel makes of each row of the arrays, in new memory."""
    first = arrays[0]
    if not _large(first) or dim not in (-1, first.ndim - 1) or first.shape[-1] < _SHORT:
        return None
    if not rows(*arrays) or any(each.shape != first.shape for each in arrays):
        return None
    function = kernel.function(first.dtype)
    if function is None:
        return None
    out, length = np.empty_like(first), first.shape[-1]
    share(function, first.size // length, -(-_EACH // length), *arrays, out, length)
    return out
