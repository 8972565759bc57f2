"""A table from a CSV file: numbers standardised, categories one-hot, the target a class or a real number."""

import difflib
import math
import os
from collections.abc import Mapping, Sequence
from csv import Error, reader
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.datasets.characters import read_text
from pellucid.datasets.record import DataError, DataSet, Task, generator, mean_and_std, split

# What people and programs write for a number that they do not have.
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}
MOST_CATEGORIES = 256  # a text column with more is a name or an identifier, not a category
MOST_CLASSES = 20  # a target of whole numbers with more different values is a quantity


def csv(
    path: str | os.PathLike[str],
    target: str,
    val_fraction: float = 0.2,
    seed: int = 0,
    task: Task | None = None,
    categorical: Sequence[str] = (),
) -> DataSet:
    """Read a CSV file with a header row; learn the column `target` from the others.

    Columns: one whose cells are numbers is standardised, (x − mean) / std; one of texts becomes a column of 0 and 1 for
    each category. Means, deviations and categories are those of the training part alone: a category met only in
    validation is 0 in all of its columns (`facts["unseen_categories"]` counts such cells). If at least half of a
    column's cells are numbers, it is a column of numbers and the others are mistakes.

    Target: texts are classes; so are whole numbers of at most 20 different values, each met twice or more on average;
    other numbers are a regression, standardised like the features (`facts["target_mean"]`, `facts["target_std"]`).

    Args:
        task: "classification" or "regression", where that guess is not what is wanted.
        categorical: columns to be taken as categories although their cells look like numbers (a postcode).

    Shape: x (N, features) float32; y (N,) int64 for classes, (N, 1) float32 for a regression.

    Raises:
        DataError: the file is missing, empty or malformed; no such target; a cell that is missing or is not a number,
            named by its row (as the file's rows are counted, the header being row 1) and its column.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "pets.csv"
        ...     _ = path.write_text(
        ...         "weight,fur,kind\\n" + "4,long,cat\\n5,short,cat\\n20,long,dog\\n30,short,dog\\n" * 5
        ...     )
        ...     data = csv(path, target="kind")
        >>> data
        DataSet(pets.csv: classification, 2 classes; 16 train, 4 val; a sample is (3,))
        >>> data.feature_names, data.class_names
        (('weight', 'fur=long', 'fur=short'), ('cat', 'dog'))
    """
    path = Path(path).expanduser()
    table = read_table(path)
    for name, what in [(target, "target"), *((name, "categorical column") for name in categorical)]:
        if name not in table.columns:
            raise no_such_column(name, table, what)
    if task not in (None, "classification", "regression"):
        raise DataError(f"a task is 'classification' or 'regression', received {task!r}")
    if len(table.columns) == 1:
        raise DataError(f"{path} has no column but the target {target!r}: there is nothing to learn it from")
    n = len(table.row_numbers)
    if n < 2:
        raise DataError(f"{path} has {n} row{'' if n == 1 else 's'} below its header: at least 2 are needed")
    # Every cell is read before anything is split, so that a bad one is found wherever it falls.
    cells = {
        name: table.texts(name) if name in categorical or not table.is_numeric(name) else table.numbers(name)
        for name in table.columns
    }
    target_cells = cells.pop(target)
    train, val = split(n, val_fraction, generator(seed))

    x, feature_names, facts = features(cells, train, path)
    decided, why = (task, "as asked") if task else guess_task(target_cells)
    facts["task_because"] = why
    class_names: tuple[str, ...] = ()
    if decided == "classification":
        y, class_names = class_numbers(target, target_cells, path)
    else:
        if target_cells.dtype.kind == "U":
            raise DataError(
                f"{path}: the target {target!r} holds texts, and a regression needs numbers: ask for a classification"
            )
        mean, std = mean_and_std(target_cells[train])
        y = ((target_cells - mean) / std).astype(np.float32)[:, None]  # (N,) -> (N, 1)
        facts["target_mean"], facts["target_std"] = float(mean), float(std)
    return DataSet(
        name=path.name,
        description=f"{n:,} rows of {path.name}; {decided} of {target!r} ({why})",
        task=decided,
        x_train=x[train],
        y_train=y[train],
        x_val=None if val is None else x[val],
        y_val=None if val is None else y[val],
        feature_names=feature_names,
        class_names=class_names,
        facts=facts,
    )


