"""The distribution of Lewandowski, Kurowicka and Joe over Cholesky factors of correlation matrices."""

from __future__ import annotations

import math
from typing import Any

from ..core import Tensor, no_grad
from ..types.dtypes import finfo
from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all
from .vocabulary import m

__all__ = ["LKJCholesky"]


def multigammaln(x: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function: log π · p (p - 1) / 4 + Σ log Γ(x - j / 2)."""
    steps = m.arange(p, dtype=x.dtype) / 2
    return p * (p - 1) / 4 * math.log(math.pi) + m.lgamma(x.unsqueeze(-1) - steps).sum(-1)


class LKJCholesky(Distribution):
    """Lower Cholesky factors of ``dim`` × ``dim`` correlation matrices M, of a density ∝ det(M)^(concentration - 1).

    Raises:
        ValueError: ``dim`` is below 2.
    """

    arg_constraints = {"concentration": constraints.positive}  # noqa: RUF012
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        marginal = self.concentration + 0.5 * (dim - 2)
        offset = m.arange(dim - 1, dtype=self.concentration.dtype)
        offset = m.cat([m.zeros(1, dtype=offset.dtype), offset])
        self._beta = Beta(offset + 0.5, marginal.unsqueeze(-1) - 0.5 * offset)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(LKJCholesky, _instance)
        new.dim, new.concentration = self.dim, self.concentration.expand(batch_shape)
        new._beta = self._beta.expand((*batch_shape, self.dim))
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """By the onion method: row by row, a direction and a length."""
        with no_grad():
            y = self._beta.sample(sample_shape).unsqueeze(-1)
            normal = m.randn(self._extended_shape(sample_shape), dtype=y.dtype).tril(-1)
            length = normal.square().sum(-1, keepdim=True).sqrt()
            direction = m.where(length > 0, normal / m.where(length > 0, length, 1.0), 0.0)
            w = y.sqrt() * direction
            diagonal = m.clamp(1 - w.square().sum(-1), min=finfo(w.dtype).tiny).sqrt()
            return w + m.diag_embed(diagonal)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        diagonal = value.diagonal(dim1=-2, dim2=-1)[..., 1:]
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - m.arange(2, self.dim + 1)
        unnormalized = (order * diagonal.log()).sum(-1)
        less = self.dim - 1
        alpha = self.concentration + 0.5 * less
        normalizer = 0.5 * less * math.log(math.pi) + multigammaln(alpha - 0.5, less) - m.lgamma(alpha) * less
        return unnormalized - normalizer
