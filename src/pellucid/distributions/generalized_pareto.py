"""The generalised Pareto distribution."""

from __future__ import annotations

import math
from typing import Any

from ..core import Tensor
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all
from .vocabulary import m

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """Density (1 + c z)^(-1 - 1/c) / scale with z = (x - loc) / scale ≥ 0 and c the ``concentration``; exp(-z) at 0."""

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    parameters = ("loc", "scale", "concentration")
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, m.where(self.concentration < 0, end, math.inf))

    def _zero(self) -> tuple[Tensor, Tensor]:
        """Whether the concentration is 0, and one that can be divided by."""
        zero = m.isclose(self.concentration, m.zeros_like(self.concentration))
        return zero, m.where(zero, 1.0, self.concentration)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(m.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        z = (value - self.loc) / self.scale
        zero, c = self._zero()
        y = 1 / c + m.ones_like(z)
        return -self.scale.log() - m.where(zero, z, m.where(y == 0, y, y * m.log1p(c * z)))

    def log_survival_function(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of more than ``value``."""
        self._checked(value)
        z = (value - self.loc) / self.scale
        zero, c = self._zero()
        return m.where(zero, -z, -m.log1p(c * z) / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of `cdf`."""
        return m.log1p(-m.exp(self.log_survival_function(value)))

    def cdf(self, value: Tensor) -> Tensor:
        return m.exp(self.log_cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        zero, c = self._zero()
        log_survival = m.log1p(-value)
        return m.where(
            zero, self.loc - self.scale * log_survival, self.loc + self.scale * m.expm1(-c * log_survival) / c
        )

    @property
    def mean(self) -> Tensor:
        valid = self.concentration < 1
        c = m.where(valid, self.concentration, 0.5)
        return m.where(valid, self.loc + self.scale / (1 - c), math.nan)

    @property
    def variance(self) -> Tensor:
        valid = self.concentration < 0.5
        c = m.where(valid, self.concentration, 0.25)
        return m.where(valid, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    def entropy(self) -> Tensor:
        return m.log(self.scale) + self.concentration + 1
