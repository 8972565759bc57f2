"""The negative binomial distribution."""

from __future__ import annotations

from typing import Any

from ..core import Tensor, no_grad
from . import constraints
from .bernoulli import OfProbability
from .gamma import Gamma
from .vocabulary import m

__all__ = ["NegativeBinomial"]


class NegativeBinomial(OfProbability):
    """How many trials succeed, with the probability ``probs`` each, before ``total_count`` have failed."""

    arg_constraints = {  # noqa: RUF012
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    parameters = ("total_count", "probs", "logits")
    support = constraints.nonnegative_integer

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        (count,) = self._take(probs, logits, total_count)
        self.total_count = count.type_as(self._param)
        super().__init__(self._param.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.total_count * m.exp(self.logits)

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / m.sigmoid(-self.logits)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            rate = Gamma(self.total_count, m.exp(-self.logits), validate_args=False).sample(sample_shape)
            return m.poisson(rate)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        n = self.total_count
        unnormalized = n * m.logsigmoid(-self.logits) + value * m.logsigmoid(self.logits)
        normalizer = -m.lgamma(n + value) + m.lgamma(1.0 + value) + m.lgamma(n)
        return unnormalized - m.where(n + value == 0.0, 0.0, normalizer)
