"""Student's t-distribution."""

from __future__ import annotations

import math
from typing import Any

from ..core import Size, Tensor
from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import broadcast_all
from .vocabulary import m

__all__ = ["StudentT"]


class StudentT(Distribution):
    """loc + scale · X / √(Z / df), where X is standard normal and Z is chi-squared with ``df`` degrees of freedom."""

    arg_constraints = {  # noqa: RUF012
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    parameters = ("df", "loc", "scale")
    support = constraints.real
    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.shape, validate_args=validate_args)

    def _expand_more(self, new: Any, batch_shape: Size) -> None:
        new._chi2 = self._chi2.expand(batch_shape)

    @property
    def mean(self) -> Tensor:
        return m.where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        inside = m.where(self.df > 2, self.df, 3.0)
        variance = m.where(self.df > 2, self.scale.pow(2) * inside / (inside - 2), math.inf)
        return m.where(self.df <= 1, math.nan, variance)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        x = m.randn(self._extended_shape(sample_shape), dtype=self.df.dtype)
        z = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * (x * m.rsqrt(z / self.df))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        y = (value - self.loc) / self.scale
        half = 0.5 * self.df
        scale = self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi) + m.lgamma(half)
        return -0.5 * (self.df + 1.0) * m.log1p(y**2.0 / self.df) - (scale - m.lgamma(0.5 * (self.df + 1.0)))

    def entropy(self) -> Tensor:
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        log_beta = m.lgamma(half) + math.lgamma(0.5) - m.lgamma(more)
        return self.scale.log() + more * (m.digamma(more) - m.digamma(half)) + 0.5 * self.df.log() + log_beta
