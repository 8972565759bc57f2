"""The multinomial distribution."""

from __future__ import annotations

from typing import Any

from ..core import Size, Tensor, no_grad
from . import constraints
from .binomial import Binomial
from .categorical import Categorical
from .distribution import Distribution
from .utils import broadcast_all
from .vocabulary import m

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """How often each of K classes comes up in ``total_count`` draws; ``probs`` or ``logits`` as of `Categorical`."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}  # noqa: RUF012

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError(f"inhomogeneous total_count is not supported: give an int, not {total_count!r}")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Multinomial, _instance)
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(batch_shape)
        Distribution.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def logits(self) -> Tensor:
        """Logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            drawn = self._categorical.sample((self.total_count, *Size(sample_shape)))  # (total_count, …)
            classes = m.arange(self.event_shape[0])
            return (drawn.unsqueeze(-1) == classes).sum(0).type_as(self.probs)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        ways = m.lgamma(value.sum(-1) + 1) - m.lgamma(value + 1).sum(-1)
        logits = m.where((value == 0) & (logits == float("-inf")), 0.0, logits)
        return ways + (logits * value).sum(-1)

    def entropy(self) -> Tensor:
        n = m.tensor(float(self.total_count))
        of_classes = self._categorical.entropy()
        own = n * of_classes - m.lgamma(n + 1)
        support = Binomial(self.total_count, self.probs).enumerate_support(expand=False)[1:]
        probs = m.exp(Binomial(self.total_count, self.probs).log_prob(support))
        weight = m.lgamma(support + 1)
        return own + (probs * weight).sum([0, -1])
