"""Ops over dimensions: sums, extremes, orders, softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import OnnxExporterError
from .table import writes
from .writer import Term, Writer


def _dims(dim: Any) -> list[int] | None:
    if dim is None:
        return None
    return list(dim) if isinstance(dim, tuple | list) else [dim]


def _summable(x: Term, dtype: Any) -> Term:
    """Whole numbers and bools are added as int64."""
    if dtype is not None:
        return x.cast(dtype.numpy)
    return x if x.floating else x.cast(np.int64)


@writes("sum")
def sum_(w: Writer, input: Term, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Term:
    return w.reduce("ReduceSum", _summable(input, dtype), _dims(dim), keepdim)


@writes("nansum")
def nansum(w: Writer, input: Term, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Term:
    whole = w.where(w.IsNaN(input, dtype=bool), 0.0, input) if input.floating else input
    return sum_(w, whole, dim, keepdim, dtype)


@writes("mean")
def mean(w: Writer, input: Term, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Term:
    return w.reduce("ReduceMean", input if dtype is None else input.cast(dtype.numpy), _dims(dim), keepdim)


@writes("prod")
def prod(w: Writer, input: Term, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Term:
    return w.reduce("ReduceProd", _summable(input, dtype), _dims(dim), keepdim)


def _variance(w: Writer, input: Term, dim: Any, correction: Any, keepdim: bool) -> Term:
    dims = _dims(dim) or list(range(input.rank))
    count: Any = 1
    for axis in dims:
        count = count * input.known[axis]
    around = input - w.reduce("ReduceMean", input, dims, True)
    total = w.reduce("ReduceSum", around * around, dims, keepdim)
    return total / (count - correction if isinstance(count, int) else w.scalar(count).cast(input.dtype) - correction)


@writes("var")
def var(w: Writer, input: Term, dim: Any = None, correction: Any = 1, keepdim: bool = False) -> Term:
    return _variance(w, input, dim, correction, keepdim)


@writes("std")
def std(w: Writer, input: Term, dim: Any = None, correction: Any = 1, keepdim: bool = False) -> Term:
    return w.Sqrt(_variance(w, input, dim, correction, keepdim))


def _extreme(name: str, operator: str) -> None:
    @writes(name)
    def write(w: Writer, input: Term, dim: Any = None, keepdim: bool = False) -> Term:
        whole = input.cast(np.int32) if input.dtype == bool else input
        return w.reduce(operator, whole, _dims(dim) or None, keepdim).cast(input.dtype)


for _name, _operator in {"amax": "ReduceMax", "max": "ReduceMax", "amin": "ReduceMin", "min": "ReduceMin"}.items():
    _extreme(_name, _operator)


def _place(w: Writer, operator: str, x: Term, dim: Any, keepdim: bool) -> Term:
    x = x.cast(np.int32) if x.dtype == bool else x
    if not x.rank:
        return w.constant(0, np.int64)
    if dim is None:
        flat = w.node(operator, w.reshape(x, [-1]), dtype=np.int64, axis=0, keepdims=0)
        return w.reshape(flat, [1] * x.rank) if keepdim else flat
    return w.node(operator, x, dtype=np.int64, axis=dim, keepdims=int(keepdim))


@writes("argmax")
def argmax(w: Writer, input: Term, dim: Any = None, keepdim: bool = False) -> Term:
    return _place(w, "ArgMax", input, dim, keepdim)


@writes("argmin")
def argmin(w: Writer, input: Term, dim: Any = None, keepdim: bool = False) -> Term:
    return _place(w, "ArgMin", input, dim, keepdim)


def _along(name: str, values: str, places: str) -> None:
    @writes(name)
    def write(w: Writer, input: Term, dim: int, keepdim: bool = False) -> tuple[Term, Term]:
        if not input.rank:
            return w.Identity(input), w.constant(0, np.int64)
        whole = input.cast(np.int32) if input.dtype == bool else input
        return w.reduce(values, whole, [dim], keepdim).cast(input.dtype), _place(w, places, input, dim, keepdim)


_along("max_along", "ReduceMax", "ArgMax")
_along("min_along", "ReduceMin", "ArgMin")


@writes("all")
def all_(w: Writer, input: Term, dim: Any = None, keepdim: bool = False) -> Term:
    return w.reduce("ReduceMin", input.cast(bool).cast(np.int32), _dims(dim), keepdim).cast(bool)


@writes("any")
def any_(w: Writer, input: Term, dim: Any = None, keepdim: bool = False) -> Term:
    return w.reduce("ReduceMax", input.cast(bool).cast(np.int32), _dims(dim), keepdim).cast(bool)


@writes("count_nonzero")
def count_nonzero(w: Writer, input: Term, dim: Any = None) -> Term:
    return w.reduce("ReduceSum", input.cast(bool).cast(np.int64), _dims(dim), False)


@writes("p_norm")
def p_norm(w: Writer, input: Term, ord: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Term:
    x, dims = input if dtype is None else input.cast(dtype.numpy), _dims(dim)
    if ord in (1, 2):
        return w.reduce(f"ReduceL{int(ord)}", x, dims, keepdim)
    size = w.Abs(x)
    if ord in (float("inf"), float("-inf")):
        return w.reduce("ReduceMax" if ord > 0 else "ReduceMin", size, dims, keepdim)
    if ord == 0:
        return w.reduce("ReduceSum", x.cast(bool).cast(x.dtype), dims, keepdim)
    total = w.reduce("ReduceSum", w.Pow(size, w.constant(ord, x.dtype)), dims, keepdim)
    return w.Pow(total, w.constant(1 / ord, x.dtype))


@writes("logsumexp")
def logsumexp(w: Writer, input: Term, dim: Any, keepdim: bool = False) -> Term:
    dims = _dims(dim)
    largest = w.reduce("ReduceMax", input, dims, True)
    largest = w.where(w.IsInf(largest, dtype=bool), 0.0, largest)
    total = w.Log(w.reduce("ReduceSum", w.Exp(input - largest), dims, True)) + largest
    return total if keepdim or not dims else w.squeeze(total, *dims)


def _flat(w: Writer, operator: str, input: Term, dim: int, dtype: Any) -> Term:
    x = input if dtype is None else input.cast(dtype.numpy)
    if not x.rank:
        return w.squeeze(w.node(operator, w.unsqueeze(x, 0), axis=0), 0)
    return w.node(operator, x, axis=dim)


@writes("softmax")
def softmax(w: Writer, input: Term, dim: int, dtype: Any = None) -> Term:
    return _flat(w, "Softmax", input, dim, dtype)


@writes("log_softmax")
def log_softmax(w: Writer, input: Term, dim: int, dtype: Any = None) -> Term:
    return _flat(w, "LogSoftmax", input, dim, dtype)


@writes("cumsum")
def cumsum(w: Writer, input: Term, dim: int, dtype: Any = None) -> Term:
    return w.CumSum(_summable(input, dtype), w.constant(dim, np.int64)) if input.rank else w.Identity(input)


@writes("cumsum_from_end")
def cumsum_from_end(w: Writer, input: Term, dim: int) -> Term:
    return w.CumSum(input, w.constant(dim, np.int64), reverse=1)


@writes("topk")
def topk(w: Writer, input: Term, k: Any, dim: int = -1, largest: bool = True) -> tuple[Term, Term]:
    values, places = w.TopK(input, w.ints([k]), outputs=2, axis=dim, largest=int(largest), sorted=1)
    places.dtype = np.dtype(np.int64)
    return values, places


@writes("sort")
def sort(w: Writer, input: Term, dim: int = -1, descending: bool = False) -> tuple[Term, Term]:
    if not input.rank:
        return w.Identity(input), w.constant(0, np.int64)
    length = input.known[dim]
    if length is None:
        raise OnnxExporterError("the length of the axis that is sorted is not known")
    return topk(w, input, length, dim, descending)


@writes("argsort")
def argsort(w: Writer, input: Term, dim: int = -1, descending: bool = False, stable: bool = False) -> Term:
    return sort(w, input, dim, descending)[1]


@writes("kthvalue_along")
def kthvalue(w: Writer, input: Term, dim: int = -1, keepdim: bool = False, k: Any = 1) -> tuple[Term, Term]:
    values, places = topk(w, input, k, dim, False)
    last = tuple(w.slice(term, dim, -1, np.iinfo(np.int64).max) for term in (values, places))
    return last if keepdim else tuple(w.squeeze(term, dim) for term in last)  # type: ignore[return-value]
