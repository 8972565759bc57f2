"""Ops with indices: gathered, scattered, assigned."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import OnnxExporterError
from .table import writes
from .writer import Term, Writer


@writes("index_select")
def index_select(w: Writer, input: Term, index: Term, dim: int) -> Term:
    if not input.rank:
        return w.Identity(input)
    return w.Gather(input, w.reshape(index, [-1]), axis=dim)


@writes("embedding")
def embedding(w: Writer, weight: Term, indices: Term, **_: Any) -> Term:
    return w.Gather(weight, indices, axis=0)


@writes("take")
def take(w: Writer, input: Term, index: Term) -> Term:
    return w.Gather(w.reshape(input, [-1]), index)


@writes("gather")
def gather(w: Writer, input: Term, index: Term, dim: int, sparse_grad: bool = False) -> Term:
    if not input.rank or not index.rank:
        return w.reshape(w.GatherElements(w.reshape(input, [-1]), w.reshape(index, [-1]), axis=0), index.fixed)
    return w.GatherElements(input, index, axis=dim)


@writes("scatter")
def scatter(w: Writer, input: Term, index: Term, src: Any, dim: int, reduce: str | None = None) -> Term:
    kinds = {None: None, "add": "add", "multiply": "mul"}
    return _scattered(w, input, index, src, dim, kinds[reduce])


@writes("scatter_add")
def scatter_add(w: Writer, input: Term, index: Term, src: Any, dim: int) -> Term:
    return _scattered(w, input, index, src, dim, "add")


@writes("scatter_reduce")
def scatter_reduce(
    w: Writer, input: Term, index: Term, src: Any, dim: int, reduce: str, include_self: bool = True
) -> Term:
    kinds = {"sum": "add", "prod": "mul", "amax": "max", "amin": "min"}
    if reduce not in kinds or not include_self:
        raise OnnxExporterError(f"scatter_reduce with reduce={reduce!r}, include_self={include_self} has no ONNX form")
    return _scattered(w, input, index, src, dim, kinds[reduce])


def _scattered(w: Writer, input: Term, index: Term, src: Any, dim: int, reduction: str | None) -> Term:
    if isinstance(src, Term):
        if src.known != index.known:  # only as much of it as there are indices
            rank = range(src.rank)
            src = w.Slice(src, w.ints([0 for _ in rank]), w.ints(index.known), w.ints(list(rank)))  # type: ignore[arg-type]
        src = src.cast(input.dtype)
    else:
        src = w.Expand(w.constant(src, input.dtype), w.Shape(index, dtype=np.int64), dtype=input.dtype)
    return w.ScatterElements(input, index, src, axis=dim, reduction=reduction)


@writes("one_hot")
def one_hot(w: Writer, input: Term, num_classes: int) -> Term:
    return w.OneHot(input, w.scalar(num_classes), w.constant([0, 1], np.int64), dtype=np.int64)


@writes("nonzero")
def nonzero(w: Writer, input: Term) -> Term:
    return w.Transpose(w.NonZero(input, dtype=np.int64), perm=[1, 0])


@writes("index")
def index(w: Writer, input: Term, *indices: Term, slots: tuple[bool, ...]) -> Term:
    slots = tuple(slots)
    if len(indices) == 1 and indices[0].dtype == bool:
        before = slots.index(True)
        mask = indices[0]
        order = [*range(before, before + mask.rank), *range(before), *range(before + mask.rank, input.rank)]
        taken = w.GatherND(w.permute(input, order), nonzero(w, mask))
        return w.permute(taken, [*range(1, before + 1), 0, *range(before + 1, input.rank - mask.rank + 1)])
    axes = _indexed(indices, slots)
    if len(axes) == 1:
        return w.Gather(input, indices[0].cast(np.int64), axis=axes[0])
    rest = [axis for axis in range(input.rank) if axis not in axes]
    places, rank = _places(w, indices)
    taken = w.GatherND(w.permute(input, [*axes, *rest]), places)  # (indices…, rest…)
    if axes != list(range(axes[0], axes[0] + len(axes))):
        return taken  # apart: the indices' dimensions come first, as in NumPy
    before = axes[0]
    inner = list(range(rank, rank + len(rest)))
    return w.permute(taken, [*inner[:before], *range(rank), *inner[before:]])


def _indexed(indices: Any, slots: tuple[bool, ...]) -> list[int]:
    if any(found.dtype == bool for found in indices):
        raise OnnxExporterError("a mask beside other indices has no ONNX form; use where(), or the mask alone")
    return [axis for axis, slot in enumerate(slots) if slot]


def _places(w: Writer, indices: Any) -> tuple[Term, int]:
    """The indices, broadcast, as rows of coordinates; and how many dimensions they have."""
    rank = max(found.rank for found in indices)
    zero = None
    for found in indices:
        zero = found.cast(np.int64) * 0 if zero is None else zero + found.cast(np.int64) * 0
    return w.Concat(*(w.unsqueeze(found.cast(np.int64) + zero, -1) for found in indices), axis=-1), rank


@writes("index_put")
def index_put(
    w: Writer, input: Term, values: Any, *indices: Term, slots: tuple[bool, ...], accumulate: bool = False
) -> Term:
    slots = tuple(slots)
    values = values.cast(input.dtype) if isinstance(values, Term) else w.constant(values, input.dtype)
    if len(indices) == 1 and indices[0].dtype == bool and not slots.index(True):
        if values.known not in ((), (1,)) or accumulate:
            raise OnnxExporterError("values stored where a mask is True have no ONNX form unless they are one number")
        mask = indices[0]
        more = input.rank - mask.rank
        return w.where(w.unsqueeze(mask, *range(mask.rank, input.rank)) if more else mask, values, input, input.dtype)
    axes = _indexed(indices, slots)
    if axes != list(range(len(axes))):
        raise OnnxExporterError("an assignment to indices that are not in the first places has no ONNX form")
    places, rank = _places(w, indices)
    shape: Any = w.Shape(places, dtype=np.int64, end=rank)
    if input.rank > len(axes):
        shape = w.Concat(shape, w.Shape(input, dtype=np.int64, start=len(axes)), axis=0)
    return w.ScatterND(input, places, w.Expand(values, shape), reduction="add" if accumulate else None)


def _rows(name: str) -> None:
    @writes(name)
    def write(w: Writer, input: Term, index: Term, source: Any, dim: int, alpha: Any = 1) -> Term:
        dim = dim % input.rank
        if not isinstance(source, Term):
            source = w.constant(source, input.dtype)
        order = [dim, *(axis for axis in range(input.rank) if axis != dim)]
        back = [order.index(axis) for axis in range(input.rank)]
        places = w.unsqueeze(w.reshape(index, [-1]), 1)
        rows = source.cast(input.dtype)
        if name == "index_fill":
            whole = w.Concat(
                w.Shape(index, dtype=np.int64), w.Shape(w.permute(input, order), dtype=np.int64, start=1), axis=0
            )
            rows = w.Expand(rows, whole)
        else:
            rows = w.permute(rows, order)
            rows = rows if alpha == 1 else rows * alpha
        made = w.ScatterND(w.permute(input, order), places, rows, reduction="add" if name == "index_add" else None)
        return w.permute(made, back)


for _name in ("index_copy", "index_add", "index_fill"):
    _rows(_name)
