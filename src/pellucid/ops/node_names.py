"""What PyTorch calls the node of an application, `grad_fn`, where one op has several names there.

Each function takes the arguments and the attributes of an application and returns the name. The digit tells PyTorch's
overloads apart: `x.sum()` is SumBackward0, `x.sum(0)` is SumBackward1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.core import Tensor

Name = Callable[[tuple[Any, ...], dict[str, Any]], str]


def by_dim(name: str, whole: int = 0, along: int = 1) -> Name:
    """One overload for all elements, another for a dimension."""
    whole_name, along_name = f"{name}Backward{whole}", f"{name}Backward{along}"
    return lambda args, kwargs: whole_name if kwargs.get("dim") is None else along_name


def by_operand(name: str, number: int = 0, tensor: int = 1, position: int = 1) -> Name:
    """One overload for a Python number at `position`, another for a tensor."""

    def chosen(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        return f"{name}Backward{tensor if isinstance(args[position], Tensor) else number}"

    return chosen


def power(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    base, exponent = args
    return f"PowBackward{2 if not isinstance(base, Tensor) else 1 if isinstance(exponent, Tensor) else 0}"


def subtraction(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "SubBackward0" if isinstance(args[0], Tensor) else "RsubBackward1"


def division(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "DivBackward0" if isinstance(args[0], Tensor) else "MulBackward0"  # PyTorch multiplies by the reciprocal


def clamped(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return f"ClampBackward{0 if any(isinstance(bound, Tensor) for bound in args[1:]) else 1}"


def reshaped(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "ViewBackward0" if args[0].is_contiguous() else "UnsafeViewBackward0"


def subscript(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """PyTorch takes a key apart, entry by entry; the last that does something gives the name."""
    last = "AliasBackward0" if all(entry is ... for entry in kwargs["key"]) else "SliceBackward0"
    for entry in kwargs["key"]:
        if isinstance(entry, int):
            last = "SelectBackward0"
        elif entry is None:
            last = "UnsqueezeBackward0"
        elif isinstance(entry, slice) and entry != slice(None):
            last = "SliceBackward0"
    return last


def product(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Of `matmul`, by the ranks."""
    ranks = args[0]._array.ndim, args[1]._array.ndim
    return {
        (1, 1): "DotBackward0", (2, 1): "MvBackward0", (1, 2): "SqueezeBackward4", (2, 2): "MmBackward0",
    }.get(ranks, "UnsafeViewBackward0")  # fmt: skip


def layer(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Of `linear`."""
    rank, bias = args[0]._array.ndim, len(args) > 2 and args[2] is not None
    if bias:
        return "AddmmBackward0" if rank == 2 else "ViewBackward0"
    return {1: "SqueezeBackward4", 2: "MmBackward0"}.get(rank, "UnsafeViewBackward0")


def of_classes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return "NllLossBackward0" if args[0]._array.ndim < 3 else "NllLoss2DBackward0"


def pooling(name: str) -> Name:
    return lambda args, kwargs: name.format(args[0]._array.ndim - 2)
