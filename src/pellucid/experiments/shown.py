"""Rows of a table as a person reads them: the first of a file, and those that a network is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.datasets import DataSet
from pellucid.datasets.column import FILLED, is_missing
from pellucid.datasets.dates import written
from pellucid.datasets.sheet import TableFile

HEAD, WIDTH = 8, 12  # rows and columns of a file that are shown
COLUMNS = 7  # beside a prediction


def head_of(table: TableFile) -> tuple[list[str], list[list[str]]]:
    """The header and the first rows of a table, as they are written there."""
    columns = list(table.columns.items())
    more = ["…"] if len(columns) > WIDTH else []
    rows = zip(*(cells[:HEAD] for _, cells in columns[:WIDTH]), strict=True)
    return [*(name for name, _ in columns[:WIDTH]), *more], [[*row, *more] for row in rows]


def cells_of(
    table: TableFile | None, data: DataSet, facts: dict[str, Any], first: Sequence[str]
) -> tuple[list[str], list[list[str]]] | None:
    """The rows of the validation part as they are in the file: the number, what names the row, what was learned from.

    Of more columns than there is room for, those that come `first`. What was filled in is marked.
    """
    learned = facts.get("columns", [])
    if table is None or not data.val_rows or any(name not in table.columns for name in learned):
        return None
    place = {number: i for i, number in enumerate(table.row_numbers)}
    if any(number not in place for number in data.val_rows):
        return None
    left_out = [row["name"] for row in facts.get("table", []) if row["role"] == "left out"]
    named = [name for name in left_out if name in table.columns and _names_rows(table.columns[name])]
    shown = [name for name in learned if name in [*first, *learned][:COLUMNS]]
    means = facts.get("feature_mean", {}) if facts.get("missing") in FILLED else {}

    def cell(name: str, row: int) -> str:
        text = table.columns[name][row]
        if name in means and is_missing(text):
            return f"(the mean, {_as_cell(means[name], facts.get('dates', {}).get(name, ''))})"
        return text or "(empty)"

    rows = [place[number] for number in data.val_rows]
    found = [
        [str(number), *(cell(name, i) for name in (*named[:1], *shown))]
        for number, i in zip(data.val_rows, rows, strict=True)
    ]
    return ["row", *named[:1], *shown], found


def _as_cell(value: float, date: str) -> str:
    return written(value, date == "time") if date else f"{value:.4g}"


def _names_rows(cells: Sequence[str]) -> bool:
    """Whether a column that was left out has a name or number of its own for each row."""
    return "" not in cells and len(set(cells)) == len(cells)
