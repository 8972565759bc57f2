"""Poisson's distribution."""

from __future__ import annotations

from typing import Any

from ..core import Tensor, no_grad
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all
from .vocabulary import m

__all__ = ["Poisson"]


class Poisson(ExponentialFamily):
    """Probability rateᵏ exp(-rate) / k! of k = 0, 1, 2, …"""

    arg_constraints = {"rate": constraints.nonnegative}  # noqa: RUF012
    parameters = ("rate",)
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return m.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (m.log(self.rate),)

    def _log_normalizer(self, x: Any) -> Tensor:
        return m.exp(x)
