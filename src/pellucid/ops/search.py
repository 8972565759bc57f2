"""Finding: where elements are, which there are, where they would stand in order; rows of a table by number."""

from __future__ import annotations

import math
from typing import Any, cast

from pellucid.core import Tensor
from pellucid.core.context import state
from pellucid.core.node import NotImplementedNode
from pellucid.core.tensor import edge_of
from pellucid.declare import TABLE, function, op
from pellucid.errors import ShapeError, with_line

from .dims import dim_of, sizes_of
from .placing import check_index
from .scatter import gather as gather_elements
from .shape import broadcast_shapes, broadcast_to, reshape


@op(name="nonzero", public=False, method=False)
def argwhere_op(xp: Any, input: Any) -> Any:
    """The indices of the elements that are not zero, a row each."""
    return xp.argwhere(input)


@function()
def nonzero(input: Tensor, *, as_tuple: bool = False, out: Tensor | None = None) -> Any:
    """The indices of the elements that are not zero: (count, ndim), or with `as_tuple` a vector for each dimension.

    >>> import pellucid
    >>> pellucid.tensor([[0, 1], [2, 0]]).nonzero()
    tensor([[0, 1],
            [1, 0]])
    """
    if out is not None:
        if as_tuple:
            raise RuntimeError(with_line("nonzero does not support the out kwarg when as_tuple is True"))
        return argwhere_op(input, out=out)
    if as_tuple and input.ndim == 0:
        input = input.reshape(1)  # pyright: ignore[reportAttributeAccessIssue]
    found: Any = argwhere_op(input)
    return found.unbind(1) if as_tuple else found


