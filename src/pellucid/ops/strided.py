"""Views by strides, `as_strided`; and functions whose names end in `_copy`: a view's numbers in memory of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

from pellucid.core import Tensor, called
from pellucid.core.node import node_name
from pellucid.core.views import memory_of
from pellucid.declare import TABLE, function, op
from pellucid.errors import with_line

from . import axes, creation, diagonals, parts, shape
from .dims import sizes_of
from .memory import clone
from .node_names import squeezed_copy


def _start(array: Any) -> int:
    """Where in that memory `array` begins, counted in elements."""
    root = memory_of(array)
    return (array.__array_interface__["data"][0] - root.__array_interface__["data"][0]) // array.itemsize


@function(public=False)
def storage_offset(self: Tensor) -> int:
    """Where in its memory this tensor begins, counted in elements."""
    return _start(self._array) if self.numel() else 0


@op(name="as_strided", view=True, method=False, public=False)
def _as_strided(xp: Any, input: Any, *, size: Any, stride: Any, offset: int, geometry: Any) -> Any:
    """The memory of `input` seen with other lengths and strides, from `offset` elements after its beginning."""
    root = memory_of(input)
    first = _start(input) + offset
    last = first + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    flat = xp.lib.stride_tricks.as_strided(root, (root.size,), (root.itemsize,)).view(input.dtype)
    if math.prod(size) and (first < 0 or last >= flat.size):
        raise RuntimeError(
            f"as_strided: sizes {list(size)}, strides {list(stride)} and storage offset {first} need a storage of "
            f"{last + 1} elements, and this one has {flat.size}"
        )
    if not math.prod(size):
        return xp.empty(size, input.dtype)
    return xp.lib.stride_tricks.as_strided(flat[first:], size, [step * input.itemsize for step in stride])


def _positions(xp: Any, size: Any, stride: Any, offset: int) -> Any:
    places = xp.full(size, offset, xp.int64)
    for axis, (length, step) in enumerate(zip(size, stride, strict=True)):
        places += (xp.arange(length) * step).reshape((-1,) + (1,) * (len(size) - axis - 1))
    return places


def _geometry(xp: Any, shape: Any, geometry: Any, size: Any, stride: Any, offset: int) -> tuple[Any, Any, int]:
    """The places in memory of the elements of the input and of the view, from 0 on, and how many places there are."""
    own, seen = _positions(xp, shape, geometry, 0), _positions(xp, size, stride, offset)
    low = min(int(places.min(initial=0)) for places in (own, seen))
    high = max(int(places.max(initial=0)) for places in (own, seen))
    return own - low, seen - low, high - low + 1


@op(method=False, public=False)
def strided_embed(xp: Any, grad: Any, *, shape: Any, size: Any, stride: Any, offset: int, geometry: Any) -> Any:
    """The gradient of `as_strided`: each element of `grad` added where in the input it was read."""
    own, seen, count = _geometry(xp, shape, geometry, size, stride, offset)
    memory = xp.zeros(count, grad.dtype)
    xp.add.at(memory, seen.reshape(-1), grad.reshape(-1))
    return (memory / xp.maximum(xp.bincount(own.reshape(-1), minlength=count), 1).astype(grad.real.dtype))[own]


@op(method=False, public=False)
def strided_read(xp: Any, input: Any, *, size: Any, stride: Any, offset: int, geometry: Any) -> Any:
    """What `as_strided` reads of `input`, as a copy; 0 in places that `input` does not have."""
    own, seen, count = _geometry(xp, input.shape, geometry, size, stride, offset)
    memory = xp.zeros(count, input.dtype)
    xp.add.at(memory, own.reshape(-1), input.reshape(-1))
    return (memory / xp.maximum(xp.bincount(own.reshape(-1), minlength=count), 1).astype(input.real.dtype))[seen]


_as_strided.vjp(
    input=lambda m, g, input_shape, size, stride, offset, geometry: m.strided_embed(
        g, shape=input_shape, size=size, stride=stride, offset=offset, geometry=geometry
    )
)
strided_read.vjp(
    input=lambda m, g, input_shape, size, stride, offset, geometry: m.strided_embed(
        g, shape=input_shape, size=size, stride=stride, offset=offset, geometry=geometry
    )
)
strided_embed.vjp(
    grad=lambda m, g, size, stride, offset, geometry: m.strided_read(
        g, size=size, stride=stride, offset=offset, geometry=geometry
    )
)


@function()
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the memory of `input` with the lengths `size` and `stride` elements from one index to the next.

    `storage_offset` counts from the beginning of the memory (of `input` itself if left out). Elements may be seen more
    than once. Raises RuntimeError where the view would leave the memory.

    >>> import pellucid
    >>> pellucid.arange(5).as_strided((3, 3), (1, 1))
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]])
    """
    lengths, steps = sizes_of((size,)), sizes_of((stride,))
    if len(lengths) != len(steps):
        raise RuntimeError(with_line(f"mismatch in length of strides and shape: {list(steps)} for {list(lengths)}"))
    if any(step < 0 for step in steps):
        raise RuntimeError(
            with_line(f"as_strided: Negative strides are not supported at the moment, got {list(steps)}")
        )
    if storage_offset is not None and storage_offset < 0:
        raise RuntimeError(with_line(f"Tensor: invalid storage offset {storage_offset}"))
    offset = 0 if storage_offset is None else storage_offset - _start(input._array)
    return TABLE["as_strided"](input, size=lengths, stride=steps, offset=offset, geometry=tuple(input.stride()))


