"""Rows for `ops/scan.py`: running sums, products and extremes."""

import numpy as np
import torch

import pellucid
from tests.op_samples import booleans, integers, real, row

ZEROS = np.array([[0.0, 2.0, 3.0, 1.0], [1.5, 0.0, 0.0, 1.5]])
NANS = np.array([1.0, np.nan, 3.0, 0.5])


def backward(g, x, dim):
    with torch.enable_grad():
        leaf = x if x.requires_grad else x.clone().requires_grad_(True)
        return torch.autograd.grad(leaf.cumprod(dim), leaf, g, create_graph=True)[0]


def rows(*more) -> list:
    return [row(real(3, 4), dim=0), row(real(3, 4), dim=-1), row(real(), dim=0), row(real(0, 3), dim=0), *more]


SAMPLES = {
    "cumsum": rows(row(integers(3, 4), dim=0), row(booleans(3, 4), dim=1),
                   row(integers(3, 4), dim=0, dtype=pellucid.float32)),
    "cumsum_from_end": [
        row(real(3, 4), dim=dim, reference=lambda x, dim: x.flip(dim).cumsum(dim).flip(dim)) for dim in (0, -1)
    ],
    "cumprod": rows(row(integers(3, 4), dim=0), row(ZEROS, dim=0), row(ZEROS, dim=1)),
    "cumprod_backward": [row(real(), real(), dim=0, reference=backward),
                         row(real(2, 3, 2), real(2, 3, 2), dim=1, reference=backward),
                         row(real(2, 4), real(2, 4), dim=1, reference=backward),
                         row(real(2, 4), ZEROS, dim=1, reference=backward),
                         row(real(2, 4), ZEROS, dim=0, reference=backward)],
    "logcumsumexp": rows(row(np.array([-np.inf, 1e4, -1e4]), dim=0, gradient=False)),
    "cummax": rows(row(integers(3, 9), dim=1), row(NANS, dim=0, gradient=False)),
    "cummin": rows(row(integers(3, 9), dim=1), row(NANS, dim=0, gradient=False)),
}  # fmt: skip
