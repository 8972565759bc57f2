"""Small helpers of the layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def _ntuple(n: int) -> Any:
    """A function that makes a tuple of ``n`` from one number, and leaves a tuple alone."""

    def parse(value: Any) -> tuple[Any, ...]:
        return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,) * n

    return parse


_single = _ntuple(1)
_pair = _ntuple(2)
_triple = _ntuple(3)
_quadruple = _ntuple(4)


def _reverse_repeat_tuple(t: tuple[Any, ...], n: int) -> tuple[Any, ...]:
    """The entries from the last to the first, each n times: of (height, width) the order of `pad`."""
    return tuple(entry for entry in reversed(t) for _ in range(n))
