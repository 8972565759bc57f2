"""The multivariate normal distribution whose covariance is W Wᵀ + D, of low rank but for the diagonal D."""

from __future__ import annotations

import math
from typing import Any

from .. import linalg
from ..core import Size, Tensor
from . import constraints
from .distribution import Distribution
from .multivariate_normal import batch_mv, half_log_det, mahalanobis
from .utils import lazy_property, size
from .vocabulary import m

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """Normal vectors with the covariance W Wᵀ + diag(d), of ``cov_factor`` W (…, n, k) and ``cov_diag`` d (…, n).

    Determinant and inverse come from the k × k matrix I + Wᵀ D⁻¹ W, by the lemmas of Woodbury and of the determinant.

    Raises:
        ValueError: shapes do not fit.
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    parameters = ("loc", "cov_factor", "cov_diag")
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        n = loc.shape[-1]
        if cov_factor.ndim < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m, not {cov_factor.shape}")
        if cov_diag.shape[-1] != n:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {(n,)}, not {cov_diag.shape}")
        try:
            batch = size(m.broadcast_tensors(loc, cov_factor[..., 0], cov_diag)[0].shape)[:-1]
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            ) from error
        self.loc, self.cov_diag = loc.expand((*batch, n)), cov_diag.expand((*batch, n))
        self.cov_factor = cov_factor.expand((*batch, *cov_factor.shape[-2:]))
        self._prepare(cov_factor, cov_diag)
        super().__init__(batch, (n,), validate_args=validate_args)

    def _prepare(self, factor: Tensor, diag: Tensor) -> None:
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = factor, diag
        inner = (factor.mT / diag.unsqueeze(-2)) @ factor
        self._capacitance_tril = linalg.cholesky(inner + m.eye(factor.shape[-1], dtype=factor.dtype))

    def _expand_more(self, new: Any, batch_shape: Size) -> None:
        for name in ("_unbroadcasted_cov_factor", "_unbroadcasted_cov_diag", "_capacitance_tril"):
            setattr(new, name, getattr(self, name))

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:  # type: ignore[override]
        variance = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return variance.expand(size(self._batch_shape, self._event_shape))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        factor = self._unbroadcasted_cov_factor
        matrix = factor @ factor.mT + m.diag_embed(self._unbroadcasted_cov_diag)
        return matrix.expand(size(self._batch_shape, self._event_shape, self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        return linalg.cholesky(self.covariance_matrix)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        diag = self._unbroadcasted_cov_diag
        a = linalg.solve_triangular(
            self._capacitance_tril, self._unbroadcasted_cov_factor.mT / diag.unsqueeze(-2), upper=False
        )
        matrix = m.diag_embed(diag.reciprocal()) - a.mT @ a
        return matrix.expand(size(self._batch_shape, self._event_shape, self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        of_factor = m.randn((*shape[:-1], self.cov_factor.shape[-1]), dtype=self.loc.dtype)
        of_diag = m.randn(shape, dtype=self.loc.dtype)
        moved = batch_mv(self._unbroadcasted_cov_factor, of_factor)
        return self.loc + moved + self._unbroadcasted_cov_diag.sqrt() * of_diag

    def log_det(self) -> Tensor:
        """log det of the covariance."""
        return 2 * half_log_det(self._capacitance_tril) + self._unbroadcasted_cov_diag.log().sum(-1)

    def square(self, x: Tensor) -> Tensor:
        """xᵀ times the inverse of the covariance times x."""
        weighted = batch_mv(self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2), x)
        return (x.pow(2) / self._unbroadcasted_cov_diag).sum(-1) - mahalanobis(self._capacitance_tril, weighted)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        square = self.square(value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self.log_det() + square)

    def entropy(self) -> Tensor:
        entropy = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self.log_det())
        return entropy.expand(self._batch_shape)
