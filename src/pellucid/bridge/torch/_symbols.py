"""Shapes that are symbols, which PyTorch's exporter has: every shape is made of numbers here, so these count."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from pellucid.core import Tensor
from pellucid.errors import with_line

__all__ = [
    "SymBool", "SymFloat", "SymInt", "sym_float", "sym_int", "sym_ite", "sym_max", "sym_min", "sym_not", "sym_sqrt",
    "sym_sum",
]  # fmt: skip
PRIVATE = ["_assert", "_assert_async", "_check", "_check_is_size"]


class SymInt:
    """The type of an integer that is a symbol; nothing is one here."""


class SymFloat:
    """The type of a number that is a symbol; nothing is one here."""


class SymBool:
    """The type of a truth value that is a symbol; nothing is one here."""


def sym_int(a: Any) -> int:
    """The number without its fraction."""
    return math.trunc(a)


def sym_float(a: Any) -> float:
    """The number as a float."""
    return float(a)


def sym_not(a: bool) -> bool:
    """The other truth value."""
    return not a


def sym_max(a: Any, b: Any) -> Any:
    """The larger, a float if either is one."""
    return _common(max(a, b), a, b)


def sym_min(a: Any, b: Any) -> Any:
    """The smaller, a float if either is one."""
    return _common(min(a, b), a, b)


def _common(value: Any, a: Any, b: Any) -> Any:
    return float(value) if isinstance(a, float) or isinstance(b, float) else value


def sym_sqrt(a: Any) -> float:
    """The square root."""
    return math.sqrt(a)


def sym_sum(args: Iterable[Any]) -> Any:
    """The sum of several numbers."""
    return sum(args)


def sym_ite(b: bool, t: Any, f: Any) -> Any:
    """`t` if `b`, else `f`."""
    return t if b else f


def _check(cond: bool, message: Callable[[], str] | None = None) -> None:
    """Raise RuntimeError unless the condition holds."""
    if not cond:
        raise RuntimeError(
            with_line("Expected cond to be True, but got False. (Could this error message be improved?)")
            if message is None
            else str(message())
        )


def _check_is_size(i: int, message: Callable[[], str] | None = None, *, max: int | None = None) -> None:
    """Raise RuntimeError unless the number can be a length."""
    _check(i >= 0 and (max is None or i <= max), message)


def _assert(condition: Any, message: str) -> None:
    """Raise AssertionError, with the message, unless the condition holds."""
    if not bool(condition):
        raise AssertionError(message)


def _assert_async(input: Tensor, assert_msg: str = "Expected Tensor with single nonzero value, but got zero") -> None:
    """Raise RuntimeError unless the one number of a tensor is not 0."""
    if not bool(input):
        raise RuntimeError(assert_msg)
