"""Rows for the tensors made out of nothing (`ops/creation.py`): each against PyTorch's public function."""

import torch

import pellucid
from tests.op_samples import row

FLOAT, INT = pellucid.float32, pellucid.int64


def triangle(row: int, col: int, offset: int, upper: bool, dtype: torch.dtype) -> torch.Tensor:
    return (torch.triu_indices if upper else torch.tril_indices)(row, col, offset, dtype=dtype)


def arange(start: float, step: float, length: int, dtype: torch.dtype) -> torch.Tensor:
    end = start + step * (length if dtype is torch.int64 else length - 0.5)
    return torch.arange(start, end, step, dtype=dtype)


SAMPLES = {
    "full": [
        row(size=(2, 3), fill_value=1.5, dtype=FLOAT),
        row(size=(), fill_value=0, dtype=INT),
        row(size=(2,), fill_value=True, dtype=pellucid.bool),
    ],
    "empty": [row(size=(2, 3), dtype=FLOAT, skip="its values are whatever the memory held")],
    "arange": [
        row(start=0, step=1, length=5, dtype=INT, reference=arange),
        row(start=0.5, step=0.1, length=7, dtype=FLOAT, reference=arange),
    ],
    "linspace": [
        row(start=0.0, end=1.0, steps=7, dtype=FLOAT),
        row(start=-3, end=5, steps=4, dtype=INT),
        row(start=1, end=9, steps=1, dtype=FLOAT),
    ],
    "logspace": [row(start=0.0, end=2.0, steps=5, base=10.0, dtype=FLOAT)],
    "eye": [row(n=3, m=4, dtype=FLOAT)],
    "triangle_indices": [
        row(row=3, col=4, offset=1, upper=True, dtype=INT, reference=triangle),
        row(row=4, col=3, offset=-1, upper=False, dtype=INT, reference=triangle),
    ],
}
