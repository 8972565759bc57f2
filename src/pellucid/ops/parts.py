"""Parts of a tensor that are views: slices and what is made of them, diagonals, triangles, sliding windows.

All that Python's slicing can name is one op, `part`, with a key of integers, slices, None and `...`. Its backward is
`part_embed` (zeros with the gradient at the key), whose backward is `part` again.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

from pellucid.core import Tensor, apply, called, method
from pellucid.core.views import pieces
from pellucid.declare import function, op
from pellucid.declare.arguments import integer, is_list
from pellucid.errors import DimensionError, ShapeError, with_line

from .dims import dim_of, sizes_of
from .node_names import subscript

F = TypeVar("F", bound=Callable[..., Any])

_ALL = slice(None)


@op(view=True, method=False, public=False, reference="torch.Tensor.__getitem__", node=subscript)
def part(xp: Any, input: Any, *, key: tuple[Any, ...]) -> Any:
    """The part of `input` at a key of integers, slices, None and `...` (which makes a 0-d result a view too)."""
    return input[key]


part.vjp(input=lambda m, g, input_shape, key: m.part_embed(g, shape=input_shape, key=key))


@op(method=False, public=False)
def part_embed(xp: Any, input: Any, *, shape: tuple[int, ...], key: tuple[Any, ...]) -> Any:
    """Zeros of `shape`, with `input` at a key of integers, slices, None and `...`."""
    out = xp.zeros(shape, input.dtype)
    out[key] = input
    return out


part_embed.vjp(input=lambda m, g, key: m.part(g, key=key))


def along(dim: int, what: Any) -> tuple[Any, ...]:
    """The key that takes `what` (an index or a slice) along `dim` and all of the other dimensions."""
    return (*(_ALL,) * dim, what, ...)


def piece(input: Tensor, dim: int, what: Any) -> Tensor:
    """The part of `input` at `what` (an index or a slice) along `dim`, as a view."""
    return apply(part, (input,), {"key": along(dim, what)})


def _at(input: Tensor, dim: int, those: Iterable[Any]) -> tuple[Tensor, ...]:
    """A view at each of `those` (indices or slices) along `dim`."""
    found = pieces(part, input, [along(dim, what) for what in those])
    return tuple(piece(input, dim, what) for what in those) if found is None else found


# --- slices -----------------------------------------------------------------------------------------------------------


def _rank(input: Tensor, what: str) -> int:
    if input.ndim == 0:
        raise RuntimeError(with_line(f"{what} cannot be applied to a 0-dim tensor."))
    return input.ndim


@function()
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """A view of the `length` elements from `start` on along `dim`.

    >>> import pellucid
    >>> pellucid.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    dim = dim_of(dim, _rank(input, "narrow()"))
    if isinstance(start, Tensor) and (start.ndim or start.dtype.is_floating_point or start.dtype.name == "bool"):
        raise RuntimeError(
            with_line(f"start must be an 0-dim integral Tensor, got {start.dtype!r} {tuple(start.shape)}")
        )
    size, start, length = input.shape[dim], integer(start, "start"), integer(length, "length")
    if length < 0:
        raise RuntimeError(with_line(f"narrow(): length must be non-negative, got {length}."))
    if not -size <= start <= size:
        raise DimensionError(
            with_line(f"start out of range (expected to be in range of [{-size}, {size}], but got {start})")
        )
    start += size if start < 0 else 0
    if start + length > size:
        raise RuntimeError(with_line(f"start ({start}) + length ({length}) exceeds dimension size ({size})."))
    return piece(input, dim, slice(start, start + length))


