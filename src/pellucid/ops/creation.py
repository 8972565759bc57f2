"""Tensors out of nothing, filled with one number. Each is an op without inputs, so that a tracer sees it."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from pellucid.core import Tensor, apply, as_dtype, get_default_dtype
from pellucid.core import device as Device
from pellucid.core import dtype as DType
from pellucid.declare import TABLE, function, op
from pellucid.declare.arguments import Number, integer, is_list, spread
from pellucid.errors import with_line
from pellucid.types.devices import CPU, default
from pellucid.types.dtypes import number_in, of_number

from .elements import check_number
from .memory import RANKS, clone


@op(name="full", method=False, public=False)
def _full(xp: Any, *, size: Any, fill_value: Any, dtype: DType, device: Any = None) -> Any:
    """A tensor of `size` with `fill_value` everywhere."""
    if fill_value == 0:
        return xp.zeros(size, dtype.numpy)
    check_number(fill_value, dtype.numpy)
    return xp.full(size, number_in(fill_value, dtype.numpy), dtype.numpy)


@op(name="empty", method=False, public=False)
def _empty(xp: Any, *, size: Any, dtype: DType, device: Any = None) -> Any:
    """A tensor of `size` with whatever the memory held."""
    return xp.empty(size, dtype.numpy)


def as_size(size: tuple[Any, ...]) -> tuple[int, ...]:
    """The lengths that a call's `*size` means: `zeros(2, 3)`, `zeros((2, 3))` and `zeros([2, 3])` are the same."""
    size = spread(size)
    try:
        lengths = tuple(integer(length, "a size", wide=TypeError) for length in size)
    except TypeError:
        got = ", ".join(type(entry).__name__ for entry in size)
        raise TypeError(f"a size must be integers or a tuple of integers, got ({got}): {size!r}") from None
    for length in lengths:
        if length < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {length}: {list(lengths)}")
    return lengths


def some_size(name: str, size: tuple[Any, ...]) -> None:
    """Raise TypeError where a call of `name(*size)` gives no size at all."""
    if not size:
        raise TypeError(
            with_line(f'{name}() missing 1 required positional argument: "size"; write {name}(()) for one number')
        )


def as_sequence(name: str, size: Any) -> tuple[int, ...]:
    """The lengths that `size` of a function means which takes no integers apart."""
    if not is_list(size):
        raise TypeError(with_line(f"{name}(): argument 'size' must be tuple of ints, not {type(size).__name__}"))
    return as_size((size,))


def attributes(dtype: Any, device: Any) -> dict[str, Any]:
    """The attributes that every creation op has; no device where it is the CPU, which is the fast path."""
    made: dict[str, Any] = {"dtype": get_default_dtype() if dtype is None else as_dtype(dtype)}
    where = default() if device is None else Device(device)
    if where is not None:
        made["device"] = where
    return made


def _filled(size: tuple[int, ...], value: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    made = apply(TABLE["full"], (), {"size": size, "fill_value": value, **attributes(dtype, device)})
    return made.requires_grad_() if requires_grad else made


@function(method=False)
def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **ignored: Any) -> Tensor:
    """A tensor of `size` filled with 0.

    >>> zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _filled(as_size(sizes(size, ignored, "zeros", needed=True)), 0, dtype, device, requires_grad)


@function(method=False)
def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **ignored: Any) -> Tensor:
    """A tensor of `size` filled with 1."""
    return _filled(as_size(sizes(size, ignored, "ones", needed=True)), 1, dtype, device, requires_grad)


@function(method=False)
def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **ignored: Any) -> Tensor:
    """A tensor of `size` with undefined values, for what will be overwritten."""
    made = apply(
        TABLE["empty"], (), {"size": as_size(sizes(size, ignored, "empty", needed=True)), **attributes(dtype, device)}
    )
    return _as_asked(made, requires_grad, ignored)


def _as_asked(made: Tensor, requires_grad: bool, others: dict[str, Any]) -> Tensor:
    """A new tensor in its `memory_format`, where that is another than row after row, and as a leaf."""
    wanted = others.get("memory_format")
    if wanted in RANKS:
        made = clone(made, memory_format=wanted)
    return made.requires_grad_() if requires_grad else made


_IGNORED = frozenset(("layout", "pin_memory", "memory_format", "out", "names"))


def sizes(size: tuple[Any, ...], others: dict[str, Any], name: str, needed: bool = False) -> tuple[Any, ...]:
    """The size, given by position or as `size=`; arguments that say nothing here (`layout`, …) may be there."""
    if "size" in others:
        size = (others.pop("size"),)
    for other, value in others.items():
        if other not in _IGNORED or (other == "out" and value is not None):
            raise TypeError(f"{name}() got an unexpected keyword argument {other!r}")
    if needed:
        some_size(name, size)
    return size


@function(method=False)
def full(size: Any, fill_value: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
         **ignored: Any) -> Tensor:  # fmt: skip
    """A tensor of `size` filled with `fill_value`, whose type decides the dtype unless `dtype` does.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    sizes((), ignored, "full")
    value, dtype = _value(fill_value, dtype)
    return _filled(as_sequence("full", size), value, dtype, device, requires_grad)


