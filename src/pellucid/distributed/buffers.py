"""Tensors as arrays that can be sent: contiguous, in the memory of this machine, of a type that can be summed."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from pellucid import backend
from pellucid.backend import Array
from pellucid.core import Tensor
from pellucid.core.tensor import counter_of
from pellucid.errors import ShapeError, describe, with_line
from pellucid.types.bfloat16 import converted

__all__ = ["ReduceOp", "Reduction", "check_tensor", "check_tensors", "incoming", "outgoing", "put"]


class ReduceOp(Enum):
    """How the tensors of the ranks are put together. Of bool, SUM is "any" and PRODUCT is "all"."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM = range(9)


# What programs annotate with; within the class it would be a member.
setattr(ReduceOp, "RedOpType", ReduceOp)  # noqa: B010


def check_tensor(value: Any, name: str) -> Tensor:
    """The tensor; TypeError for anything else."""
    if not isinstance(value, Tensor):
        raise TypeError(
            with_line(
                f"Invalid function argument. Expected parameter `{name}` of type Tensor but got {type(value)} instead."
            )
        )
    return value


def check_tensors(values: Any, name: str, count: int, like: Tensor | None = None) -> list[Tensor]:
    """The list of `count` tensors, of the shape and dtype of `like`; else an error that says what differs."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, Tensor) for value in values):
        raise TypeError(
            with_line(f"Invalid function argument. Expected parameter `{name}` of type List[Tensor], got {values!r}")
        )
    if len(values) != count:
        raise RuntimeError(
            with_line(f"`{name}` has {len(values)} tensors; it must have {count}, one for each rank of the group")
        )
    if like is not None:
        for i, value in enumerate(values):
            if value.dtype != like.dtype:
                raise ValueError(
                    with_line(
                        f"Invalid usage of tensors with different dtypes: {name}[{i}] is {describe(value)}, the tensor "
                        f"of this rank {describe(like)}"
                    )
                )
            if value.shape != like.shape:
                raise ShapeError(
                    with_line(
                        f"{name}[{i}] is {describe(value)}, but the tensor of each rank is {describe(like)}: they must "
                        "have the same shape"
                    )
                )
    return list(values)


def outgoing(tensor: Tensor) -> Array:
    """The numbers of a tensor, contiguous: its own memory where that is."""
    return np.ascontiguousarray(backend.of_array(tensor._array).to_numpy(tensor._array)).reshape(tensor._array.shape)


def incoming(tensor: Tensor, read: bool) -> tuple[Array, Callable[[], None]]:
    """Where to receive the numbers of a tensor, and what to call when they are there.

    Args:
        read: whether the array holds the tensor's numbers before.
    """
    own = tensor._array
    direct = type(own) is np.ndarray and own.flags.c_contiguous and own.flags.writeable
    array = own if direct else outgoing(tensor).copy() if read else np.empty(own.shape, own.dtype)

    def arrived() -> None:
        if not direct:
            put(tensor, array)
        else:
            counter_of(tensor)[0] += 1

    return array, arrived


def put(tensor: Tensor, array: Array) -> None:
    """Overwrite the numbers of a tensor: a change in place, that autograd does not record."""
    own = tensor._array
    if type(own) is np.ndarray:
        own[...] = array.reshape(own.shape)
    else:
        own[...] = backend.of_array(own).from_numpy(array.reshape(own.shape))
    counter_of(tensor)[0] += 1


_LOGICAL = {"SUM": "LOR", "MAX": "LOR", "BOR": "LOR", "PRODUCT": "LAND", "MIN": "LAND", "BAND": "LAND", "BXOR": "LXOR"}
_MPI = {"SUM": "SUM", "AVG": "SUM", "PRODUCT": "PROD", "MIN": "MIN", "MAX": "MAX", "BAND": "BAND", "BOR": "BOR",
        "BXOR": "BXOR"}  # fmt: skip


class Reduction:
    """How arrays of a dtype are reduced: float16 and bfloat16 in float32, rounded when all is summed.

    Raises:
        TypeError: `op` is no ReduceOp.
        RuntimeError: this dtype is not reduced so.
    """

    def __init__(self, op: Any, kind: np.dtype[Any], size: int) -> None:
        if not isinstance(op, ReduceOp):
            raise TypeError(with_line(f"op must be a ReduceOp, such as ReduceOp.SUM, not {op!r}"))
        self.kind, self.size, self.average = kind, size, op is ReduceOp.AVG
        allowed = {"b": set(_LOGICAL), "i": set(_MPI), "u": set(_MPI), "c": {"SUM", "AVG", "PRODUCT"}}.get(
            kind.kind, {"SUM", "AVG", "PRODUCT", "MIN", "MAX"}
        )
        if op.name not in allowed:
            name = "bfloat16" if kind.kind == "V" else kind.name
            raise RuntimeError(with_line(f"Cannot use ReduceOp.{op.name} with {name}: it takes {sorted(allowed)}"))
        self.name = (_LOGICAL if kind.kind == "b" else _MPI)[op.name]
        self.narrow = kind.kind == "V" or kind == np.float16

    def widen(self, array: Array) -> Array:
        """The array in the type that is reduced: itself, where that is its own."""
        return converted(array, np.dtype(np.float32)) if self.narrow else array

    def finish(self, array: Array) -> Array:
        """The reduced array in the type of the tensors, divided where the mean was asked for; perhaps in place."""
        if self.average and array.dtype.kind in "iu":
            array[...] = np.sign(array) * (np.abs(array) // self.size)  # towards 0
        elif self.average:
            array /= self.size
        return converted(array, self.kind) if self.narrow else array
