"""Rows for `ops/shape.py`, `axes.py`, `parts.py`, `diagonals.py`, `joining.py`, `padding.py`."""

from typing import Any

import numpy as np
import torch

import pellucid
from tests.op_samples import booleans, integers, real, row


def embed(x: torch.Tensor, shape: tuple[int, ...], key: Any) -> torch.Tensor:
    out = x.new_zeros(shape)
    out[key] = x
    return out


def embed_diagonal(x: torch.Tensor, shape: Any, offset: int, dim1: int, dim2: int) -> torch.Tensor:
    return torch.diagonal_scatter(x.new_zeros(shape), x, offset, dim1, dim2)


def add_windows(x: torch.Tensor, shape: tuple[int, ...], dimension: int, size: int, step: int) -> torch.Tensor:
    base = torch.zeros(shape, dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(base.unfold(dimension, size, step), base, x, create_graph=True)[0]


def padded_indices(length: int, before: int, after: int, mode: str) -> torch.Tensor:
    numbers = torch.arange(float(length)).reshape(1, length)
    return torch.nn.functional.pad(numbers, (before, after), mode=mode)[0].long()


def joined(how: Any) -> Any:
    return lambda *tensors, dim=0: how(tensors, dim)


SAMPLES = {
    "reshape": [row(real(2, 3), shape=(3, 2)), row(real(2, 3), shape=(-1,)), row(real(), shape=(1, 1)),
                row(real(0, 3), shape=(3, 0))],
    "view": [row(real(2, 3), shape=(3, 2), reference=lambda x, shape: x.view(shape)), row(real(6), shape=(2, -1),
             reference=lambda x, shape: x.view(shape))],
    "view_dtype": [row(integers(4), dtype=pellucid.int32, reference=lambda x, dtype: x.view(torch.int32)),
                   row(integers(4).astype("int32"), dtype=pellucid.int64,
                       reference=lambda x, dtype: x.view(torch.int64))],
    "squeeze": [row(real(2, 1, 3), dims=(1,), reference=lambda x, dims: x.squeeze(dims)),
                row(real(1, 3, 1), dims=(0, 2), reference=lambda x, dims: x.squeeze(dims)),
                row(real(1, 3), dims=(), reference=lambda x, dims: x.view(1, 3))],
    "unsqueeze": [row(real(2, 3), dim=0), row(real(2, 3), dim=-1), row(real(), dim=0)],
    "expand": [row(real(3, 1), size=(2, 3, 4), reference=lambda x, size: x.expand(size)),
               row(real(3, 1), size=(-1, 4), reference=lambda x, size: x.expand(size)),
               row(real(), size=(2,), reference=lambda x, size: x.expand(size))],
    "permute": [row(real(2, 3, 4), dims=(2, 0, 1)), row(real(2, 3), dims=(0, 1))],
    "transpose": [row(real(2, 3, 4), dim0=0, dim1=2), row(real(2, 3), dim0=-1, dim1=0), row(real(), dim0=0, dim1=-1)],
    "flip": [row(real(2, 3), dims=(0,)), row(real(2, 3), dims=(0, 1)), row(integers(3), dims=())],
    "roll": [row(real(2, 3), shifts=(1, -2), dims=(0, 1)), row(real(2, 3), shifts=(2,), dims=None)],
    "part": [row(real(3, 4), key=key, reference=lambda x, key: x[key])
             for key in ((1, ...), (slice(1, None), None, 2, ...), (..., slice(0, 4, 2)))],
    "part_embed": [row(real(4), shape=(3, 4), key=(1, ...), reference=embed),
                   row(real(3, 2), shape=(3, 4), key=(..., slice(0, 4, 2)), reference=embed)],
    "diagonal": [row(real(3, 4)), row(real(3, 4), offset=1), row(real(2, 3, 4), offset=-1, dim1=2, dim2=0)],
    "diagonal_embed": [row(real(3), shape=(3, 4), offset=0, dim1=0, dim2=1, reference=embed_diagonal),
                       row(real(2, 3), shape=(2, 4, 4), offset=-1, dim1=1, dim2=2, reference=embed_diagonal)],
    "tril": [row(real(3, 4)), row(real(2, 3, 3), diagonal=1), row(booleans(3, 3), diagonal=-1)],
    "triu": [row(real(3, 4)), row(real(2, 3, 3), diagonal=1), row(booleans(3, 3), diagonal=-1)],
    "unfold": [row(real(7), dimension=0, size=3, step=2, reference=lambda x, **how: x.unfold(*how.values())),
               row(real(2, 5, 3), dimension=1, size=2, step=1, reference=lambda x, **how: x.unfold(*how.values())),
               row(real(), dimension=0, size=1, step=1, reference=lambda x, **how: x.unfold(*how.values()))],
    "windows_add": [row(real(2, 2, 3, 2), shape=(2, 5, 3), dimension=1, size=2, step=3, reference=add_windows),
                    row(real(3, 3), shape=(7,), dimension=0, size=3, step=2, reference=add_windows),
                    row(real(1), shape=(), dimension=0, size=1, step=1, reference=add_windows)],
    "cat": [row(real(2, 3), real(1, 3), reference=joined(torch.cat)),
            row(real(2, 3), real(2, 1), real(2, 2), dim=-1, reference=joined(torch.cat)),
            row(real(2, 3), real(0), reference=joined(torch.cat)),
            row(real(2), integers(2), reference=joined(torch.cat)), row(booleans(2), reference=joined(torch.cat))],
    "stack": [row(real(2, 3), real(2, 3), dim=dim, reference=joined(torch.stack)) for dim in (0, 1, -1)]
             + [row(real(), integers(), reference=joined(torch.stack))],
    "repeat": [row(real(2, 3), repeats=(2, 1, 3), reference=lambda x, repeats: x.repeat(repeats)),
               row(real(2, 1), repeats=(0, 2), reference=lambda x, repeats: x.repeat(repeats)),
               row(real(2), repeats=(0,), reference=lambda x, repeats: x.repeat(repeats)),
               row(real(), repeats=(), reference=lambda x, repeats: x.repeat(repeats))],
    "repeat_indices": [row(np.array([2, 0, 3]), reference=torch.repeat_interleave)],
    "constant_pad_nd": [row(real(2, 3), pad=(1, 2), value=1.5), row(real(2, 3), pad=(-1, 1, 2, -1)),
                        row(real(2, 3), pad=()), row(integers(3), pad=(1, 1), value=7)],
    "pad_indices": [row(length=4, before=2, after=3, mode=mode, reference=padded_indices)
                    for mode in ("reflect", "replicate", "circular")]
                   + [row(length=5, before=-1, after=2, mode="circular", reference=padded_indices)],
}  # fmt: skip
