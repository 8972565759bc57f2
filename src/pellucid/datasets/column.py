"""What the columns of a table hold: numbers, dates or categories, how they are written, and what is missing."""

import re

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pellucid import shell
from pellucid.datasets import dates
from pellucid.datasets.numerals import LARGEST_EXACT, Numeral, is_date_or_time, numeral
from pellucid.datasets.record import DataError
from pellucid.datasets.sheet import TableFile

Kind = Literal["number", "category", "date", "nothing"]
Missing = Literal["error", "drop", "category", "mean", "indicator"]
LEAST_NUMBERED = 10  # rows of which a column with each number once is taken to number them
WAYS: tuple[Missing, ...] = ("error", "drop", "category", "mean", "indicator")

# What people and programs write for a value that they do not have: as pandas reads it, with the marks of older files.
MISSING = frozenset(
    "|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null"
    "|NAN|Null|#NULL!|#VALUE!|#DIV/0!|#REF!|NaT|?|-|--|\u2013|\u2014|.".split("|")
)
# Beside numbers, these are no texts either; among texts they are categories ("none" of three kinds of fur).
MISSING_NUMBER = frozenset({"na", "none", "n.a.", "missing", "unknown"})
FILLED = frozenset({"mean", "indicator"})  # the ways with missing values that fill them in
MOST_CATEGORIES = 256  # a text column with more is a name or an identifier, not a category
MOST_CLASSES = 20  # a target of whole numbers with more different values is a quantity
_MARKS = {".": "point", ",": "comma"}
_IDENTIFIER = re.compile(r"(?i:(^|.*[\W_])(id|index|idx|nr|no|number|num|row|key|unnamed: 0))$|.*[a-z](Id|ID|Nr|No)$")


@dataclass(frozen=True, eq=False)
class Column:
    """A column as it is understood.

    Attributes:
        kind: a number, or a category; a date is a number, of days since 1970-01-01, and a time of day one of hours.
        values: (N,) float64 for numbers, (N,) str for categories.
        exact: the numbers as whole numbers of any size, where all of them are whole.
        unit: what is written beside each number: a currency, %, kg; empty where there is nothing. Shares are divided
            out: 5% is 0.05.
        decimal: the mark before the decimals, "" where no cell has one.
        missing: how many cells of the file have no value.
        note: what was decided about it that another reader might have decided otherwise.
        date: of dates "day first", "month first" or, where no cell needs one of these, "date"; of times of day "time".
    """

    name: str
    kind: Kind
    values: np.ndarray
    exact: tuple[int, ...] | None = None
    unit: str = ""
    decimal: str = ""
    missing: int = 0
    note: str = ""
    date: str = ""

    @property
    def numbers_rows(self) -> bool:
        """Whether it holds each number once, without a gap: a network would learn the order of the rows."""
        numbers = self.exact or ()
        if len(numbers) < LEAST_NUMBERED or self.missing or len(set(numbers)) < len(numbers):
            return False
        return max(numbers) - min(numbers) == len(numbers) - 1

    def _held(self) -> str:
        if self.kind == "category":
            names, counts = np.unique(self.values, return_counts=True)
            often = names[np.argsort(-counts, kind="stable")]
            shown = [str(name) or "(empty)" for name in often[:4]]
            return f"{len(names)}: {', '.join(shown)}{', …' if len(names) > 4 else ''}"
        low, high = (
            (min(self.exact), max(self.exact)) if self.exact else (np.nanmin(self.values), np.nanmax(self.values))
        )
        if self.date:
            low, high = (dates.written(float(end), self.date == "time") for end in (low, high))
            return f"{low} to {high}"
        return f"{_short(low)} to {_short(high)}"

    def described(self, role: str) -> dict[str, Any]:
        """A row of the table that is shown before training."""
        numbering = f"numbers the rows: an identifier? --ignore {shell.quote(self.name)} leaves it out"
        told = (self.unit and f"in {self.unit}", self.note, role == "feature" and self.numbers_rows and numbering)
        note = "; ".join(part for part in told if part)
        return {
            "name": self.name,
            "role": role,
            "kind": {"": self.kind, "time": "time"}.get(self.date, "date"),
            "missing": self.missing,
            "holds": self._held(),
            "note": note,
        }


