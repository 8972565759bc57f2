"""Rows for `ops/softmax.py`: softmax, its logarithm, and their gradients."""

import numpy as np
import torch

import pellucid
from tests.op_samples import integers, real, row

HUGE = np.array([[1e4, -1e4, 0.0], [-np.inf, 1.0, 2.0]])


def rows() -> list:
    return [
        row(real(3, 4), dim=1), row(real(3, 4), dim=0), row(real(2, 3, 2), dim=-2), row(real(), dim=0),
        row(real(0, 3), dim=1), row(HUGE, dim=1, gradient=False), row(integers(3, 4), dim=1, dtype=pellucid.float32),
        row(real(3, 4), dim=1, dtype=pellucid.float64),
    ]  # fmt: skip


SAMPLES = {
    "softmax": rows(),
    "log_softmax": rows(),
    "softmax_backward": [
        row(real(3, 4), real(3, 4), dim=dim, reference=lambda g, y, dim: y * (g - (g * y).sum(dim, keepdim=True)))
        for dim in (0, -1)
    ],
    "log_softmax_backward": [
        row(real(3, 4), real(3, 4), dim=dim,
            reference=lambda g, y, dim: g - torch.exp(y) * g.sum(dim, keepdim=True))
        for dim in (0, -1)
    ],
}  # fmt: skip
