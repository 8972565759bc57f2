"""The inverse gamma distribution."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from . import constraints
from .gamma import Gamma
from .transformed_distribution import TransformedDistribution
from .transforms import PowerTransform
from .vocabulary import m

__all__ = ["InverseGamma"]


class InverseGamma(TransformedDistribution):
    """1 / X of a gamma X with ``concentration`` and ``rate``."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}  # noqa: RUF012
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        super().__init__(base, PowerTransform(-m.ones((), dtype=base.rate.dtype)), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        return self._expanded(InverseGamma, batch_shape, _instance)

    @property
    def concentration(self) -> Tensor:
        """The concentration of X."""
        return self.base_dist.concentration

    @property
    def rate(self) -> Tensor:
        """The rate of X."""
        return self.base_dist.rate

    @property
    def mean(self) -> Tensor:
        return m.where(self.concentration > 1, self.rate / (self.concentration - 1), float("inf"))

    @property
    def mode(self) -> Tensor:
        return self.rate / (self.concentration + 1)

    @property
    def variance(self) -> Tensor:
        a = self.concentration
        return m.where(a > 2, self.rate.square() / ((a - 1).square() * (a - 2)), float("inf"))

    def entropy(self) -> Tensor:
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()
