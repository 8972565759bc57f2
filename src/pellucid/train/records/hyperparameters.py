"""The hyperparameters of an optimiser over a run: only their changes are kept, so what is constant costs nothing."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np


class Hyperparameters:
    """What every number in an optimiser's `param_groups` was at each row of a record.

    The columns are called as the hyperparameter; those of further groups end in `_1`, `_2`, …; a tuple has a column
    for each of its numbers (`betas` gives `beta1` and `beta2`).

    >>> group = {"params": [], "lr": 0.1, "betas": (0.9, 0.999), "maximize": False}
    >>> seen = Hyperparameters()
    >>> seen.watch([group])
    >>> seen.look(0)
    >>> group["lr"] = 0.05
    >>> seen.look(1)
    >>> seen.columns(3)  # the learning rates, and what else has changed
    {'lr': [0.1, 0.05, 0.05]}
    """

    def __init__(self) -> None:
        self._changes: dict[str, tuple[array[int], array[float]]] = {}  # from which row on, which value
        self._names: list[str] = []
        self._read: Callable[[], Any] = tuple
        self._last: Any = None

    def watch(self, groups: list[dict[str, Any]]) -> None:
        """From here on look at these groups, which are changed in place."""
        self._names, self._last = [], None
        readers: list[Callable[[], Any]] = []
        for place, group in enumerate(groups):
            keys = [name for name, value in group.items() if name != "params" and _is_number(value)]
            keys.sort(key=lambda name: name != "lr")
            suffix = f"_{place}" if place else ""
            self._names += [name + suffix for key in keys for name in _names(key, group[key])]
            # A learning rate may be a tensor, which is changed in place: compared with itself it is always the same.
            tensors = any(hasattr(group[key], "item") for key in keys)
            if keys:
                readers.append(partial(_read_tensors(keys) if tensors else itemgetter(*keys), group))
        # With one group, as usual, this is a call without a line of Python in it.
        self._read = readers[0] if len(readers) == 1 else lambda: [read() for read in readers]

    def look(self, row: int) -> None:
        """Take in what has changed before this row."""
        now = self._read()
        if now == self._last:
            return
        values = dict(zip(self._names, _flat(now), strict=True))
        if self._last is None:  # other groups than before: what they have not got ends here
            values = dict.fromkeys(self._changes, np.nan) | values
        for name, value in values.items():
            rows, before = self._changes.setdefault(name, (array("q"), array("d")))
            if not before or before[-1] != value:
                rows.append(row)
                before.append(value)
        self._last = now

    def current(self) -> dict[str, float]:
        """The learning rates, and every hyperparameter that has changed so far, as they are at the last row."""
        found = {name: values[-1] for name, (_, values) in self._changes.items() if _shown(name, values)}
        return {name: value for name, value in found.items() if value == value}  # NaN: no longer there

    def first(self, name: str) -> float | None:
        """What a hyperparameter was at the first row that had it; None for what is none."""
        return self._changes[name][1][0] if name in self._changes else None

    def columns(self, rows: int) -> dict[str, list[float]]:
        """The learning rates, and what else has changed, at each of the first `rows` rows; NaN: not there."""
        result: dict[str, list[float]] = {}
        for name, (since, values) in self._changes.items():
            if _shown(name, values):
                which = np.searchsorted(np.array(since), np.arange(rows), side="right")
                result[name] = np.array([np.nan, *values])[which].tolist()
        return result

    def state_dict(self) -> dict[str, Any]:
        return {name: {"since": np.array(rows), "values": np.array(v)} for name, (rows, v) in self._changes.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._changes = {
            name: (array("q", column["since"].tolist()), array("d", column["values"].tolist()))
            for name, column in state.items()
        }
        self._last = None


def _shown(name: str, values: array[float]) -> bool:
    return name == "lr" or name.startswith("lr_") or len(values) > 1


def _is_number(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return len(value) > 0 and all(_is_number(number) for number in value)
    if hasattr(value, "item"):  # a tensor or a NumPy number
        return value.ndim == 0
    return isinstance(value, int | float) and not isinstance(value, bool)


def _names(key: str, value: Any) -> list[str]:
    if isinstance(value, tuple | list):
        return [f"{key.removesuffix('s')}{place + 1}" for place in range(len(value))]
    return [key]


def _read_tensors(keys: list[str]) -> Callable[[dict[str, Any]], Any]:
    return lambda group: [list(_flat(group[key])) for key in keys]


def _flat(value: Any) -> Iterator[float]:
    if isinstance(value, tuple | list):
        for item in value:
            yield from _flat(item)
    else:
        yield float(value)