def understand(
    table: TableFile,
    target: str | None = None,
    decimal: str | None = None,
    categorical: Sequence[str] = (),
    missing: Missing = "error",
    learned: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[TableFile, dict[str, Column]]:
    """Every column of the table that can be learned from, and the table of the rows and columns that remain.

    Left out, with the reason in the table's notes, are columns without a value, of names and identifiers, and of dates
    that can be read in two ways; of the target this is an error.

    Args:
        decimal: "." or ",", where the cells do not say it themselves.
        categorical: columns whose cells are categories, whatever they look like.
        missing: what a cell without a value is: an error, the end of its row, or a category of its own; with "mean" and
            "indicator", a category of its own among texts, NaN among numbers, for the caller to fill in, and in the
            target the end of its row.
        learned: of a run that has learned from such columns, for each its kind, unit and decimal mark: they are read
            as those were, and a cell that could be something else now is an error.

    Raises:
        DataError: a cell, column or unit that cannot be understood in one way; with its place and the ways out.
    """
    learned = learned or {}
    kinds = {
        name: learned[name]["kind"] if name in learned else _kind(table, name, name == target, categorical)
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
            raise _gap(table, name, rows, kinds[name], name == target)
    counts = {name: len(rows) for name, rows in gaps.items()}
    out = {row for name, rows in gaps.items() if not filled or name == target for row in rows}
    if out:
        table = table.keep([row for row in range(len(table.row_numbers)) if row not in out])
        if not table.row_numbers:
            raise DataError(f"{table.path}: every row has a cell without a value, so --missing {missing} leaves none")
        gaps = {name: _gaps(cells, kinds[name], ways[name]) for name, cells in table.columns.items()}
    numbers = [name for name, kind in kinds.items() if kind == "number"]
    marks, notes = _decimal_marks(table, numbers, decimal, learned)
    columns = {}
    for name, cells in table.columns.items():
        if kinds[name] == "date":
            order = learned[name]["date"] if name in learned else _order(cells, gaps[name])
            columns[name] = _dates(table, name, order or "", counts[name], gaps[name] if filled else ())
        elif kinds[name] == "category":
            if name == target and name not in categorical and _are_names(cells):
                raise _names_as_target(table, name)
            columns[name] = Column(name, "category", np.array(cells), missing=counts[name])
        else:
            empty = gaps[name] if filled else ()
            columns[name] = _numbers(table, name, marks[name], notes[name], counts[name], learned.get(name), empty)
    if not learned:
        numbering = [
            name for name in columns if name != target and _IDENTIFIER.match(name) and columns[name].numbers_rows
        ]
        table = _left_out(table, dict.fromkeys(numbering, "numbers the rows: an identifier"), target)
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
        return f"holds {distinct:,} different texts in {len(cells):,} rows: names, or --categorical {_quoted(name)}"
    return ""


def _order(cells: Sequence[str], gaps: Sequence[int]) -> str | None:
    """What `Column.date` says of dates and times, None where they can be read in two ways."""
    there = [cell for cell in cells if is_date_or_time(cell)]
    if all(map(dates.is_time, there)):
        return "time"
    order = dates.order_of(there)
    return order if order is None else order or "date"


def _dates(table: TableFile, name: str, order: str, missing: int, gaps: Sequence[int]) -> Column:
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
                f"the column holds others: correct the cell, {_leave_out(name)}, or, where its cells are categories, "
                f"{_as_category(name)}"
            )
    note = "as hours" if order == "time" else "as days" + (f", the {order}" if " " in order else "")
    return Column(name, "number", np.array(values, np.float64), missing=missing, date=order, note=note)


def _kind(table: TableFile, name: str, is_target: bool, categorical: Sequence[str]) -> Kind:
    """What a column holds: numbers or dates, if at least half of the cells with a value are some; else categories."""
    if name in categorical:
        return "category"
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
        return "number"
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
            f"is a class, {_as_category(name)}"
        )
    return "category"


def _gaps(cells: Sequence[str], kind: str, missing: Missing) -> list[int]:
    """The rows, from 0, whose cell has no value."""
    if kind == "category":
        return (
            [] if missing == "category" or missing in FILLED else [i for i, cell in enumerate(cells) if cell in MISSING]
        )
    return [
        i
        for i, cell in enumerate(cells)
        if cell in MISSING or (numeral(cell) is None and cell.lower() in MISSING_NUMBER)
    ]


