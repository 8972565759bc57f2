"""A data set as the figures of `viz` take it: a table in the numbers and words of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.viz.data import characters, columns, pictures, points

PICTURE = 3  # axes of a sample: channels, height, width


def draw(data: Any, **how: Any) -> Any:
    """The figure that suits the training part of `data`, a `DataSet`."""
    if data.task == "text":
        there = data.y_train >= 0  # each character is once the one that follows
        counts = np.bincount(data.y_train[there], minlength=len(data.class_names)).tolist()
        lengths = there.sum(axis=1) - 1 if data.facts.get("lines") else None  # without the line break
        return characters(dict(zip(data.class_names, counts, strict=True)), lengths, **how)
    if len(data.sample_shape) == PICTURE:
        return pictures(data.x_train, data.y_train, data.class_names, **how)
    if "columns" in data.facts:
        return columns(_columns(data), _target(data), data.class_names, *_written(data.facts), **how)
    x = _unscaled(data.x_train, data.facts)
    if data.sample_shape == (2,) and data.class_names:
        return points(x, data.y_train, data.class_names, data.feature_names, **how)
    names = data.feature_names or tuple(f"x{k + 1}" for k in range(x.shape[1]))
    return columns(dict(zip(names, x.T, strict=True)), _target(data), data.class_names, **how)


def _unscaled(x: np.ndarray, facts: Mapping[str, Any]) -> np.ndarray:
    mean, std = facts.get("feature_mean"), facts.get("feature_std")
    return x * np.array(std) + np.array(mean) if isinstance(mean, list) else x


def _columns(data: Any) -> dict[str, np.ndarray]:
    """The columns of a table from its features: numbers as they were, categories from their columns of 0 and 1."""
    facts, place = data.facts, 0
    found: dict[str, np.ndarray] = {}
    for name in facts["columns"]:
        if name in facts["feature_mean"]:
            std, scale = facts["feature_std"][name], {"%": 100, "‰": 1000}.get(facts["units"].get(name, ""), 1)
            number = (data.x_train[:, place].astype(np.float64) * std + facts["feature_mean"][name]) * scale
            whole = np.round(number)  # what float32 left of whole numbers
            found[name] = whole if (abs(whole - number) <= 1e-6 * (std * scale + abs(number))).all() else number
            place += 1
            if name in facts.get("indicators", ()):
                found[name][data.x_train[:, place] == 1] = np.nan
                place += 1
            place += 2 if name in facts.get("clocks", ()) else 0
        else:
            categories = np.array(facts["categories"][name])
            found[name] = categories[data.x_train[:, place : place + len(categories)].argmax(axis=1)]
            place += len(categories)
    return found


def _target(data: Any) -> tuple[str, np.ndarray]:
    name = next((row["name"] for row in data.facts.get("table", ()) if row["role"] == "target"), "class")
    if data.task == "classification":
        return name, data.y_train
    return name, data.y_train * data.facts.get("target_std", 1.0) + data.facts.get("target_mean", 0.0)


def _written(facts: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """What stands beside the numbers of a column, and which of them are dates."""
    dates: Mapping[str, str] = facts.get("dates", {})
    hours = {name: "hours" for name, how in dates.items() if how == "time"}
    return {**facts["units"], **hours}, [name for name, how in dates.items() if how != "time"]
