"""Slices along a dimension that a vector of indices names; and elements of the flattened tensor."""

from __future__ import annotations

from typing import Any

from pellucid.declare import op
from pellucid.errors import ShapeError

from .dims import dim_of
from .elements import check_number
from .node_names import by_operand
from .placing import add_at, add_lines, check_index, dim_first, line_positions, raised, store, writes


def _vector(name: str, index: Any) -> Any:
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, got shape {index.shape}")
    return raised(index)


@op(public=False, method=False)
def index_select(xp: Any, input: Any, index: Any, *, dim: int) -> Any:
    """The slices of `input` along `dim` that a vector of indices names, copied.

    >>> import pellucid
    >>> pellucid.tensor([[1, 2], [3, 4]]).index_select(0, pellucid.tensor([1, 1]))
    tensor([[3, 4],
            [3, 4]])
    """
    index, axis = _vector("index_select", index), dim_of(dim, input.ndim)
    whole = raised(input)
    check_index("index_select", index, whole.shape[axis], axis)
    found = xp.take(whole, index, axis)
    if input.ndim:
        return found
    if len(index) != 1:
        raise RuntimeError("index_select(): Index to scalar can have only 1 value, got {len(index)} value(s)")
    return found.reshape(())


@op(public=False, method=False)
def index_embed(xp: Any, input: Any, index: Any, *, shape: tuple[int, ...], dim: int) -> Any:
    """Zeros of `shape`, to which each slice of `input` along `dim` is added where the vector `index` says."""
    out = xp.zeros(shape, input.dtype)
    if index.size and not (dim == 0 and add_lines(out, index, input)):
        add_at(
            xp,
            out,
            line_positions(xp, shape or (1,), raised(index), dim_of(dim, len(shape))),
            xp.ascontiguousarray(input),
        )
    return out


index_select.vjp(input=lambda m, g, input_shape, index, dim: m.index_embed(g, index, shape=input_shape, dim=dim))
index_embed.vjp(input=lambda m, g, index, dim: m.index_select(g, index, dim=dim))


def _check_slices(name: str, input: Any, index: Any, source: Any, dim: int) -> tuple[Any, Any, Any, int]:
    axis = dim_of(dim, input.ndim)
    vector = _vector(name, index)
    target, values = raised(input), raised(source)
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"{name}(): self and source expected to have the same dtype, got {input.dtype} and {source.dtype}"
        )
    if values.ndim != target.ndim:
        raise ShapeError(
            f"{name}(): source of shape {source.shape} must have the same number of dimensions as self {input.shape}"
        )
    if values.shape[axis] != len(vector):
        raise IndexError(
            f"{name}(): Number of indices ({len(vector)}) should be equal to source.size(dim) ({values.shape[axis]})"
        )
    wanted = (*target.shape[:axis], len(vector), *target.shape[axis + 1 :])
    if values.shape != wanted:
        raise ShapeError(f"{name}(): source must have shape {wanted} for these indices, got {source.shape}")
    check_index(name, vector, target.shape[axis], axis)
    return target, vector, values, axis


@writes(public=False, method=False)
def index_add(xp: Any, input: Any, index: Any, source: Any, *, dim: int, alpha: Any = 1) -> Any:
    """`input` with each slice of alpha · `source` along `dim` added where the vector `index` says.

    >>> import pellucid
    >>> pellucid.zeros(2, 2).index_add(0, pellucid.tensor([1, 1]), pellucid.ones(2, 2))
    tensor([[0., 0.],
            [2., 2.]])
    """
    target, vector, values, axis = _check_slices("index_add", input, index, source, dim)
    if values.size:
        values = values if alpha == 1 else values * xp.asarray(alpha).astype(values.dtype)
        if axis or not add_lines(target, vector, values):
            add_at(xp, target, line_positions(xp, target.shape, vector, axis), values)
    return input


index_add.vjp(
    input=lambda m, g: g,
    source=lambda m, g, index, source_shape, dim, alpha: _slices(m, g, index, source_shape, dim) * alpha,
)