def _gap(table: TableFile, name: str, rows: Sequence[int], kind: str, is_target: bool) -> DataError:
    cell = table.columns[name][rows[0]]
    shown = f"holds {cell!r} for a missing value" if cell else "is empty"
    others = f" (and {len(rows) - 1:,} more cells of the column)" if len(rows) > 1 else ""
    column = "" if is_target else f", --ignore {_quoted(name)} the column"
    fill = "" if is_target else ", or fill it in with --missing mean (indicator: with a column that says where)"
    own = "" if kind == "number" else ", or take it for a category of its own with --missing category"
    return DataError(
        f"{table.place(name, rows[0])} {shown}{others}: fill it in, or remove the row or the column (--missing drop "
        f"leaves out such rows{column}){own}{fill}"
    )


def _decimal_marks(
    table: TableFile, names: Sequence[str], asked: str | None, learned: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, str], dict[str, str]]:
    """The decimal mark of each column of numbers, and a note where it was not the column itself that said it."""
    said: dict[str, str] = {}  # by a cell that can be read in one way only
    open_: dict[str, int] = {}  # to the row of a cell that can be read in two
    for name in names:
        rows: dict[str, int] = {}
        for i, cell in enumerate(table.columns[name]):
            number = numeral(cell)
            if number is None:
                continue
            if len(number.decimals) == 1:
                rows.setdefault(number.decimals, i)
            elif number.is_ambiguous:
                open_.setdefault(name, i)
        if len(rows) == 2 and asked is None:
            point, comma = (table.columns[name][rows[mark]] for mark in ".,")
            raise DataError(
                f"{table.place(name, rows[','])}: {comma!r} has a decimal comma or thousands with points, and row "
                f"{table.row_numbers[rows['.']]} of the column, {point!r}, a decimal point or thousands with commas: "
                f"write all of its numbers in one way"
            )
        if rows:
            said[name] = next(iter(rows))
    elsewhere = set(said.values())
    marks, notes = {}, {}
    for name in names:
        notes[name] = ""
        if asked is not None:
            marks[name] = asked
            notes[name] = f"decimal {_MARKS[asked]}, as asked" if name in said or name in open_ else ""
        elif name in said:
            marks[name] = said[name]
            notes[name] = "decimal comma" if said[name] == "," else ""
        elif name not in open_:
            marks[name] = ""
        else:
            cell = table.columns[name][open_[name]]
            before = learned.get(name, {}).get("decimal", "")
            usual = "." if "," not in cell and before != "," else ""  # 1.234, as every program writes it
            if len(elsewhere) == 1:
                marks[name] = next(iter(elsewhere))
                other = next(other for other in said if said[other] == marks[name])
                if marks[name] != "." or "," in cell:
                    notes[name] = f"decimal {_MARKS[marks[name]]}, as in {other!r}: {cell} is " + _short(
                        _value(cell, marks[name])
                    )
            elif before == "," and "," in cell:
                marks[name] = before
            elif usual:
                marks[name] = usual
            else:
                as_point, as_comma = _short(_value(cell, ".")), _short(_value(cell, ","))
                raise DataError(
                    f"{table.place(name, open_[name])}: {cell!r} may be {as_point} or {as_comma}, and no other cell "
                    f"says which: write it without a mark for thousands, or say what the decimal mark is: --decimal . "
                    f"({cell} is {as_point}) or --decimal , ({cell} is {as_comma})"
                )
    return marks, notes


def _value(cell: str, mark: str) -> float:
    number = numeral(cell)
    value = number.read(mark) if number else None
    return float("nan") if value is None else value


