"""Sums and their kin: many elements to one, over some dimensions or all.

`dim` is an int, a tuple of ints, or None for all dimensions; `keepdim` leaves the reduced ones with length 1.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from pellucid.core import Tensor, as_dtype, real
from pellucid.declare import TABLE, function, op
from pellucid.types.dtypes import float16, float32

from .dims import dim_of
from .node_names import by_dim
from .reduction import all_axes, axis_of, count_of, floating, keep, kept_shape, numpy_dtype, repeated, widened

_BLOCK = 4096  # numbers that are added in one go
_ALONE = 1 << 18  # numbers of a matrix: above, BLAS wakes threads of its own, which then wait for more in a busy loop


@functools.lru_cache(maxsize=64)
def _ones(xp: Any, count: int, kind: Any) -> Any:
    return xp.ones(count, kind)


def _add_rows(xp: Any, matrix: Any) -> Any:
    """The sum of the rows, block by block where they are many: rounding then grows with the number of blocks alone."""
    count, width = matrix.shape
    block = min(_BLOCK, _ALONE // width)
    if block < 8:  # the rows are so long that to add them one by one is as fast
        return xp.add.reduce(matrix, axis=0)
    if count <= block:
        ones = _ones(xp, count, matrix.dtype)
        return ones.dot(matrix) if type(matrix) is np.ndarray else xp.matmul(ones, matrix)
    whole = count - count % block
    blocks = xp.matmul(_ones(xp, block, matrix.dtype), matrix[:whole].reshape(-1, block, width))
    return _add_rows(xp, blocks) + xp.matmul(_ones(xp, count - whole, matrix.dtype), matrix[whole:])


def _each_row(xp: Any, matrix: Any, ones: Any) -> Any:
    """The sum of each row."""
    if matrix.size <= _ALONE:
        return xp.matmul(matrix, ones)
    found, block = xp.empty(len(matrix), matrix.dtype), max(1, _ALONE // matrix.shape[1])
    for i in range(0, len(matrix), block):
        xp.matmul(matrix[i : i + block], ones, out=found[i : i + block])
    return found


@op(domain=real(), node=by_dim("Sum"))
def sum(xp: Any, input: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Sum over the dimensions `dim`.

    Integers and bools are summed as int64; `dtype` converts first. The sum of nothing is 0. float16 is added up in
    float32.

    >>> import pellucid
    >>> pellucid.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(0)
    tensor([4., 6.])
    """
    if dtype is not None:
        input = input.astype(numpy_dtype(dtype), copy=False)
    kind = input.dtype
    axis = dim if type(dim) is int and input.ndim else axis_of(dim, input.ndim)
    if kind.kind in "fc":
        if kind.itemsize == 2:
            return xp.add.reduce(input, axis=axis, keepdims=keepdim, dtype=xp.float32).astype(kind)
        if input.ndim == 2 and axis is not None and input.size and input.flags.c_contiguous:
            # A product with ones adds rows two to ten times as fast as add.reduce, and rounds less down columns.
            if axis == 0:
                found = _add_rows(xp, input)
                return found[None] if keepdim else found
            if (axis == 1 or axis == -1) and input.shape[1] <= _BLOCK:
                found = _each_row(xp, input, _ones(xp, input.shape[1], kind))
                return found[:, None] if keepdim else found
        return xp.add.reduce(input, axis=axis, keepdims=keepdim)
    return xp.add.reduce(input, axis=axis, keepdims=keepdim, dtype=xp.int64 if dtype is None else kind)


sum.vjp(input=lambda m, g, input_shape, dim, keepdim: m.spread(g, shape=input_shape, dim=dim, keepdim=keepdim))


