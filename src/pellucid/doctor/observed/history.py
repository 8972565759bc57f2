"""What was answered for each row as a training went on: before rows are learnt by heart, a network answers by what
rows like them are called, so a label that it contradicts then may well be wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .matching import curve
from .record import ProgramRecord

BEFORE = 3  # parts of the steps until then, of which the first is too early to say anything
HALF = 0.5  # of the answers to a row, below which its label is contradicted


@dataclass(frozen=True)
class Early:
    """The time at which an evaluation came out best.

    Attributes:
        steps: updates until then.
        doubted: rows whose label was contradicted, as numbers that tell them apart.
        share: their share of the rows that were seen.
        right: the share of answers that were right.
    """

    steps: int
    doubted: np.ndarray
    share: float
    right: float


def early(record: ProgramRecord) -> Early | None:
    """What a network answered while an evaluation came out best; None where no answers were kept."""
    hits = [(accuracy, step) for step, _, accuracy in curve(record) if accuracy is not None and step > 0]
    if not hits or len(record.answers) != len(record.rows):
        return None
    highest = max(accuracy for accuracy, _ in hits)
    best = next(step for accuracy, step in hits if accuracy == highest)
    end = max(best, _once_through(record))
    rows, answers = record.rows[end // BEFORE : end], record.answers[end // BEFORE : end]
    pairs = [(r, a) for r, a in zip(rows, answers, strict=True) if len(r) and len(r) == len(a)]
    if not pairs:
        return None
    every, right = np.concatenate([r for r, _ in pairs]), np.concatenate([a for _, a in pairs])
    size = float(np.abs(every).max()) or 1.0
    _, first, inverse = np.unique(np.round(every / size, 10), return_index=True, return_inverse=True)
    share = np.bincount(inverse, weights=right) / np.bincount(inverse)
    doubted = share < HALF
    return Early(end, every[first[doubted]], float(doubted.mean()), float(right.mean()))


def _once_through(record: ProgramRecord) -> int:
    """Steps in which most rows were seen, twice over, so that the later ones follow a first look at each."""
    known: set[float] = set()
    before = 0
    for number, rows in enumerate(record.rows):
        known.update(np.round(rows, 6).tolist())
        if number and len(known) - before < len(rows) / 2:
            return 2 * number
        before = len(known)
    return len(record.rows)