@function()
def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not zero, a row each; the same as `nonzero`."""
    return argwhere_op(input)


@function()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """The elements that `indices` names along `dim`, both broadcast elsewhere; without `dim`, of the flattened tensor.

    What `argmax(dim, keepdim=True)`, `argsort` and the like return can be read back with it.

    >>> import pellucid
    >>> x = pellucid.tensor([[3, 1], [0, 2]])
    >>> x.take_along_dim(pellucid.tensor([[1], [0]]), 1)
    tensor([[1],
            [0]])
    """
    if indices.dtype.name != "int64":
        raise RuntimeError(
            with_line(f"take_along_dim(): dtype of indices should be Long but got {indices.dtype.name}; write .long()")
        )
    if dim is None:
        flat, places = reshape(input, -1), reshape(indices, -1)
        return gather_elements(flat, wrap_indices(places, size=flat.numel()), dim=0)
    if indices.ndim != input.ndim:
        raise ShapeError(
            with_line(
                "take_along_dim(): input and indices should have the same number of dimensions, but got "
                f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
            )
        )
    dim = dim_of(dim, input.ndim)
    own, other = list(input.shape), list(indices.shape)
    if input.ndim:
        length = own[dim]
        own[dim] = other[dim]
        shape = list(broadcast_shapes(own, other))
        other = [*shape]
        shape[dim] = length
        input, indices = broadcast_to(input, shape), broadcast_to(indices, other)
        indices = wrap_indices(indices, size=length)
    return gather_elements(input, indices, dim=dim)


@op(public=False, method=False)
def wrap_indices(xp: Any, input: Any, *, size: int) -> Any:
    """Indices that count from the end (-1, -2, …) as indices from the start."""
    return xp.where(input < 0, input + size, input)


# --- which there are --------------------------------------------------------------------------------------------------


@op(name="unique", public=False, method=False, aux=("inverse", "counts"))
def unique_op(xp: Any, input: Any, *, dim: int | None) -> Any:
    """The different elements (or slices along `dim`) in order, where each element is among them, how often each is."""
    if dim is None:
        return xp.unique(input, return_inverse=True, return_counts=True, equal_nan=False)
    if input.dtype.kind != "f" or not xp.isnan(input).any():
        return xp.unique(input, return_inverse=True, return_counts=True, axis=dim)
    order = _order_with_nan(xp, xp.moveaxis(input, dim, 0).reshape(input.shape[dim], -1))
    values, runs, counts = _runs(xp, xp.take(input, order, dim), dim)
    inverse = xp.empty_like(runs)
    inverse[order] = runs
    return values, inverse, counts


def _order_with_nan(xp: Any, lines: Any) -> Any:
    """The order of lines of which some have NaN, which is neither less nor more than any number.

    So it depends on who compares with whom. Up to 16 lines: by insertion, as PyTorch's sort does; NaN last if more.
    """
    if len(lines) > 16:
        return xp.lexsort(lines.T[::-1])

    def less(one: int, other: int) -> bool:
        apart = (lines[one] < lines[other]) | (lines[one] > lines[other])
        first = apart.argmax()
        return bool(apart[first] and lines[one, first] < lines[other, first])

    order: list[int] = []
    for line in range(len(lines)):
        at = 0 if order and less(line, order[0]) else len(order)
        while at and less(line, order[at - 1]):
            at -= 1
        order.insert(at, line)
    return xp.asarray(order)


@function()
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements of `input` in order, or its different slices along `dim`.

    With `return_inverse` also, for each element, its index among them; with `return_counts`, how often each occurs.
    NaN is not equal to itself, so each one counts as different.

    >>> import pellucid
    >>> pellucid.tensor([3, 1, 3]).unique(return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    axis = None if dim is None else dim_of(dim, input.ndim)
    if axis is not None and 0 in input.shape and (input.shape[axis] or list(input.shape).count(0) > 1):
        raise RuntimeError(
            with_line("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
        )
    values, inverse, counts = unique_op(input.detach(), dim=axis)  # pyright: ignore[reportAttributeAccessIssue]
    inverse = inverse.reshape(tuple(input.shape) if axis is None else (input.shape[axis],))
    _refuse_backward(values, "_unique2" if axis is None else "unique_dim", input)
    return _chosen(values, inverse, counts, return_inverse, return_counts)


def _refuse_backward(values: Tensor, name: str, input: Tensor) -> None:
    if state.grad and input.requires_grad:
        values._node, values._requires = NotImplementedNode(name, edge_of(input)), True


def _chosen(values: Any, inverse: Any, counts: Any, with_inverse: bool, with_counts: bool) -> Any:
    if not with_inverse and not with_counts:
        return values
    return (values, *([inverse] if with_inverse else []), *([counts] if with_counts else []))


@op(name="unique_consecutive", public=False, method=False, aux=("inverse", "counts"))
def runs_op(xp: Any, input: Any, *, dim: int | None) -> Any:
    """The first of each run of equal neighbours, the run of each element, the lengths of the runs."""
    return _runs(xp, input, dim)


def _runs(xp: Any, input: Any, dim: int | None) -> Any:
    if (input.size if dim is None else input.shape[dim]) == 0:
        empty = xp.zeros(0, xp.int64)
        return (input.reshape(-1) if dim is None else input.copy()), empty, empty
    lines = input.reshape(-1, 1) if dim is None else xp.moveaxis(input, dim, 0).reshape(input.shape[dim], -1)
    first = xp.concatenate([xp.ones(1, bool), (lines[1:] != lines[:-1]).any(1)])
    starts = xp.flatnonzero(first)
    values = input.reshape(-1)[starts] if dim is None else xp.take(input, starts, dim)
    return values, xp.cumsum(first) - 1, xp.diff(xp.append(starts, len(lines)))


@function()
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Each run of equal neighbours (or of equal slices along `dim`) once; results as those of `unique`."""
    axis = None if dim is None else dim_of(dim, input.ndim)
    values, inverse, counts = runs_op(input.detach(), dim=axis)  # pyright: ignore[reportAttributeAccessIssue]
    if axis is None:
        inverse = inverse.reshape(tuple(input.shape))
    _refuse_backward(values, "unique_consecutive", input)
    return _chosen(values, inverse, counts, return_inverse, return_counts)


@op(name="isin", kind="compare", public=False, method=False)
def isin_op(xp: Any, elements: Any, test_elements: Any, *, invert: bool = False) -> Any:
    """Whether each element is among the others."""
    return xp.isin(elements, test_elements, invert=invert)


