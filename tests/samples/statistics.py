"""Rows for `ops/statistics.py`: variance, quantiles of sorted rows, histograms."""

import numpy as np
import torch

from tests.op_samples import integers, positive, real, row

SPREADS = [
    {}, {"dim": 0}, {"dim": (0, 1), "keepdim": True}, {"dim": 1, "correction": 0}, {"dim": -1, "correction": 2},
]  # fmt: skip
EQUAL = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, -0.5]])
SORTED = np.sort(real(2, 5), -1)
Q = np.array([0.0, 0.3, 0.5, 1.0])


def quantile(x, q, interpolation="linear", ignore_nan=False):
    found = (torch.nanquantile if ignore_nan else torch.quantile)(x, q.detach(), -1, interpolation=interpolation)
    return found.movedim(0, -1)


SAMPLES = {
    **{
        name: [row(real(3, 4), **how) for how in SPREADS]
        + [row(EQUAL, **how, gradient="torch") for how in SPREADS]
        for name in ("var", "std")
    },
    "quantile_of_sorted": [
        *[row(SORTED, Q, interpolation=mode, reference=quantile, gradient=False)
          for mode in ("linear", "lower", "higher", "nearest", "midpoint")],
        *[row(SORTED, np.array([0.1, 0.3, 0.6]), interpolation=mode, reference=quantile)
          for mode in ("linear", "lower", "higher", "nearest", "midpoint")],
        row(np.array([[1.0, 2.0, np.nan], [np.nan] * 3]), Q, ignore_nan=True, reference=quantile, gradient=False),
        row(np.array([[1.0, 2.0, np.nan]]), Q, reference=quantile, gradient=False),
    ],
    "histc": [row(real(20), bins=5), row(real(20), bins=4, min=-1, max=1), row(np.ones(3), bins=3)],
    "bincount": [row(integers(9, low=0)), row(integers(9, low=0), positive(9), gradient=False),
                 row(integers(9, low=0), minlength=9)],
    "histogram": [
        row(real(20), None, count=4, reference=lambda x, bins, count: torch.histogram(x, count)),
        row(real(20), None, positive(20), count=4, range=(-1.0, 1.0), gradient=False,
            reference=lambda x, bins, w, count, range: torch.histogram(x, count, range=range, weight=w)),
        row(real(20), np.array([-1.0, 0.0, 2.0]), density=True, gradient=False,
            reference=lambda x, bins, density: torch.histogram(x, bins, density=density)),
    ],
}  # fmt: skip