@function(method=False)
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of no dimensions that holds `s`, by default in the default dtype whatever `s` is."""
    return full((), s, dtype=dtype or get_default_dtype(), device=device, requires_grad=requires_grad)


def _value(value: Any, dtype: Any) -> tuple[Any, Any]:
    if isinstance(value, Tensor):
        return value.item(), value.dtype if dtype is None else dtype
    if isinstance(value, np.generic):
        value = cast("Any", value).item()
    return value, of_number(value) if dtype is None else dtype


def _like(input: Any, dtype: Any, device: Any) -> dict[str, Any]:
    if not isinstance(input, Tensor):
        raise TypeError(f"argument 'input' must be a Tensor, not {type(input).__name__}")
    where = device if device is not None else None if default() is None and input.device is CPU else input.device
    return {"dtype": input.dtype if dtype is None else dtype, "device": where}


@function(method=False)
def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
               **ignored: Any) -> Tensor:  # fmt: skip
    """Zeros in the shape, dtype and device of `input` unless told otherwise."""
    sizes((), ignored, "zeros_like")
    return _as_asked(zeros(input.shape, **_like(input, dtype, device)), requires_grad, ignored)


@function(method=False)
def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              **ignored: Any) -> Tensor:  # fmt: skip
    """Ones in the shape, dtype and device of `input` unless told otherwise."""
    sizes((), ignored, "ones_like")
    return _as_asked(ones(input.shape, **_like(input, dtype, device)), requires_grad, ignored)


@function(method=False)
def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
               **ignored: Any) -> Tensor:  # fmt: skip
    """Undefined values in the shape, dtype and device of `input` unless told otherwise."""
    sizes((), ignored, "empty_like")
    return _as_asked(empty(input.shape, **_like(input, dtype, device)), requires_grad, ignored)


@function(method=False)
def full_like(input: Tensor, fill_value: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              **ignored: Any) -> Tensor:  # fmt: skip
    """`fill_value` in the shape, dtype and device of `input` unless told otherwise."""
    sizes((), ignored, "full_like")
    return _as_asked(full(input.shape, fill_value, **_like(input, dtype, device)), requires_grad, ignored)


@function(public=False)
def new_zeros(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              **ignored: Any) -> Tensor:  # fmt: skip
    """Zeros of `size` in this tensor's dtype and on its device unless told otherwise."""
    return zeros(*size, **ignored, **_like(self, dtype, device), requires_grad=requires_grad)


@function(public=False)
def new_ones(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
             **ignored: Any) -> Tensor:  # fmt: skip
    """Ones of `size` in this tensor's dtype and on its device unless told otherwise."""
    return ones(*size, **ignored, **_like(self, dtype, device), requires_grad=requires_grad)


@function(public=False)
def new_empty(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              **ignored: Any) -> Tensor:  # fmt: skip
    """Undefined values of `size` in this tensor's dtype and on its device unless told otherwise."""
    return empty(*size, **ignored, **_like(self, dtype, device), requires_grad=requires_grad)


@function(public=False)
def new_full(self: Tensor, size: Any, fill_value: Number, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False, **ignored: Any) -> Tensor:  # fmt: skip
    """`fill_value` in `size` in this tensor's dtype and on its device unless told otherwise."""
    return full(size, fill_value, **ignored, **_like(self, dtype, device), requires_grad=requires_grad)
