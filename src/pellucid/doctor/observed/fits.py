"""What can be said of the rows that were kept without any network: by a linear function, and by whether a row tells its
target."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.probes.neighbours import MOST, agreement, nearest

from .record import ProgramRecord
from .rows import told_apart

STRAIGHT = 0.85  # of the way from class to class, as the crow flies
FEW = 32  # rows that differ, of which neighbours say nothing
PASSES = 3000  # over such rows
TOLD = 0.3  # correlation of the targets of rows that lie next to each other


def by_a_line(record: ProgramRecord) -> float | None:
    """The share of the variance of the targets that the best linear function of the rows explains; None where there are
    no rows with targets."""
    pair = _pair(record)
    if pair is None:
        return None
    x, y = pair
    centred = y - y.mean(0)
    design = (x - x.mean(0)) / np.maximum(x.std(0), 1e-12)
    best, *_ = np.linalg.lstsq(design, centred, rcond=None)
    return 1 - float(((centred - design @ best) ** 2).sum()) / float((centred**2).sum())


def in_a_row(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether the means of the rows of each class lie in the order of their numbers on a line, or nearly: these are
    grades, or counts, and what lies between two of them has a meaning."""
    scaled = (x - x.mean(0)) / np.maximum(x.std(0), 1e-12)
    means = np.array([scaled[y == number].mean(0) for number in np.unique(y)])
    path = np.linalg.norm(np.diff(means, axis=0), axis=1).sum()
    return bool(np.linalg.norm(means[-1] - means[0]) > STRAIGHT * path)


def is_parted(record: ProgramRecord) -> bool | None:
    """Of a table of a few rows, each with a target of 0 or 1: whether a plane parts the ones from the others; None of
    other data."""
    pair = _pair(record)
    targets = np.unique(np.concatenate([t.ravel() for t in record.targets])) if pair is not None else np.empty(0)
    if pair is None or set(targets) != {0.0, 1.0}:
        return None
    x, y = pair
    _, first = np.unique(told_apart(x), return_index=True)
    if len(first) > FEW or y.shape[1] > 2:
        return None
    rows, sides = x[first], 2 * y[first, -1] - 1
    rows = np.hstack([(rows - rows.mean(0)) / np.maximum(rows.std(0), 1e-12), np.ones((len(rows), 1))])
    plane = np.zeros(rows.shape[1])
    for _ in range(PASSES):  # the perceptron's rule, which finds a plane where there is one
        wrong = sides * (rows @ plane) <= 0
        if not wrong.any():
            return True
        plane += (sides[wrong, None] * rows[wrong]).sum(0)
    return False


def is_told(record: ProgramRecord) -> bool:
    """Whether a row says what its target is: each always has the same, or rows that are near each other have alike."""
    pair = _pair(record)
    if pair is None:
        return False
    x, y = pair
    _, first, of = np.unique(told_apart(x), return_index=True, return_inverse=True)
    if len(first) <= FEW:
        return bool((y == y[first][of.ravel()]).all()) and len(first) < len(x)
    first = first[:MOST]
    return agreement(y[first], nearest(x[first])) > TOLD


def _pair(record: ProgramRecord) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows and targets, class ids as one number for each class."""
    if not record.inputs or record.bad_inputs or record.bad_targets or record.whole_numbers:
        return None
    if len({x.shape[1:] for x in record.inputs}) != 1 or len({t.shape[1:] for t in record.targets}) != 1:
        return None
    x = np.concatenate(record.inputs).astype(float)
    whole = np.concatenate([np.atleast_1d(t) for t in record.targets])
    if not record.shape and len(x) % max(len(whole), 1) == 0 and whole.ndim < 2:
        x = x.reshape(len(whole), -1)  # a row at a time, without an axis for them
    y = whole.reshape(len(whole), -1).astype(float)
    if len(x) != len(y) or not len(y):
        return None
    if record.classes and y.shape[1] == 1:
        y = (y == np.unique(y)[None]).astype(float)
    return (x, y) if float(y.var(0).sum()) > 0 else None