def features(
    cells: dict[str, np.ndarray], train: np.ndarray, path: Path
) -> tuple[np.ndarray, tuple[str, ...], dict[str, Any]]:
    """Columns of numbers (float64) and of texts (str), by name -> `x` (N, features), its columns' names, and facts."""
    blocks: list[np.ndarray] = []
    names: list[str] = []
    facts: dict[str, Any] = {
        "columns": list(cells),
        "feature_mean": {},
        "feature_std": {},
        "categories": {},
        "unseen_categories": 0,
    }
    for name, column in cells.items():
        if column.dtype.kind == "f":
            mean, std = mean_and_std(column[train])
            blocks.append(((column - mean) / std)[:, None])
            names.append(name)
            facts["feature_mean"][name], facts["feature_std"][name] = float(mean), float(std)
            continue
        categories = np.unique(column[train])
        if len(categories) > MOST_CATEGORIES:
            raise DataError(
                f"{path}: column {name!r} holds {len(categories)} different texts ({str(categories[0])!r}, "
                f"{str(categories[1])!r}, …): more than {MOST_CATEGORIES} are no categories to learn from; "
                f"remove the column"
            )
        one_hot = column[:, None] == categories  # (N, 1), (C,) -> (N, C)
        blocks.append(one_hot)
        names.extend(f"{name}={category}" for category in categories)
        facts["categories"][name] = categories.tolist()
        facts["unseen_categories"] += int((~one_hot.any(axis=1)).sum())
    return np.concatenate(blocks, axis=1, dtype=np.float64).astype(np.float32), tuple(names), facts


def read_features(table: "Table", facts: Mapping[str, Any]) -> np.ndarray:
    """The rows of another file as `csv` would give them: by the means, deviations and categories in `facts`.

    The file needs the columns that were learned from, in any order, and may have others; a category that training did
    not meet is 0 in all of its columns.

    Shape: (N, features) float32.
    """
    blocks: list[np.ndarray] = []
    numbers, texts = facts["feature_mean"], facts["categories"]
    order = facts.get("columns") or [*numbers, *texts]
    if not table.row_numbers:
        raise DataError(f"{table.path} has no rows below its header")
    for name in order:
        if name not in table.columns:
            raise no_such_column(name, table, "feature that was learned from")
        if name in numbers:
            blocks.append(((table.numbers(name) - numbers[name]) / facts["feature_std"][name])[:, None])
        else:
            blocks.append(table.texts(name)[:, None] == np.array(texts[name]))
    return np.concatenate(blocks, axis=1, dtype=np.float64).astype(np.float32)


def guess_task(cells: np.ndarray) -> tuple[Task, str]:
    """Whether a target column, of texts or of numbers, holds classes or a quantity; and the reason in words."""
    if cells.dtype.kind == "U":
        return "classification", "its cells are texts"
    if not (cells == np.round(cells)).all():
        return "regression", "its cells are real numbers"
    distinct = len(np.unique(cells))
    if distinct <= MOST_CLASSES and 2 * distinct <= len(cells):
        return "classification", f"it holds {distinct} different whole numbers"
    return "regression", f"it holds {distinct} different whole numbers in {len(cells)} rows"


