"""Reductions: many elements to one, over some dimensions or all."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from typing import Any

from pellucid.core import op, real


@op(domain=real())
def sum(xp: Any, input: Any, *, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Sum over the dimensions `dim` (all if None or empty); integers and bools are summed as int64."""
    if dtype is not None:
        input = input.astype(dtype.numpy)
    axis = tuple(dim) if isinstance(dim, (tuple, list)) else dim
    return xp.add.reduce(input, axis=axis or (None if axis != 0 else 0), keepdims=keepdim, dtype=xp.int64 if input.dtype.kind in "iub" and dtype is None else None)


sum.vjp(input=lambda m, g, input_shape, dim, keepdim: m.spread(g, shape=input_shape, dim=dim, keepdim=keepdim))


@op(public=False, method=False)
def spread(xp: Any, input: Any, *, shape: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The result of a reduction over `dim` repeated over what was reduced, so that it has `shape` again."""
    if not keepdim and shape:
        rank = len(shape)
        axes = range(rank) if dim is None or dim == () or dim == [] else (dim,) if isinstance(dim, int) else dim
        reduced = {axis % rank for axis in axes}
        input = input.reshape(tuple(1 if i in reduced else n for i, n in enumerate(shape)))
    return xp.broadcast_to(input, shape)


spread.vjp(input=lambda m, g, input_shape, dim, keepdim: _unspread(m, g, input_shape, dim, keepdim))


def _unspread(m: Any, g: Any, shape: Any, dim: Any, keepdim: bool) -> Any:
    return m.reshape(m.sum(g, dim=dim, keepdim=keepdim), shape=shape)
