"""Subscripts: `x[key]` and `x[key] = value` with everything that Python, NumPy and PyTorch put between the brackets.

A key is sorted into two steps. Integers, slices, None and `...` are a view (the op `part`). Tensors, lists and masks
then index that view (the op `index`, a copy); two of them with something between put their dimensions first, as in
NumPy. Other than in NumPy, and as in PyTorch, an integer belongs to the first step even beside a tensor.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from pellucid.core import Tensor, apply, from_data, method
from pellucid.declare import TABLE, function, op
from pellucid.declare.arguments import is_list
from pellucid.errors import DimensionError, ShapeError, warn, with_line
from pellucid.reverse.vocabulary import sum_to
from pellucid.types.dtypes import SCALAR_TYPES, int64, number_in

from .parts import part
from .placing import add_at, writes

_ALL = slice(None)
_ROWS = (True,)  # the slots of `x[rows]`
_INTEGERS = frozenset((np.dtype(np.int64), np.dtype(np.int32)))


# --- the ops ----------------------------------------------------------------------------------------------------------


def _key(indices: Any, slots: Any) -> tuple[Any, ...]:
    """NumPy's key: at each slot that is True the next of the indices, at the others everything."""
    following = iter(indices)
    return tuple(next(following) if slot else _ALL for slot in slots)


@op(public=False, method=False, reference="torch.Tensor.__getitem__")
def index(xp: Any, input: Any, *indices: Any, slots: tuple[bool, ...]) -> Any:
    """The elements at indices: `slots` says for each place of the key whether a tensor of indices stands there.

    Such a tensor holds integers, or is a mask, which stands for as many dimensions as it has. Raises IndexError for an
    index out of range, for a mask of another shape, for indices that do not broadcast together.
    """
    if slots == _ROWS and indices[0].dtype.kind != "b":
        if input.ndim > 1 and len(input) and type(input) is np.ndarray and input.flags.c_contiguous:
            return input.take(indices[0], axis=0)  # as below, in less time
    else:
        _check_masks(input, indices, slots)
    return input[_key(indices, slots)]


def _check_masks(input: Any, indices: Any, slots: Any) -> None:
    dim, following = 0, iter(indices)
    for slot in slots:
        found = next(following) if slot else None
        if found is None or found.dtype.kind != "b":
            dim += 1
            continue
        have = input.shape[dim : dim + found.ndim]
        if have != found.shape:
            raise IndexError(
                f"The shape of the mask {list(found.shape)} at index {dim} does not match the shape of the indexed "
                f"tensor {list(input.shape)} at index {dim}"
            )
        dim += found.ndim


@op(public=False, method=False)
def index_zeros_put(xp: Any, input: Any, *indices: Any, shape: tuple[int, ...], slots: tuple[bool, ...]) -> Any:
    """Zeros of `shape`, to which each element of `input` is added at the indices."""
    out = xp.zeros(shape, input.dtype)
    if len(indices) == 1 and indices[0].dtype.kind == "b":  # a mask names no place twice
        out[_key(indices, slots)] = input
    else:
        _add(xp, out, input, indices, slots)
    return out


index.vjp(
    input=lambda m, g, input_shape, indices, slots: m.index_zeros_put(g, *indices, shape=input_shape, slots=slots)
)
index_zeros_put.vjp(input=lambda m, g, indices, slots: m.index(g, *indices, slots=slots))


@writes(public=False, method=False, name="index_put")
def index_put_op(
    xp: Any, input: Any, values: Any, *indices: Any, slots: tuple[bool, ...], accumulate: bool = False
) -> Any:
    """`input` with `values`, broadcast, stored at (or added at) the indices; `slots` as in `index`."""
    _check_masks(input, indices, slots)
    if accumulate:
        _add(xp, input, values, indices, slots)
        return input
    try:
        input[_key(indices, slots)] = values
    except ValueError:
        wanted = index.forward(xp, input, *indices, slots=slots).shape
        raise ShapeError(
            f"shape mismatch: value tensor of shape {list(np.shape(values))} cannot be broadcast to indexing result of "
            f"shape {list(wanted)}"
        ) from None
    return input


index_put_op.vjp(
    input=lambda m, g, indices, slots, accumulate: g if accumulate else m.index_put(g, 0, *indices, slots=slots),
    values=lambda m, g, values_shape, indices, slots: sum_to(m, m.index(g, *indices, slots=slots), values_shape),
)


def _add(xp: Any, out: Any, values: Any, indices: Any, slots: Any) -> None:
    positions = _positions(xp, out.shape, indices, slots)
    try:
        given = xp.broadcast_to(xp.asarray(values, out.dtype), positions.shape)
    except ValueError:
        raise ShapeError(
            f"shape mismatch: value tensor of shape {list(np.shape(values))} cannot be broadcast to indexing result of "
            f"shape {list(positions.shape)}"
        ) from None
    if positions.size:
        add_at(xp, out, positions, given)


