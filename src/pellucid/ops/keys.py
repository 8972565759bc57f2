"""The key of `x[key]`, read in the two steps of `subscript.py`: a view, then indices into it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from pellucid.core import Tensor, apply, from_data
from pellucid.declare import TABLE
from pellucid.declare.arguments import is_list
from pellucid.errors import DimensionError, warn, with_line
from pellucid.types.dtypes import int64

from .parts import part

_ALL = slice(None)
INTEGERS = frozenset((np.dtype(np.int64), np.dtype(np.int32)))


class Key:
    """A key in its two steps: `basic` for the view, then `indices` at the `slots` that are True."""

    __slots__ = ("basic", "indices", "slots")

    def __init__(self, basic: tuple[Any, ...], indices: list[Tensor], slots: list[bool]) -> None:
        self.basic = basic
        self.indices = indices
        self.slots = slots


def _as_tuple(key: Any) -> tuple[Any, ...]:
    if is_list(key) and (isinstance(key, tuple) or (len(key) < 32 and any(map(_is_no_number, key)))):
        return tuple(key)  # PyTorch's rule: a list of anything but numbers is a tuple
    return (key,)


def _is_no_number(entry: Any) -> bool:
    return entry is None or entry is ... or isinstance(entry, slice | Tensor | np.ndarray | list | tuple)


def index_tensor(entry: Any) -> Tensor:
    """A tensor of indices or a mask, from what may stand for one."""
    if isinstance(entry, Tensor):
        found = entry
    elif isinstance(entry, np.ndarray):
        array = cast("Any", entry)
        found = from_data(
            array.astype(np.int64) if array.dtype.kind in "iu" and array.dtype != np.uint8 else array, copy=False
        )
    else:
        found = from_data(list(entry), int64 if len(entry) == 0 else None)
    kind = found._array.dtype
    if kind in INTEGERS or kind.kind == "b":
        return found
    if kind == np.uint8:
        warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.")
        return TABLE["cast"](found, dtype=_BOOL)
    raise DimensionError(
        with_line(
            f"tensors used as indices must be long, int, byte or bool tensors, this one is {found.dtype.name}; write "
            "index.long()"
        )
    )


_BOOL = from_data(True).dtype


def beside(tensor: Tensor, indices: Tensor) -> Tensor:
    """The indices on the tensor's device."""
    return indices if type(indices._array) is type(tensor._array) else indices.to(tensor.device)


def _simple(key: Any, rank: int) -> tuple[Any, ...] | None:
    """The view's key where it has integers and plain slices alone, as most that programs write; None for any other."""
    entries = cast("tuple[Any, ...]", key if type(key) is tuple else (key,))
    if len(entries) > rank:
        return None
    numbers: tuple[Any, ...] = ()  # those after which a tensor of one integer stood, and that integer
    for place, entry in enumerate(entries):
        if type(entry) is slice:
            if entry.step is not None or type(entry.start) not in _BOUNDS or type(entry.stop) not in _BOUNDS:
                return None
        elif type(entry) is Tensor:
            if entry._array.ndim or entry._array.dtype not in INTEGERS:
                return None
            numbers = (*numbers, *entries[len(numbers) : place], entry.item())
        elif type(entry) is not int:
            return None
    return (*numbers, *entries[len(numbers) :], ...)


_BOUNDS = (int, type(None))


def read(self: Tensor, key: Any) -> Key:
    rank = self._array.ndim
    simple = _simple(key, rank)
    if simple is not None:
        return Key(simple, [], [])
    entries = _as_tuple(key)
    known: list[Any] = []  # integers, slices, None, Ellipsis, Tensor
    taken, open_end, beyond = 0, False, False
    for position, entry in enumerate(entries):
        if entry is None:
            known.append(None)
        elif isinstance(entry, bool | np.bool_):
            known.append(bool(cast("Any", entry)))
        elif entry is ...:
            if not open_end:
                known.append(entry)
            elif any(later is not None and later is not ... for later in entries[position + 1 :]):
                beyond = True
            open_end = True
        elif isinstance(entry, slice):
            known.append(_plain(cast("Any", entry)))
            taken += 1
        elif isinstance(entry, int | np.integer):
            known.append(int(cast("Any", entry)))
            taken += 1
        elif isinstance(entry, Tensor) and entry._array.ndim == 0 and entry._array.dtype.kind != "f":
            known.append(bool(entry) if entry._array.dtype in (np.dtype(bool), np.dtype(np.uint8)) else int(entry))
            taken += not isinstance(known[-1], bool)
        elif isinstance(entry, Tensor | np.ndarray) or (
            isinstance(entry, Sequence) and not isinstance(entry, str | bytes)
        ):
            found = beside(self, index_tensor(entry))
            known.append(found)
            taken += found._array.ndim if found._array.dtype.kind == "b" else 1
        elif isinstance(entry, str | bytes):
            raise TypeError(
                with_line(f"a tensor is indexed by integers, slices, None, `...` and tensors, not by {entry!r}")
            )
        else:
            raise DimensionError(
                with_line(
                    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
                    f"(got {type(entry).__name__})"
                )
            )
    if taken > rank:
        if rank == 0:
            raise DimensionError(
                with_line("invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a number")
            )
        raise DimensionError(
            with_line(
                f"too many indices for tensor of dimension {rank}: the key stands for {taken} dimensions, the shape is "
                f"{tuple(self.shape)}"
            )
        )
    if beyond and taken < rank:  # a second `...` is as long as the first, and ends behind the last dimension
        raise DimensionError(with_line(f"an index can only have a single ellipsis ('...'), got {key}"))
    return _split(known, rank - taken)


def _split(known: list[Any], rest: int) -> Key:
    """Tell the view's key from the indices; `rest` dimensions are what `...` stands for."""
    basic: list[Any] = []
    indices: list[Tensor] = []
    slots: list[bool] = []
    for entry in known:
        if entry is ...:
            basic += [_ALL] * rest
            slots += [False] * rest
        elif isinstance(entry, bool):  # a dimension of length 1, taken or not
            basic.append(None)
            indices.append(from_data(np.zeros(int(entry), np.int64), copy=False))
            slots.append(True)
        elif isinstance(entry, Tensor):
            basic += [_ALL] * (entry._array.ndim if entry._array.dtype.kind == "b" else 1)
            indices.append(entry)
            slots.append(True)
        else:
            basic.append(entry)
            if not isinstance(entry, int):
                slots.append(False)
    while slots and not slots[-1]:
        slots.pop()
    return Key((*basic, ...), indices, slots)


def _plain(entry: slice) -> slice:
    """A slice of Python numbers; its bounds may be 0-d tensors or NumPy's numbers."""
    step = 1 if entry.step is None else _bound(entry.step)
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step < 0:
        raise ValueError(with_line(f"step must be greater than zero, got {step}; write x.flip(dim) to turn it round"))
    start, stop = (None if bound is None else _bound(bound) for bound in (entry.start, entry.stop))
    return slice(start, stop, None if entry.step is None else step)


def _bound(bound: Any) -> int:
    """A bound of a slice, as Python's own lists take it."""
    try:
        return operator.index(bound)
    except TypeError:
        raise TypeError(
            with_line(f"slice indices must be integers or None or have an __index__ method, not {type(bound).__name__}")
        ) from None


def viewed(self: Tensor, basic: tuple[Any, ...]) -> Tensor:
    """The view's step; the tensor itself where that takes everything."""
    if all(entry is ... or (isinstance(entry, slice) and entry == _ALL) for entry in basic):
        return self
    return apply(part, (self,), {"key": basic})
