"""Subscripts: `x[key]` and `x[key] = value` with everything that Python, NumPy and PyTorch put between the brackets.

A key is sorted into two steps. Integers, slices, None and `...` are a view (the op `part`). Tensors, lists and masks
then index that view (the op `index`, a copy); two of them with something between put their dimensions first, as in
NumPy. Other than in NumPy, and as in PyTorch, an integer belongs to the first step even beside a tensor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor, apply, from_data, method
from pellucid.declare import TABLE, function, op
from pellucid.declare.overrides import ask, derived, overriding
from pellucid.errors import DimensionError, ShapeError, with_line
from pellucid.reverse.vocabulary import sum_to
from pellucid.types.dtypes import SCALAR_TYPES, number_in

from .keys import INTEGERS, beside, index_tensor, read, viewed
from .parts import part
from .placing import add_at, writes

_ALL = slice(None)
_ROWS = (True,)  # the slots of `x[rows]`


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
    found = input[_key(indices, slots)]
    return found if found.flags.c_contiguous else found.copy(order="C")  # NumPy lays out what is indexed outermost


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
    if derived and (asked := overriding((self, key), {})):
        return ask(asked, Tensor.__getitem__, (self, key), {})
    if type(key) is int:
        if self._array.ndim:
            return apply(part, (self,), {"key": (key, ...)})
    elif isinstance(key, Tensor) and key._array.dtype in INTEGERS and key._array.ndim and self._array.ndim:
        return apply(index, (self, beside(self, key)), {"slots": _ROWS})
    found = read(self, key)
    if not found.indices:
        return apply(part, (self,), {"key": found.basic})
    return apply(index, (viewed(self, found.basic), *found.indices), {"slots": tuple(found.slots)})


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
    elif isinstance(value, complex):
        if not self.is_complex():
            raise RuntimeError(
                with_line(
                    f"value cannot be converted to type {self.dtype.name} without overflow: {value} is complex; write "
                    "its .real, or x.to(torch.complex64)"
                )
            )
        given = from_data(value, self.dtype, self.device)
    elif isinstance(value, np.ndarray | np.generic):
        given = from_data(value, self.dtype, self.device)
    else:
        raise TypeError(
            with_line(
                f"can't assign a {type(value).__name__} to a torch.{self.dtype.name} Tensor; write a number or a "
                "tensor, x[...] = tensor([...])"
            )
        )
    found = read(self, key)
    if found.indices:
        target = viewed(self, found.basic)
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
    entries = [None if index is None else index_tensor(index) for index in indices]
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
