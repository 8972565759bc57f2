"""The cells of a table in a text file, by column: which mark separates them, and which rows and names they have."""

import difflib
from collections import Counter
from collections.abc import Sequence
from csv import Error, reader
from dataclasses import dataclass, replace
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

from pellucid.datasets.characters import read_text
from pellucid.datasets.columnar import is_columnar, read_columns
from pellucid.datasets.header import NAMELESS, named
from pellucid.datasets.numerals import numeral
from pellucid.datasets.record import DataError

SEPARATORS = ",;\t|"
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_TRIED = 200  # rows from which the separator is found


@dataclass(frozen=True)
class TableFile:
    """The cells of a file by column, as texts, and the row of the file that each came from (its first is row 1)."""

    path: Path
    columns: dict[str, list[str]]
    row_numbers: list[int]
    notes: tuple[tuple[str, str], ...] = ()  # a column that was left out, and why
    first: tuple[str, ...] = ()  # the names as the file has them, empty ones, too
    separator: str = ""  # between its cells; of a file that is no text, none

    def keep(self, rows: Sequence[int]) -> "TableFile":
        """The table of these rows, counted from 0."""
        columns = {name: [cells[i] for i in rows] for name, cells in self.columns.items()}
        return replace(self, columns=columns, row_numbers=[self.row_numbers[i] for i in rows])

    def place(self, name: str, row: int) -> str:
        """Where a cell lies, `row` counted from 0: the beginning of a message about it."""
        return f"{self.path}, row {self.row_numbers[row]}, column {name!r}"


def read_table(path: Path, header: bool | None = None, encoding: str | None = None) -> TableFile:
    """The columns of a table whose first row names them; where `header` is False, they are called c1, c2, …

    A first row that looks like those below it is refused, unless `header` is True. A column without a name is left out
    where it is empty or an index.

    Its cells are separated by commas, semicolons, tabs or vertical bars: by the one that the first line names, if it
    is Excel's `sep=;`; else by the one that divides the first row and those below it into equally many cells, quotation
    marks respected. A Parquet or Arrow (Feather) file has names and columns of its own (`columnar`).

    Raises:
        DataError: the file cannot be read, is empty, is not CSV, has no header or one that names two columns alike, or
            a row of another length; or two marks divide it equally well.
    """
    if is_columnar(path):
        columns = {name or NAMELESS: cells for name, cells in read_columns(path).items()}
        count = len(next(iter(columns.values()), ()))
        return TableFile(path, columns, list(range(1, count + 1)), first=tuple(columns))
    content = read_text(path, encoding)
    if not content.strip():
        wanted = "rows" if header is False else "a header row that names the columns, and rows below it,"
        raise DataError(f"{path} is empty: {wanted} were expected")
    if "\0" in content:
        raise DataError(f"{path} is not a text file: it holds NUL characters. Save the table as CSV in UTF-8")
    separator, content, skipped = _declared(content)
    content, comments = _below_comments(content)
    skipped += comments
    if separator is None:
        separator = _found(content, path)
    names: list[str] | None = None
    rows: list[list[str]] = []
    row_numbers: list[int] = []
    lines = _reader(content, separator)
    try:
        for row_number, row in enumerate(lines, start=1 + skipped):
            cells = [cell.strip() for cell in row]
            if not any(cells) and (len(cells) <= 1 or names is None):
                continue  # an empty line
            if names is None and header is not False:
                names = cells
                continue
            if names is None:
                names = [f"c{i + 1}" for i in range(len(cells))]
            if len(cells) > len(names) and not any(cells[len(names) :]):
                cells = cells[: len(names)]  # separators at the end of the row
            if len(cells) != len(names):
                raise _ragged(path, row_number, cells, names, separator)
            if any(cells):
                rows.append(cells)
                row_numbers.append(row_number)
    except Error as error:
        raise DataError(
            f"{path} is not well-formed CSV ({error}), near line {lines.line_num + skipped}: a quotation mark left "
            f"open?"
        ) from error
    columns, notes = named(names or [], rows, path, sure=header is not None)
    return TableFile(path, columns, row_numbers, notes, tuple(names or ()), separator)


def no_such_column(name: object, table: TableFile, purpose: str, also: Sequence[str] = ()) -> DataError:
    """The error for a column that is not there, with those that are and the nearest to what was asked for.

    Args:
        purpose: of the column, in words that go on after its name.
        also: others that are not there either.
    """
    columns = list(table.columns)
    folded = {column.lower(): column for column in columns}
    near = difflib.get_close_matches(str(name).lower(), folded, n=1, cutoff=0.7)
    hint = f" Did you mean {folded[near[0]]!r}?" if near else ""
    numbers = [column for column in columns if numeral(column) is not None]
    if numbers and not near:
        hint = f" Does the file lack a header row (--no-header)? Its first row holds {numbers[0]}."
    elif len(columns) == 1:
        hint += " Are its cells separated by something else than commas, semicolons, tabs or vertical bars?"
    shown = ", ".join(columns[:20]) + (f", … ({len(columns)} in all)" if len(columns) > 20 else "")
    more = f" (nor {', '.join(map(repr, also))})" if also else ""
    return DataError(f"{table.path} has no column {name!r}{more} {purpose}; its columns are: {shown}.{hint}")