def _positions(xp: Any, shape: tuple[int, ...], indices: Any, slots: Any) -> Any:
    """The flat positions, in an array of `shape`, of what the key reads: an array of the shape of the result."""
    strides = [1] * len(shape)
    for dim in range(len(shape) - 1, 0, -1):
        strides[dim - 1] = strides[dim] * shape[dim]
    places: Any = 0
    free: list[int] = []  # dimensions that are taken whole
    held: list[int] = []  # dimensions that indices stand for
    dim, following = 0, iter(indices)
    for slot in slots:
        if not slot:
            free.append(dim)
            dim += 1
            continue
        found = next(following)
        for numbers in xp.nonzero(found) if found.dtype.kind == "b" else (found,):
            length = shape[dim]
            if numbers.size and (numbers.min() < -length or numbers.max() >= length):
                if not length:
                    raise IndexError("index is out of bounds for dimension with size 0")
                bad = numbers.min() if numbers.min() < -length else numbers.max()
                raise IndexError(f"index {bad} is out of bounds for dimension {dim} with size {length}")
            places = places + numbers.astype(xp.int64) % max(length, 1) * strides[dim]
            held.append(dim)
            dim += 1
    free += range(dim, len(shape))
    together = held[-1] - held[0] == len(held) - 1
    before = [axis for axis in free if axis < held[0]] if together else []
    after = [axis for axis in free if axis not in before]
    places = places.reshape((1,) * len(before) + places.shape + (1,) * len(after))
    rank = places.ndim
    for position, axis in [*enumerate(before), *((rank - len(after) + i, last) for i, last in enumerate(after))]:
        step = xp.arange(shape[axis]) * strides[axis]
        places = places + step.reshape((-1,) + (1,) * (rank - position - 1))
    return places


# --- reading a key ----------------------------------------------------------------------------------------------------


class _Sorted:
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


def _index_tensor(entry: Any) -> Tensor:
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
    if kind in _INTEGERS or kind.kind == "b":
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


def _beside(tensor: Tensor, indices: Tensor) -> Tensor:
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
            if entry._array.ndim or entry._array.dtype not in _INTEGERS:
                return None
            numbers = (*numbers, *entries[len(numbers) : place], entry.item())
        elif type(entry) is not int:
            return None
    return (*numbers, *entries[len(numbers) :], ...)


_BOUNDS = (int, type(None))


def _sort(self: Tensor, key: Any) -> _Sorted:
    rank = self._array.ndim
    simple = _simple(key, rank)
    if simple is not None:
        return _Sorted(simple, [], [])
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
            found = _beside(self, _index_tensor(entry))
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


def _split(known: list[Any], rest: int) -> _Sorted:
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
    return _Sorted((*basic, ...), indices, slots)


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


def _viewed(self: Tensor, basic: tuple[Any, ...]) -> Tensor:
    """The view's step; the tensor itself where that takes everything."""
    if all(entry is ... or (isinstance(entry, slice) and entry == _ALL) for entry in basic):
        return self
    return apply(part, (self,), {"key": basic})


# --- the brackets -----------------------------------------------------------------------------------------------------


@method
def __getitem__(self: Tensor, key: Any) -> Tensor:
    """`x[key]`: a view for integers, slices, None and `...`; a copy where tensors, lists or masks take part.

    >>> import pellucid
    >>> x = pellucid.arange(6).reshape(2, 3)
    >>> x[1, ::2]
    tensor([3, 5])
    >>> x[:, [0, 0]]
    tensor([[0, 0],
            [3, 3]])
    >>> x[x > 3]
    tensor([4, 5])
    """
    if type(key) is int:
        if self._array.ndim:
            return apply(part, (self,), {"key": (key, ...)})
    elif isinstance(key, Tensor) and key._array.dtype in _INTEGERS and key._array.ndim and self._array.ndim:
        return apply(index, (self, _beside(self, key)), {"slots": _ROWS})
    found = _sort(self, key)
    if not found.indices:
        return apply(part, (self,), {"key": found.basic})
    return apply(index, (_viewed(self, found.basic), *found.indices), {"slots": tuple(found.slots)})


