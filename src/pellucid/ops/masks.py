"""Masks: tensors of bools that say which elements are meant; and filling in place."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, apply, called
from pellucid.declare import TABLE, function, op
from pellucid.errors import ShapeError, with_line
from pellucid.types.dtypes import number_in

from .elements import check_number
from .node_names import by_operand
from .placing import writes
from .shape import broadcast_tensors
from .subscript import index


def _check_mask(name: str, mask: Any) -> None:
    if mask.dtype.kind != "b":
        raise RuntimeError(f"{name}: expected mask dtype to be Bool, but got {mask.dtype}; write mask.bool()")


def _check_value(name: str, input: Any, value: Any) -> None:
    """A value to fill with: one number, of a kind that `input` holds."""
    if getattr(value, "ndim", 0):
        raise RuntimeError(
            f"{name} only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)"
        )
    if value_is_complex(value) and input.dtype.kind != "c":
        raise RuntimeError(f"{name}: value cannot be converted to type {input.dtype.name} without overflow")
    check_number(value, input.dtype)


def value_is_complex(value: Any) -> bool:
    """Whether a number, or an array of one, is complex."""
    return isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c"


@op(elementwise=True, node=by_operand("MaskedFill", position=2), in_place=True, tensors=("input", "mask"))
def masked_fill(xp: Any, input: Any, mask: Any, value: Any) -> Any:
    """`input` with `value`, a number or a 0-d tensor, where the mask is True.

    Shape: `input` and `mask` broadcast together. Raises RuntimeError for a mask that is not bool.

    >>> import pellucid
    >>> pellucid.ones(3).masked_fill(pellucid.tensor([True, False, True]), 7.0)
    tensor([7., 1., 7.])
    """
    _check_mask("masked_fill", mask)
    _check_value("masked_fill", input, value)
    return xp.where(mask, xp.asarray(value).astype(input.dtype), input)


masked_fill.vjp(
    input=lambda m, g, mask: m.masked_fill(g, mask, 0),
    value=lambda m, g, mask: m.masked_fill(g, ~mask, 0),
)


@function()
@called("MaskedSelectBackward0")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is True, in one dimension; `input` and `mask` broadcast together.

    >>> import pellucid
    >>> pellucid.tensor([1, 2, 3]).masked_select(pellucid.tensor([True, False, True]))
    tensor([1, 3])
    """
    if mask.dtype.name != "bool":
        raise RuntimeError(with_line(f"masked_select: expected BoolTensor for mask, got {mask.dtype!r}"))
    whole, chosen = broadcast_tensors(input, mask)
    if whole.ndim == 0:
        whole, chosen = whole.reshape(1), chosen.reshape(1)  # pyright: ignore[reportAttributeAccessIssue]
    return apply(index, (whole, chosen), {"slots": (True,)})


@writes(public=False, method=False, name="masked_scatter")
def masked_scatter_op(xp: Any, input: Any, mask: Any, source: Any) -> Any:
    """`input` with the elements of `source`, in order, stored where the mask (of the same shape) is True."""
    _check_mask("masked_scatter_", mask)
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} and {source.dtype}"
        )
    wide = xp.broadcast_to(mask, input.shape)
    count = int(wide.sum())
    if count > source.size:
        raise ShapeError(f"the mask has {count} elements that are True, but source only {source.size}")
    input[wide] = source.reshape(-1)[:count]
    return input


masked_scatter_op.vjp(
    input=lambda m, g, mask: m.masked_fill(g, mask, 0),
    source=lambda m, g, mask, source_shape: _chosen(m, g, mask, source_shape),
)


def _chosen(m: Any, g: Any, mask: Any, shape: tuple[int, ...]) -> Any:
    """The elements of g that the mask names, as the first of an array of `shape`; zeros follow."""
    wide = m.expand(mask, size=g.shape) if mask.shape != g.shape else mask
    if not g.shape:
        g, wide = m.reshape(g, shape=(1,)), m.reshape(wide, shape=(1,))
    got = m.index(g, wide, slots=(True,))
    size = 1
    for length in shape:
        size *= length
    return m.reshape(m.part_embed(got, shape=(size,), key=(slice(0, got.shape[0]),)), shape=shape)


@function()
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements of `source`, in order, stored where the mask is True."""
    whole, chosen = broadcast_tensors(input, mask)
    return masked_scatter_op(whole, chosen, source)


@function(public=False)
def masked_scatter_(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """In place: the elements of `source`, in order, stored where the mask is True."""
    return apply(TABLE["masked_scatter_"], (input, mask, source), {})


# --- filling ----------------------------------------------------------------------------------------------------------


@op(mutates=(0,), reference="torch.Tensor.fill_")
def fill_(xp: Any, input: Any, value: Any | float) -> Any:
    """In place: every element becomes `value`, a number or a 0-d tensor."""
    rank = getattr(value, "ndim", 0)
    if rank:
        raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {rank} dimensions.")
    check_number(value, input.dtype)
    input[...] = number_in(value, input.dtype) if isinstance(value, int | float) else value
    return input


fill_.vjp(value=lambda m, g: m.sum(g))


@op(reference="torch.fill")
def fill(xp: Any, input: Any, value: Any | float) -> Any:
    """A tensor like `input` with `value`, a number or a 0-d tensor, everywhere."""
    return fill_.forward(xp, input.copy(), value)


fill.vjp(input=lambda m, g: g * 0, value=lambda m, g: m.sum(g))


@op(mutates=(0,), reference="torch.Tensor.zero_")
def zero_(xp: Any, input: Any) -> Any:
    """In place: every element becomes 0."""
    input[...] = 0
    return input
