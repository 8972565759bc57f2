"""Functions that PyTorch has in `torch` itself beside the rooms where they belong, and older names."""

from __future__ import annotations

import warnings
from typing import Any

import pellucid
from pellucid.core import Tensor
from pellucid.func import vmap
from pellucid.nn.functional import (
    celu,
    hardshrink,
    hinge_embedding_loss,
    instance_norm,
    margin_ranking_loss,
    pdist,
    pixel_shuffle,
    pixel_unshuffle,
    poisson_nll_loss,
    prelu,
    selu,
    threshold,
    triplet_margin_loss,
)
from pellucid.sparse import sparse_csr_tensor
from pellucid.sparse import spmm as dsmm

__all__ = [
    "celu", "detach", "detach_", "dsmm", "hardshrink", "hinge_embedding_loss", "instance_norm", "is_signed",
    "margin_ranking_loss", "pdist", "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu", "range", "selu",
    "sparse_csr_tensor", "threshold", "triplet_margin_loss", "vander", "vmap",
]  # fmt: skip


def detach(input: Tensor) -> Tensor:
    """The same memory without history."""
    return input.detach()


def detach_(input: Tensor) -> Tensor:
    """Cut a tensor from its history, in place."""
    return input.detach_()


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input._array.dtype.kind not in "ub"


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers of x as columns, falling unless `increasing`: (n,) -> (n, N)."""
    found = pellucid.linalg.vander(x, N=N)
    return found if increasing else found.flip(-1)


def range(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, **how: Any) -> Tensor:
    """An older name: numbers from `start` to `end`, both included, in the default dtype unless another is given."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    first, last = (0, start) if end is None else (start, end)
    count = int((last - first) / step) + 1
    return pellucid.arange(count, dtype=dtype or pellucid.get_default_dtype()) * step + first
