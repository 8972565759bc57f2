"""Bernoulli's distribution: 1 with a probability, else 0."""

from __future__ import annotations

from typing import Any

from ..core import Tensor, no_grad
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits
from .vocabulary import m

__all__ = ["Bernoulli"]


def check_one_of(probs: Any, logits: Any) -> None:
    """Refuse both, or neither, of two ways to say the same."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


def log_bernoulli(logits: Tensor, value: Tensor) -> Tensor:
    """The logarithm of the probability of ``value`` in [0, 1], by the log-odds of 1."""
    return value * logits - m.softplus(logits)


class OfProbability(ExponentialFamily):
    """What distributions with a probability share: it is given as ``probs``, or as its log-odds ``logits``."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}  # noqa: RUF012
    parameters = ("probs", "logits")

    def _take(self, probs: Any, logits: Any, *others: Any) -> tuple[Tensor, ...]:
        """Store the one that is given, in one shape with ``others``, which are returned."""
        check_one_of(probs, logits)
        *rest, param = broadcast_all(*others, logits if probs is None else probs)
        setattr(self, "logits" if probs is None else "probs", param)
        return tuple(rest)

    @property
    def _param(self) -> Tensor:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._param.size()

    @lazy_property
    def logits(self) -> Tensor:
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        return logits_to_probs(self.logits, is_binary=True)


class Bernoulli(OfProbability):
    """1 with the probability ``probs``, or with the log-odds ``logits``; else 0."""

    parameters = OfProbability.parameters
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._take(probs, logits)
        super().__init__(self._param.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return m.where(self.probs == 0.5, float("nan"), mode)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return m.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        return log_bernoulli(logits, value)

    def entropy(self) -> Tensor:
        return -log_bernoulli(self.logits, self.probs)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        return self._enumerated(m.arange(2, dtype=self._param.dtype), expand)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (m.logit(self.probs),)

    def _log_normalizer(self, x: Any) -> Tensor:
        return m.log1p(m.exp(x))
