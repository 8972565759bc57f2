"""Rows told apart by one number each, the same for the same row wherever it comes."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.core import Tensor

from .arrays import array_of

COLUMNS = 4  # of whole numbers, of which many may well be the same by chance


@functools.cache
def _projection(width: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=width)


def told_apart(flat: np.ndarray) -> np.ndarray:
    """A number for each row of a table."""
    return flat @ _projection(flat.shape[1])


def numbers(args: Sequence[Any]) -> np.ndarray:
    """A number for each row that a network is given: of its first argument, and of others that have as many rows."""
    first, *others = args
    found = told_apart(_flat(first))
    for place, other in enumerate(others):
        if isinstance(other, Tensor) and other.dim() and len(other) == len(first):
            found = found + math.pi ** (place + 1) * told_apart(_flat(other))  # no sums of whole numbers that meet
    return found


def ids(args: Sequence[Any]) -> np.ndarray | None:
    """The columns of rows that are a few whole numbers, as a user and an item; None of others."""
    rows = len(args[0])
    given = [a for a in args if isinstance(a, Tensor) and a.dim() and len(a) == rows]
    if any(a.is_floating_point() or a.numel() > COLUMNS * rows for a in given):
        return None
    found = np.concatenate([_flat(a) for a in given], axis=1)
    return found if found.shape[1] <= COLUMNS else None


def _flat(tensor: Tensor) -> np.ndarray:
    array = array_of(tensor)
    return array.reshape(len(array), int(np.prod(array.shape[1:])))  # of no rows, too


def inside(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each row, whether it is among the others, but for what rounding makes of it in another place of a batch."""
    if not len(others) or not len(rows):
        return np.zeros(len(rows), bool)
    size = float(np.abs(others).max()) or 1.0
    return np.isin(np.round(rows / size, 9), np.round(others / size, 9))


def distinct(table: Tensor) -> int:
    """How many rows a tensor has that differ."""
    return len(np.unique(told_apart(_flat(table)))) if table.numel() else len(table)


def held(dataset: Any) -> int:
    """How many rows the tables have that a data set of the user's keeps, as `self.x` and `self.y`; 0 where it keeps no
    two of one length."""
    kept = [v for v in getattr(dataset, "__dict__", {}).values() if isinstance(v, Tensor | np.ndarray) and v.ndim]
    lengths = Counter(len(table) for table in kept)
    length, times = lengths.most_common(1)[0] if lengths else (0, 0)
    return length if times > 1 else 0