def _numbers(
    table: TableFile,
    name: str,
    mark: str,
    note: str,
    missing: int,
    learned: Mapping[str, str] | None,
    gaps: Sequence[int] = (),
) -> Column:
    """A column of numbers, every cell of which is one, but for `gaps`, which are NaN."""
    cells = table.columns[name]
    numerals = [numeral(cell) for cell in cells]
    values = [None if number is None else number.read(mark or ".") for number in numerals]
    for i in gaps:
        numerals[i], values[i] = None, float("nan")
    for i, value in enumerate(values):
        if value is None:
            how = f" with a decimal {_MARKS[mark]}" if numerals[i] is not None and mark else ""
            raise DataError(
                f"{table.place(name, i)}: {cells[i]!r} is not a number{how}, and the column holds numbers in "
                f"{sum(v is not None for v in values)} of its {len(values)} rows: correct the cell, "
                f"{_leave_out(name)}, or, where its cells are categories, {_as_category(name)}"
            )
    present = [number for number in numerals if number is not None]
    unit = _unit(table, name, present, learned)
    array = np.array(values, dtype=np.float64)
    exact = None
    if (array == np.floor(array)).all():
        if (np.abs(array) < LARGEST_EXACT).all():
            exact = tuple(int(value) for value in array)
        else:
            numbers = [number.exact(mark or ".") for number in present]
            if all(number is not None and number == int(number) for number in numbers):
                exact = tuple(int(number) for number in numbers if number is not None)
    return Column(name, "number", array, exact, unit, mark, missing, note)


def check_distinct(table: TableFile, column: Column) -> None:
    """Raise where two numbers of a column are told apart by more digits than a float64 has."""
    if column.exact is None or max(map(abs, column.exact)) < LARGEST_EXACT:
        return
    first: dict[float, int] = {}
    for i, (value, whole) in enumerate(zip(column.values.tolist(), column.exact, strict=True)):
        before = first.setdefault(value, i)
        if column.exact[before] != whole:
            raise DataError(
                f"{table.place(column.name, i)}: {whole} and {column.exact[before]} (row {table.row_numbers[before]}) "
                f"are one number in float64, which has 16 digits. If they are names, {_as_category(column.name)} or "
                f"{_leave_out(column.name)}"
            )


def _unit(table: TableFile, name: str, numerals: Sequence[Numeral], learned: Mapping[str, str] | None) -> str:
    """The unit of all cells of a column, which must be one."""
    units = Counter(number.unit.rstrip(".") for number in numerals)
    bare = units.pop("", 0)
    known = learned.get("unit", "") if learned is not None else None
    if len(units) > 1:
        (usual, _), (other, _) = units.most_common(2)
        row = next(i for i, number in enumerate(numerals) if number.unit.rstrip(".") == other)
        raise DataError(
            f"{table.place(name, row)}: {numerals[row].text!r} is in {other!r}, where {units[usual]} other cells of "
            f"the column are in {usual!r}: write all in one unit, {_leave_out(name)}, or, where its cells are "
            f"categories, {_as_category(name)}"
        )
    unit = next(iter(units), "")
    money = bool(unit) and not any(number.is_word for number in numerals) and unit not in ("%", "‰")
    if unit and bare and not money:  # 5% and 5, 3 kg and 3: is the second meant in the same unit?
        rows = [
            i for i, number in enumerate(numerals) if not number.unit and any(c in "123456789" for c in number.digits)
        ]
        if rows:
            raise DataError(
                f"{table.place(name, rows[0])}: {numerals[rows[0]].text!r} has no {unit!r}, as {units[unit]} other "
                f"cells of the column have: write it at all of them or at none"
            )
    if known is not None and unit != known and not (money and not known) and not (not unit and _is_money(known)):
        shown = f"{numerals[0].text!r} is in {unit!r}" if unit else f"{numerals[0].text!r} has no unit"
        was = f"in {known!r}" if known else "without a unit"
        raise DataError(
            f"{table.place(name, 0)}: {shown}, and the run learned from numbers {was}: write them in the same way"
        )
    return unit


def _is_money(unit: str) -> bool:
    sample = numeral(f"{unit}5") or numeral(f"5{unit}")
    return sample is not None and bool(sample.unit) and not sample.is_word and unit not in ("%", "‰")


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
        f"another target, or, where they are classes all the same, {_as_category(name)}"
    )


def _leave_out(name: str) -> str:
    return f"leave the column out with --ignore {_quoted(name)}"


def _as_category(name: str) -> str:
    return f"say so with --categorical {_quoted(name)}"


def _quoted(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'


def _short(value: float) -> str:
    """A number as one writes it: 1234, 1.234, 1e+20."""
    return (
        f"{value:d}"
        if isinstance(value, int)
        else np.format_float_positional(value, 6, fractional=False, trim="-")
        if 1e-4 <= abs(value) < 1e15 or value == 0
        else f"{value:.6g}"
    )
