"""Whether labels go with their inputs: rows that lie near each other mostly have labels that are near each other."""

from __future__ import annotations

import numpy as np

MOST = 1200  # rows that are compared with each other


def nearest(inputs: np.ndarray) -> np.ndarray:
    """For each of the rows (samples, …), the index of the nearest other row that is not the same."""
    inputs = inputs.reshape(len(inputs), -1)
    spread = inputs.std(0)
    rows = (inputs - inputs.mean(0)) / np.where(spread > 1e-12, spread, 1.0)
    squares = (rows**2).sum(1)
    distances = squares[:, None] + squares[None, :] - 2 * rows @ rows.T
    distances[distances < 1e-9 * max(float(squares.mean()), 1e-300)] = np.inf
    return distances.argmin(1)


def agreement(labels: np.ndarray, near: np.ndarray) -> float:
    """The correlation of labels (samples, …) with those of the nearest rows: 0 where they have nothing in common."""
    y = labels - labels.mean(0)
    variance = float((y**2).sum())
    return float((y * y[near]).sum()) / variance if variance > 0 else 0.0


def by_shift(labels: np.ndarray, near: np.ndarray) -> dict[int, float]:
    """The agreement if the labels were taken that many rows later; 0 is as they are."""
    count = len(labels)
    indices = np.arange(count)
    y = labels - labels.mean(0)
    variance = max(float((y**2).sum()), 1e-300)
    found: dict[int, float] = {}
    for shift in range(-(count // 2), count - count // 2):
        moved = y[(indices + shift) % count]
        found[shift] = float((moved * moved[near]).sum()) / variance
    return found
