"""What the columns of a table hold: numbers, dates or categories, how they are written, and what is missing."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.datasets import dates
from pellucid.datasets.amounts import decimal_marks, numbers
from pellucid.datasets.column import (
    FILLED,
    MISSING,
    MISSING_NUMBER,
    MOST_CATEGORIES,
    MOST_CLASSES,
    Column,
    Kind,
    Missing,
    as_category,
    is_missing,
    otherwise,
    quoted,
)
from pellucid.datasets.identifiers import identifies
from pellucid.datasets.numerals import is_date_or_time, numeral
from pellucid.datasets.record import DataError
from pellucid.datasets.sheet import TableFile

_FEWEST_PADDED = 0.05  # of the cells of a column of codes, those with a zero before where not all are of one length


def understand(
    table: TableFile,
    target: str | None = None,
    decimal: str | None = None,
    categorical: Sequence[str] = (),
    missing: Missing = "error",
    numeric: Sequence[str] = (),
    learned: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[TableFile, dict[str, Column]]:
    """Every column of the table that can be learned from, and the table of the rows and columns that remain.

    Left out, with the reason in the table's notes, are columns without a value, of names and identifiers, and of dates
    that can be read in two ways; of the target this is an error.

    Args:
        decimal: "." or ",", where the cells do not say it themselves.
        categorical: columns whose cells are categories, whatever they look like.
        numeric: columns whose cells are numbers, though they look like codes (007).
        missing: what a cell without a value is: an error, the end of its row, or a category of its own; with "mean" and
            "indicator", a category of its own among texts, NaN among numbers, for the caller to fill in, and in the
            target the end of its row.
        learned: of a run that has learned from such columns, for each its kind, unit and decimal mark: they are read
            as those were, and a cell that could be something else now is an error.

    Raises:
        DataError: a cell, column or unit that cannot be understood in one way; with its place and the ways out.
    """
    learned = learned or {}
    kinds: dict[str, Any] = {
        name: learned[name]["kind"] if name in learned else _kind(table, name, name == target, categorical, numeric)
        for name in table.columns
    }
    if not learned:
        table = _left_out(
            table,
            {
                name: _useless(table, name, kind)
                for name, kind in kinds.items()
                if name != target and name not in categorical
            },
            target,
        )
    filled = missing in FILLED
    ways: dict[str, Missing] = {name: "drop" if filled and name == target else missing for name in table.columns}
    gaps = {name: _gaps(cells, kinds[name], ways[name]) for name, cells in table.columns.items()}
    for name, rows in gaps.items():
        if rows and missing != "drop" and not filled:
            raise _gap(table, name, rows, kinds[name], name == target, name in learned)
    counts = {name: len(rows) for name, rows in gaps.items()}
    out = {row for name, rows in gaps.items() if not filled or name == target for row in rows}
    if out:
        table = table.keep([row for row in range(len(table.row_numbers)) if row not in out])
        if not table.row_numbers:
            raise DataError(f"{table.path}: every row has a cell without a value, so --missing {missing} leaves none")
        gaps = {name: _gaps(cells, kinds[name], ways[name]) for name, cells in table.columns.items()}
    of_numbers = [name for name, kind in kinds.items() if kind == "number"]
    marks, notes = decimal_marks(table, of_numbers, decimal, learned)
    columns = {}
    for name, cells in table.columns.items():
        if kinds[name] == "date":
            order = learned[name]["date"] if name in learned else _order(cells, gaps[name])
            empty = gaps[name] if filled else ()
            columns[name] = _dates(table, name, order or "", counts[name], empty, name in learned)
        elif kinds[name] == "category":
            if name == target and name not in categorical and _are_names(cells):
                raise _names_as_target(table, name)
            note = "" if learned or name in categorical else _coded(name, cells)
            columns[name] = Column(name, "category", np.array(cells), missing=counts[name], note=note)
        else:
            empty = gaps[name] if filled else ()
            columns[name] = numbers(table, name, marks[name], notes[name], counts[name], learned.get(name), empty)
    if not learned:
        reasons = {
            name: identifies(column)
            for name, column in columns.items()
            if name != target and name not in numeric and name not in categorical
        }
        table = _left_out(table, reasons, target)
        columns = {name: columns[name] for name in table.columns}
    return table, columns


def _left_out(table: TableFile, reasons: Mapping[str, str], target: str | None) -> TableFile:
    """The table without the columns that have a reason; DataError where none but the target would be left."""
    reasons = {name: reason for name, reason in reasons.items() if reason}
    rest = {name: cells for name, cells in table.columns.items() if name not in reasons}
    if reasons and not set(rest) - {target}:
        shown = "; ".join(f"column {name!r} {reason}" for name, reason in reasons.items())
        raise DataError(f"{table.path} has no column to learn from: {shown}")
    return replace(table, columns=rest, notes=(*table.notes, *reasons.items()))


def _useless(table: TableFile, name: str, kind: Kind) -> str:
    """Why a column is left out; empty where it can be learned from."""
    cells = table.columns[name]
    if kind == "nothing":
        return "holds no value in any row"
    if kind == "date" and _order(cells, ()) is None:
        cell = next(cell for cell in cells if dates.needs_order(cell))
        return f"holds dates such as {cell}, of which day or month may come first: write {dates.EXAMPLE}"
    distinct = len(set(cells))
    if kind == "category" and (distinct > MOST_CATEGORIES or _are_names(cells)):
        flag, code = quoted(name), _code(cells)
        as_number = f"--numeric {flag} takes it for numbers" if code else ""
        if distinct > MOST_CATEGORIES:
            ways = f"more than {MOST_CATEGORIES} are no categories to learn from" + (f"; {as_number}" if code else "")
        else:
            before = f"As codes, with a zero before ({code}), " if code else ""
            ways = f"{before}--categorical {flag} keeps it" + (f"; {as_number}" if code else "")
        return f"holds {distinct:,} different texts in {len(cells):,} rows: names? {ways}"
    return ""


def _coded(name: str, cells: Sequence[str]) -> str:
    """What is said of a column whose digits were taken for codes."""
    code = _code(cells)
    return f"codes, as {code} has a zero before: --numeric {quoted(name)} takes them for numbers" if code else ""


def _code(cells: Sequence[str]) -> str:
    """A cell with a zero before its other digits, in a column of codes such as postal ones; empty in any other.

    Codes are as long as one another (01067, 10115); where some are not, one in twenty has such a zero, as a single one
    among numbers was typed by mistake.

    >>> _code(["10115", "01067"]), _code(["12", "7", "007"]), _code(["0.5", "007"]), _code(["0", "10"])
    ('01067', '007', '', '')
    """
    digits = [cell for cell in cells if numeral(cell) is not None]
    if not all(cell.isdecimal() for cell in digits):
        return ""
    padded = [cell for cell in digits if len(cell) > 1 and unicodedata.decimal(cell[0]) == 0]
    alike = len({len(cell) for cell in digits}) == 1
    return padded[0] if padded and (alike or _FEWEST_PADDED * len(digits) <= len(padded)) else ""


def _order(cells: Sequence[str], gaps: Sequence[int]) -> str | None:
    """What `Column.date` says of dates and times, None where they can be read in two ways."""
    there = [cell for cell in cells if is_date_or_time(cell)]
    if all(map(dates.is_time, there)):
        return "time"
    order = dates.order_of(there)
    return order if order is None else order or "date"


def _dates(table: TableFile, name: str, order: str, missing: int, gaps: Sequence[int], learned: bool) -> Column:
    """A column of dates or of times, every cell of which is one, but for `gaps`, which are NaN."""
    cells = table.columns[name]
    values = [dates.when(cell, order) for cell in cells]
    for row, cell in enumerate(cells):
        if row in set(gaps):
            values[row] = float("nan")
        elif values[row] is None or dates.is_time(cell) != (order == "time"):
            what = "time of day" if order == "time" else "date"
            raise DataError(
                f"{table.place(name, row)}: {cell!r} is no {what}{f' with the {order}' if ' ' in order else ''}, and "
                f"the column holds others: correct the cell{otherwise(name, learned)}"
            )
    note = "as hours" if order == "time" else "as days" + (f", the {order}" if " " in order else "")
    return Column(name, "number", np.array(values, np.float64), missing=missing, date=order, note=note)


def _kind(table: TableFile, name: str, is_target: bool, categorical: Sequence[str], numeric: Sequence[str]) -> Kind:
    """What a column holds: numbers or dates, if at least half of the cells with a value are some; else categories.

    Digits with a zero before them are codes, which are categories.
    """
    if name in categorical:
        return "category"
    if name in numeric:
        return "number"
    present = [cell for cell in table.columns[name] if cell not in MISSING and cell.lower() not in MISSING_NUMBER]
    if not present:
        if any(cell not in MISSING for cell in table.columns[name]):
            return "category"
        if is_target:
            raise DataError(f"{table.path}: the target {name!r} holds no value in any row: choose another target")
        return "nothing"
    numerals = [number for cell in present if (number := numeral(cell)) is not None]
    plain = sum(not number.is_word for number in numerals)
    words = Counter(number.unit for number in numerals if number.is_word)
    if 2 * plain >= len(present):
        return "category" if _code(present) else "number"
    distinct = len(set(present))
    few = distinct <= MOST_CLASSES and 2 * distinct <= len(present)
    if 2 * (plain + words.total()) >= len(present) and not few:  # 12 kg; but few of such texts are names: 10a, 10b
        return "number"
    if len(words) == 1 and 2 * (plain + words.total()) >= len(present) and not is_target:
        return "number"
    found = [cell for cell in present if is_date_or_time(cell)]
    if 2 * len(found) >= len(present):
        if not is_target:
            return "date"
        raise DataError(
            f"{table.place(name, table.columns[name].index(found[0]))} holds the date or time {found[0]!r}, and the "
            f"target is a class or a number: write it as one (days since a day, a month from 1 to 12), or, where each "
            f"is a class, {as_category(name)}"
        )
    return "category"


def _gaps(cells: Sequence[str], kind: str, missing: Missing) -> list[int]:
    """The rows, from 0, whose cell has no value."""
    if kind == "category":
        return (
            [] if missing == "category" or missing in FILLED else [i for i, cell in enumerate(cells) if cell in MISSING]
        )
    return [i for i, cell in enumerate(cells) if is_missing(cell)]


def _gap(table: TableFile, name: str, rows: Sequence[int], kind: str, is_target: bool, learned: bool) -> DataError:
    cell = table.columns[name][rows[0]]
    shown = f"holds {cell!r} for a missing value" if cell else "is empty"
    others = f" (and {len(rows) - 1:,} more cells of the column)" if len(rows) > 1 else ""
    if learned:
        return DataError(
            f"{table.place(name, rows[0])} {shown}{others}: fill it in, or remove the row; the network learned from "
            "rows without gaps (it is trained with --missing mean to take them)"
        )
    column = "" if is_target else f", --ignore {quoted(name)} the column"
    fill = "" if is_target else ", or fill it in with --missing mean (indicator: with a column that says where)"
    own = "" if kind == "number" else ", or take it for a category of its own with --missing category"
    return DataError(
        f"{table.place(name, rows[0])} {shown}{others}: fill it in, or remove the row or the column (--missing drop "
        f"leaves out such rows{column}){own}{fill}"
    )


def _are_names(cells: Sequence[str]) -> bool:
    """Whether texts hardly repeat: they are names, or numbers written in a way not known."""
    present = [cell for cell in cells if cell not in MISSING]
    distinct = len(set(present))
    return distinct > 2 and 2 * distinct > len(present)


def _names_as_target(table: TableFile, name: str) -> DataError:
    cells = table.columns[name]
    counts = Counter(cells)
    single = next((i for i, cell in enumerate(cells) if counts[cell] == 1), 0)
    return DataError(
        f"{table.path}: column {name!r} holds {len(counts):,} different texts in {len(cells):,} rows (row "
        f"{table.row_numbers[single]}: {cells[single]!r}): names or identifiers, and no classes to learn; choose "
        f"another target, or, where they are classes all the same, {as_category(name)}"
    )
