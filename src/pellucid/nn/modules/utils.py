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
