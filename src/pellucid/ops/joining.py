"""Several tensors into one, and one several times: concatenation, stacks, repetition, products of sets."""

from __future__ import annotations

import itertools
from typing import Any

from pellucid.core import Tensor, called
from pellucid.declare import FUNCTIONS, function, op
from pellucid.declare.arguments import is_integer
from pellucid.errors import ShapeError, with_line
from pellucid.types.dtypes import int64

from .dims import dim_of, said
from .index import index_select
from .padding import constant_pad_nd
from .parts import along
from .shape import atleast_1d, atleast_2d, atleast_3d, expand_to, reshape_view


@op(name="cat", kind="arith", method=False, public=False)
def cat_tensors(xp: Any, *tensors: Any, dim: int = 0) -> Any:
    """The tensors one after the other along `dim`. Those of shape (0,) are left out, as PyTorch does."""
    parts = [tensor for tensor in tensors if tensor.shape != (0,)] or list(tensors)
    _check_cat(parts, dim)
    return xp.concatenate(parts, dim)


cat_tensors.vjp(tensors=lambda m, g, index, tensors_shape, dim: _cut_back(m, g, index, tensors_shape, dim))


def _cut_back(m: Any, g: Any, index: int, shapes: Any, dim: int) -> Any:
    rank = len(g.shape)
    if len(shapes[index]) != rank:  # of shape (0,), left out
        return m.part(m.reshape(g, shape=(-1,)), key=(slice(0, 0),))
    dim %= rank
    start = sum(shape[dim] for shape in shapes[:index] if len(shape) == rank)
    return m.part(g, key=along(dim, slice(start, start + shapes[index][dim])))


def _check_cat(parts: list[Any], dim: int) -> None:
    first = parts[0].shape
    axis = dim_of(dim, len(first))
    for i, part in enumerate(parts):
        shape = part.shape
        if not shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated; write stack")
        if len(shape) != len(first):
            raise ShapeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(shape)}")
        if shape[:axis] != first[:axis] or shape[axis + 1 :] != first[axis + 1 :]:
            at = next(k for k in range(len(first)) if k != axis and shape[k] != first[k])
            raise ShapeError(
                f"Sizes of tensors must match except in dimension {axis}. Expected size {first[at]} but got size "
                f"{shape[at]} for tensor number {i} in the list (at dimension {at})."
            )


def _listed(name: str, tensors: Any) -> tuple[Tensor, ...]:
    if isinstance(tensors, Tensor):
        raise TypeError(
            with_line(f"{name}(): argument 'tensors' must be tuple of Tensors, not Tensor; write {name}([x, …])")
        )
    found = tuple(tensors)
    for i, entry in enumerate(found):
        if not isinstance(entry, Tensor):
            raise TypeError(
                with_line(
                    f"{name}(): expected Tensor as element {i} in argument 'tensors', but got {type(entry).__name__}"
                )
            )
    if not found:
        kind = ValueError if name == "cat" else RuntimeError
        raise kind(with_line(f"{name}(): expected a non-empty list of Tensors"))
    return found


