"""Gather and scatter: an index for each element. Reading and adding at indices are each other's backward."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, called
from pellucid.declare import TABLE, function, op
from pellucid.errors import ShapeError, warn

from .dims import dim_of
from .elements import check_number
from .node_names import scattered
from .placing import add_at, add_lines, check_index, corner, dim_first, element_positions, raised, store, writes
from .reduction import widened


def _check_shapes(name: str, input: Any, index: Any, dim: int, among: str = "input", free: bool = True) -> None:
    """`index` must be at most as long as `input` in each dimension, with `free` except `dim`."""
    if index.ndim != input.ndim:
        raise ShapeError(
            f"{name}(): Index tensor must have the same number of dimensions as {among} tensor: got shape "
            f"{index.shape} for {input.shape}"
        )
    for axis, (length, most) in enumerate(zip(index.shape, input.shape, strict=True)):
        if length > most and not (free and axis == dim):
            raise ShapeError(
                f"{name}(): Expected index {list(index.shape)} to be no larger than {among} {list(input.shape)} "
                f"{f'apart from dimension {dim}' if free else 'in each dimension'}, but at dimension {axis} it is"
            )


@op(public=False, method=False)
def gather(xp: Any, input: Any, index: Any, *, dim: int, sparse_grad: bool = False) -> Any:
    """For each element of `index`, the element of `input` that it names along `dim`.

    In two dimensions: out[i, j] = input[index[i, j], j] for dim 0, input[i, index[i, j]] for dim 1. The result has
    the shape of `index`, which may be smaller than `input` elsewhere. Raises ShapeError where it is larger or has
    another number of dimensions, IndexError for an index outside of the dimension.

    >>> import pellucid
    >>> pellucid.tensor([[1, 2], [3, 4]]).gather(1, pellucid.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    dim = dim_of(dim, input.ndim)
    if not index.size:
        return xp.empty(index.shape, input.dtype)
    whole, places = raised(input), raised(index)
    _check_shapes("gather", whole, places, dim)
    check_index("gather", places, whole.shape[dim], dim)
    positions = element_positions(xp, whole.shape, places, dim)
    return xp.take(whole.reshape(-1), positions).reshape(index.shape)


@op(public=False, method=False)
def gather_embed(xp: Any, input: Any, index: Any, *, shape: tuple[int, ...], dim: int) -> Any:
    """Zeros of `shape`, to which each element of `input` is added where `index` says along `dim`."""
    return scatter_add.forward(xp, xp.zeros(shape, input.dtype), index, input, dim=dim)


gather.vjp(input=lambda m, g, input_shape, index, dim: m.gather_embed(g, index, shape=input_shape, dim=dim))
gather_embed.vjp(input=lambda m, g, index, dim: m.gather(g, index, dim=dim))


def _write_elements(name: str, xp: Any, input: Any, index: Any, src: Any, dim: int) -> tuple[Any, Any, Any, int]:
    """Checked and brought to at least one dimension: the target, the flat positions, the values, the dimension."""
    dim = dim_of(dim, input.ndim)
    target, places, values = raised(input), raised(index), raised(src)
    if hasattr(values, "dtype"):
        if values.dtype != input.dtype:
            raise RuntimeError(
                f"{name}(): Expected self.dtype to be equal to src.dtype, got {input.dtype} and {values.dtype}"
            )
        if index.size:
            _check_shapes(name, values, places, dim, "src", free=False)
            values = values[corner(places.shape)]
    if index.size:
        _check_shapes(name, target, places, dim)
        check_index(name, places, target.shape[dim], dim)
    positions = element_positions(xp, target.shape, places, dim) if index.size else xp.zeros(0, int)
    return target, positions, values if index.size else 0, dim


@writes(public=False, method=False, node=scattered)
def scatter(xp: Any, input: Any, index: Any, src: Any, *, dim: int, reduce: str | None = None) -> Any:
    """`input` with each element of `src` (or one number) stored where `index` says along `dim`.

    In two dimensions: out[index[i, j], j] = src[i, j] for dim 0. With `reduce` ("add" or "multiply") they are
    combined with what is there. Where an index repeats, which one stays is not defined.

    >>> import pellucid
    >>> pellucid.zeros(2, 3).scatter(1, pellucid.tensor([[0], [2]]), 1.0)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    check_number(src, input.dtype)
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError(f"reduce argument must be either add or multiply, got {reduce!r}")
        if not hasattr(src, "dtype"):
            src = xp.full(index.shape, src, input.dtype)
        return _reduced(xp, input, index, src, dim, {"add": "sum", "multiply": "prod"}[reduce], True, "scatter")
    target, positions, values, dim = _write_elements("scatter", xp, input, index, src, dim)
    if positions.size:
        store(target, positions, values)
    return input


def _scatter_grad(m: Any, g: Any, index: Any, dim: int, reduce: str | None) -> Any:
    if reduce == "add":
        return g
    if reduce is not None:
        raise NotImplementedError("scatter(reduce='multiply') has no gradient; write scatter_reduce(reduce='prod')")
    return m.scatter(g, index, 0, dim=dim)


def _at_source(m: Any, g: Any, index: Any, shape: tuple[int, ...], dim: int) -> Any:
    """The gradient of what was written: g where it was written, zeros in the part of `shape` that was not used."""
    got = m.gather(g, index, dim=dim)
    return got if got.shape == shape else m.part_embed(got, shape=shape, key=corner(got.shape))


scatter.vjp(
    input=lambda m, g, index, dim, reduce: _scatter_grad(m, g, index, dim, reduce),
    src=lambda m, g, index, src_shape, dim: _at_source(m, g, index, src_shape, dim),
)


@writes(public=False, method=False)
def scatter_add(xp: Any, input: Any, index: Any, src: Any, *, dim: int) -> Any:
    """`input` with each element of `src` added where `index` says along `dim`.

    In two dimensions: out[index[i, j], j] += src[i, j] for dim 0.

    >>> import pellucid
    >>> pellucid.zeros(3).scatter_add(0, pellucid.tensor([0, 2, 0]), pellucid.tensor([1.0, 2.0, 3.0]))
    tensor([4., 0., 2.])
    """
    if _names_lines(input, index, src, dim):
        check_index("scatter_add", index, len(input), 0)
        if add_lines(input, index[(slice(None), *[0] * (index.ndim - 1))], src):
            return input
    target, positions, values, dim = _write_elements("scatter_add", xp, input, index, src, dim)
    if positions.size:
        add_at(xp, target, positions, values)
    return input


def _names_lines(input: Any, index: Any, src: Any, dim: int) -> bool:
    """Whether an index is a vector of places in the first dimension, expanded: `index[:, None].expand(-1, width)`."""
    if input.ndim < 2 or index.ndim != input.ndim or dim_of(dim, input.ndim) or not index.size:
        return False
    fits = index.shape == src.shape and src.dtype == input.dtype and index.shape[1:] == input.shape[1:]
    return fits and not any(index.strides[1:]) and index.dtype.name == "int64"


scatter_add.vjp(
    input=lambda m, g: g,
    src=lambda m, g, index, src_shape, dim: _at_source(m, g, index, src_shape, dim),
)


_REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


@writes(public=False, method=False)
def scatter_reduce(
    xp: Any, input: Any, index: Any, src: Any, *, dim: int, reduce: str, include_self: bool = True
) -> Any:
    """`input` with the elements of `src` that `index` sends to one place reduced there: sum, prod, mean, amax, amin.

    Without `include_self`, what was in such a place before does not take part.

    >>> import pellucid
    >>> pellucid.zeros(2).scatter_reduce(0, pellucid.tensor([0, 0, 1]), pellucid.tensor([1.0, 3.0, 5.0]), "amax")
    tensor([3., 5.])
    """
    return _reduced(xp, input, index, src, dim, reduce, include_self, "scatter_reduce")


def _reduced(xp: Any, input: Any, index: Any, src: Any, dim: int, reduce: str, include_self: bool, name: str) -> Any:
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    target, positions, values, _ = _write_elements(name, xp, input, index, src, dim)
    if positions.size:
        reduce_at(xp, target, positions, values, reduce, include_self)
    return input


def reduce_at(xp: Any, target: Any, positions: Any, values: Any, reduce: str, include_self: bool) -> None:
    """Reduce `values` into the flat `positions` of `target`."""
    flat, places = widened(xp, target.reshape(-1)), positions.reshape(-1)
    given = values.reshape(-1)
    if not include_self:
        info: Any = (
            xp.finfo(flat.dtype) if flat.dtype.kind == "f" else None if flat.dtype == bool else xp.iinfo(flat.dtype)
        )
        low, high = (-xp.inf, xp.inf) if flat.dtype.kind == "f" else (info.min, info.max) if info else (False, True)
        flat[places] = {"sum": 0, "mean": 0, "prod": 1, "amax": low, "amin": high}[reduce]
    how = {"sum": xp.add, "mean": xp.add, "prod": xp.multiply, "amax": xp.maximum, "amin": xp.minimum}[reduce]
    how.at(flat, places, given)
    if reduce == "mean":
        count = xp.bincount(places, minlength=flat.size)
        count = xp.maximum(count + 1 if include_self else count, 1)
        if flat.dtype.kind == "f":
            flat[...] = flat / count
        else:
            flat[...] = flat // count
    if flat.dtype != target.dtype or not target.flags.c_contiguous:
        target[...] = flat.reshape(target.shape)


def _reduce_grads(
    m: Any, g: Any, out: Any, input: Any, index: Any, src: Any, dim: int, reduce: str, include_self: bool
) -> tuple[Any, Any]:
    """The gradients of input and src, as in PyTorch's scatter_reduce_backward."""

    def spread(values: Any) -> Any:
        return m.gather(values, index, dim=dim)

    src_shape = src.shape
    part = src if src.shape == index.shape else m.part(src, key=corner(index.shape))
    if reduce == "sum":
        to_input, to_src = g, spread(g)
    elif reduce == "mean":
        ones = g * 0 + 1
        count = ones if include_self else ones * 0
        count = m.scatter_add(count, index, spread(ones), dim=dim)
        count = m.masked_fill(count, count == 0, 1)
        to_input, to_src = g / count, spread(g / count)
    elif reduce == "prod":
        whole = m.masked_fill(input, input == 0, 1)
        to_input = g * m.scatter_reduce(whole, index, src, dim=dim, reduce=reduce, include_self=include_self) / whole
        zero = part == 0
        zeros = spread(m.scatter_add(g * 0, index, spread(g * 0) + zero, dim=dim))
        nonzero = m.scatter_reduce(
            input, index, m.masked_fill(part, zero, 1), dim=dim, reduce=reduce, include_self=include_self
        )
        # To a zero that is alone goes the product of the others; of two, each is the last factor of the other's.
        alone = spread(g * nonzero)
        other = spread(m.scatter_add(g * 0, index, part * zero, dim=dim)) - part
        few = m.where(zeros == 1, alone, alone * other)
        to_src = m.where(zero & (zeros < 3), few, spread(g * out) / m.masked_fill(part, zero, 1))
    else:
        zeros = g * 0
        mine = zeros + (input == out)
        theirs = spread(zeros) + (part == spread(out))
        count = m.scatter_add(mine if include_self else m.scatter(mine, index, 0, dim=dim), index, theirs, dim=dim)
        share = g / m.masked_fill(count, count == 0, 1)
        to_input, to_src = mine * share, theirs * spread(share)
    if not include_self:
        to_input = m.scatter(to_input, index, 0, dim=dim)
    if to_src.shape != src_shape:
        to_src = m.part_embed(to_src, shape=src_shape, key=corner(index.shape))
    return to_input, to_src


scatter_reduce.vjp(
    input=lambda m, g, out, input, index, src, dim, reduce, include_self: _reduce_grads(
        m, g, out, input, index, src, dim, reduce, include_self
    )[0],
    src=lambda m, g, out, input, index, src, dim, reduce, include_self: _reduce_grads(
        m, g, out, input, index, src, dim, reduce, include_self
    )[1],
)

dim_first("gather", "scatter", "scatter_add", "scatter_reduce")


@function()
@called("IndexReduceBackward0")
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with the slices of `source` that `index` sends to one place reduced there: prod, mean, amax, amin.

    Slice i along `dim` of `source` goes to slice index[i]. Without `include_self`, what was there does not take part.
    """
    axis = dim_of(dim, input.ndim)
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    if index.ndim > 1:
        raise IndexError(f"index_reduce_(): Index should have dimension 1 or 0 (got {index.ndim})")
    warn("index_reduce() is in beta and the API may change at any time.")
    if source.ndim and index.numel() != source.shape[axis]:
        raise IndexError(
            f"index_reduce_(): Number of indices ({index.numel()}) should be equal to source.size(dim): "
            f"({source.shape[axis]}), for dim: {dim}"
        )
    places = index.reshape([-1 if i == axis else 1 for i in range(source.ndim)]).expand(source.shape)
    return TABLE["scatter_reduce"](input, places, source, dim=axis, reduce=reduce, include_self=include_self)


@function(public=False)
def index_reduce_(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """In place: `index_reduce`."""
    return TABLE["copy_"](input, index_reduce(input, dim, index, source, reduce, include_self=include_self))