@function()
def select(input: Tensor, dim: int, index: Any) -> Tensor:
    """A view without the dimension `dim`, at `index` along it."""
    if input.ndim == 0:
        raise DimensionError(with_line("select() cannot be applied to a 0-dim tensor."))
    dim = dim_of(dim, input.ndim)
    index, size = integer(index), input.shape[dim]
    if not -size <= index < size:
        raise DimensionError(
            with_line(f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {dim}")
        )
    return piece(input, dim, index)


def _several(name: str) -> Callable[[F], F]:
    """For a function that returns several views: none may be changed in place where a gradient is recorded.

    The op's backward is one for all its outputs in PyTorch, and a change of one would go past it.
    """

    def declare(function: F) -> F:
        @functools.wraps(function)
        def marked(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            for index, tensor in enumerate(result):
                if tensor._view is not None:
                    tensor._view.untracked = tensor._view.untracked or (
                        f"Output {index} of {name} is a view and is being modified inplace. This view is the output of "
                        "a function that returns multiple views. Such functions do not allow the output views to be "
                        "modified inplace. You should replace the inplace operation by an out-of-place one"
                    )
            return result

        return cast("F", marked)

    return declare


@function()
@_several("Unbind")
@called("UnbindBackward0")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views at each index along `dim`.

    >>> import pellucid
    >>> pellucid.tensor([[1, 2], [3, 4]]).unbind()
    (tensor([1, 2]), tensor([3, 4]))
    """
    if input.ndim == 0:
        raise DimensionError(with_line("Dimension specified as 0 but tensor has no dimensions"))
    return _at(input, dim_of(dim, input.ndim), range(input._array.shape[dim]))


@method
def __iter__(self: Tensor) -> Iterator[Tensor]:
    """The views at each index of the first dimension."""
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(unbind(self))


def _cut(input: Tensor, dim: int, ends: Any) -> tuple[Tensor, ...]:
    return _at(input, dim, [slice(start, end) for start, end in itertools.pairwise((0, *ends))])


@function()
def split(
    tensor: Tensor, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None
) -> tuple[Tensor, ...]:
    """Views of `split_size` elements along `dim` each, the last shorter if need be; or of the given lengths.

    >>> import pellucid
    >>> pellucid.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    split_size_or_sections = split_size if split_size_or_sections is None else split_size_or_sections
    if isinstance(split_size_or_sections, tuple | list):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    return _split_evenly(tensor, integer(split_size_or_sections, "split_size"), dim)


@_several("Split")
@called("SplitBackward0")
def _split_evenly(tensor: Tensor, length: int, dim: int) -> tuple[Tensor, ...]:
    dim = dim_of(dim, _rank(tensor, "split()"))
    size = tensor.shape[dim]
    if length < 0:
        raise RuntimeError(with_line(f"split expects split_size be non-negative, but got split_size={length}"))
    if length == 0 and size:
        raise RuntimeError(
            with_line(f"split_size can only be 0 if dimension size is 0, but got dimension size of {size}")
        )
    pieces = max(1, -(-size // length)) if length else 1
    return _cut(tensor, dim, [min((i + 1) * length, size) for i in range(pieces)])


@function()
@_several("SplitWithSizes")
@called("SplitWithSizesBackward0")
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of the given lengths along `dim`, which must add up."""
    dim, lengths = dim_of(dim, _rank(input, "split()")), sizes_of((split_sizes,))
    if any(length < 0 for length in lengths):
        raise RuntimeError(
            with_line(f"split_with_sizes expects split_sizes have only non-negative entries, but got {list(lengths)}")
        )
    if sum(lengths) != input.shape[dim]:
        raise RuntimeError(
            with_line(
                f"split_with_sizes expects split_sizes to sum exactly to {input.shape[dim]} (input tensor's size at "
                f"dimension {dim}), but got split_sizes={list(lengths)}"
            )
        )
    return _cut(input, dim, [sum(lengths[: i + 1]) for i in range(len(lengths))])


@function()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views along `dim`, all of one length except perhaps the last."""
    dim = dim_of(dim, _rank(input, "chunk()"))
    if chunks <= 0:
        raise RuntimeError(with_line(f"chunk expects `chunks` to be greater than 0, got: {chunks}"))
    size = input.shape[dim]
    if size == 0:
        return _cut(input, dim, [0] * chunks)
    return split(input, -(-size // chunks), dim)


@function()
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, indices: Any = None, sections: Any = None
) -> tuple[Tensor, ...]:
    """Views along `dim`: as many as are asked for, as equal as can be; or cut at the given indices."""
    given = [entry for entry in (indices_or_sections, indices, sections) if entry is not None]
    if len(given) != 1:
        raise TypeError(with_line("tensor_split(): give either indices or sections"))
    indices_or_sections = given[0]
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections.dtype.name != "int64":
            given_type = indices_or_sections.type().removeprefix("torch.").removesuffix("Tensor")
            raise RuntimeError(
                with_line(
                    f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {given_type}"
                )
            )
        if indices_or_sections.ndim > 1:
            raise RuntimeError(
                with_line(
                    "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional "
                    f"tensor, but got a tensor with {indices_or_sections.ndim} dims"
                )
            )
        indices_or_sections = indices_or_sections.tolist()
    if input.ndim == 0:
        raise RuntimeError(
            with_line("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
        )
    dim = dim_of(dim, input.ndim)
    size = input.shape[dim]
    if is_list(indices_or_sections):
        return _cut(input, dim, [*indices_or_sections, size])
    count = integer(indices_or_sections, "sections")
    if count <= 0:
        raise RuntimeError(with_line(f"number of sections must be larger than 0, got {count}"))
    base, extra = divmod(size, count)
    return _cut(input, dim, [(i + 1) * base + min(i + 1, extra) for i in range(count)])


def _axis_split(name: str, input: Tensor, indices_or_sections: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise RuntimeError(
            with_line(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with "
                f"{input.ndim} dimensions!"
            )
        )
    if isinstance(indices_or_sections, int) and (
        indices_or_sections <= 0 or input.shape[dim] % indices_or_sections != 0
    ):
        raise RuntimeError(
            with_line(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
                f"{input.shape[dim]} is not divisible by the split_size {indices_or_sections}!"
            )
        )
    return tensor_split(input, indices_or_sections, dim)


@function()
def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Views along the columns (along the only dimension of a vector); a number of them must divide the length."""
    return _axis_split("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


@function()
def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Views along the rows of a tensor with two dimensions and more."""
    return _axis_split("vsplit", input, indices_or_sections, 0, 2)


@function()
def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Views along the third dimension."""
    return _axis_split("dsplit", input, indices_or_sections, 2, 3)


def _unsafe(parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Parts that share memory with the tensor that was split, while autograd takes them for tensors of their own."""
    for tensor in parts:
        tensor._view = tensor._counter = None
    return parts


@function()
@called("UnsafeSplitBackward0")
def unsafe_split(tensor: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split` for parts that will be changed in place, of a tensor that is not used again.

    The parts share its memory, and autograd does not know: a change of one is seen in the tensor, not in gradients.
    """
    return _unsafe(_split_evenly(tensor, integer(split_size, "split_size"), dim))


@function()
@called("UnsafeSplitWithSizesBackward0")
def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes` under the same conditions as `unsafe_split`."""
    return _unsafe(split_with_sizes(input, split_sizes, dim))


@function()
@called("UnsafeSplitBackward0")
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk` under the same conditions as `unsafe_split`."""
    return _unsafe(chunk(input, chunks, dim))


@function()
@called("SelectScatterBackward0")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of `input` with `src` at `index` along `dim`."""
    return _with_part(input, src, lambda tensor: select(tensor, dim, index))


@function()
@called("SliceScatterBackward0")
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Tensor:
    """A copy of `input` with `src` in the slice `start:end:step` along `dim`."""
    return _with_part(input, src, lambda tensor: piece(tensor, dim_of(dim, tensor.ndim), slice(start, end, step)))


@function()
@called("DiagonalScatterBackward0")
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of `input` with `src` on a diagonal."""
    return _with_part(input, src, lambda tensor: tensor.diagonal(offset, dim1, dim2))  # pyright: ignore[reportAttributeAccessIssue]


def _with_part(input: Tensor, src: Tensor, of: Callable[[Any], Any]) -> Tensor:
    whole: Any = input.clone()  # pyright: ignore[reportAttributeAccessIssue]
    target = of(whole)
    if tuple(target.shape) != tuple(src.shape):
        raise ShapeError(
            with_line(
                f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
                f"{list(target.shape)}"
            )
        )
    target.copy_(src)
    return whole