def class_numbers(target: str, cells: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Each row's class number (N,) int64, and the names of the classes: in the order of numbers, or of texts."""
    distinct, y = np.unique(cells, return_inverse=True)
    names = tuple(
        str(int(value) if isinstance(value, float) and value.is_integer() else value) for value in distinct.tolist()
    )
    if len(names) == 1:
        raise DataError(f"{path}: the target {target!r} is {names[0]!r} in every row: there is nothing to learn")
    return y.astype(np.int64), names


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file by column, as text, and the row of the file that each came from."""

    path: Path
    columns: dict[str, list[str]]
    row_numbers: list[int]

    def is_numeric(self, name: str) -> bool:
        """Whether at least half of the column's cells, those without a value left out, are numbers."""
        present = [cell for cell in self.columns[name] if cell.lower() not in MISSING]
        if not present:
            raise DataError(f"{self.path}: column {name!r} holds no value in any row: remove it")
        return 2 * sum(number(cell) is not None for cell in present) >= len(present)

    def numbers(self, name: str) -> np.ndarray:
        """A column of numbers as (N,) float64."""
        values = [number(cell) for cell in self.columns[name]]
        for value, cell, row in zip(values, self.columns[name], self.row_numbers, strict=True):
            if value is not None:
                continue
            if cell.lower() in MISSING:
                raise self.missing(cell, name, row)
            raise DataError(
                f"{self.path}, row {row}, column {name!r}: {cell!r} is not a number, and the column holds numbers in "
                f"{sum(v is not None for v in values)} of its {len(values)} rows: correct the cell"
            )
        return np.array(values, dtype=np.float64)

    def texts(self, name: str) -> np.ndarray:
        """A column of texts as (N,) str, none of them empty."""
        for cell, row in zip(self.columns[name], self.row_numbers, strict=True):
            if not cell:
                raise self.missing(cell, name, row)
        return np.array(self.columns[name])

    def missing(self, cell: str, name: str, row: int) -> DataError:
        shown = f"holds {cell!r} for a missing value" if cell else "is empty"
        return DataError(
            f"{self.path}, row {row}, column {name!r} {shown}: fill it in, or remove the row or the column"
        )


def read_table(path: Path) -> Table:
    """The columns of a CSV file with a header; separated by commas, or by semicolons or tabs if its header is.

    Raises:
        DataError: the file cannot be read, is empty, is not CSV, has a header that does not name each column once, or
            a row of another length.
    """
    content = read_text(path)
    if not content.strip():
        raise DataError(f"{path} is empty: a header row that names the columns, and rows below it, were expected")
    first_line = content.lstrip().splitlines()[0]
    delimiter = next((mark for mark in ",;\t" if mark in first_line), ",")
    header: list[str] | None = None
    rows: list[list[str]] = []
    row_numbers: list[int] = []
    lines = reader(StringIO(content, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        for row_number, row in enumerate(lines, start=1):
            cells = [cell.strip() for cell in row]
            if not any(cells) and len(cells) <= 1:
                continue  # an empty line
            if header is None:
                header = cells
                check_header(header, path)
            elif len(cells) != len(header):
                raise DataError(
                    f"{path}, row {row_number} has {len(cells)} cells where the header names {len(header)} columns: "
                    f"a {'separator is missing' if len(cells) < len(header) else 'text with a comma needs quotes'}?"
                )
            else:
                rows.append(cells)
                row_numbers.append(row_number)
    except Error as error:
        raise DataError(
            f"{path} is not well-formed CSV ({error}), near line {lines.line_num}: a quotation mark left open?"
        ) from error
    names = header or []
    return Table(path, {name: [row[i] for row in rows] for i, name in enumerate(names)}, row_numbers)


def check_header(header: list[str], path: Path) -> None:
    """Raise unless the first row names each column once."""
    for i, name in enumerate(header):
        if not name:
            raise DataError(
                f"{path}: column {i + 1} has no name in the header row. Name it, or remove it if it only numbers the "
                f"rows (pandas writes such a column: to_csv(…, index=False) does not)"
            )
        if name in header[:i]:
            raise DataError(
                f"{path}: columns {header.index(name) + 1} and {i + 1} are both named {name!r}: rename one of them"
            )
    if all(number(name) is not None for name in header):
        raise DataError(
            f"{path}: the first row must name the columns, and holds only numbers ({', '.join(header[:5])}"
            f"{', …' if len(header) > 5 else ''}): add a header row"
        )


def no_such_column(name: str, table: Table, what: str) -> DataError:
    """The error for a column that is not there, with those that are and the nearest to what was asked for."""
    columns = list(table.columns)
    folded = {column.lower(): column for column in columns}
    near = difflib.get_close_matches(str(name).lower(), folded, n=1)
    hint = f" Did you mean {folded[near[0]]!r}?" if near else ""
    shown = ", ".join(columns[:20]) + (f", … ({len(columns)} in all)" if len(columns) > 20 else "")
    return DataError(f"{table.path} has no column {name!r} to be the {what}; its columns are: {shown}.{hint}")


def number(cell: str) -> float | None:
    """The finite number that a cell holds, or None. Python's own 1_000 is not one that a table writes."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in cell else None