def _slices(m: Any, g: Any, index: Any, shape: tuple[int, ...], dim: int) -> Any:
    return m.reshape(m.index_select(g, index, dim=dim), shape=shape)


@writes(public=False, method=False)
def index_copy(xp: Any, input: Any, index: Any, source: Any, *, dim: int) -> Any:
    """`input` with each slice of `source` along `dim` stored where the vector `index` says."""
    target, vector, values, axis = _check_slices("index_copy", input, index, source, dim)
    target[(slice(None),) * axis + (vector,)] = values
    return input


index_copy.vjp(
    input=lambda m, g, index, dim: m.index_fill(g, index, 0, dim=dim),
    source=lambda m, g, index, source_shape, dim: _slices(m, g, index, source_shape, dim),
)


@writes(public=False, method=False, node=by_operand("IndexFill", position=2))
def index_fill(xp: Any, input: Any, index: Any, value: Any, *, dim: int) -> Any:
    """`input` with `value` (a number or a 0-d tensor) in the slices along `dim` that the vector `index` names."""
    axis, vector, target = dim_of(dim, input.ndim), _vector("index_fill", index), raised(input)
    if getattr(value, "ndim", 0):
        raise ShapeError(
            f"index_fill(): only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)"
        )
    if vector.dtype.kind not in "iu":
        raise IndexError(f"index_fill(): Expected dtype int64 for index, got {vector.dtype}")
    check_number(value, input.dtype)
    target[(slice(None),) * axis + (vector,)] = value
    return input


index_fill.vjp(
    input=lambda m, g, index, dim: m.index_fill(g, index, 0, dim=dim),
    value=lambda m, g, index, dim: m.sum(m.index_select(g, m.unique_values(index), dim=dim)),
)


@op(public=False, method=False)
def unique_values(xp: Any, input: Any) -> Any:
    """The different values of `input`, in order."""
    return xp.unique(input)


dim_first("index_select", "index_add", "index_copy", "index_fill")


# --- an index for each element of the flattened tensor ----------------------------------------------------------------


def _wrapped(index: Any, size: int) -> Any:
    if index.dtype.kind not in "iu":
        raise IndexError(f"Expected dtype int64 for index, got {index.dtype}; write index.long()")
    if index.size and (index.min() < -size or index.max() >= size):
        bad = index.min() if index.min() < -size else index.max()
        raise IndexError(f"out of range: tried to access index {bad} on a tensor of {size} elements")
    return index % max(size, 1)


@op()
def take(xp: Any, input: Any, index: Any) -> Any:
    """The elements at `index` of the flattened tensor, in the shape of `index`.

    >>> import pellucid
    >>> pellucid.tensor([[4, 3], [2, 1]]).take(pellucid.tensor([0, -1]))
    tensor([4, 1])
    """
    return xp.take(input.reshape(-1), _wrapped(index, input.size)).reshape(index.shape)


@op(public=False, method=False)
def take_embed(xp: Any, input: Any, index: Any, *, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape`, to which each element of `input` is added at `index` of the flattened tensor."""
    out = xp.zeros(shape, input.dtype)
    add_at(xp, out, _wrapped(index, out.size), input)
    return out


take.vjp(input=lambda m, g, input_shape, index: m.take_embed(g, index, shape=input_shape))
take_embed.vjp(input=lambda m, g, index: m.take(g, index))


@writes()
def put(xp: Any, input: Any, index: Any, source: Any, *, accumulate: bool = False) -> Any:
    """`input` with the elements of `source` stored (or added) at `index` of the flattened tensor."""
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, got {input.dtype} and {source.dtype}"
        )
    if source.size != index.size:
        raise ShapeError(
            f"put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.size}, index.numel() = {index.size}"
        )
    places = _wrapped(index, input.size).reshape(-1)
    if accumulate:
        add_at(xp, input, places, source)
    else:
        store(input, places, source.reshape(-1))
    return input


put.vjp(
    input=lambda m, g, index, source, accumulate: g if accumulate else m.put(g, index, source * 0),
    source=lambda m, g, index, source_shape: m.reshape(m.take(g, index), shape=source_shape),
)
