"""Gumbel's distribution."""

from __future__ import annotations

import math
from typing import Any

from ..core import Tensor
from ..types.dtypes import finfo
from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, ExpTransform
from .uniform import Uniform
from .utils import broadcast_all, euler_constant
from .vocabulary import m

__all__ = ["Gumbel"]


class Gumbel(TransformedDistribution):
    """Density exp(-z - exp(-z)) / scale with z = (x - loc) / scale: -log(-log U) of a uniform U, moved and scaled."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012
    support = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        limits = finfo(self.loc.dtype)
        low = m.full_like(self.loc, limits.tiny)
        base = Uniform(low, m.full_like(self.loc, 1 - limits.eps), validate_args=validate_args)
        turn = AffineTransform(loc=0, scale=-m.ones_like(self.scale))
        parts = [ExpTransform().inv, turn, ExpTransform().inv, AffineTransform(loc=loc, scale=-self.scale)]
        super().__init__(base, parts, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Gumbel, _instance)
        new.loc, new.scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
        return TransformedDistribution.expand(self, batch_shape, new)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * euler_constant

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return (math.pi / math.sqrt(6)) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev.pow(2)

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + euler_constant)
