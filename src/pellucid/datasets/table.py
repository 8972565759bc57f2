"""A data set from a table: numbers standardised, categories one-hot, the target a class or a real number."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.datasets.amounts import check_distinct
from pellucid.datasets.column import (
    FILLED,
    MISSING,
    MOST_CATEGORIES,
    MOST_CLASSES,
    WAYS,
    Column,
    Missing,
)
from pellucid.datasets.reading import understand
from pellucid.datasets.record import (
    DataError,
    DataSet,
    Task,
    generator,
    mean_and_std,
    split,
    split_by_class,
    split_fold,
)
from pellucid.datasets.sheet import TableFile, no_such_column, read_table


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
    header: bool = True,
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
        header: whether the first row names the columns; else they are called c1, c2, …
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
    names = list(table.columns)
    if target in ignore:
        raise DataError(f"{path}: the target {target!r} cannot be ignored, too: choose another target")
    table = without(table, ignore)
    if isinstance(target, str) and target not in table.columns:
        table = _joined(table, target)
    asked = [*((name, "categorical column") for name in categorical), *((name, "numeric column") for name in numeric)]
    for name, what in [(target, "target"), *asked]:
        if name not in table.columns:
            raise no_such_column(name, table, what)
    if both := set(categorical) & set(numeric):
        raise DataError(f"{path}: column {min(both)!r} cannot be categorical and numeric: choose one of the two")
    if len(table.columns) == 1:
        raise DataError(f"{path} has no column but the target {target!r}: there is nothing to learn it from")
    n = len(table.row_numbers)
    if n < 2:
        raise DataError(f"{path} has {n} row{'' if n == 1 else 's'} below its header: at least 2 are needed")
    # Every cell is read before anything is split, so that a bad one is found wherever it falls.
    table, columns = understand(table, target, decimal, categorical, missing, numeric)
    n = len(table.row_numbers)

    shown = [column.described("target" if name == target else "feature") for name, column in columns.items()]
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
    if not header:
        facts["names"] = names
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
        mean, std = _scale(goal, train, path)
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
    columns: Mapping[str, Column], train: np.ndarray, path: Path, indicator: bool = False
) -> tuple[np.ndarray, tuple[str, ...], dict[str, Any]]:
    """Columns by name -> `x` (N, features) as the training rows scale it, the names of its columns, and facts.

    A number that is missing becomes the mean, which is 0 when it is scaled; with `indicator`, a column says where.
    """
    blocks: list[np.ndarray] = []
    names: list[str] = []
    facts: dict[str, Any] = {
        "columns": list(columns),
        "feature_mean": {},
        "feature_std": {},
        "categories": {},
        "units": {name: column.unit for name, column in columns.items() if column.unit},
        "decimals": {name: column.decimal for name, column in columns.items() if column.decimal},
        "unseen_categories": 0,
        "unseen": {},
    }
    if any(column.date for column in columns.values()):
        facts["dates"] = {name: column.date for name, column in columns.items() if column.date}
        facts["clocks"] = [name for name, column in columns.items() if column.has_clock]
    if indicator:
        facts["indicators"] = [name for name, column in columns.items() if column.kind == "number" and column.missing]
    for name, column in columns.items():
        if column.kind == "number":
            mean, std = _scale(column, train, path)
            blocks.append(_scaled(column.values, mean, std))
            names.append(name)
            if name in facts.get("indicators", ()):
                blocks.append(np.isnan(column.values)[:, None])
                names.append(f"{name} missing")
            if name in facts.get("clocks", ()):
                blocks.append(_on_clock(column.values, column.date))
                names += clock_names(name)
            facts["feature_mean"][name], facts["feature_std"][name] = float(mean), float(std)
            continue
        categories = np.unique(column.values[train])
        if len(categories) > MOST_CATEGORIES:
            raise DataError(
                f"{path}: column {name!r} holds {len(categories)} different texts ({str(categories[0])!r}, "
                f"{str(categories[1])!r}, …): more than {MOST_CATEGORIES} are no categories to learn from; "
                f"leave the column out with --ignore"
            )
        one_hot = column.values[:, None] == categories  # (N, 1), (C,) -> (N, C)
        blocks.append(one_hot)
        names.extend(f"{name}={category}" for category in categories)
        facts["categories"][name] = categories.tolist()
        new = column.values[~one_hot.any(axis=1)]
        if len(new):
            facts["unseen_categories"] += len(new)
            facts["unseen"][name] = np.unique(new).tolist()
    return np.concatenate(blocks, axis=1, dtype=np.float64).astype(np.float32), tuple(names), facts


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
        raise no_such_column(absent[0], table, "feature that was learned from", also=absent[1:])
    for name in order:
        values = columns[name].values
        if name in numbers:
            blocks.append(_scaled(values, numbers[name], facts["feature_std"][name]))
            if name in facts.get("indicators", ()):
                blocks.append(np.isnan(values)[:, None])
            if name in facts.get("clocks", ()):
                blocks.append(_on_clock(values, facts["dates"][name]))
        else:
            blocks.append(values[:, None] == np.array(texts[name]))
    return np.concatenate(blocks, axis=1, dtype=np.float64).astype(np.float32)


def unseen(table: TableFile, facts: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """For each column of categories, those of a file that training did not meet, and how many cells hold each."""
    found: dict[str, dict[str, int]] = {}
    for name, categories in facts["categories"].items():
        for cell in table.columns[name]:
            if cell not in categories:
                counts = found.setdefault(name, {})
                counts[cell] = counts.get(cell, 0) + 1
    return found


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
    names = _names(column) if classes else column.values.tolist()
    for row, name in zip(there, names, strict=True):
        found[row] = name
    return found


def _kind_of(name: str, facts: Mapping[str, Any]) -> str:
    if name in facts.get("dates", {}):
        return "date"
    return "number" if name in facts["feature_mean"] else "category"


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


def without(table: TableFile, names: Iterable[str]) -> TableFile:
    """The table without these columns, which it must have."""
    names = list(names)
    for name in names:
        if name not in table.columns:
            raise no_such_column(name, table, "column to be ignored")
    rest = {name: cells for name, cells in table.columns.items() if name not in names}
    return replace(table, columns=rest, notes=(*table.notes, *((name, "as asked, --ignore") for name in names)))


def _only(table: TableFile, names: Iterable[str]) -> TableFile:
    return replace(table, columns={name: table.columns[name] for name in names})


def _names(column: Column) -> list[str]:
    return [_name(value) for value in (column.exact or column.values.tolist())]


def _name(value: str | float) -> str:
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _joined(table: TableFile, target: str) -> TableFile:
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


def _scaled(values: np.ndarray, mean: Any, std: Any) -> np.ndarray:
    """(N,) -> (N, 1); a value that is missing is the mean, and so 0."""
    return np.nan_to_num((values - mean) / std, nan=0.0, posinf=np.inf, neginf=-np.inf)[:, None]


def clock_names(name: str) -> list[str]:
    """The features that say where the hand of a clock is, for a column of timestamps or of times of day."""
    return [f"{name} (sine of the hour)", f"{name} (cosine of the hour)"]


def _on_clock(values: np.ndarray, date: str) -> np.ndarray:
    """(N,) days or hours -> (N, 2): the hand of a clock that goes round once a day, so that 23:59 is beside 0:00.

    A moment that is missing is (0, 0), the middle of the clock.
    """
    turn = 2 * np.pi * (values / 24 if date == "time" else values % 1)
    return np.nan_to_num(np.stack([np.sin(turn), np.cos(turn)], axis=1))


def _scale(column: Column, train: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The mean and deviation of the training rows, in float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        there = column.values[train]
        there = there[~np.isnan(there)]
        if not len(there):
            raise DataError(
                f"{path}: column {column.name!r} has no value in the rows that are trained on: leave it out with "
                "--ignore"
            )
        mean, std = mean_and_std(there)
    if not (np.isfinite(mean) and np.isfinite(std)):
        largest = np.abs(column.values).max()
        raise DataError(
            f"{path}: column {column.name!r} holds numbers up to {largest:.3g}, whose deviation no float64 can hold: "
            f"write it in a larger unit"
        )
    return mean, std


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
    constant = (
        facts["feature_std"].get(name) == 1.0 and row["holds"].split(" to ")[:1] == row["holds"].split(" to ")[1:]
    )
    return "the same in every row" if constant else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