@method
def __setitem__(self: Tensor, key: Any, value: Any) -> None:
    """`x[key] = value` in place, broadcast; gradients flow to what was there and to `value`.

    The value may be a number, a tensor or an array. A tensor of another dtype is cast where the key is a view; where
    tensors index, it is refused by a RuntimeError, as in PyTorch, unless it is a single number that fills a mask.
    """
    if isinstance(value, Tensor):
        given: Any = value
    elif isinstance(value, int | float):
        given = assigned_number(value, self)
    elif isinstance(value, np.ndarray | np.generic):
        given = from_data(value, self.dtype, self.device)
    else:
        raise TypeError(
            with_line(
                f"can't assign a {type(value).__name__} to a torch.{self.dtype.name} Tensor; write a number or a "
                "tensor, x[...] = tensor([...])"
            )
        )
    found = _sort(self, key)
    if found.indices:
        target = _viewed(self, found.basic)
        if isinstance(given, Tensor) and given._array.dtype != self._array.dtype:
            if given.numel() != 1 or not all(index._array.dtype.kind == "b" for index in found.indices):
                _fits(given, apply(index, (target, *found.indices), {"slots": tuple(found.slots)}))
                raise _other_dtype(self, given)
            given = TABLE["cast"](given, dtype=self.dtype)  # a mask is filled with a number, of any dtype
        apply(TABLE["index_put_"], (target, given, *found.indices), {"slots": tuple(found.slots)})
        return
    target = apply(part, (self,), {"key": found.basic})
    if isinstance(given, Tensor):
        if given._array.dtype != self._array.dtype:
            given = TABLE["cast"](given, dtype=self.dtype)
        given = _without_leading_ones(given, target._array.ndim)
    TABLE["copy_"](target, given)


def _fits(values: Tensor, place: Tensor) -> None:
    """Raise ShapeError for values that do not broadcast to their place."""
    shape, wanted = tuple(values.shape), tuple(place.shape)
    shape = shape[max(len(shape) - len(wanted), 0) :]
    if any(own not in (1, other) for own, other in zip(reversed(shape), reversed(wanted), strict=False)):
        raise ShapeError(
            with_line(
                f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing result of "
                f"shape {list(wanted)}"
            )
        )


def _other_dtype(target: Tensor, values: Tensor) -> RuntimeError:
    into, of = (SCALAR_TYPES[tensor.dtype.name] for tensor in (target, values))
    return RuntimeError(
        with_line(
            f"Index put requires the source and destination dtypes match, got {into} for the destination and {of} for "
            f"the source. Write x[index] = values.to(x.dtype)"
        )
    )


def assigned_number(value: Any, target: Tensor) -> Any:
    """A Python number that is assigned; raises ValueError beyond int64, RuntimeError beyond the target's dtype."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(with_line("Overflow when unpacking long long: an integer is beyond int64; assign a float"))
    return number_in(value, target._array.dtype)


def _without_leading_ones(value: Tensor, rank: int) -> Tensor:
    """PyTorch lets a value have more dimensions than its place if they are of length 1."""
    shape = tuple(value.shape)
    extra = len(shape) - rank
    if extra > 0 and all(length == 1 for length in shape[:extra]):
        return TABLE["reshape"](value, shape=shape[extra:])
    return value


@method
def __contains__(self: Tensor, element: Any) -> bool:
    """Whether an element equals `element` (a number or a tensor that broadcasts)."""
    if not isinstance(element, Tensor | int | float | np.generic):
        raise RuntimeError(
            with_line(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")
        )
    return bool((TABLE["eq"](self, element)).any())


# --- the same, by name ------------------------------------------------------------------------------------------------


def _put(name: str, input: Tensor, indices: Any, values: Any, accumulate: bool) -> Tensor:
    if not isinstance(values, Tensor):
        raise TypeError(with_line(f"{name}(): argument 'values' must be Tensor, not {type(values).__name__}"))
    if values.dtype is not input.dtype:
        raise _other_dtype(input, values)
    entries = [None if index is None else _index_tensor(index) for index in indices]
    taken = sum(1 if entry is None or entry._array.dtype.kind != "b" else entry._array.ndim for entry in entries)
    if taken > input.ndim:
        raise DimensionError(with_line(f"too many indices for tensor of dimension {input.ndim} (got {taken})"))
    slots = tuple(entry is not None for entry in entries)
    given = [entry for entry in entries if entry is not None]
    return apply(TABLE[name], (input, values, *given), {"slots": slots, "accumulate": bool(accumulate)})


@function()
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values` stored at `indices` (a tuple of tensors), or added there with `accumulate`.

    >>> import pellucid
    >>> i = pellucid.tensor([0, 0])
    >>> pellucid.zeros(2).index_put((i,), pellucid.tensor([1.0, 2.0]), accumulate=True)
    tensor([3., 0.])
    """
    return _put("index_put", input, indices, values, accumulate)


@function()
def index_put_(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """In place: `values` stored at `indices` (a tuple of tensors), or added there with `accumulate`."""
    return _put("index_put_", input, indices, values, accumulate)
