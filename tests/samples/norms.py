"""Rows for `ops/norms.py`: the p-norm of every kind of p."""

from math import inf

import numpy as np
import torch

from tests.op_samples import real, row

EDGES = np.array([[0.0, 0.0, 0.0], [2.0, -2.0, 0.0], [1.0, -2.0, 0.5], [0.0, 1.0, 0.0]])
NANS = np.array([[np.nan, 1.0, 2.0], [np.nan, np.nan, 1.0]])
P = (2, 1, 0, 3, 1.5, 4, 0.5, inf, -inf, -1)


def norm(x, ord=2, dim=None, keepdim=False):
    return torch.linalg.vector_norm(x, ord, dim, keepdim)


SAMPLES = {
    "p_norm": [
        row(real(3, 4), ord=float(p), reference=norm, **how)
        for p in P for how in ({}, {"dim": 0}, {"dim": (0, 1), "keepdim": True})
    ] + [row(real(), ord=2.0, reference=norm)] + [
        row(array, ord=float(p), dim=1, reference=norm, gradient="torch") for array in (EDGES, NANS) for p in P
    ],
}  # fmt: skip