@function(method=False)
def cat(tensors: Any, dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The tensors one after the other along `dim`; all other lengths must be equal.

    The dtype is that to which all promote. Raises ShapeError (a RuntimeError) for lengths that differ, ValueError for
    an empty list.

    >>> import pellucid
    >>> pellucid.cat([pellucid.zeros(1, 2), pellucid.ones(2, 2)])
    tensor([[0., 0.],
            [1., 1.],
            [1., 1.]])
    """
    return cat_tensors(*_listed("cat", tensors), dim=dim if axis is None else axis)


@function(method=False)
def concat(tensors: Any, dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The same as `cat`."""
    return cat(tensors, dim, axis=axis)


@function(method=False)
def concatenate(tensors: Any, dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The same as `cat`."""
    return cat(tensors, dim, axis=axis)


@op(name="stack", kind="arith", method=False, public=False)
def stack_tensors(xp: Any, *tensors: Any, dim: int = 0) -> Any:
    """The tensors, all of one shape, along a new dimension `dim`."""
    first = tensors[0].shape
    for i, tensor in enumerate(tensors):
        if tensor.shape != first:
            raise ShapeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(tensor.shape)} at entry {i}"
            )
    return xp.stack(tensors, dim)


stack_tensors.vjp(
    tensors=lambda m, g, index, dim: m.part(g, key=along(dim % len(g.shape), index)),
)


@function(method=False)
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """The tensors, all of one shape, along a new dimension `dim`.

    >>> import pellucid
    >>> pellucid.stack([pellucid.zeros(2), pellucid.ones(2)], dim=1)
    tensor([[0., 1.],
            [0., 1.]])
    """
    return stack_tensors(*_listed("stack", tensors), dim=dim)


@function(method=False)
def hstack(tensors: Any) -> Tensor:
    """The tensors side by side: along the only dimension of vectors, else along the columns."""
    raised = atleast_1d(_listed("hstack", tensors))
    return cat(raised, 0 if raised[0].ndim == 1 else 1)


@function(method=False)
def vstack(tensors: Any) -> Tensor:
    """The tensors on top of each other; a vector is a row."""
    return cat(atleast_2d(_listed("vstack", tensors)), 0)


@function(method=False)
def row_stack(tensors: Any) -> Tensor:
    """The same as `vstack`."""
    return vstack(tensors)


@function(method=False)
def dstack(tensors: Any) -> Tensor:
    """The tensors along the third dimension, which vectors and matrices get."""
    return cat(atleast_3d(_listed("dstack", tensors)), 2)


@function(method=False)
def column_stack(tensors: Any) -> Tensor:
    """The tensors side by side; a vector is a column."""
    return hstack(
        [reshape_view(tensor, shape=(tensor.numel(), 1)) if tensor.ndim <= 1 else tensor for tensor in tensors]
    )


@function(method=False)
@called("BlockDiagBackward0")
def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given ones (vectors are rows) on its diagonal, zeros elsewhere.

    >>> import pellucid
    >>> pellucid.block_diag(pellucid.tensor([1, 1]), pellucid.tensor([[2]]))
    tensor([[1, 1, 0],
            [0, 0, 2]])
    """
    if not tensors:
        from .creation import empty

        return empty(1, 0)
    blocks = [atleast_2d(tensor) for tensor in tensors]
    for i, block in enumerate(blocks):
        if block.ndim > 2:
            raise RuntimeError(
                with_line(
                    "torch.block_diag: Input tensors must have 2 or fewer dimensions. "
                    f"Input {i} has {block.ndim} dimensions"
                )
            )
    width, left, rows = sum(block.shape[1] for block in blocks), 0, list[Tensor]()
    for block in blocks:
        rows.append(constant_pad_nd(block, (left, width - left - block.shape[1])))
        left += block.shape[1]
    return cat(rows)


# --- repetition -------------------------------------------------------------------------------------------------------


@op(name="repeat", method=False, public=False, reference="torch.Tensor.repeat")
def repeat_all(xp: Any, input: Any, *, repeats: tuple[int, ...]) -> Any:
    """The tensor repeated along each dimension, `repeats[i]` times along dimension i."""
    return xp.tile(input, repeats) if repeats else input.copy()


repeat_all.vjp(input=lambda m, g, input_shape, repeats: _sum_repeats(m, g, input_shape, repeats))


def _sum_repeats(m: Any, g: Any, shape: tuple[int, ...], repeats: tuple[int, ...]) -> Any:
    if not repeats:
        return g
    if 0 in repeats:  # nothing of it is left in the result
        return m.spread(m.sum(g), shape=shape)
    long = (1,) * (len(repeats) - len(shape)) + shape
    apart = m.reshape(g, shape=tuple(n for pair in zip(repeats, long, strict=True) for n in pair))
    return m.reshape(m.sum(apart, dim=tuple(range(0, 2 * len(repeats), 2))), shape=shape)


@function(public=False)
def repeat(input: Tensor, *repeats: Any, **given: Any) -> Tensor:
    """A copy that repeats the tensor along each dimension, `repeats[i]` times (new dimensions come first).

    >>> import pellucid
    >>> pellucid.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = said("repeat", repeats, "repeats", given)
    if len(times) < input.ndim:
        raise RuntimeError(
            with_line(
                "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: got "
                f"{len(times)} for shape {tuple(input.shape)}"
            )
        )
    if any(count < 0 for count in times):
        raise RuntimeError(with_line(f"Trying to create tensor with negative dimension: repeats are {list(times)}"))
    return repeat_all(input, repeats=times)


@function()
def tile(input: Tensor, *dims: Any, **given: Any) -> Tensor:
    """As `repeat`, but fewer numbers than dimensions are taken for the last ones."""
    times = said("tile", dims, "dims", given)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


@op(method=False, public=False)
def repeat_indices(xp: Any, repeats: Any) -> Any:
    """0 repeats[0] times, then 1 repeats[1] times, and so on."""
    if repeats.dtype.kind not in "iu" or repeats.ndim != 1:
        raise RuntimeError(f"repeats must be 1-d and int64 or int32, got {repeats.dtype} of shape {repeats.shape}")
    if repeats.size and repeats.min() < 0:
        raise RuntimeError("repeats can not be negative")
    return xp.repeat(xp.arange(len(repeats), dtype=repeats.dtype), repeats)


@function()
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (each slice along `dim`) repeated: all equally often, or as a tensor of numbers says.

    With one argument alone, a tensor of counts: 0 as often as the first says, then 1, and so on. Without `dim`, the
    tensor is flattened first.

    >>> import pellucid
    >>> pellucid.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        return repeat_indices(input)
    if dim is None:
        input, dim = reshape_view(input, shape=(input.numel(),)), 0
    if input.ndim == 0:
        dim_of(dim, 0)
        input, dim = reshape_view(input, shape=(1,)), 0
    dim = dim_of(dim, input.ndim)
    if not (isinstance(repeats, Tensor) or is_integer(repeats)):
        raise TypeError(with_line(f"repeat_interleave(): repeats must be int or Tensor, not {type(repeats).__name__}"))
    if isinstance(repeats, Tensor):
        if repeats.ndim > 1:
            raise RuntimeError(with_line("repeats must be 0-dim or 1-dim tensor"))
        if repeats.numel() == 1:
            repeats = expand_to(reshape_view(repeats, shape=(1,)), size=(input.shape[dim],))
        if repeats.shape[0] != input.shape[dim]:
            raise RuntimeError(
                with_line(
                    f"repeats must have the same size as input along dim, but got repeats.size(0) = {repeats.shape[0]} "
                    f"and input.size({dim}) = {input.shape[dim]}"
                )
            )
        found = repeat_indices(repeats)
        if output_size is not None and found.numel() != output_size:
            raise RuntimeError(
                with_line(f"allocated size does not match required size: {output_size}, {found.numel()}")
            )
        return index_select(input, dim=dim, index=found)
    if repeats < 0:
        raise RuntimeError(with_line("Repeats must be non-negative"))
    shape = tuple(input.shape)
    wide = expand_to(
        reshape_view(input, shape=(*shape[: dim + 1], 1, *shape[dim + 1 :])),
        size=(*shape[: dim + 1], repeats, *shape[dim + 1 :]),
    )
    copied: Any = wide.clone()  # pyright: ignore[reportAttributeAccessIssue]
    return reshape_view(copied, shape=(*shape[:dim], shape[dim] * repeats, *shape[dim + 1 :]))


# --- products of sets -------------------------------------------------------------------------------------------------


@function(method=False)
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element from each vector, as rows; of a single vector, the vector itself.

    >>> import pellucid
    >>> pellucid.cartesian_prod(pellucid.tensor([1, 2]), pellucid.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    for tensor in tensors:
        if tensor.ndim != 1:
            raise RuntimeError(with_line(f"Expect a 1D vector, but got shape {list(tensor.shape)}"))
    if len(tensors) == 1:
        return tensors[0]
    grids = FUNCTIONS["meshgrid"](*tensors, indexing="ij")
    return stack([reshape_view(grid, shape=(-1,)) for grid in grids], 1)


@function()
@called("StackBackward0")
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of `r` elements of a vector, as rows, in the order of `itertools.combinations`."""
    from .from_data import tensor

    if input.ndim != 1:
        raise RuntimeError(with_line(f"Expect a 1D vector, but got shape {list(input.shape)}"))
    if r < 0:
        raise RuntimeError(with_line(f"Expect a non-negative number, but got {r}"))
    if r == 0:
        from .creation import empty

        return empty(0, dtype=input.dtype)
    pick = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(pick(range(input.shape[0]), r))
    chosen = index_select(input, dim=0, index=tensor([i for row in rows for i in row], dtype=int64))
    return reshape_view(chosen, shape=(len(rows), r))
