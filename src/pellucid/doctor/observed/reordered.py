"""Whether labels were put into another order than their rows, or rows than their labels, by what variables held."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .following import Made
from .record import Place
from .rows import told_apart

APART = 0.9  # of the rows, that a column tells from each other
ALIKE = 1e-4  # of the spread, by which numbers are the same
STAYED = 0.8  # of the rows, that have the labels that they had
COLUMNS = 64  # of a table that are looked at
LEAST = 20  # rows of a table


def reordered(made: list[Made], rows: int, labels: int) -> Place | None:
    """The line that put rows into another order than their labels, or these than their rows; None where both were put
    into the same, or that cannot be told. `rows`, `labels`: which of what was made the network is trained with."""
    x, y = made[rows].values, _column(made[labels].values)
    if y is None or len(x) != len(y) or len(y) < LEAST or not _is_finite(made[rows]) or not np.isfinite(y).all():
        return None
    orders = list(_orders(made, rows))  # of earlier tables, the first one first
    moved = next((order for _, order in orders if (order != np.arange(len(x))).any()), None)
    since = next((number for number, order in orders if (order == np.arange(len(x))).all()), rows)
    alike = list(_labels(made, y, labels))
    first = next((number for number, own in alike if _share(own, y) > STAYED), labels)
    before = [own for number, own in alike if number < first]  # in another order
    if moved is not None:
        if any(_share(own[moved], y) > STAYED for own in (*before, y)):
            return None  # both were
        if before:
            return made[max(since, first)].at
        return made[since].at if first < since else None  # those that are made of rows in their new order are right
    return made[first].at if before and since < first else None


def _column(values: np.ndarray) -> np.ndarray | None:
    return values.reshape(-1).astype(float) if values.ndim and values.size == len(values) else None


def _share(one: np.ndarray, other: np.ndarray) -> float:
    return float((np.abs(_scaled(one) - _scaled(other)) < ALIKE).mean())


def _scaled(column: np.ndarray) -> np.ndarray:
    """A column less its mean, over its spread, which is the same after it was brought to scale."""
    spread = float(column.std())
    return (column - column.mean()) / (spread or 1.0)


def _labels(made: list[Made], y: np.ndarray, until: int) -> Iterator[tuple[int, np.ndarray]]:
    """The same labels, whatever their order, that were there before."""
    wanted = np.sort(_scaled(y))
    for number, other in enumerate(made[:until]):
        own = _column(other.values) if other.values.shape[:1] == y.shape and _is_finite(other) else None
        if own is None or float(np.abs(np.sort(_scaled(own)) - wanted).max()) > ALIKE:
            continue
        yield number, own


def _is_finite(made: Made) -> bool:
    return made.values.dtype.kind != "f" or bool(np.isfinite(made.values).all())


def _orders(made: list[Made], until: int) -> Iterator[tuple[int, np.ndarray]]:
    """Of each earlier array that holds the same rows, or a column of them, which of its rows each is."""
    wanted = [(key, np.argsort(key, kind="stable")) for key in _keys(made[until])]
    for number, other in enumerate(made[: until + 1]):
        if len(other.values) != len(made[until].values) or not _is_finite(other):
            continue
        for own in _keys(other):
            order = np.argsort(own, kind="stable")
            fits = (o for key, o in wanted if float(np.abs(own[order] - key[o]).max()) <= ALIKE)
            found = next(fits, None)
            if found is not None:
                taken = np.empty(len(own), int)
                taken[found] = order
                yield number, taken
                break


def _keys(made: Made) -> Iterator[np.ndarray]:
    """Numbers that tell the rows of an array apart, whatever scale they are brought to: of whole rows, and columns."""
    if not made.values.size or made.values.size > COLUMNS * COLUMNS * len(made.values):
        return
    table = made.values.reshape(len(made.values), -1).astype(np.float32).astype(float)
    columns = [told_apart(table), *(table.T if table.shape[1] <= COLUMNS else ())]
    for column in columns:
        key = _scaled(column)
        if len(np.unique(np.round(key, 6))) >= APART * len(key):
            yield key
