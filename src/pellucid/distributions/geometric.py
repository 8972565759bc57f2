"""The geometric distribution."""

from __future__ import annotations

from typing import Any

from ..core import Tensor, no_grad
from ..types.dtypes import finfo
from . import constraints
from .bernoulli import OfProbability, log_bernoulli
from .utils import broadcast_all
from .vocabulary import m

__all__ = ["Geometric"]


class Geometric(OfProbability):
    """How many trials fail before the first success, each of which has the probability ``probs`` (log-odds ``logits``).

    Raises:
        ValueError: a probability of 0, or outside [0, 1].
    """

    parameters = OfProbability.parameters
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._take(probs, logits)
        super().__init__(self._param.shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            raise ValueError(
                f"Expected parameter probs ({type(self.probs).__name__} of shape {tuple(self.probs.shape)}) of "
                f"distribution {self!r} to be positive but found invalid values:\n{self.probs}"
            )

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return m.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            kind = self.probs.dtype
            u = m.empty(self._extended_shape(sample_shape), dtype=kind).uniform_(finfo(kind).tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        value, probs = broadcast_all(value, self.probs)
        probs = m.where((probs == 1) & (value == 0), 0.0, probs)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        return -log_bernoulli(self.logits, self.probs) / self.probs