def _declared(content: str) -> tuple[str | None, str, int]:
    """The separator that Excel's first line `sep=;` names, what follows that line, and the number of lines it took."""
    first, end, rest = content.partition("\n") if "\n" in content else content.partition("\r")
    line = first.rstrip("\r").strip(' "')
    if line[:4].lower() == "sep=" and len(line) == 5 and end:
        return line[4], rest, 1
    return None, content, 0


def _below_comments(content: str) -> tuple[str, int]:
    """What follows the lines of comment, which begin with `#`, that stand above a table, and the number of them.

    The last of them is the header where it has as many cells as the line below it, as NumPy writes one: its `#` goes.
    """
    lines = content.splitlines(keepends=True)
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if not 0 < count < len(lines):
        return content, 0
    header, below = lines[count - 1].lstrip("#").lstrip(), lines[count]
    for mark in SEPARATORS:
        names, cells = (next(iter(_first_rows(line, mark)), []) for line in (header, below))
        if len(names) == len(cells) > 1:
            if any(numeral(cell.strip()) is not None for cell in cells):
                return "".join([header, *lines[count:]]), count - 1
            return content, 0  # a header of texts, or a comment with as many marks: not to be told
    return "".join(lines[count:]), count


def _found(content: str, path: Path) -> str:
    """The mark that divides the rows into equally many cells; a comma where none does."""
    widths: dict[str, Counter[int]] = {}
    headers: dict[str, list[str]] = {}
    for mark in SEPARATORS:
        rows = _first_rows(content, mark)
        if rows and len(rows[0]) > 1:
            headers[mark] = rows[0]
            widths[mark] = Counter(len(row) for row in rows[1:] or rows)
    if not headers:
        return ","
    share = {mark: counts[len(headers[mark])] / counts.total() for mark, counts in widths.items()}
    best = [mark for mark in headers if share[mark] == max(share.values())]
    if len(best) > 1 and share[best[0]] == 1:  # all rows fit two marks: a comma with a blank behind it is prose
        first_line = content.lstrip().splitlines()[0]
        prose = [mark for mark in best if f"{mark} " in first_line]
        best = [mark for mark in best if mark not in prose] or best
    if len(best) > 1 and share[best[0]] == 1:
        ways = " or ".join(f"by {_NAMES[mark]} ({', '.join(map(repr, headers[mark][:4]))})" for mark in best)
        raise DataError(
            f"{path}: its cells may be separated {ways}. Put the cells that hold such a mark in quotation marks, or "
            f"say which one separates in a first line, as Excel does: sep={best[0]}"
        )
    return best[0] if len(best) == 1 else max(best, key=lambda mark: len(headers[mark]))


def _first_rows(content: str, mark: str) -> list[list[str]]:
    """The first rows as `mark` divides them, without the empty cells at their ends; as many as are well-formed."""
    rows: list[list[str]] = []
    try:
        for row in islice(_reader(content, mark), _TRIED):
            while len(row) > 1 and not row[-1].strip():
                row.pop()
            if any(cell.strip() for cell in row):
                rows.append(row)
    except Error:  # a quotation mark that makes no sense: perhaps as this mark divides, certainly not to be told here
        pass
    if rows:  # cells may be empty at the end of a row where the header has a name
        width = len(rows[0])
        rows = [row + [""] * (width - len(row)) if 1 < len(row) < width else row for row in rows]
    return rows


def _reader(content: str, separator: str) -> Any:  # the csv module does not export the type
    # A blank after a separator is no part of a quoted cell; where the separator is a tab, it is itself a blank.
    blank = separator != "\t"
    return reader(StringIO(content, newline=""), delimiter=separator, strict=True, skipinitialspace=blank)


def _ragged(path: Path, row_number: int, cells: list[str], header: list[str], separator: str) -> DataError:
    short = len(cells) < len(header)
    numbers = sum(numeral(cell) is not None for cell in cells)
    mark = _NAMES.get(separator, separator).removesuffix("s")
    hint = "a separator is missing?" if short else f"a text with a {mark} needs quotes?"
    if not short and separator == "," and 2 * numbers > len(cells):
        hint = (
            'a number with a comma needs quotes ("52,4"), or the cells another separator, such as a semicolon? A text '
            "with a comma needs quotes, too"
        )
    if len(header) == 1 < len(cells):  # a title or a comment above the table
        hint = f"does {header[0]!r} name the columns? Else remove the lines above those that do"
    return DataError(
        f"{path}, row {row_number} has {len(cells)} cells where the header names {len(header)} "
        f"column{'' if len(header) == 1 else 's'}: {hint}"
    )
