"""What a table is learned for: whether its target is a class or a quantity, and the classes by number and by name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.datasets.column import MOST_CLASSES, Column
from pellucid.datasets.record import DataError, Task
from pellucid.datasets.sheet import TableFile


def guess_task(target: Column) -> tuple[Task, str]:
    """Whether a target, of texts or of numbers, holds classes or a quantity; and the reason in words."""
    if target.kind == "category":
        return "classification", "its cells are texts"
    if target.unit:
        return "regression", f"its cells are numbers in {target.unit}"
    if target.exact is None:
        return "regression", "its cells are real numbers"
    distinct = len(set(target.exact))
    if distinct <= MOST_CLASSES and 2 * distinct <= len(target.exact):
        return "classification", f"it holds {distinct} different whole numbers"
    return "regression", f"it holds {distinct} different whole numbers in {len(target.exact)} rows"


def class_numbers(table: TableFile, target: Column) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each row's class number (N,) int64, and the names of the classes: in the order of numbers, or of texts."""
    values: Sequence[Any] = target.exact or target.values.tolist()
    distinct = sorted(set(values))
    number = {value: k for k, value in enumerate(distinct)}
    names = tuple(_name(value) for value in distinct)
    if len(names) == 1:
        raise DataError(
            f"{table.path}: the target {target.name!r} is {names[0]!r} in every row: there is nothing to learn"
        )
    return np.array([number[value] for value in values], dtype=np.int64), names


def names_of(column: Column) -> list[str]:
    return [_name(value) for value in (column.exact or column.values.tolist())]


def _name(value: str | float) -> str:
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def joined(table: TableFile, target: str) -> TableFile:
    """The table with one column `target` for one-hot ones, such as pandas makes of it: kind_cat, kind_dog."""
    parts = {
        name: name[len(target) + 1 :]
        for name, cells in table.columns.items()
        if name.startswith(target)
        and name[len(target) : len(target) + 1] in tuple("_=.-: ")
        and len(name) > len(target) + 1
        and all(cell.lower() in _BITS for cell in cells)
    }
    if len(parts) < 2:
        return table
    joined: list[str] = []
    for row in range(len(table.row_numbers)):
        held = [part for name, part in parts.items() if _BITS[table.columns[name][row].lower()]]
        if len(held) != 1:
            raise DataError(
                f"{table.path}, row {table.row_numbers[row]}: {len(held)} of the columns {', '.join(parts)} hold a 1, "
                f"and exactly one of them does where they say in one-hot which {target!r} a row is; name one column "
                f"as the target"
            )
        joined.append(held[0])
    rest = {name: cells for name, cells in table.columns.items() if name not in parts}
    notes = tuple((name, f"one-hot for {target} = {part}, joined to the target") for name, part in parts.items())
    return replace(table, columns={**rest, target: joined}, notes=(*table.notes, *notes))


_BITS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
