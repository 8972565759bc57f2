"""Rows for `ops/extremes.py`: the largest and the smallest, among equals and beside NaN."""

import numpy as np
import torch

from tests.op_samples import booleans, integers, real, row

TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
NANS = np.array([[1.0, np.nan, 3.0], [5.0, 2.0, 4.0]])
WHERE = np.array([[0, 2], [1, 1]])


def place(x: torch.Tensor, index: torch.Tensor, size: int, dim: int) -> torch.Tensor:
    shape = list(x.shape)
    shape[dim] = size
    return torch.zeros(shape, dtype=x.dtype).scatter_add(dim, index, x)


def over(*arrays: np.ndarray) -> list:
    return [row(array, **how) for array in arrays for how in ({}, {"dim": 0}, {"dim": -1, "keepdim": True})]


def along(*arrays: np.ndarray) -> list:
    return [row(array, **how) for array in arrays for how in ({"dim": 0}, {"dim": -1, "keepdim": True})]


def kinked(rows: list) -> list:
    return [row(*sample.args, skip=None, gradient="torch", **sample.attributes) for sample in rows]


SAMPLES = {
    name: [*over(real(3, 4), real(2, 3, 2), real(), integers(3, 4), booleans(3, 4)), *kinked(over(TIES, NANS)),
           row(real(2, 3, 4), dim=(0, 2))]
    for name in ("amax", "amin")
}  # fmt: skip
SAMPLES |= {
    name: [row(real(3, 4)), row(real()), row(integers(3, 4))]
    + [row(array, gradient="torch") for array in (TIES, -TIES, NANS)]
    for name in ("max", "min")
}
SAMPLES |= {
    f"{name}_along": [*along(real(3, 4), real(), integers(3, 4), booleans(3, 4)), *kinked(along(TIES, NANS))]
    for name in ("max", "min")
}
SAMPLES |= {name: over(real(3, 4), real(), integers(3, 4), TIES, NANS) for name in ("argmax", "argmin")}
SAMPLES |= {
    "pick": [row(real(2, 3), WHERE, dim=1, reference=lambda x, index, dim: x.gather(dim, index))],
    "place": [
        row(real(2, 2), WHERE, size=3, dim=1, reference=place),
        row(real(2, 1), WHERE[:, :1], size=3, dim=1, reference=place),
    ],
}
