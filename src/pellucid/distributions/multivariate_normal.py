"""The multivariate normal distribution."""

from __future__ import annotations

import math
from typing import Any

from .. import linalg
from ..core import Size, Tensor
from . import constraints
from .distribution import Distribution
from .utils import lazy_property, size
from .vocabulary import m

__all__ = ["MultivariateNormal"]


def batch_mv(matrix: Tensor, vector: Tensor) -> Tensor:
    """The product of matrices (…, n, k) with vectors (…, k)."""
    return m.matmul(matrix, vector.unsqueeze(-1)).squeeze(-1)


def mahalanobis(factor: Tensor, x: Tensor) -> Tensor:
    """xᵀ (L Lᵀ)⁻¹ x, for the lower triangle L of the last two dimensions: the square of L⁻¹ x."""
    shape = size(m.broadcast_tensors(factor[..., 0], x)[0].shape)
    n = shape[-1]
    y = linalg.solve_triangular(factor.expand((*shape, n)), x.expand(shape).unsqueeze(-1), upper=False)
    return y.squeeze(-1).pow(2).sum(-1)


def half_log_det(factor: Tensor) -> Tensor:
    """log det L, half of that of L Lᵀ."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def inverse_of(factor: Tensor) -> Tensor:
    """(L Lᵀ)⁻¹."""
    eye = m.eye(factor.shape[-1], dtype=factor.dtype).expand(factor.shape)
    inverse = linalg.solve_triangular(factor, eye, upper=False)
    return inverse.mT @ inverse


def precision_to_scale_tril(precision: Tensor) -> Tensor:
    """L with L Lᵀ the inverse of ``precision``: by the Cholesky factor of the matrix with both axes turned round."""
    factor = linalg.cholesky(m.flip(precision, (-2, -1)))
    inverse = m.flip(factor, (-2, -1)).mT
    eye = m.eye(precision.shape[-1], dtype=precision.dtype).expand(precision.shape)
    return linalg.solve_triangular(inverse, eye, upper=False)


class MultivariateNormal(Distribution):
    """Density exp(-(x - loc)ᵀ Σ⁻¹ (x - loc) / 2) / √det(2πΣ) of vectors.

    Σ is given as ``covariance_matrix``, as its inverse ``precision_matrix``, or as its Cholesky factor ``scale_tril``.

    Raises:
        ValueError: not exactly one is given, or shapes do not fit.
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    parameters = ("loc", "covariance_matrix", "precision_matrix", "scale_tril")
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        named = [name for name, matrix in given.items() if matrix is not None]
        if len(named) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified, but got "
                f"{', '.join(named) or 'none'}."
            )
        name, matrix = named[0], given[named[0]]
        if matrix.ndim < 2:  # type: ignore[union-attr]
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        batch = size(m.broadcast_tensors(matrix[..., 0], loc)[0].shape)[:-1]  # type: ignore[index]
        self.loc = loc.expand((*batch, loc.shape[-1]))
        setattr(self, name, matrix.expand((*batch, *matrix.shape[-2:])))  # type: ignore[union-attr]
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        if scale_tril is not None:
            self._unbroadcasted_scale_tril = scale_tril
        elif covariance_matrix is not None:
            self._unbroadcasted_scale_tril = linalg.cholesky(covariance_matrix)
        else:
            self._unbroadcasted_scale_tril = precision_to_scale_tril(precision_matrix)  # type: ignore[arg-type]

    def _expand_more(self, new: Any, batch_shape: Size) -> None:
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril

    @lazy_property
    def scale_tril(self) -> Tensor:
        return self._unbroadcasted_scale_tril.expand(size(self._batch_shape, self._event_shape, self._event_shape))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        factor = self._unbroadcasted_scale_tril
        return (factor @ factor.mT).expand(size(self._batch_shape, self._event_shape, self._event_shape))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        inverse = inverse_of(self._unbroadcasted_scale_tril)
        return inverse.expand(size(self._batch_shape, self._event_shape, self._event_shape))

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(size(self._batch_shape, self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        eps = m.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        return self.loc + batch_mv(self._unbroadcasted_scale_tril, eps)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        factor = self._unbroadcasted_scale_tril
        square = mahalanobis(factor, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + square) - half_log_det(factor)

    def entropy(self) -> Tensor:
        entropy = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        return (entropy + half_log_det(self._unbroadcasted_scale_tril)).expand(self._batch_shape)
