"""Another table, read as the one that was learned from: by its means, deviations, categories and classes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.datasets.column import FILLED, MISSING, is_missing
from pellucid.datasets.features import on_clock, scaled
from pellucid.datasets.reading import understand
from pellucid.datasets.record import DataError
from pellucid.datasets.sheet import TableFile, no_such_column
from pellucid.datasets.target import names_of


def read_features(table: TableFile, facts: Mapping[str, Any], decimal: str | None = None) -> np.ndarray:
    """The rows of another file as `csv` would give them: by the means, deviations and categories in `facts`.

    The file needs the columns that were learned from, in any order, and may have others. Its numbers may be written in
    another way (52,4 for 52.4), in the units that were learned from. A category that training did not meet is 0 in all
    of its columns; `unseen` finds them.

    Shape: (N, features) float32.
    """
    numbers, texts = facts["feature_mean"], facts["categories"]
    order = facts.get("columns") or [*numbers, *texts]
    if not table.row_numbers:
        raise DataError(f"{table.path} has no rows below its header")
    learned = {
        name: {
            "kind": _kind_of(name, facts),
            "date": facts.get("dates", {}).get(name, ""),
            "unit": facts.get("units", {}).get(name, ""),
            "decimal": facts.get("decimals", {}).get(name, ""),
        }
        for name in order
    }
    keep = facts["missing"] if facts.get("missing") in ("category", *FILLED) else "error"
    there = [name for name in order if name in table.columns]
    _, columns = understand(_only(table, there), decimal=decimal, missing=keep, learned=learned)
    blocks: list[np.ndarray] = []
    absent = [name for name in order if name not in columns]
    if absent:
        raise no_such_column(absent[0], table, "that the network learned from", also=absent[1:])
    for name in order:
        values = columns[name].values
        if name in numbers:
            blocks.append(scaled(values, numbers[name], facts["feature_std"][name]))
            if name in facts.get("indicators", ()):
                blocks.append(np.isnan(values)[:, None])
            if name in facts.get("clocks", ()):
                blocks.append(on_clock(values, facts["dates"][name]))
        else:
            blocks.append(values[:, None] == np.array(texts[name]))
    return np.concatenate(blocks, axis=1, dtype=np.float64).astype(np.float32)


def filled(table: TableFile, facts: Mapping[str, Any]) -> dict[str, int]:
    """For each column of numbers of a file, how many cells have no value and are filled in with the mean."""
    counts = {name: sum(map(is_missing, table.columns[name])) for name in facts["feature_mean"]}
    return {name: count for name, count in counts.items() if count}


def gaps(table: TableFile, facts: Mapping[str, Any]) -> dict[str, list[int]]:
    """For each column that was learned from, the rows, from 0, in which it has no value; those that have some."""
    texts = facts["categories"]
    found = {
        name: [
            i for i, cell in enumerate(table.columns[name]) if (cell in MISSING if name in texts else is_missing(cell))
        ]
        for name in (facts.get("columns") or [*facts["feature_mean"], *texts])
        if name in table.columns
    }
    return {name: rows for name, rows in found.items() if rows}


def unseen(table: TableFile, facts: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """For each column of categories, those of a file that training did not meet, and how many cells hold each."""
    found: dict[str, dict[str, int]] = {}
    for name, categories in facts["categories"].items():
        for cell in table.columns[name]:
            if cell not in categories:
                counts = found.setdefault(name, {})
                counts[cell] = counts.get(cell, 0) + 1
    return found


def by_case(table: TableFile, categories: Mapping[str, Iterable[str]]) -> tuple[TableFile, dict[str, dict[str, str]]]:
    """The table with each category as training met it, where only the case differs (TRUE, and training met True).

    `categories` has those that training met, by column. Also returned: what was taken for what, by column.
    """
    taken: dict[str, dict[str, str]] = {}
    columns = dict(table.columns)
    for name, met in categories.items():
        known = list(met)
        folded = [text.casefold() for text in known]
        one = {fold: text for fold, text in zip(folded, known, strict=True) if folded.count(fold) == 1}
        cells = columns.get(name, [])
        here = {cell: one[cell.casefold()] for cell in set(cells) - set(known) if cell.casefold() in one}
        if here:
            taken[name] = dict(sorted(here.items()))
            columns[name] = [here.get(cell, cell) for cell in cells]
    return (replace(table, columns=columns) if taken else table), taken


def read_target(
    table: TableFile, target: str, facts: Mapping[str, Any], classes: bool, decimal: str | None = None
) -> list[str | float | None]:
    """The target's cells in another file: the names of classes, or numbers; None where a row has none."""
    cells = table.columns[target]
    there = [
        row for row, cell in enumerate(cells) if cell not in MISSING or (classes and cell in facts.get("classes", ()))
    ]
    found: list[str | float | None] = [None] * len(cells)
    if not there:
        return found
    goal = facts.get("target", {"kind": "category" if classes else "number"})
    _, columns = understand(
        _only(table.keep(there), [target]), decimal=decimal, missing="category", learned={target: goal}
    )
    column = columns[target]
    names = names_of(column) if classes else column.values.tolist()
    for row, name in zip(there, names, strict=True):
        found[row] = name
    return found


def _kind_of(name: str, facts: Mapping[str, Any]) -> str:
    if name in facts.get("dates", {}):
        return "date"
    return "number" if name in facts["feature_mean"] else "category"


def _only(table: TableFile, names: Iterable[str]) -> TableFile:
    return replace(table, columns={name: table.columns[name] for name in names})
