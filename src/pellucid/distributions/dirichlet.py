"""Dirichlet's distribution over the points of a simplex."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from ..types.dtypes import finfo
from . import constraints
from .exp_family import ExponentialFamily
from .vocabulary import m

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """Density ∏ xᵢ^(aᵢ - 1) / B(a) of vectors x ≥ 0 with sum 1, where a is the ``concentration`` (…, K).

    A sample is made of K gamma samples, divided by their sum, and its gradient flows through them.
    """

    arg_constraints = {  # noqa: RUF012
        "concentration": constraints.independent(constraints.positive, 1)
    }
    parameters = ("concentration",)
    support = constraints.simplex
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        inner = (self.concentration - 1).clamp(min=0.0)
        mode = inner / inner.sum(-1, True)
        at_corner = (self.concentration < 1).all(-1, keepdim=True)
        largest = self.concentration.argmax(-1, keepdim=True) == m.arange(self.concentration.shape[-1])
        return m.where(at_corner, largest.to(mode.dtype), mode)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        concentration = self.concentration.expand(self._extended_shape(sample_shape))
        numbers = m.standard_gamma(concentration.double())
        limits = finfo(concentration.dtype)
        points = numbers / numbers.sum(-1, keepdim=True)
        return points.clamp(limits.tiny, 1 - limits.eps / 2).to(concentration.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        a = self.concentration
        return m.xlogy(a - 1.0, value).sum(-1) + m.lgamma(a.sum(-1)) - m.lgamma(a).sum(-1)

    def entropy(self) -> Tensor:
        a, k = self.concentration, self.concentration.shape[-1]
        total = a.sum(-1)
        of_total = m.lgamma(total) + (k - total) * m.digamma(total)
        return m.lgamma(a).sum(-1) - of_total - ((a - 1.0) * m.digamma(a)).sum(-1)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.concentration,)

    def _log_normalizer(self, x: Any) -> Tensor:
        return x.lgamma().sum(-1) - m.lgamma(x.sum(-1))
