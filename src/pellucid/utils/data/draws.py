"""The random numbers of samplers, as plain lists of integers; drawn in the order in which PyTorch draws them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core import Tensor
from ...core.tensor import wrap
from ...random import Generator, default_generator
from ...random.generator import sampler_seed

__all__ = ["index_tensor", "integers", "permutation", "sampler_seed"]


def permutation(n: int, generator: Generator | None) -> list[int]:
    """0 … n - 1 in random order."""
    return (generator or default_generator).order(n)


def integers(n: int, count: int, generator: Generator | None) -> list[int]:
    """``count`` integers from 0 to n - 1."""
    return (generator or default_generator).randint(0, n, (count,)).tolist()


def index_tensor(indices: Sequence[int]) -> Tensor:
    """Indices as a tensor that rows are taken by."""
    return wrap(np.asarray(indices, np.int64))
