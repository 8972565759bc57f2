"""What each column of a table is worth to a network: what is lost when its cells are shuffled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid.datasets.features import clock_names

MOST_ROWS, MOST_COLUMNS, TIMES = 1000, 60, 5


def columns_of(names: Sequence[str], facts: dict[str, Any]) -> dict[str, list[int]]:
    """The places of each column of the file among the features: a column of categories has one for each, and one of
    times three.

    >>> columns_of(["size", "fur=long", "fur=short"], {"categories": {"fur": ["long", "short"]}})
    {'size': [0], 'fur': [1, 2]}
    """
    whole = {f"{name}={value}": name for name, values in facts.get("categories", {}).items() for value in values}
    whole |= {feature: name for name in facts.get("clocks", ()) for feature in clock_names(name)}
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(whole.get(name, name), []).append(place)
    return places


def importance(
    answers: Callable[[np.ndarray], np.ndarray], x: np.ndarray, y: np.ndarray, places: dict[str, list[int]], seed: int
) -> list[tuple[str, float, float]]:
    """For each column, what is lost when its cells are shuffled among the rows: mean and deviation of five times.

    What is lost is accuracy, for class numbers (N,), or else R². Columns that say the same can each seem worth nothing,
    as the other still says it. The first is worth most. At most 1,000 rows are looked at.

    Args:
        answers: from x (N, features) to a score for each class (N, C), or to numbers (N,) or (N, 1).

    Source: Breiman, Random Forests, 2001.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(x))[:MOST_ROWS])
    x, y = x[rows], y[rows]
    whole = _score(answers(x), y)
    found: list[tuple[str, float, float]] = []
    for name, features in list(places.items())[:MOST_COLUMNS]:
        lost: list[float] = []
        for _ in range(TIMES):
            shuffled = x.copy()
            shuffled[:, features] = x[rng.permutation(len(x))][:, features]
            lost.append(whole - _score(answers(shuffled), y))
        found.append((name, float(np.mean(lost)), float(np.std(lost))))
    return sorted(found, key=lambda row: -row[1])


def _score(output: np.ndarray, y: np.ndarray) -> float:
    if y.dtype.kind in "iu":
        return float((output.argmax(axis=1) == y).mean())
    error, spread = (output.reshape(-1) - y.reshape(-1)), y.reshape(-1) - y.mean()
    return float(1 - (error**2).sum() / max((spread**2).sum(), np.finfo(float).tiny))
