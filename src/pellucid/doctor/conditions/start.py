"""What stands out in the first values of the parameters and in the inputs: premises, to be confirmed by a fork."""

from __future__ import annotations

import re

import numpy as np

from pellucid.doctor.process.asleep import is_bias

SCALE = re.compile(r"gamma|beta|scale|gain|norm|mean|var|thresh", re.I)  # of a normalisation, say: no layer of weights


def weights(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of layers: matrices, and vectors as long as a side of one, such as those of a single output unit.

    A bias that is held as a row or a column is none, by its name or as what is held beside a matrix: `[W1, b1]`.
    """
    known = {
        n: v
        for n, v in tensors.items()
        if v.ndim >= 2 and not (min(v.shape) == 1 and (is_bias(n) or _beside_matrix(n, v, tensors)))
    }
    sides = {side for values in known.values() for side in values.shape}
    return {
        name: values
        for name, values in tensors.items()
        if name in known
        or (values.ndim == 1 and values.size > 1 and len(values) in sides and not (is_bias(name) or SCALE.search(name)))
    }


def _beside_matrix(name: str, values: np.ndarray, tensors: dict[str, np.ndarray]) -> bool:
    """Whether a row is held by its number with one matrix, of as many columns, `net[0][1]` with `net[0][0]`, or a
    column with one of as many rows. What holds several matrices, or all by name, holds the weights of several layers.
    """
    holder, _, key = name.rpartition("[")
    if not key[:-1].isdigit():
        return False
    beside = [v for other, v in tensors.items() if other.rpartition("[")[0] == holder and v.ndim == 2]
    matrices = [v for v in beside if min(v.shape) > 1]
    axis = int(np.argmax(values.shape))
    return len(matrices) == 1 and matrices[0].shape[axis] == values.shape[axis]


def symmetric(tensors: dict[str, np.ndarray]) -> list[str]:
    """Weights whose units all begin alike, in a network of several layers: a matrix, and what else is alike then."""
    layers = weights(tensors)
    if len(layers) < 2:
        return []
    found = [name for name, values in layers.items() if values.size > 1 and alike(values)]
    return found if any(layers[name].ndim > 1 for name in found) else []


def alike(values: np.ndarray) -> bool:
    """Whether all units of a weight matrix, or all filters of a layer, are the same: along its first or last axis."""
    if values.ndim < 2:
        return bool(np.ptp(values) <= 1e-9 * float(np.abs(values).max()))
    first, last = values.reshape(len(values), -1), values.reshape(-1, values.shape[-1])
    size = max(float(np.abs(values).max()), 1e-300)
    rows, columns = np.abs(first - first[:1]).max() / size, np.abs(last - last[:, :1]).max() / size
    return bool((rows < 1e-9 and values.shape[0] > 1) or (columns < 1e-9 and values.shape[-1] > 1))


def sizes(tensors: dict[str, np.ndarray]) -> dict[str, float]:
    """By layer of weights, its root mean square times the root of the mean of its sides: about 1 keeps a signal's
    size."""
    return {
        name: float(np.sqrt(np.mean(values**2)) * np.sqrt(np.mean((*values.shape, 1)[:2])))
        for name, values in weights(tensors).items()
        if values.ndim <= 2 and values.size > 1
    }


def columns(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each input, over the rows.

    They are 0 and 1, or its size if that is more, where an input never changes: it stays what it is, as the column of
    ones of an intercept has to.
    """
    mean, std = rows.mean(0), rows.std(0)
    changes = std > 1e-12 * np.maximum(1.0, np.abs(mean))
    return np.where(changes, mean, 0.0), np.where(changes, std, np.maximum(1.0, np.abs(mean)))


def unscaled(rows: np.ndarray) -> bool:
    """Whether inputs are far from zero mean or unit scale."""
    size = np.sqrt(np.mean(rows**2, axis=0))
    return bool(np.median(size) > 8 or size.max() > 20 or (size[size > 0].size and np.max(size) < 1e-3))


def unequal(rows: np.ndarray) -> list[int]:
    """The columns that dwarf the others."""
    size = np.sqrt(np.mean(rows**2, axis=0))
    known = size[size > 0]
    if len(known) < 2:
        return []
    middle = float(np.median(known)) if len(known) > 2 else float(known.min())
    big = np.flatnonzero(size > 30 * middle)
    return [int(i) for i in big] if 0 < len(big) <= max(1, len(size) // 2) else []
