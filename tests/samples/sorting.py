"""Rows for `ops/sorting.py`: order along a dimension."""

import numpy as np
import torch

from tests.op_samples import booleans, integers, real, row

NANS = np.array([[3.0, np.nan, 1.0, 2.0], [np.nan, np.nan, 5.0, 4.0]])

TIES = np.array([2.0, 1.0, 2.0, 2.0, 3.0])


def stable(x, dim=-1, descending=False):
    return torch.sort(x, dim=dim, descending=descending, stable=True)


ORDERS = [{}, {"dim": 0}, {"dim": 1, "descending": True}]
ALONG = [{}, {"dim": 0, "keepdim": True}]
ARRAYS = [real(3, 4), integers(3, 9), booleans(3, 4)]

SAMPLES = {
    "sort": [
        *[row(array, reference=stable, **how) for array in ARRAYS for how in ORDERS], row(real()),
        row(NANS, reference=stable, gradient="torch"), row(NANS, descending=True, reference=stable, gradient="torch"),
    ],
    "argsort": [row(array, stable=True, **how) for array in [*ARRAYS, NANS] for how in ORDERS] + [row(real())],
    "topk": [row(real(3, 5), k=2), row(real(3, 5), k=3, dim=0), row(real(3, 5), k=2, largest=False), row(real(), k=1),
             row(real(3, 5), k=0), row(NANS[:1], k=2, gradient="torch")],
    "kthvalue_along": [row(real(3, 5), k=2), row(real(3, 5), k=3, dim=0, keepdim=True), row(real(), k=1)],
    "median_along": [*[row(real(4, 5), dim=1), row(real(4, 5), dim=0, keepdim=True), row(real(), dim=0)],
                     row(NANS, dim=1, gradient="torch")],
    "nanmedian_along": [row(real(4, 5), dim=1), row(real(4, 5), dim=0, keepdim=True),
                        row(NANS, dim=0, gradient="torch")],
    "mode_along": [row(integers(4, 9), **how) for how in ALONG] + [row(real(3, 4), dim=1), row(real())],
    "median": [row(TIES, gradient="torch"), row(real(3, 5)), row(real(4)), row(real()), row(integers(3, 4)),
               row(NANS, gradient="torch"), row(real(0), gradient=False)],
    "nanmedian": [row(TIES, gradient="torch"), row(real(3, 5)), row(real()), row(NANS, gradient="torch"),
                  row(np.full(3, np.nan), gradient="torch"), row(real(0), gradient=False)],
}  # fmt: skip
