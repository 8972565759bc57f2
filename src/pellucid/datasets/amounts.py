"""Columns of numbers: the decimal mark of each, the unit, and what the cells then are."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.datasets.column import Column, as_category, leave_out, otherwise, short
from pellucid.datasets.numerals import LARGEST_EXACT, Numeral, numeral
from pellucid.datasets.record import DataError
from pellucid.datasets.sheet import TableFile

LEAST_GROUPED = 10  # numbers such as 52,514 that say by their number that the comma marks thousands
_MARKS = {".": "point", ",": "comma"}


def decimal_marks(
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
            grouped = "," in cell and table.separator == "," and (before == "." or _has_groups(table, name))
            if len(elsewhere) == 1:
                marks[name] = next(iter(elsewhere))
                other = next(other for other in said if said[other] == marks[name])
                if marks[name] != "." or "," in cell:
                    notes[name] = f"decimal {_MARKS[marks[name]]}, as in {other!r}: {cell} is " + short(
                        _value(cell, marks[name])
                    )
            elif before == "," and "," in cell:
                marks[name] = before
            elif usual:
                marks[name] = usual
            elif grouped:
                marks[name] = "."
                notes[name] = f"commas mark thousands: {cell} is {short(_value(cell, '.'))}"
            else:
                as_point, as_comma = short(_value(cell, ".")), short(_value(cell, ","))
                raise DataError(
                    f"{table.place(name, open_[name])}: {cell!r} may be {as_point} or {as_comma}, and no other cell "
                    f"says which: write it without a mark for thousands, or say what the decimal mark is: --decimal . "
                    f"({cell} is {as_point}) or --decimal , ({cell} is {as_comma})"
                )
    return marks, notes


def _has_groups(table: TableFile, name: str) -> bool:
    """Whether the commas in a column that is written throughout as 52,514 or 7 mark thousands.

    Asked where commas also separate the cells, so that each such number had to be put into quotation marks: they do
    where enough numbers have one, as of decimals some would have other than three digits or begin with a zero. A number
    of more than three digits without a mark speaks against it.
    """
    cells = [cell for cell in table.columns[name] if numeral(cell) is not None]
    marked = sum("," in cell for cell in cells)
    bare = all("," in cell or sum(char.isdigit() for char in cell) <= 3 for cell in cells)
    return marked >= LEAST_GROUPED and bare


def numbers(
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
                f"{sum(v is not None for v in values)} of its {len(values)} rows: correct the cell"
                f"{otherwise(name, learned is not None)}"
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
                f"are one number in float64, which has 16 digits. If they are names, {as_category(column.name)} or "
                f"{leave_out(column.name)}"
            )


def _value(cell: str, mark: str) -> float:
    number = numeral(cell)
    value = number.read(mark) if number else None
    return float("nan") if value is None else value


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
            f"the column are in {usual!r}: write all in one unit{otherwise(name, learned is not None)}"
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
