"""The gamma distribution."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from ..types.dtypes import finfo
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all
from .vocabulary import m

__all__ = ["Gamma"]


class Gamma(ExponentialFamily):
    """Density rate^a x^(a - 1) exp(-rate x) / Γ(a) of x > 0, where a is the ``concentration``.

    Its samples have a gradient by implicit reparameterisation (Figurnov and others, arXiv:1805.08498).
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}  # noqa: RUF012
    parameters = ("concentration", "rate")
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        value = m.standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        return m.clamp(value, min=finfo(value.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        value = m.as_tensor(value, dtype=self.rate.dtype)
        self._checked(value)
        a, rate = self.concentration, self.rate
        return m.xlogy(a, rate) + m.xlogy(a - 1, value) - rate * value - m.lgamma(a)

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        return m.gamma_cdf(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - m.log(self.rate) + m.lgamma(a) + (1.0 - a) * m.digamma(a)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x: Any, y: Any) -> Tensor:
        return m.lgamma(x + 1) + (x + 1) * m.log(-y.reciprocal())
