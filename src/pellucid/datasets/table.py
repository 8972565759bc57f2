"""A data set from a table: numbers standardised, categories one-hot, the target a class or a real number."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.datasets.amounts import check_distinct
from pellucid.datasets.column import FILLED, WAYS, Column, Missing
from pellucid.datasets.features import features, scale
from pellucid.datasets.header import NAMELESS
from pellucid.datasets.identifiers import suspicion
from pellucid.datasets.reading import understand
from pellucid.datasets.record import DataError, DataSet, Task, generator, split, split_by_class, split_fold
from pellucid.datasets.sheet import TableFile, no_such_column, read_table
from pellucid.datasets.target import class_numbers, guess_task, joined


def csv(
    path: str | os.PathLike[str],
    target: str,
    val_fraction: float = 0.2,
    seed: int = 0,
    task: Task | None = None,
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    ignore: Sequence[str] = (),
    decimal: str | None = None,
    missing: Missing = "error",
    header: bool | None = None,
    encoding: str | None = None,
    stratify: bool = True,
    folds: int | None = None,
    fold: int | None = None,
) -> DataSet:
    r"""Read a CSV file with a header row; learn the column `target` from the others.

    Columns: one whose cells are numbers is standardised, (x − mean) / std; one of texts becomes a column of 0 and 1 for
    each category. Means, deviations and categories are those of the training part alone: a category met only in
    validation is 0 in all of its columns (`facts["unseen"]` names such categories). If at least half of a column's
    cells are numbers, it is a column of numbers and the others are mistakes. Digits with a zero before them (007,
    01067) are codes, and so categories.

    Numbers are read as people write them: 1,000.50 or 1.000,50 (a column has one decimal mark; where no cell says
    which, another column of the file may), 1 000 and 1'000, $2.50, 5% (which is 0.05), (3.2) for −3.2, 12 kg where all
    cells are in kg. Dates are days since 1970-01-01, times of day are hours, and both are on a clock, too, by sine
    and cosine, where there are hours. A column with more than half as many
    different texts as rows holds names: it is left out, and so are one without a value, one that is called an id and
    numbers the rows, and dates such as 1/2/2024 where no cell says which is the month.

    Target: texts are classes; so are whole numbers of at most 20 different values, each met twice or more on average;
    other numbers are a regression, standardised like the features (`facts["target_mean"]`, `facts["target_std"]`).
    Where the file has no column `target` but one-hot ones (`kind_cat`, `kind_dog` of 0 and 1), they are the classes.

    `facts["table"]` says in a row for each column how it was understood.

    Args:
        task: "classification" or "regression", where that guess is not what is wanted.
        categorical: columns to be taken as categories although their cells look like numbers (a postcode) or names.
        numeric: columns to be taken as numbers although their cells look like codes (007).
        ignore: columns to be left out.
        decimal: "." or ",", the decimal mark of all columns, where the cells leave it open (1,234).
        missing: what an empty cell, NA, nan, None, null or ? is: an "error"; the reason to "drop" its row; or, among
            texts, a "category" of its own. "mean" fills it in, with the mean of the training part (among texts it is a
            category of its own); "indicator" does so, too, and adds a column of 0 and 1 that says where it was.
        header: False where the first row names no columns: they are called c1, c2, …; True where it does although it
            looks like those below it.
        encoding: of the file, such as "cp1252"; by default UTF-8, or what its byte order mark says.
        stratify: whether the validation part has the same share of each class.
        folds, fold: cross-validation: the rows are dealt into `folds` parts, of which number `fold`, from 1, is the
            validation part, whatever `val_fraction` says.

    Shape: x (N, features) float32; y (N,) int64 for classes, (N, 1) float32 for a regression.

    Raises:
        DataError: the file is missing, empty or malformed; no such target; a cell that is missing, is not a number or
            could be two, named by its row (as the file's rows are counted, the header being row 1) and its column.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "pets.csv"
        ...     _ = path.write_text("weight,fur,kind\n" + "4,long,cat\n5,short,cat\n20,long,dog\n30,short,dog\n" * 5)
        ...     data = csv(path, target="kind")
        >>> data
        DataSet(pets.csv: classification, 2 classes; 16 train, 4 val; a sample is (3,))
        >>> data.feature_names, data.class_names
        (('weight', 'fur=long', 'fur=short'), ('cat', 'dog'))
    """
    path = Path(path).expanduser()
    for what, value, choices in (
        ("task", task, (None, "classification", "regression")),
        ("decimal mark", decimal, (None, ".", ",")),
        ("way with missing values", missing, WAYS),
    ):
        if value not in choices:
            raise DataError(f"a {what} is {' or '.join(map(repr, filter(None, choices)))}, received {value!r}")
    table = read_table(path, header, encoding)
    names = list(table.first)
    if target in ignore:
        raise DataError(f"{path}: the target {target!r} cannot be ignored, too: choose another target")
    table = without(table, ignore)
    if isinstance(target, str) and target not in table.columns:
        table = joined(table, target)
    asked = [
        *((name, "to be taken as categories") for name in categorical),
        *((name, "to be taken as numbers") for name in numeric),
    ]
    for name, purpose in [(target, "to be the target"), *asked]:
        if name not in table.columns:
            raise no_such_column(name, table, purpose)
    if both := set(categorical) & set(numeric):
        raise DataError(f"{path}: column {min(both)!r} cannot be categorical and numeric: choose one of the two")
    if len(table.columns) == 1:
        raise DataError(f"{path} has no column but the target {target!r}: there is nothing to learn it from")
    n_read = len(table.row_numbers)
    if n_read < 2:
        raise DataError(f"{path} has {n_read} row{'' if n_read == 1 else 's'} below its header: at least 2 are needed")
    # Every cell is read before anything is split, so that a bad one is found wherever it falls.
    table, columns = understand(table, target, decimal, categorical, missing, numeric)
    n = len(table.row_numbers)

    shown = [
        column.described("target") if name == target else column.described("feature", suspicion(column))
        for name, column in columns.items()
    ]
    goal = columns.pop(target)
    for column in columns.values():
        check_distinct(table, column)
    decided, why = (task, "as asked") if task else guess_task(goal)
    if decided == "classification":
        y, class_names = class_numbers(table, goal)
    else:
        y, class_names = np.zeros(n, np.int64), ()
    by_class = bool(class_names) and stratify
    if folds is not None:
        train, val = split_fold(y if by_class else np.zeros(n, np.int64), folds, fold or 1, generator(seed))
    elif by_class:
        train, val = split_by_class(y, val_fraction, generator(seed))
    else:
        train, val = split(n, val_fraction, generator(seed))
    x, feature_names, facts = features(columns, train, path, missing == "indicator")
    facts["task_because"] = why
    facts["target"] = {"kind": goal.kind, "unit": goal.unit, "decimal": goal.decimal}
    if missing != "error":
        facts["missing"] = missing
    facts["names"] = names
    left_out = _left_out(n_read - n, [*columns.values(), goal], missing)
    if left_out:
        facts["rows_left_out"] = n_read - n
    if decided == "classification":
        met = set(y[train].tolist())
        facts["unseen_classes"] = [name for k, name in enumerate(class_names) if k not in met]
        if val is not None and (never := sorted(set(range(len(class_names))) - set(y[val].tolist()))):
            facts["unjudged_classes"] = [class_names[k] for k in never]
    else:
        if goal.kind == "category":
            raise DataError(
                f"{path}: the target {target!r} holds texts, and a regression needs numbers: ask for a classification"
            )
        check_distinct(table, goal)
        mean, std = scale(goal, train, path)
        y = ((goal.values - mean) / std).astype(np.float32)[:, None]  # (N,) -> (N, 1)
        facts["target_mean"], facts["target_std"] = float(mean), float(std)
    for row in shown:
        row["note"] = "; ".join(filter(None, (row["note"], _remark(row, facts, class_names, decided, why))))
    facts["table"] = shown + [
        {"name": name, "role": "left out", "kind": "", "missing": 0, "holds": "", "note": reason}
        for name, reason in table.notes
    ]
    return DataSet(
        name=path.name,
        description=f"{n:,} rows of {path.name}{left_out}; {decided} of {target!r} ({why})",
        task=decided,
        x_train=x[train],
        y_train=y[train],
        x_val=None if val is None else x[val],
        y_val=None if val is None else y[val],
        feature_names=feature_names,
        class_names=class_names,
        facts=facts,
        val_rows=() if val is None else tuple(table.row_numbers[i] for i in val),
    )


def without(table: TableFile, names: Iterable[str]) -> TableFile:
    """The table without these columns, which it must have."""
    nameless = [name for name in table.columns if name.startswith(NAMELESS)]
    names = [each for name in names for each in ([name] if name or "" not in table.first else nameless)]
    for name in names:
        if name not in table.columns:
            raise no_such_column(name, table, "to be ignored")
    rest = {name: cells for name, cells in table.columns.items() if name not in names}
    return replace(table, columns=rest, notes=(*table.notes, *((name, "as asked, --ignore") for name in names)))


def _left_out(count: int, columns: Sequence[Column], missing: Missing) -> str:
    """How many rows are left out, and for which columns' sake; empty where none is."""
    if not count:
        return ""
    blamed = [column for column in columns if column.missing and (missing == "drop" or column is columns[-1])]
    blamed.sort(key=lambda column: -column.missing)
    shown = [f"{column.name} {column.missing:,}" for column in blamed]
    return f" ({count:,} rows left out for a missing value: {_listed(shown)})".replace("(1 rows", "(1 row")


def _remark(row: Mapping[str, Any], facts: Mapping[str, Any], classes: Sequence[str], task: Task, why: str) -> str:
    """What the training rows say about a column."""
    name = row["name"]
    if row["role"] == "target":
        new, never = facts.get("unseen_classes"), facts.get("unjudged_classes")
        tail = f"; only in validation: {_listed(new)}" if new else ""
        tail += f"; too rare to be in validation: {_listed(never)}" if never else ""
        return (f"{len(classes)} classes, {why}" if task == "classification" else f"regression, {why}") + tail
    if row["missing"] and row["kind"] != "category" and facts.get("missing") in FILLED:
        return "missing: the mean" + (", and a column that says where" if name in facts.get("indicators", ()) else "")
    if name in facts["unseen"]:
        return f"only in validation: {_listed(facts['unseen'][name])}"
    constant = len(facts["categories"].get(name, ())) == 1 or (
        facts["feature_std"].get(name) == 1.0 and row["holds"].split(" to ")[:1] == row["holds"].split(" to ")[1:]
    )
    return "the same in every row" if constant else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
