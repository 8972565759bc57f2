"""Exponential families: densities exp(θ · t(x) - A(θ) + k(x)) with natural parameters θ and log normaliser A."""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from ..reverse import grad
from .distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """A distribution with natural parameters; its entropy follows from them, A(θ) - θ · ∇A(θ) - E[k]."""

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError(f"{type(self).__name__} must define _natural_params")

    def _log_normalizer(self, *natural_params: Any) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _log_normalizer(*natural_params)")

    _mean_carrier_measure: Any  # E[k]

    def entropy(self) -> Tensor:
        if not hasattr(self, "_mean_carrier_measure"):
            raise NotImplementedError(f"{type(self).__name__} has no entropy in closed form")
        natural = [param.detach().requires_grad_() for param in self._natural_params]
        normalizer = self._log_normalizer(*natural)
        gradients: Any = grad(normalizer.sum(), natural, create_graph=True)
        result = -self._mean_carrier_measure + normalizer
        for param, gradient in zip(natural, gradients, strict=True):
            own = param * gradient
            result = result - own.reshape((*self._batch_shape, -1)).sum(-1)
        return result
