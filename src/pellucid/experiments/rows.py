"""The rows of another table as the network of a run wants them: read as that which was learned from, or as is said."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.datasets import DataError, read_features
from pellucid.datasets.another import by_case, filled, gaps, read_target, unseen
from pellucid.datasets.characters import is_utf8
from pellucid.datasets.column import FILLED
from pellucid.datasets.columnar import is_columnar
from pellucid.datasets.sheet import TableFile, read_table
from pellucid.experiments.config import Config


@dataclass(frozen=True)
class Rows:
    """Rows of a table.

    Attributes:
        x: (N, features) float32, as the network takes them.
        targets: for each row its class or number, None where it has none; None where there is no such column.
        notes: what is to be said about the file.
        columns: those of the file, as it has them.
        places: which row of the file each is, from 0; None for all of them.
    """

    x: np.ndarray
    targets: list[str | float | None] | None
    notes: list[str]
    columns: dict[str, list[str]]
    places: list[int] | None = None


def rows_of(
    path: Path,
    config: Config,
    data: dict[str, Any],
    decimal: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Rows:
    """The rows of a table for the network of a run; `data` is what config.json says of the data.

    Where the table that was learned from had no header, or this one has none, its columns go by their places.

    Raises:
        DataError: it cannot be read, or lacks what was learned from.
    """
    notes: list[str] = []
    if encoding is None and config.encoding is not None and not is_columnar(path):
        encoding = config.encoding
        if encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "utf-8-sig") and is_utf8(path):
            notes.append(f"{path} is UTF-8, and was read so, although the run learned from a table in {encoding}")
            encoding = "utf-8"
    asked, header = header, config.header if header is None else header
    table = read_table(path, header, encoding)
    if config.header is False or header is False:
        table = _by_place(table, config, data)
    if config.source != "csv":  # points: their columns are numbers, scaled as an array is
        return Rows(_points(table, data, decimal), None, notes, table.columns)
    facts, names = data["facts"], [str(name) for name in data["classes"]]
    places = np.arange(len(table.row_numbers))
    if facts.get("missing") == "drop" and (without := gaps(table, facts)):
        places = np.setdiff1d(places, [row for rows in without.values() for row in rows])
        if len(places):  # else it is an error, which names a cell
            notes.append(_unanswered(len(table.row_numbers) - len(places), without))
            table = table.keep(places.tolist())
        else:
            places = np.arange(len(table.row_numbers))
    as_written, target = table.columns, config.target
    met = {**facts["categories"], **({target: names} if target is not None and names else {})}
    table, taken = by_case(table, met)
    notes += [_other_case(name, words) for name, words in taken.items()]
    try:
        x = read_features(table, facts, decimal)
    except DataError as error:
        if header is False and asked is None and f"{path}, row 1," in str(error):
            raise DataError(f"{error}. Does the first row name the columns? Then say so: --header") from None
        raise
    notes += [_new(name, counts) for name, counts in unseen(table, facts).items()]
    if facts.get("missing") in FILLED:
        notes += [_filled(name, count, len(x)) for name, count in filled(table, facts).items()]
    found = None
    if target is not None and target in table.columns:
        found = read_target(table, target, {**facts, "classes": names}, bool(names), decimal)
    return Rows(x, found, notes, as_written, places.tolist())


def _by_place(table: TableFile, config: Config, data: dict[str, Any]) -> TableFile:
    """A table by the names that its columns had in training, where it was without the target, too."""
    names = data["facts"].get("names", [] if config.source == "csv" else [*data["features"]])
    if not names:
        raise DataError(
            f"{table.path}: the run is of an older version, and does not know the order of its columns: name them in "
            "a header row"
        )
    cells = list(table.columns.values())
    learned = data["facts"].get("columns", names)
    fits = [order for order in _orders(names, config.target, learned) if len(order) == len(cells)]
    classes = set(map(str, data["classes"]))
    if len(fits) > 1 and classes:  # is the column in the target's place one of classes?
        with_target = [order for order in fits if config.target in order]
        held = [order for order in with_target if classes.issuperset(cells[order.index(str(config.target))])]
        fits = held or [order for order in fits if order not in with_target]
    if len(fits) == 1:
        columns = {name: column for name, column in zip(fits[0], cells, strict=True) if name}
        return dataclasses.replace(table, columns=columns)
    if fits:
        ways = " or ".join(", ".join(name or "one without a name" for name in order) for order in fits)
        raise DataError(f"{table.path} has {len(cells)} columns, which may be {ways}: name them in a header row")
    target = "" if config.target is None else f", of which {config.target} is the target"
    but = "" if config.target is None else ", or all but the target"
    raise DataError(
        f"{table.path} has {len(cells)} columns, and the run learned from {len(names)}{target}: a file without a "
        f"header has all of them{but}"
    )


def _orders(names: list[str], target: str | None, learned: list[str]) -> list[list[str]]:
    """The columns that a file without a header may have: all of training's, those that the network asks for, or those
    with a name, each with the target or without it.

    >>> _orders(["", "id", "age", "kind"], "kind", ["age"])  # doctest: +NORMALIZE_WHITESPACE
    [['', 'id', 'age', 'kind'], ['', 'id', 'age'], ['id', 'age', 'kind'], ['id', 'age'], ['age', 'kind'], ['age']]
    """
    found: list[list[str]] = []
    for kept in (
        names,
        [name for name in names if name],
        [name for name in names if name in learned or name == target],
    ):
        for order in (kept, [name for name in kept if name != target]):
            if order not in found:
                found.append(order)
    return found


def _points(table: TableFile, data: dict[str, Any], decimal: str | None) -> np.ndarray:
    missing = [name for name in data["features"] if name not in table.columns]
    if missing:
        raise DataError(
            f"{table.path} has no column {missing[0]!r}; the run learned from {', '.join(data['features'])}, and "
            f"the file has {', '.join(table.columns)}"
        )
    plain = {
        "columns": list(data["features"]),
        "feature_mean": dict.fromkeys(data["features"], 0.0),
        "feature_std": dict.fromkeys(data["features"], 1.0),
        "categories": {},
    }
    return scaled(read_features(table, plain, decimal), data)


def _unanswered(count: int, without: dict[str, list[int]]) -> str:
    shown = ", ".join(f"{name} {len(rows):,}" for name, rows in without.items())
    has = "1 row has" if count == 1 else f"{count:,} rows have"
    return f"{has} no answer for a missing value, as such rows were left out of training, too: {shown}"


def _new(name: str, counts: dict[str, int]) -> str:
    cells = sum(counts.values())
    shown = ", ".join(cell or "empty" for cell in list(counts)[:4])
    shown += f" and {len(counts) - 4} more" if len(counts) > 4 else ""
    return (
        f"Column {name!r}: {cells:,} {'cell holds a category' if cells == 1 else 'cells hold categories'} that "
        f"training did not meet ({shown}), taken as none of those that it did"
    )


def _other_case(name: str, taken: dict[str, str]) -> str:
    shown = ", ".join(f"{cell} as {met}" for cell, met in list(taken.items())[:4])
    shown += f" and {len(taken) - 4} more" if len(taken) > 4 else ""
    return f"Column {name!r}: what differs from what training met in its case alone is taken for that ({shown})"


def _filled(name: str, count: int, rows: int) -> str:
    if count == rows > 1:
        return f"Column {name!r}: it is empty: each cell is taken as the mean of the rows that were trained on"
    cells = "1 cell has no value, and is" if count == 1 else f"{count:,} of {rows:,} cells have no value, and are"
    return f"Column {name!r}: {cells} taken as the mean of the rows that were trained on"


def scaled(x: np.ndarray, data: dict[str, Any]) -> np.ndarray:
    """As the training data were standardised, if they were by column."""
    mean, std = data["facts"].get("feature_mean"), data["facts"].get("feature_std")
    return ((x - np.array(mean)) / np.array(std)).astype(np.float32) if isinstance(mean, list) else x.astype(np.float32)
