"""The first row of a table: whether it names the columns, what it calls them, and the columns without a name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pellucid.datasets.numerals import is_date_or_time, numeral
from pellucid.datasets.record import DataError

NAMELESS = "(no name)"  # what a column without a name is called, from the second on with its number
_LOOKED_AT = 200  # rows that tell whether the first one is of their kind


def named(
    first: list[str], rows: Sequence[Sequence[str]], path: Path, sure: bool = False
) -> tuple[dict[str, list[str]], tuple[tuple[str, str], ...]]:
    """The columns by their names in the first row, and notes about those without one.

    A column without a name is left out where it is empty, or an index, such as pandas writes; and so is one that is
    there twice.

    Args:
        sure: the first row is a header, whatever it looks like.

    Raises:
        DataError: two columns that differ have one name, or the first row is a title, or looks like one of the others.
    """
    without = [i for i, name in enumerate(first) if not name and any(row[i] for row in rows)]
    if len(without) > 1 and 2 * len(without) > len(first):
        raise DataError(
            f"{path}: the first row names {len(first) - len(without)} of {len(first)} columns "
            f"({', '.join(filter(None, first))}): is it a title, and the header below it? Remove what is above the "
            "header"
        )
    if not sure:
        _check_is_header(first, rows, path)
    columns: dict[str, list[str]] = {}
    places: dict[str, int] = {}
    notes: list[tuple[str, str]] = []
    nameless = 0
    for i, name in enumerate(first):
        cells = [row[i] for row in rows]
        if not name:
            if not any(cells):
                notes.append((f"column {i + 1}", "has neither a name nor a value"))
                continue
            if _is_index(cells):
                notes.append((f"column {i + 1}", "numbers the rows, and has no name"))
                continue
            nameless += 1
            name = NAMELESS if nameless == 1 else f"{NAMELESS} {nameless}"
        if columns.get(name) == cells:
            notes.append((f"column {i + 1}", f"repeats column {places[name]}, {name}"))
            continue
        if name in columns:
            raise DataError(
                f"{path}: columns {places[name]} and {i + 1} are both named {name!r} and hold other cells: rename one "
                "of them" + (", or is this no header (--no-header)?" if numeral(name) is not None else "")
            )
        columns[name], places[name] = cells, i + 1
    return columns, tuple(notes)


def _is_index(cells: Sequence[str]) -> bool:
    """Whether cells are whole numbers of which hardly one comes twice, or that mostly go up by one: an index, of which
    rows may have been dropped or mixed, or of several tables in one."""
    if not all(cell.isdecimal() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    steps = sum(after == before + 1 for before, after in pairwise(numbers))
    return 2 * len(set(numbers)) > len(numbers) or 10 * steps >= 9 * (len(numbers) - 1)


def _check_is_header(first: Sequence[str], rows: Sequence[Sequence[str]], path: Path) -> None:
    """Raise where the first row is one like those below it.

    A header may have numbers among its names (years, or the 0, 1, 2 that pandas counts). It is none where each column
    of numbers is called by a number, and one of these has decimals or comes twice, or a column of texts is called as
    one of its cells; or where all columns are of texts and are called so.
    """
    of_numbers: list[str] = []
    of_texts: list[bool] = []  # whether a column of texts is called like one of its cells
    for i, name in enumerate(first):
        cells = [row[i] for row in rows[:_LOOKED_AT] if row[i]]
        if not name or not cells:
            continue
        if 2 * sum(_is_number(cell) for cell in cells) >= len(cells):
            of_numbers.append(name)
        elif 2 * sum(map(is_date_or_time, cells)) >= len(cells):
            of_texts.append(is_date_or_time(name))
        else:
            of_texts.append(name in cells)
    shown = f"{', '.join(first[:5])}{', …' if len(first) > 5 else ''}"
    if of_numbers and all(map(_is_number, of_numbers)):
        if not of_texts and len(of_numbers) == len(first):
            if first == [str(i) for i in range(len(first))] and len(first) > 2:
                return
            raise DataError(
                f"{path}: the first row must name the columns, and holds only numbers ({shown}): add a header row, or "
                "say that there is none, --no-header, which calls the columns c1, c2, … (--header, where these are "
                "the names)"
            )
        decimals = any(not name.lstrip("-").isdecimal() for name in of_numbers)
        alike = any(of_texts) or decimals or len(set(of_numbers)) < len(of_numbers)
    else:
        alike = not of_numbers and len(of_texts) > 1 and all(of_texts)
    if alike:
        raise DataError(
            f"{path}: the first row must name the columns, and looks like those below it ({shown}): add a header row, "
            "or say that there is none, --no-header, which calls the columns c1, c2, … and the last one "
            f"c{len(first)} (--header, where these are the names)"
        )


def _is_number(cell: str) -> bool:
    number = numeral(cell)
    return number is not None and not number.is_word
