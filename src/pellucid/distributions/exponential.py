"""The exponential distribution."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all
from .vocabulary import m

__all__ = ["Exponential"]


class Exponential(ExponentialFamily):
    """Density rate · exp(-rate x) for x ≥ 0."""

    arg_constraints = {"rate": constraints.positive}  # noqa: RUF012
    parameters = ("rate",)
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        return m.zeros_like(self.rate)

    @property
    def stddev(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return m.empty(shape, dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        return 1 - m.exp(-self.rate * value)

    def icdf(self, value: Tensor) -> Tensor:
        return -m.log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        return 1.0 - m.log(self.rate)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (-self.rate,)

    def _log_normalizer(self, x: Any) -> Tensor:
        return -m.log(-x)