@function(method=False)
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each of `elements` is among `test_elements` (with `invert`, is not).

    >>> import pellucid
    >>> pellucid.isin(pellucid.tensor([1, 2, 3]), pellucid.tensor([3, 1]))
    tensor([ True, False,  True])
    """
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError(with_line("isin() takes a tensor for at least one of elements and test_elements"))
    return isin_op(elements, test_elements, invert=invert)


# --- where they would stand -------------------------------------------------------------------------------------------


@op(name="searchsorted", public=False, method=False)
def searchsorted_op(
    xp: Any, sorted_sequence: Any, input: Any, sorter: Any = None, *, side: str, out_int32: bool
) -> Any:
    """For each value, the index at which it would be inserted in the last dimension of the sorted sequence."""
    kind = xp.int32 if out_int32 else xp.int64
    if sorter is not None:
        if sorter.size and (sorter.min() < 0 or sorter.max() >= sorted_sequence.shape[-1]):
            raise IndexError("torch.searchsorted(): sorter index out of range")
        sorted_sequence = xp.take_along_axis(sorted_sequence, sorter, -1)
    values = xp.asarray(input)
    if sorted_sequence.ndim == 1:
        return xp.searchsorted(sorted_sequence, values, side).astype(kind)
    out = xp.empty(values.shape, kind)
    count = math.prod(values.shape[:-1])
    rows = sorted_sequence.reshape(count, sorted_sequence.shape[-1])
    into, given = out.reshape(count, values.shape[-1]), values.reshape(count, values.shape[-1])
    for row, line, found in zip(rows, given, into, strict=True):
        found[...] = xp.searchsorted(row, line, side)
    return out


@function(method=False)
def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """For each value of `input`, the index at which it would be inserted in the last dimension of `sorted_sequence`.

    `side="left"`: before equal elements; `"right"`: after them. The leading dimensions of both are equal, or the
    sequence has one dimension. `sorter` is the order of a sequence that is not sorted.

    >>> import pellucid
    >>> pellucid.searchsorted(pellucid.tensor([1, 3, 5]), pellucid.tensor([0, 3]))
    tensor([0, 1])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(with_line(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"))
    if side == "left" and right:
        raise RuntimeError(
            with_line(
                "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
            )
        )
    sequence_shape = tuple(sorted_sequence.shape)
    if isinstance(input, Tensor):
        if len(sequence_shape) != 1 and (input.ndim == 0 or sequence_shape[:-1] != tuple(input.shape)[:-1]):
            raise ShapeError(
                with_line(
                    "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of "
                    f"boundaries tensor and input value tensor must match, but we got boundaries tensor "
                    f"{list(sequence_shape)} and input value tensor {list(input.shape)}"
                )
            )
        if input.dtype is not sorted_sequence.dtype:
            raise RuntimeError(
                with_line(
                    "torch.searchsorted(): input value tensor and boundaries tensor should have same dtype, but got "
                    f"{input.dtype!r} and {sorted_sequence.dtype!r}"
                )
            )
    elif len(sequence_shape) != 1:
        raise ShapeError(
            with_line(
                "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we "
                f"got boundaries tensor dim({len(sequence_shape)})"
            )
        )
    if sorter is not None:
        if tuple(sorter.shape) != sequence_shape:
            raise ShapeError(
                with_line(
                    f"torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                    f"{list(sequence_shape)} and got sorter tensor {list(sorter.shape)}"
                )
            )
        if sorter.dtype.name != "int64":
            raise RuntimeError(
                with_line(f"torch.searchsorted(): sorter must be a tensor of long dtype, got {sorter.dtype!r}")
            )
    chosen = "right" if right or side == "right" else "left"
    return searchsorted_op(sorted_sequence, input, sorter, side=chosen, out_int32=out_int32)


@function(method=False)
def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """For each value, the number of the bucket it falls in, between the sorted `boundaries`.

    >>> import pellucid
    >>> pellucid.bucketize(pellucid.tensor([0.5, 2.0]), pellucid.tensor([1.0, 2.0]))
    tensor([0, 1])
    """
    if boundaries.ndim != 1:
        raise ShapeError(with_line(f"bucketize: boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"))
    if isinstance(input, Tensor) and input.dtype is not boundaries.dtype:
        raise RuntimeError(
            with_line(
                f"bucketize: input and boundaries should have same dtype, got {input.dtype!r} and {boundaries.dtype!r}"
            )
        )
    return searchsorted_op(boundaries, input, side="right" if right else "left", out_int32=out_int32)


# --- rows by number ---------------------------------------------------------------------------------------------------


@op(public=False, method=False, reference="torch.nn.functional.one_hot", name="one_hot")
def one_hot_op(xp: Any, input: Any, *, num_classes: int) -> Any:
    """For each integer, a vector with a 1 there."""
    if input.dtype.kind not in "iu":
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, got {input.dtype}")
    if input.size and input.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        if not input.size:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(input.max()) + 1
    elif num_classes < 1 and (input.size or num_classes < 0):
        raise RuntimeError("num_classes should be positive")
    elif input.size and input.max() >= num_classes:
        raise RuntimeError(
            f"Class values must be smaller than num_classes: got {int(input.max())} for num_classes={num_classes}"
        )
    return (input[..., None] == xp.arange(num_classes)).astype(xp.int64)


@function(public=False, method=False)
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """For each integer, a vector of `num_classes` (one more than the largest, for -1) with a 1 there, 0 elsewhere.

    Shape: (*) -> (*, num_classes), of int64. Raises RuntimeError for negative and for too large numbers.

    >>> import pellucid
    >>> one_hot(pellucid.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    return one_hot_op(tensor, num_classes=num_classes)


@op(method=False)
def embedding(
    xp: Any,
    weight: Any,
    indices: Any,
    *,
    padding_idx: int | None = None,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """The rows of `weight` that `indices` names: out[…, :] = weight[indices[…]].

    Shape: (rows, width), (*) -> (*, width). The row `padding_idx` gets no gradient; with `scale_grad_by_freq` the
    gradient of a row is divided by how often it was named. Raises IndexError for a number outside of [0, rows).

    >>> import pellucid
    >>> pellucid.embedding(pellucid.tensor([[1.0], [2.0]]), pellucid.tensor([1, 1, 0]))
    tensor([[2.],
            [2.],
            [1.]])
    """
    if weight.ndim != 2:
        raise ShapeError(f"'weight' must be 2-D, got shape {weight.shape}")
    check_index("embedding", indices, weight.shape[0], 0)
    return xp.take(weight, indices, 0)


embedding.vjp(
    weight=lambda m, g, weight_shape, indices, padding_idx, scale_grad_by_freq: _embedding_grad(
        m, g, weight_shape, indices, padding_idx, scale_grad_by_freq
    )
)


def _embedding_grad(
    m: Any, g: Any, shape: tuple[int, ...], indices: Any, padding: int | None, by_frequency: bool
) -> Any:
    column = (*indices.shape, 1)
    if by_frequency:
        g = g / m.reshape(m.frequencies(indices), shape=column)
    if padding is not None and padding >= 0:
        g = m.masked_fill(g, m.reshape(indices == padding, shape=column), 0)
    rows = m.reshape(g, shape=(math.prod(indices.shape), shape[1]))
    return m.index_embed(rows, m.reshape(indices, shape=(-1,)), shape=shape, dim=0)


@op(public=False, method=False)
def frequencies(xp: Any, input: Any) -> Any:
    """How often each number occurs, at each place where it does."""
    return xp.bincount(input.reshape(-1))[input]


@function()
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first `size` rows of `nonzero`; where there are fewer, rows of `fill_value`."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found: Any = argwhere_op(input)[:size]
    missing = size - found.shape[0]
    return found if not missing else TABLE["cat"](found, found.new_full((missing, input.ndim), fill_value), dim=0)


@function(method=False)
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates, a tensor for each dimension, of flat `indices` into a tensor of `shape`.

    >>> import pellucid
    >>> pellucid.unravel_index(pellucid.tensor(4), (2, 3))
    (tensor(1), tensor(1))
    """
    if not isinstance(shape, int | tuple | list):
        raise TypeError(with_line(f"expected 'shape' to be int or sequence of ints, but got {type(shape).__name__}"))
    given: tuple[Any, ...] = (shape,) if isinstance(shape, int) else tuple(cast("Any", shape))
    for length in given:
        if not isinstance(length, int):
            raise TypeError(
                with_line(f"expected 'shape' sequence to only contain ints, but got {type(length).__name__}")
            )
    lengths = sizes_of((given,))
    if indices.dtype.is_floating_point or indices.dtype.name == "bool":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype!r}")
    if any(length < 0 for length in lengths):
        raise ValueError(f"'shape' cannot have negative values, but got {lengths}")
    indices = indices.long()
    steps = [math.prod(lengths[i + 1 :]) for i in range(len(lengths))]
    return tuple(indices.div(step, rounding_mode="floor") % length for length, step in zip(lengths, steps, strict=True))
