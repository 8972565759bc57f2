"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math
from typing import Any

from ..core import Tensor
from . import constraints
from .bernoulli import OfProbability, log_bernoulli
from .utils import broadcast_all, clamp_probs, lazy_property, logits_to_probs
from .vocabulary import m

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(OfProbability):
    """Density C(p) pˣ (1 - p)^(1 - x) on [0, 1] (Loaiza-Ganem and Cunningham, arXiv:1907.06845).

    Between ``lims``, where p is about one half and the formulas are quotients of zeros, Taylor's series are used.
    """

    parameters = ("probs", "logits")
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        self._take(probs, logits)
        if probs is not None:
            if validate_args is not None and not bool(self.arg_constraints["probs"].check(self.probs).all()):
                raise ValueError(f"The parameter probs has invalid values: {self.probs}")
            self.__dict__["probs"] = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(self._param.shape, validate_args=validate_args)

    def _expand_more(self, new: Any, batch_shape: Any) -> None:
        new._lims = self._lims

    @lazy_property
    def probs(self) -> Tensor:
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _outside(self) -> Tensor:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut(self) -> Tensor:
        return m.where(self._outside(), self.probs, self._lims[0])

    def _cont_bern_log_norm(self) -> Tensor:
        p = self._cut()
        below, above = m.where(p <= 0.5, p, 0.0), m.where(p >= 0.5, p, 1.0)
        width = m.where(p <= 0.5, m.log1p(-2.0 * below), m.log(2.0 * above - 1.0))
        log_norm = m.log(m.abs(m.log1p(-p) - m.log(p))) - width
        x = m.pow(self.probs - 0.5, 2)
        return m.where(self._outside(), log_norm, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Tensor:
        p = self._cut()
        mean = p / (2.0 * p - 1.0) + 1.0 / (m.log1p(-p) - m.log(p))
        x = self.probs - 0.5
        return m.where(self._outside(), mean, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * m.pow(x, 2)) * x)

    @property
    def variance(self) -> Tensor:
        p = self._cut()
        variance = p * (p - 1.0) / m.pow(1.0 - 2.0 * p, 2) + 1.0 / m.pow(m.log1p(-p) - m.log(p), 2)
        x = m.pow(self.probs - 0.5, 2)
        return m.where(self._outside(), variance, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(m.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        return log_bernoulli(logits, value) + self._cont_bern_log_norm()

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        p = self._cut()
        cdf = (m.pow(p, value) * m.pow(1.0 - p, 1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = m.where(self._outside(), cdf, value)
        return m.where(value <= 0.0, 0.0, m.where(value >= 1.0, 1.0, inside))

    def icdf(self, value: Tensor) -> Tensor:
        p = self._cut()
        found = (m.log1p(-p + value * (2.0 * p - 1.0)) - m.log1p(-p)) / (m.log(p) - m.log1p(-p))
        return m.where(self._outside(), found, value)

    def entropy(self) -> Tensor:
        log0, log1 = m.log1p(-self.probs), m.log(self.probs)
        return self.mean * (log0 - log1) - self._cont_bern_log_norm() - log0

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, x: Any) -> Tensor:
        outside = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = m.where(outside, x, self._lims[0] - 0.5)
        log_norm = m.log(m.abs(m.expm1(cut))) - m.log(m.abs(cut))
        return m.where(outside, log_norm, 0.5 * x + m.pow(x, 2) / 24.0 - m.pow(x, 4) / 2880.0)
