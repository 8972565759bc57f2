"""Rows that a program holds without an array: lists of rows, of pairs of inputs and label, of rows that end in a label.

Each is given as a `Part`: as many rows of as many numbers, to be read and written like the tensors of `paths`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.doctor.process.paths import Group, Path, Scope, is_number, show, walk

FEWEST, MOST = 8, 5000  # rows


@dataclass(frozen=True)
class Part:
    """What the rows of a table hold at one place.

    Attributes:
        name: as the user would write it: `data[*][0]`.
        place: of a pair, 0 or 1; of a row of numbers, ":-1" or -1; of a list of matrices, None.
        sure: whether the rows look like it; rows that may as well end in one more input do not.
    """

    name: str
    path: Path
    place: Any
    shape: tuple[int, ...]
    sure: bool = True

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def is_label(self) -> bool:
        return self.place in (1, -1)

    def read(self, scope: Scope) -> np.ndarray:
        return np.array([np.asarray(_at(row, self.place), float).ravel() for row in scope.get(self.path)]).ravel()

    def write(self, scope: Scope, values: np.ndarray) -> None:
        """Every row anew, in the kind of container that it was: others may hold the old ones."""
        table = scope.get(self.path)
        new = values.reshape(len(table), -1)
        made = [_with(row, self.place, numbers) for row, numbers in zip(table, new, strict=True)]
        if isinstance(table, list):
            table[:] = made
        else:
            scope.put(self.path, type(table)(made))


@dataclass(frozen=True)
class Turned:
    """A matrix with a sample a column, as rows: (samples, numbers)."""

    group: Group

    @property
    def name(self) -> str:
        return self.group.name

    @property
    def shape(self) -> tuple[int, ...]:
        return self.group.shape[::-1]

    @property
    def size(self) -> int:
        return self.group.size

    def read(self, scope: Scope) -> np.ndarray:
        return self.group.read(scope).reshape(self.group.shape).T.ravel()

    def write(self, scope: Scope, values: np.ndarray) -> None:
        self.group.write(scope, values.reshape(self.shape).T.ravel())


Holder = Group | Part | Turned


def by_rows(holder: Holder, width: int) -> Holder:
    """What holds `width` numbers a sample, with the samples along its first axis."""
    if isinstance(holder, Group) and len(holder.shape) == 2 and holder.shape[0] == width != holder.shape[1]:
        return Turned(holder)
    return holder


def parts(scope: Scope) -> Iterator[Part]:
    """The parts of every list of rows that can be reached."""
    for path, value in walk(scope):
        if path is None or not isinstance(value, list | tuple) or not FEWEST <= len(value) <= MOST:
            continue
        first = value[0]
        name = show(path)
        pairs = isinstance(first, list | tuple) and len(first) == 2 and all(_is_pair(row) for row in value)
        if pairs and not (_is_point(first) and not _end_in_classes(value)):
            for place in (0, 1):
                width = {np.size(row[place]) for row in value}
                if len(width) == 1:
                    yield Part(f"{name}[*][{place}]", path, place, (len(value), width.pop()))
        if isinstance(first, list | tuple) and len(first) > 2 and all(_is_row(row, len(first)) for row in value):
            sure = _end_in_classes(value)
            yield Part(f"{name}[*][:-1]", path, ":-1", (len(value), len(first) - 1), sure)
            yield Part(f"{name}[*][-1]", path, -1, (len(value), 1), sure)
        if isinstance(first, np.ndarray) and all(isinstance(r, np.ndarray) and r.shape == first.shape for r in value):
            yield Part(f"{name}[*]", path, None, (len(value), first.size))


def _is_pair(row: Any) -> bool:
    return isinstance(row, list | tuple) and len(row) == 2 and all(_is_numbers(part) for part in row)


def _is_point(row: Any) -> bool:
    """Whether it is two numbers in a list: a point, more often than an input and its label."""
    return isinstance(row, list) and all(map(is_number, row))


def _is_numbers(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiub" and value.size > 0
    return is_number(value) or (isinstance(value, list | tuple) and bool(value) and all(map(is_number, value)))


def _is_row(row: Any, width: int) -> bool:
    return isinstance(row, list | tuple) and len(row) == width and all(map(is_number, row))


def _end_in_classes(table: Any) -> bool:
    """Whether the last numbers of the rows are those of classes, and no other column is like that."""
    columns = [list(column) for column in zip(*table, strict=True)]
    few = [len(set(column)) <= 10 and all(float(v).is_integer() for v in column) for column in columns]
    return few[-1] and len(set(columns[-1])) > 1 and not all(few)


def _at(row: Any, place: Any) -> Any:
    return row if place is None else row[:-1] if place == ":-1" else row[place]


def _with(row: Any, place: Any, numbers: np.ndarray) -> Any:
    """The row with other numbers at a place."""
    if place is None:
        return numbers.reshape(row.shape).astype(row.dtype if row.dtype.kind == "f" else float)
    if place in (":-1", -1):
        plain = [_like(old, new) for old, new in zip(np.atleast_1d(_at(row, place)), numbers, strict=True)]
        return type(row)([*plain, row[-1]] if place == ":-1" else [*row[:-1], *plain])
    old = row[place]
    if isinstance(old, np.ndarray):
        whole = old.dtype.kind != "f" and np.equal(np.mod(numbers, 1), 0).all()
        new: Any = numbers.reshape(old.shape).astype(old.dtype if whole or old.dtype.kind == "f" else float)
    elif isinstance(old, list | tuple):
        new = type(old)(_like(a, b) for a, b in zip(old, numbers, strict=True))
    else:
        new = _like(old, numbers[0])
    return type(row)(new if i == place else item for i, item in enumerate(row))


def _like(old: Any, new: float) -> Any:
    """A number of the kind that it was: a class stays a whole number."""
    whole = isinstance(old, int | np.integer) and float(new).is_integer()
    return int(new) if whole else float(new)