@op(public=False, method=False)
def spread(xp: Any, input: Any, *, shape: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The result of a reduction over `dim` repeated over what was reduced, so that it has `shape` again."""
    return repeated(xp, input if keepdim else input.reshape(kept_shape(shape, dim)), shape)


spread.vjp(input=lambda m, g, dim, keepdim: m.sum(g, dim=dim, keepdim=keepdim))


@op(domain=real(), tensors=("input",))
def nansum(xp: Any, input: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Sum over `dim` in which a NaN counts as 0."""
    return sum.forward(xp, xp.where(xp.isnan(input), 0, input), dim=dim, keepdim=keepdim, dtype=dtype)


nansum.vjp(
    input=lambda m, g, input, dim, keepdim: (
        m.spread(g, shape=input.shape, dim=dim, keepdim=keepdim) * m.cast_like(input == input, input)
    )
)


@op(public=False, method=False)
def cast_like(xp: Any, input: Any, other: Any) -> Any:
    """The values of `input` in the dtype of `other`."""
    return input.astype(other.dtype, copy=False)


cast_like.vjp(input=lambda m, g: g)


@op(domain=real(), node=by_dim("Mean"))
def mean(xp: Any, input: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Mean over the dimensions `dim`: sum / count; the mean of nothing is NaN.

    Raises RuntimeError for integers and bools, unless `dtype` is a floating type.
    """
    if dtype is not None:
        input = input.astype(numpy_dtype(dtype), copy=False)
    floating("mean", input)
    count = count_of(input.shape, dim) if dim is not None else input.size
    total = sum.forward(xp, widened(xp, input), dim=dim, keepdim=keepdim)
    return (total / total.dtype.type(count)).astype(input.dtype, copy=False)


mean.vjp(
    input=lambda m, g, input_shape, dim, keepdim: m.spread(
        g / count_of(input_shape, dim), shape=input_shape, dim=dim, keepdim=keepdim
    )
)


@function()
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean over `dim` of the elements that are not NaN; NaN where there are none.

    >>> import pellucid
    >>> pellucid.tensor([1.0, float("nan"), 3.0]).nanmean()
    tensor(2.)
    """
    if not input.is_floating_point():
        raise RuntimeError(f"nanmean(): expected input to have floating point dtype but got {input.dtype!r}")
    there = sum(TABLE["eq"](input, input), dim=dim, keepdim=keepdim)
    kind = input.dtype if dtype is None else as_dtype(dtype)
    wide = float32 if kind is float16 else kind  # a count may be more than float16 holds
    found = nansum(input, dim=dim, keepdim=keepdim, dtype=wide) / there
    return found if wide is kind else TABLE["cast"](found, dtype=kind)


@op(domain=real(), node=by_dim("Prod"))
def prod(xp: Any, input: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Product over one dimension or all; the product of nothing is 1. Integers and bools are multiplied as int64.

    The gradient of each element is the product of the others, right also where some are 0.
    """
    if dtype is not None:
        input = input.astype(numpy_dtype(dtype), copy=False)
    axis = None if dim is None else dim_of(dim, input.ndim)
    kind = input.dtype if input.dtype.kind in "fc" or dtype is not None else xp.dtype(xp.int64)
    wide = xp.float32 if kind == xp.float16 else kind
    found = xp.multiply.reduce(input, axis=axis if input.ndim else None, keepdims=keepdim, dtype=wide)
    return found.astype(kind, copy=False)


def _prod_back(m: Any, g: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    shape = tuple(x.shape)
    g = keep(m, g, shape, dim, keepdim)
    if dim is None:
        return g * m.reshape(m.others(m.reshape(x, shape=(-1,)), dim=0), shape=shape)
    return g * m.others(x, dim=dim) if shape else g


prod.vjp(input=lambda m, g, input, dim, keepdim: _prod_back(m, g, input, dim, keepdim))


@op(public=False, method=False)
def others(xp: Any, input: Any, *, dim: Any) -> Any:
    """For each element the product of all others along `dim`: those before it times those after it."""
    x = xp.moveaxis(input, dim, -1)
    ones = xp.ones_like(x[..., :1])
    before = xp.multiply.accumulate(xp.concatenate((ones, x[..., :-1]), axis=-1), axis=-1)
    after = xp.multiply.accumulate(xp.concatenate((ones, x[..., :0:-1]), axis=-1), axis=-1)[..., ::-1]
    return xp.ascontiguousarray(xp.moveaxis((before * after)[..., : x.shape[-1]], -1, dim))


def others_rule(m: Any, g: Any, x: Any, dim: Any) -> Any:
    """d others[i] / d x[k] is the product of all but i and k: the others of k in a row whose x[i] is made 1."""
    order = to_last(dim, len(x.shape))
    g, x = m.permute(g, dims=order), m.permute(x, dims=order)
    rows = m.others(m.repeat_rows(x, mask="off"), dim=-1)
    back = m.sum(m.mask_rows(m.reshape(g, shape=(*g.shape, 1)) * rows, mask="off"), dim=-2)
    return m.permute(back, dims=from_last(dim, len(x.shape)))


others.vjp(input=lambda m, g, input, dim: others_rule(m, g, input, dim))


@op(public=False, method=False)
def repeat_rows(xp: Any, input: Any, *, mask: str) -> Any:
    """Rows (…, n, n) that each repeat the last dimension (…, n) where the mask holds, and are 1 elsewhere.

    The mask "off" is what lies off the diagonal, "lower" the lower triangle with the diagonal.
    """
    return xp.where(_mask(xp, input.shape[-1], mask), input[..., None, :], input.dtype.type(1))


@op(public=False, method=False)
def mask_rows(xp: Any, input: Any, *, mask: str) -> Any:
    """The matrix (…, n, n) with zeros where the mask (as in `repeat_rows`) does not hold."""
    return xp.where(_mask(xp, input.shape[-1], mask), input, input.dtype.type(0))


repeat_rows.vjp(input=lambda m, g, mask: m.sum(m.mask_rows(g, mask=mask), dim=-2))
mask_rows.vjp(input=lambda m, g, mask: m.mask_rows(g, mask=mask))


def _mask(xp: Any, n: int, mask: str) -> Any:
    return xp.tri(n, dtype=bool) if mask == "lower" else ~xp.eye(n, dtype=bool)


def to_last(dim: int, rank: int) -> tuple[int, ...]:
    axis = dim % rank
    return (*range(axis), *range(axis + 1, rank), axis)


def from_last(dim: int, rank: int) -> tuple[int, ...]:
    axis = dim % rank
    return (*range(axis), rank - 1, *range(axis, rank - 1))


@op(domain=real())
def logsumexp(xp: Any, input: Any, *, dim: Any, keepdim: bool = False) -> Any:
    """log Σ e^x over `dim`, with the largest x taken out so that nothing overflows; -inf over nothing."""
    if input.dtype.kind != "f":
        input = input.astype(xp.float32)
    axis = all_axes(dim, input.ndim)
    wide = widened(xp, input)
    if 0 in (input.shape[reduced] for reduced in axis):
        top = xp.zeros(kept_shape(input.shape, dim), wide.dtype)
    else:
        top = xp.maximum.reduce(wide, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, wide.dtype.type(0))
    found = xp.log(xp.add.reduce(xp.exp(wide - top), axis=axis, keepdims=True)) + top
    return (found if keepdim else xp.squeeze(found, axis=axis)).astype(input.dtype, copy=False)


logsumexp.vjp(
    input=lambda m, g, input, out, dim, keepdim: (
        keep(m, g, input.shape, dim, keepdim) * m.exp(input - keep(m, out, input.shape, dim, keepdim))
    )
)


@op(reference="torch.any")
def any(xp: Any, input: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether at least one element along `dim` is not 0 (False over nothing); uint8 gives uint8."""
    found = xp.logical_or.reduce(input, axis=axis_of(dim, input.ndim), keepdims=keepdim)
    return found.astype(xp.uint8) if input.dtype == xp.uint8 else found


@op(reference="torch.all")
def all(xp: Any, input: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether every element along `dim` is not 0 (True over nothing); uint8 gives uint8."""
    found = xp.logical_and.reduce(input, axis=axis_of(dim, input.ndim), keepdims=keepdim)
    return found.astype(xp.uint8) if input.dtype == xp.uint8 else found


@op()
def count_nonzero(xp: Any, input: Any, *, dim: Any = None) -> Any:
    """How many elements along `dim` are not 0, as int64."""
    return xp.add.reduce(input != 0, axis=axis_of(dim, input.ndim), dtype=xp.int64)
