"""The same elements under another shape: reshaping, added and dropped dimensions, expansion. Most are views."""

from __future__ import annotations

import math
from typing import Any

from pellucid.core import Size, Tensor, as_dtype, called, dtype
from pellucid.declare import function, op
from pellucid.declare.arguments import spread
from pellucid.errors import DimensionError, ShapeError, with_line
from pellucid.reverse.vocabulary import LIFTED, sum_to
from pellucid.types.dtypes import OF_NUMPY, SCALAR_TYPES

from .dims import dim_of, dims_of, said, sizes_of
from .memory import clone
from .node_names import reshaped, with_dimensions


@op(name="reshape", view=True, method=False, public=False, node=reshaped)
def reshape_view(xp: Any, input: Any, *, shape: Any) -> Any:
    """The same elements in row-major order under another shape; a view where the memory allows it, else a copy."""
    if any(length < -1 for length in shape):
        raise ShapeError(_reshape_advice(tuple(shape), input.size))
    try:
        return input.reshape(shape)
    except ValueError:
        raise ShapeError(_reshape_advice(tuple(shape), input.size)) from None


reshape_view.vjp(input=lambda m, g, input_shape: m.reshape(g, shape=input_shape))


def _reshape_advice(shape: tuple[int, ...], size: int) -> str:
    if shape.count(-1) > 1:
        return f"only one dimension can be inferred, shape {list(shape)} leaves several to -1"
    for index, length in enumerate(shape):
        if length < -1:
            return f"invalid shape dimension {length} at index {index} of shape {list(shape)}"
    if -1 in shape and size == 0 and 0 in shape:
        return (
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 "
            "can be any value and is ambiguous"
        )
    return f"shape '{list(shape)}' is invalid for input of size {size}"


