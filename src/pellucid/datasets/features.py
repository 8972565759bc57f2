"""The columns of a table as the features that a network takes: numbers standardised, categories one-hot, a clock."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.datasets.column import MOST_CATEGORIES, Column
from pellucid.datasets.record import DataError, mean_and_std


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
            mean, std = scale(column, train, path)
            blocks.append(scaled(column.values, mean, std))
            names.append(name)
            if name in facts.get("indicators", ()):
                blocks.append(np.isnan(column.values)[:, None])
                names.append(f"{name} missing")
            if name in facts.get("clocks", ()):
                blocks.append(on_clock(column.values, column.date))
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


def scale(column: Column, train: np.ndarray, path: Path) -> tuple[np.ndarray, np.ndarray]:
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


def scaled(values: np.ndarray, mean: Any, std: Any) -> np.ndarray:
    """(N,) -> (N, 1); a value that is missing is the mean, and so 0."""
    return np.nan_to_num((values - mean) / std, nan=0.0, posinf=np.inf, neginf=-np.inf)[:, None]


def clock_names(name: str) -> list[str]:
    """The features that say where the hand of a clock is, for a column of timestamps or of times of day."""
    return [f"{name} (sine of the hour)", f"{name} (cosine of the hour)"]


def on_clock(values: np.ndarray, date: str) -> np.ndarray:
    """(N,) days or hours -> (N, 2): the hand of a clock that goes round once a day, so that 23:59 is beside 0:00.

    A moment that is missing is (0, 0), the middle of the clock.
    """
    turn = 2 * np.pi * (values / 24 if date == "time" else values % 1)
    return np.nan_to_num(np.stack([np.sin(turn), np.cos(turn)], axis=1))
