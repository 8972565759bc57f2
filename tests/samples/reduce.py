"""Rows for `ops/reduce.py`: sums, means, products, and the parts of their gradients."""

import numpy as np
import torch

import pellucid
from tests.op_samples import booleans, integers, real, row

ZEROS = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 1.5], [1.0, -2.0, 0.5]])
NANS = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, 1.0]])


def others(x: torch.Tensor, dim: int) -> torch.Tensor:
    parts = [torch.cat((x.narrow(dim, 0, i), x.narrow(dim, i + 1, x.shape[dim] - i - 1)), dim).prod(dim)
             for i in range(x.shape[dim])]  # fmt: skip
    return torch.stack(parts, dim)


def off_diagonal(n: int, mask: str) -> torch.Tensor:
    return torch.ones(n, n).tril().bool() if mask == "lower" else ~torch.eye(n, dtype=torch.bool)


def repeat_rows(x: torch.Tensor, mask: str) -> torch.Tensor:
    return torch.where(off_diagonal(x.shape[-1], mask), x.unsqueeze(-2), torch.ones_like(x).unsqueeze(-2))


def over(*arrays: np.ndarray) -> list:
    return [row(array, **how) for array in arrays for how in ({}, {"dim": 0}, {"dim": -1, "keepdim": True})]


SAMPLES = {
    "sum": [
        *over(real(3, 4), real(2, 3, 4), real(), real(0, 3), real(600, 3, low=0.5)),
        row(real(2, 3, 4), dim=(0, 2)), row(real(2, 3, 4), dim=(-1, 0), keepdim=True), row(real(2, 3), dim=()),
        row(integers(3, 4), dim=1), row(booleans(3, 4), dim=0), row(integers(3).astype("uint8")),
        row(real(3, 4), dim=0, dtype=pellucid.float64), row(integers(3, 4), dim=0, dtype=pellucid.float32),
        row(real(3, 4).astype("float16"), gradient=False, reference=lambda x: x.sum()),
    ],
    "spread": [
        row(real(2, 3), shape=(2, 4, 3), dim=1, reference=lambda x, shape, dim: x.unsqueeze(1).expand(2, 4, 3)),
        row(real(3), shape=(2, 3), dim=0, reference=lambda x, shape, dim: x.expand(2, 3)),
        row(real(2, 1), shape=(2, 3), dim=1, keepdim=True, reference=lambda x, shape, dim, keepdim: x.expand(2, 3)),
        row(real(), shape=(2, 3), reference=lambda x, shape: x.expand(2, 3)),
    ],
    "nansum": [*over(NANS, real(3, 4)), row(integers(3, 4), dim=0)],
    "cast_like": [row(real(3), real(3), reference=lambda x, y: x.to(y.dtype)),
                  row(integers(3), real(3), reference=lambda x, y: x.to(y.dtype), gradient=False)],
    "mean": [
        *over(real(3, 4), real(2, 3, 4), real()),
        row(real(0, 3), gradient=False), row(real(0, 3), dim=0, gradient=False),
        row(real(2, 3, 4), dim=(0, 2)), row(integers(3, 4), dim=0, dtype=pellucid.float64),
    ],
    "prod": [*over(real(3, 4), real(), ZEROS), row(integers(3, 4), dim=1), row(booleans(3, 4)), row(real(0, 3), dim=0)],
    "others": [row(real(4), dim=0, reference=others), row(ZEROS, dim=1, reference=others),
               row(real(2, 3, 2), dim=1, reference=others)],
    "repeat_rows": [row(real(2, 3), mask=mask, reference=repeat_rows) for mask in ("off", "lower")],
    "mask_rows": [
        row(real(2, 3, 3), mask=mask, reference=lambda x, mask: x * off_diagonal(x.shape[-1], mask).to(x.dtype))
        for mask in ("off", "lower")
    ],
    "logsumexp": [
        row(real(3, 4), dim=1), row(real(3, 4), dim=(0, 1), keepdim=True), row(real(), dim=0),
        row(real(0, 3), dim=0, gradient=False), row(integers(3, 4), dim=1),
        row(np.array([[1e4, -1e4], [-np.inf, 2.0], [np.inf, 0.0]]), dim=1, gradient=False),
    ],
    "any": [*over(booleans(3, 4), integers(2, 3)), row(real(3, 4)), row(integers(3, 4).astype("uint8"), dim=0)],
    "all": [*over(booleans(3, 4), integers(2, 3)), row(real(3, 4)), row(integers(3, 4).astype("uint8"), dim=0)],
    "count_nonzero": [row(integers(3, 4)), row(integers(3, 4), dim=0), row(ZEROS, dim=(0, 1)), row(booleans(3, 4))],
}  # fmt: skip
