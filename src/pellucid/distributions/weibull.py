"""Weibull's distribution."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from . import constraints
from .exponential import Exponential
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, PowerTransform
from .utils import broadcast_all, euler_constant
from .vocabulary import m

__all__ = ["Weibull"]


class Weibull(TransformedDistribution):
    """scale · E^(1 / concentration) of an exponential E with rate 1."""

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}  # noqa: RUF012
    support = constraints.positive

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        self.concentration_reciprocal = self.concentration.reciprocal()
        base = Exponential(m.ones_like(self.scale), validate_args=validate_args)
        power = PowerTransform(exponent=self.concentration_reciprocal)
        super().__init__(base, [power, AffineTransform(loc=0, scale=self.scale)], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Weibull, _instance)
        for name in ("scale", "concentration", "concentration_reciprocal"):
            setattr(new, name, getattr(self, name).expand(batch_shape))
        return TransformedDistribution.expand(self, batch_shape, new)

    @property
    def mean(self) -> Tensor:
        return self.scale * m.exp(m.lgamma(1 + self.concentration_reciprocal))

    @property
    def mode(self) -> Tensor:
        part = (self.concentration - 1) / self.concentration
        return self.scale * part ** self.concentration.reciprocal()

    @property
    def variance(self) -> Tensor:
        second = m.exp(m.lgamma(1 + 2 * self.concentration_reciprocal))
        return self.scale.pow(2) * (second - m.exp(2 * m.lgamma(1 + self.concentration_reciprocal)))

    def entropy(self) -> Tensor:
        reciprocal = self.concentration_reciprocal
        return euler_constant * (1 - reciprocal) + m.log(self.scale * reciprocal) + 1
