"""In a fork, parameters of 32 bits in 64: the slopes of a loss are differences, which 32 bits round away.

NumPy computes in the wider type of two, so that a pass with wider parameters is the same pass with less rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from pellucid.doctor.process.paths import Group, Scope, leaves


def widen(scope: Scope, groups: Iterable[Group]) -> None:
    """Put an array of 64 bits in the place of each narrower one of the groups, under every name that it has.

    An array that shares its memory with another is left alone: a change of one would not be seen in the other any more.
    """
    wanted = {path for group in groups for path in group.paths}
    narrow = {
        path: value
        for path, value in leaves(scope).items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.dtype.itemsize < 8
    }
    arrays = {id(value): value for value in narrow.values()}
    sharing = Counter(id(memory_of(value)) for value in arrays.values())
    chosen = {id(value) for path, value in narrow.items() if path in wanted and sharing[id(memory_of(value))] == 1}
    wide = {key: arrays[key].astype(np.float64) for key in chosen}
    for path, value in narrow.items():
        if id(value) in wide:
            try:
                scope.put(path, wide[id(value)])
            except (LookupError, AttributeError, TypeError):  # a frozen object: the others would not be its arrays
                continue


def memory_of(array: np.ndarray) -> np.ndarray:
    """The array whose memory it is."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
