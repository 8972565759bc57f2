"""Ops that move elements: shapes, slices, joins, indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import OnnxExporterError
from .recurrent import Row
from .table import writes
from .writer import Term, Writer

_END = np.iinfo(np.int64).max


@writes("reshape", "view")
def reshape(w: Writer, input: Term, shape: Any) -> Term:
    if isinstance(input, Row):
        return input.reshaped(shape)
    return w.reshape(input, shape)


@writes("unsqueeze")
def unsqueeze(w: Writer, input: Term, dim: int) -> Term:
    made = w.unsqueeze(input, dim)
    if input.origin is not None and dim == 0:  # one step of a sequence
        given, weight, bias = input.origin
        made.origin = (w.unsqueeze(given, 0), weight, bias)
    return made


@writes("squeeze")
def squeeze(w: Writer, input: Term, dims: Any) -> Term:
    axes = [dim % max(input.rank, 1) for dim in dims]
    axes = [axis for axis in axes if input.known[axis] == 1]
    return w.squeeze(input, *axes) if axes else w.Identity(input)


@writes("transpose")
def transpose(w: Writer, input: Term, dim0: int, dim1: int) -> Term:
    order = list(range(input.rank))
    if not order:
        return w.Identity(input)
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return w.permute(input, order)


@writes("matrix_transpose")
def matrix_transpose(w: Writer, input: Term) -> Term:
    return transpose(w, input, -2, -1) if input.rank > 1 else w.Identity(input)


@writes("permute")
def permute(w: Writer, input: Term, dims: Any) -> Term:
    return w.permute(input, [dim % input.rank for dim in dims])


@writes("expand")
def expand(w: Writer, input: Term, size: Any) -> Term:
    return w.Expand(input, w.ints([1 if length == -1 else length for length in size]))


@writes("repeat")
def repeat(w: Writer, input: Term, repeats: Any) -> Term:
    more = len(repeats) - input.rank
    whole = w.unsqueeze(input, *range(more)) if more else input
    return w.Tile(whole, w.ints(repeats))


@writes("cat")
def cat(w: Writer, *tensors: Term, dim: int = 0) -> Term:
    return w.Concat(*_alike([term for term in tensors if term.shape != (0,)] or list(tensors)), axis=dim)


@writes("stack")
def stack(w: Writer, *tensors: Term, dim: int = 0) -> Term:
    axis = dim % (tensors[0].rank + 1)
    return w.Concat(*(w.unsqueeze(term, axis) for term in _alike(list(tensors))), axis=axis)


def _alike(terms: list[Term]) -> list[Term]:
    kind = np.result_type(*(term.dtype for term in terms))
    return [term.cast(kind) for term in terms]


@writes("flip")
def flip(w: Writer, input: Term, dims: Any) -> Term:
    dims = [dim % input.rank for dim in dims]
    if not dims:
        return w.Identity(input)
    count = len(dims)
    return w.Slice(input, w.ints([-1] * count), w.ints([-_END] * count), w.ints(dims), w.ints([-1] * count))


@writes("roll")
def roll(w: Writer, input: Term, shifts: Any, dims: Any) -> Term:
    if not dims:
        flat = w.reshape(input, [-1])
        return w.Reshape(_rolled(w, flat, shifts[0], 0), w.Shape(input, dtype=np.int64))
    for shift, dim in zip(shifts, dims, strict=True):
        input = _rolled(w, input, shift, dim)
    return input


def _rolled(w: Writer, input: Term, shift: int, dim: int) -> Term:
    if not shift:
        return input
    return w.Concat(w.slice(input, dim, -shift, _END), w.slice(input, dim, 0, -shift), axis=dim)


@writes("part")
def part(w: Writer, input: Term, key: tuple[Any, ...]) -> Term:
    if isinstance(input, Row):
        return input.part(key)
    taken = sum(entry is not None and entry is not ... for entry in key)
    full: list[Any] = []
    for entry in key if ... in key else (*key, ...):
        full += [slice(None)] * (input.rank - taken) if entry is ... else [entry]
    starts: list[Any] = []
    stops: list[Any] = []
    steps: list[Any] = []
    axes: list[int] = []
    gone: list[int] = []
    new: list[int] = []
    axis = out = 0
    for entry in full:
        if entry is None:
            new.append(out)
            out += 1
            continue
        if isinstance(entry, slice):
            step = 1 if entry.step is None else entry.step
            if entry != slice(None):
                starts.append((0 if step > 0 else -1) if entry.start is None else entry.start)
                stops.append((_END if step > 0 else -_END) if entry.stop is None else entry.stop)
                steps.append(step)
                axes.append(axis)
            out += 1
        else:
            starts.append(entry)
            stops.append(_END if entry == -1 else entry + 1)
            steps.append(1)
            axes.append(axis)
            gone.append(axis)
        axis += 1
    if axes:
        input = w.Slice(input, w.ints(starts), w.ints(stops), w.ints(axes), w.ints(steps))
    if gone:
        input = w.squeeze(input, *gone)
    if new:
        input = w.unsqueeze(input, *new)
    return input if axes or gone or new else w.Identity(input)


def by_places(name: str) -> None:
    """An op that only picks elements: it is run on the numbers of the places, which are then gathered."""

    @writes(name)
    def write(w: Writer, input: Term, **how: Any) -> Term:
        from ..declare import TABLE

        shape = input.fixed
        places = np.arange(int(np.prod(shape))).reshape(shape)
        found = np.asarray(TABLE[name].forward(np, places, **how))
        return w.Gather(w.reshape(input, [-1]), w.constant(found, np.int64))


for _name in ("diagonal", "as_strided", "strided_read"):
    by_places(_name)


@writes("unfold")
def unfold(w: Writer, input: Term, dimension: int, size: int, step: int) -> Term:
    """Windows along a dimension, which become the last."""
    dim = dimension % max(input.rank, 1)
    length = input.known[dim]
    if not isinstance(length, int):
        raise OnnxExporterError(f"windows are taken along an axis of length {length}, which must be fixed")
    places = np.arange(0, length - size + 1, step)[:, None] + np.arange(size)
    taken = w.Gather(input, w.constant(places, np.int64), axis=dim)  # (…, count, size, …)
    order = [axis for axis in range(input.rank + 1) if axis != dim + 1]
    return w.permute(taken, [*order, dim + 1])


def _trilu(name: str, upper: int) -> None:
    @writes(name)
    def write(w: Writer, input: Term, diagonal: int = 0) -> Term:
        kind = input.dtype
        whole = input.cast(np.int32) if kind.kind == "b" else input
        made = w.Trilu(whole, w.scalar(diagonal), upper=upper)
        return made.cast(kind)


_trilu("tril", 0)
_trilu("triu", 1)


@writes("constant_pad_nd")
def constant_pad(w: Writer, input: Term, pad: Any, value: Any = 0) -> Term:
    ends = [(0, 0)] * (input.rank - len(pad) // 2) + list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    if not any(any(pair) for pair in ends):
        return w.Identity(input)
    kind = input.dtype
    whole = input.cast(np.int32) if kind.kind == "b" else input
    pads = [before for before, _ in ends] + [after for _, after in ends]
    return w.Pad(whole, w.ints(pads), w.constant(value, whole.dtype)).cast(kind)


@writes("full")
def full(w: Writer, size: Any, fill_value: Any, dtype: Any, device: Any = None) -> Term:
    value = w.number(fill_value, dtype.numpy)
    return w.Expand(value, w.ints(size), dtype=dtype.numpy)


@writes("empty")
def empty(w: Writer, size: Any, dtype: Any, device: Any = None) -> Term:
    return full(w, size, 0, dtype)


@writes("zeros_like", "zero_")
def zeros_like(w: Writer, input: Term) -> Term:
    return w.Expand(w.constant(0, input.dtype), w.Shape(input, dtype=np.int64), dtype=input.dtype)


@writes("fill")
def fill(w: Writer, input: Term, value: Any) -> Term:
    value = value.cast(input.dtype) if isinstance(value, Term) else w.constant(value, input.dtype)
    return w.Expand(value, w.Shape(input, dtype=np.int64), dtype=input.dtype)


@writes("copy_")
def copy_(w: Writer, input: Term, src: Any, non_blocking: bool = False) -> Term:
    src = src.cast(input.dtype) if isinstance(src, Term) else w.constant(src, input.dtype)
    return w.Expand(src, w.Shape(input, dtype=np.int64), dtype=input.dtype)


@writes("arange")
def arange(w: Writer, start: Any, step: Any, length: Any, dtype: Any, device: Any = None) -> Term:
    places = w.Range(w.scalar(0), w.scalar(length), w.scalar(1))
    return places.cast(dtype.numpy) * step + start


@writes("eye")
def eye(w: Writer, n: Any, m: Any, dtype: Any, device: Any = None) -> Term:
    rows = w.Range(w.scalar(0), w.scalar(n), w.scalar(1))
    columns = w.Range(w.scalar(0), w.scalar(m), w.scalar(1))
    return w.Equal(w.unsqueeze(rows, 1), w.unsqueeze(columns, 0), dtype=bool).cast(dtype.numpy)