@function()
@called("AsStridedScatterBackward0")
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:  # fmt: skip
    """A copy of `input` in which the elements that `as_strided` would show are those of `src`."""
    made = clone(input)
    as_strided(made, size, stride, storage_offset).copy_(src)
    return made


@function(method=False)
def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of `size` with the strides `stride` and undefined values."""
    lengths, steps = sizes_of((size,)), sizes_of((stride,))
    if len(lengths) != len(steps):
        raise RuntimeError(
            with_line(f"dimensionality of sizes ({len(lengths)}) must match that of strides ({len(steps)})")
        )
    needed = sum((length - 1) * step for length, step in zip(lengths, steps, strict=True)) + 1
    memory = creation.zeros((needed if math.prod(lengths) else 0,), dtype=dtype, device=device)
    made = as_strided(memory, lengths, steps, 0).detach()
    return made.requires_grad_() if requires_grad else made


@function(public=False)
def new_empty_strided(
    self: Tensor, size: Any, stride: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`empty_strided` in this tensor's dtype and on its device unless told otherwise."""
    return empty_strided(size, stride, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


@function(method=False)
def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of `size` with undefined values whose dimensions lie in memory in the order `physical_layout`."""
    lengths, order = sizes_of((size,)), sizes_of((physical_layout,))
    if sorted(order) != list(range(len(lengths))):
        raise RuntimeError(with_line(
            f"empty_permuted: physical_layout {list(order)} must name each dimension of {list(lengths)} once"
        ))  # fmt: skip
    steps, step = [0] * len(lengths), 1
    for axis in reversed(order):
        steps[axis] = step
        step *= max(lengths[axis], 1)
    return empty_strided(lengths, steps, dtype=dtype, device=device, requires_grad=requires_grad)


def _copied(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_copied, cast("tuple[Any, ...]", value)))
    return clone(value, memory_format="contiguous")


def _copy_of(name: str, view: Callable[..., Any], method: bool = False) -> None:
    def made(input: Tensor, *args: Any, **attributes: Any) -> Any:
        return _copied(view(input, *args, **attributes))

    made.__name__, made.__module__ = name, __name__
    made.__doc__ = f"What `{name.removesuffix('_copy')}` shows, in memory of its own."
    function(method=method)(called(_node_of_copy(name))(made))


def _node_of_copy(name: str) -> Any:
    """PyTorch names the node after the view, with `_copy` at its end; two have names that differ."""
    if name == "narrow_copy":
        return "NarrowCopyBackward0"
    if name == "squeeze_copy":
        return squeezed_copy
    return node_name(name.removesuffix("_copy")) + "_copy"


def _itself(input: Any) -> Any:
    return input


def _expand(input: Any, size: Any, *, implicit: bool = False) -> Any:
    return shape.expand(input, size)


def _slice(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    return input[(slice(None),) * (dim % input.ndim) + (slice(start, end, step),)]


_VIEWS: tuple[tuple[str, Callable[..., Any], bool], ...] = (
    ("alias_copy", _itself, False),
    ("as_strided_copy", as_strided, False),
    ("diagonal_copy", diagonals.diagonal, False),
    ("expand_copy", _expand, False),
    ("narrow_copy", parts.narrow, True),
    ("permute_copy", axes.permute, False),
    ("select_copy", parts.select, False),
    ("slice_copy", _slice, False),
    ("split_copy", parts.split, False),
    ("split_with_sizes_copy", parts.split_with_sizes, False),
    ("squeeze_copy", shape.squeeze, False),
    ("t_copy", axes.t, False),
    ("transpose_copy", axes.transpose, False),
    ("unbind_copy", parts.unbind, False),
    ("unfold_copy", diagonals.unfold, False),
    ("unsqueeze_copy", shape.unsqueeze, False),
    ("view_copy", shape.view, False),
)
for _name, _view, _method in _VIEWS:
    _copy_of(_name, _view, _method)