@function()
def reshape(input: Tensor, *shape: Any, **given: Any) -> Tensor:
    """The same elements in row-major order under another shape.

    One length may be -1: it is what remains. The result is a view where the memory allows it, else a copy. Raises
    ShapeError (a RuntimeError) where the number of elements differs.

    >>> import pellucid
    >>> pellucid.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return reshape_view(input, shape=said("reshape", shape, "shape", given))


@op(name="view", view=True, method=False, public=False, reference="torch.Tensor.view")
def strict_view(xp: Any, input: Any, *, shape: Any) -> Any:
    """The same memory under another shape; an error where that would need a copy."""
    out = reshape_view.forward(xp, input, shape=shape)
    if not input.flags.c_contiguous and out.size and not xp.may_share_memory(out, input):
        raise ShapeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return out


strict_view.vjp(input=lambda m, g, input_shape: m.reshape(g, shape=input_shape))


@op(view=True, method=False, public=False, reference="torch.Tensor.view")
def view_dtype(xp: Any, input: Any, *, dtype: Any) -> Any:
    """The same bytes read as another dtype; the last dimension shrinks or grows with the size of an element."""
    ratio = dtype.itemsize / input.itemsize
    if not input.size and input.ndim and input.shape[-1] % ratio == 0:
        return xp.empty((*input.shape[:-1], round(input.shape[-1] / ratio)), dtype.numpy)
    if ratio != 1 and input.ndim == 0:
        raise ShapeError(
            f"self.dim() cannot be 0 to view {_kinds(input.dtype, dtype)} (different element sizes); write "
            ".reshape(1) first"
        )
    if ratio != 1 and input.strides[-1] != input.itemsize:
        raise ShapeError(
            f"self.stride(-1) must be 1 to view {_kinds(input.dtype, dtype)} (different element sizes), but got "
            f"{input.strides[-1] // input.itemsize}; write .contiguous() first"
        )
    if ratio > 1 and input.shape[-1] % ratio:
        raise ShapeError(
            f"self.size(-1) must be divisible by {int(ratio)} to view {_kinds(input.dtype, dtype)} (different element "
            f"sizes), but got {input.shape[-1]}"
        )
    if ratio > 1:
        _check_multiples(input, dtype, int(ratio))
    return input.view(dtype.numpy)


def _check_multiples(input: Any, dtype: Any, ratio: int) -> None:
    """Raise where a larger element would begin between two of its own."""
    for dim, step in enumerate(input.strides[:-1]):
        _check_multiple(f"self.stride({dim})", step // input.itemsize, ratio, _kinds(input.dtype, dtype))


def _kinds(of: Any, to: Any) -> str:
    return f"{SCALAR_TYPES[OF_NUMPY[of].name]} as {SCALAR_TYPES[to.name]}"


def _check_multiple(what: str, found: int, ratio: int, kinds: str) -> None:
    if found % ratio:
        raise ShapeError(
            f"{what} must be divisible by {ratio} to view {kinds} (different element sizes), but got {found}"
        )


@function(public=False)
def view(input: Tensor, *shape: Any, **given: Any) -> Tensor:
    """The same memory under another shape, or read as another dtype (`x.view(pellucid.int32)`).

    Raises ShapeError (a RuntimeError) where the memory has no such view; `reshape` copies then.
    """
    kind = given.get("dtype", shape[0] if len(shape) == 1 and isinstance(shape[0], dtype) else None)
    if kind is None:
        return strict_view(input, shape=said("view", shape, "size", given))
    ratio = as_dtype(kind).itemsize // input.dtype.itemsize
    if ratio > 1 and input.ndim and input.shape[-1] % ratio == 0:
        _check_multiple(
            "self.storage_offset()", input.storage_offset(), ratio, _kinds(input.dtype.numpy, as_dtype(kind))
        )
    seen = view_dtype(input, dtype=as_dtype(kind))
    seen._view = None  # bytes have no derivative: as in PyTorch, a tensor of its own that shares memory
    return seen


@function(public=False)
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """A view with the shape of `other`."""
    return strict_view(input, shape=tuple(other.shape))


@function(public=False)
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """The same elements with the shape of `other`."""
    return reshape_view(input, shape=tuple(other.shape))


@function()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim` made into one; the tensor itself if that is no change.

    >>> import pellucid
    >>> pellucid.zeros(2, 3, 4).flatten(1).shape
    torch.Size([2, 12])
    """
    shape = input._array.shape  # pyright: ignore[reportPrivateUsage]
    start, end = dim_of(start_dim, len(shape)), dim_of(end_dim, len(shape))
    if start > end:
        raise RuntimeError(with_line("flatten() has invalid args: start_dim cannot come after end_dim"))
    if shape and start == end:
        return input
    return reshape_view(input, shape=(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@function()
@called("ViewBackward0")
def ravel(input: Tensor) -> Tensor:
    """The elements in one dimension, in row-major order; a view of a tensor that is contiguous, else a copy."""
    dense = input if input._array.flags.c_contiguous else clone(input, memory_format="contiguous")  # pyright: ignore[reportPrivateUsage]
    return reshape_view(dense, shape=(input.numel(),))


@function()
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """The dimension `dim` made into several of the lengths `sizes`, of which one may be -1."""
    shape = tuple(input.shape)
    dim, sizes = dim_of(dim, len(shape)), sizes_of((sizes,))
    if not sizes:
        raise RuntimeError(with_line("unflatten: sizes must be non-empty"))
    if not shape:
        raise DimensionError(with_line("unflatten: the tensor has no dimensions"))
    known = math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and known and shape[dim] % known == 0:
        sizes = tuple(shape[dim] // known if size == -1 else size for size in sizes)
    if math.prod(sizes) != shape[dim] or -1 in sizes:
        raise ShapeError(
            with_line(
                f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({shape[dim]}) in "
                "the input tensor"
            )
        )
    return strict_view(input, shape=(*shape[:dim], *sizes, *shape[dim + 1 :]))


# --- one more or one fewer dimension ----------------------------------------------------------------------------------


@op(name="squeeze", view=True, method=False, public=False, node="SqueezeBackward1")
def squeeze_dims(xp: Any, input: Any, *, dims: tuple[int, ...]) -> Any:
    """A view without the dimensions `dims`, each of length 1."""
    return input.squeeze(dims)


squeeze_dims.vjp(input=lambda m, g, input_shape: m.reshape(g, shape=input_shape))


@function()
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """A view without the dimensions of length 1: all of them, or those of `dim` (an int or a tuple) that are.

    >>> import pellucid
    >>> pellucid.zeros(1, 3, 1).squeeze(0).shape
    torch.Size([3, 1])
    """
    shape = input.shape
    dims = range(len(shape)) if dim is None else dims_of(dim, len(shape)) if shape else _of_scalar(dim)
    result = squeeze_dims(input, dims=tuple(axis for axis in dims if shape[axis] == 1))
    if result.grad_fn is not None and not isinstance(dim, int):
        result.grad_fn.called = "SqueezeBackward0" if dim is None else "SqueezeBackward2"
    return result


def _of_scalar(dim: Any) -> tuple[int, ...]:
    dims_of(dim, 0)
    return ()


@op(view=True)
def unsqueeze(xp: Any, input: Any, *, dim: int) -> Any:
    """A view with a dimension of length 1 inserted, which is then dimension `dim`.

    >>> import pellucid
    >>> pellucid.ones(3).unsqueeze(-1).shape
    torch.Size([3, 1])
    """
    return xp.expand_dims(input, dim)


unsqueeze.vjp(input=lambda m, g, input_shape: m.reshape(g, shape=input_shape))


def _at_least(rank: int, tensors: tuple[Any, ...]) -> Any:
    found = tuple(_raised(tensor, rank) for tensor in spread(tensors))
    return found[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) else found


@called(with_dimensions)
def _raised(tensor: Tensor, rank: int) -> Tensor:
    shape = tuple(tensor.shape)
    if len(shape) >= rank:
        return tensor
    if rank == 3:  # new dimensions stand on both sides: (n,) -> (1, n, 1), (n, m) -> (n, m, 1)
        return reshape_view(tensor, shape=((1, *shape) if len(shape) == 1 else shape or (1, 1)) + (1,))
    return reshape_view(tensor, shape=(1,) * (rank - len(shape)) + shape)


@function(method=False)
def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least one dimension; a tuple if several (or a sequence) are given."""
    return _at_least(1, tensors)


@function(method=False)
def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least two dimensions, new ones in front; a tuple if several are given."""
    return _at_least(2, tensors)


@function(method=False)
def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least three dimensions: (n,) becomes (1, n, 1) and (n, m) becomes (n, m, 1)."""
    return _at_least(3, tensors)


# --- expansion --------------------------------------------------------------------------------------------------------


@op(name="expand", view=True, method=False, public=False, reference="torch.Tensor.expand")
def expand_to(xp: Any, input: Any, *, size: tuple[int, ...]) -> Any:
    """A view in which dimensions of length 1 are repeated, without a copy, until the shape is `size`."""
    full = _expanded(input.shape, size)
    if 1 in full and hasattr(input, "strides"):
        return xp.lib.stride_tricks.as_strided(input, full, _strides_of_expanded(input, full))
    out = xp.broadcast_to(input, full)
    if out.size and hasattr(out.flags, "writeable") and input.flags.writeable:
        out.flags.writeable = True  # a part of it in which nothing repeats may be written to
    return out


expand_to.vjp(input=lambda m, g, input_shape: sum_to(m, g, input_shape))


def _strides_of_expanded(array: Any, full: tuple[int, ...]) -> tuple[int, ...]:
    """PyTorch's: 0 where something repeats; a dimension that is new and of length 1 steps over all that follow it."""
    extra, strides, step = len(full) - array.ndim, [0] * len(full), array.itemsize if array.ndim else 0
    for place in reversed(range(len(full))):
        if place >= extra:
            strides[place] = array.strides[place - extra] if full[place] == array.shape[place - extra] else 0
        elif full[place] == 1:
            strides[place] = step
        step = strides[place] * full[place]
    return tuple(strides)


def _expanded(shape: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...]:
    extra = len(size) - len(shape)
    if extra < 0:
        raise ShapeError(
            f"the number of sizes provided ({len(size)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({len(shape)}): shape {shape} does not expand to {size}"
        )
    full = list(size)
    for i, length in enumerate(size):
        if i < extra:
            if length < 0:
                raise ShapeError(
                    f"The expanded size of the tensor ({length}) isn't allowed in a leading, non-existing dimension {i}"
                )
            continue
        known = shape[i - extra]
        if length == -1:
            full[i] = known
        elif length != known and (known != 1 or length < 0):
            raise ShapeError(
                f"The expanded size of the tensor ({length}) must match the existing size ({known}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(size)}.  Tensor sizes: {list(shape)}"
            )
    return tuple(full)


@function(public=False)
def expand(input: Tensor, *size: Any, implicit: bool = False, **given: Any) -> Tensor:
    """A view in which dimensions of length 1 are repeated, without a copy, until the shape is `size`.

    -1 leaves a length as it is; new dimensions come first. Raises ShapeError (a RuntimeError) where a length other
    than 1 would have to change.

    >>> import pellucid
    >>> pellucid.tensor([[1.0], [2.0]]).expand(-1, 3)
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    return expand_to(input, size=said("expand", size, "size", given))


@function(public=False)
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """A view expanded to the shape of `other`."""
    return expand_to(input, size=tuple(other.shape))


@function()
def broadcast_to(input: Tensor, *size: Any, **given: Any) -> Tensor:
    """A view expanded to the shape `size`; the same as `expand`."""
    return expand_to(input, size=said("broadcast_to", size, "size", given))


@function(method=False)
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape to which tensors of the given shapes broadcast together.

    >>> import pellucid
    >>> pellucid.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    for entry in shapes:
        if not isinstance(entry, int | tuple | list):
            raise RuntimeError(
                with_line(f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {entry}")
            )
    known = [(entry,) if isinstance(entry, int) else sizes_of((entry,)) for entry in shapes]
    rank = max((len(entry) for entry in known), default=0)
    result = [1] * rank
    for shape in known:
        for back in range(1, len(shape) + 1):
            length = shape[-back]
            if length < 0:
                raise RuntimeError(with_line(f"Trying to create tensor with negative dimension ({length}): ({length})"))
            if length == 1 or length == result[-back]:
                continue
            if result[-back] != 1:
                raise ShapeError(
                    with_line(
                        "Shape mismatch: objects cannot be broadcast to a single shape: "
                        f"{' and '.join(str(entry) for entry in known)} differ at dimension {rank - back} "
                        f"({result[-back]} and {length})"
                    )
                )
            result[-back] = length
    return Size(result)


@function(method=False)
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors, each expanded to the shape they have together."""
    many = spread(tensors)
    shape = tuple(broadcast_shapes(*(tuple(tensor.shape) for tensor in many)))
    return tuple(tensor if tuple(tensor.shape) == shape else expand_to(tensor, size=shape) for tensor in many)


@function(public=False)
def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """The sum over the dimensions by which a tensor of shape `size` would have been broadcast to this shape."""
    shape = sizes_of(size)
    own = tuple(input.shape)
    if len(shape) > len(own) or not _expandable(shape, own):
        raise ShapeError(with_line(f"size {list(shape)} is not expandable to size {list(own)}."))
    return sum_to(LIFTED, input, shape) if own else LIFTED.sum(input)


def _expandable(shape: tuple[int, ...], size: tuple[int, ...]) -> bool:
    tail = size[len(size) - len(shape) :]
    return all(length in (1, known) for length, known in zip(shape, tail, strict=True))
