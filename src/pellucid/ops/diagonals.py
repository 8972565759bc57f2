"""Diagonals, triangles and sliding windows."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, called, method
from pellucid.declare import function, op
from pellucid.errors import ShapeError, with_line

from .dims import dim_of
from .node_names import by_rank
from .shape import reshape_view


@op(view=True)
def diagonal(xp: Any, input: Any, *, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A view of the diagonal of the plane of two dimensions, which becomes the last dimension.

    `offset` > 0 is a diagonal above the main one, < 0 below.

    >>> import pellucid
    >>> pellucid.tensor([[1, 2], [3, 4]]).diagonal()
    tensor([1, 4])
    """
    if dim_of(dim1, input.ndim) == dim_of(dim2, input.ndim):
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    out = input.diagonal(offset, dim1, dim2)
    if hasattr(out.flags, "writeable") and input.flags.writeable:
        out.flags.writeable = True
    return out


diagonal.vjp(
    input=lambda m, g, input_shape, offset, dim1, dim2: m.diagonal_embed(
        g, shape=input_shape, offset=offset, dim1=dim1, dim2=dim2
    )
)


@op(method=False, public=False, node="DiagEmbedBackward0")
def diagonal_embed(xp: Any, input: Any, *, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Any:
    """Zeros of `shape`, with `input` on the diagonal of the plane of two dimensions."""
    out = xp.zeros(shape, input.dtype)
    diagonal.forward(xp, out, offset=offset, dim1=dim1, dim2=dim2)[...] = input
    return out


diagonal_embed.vjp(input=lambda m, g, offset, dim1, dim2: m.diagonal(g, offset=offset, dim1=dim1, dim2=dim2))


@function()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A tensor with one more dimension whose diagonals in the plane (dim1, dim2) are the last dimension of `input`.

    >>> import pellucid
    >>> pellucid.tensor([1, 2]).diag_embed()
    tensor([[1, 0],
            [0, 2]])
    """
    rank = input.ndim + 1
    first, second = dim_of(dim1, rank), dim_of(dim2, rank)
    if first == second:
        raise RuntimeError(with_line(f"diagonal dimensions cannot be identical {dim1}, {dim2}"))
    if not input.ndim:
        raise IndexError(with_line("diag_embed: the tensor has no dimensions; write .reshape(1) first"))
    side = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    shape = tuple(side if i in (first, second) else next(rest) for i in range(rank))
    return diagonal_embed(input, shape=shape, offset=offset, dim1=first, dim2=second)


@function()
@called(by_rank(2, "DiagonalBackward0_copy"))
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix as a vector (a copy), or the matrix with a vector on its diagonal."""
    if input.ndim not in (1, 2):
        raise RuntimeError(with_line(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D"))
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    view: Any = _DIAGONAL(input, offset=diagonal)
    return view.clone()


@function()
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements of `input` on a diagonal."""
    return diag_embed(reshape_view(input, shape=(input.numel(),)), offset)


_DIAGONAL = diagonal


@method
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Store a number on the main diagonal, in place; with `wrap`, on and on down a tall matrix."""
    shape = tuple(self.shape)
    if len(shape) < 2:
        raise RuntimeError(with_line("dimensions must larger than 1"))
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError(with_line(f"all dimensions of input must be of equal length, got {list(shape)}"))
    writer: Any = self
    if len(shape) == 2:
        width = shape[1]
        for start in range(0, shape[0] if wrap else min(shape[0], 1), width + 1):
            _DIAGONAL(writer[start:] if start else writer).fill_(fill_value)
        return self
    corner: Any = writer
    index = tuple(range(shape[0]))
    corner[tuple(index for _ in shape)] = fill_value
    return self


# --- triangles --------------------------------------------------------------------------------------------------------


def _matrices(name: str, input: Any) -> None:
    if input.ndim < 2:
        raise ShapeError(f"{name}: input tensor must have at least 2 dimensions, this one has shape {input.shape}")


@op()
def tril(xp: Any, input: Any, *, diagonal: int = 0) -> Any:
    """The lower triangle of each matrix, up to the given diagonal; zeros elsewhere.

    >>> import pellucid
    >>> pellucid.ones(2, 2).tril()
    tensor([[1., 0.],
            [1., 1.]])
    """
    _matrices("tril", input)
    return xp.tril(input, diagonal)


@op()
def triu(xp: Any, input: Any, *, diagonal: int = 0) -> Any:
    """The upper triangle of each matrix, from the given diagonal on; zeros elsewhere."""
    _matrices("triu", input)
    return xp.triu(input, diagonal)


tril.vjp(input=lambda m, g, diagonal: m.tril(g, diagonal=diagonal))
triu.vjp(input=lambda m, g, diagonal: m.triu(g, diagonal=diagonal))


# --- windows ----------------------------------------------------------------------------------------------------------


@op(name="unfold", view=True, method=False, public=False, reference="torch.Tensor.unfold")
def windows(xp: Any, input: Any, *, dimension: int, size: int, step: int) -> Any:
    """A view of all windows of `size` along a dimension, `step` apart; they are a new last dimension."""
    axis = dim_of(dimension, input.ndim)
    length = input.shape[axis] if input.ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > length:
        raise RuntimeError(f"maximum size for tensor at dimension {axis} is {length} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    base = input if input.ndim else input.reshape(1)
    count = (length - size) // step + 1
    out = xp.lib.stride_tricks.as_strided(
        base,
        (*base.shape[:axis], count, *base.shape[axis + 1 :], size),
        (*base.strides[:axis], base.strides[axis] * step, *base.strides[axis + 1 :], base.strides[axis]),
    )
    return out if input.ndim else out.reshape(size)


windows.vjp(
    input=lambda m, g, input_shape, dimension, size, step: m.windows_add(
        g, shape=input_shape, dimension=dimension, size=size, step=step
    )
)


@op(method=False, public=False)
def windows_add(xp: Any, input: Any, *, shape: tuple[int, ...], dimension: int, size: int, step: int) -> Any:
    """Zeros of `shape`, to which each window of `input` is added in its place."""
    if not shape:
        return input.reshape(-1).sum().reshape(()).astype(input.dtype)
    out = xp.zeros(shape, input.dtype)
    axis = dim_of(dimension, len(shape))
    count = input.shape[axis]
    for i in range(size):
        out[(slice(None),) * axis + (slice(i, i + step * count, step),)] += input[..., i]
    return out


windows_add.vjp(input=lambda m, g, dimension, size, step: m.unfold(g, dimension=dimension, size=size, step=step))


@function(public=False)
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of all windows of `size` along a dimension, `step` apart; they are a new last dimension.

    >>> import pellucid
    >>> pellucid.arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    return windows(input, dimension=dimension, size=size, step=step)
