"""Wishart's distribution over positive-definite matrices."""

from __future__ import annotations

import math
from typing import Any

from .. import linalg
from ..core import Tensor
from ..errors import warn
from ..types.dtypes import finfo
from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .lkj_cholesky import multigammaln
from .multivariate_normal import half_log_det, inverse_of, precision_to_scale_tril
from .utils import lazy_property, size
from .vocabulary import m

__all__ = ["Wishart"]


class Wishart(ExponentialFamily):
    """Σ xᵢ xᵢᵀ of ``df`` normal vectors xᵢ with the covariance V, given as in `MultivariateNormal`.

    Raises:
        ValueError: ``df`` is not above n - 1 of n × n matrices; a matrix with fewer than two dimensions.
        AssertionError: not exactly one matrix is given, as in PyTorch.
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> Any:  # type: ignore[override]
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        named = [name for name, matrix in given.items() if matrix is not None]
        if len(named) != 1:
            raise AssertionError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        param: Any = given[named[0]]
        if param.ndim < 2:
            raise ValueError("scale_tril must be at least two-dimensional, with optional leading batch dimensions")
        df = df if isinstance(df, Tensor) else m.tensor(df, dtype=param.dtype)
        batch = size(m.broadcast_tensors(param[..., 0, 0], df)[0].shape)
        event, self.df = param.shape[-2:], df.expand(batch)
        if bool((self.df <= event[-1] - 1).any()):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {event[-1] - 1}.")
        if bool((self.df < event[-1]).any()):
            warn("Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.")
        setattr(self, named[0], param.expand(size(batch, event)))
        super().__init__(batch, event, validate_args=validate_args)
        if scale_tril is not None:
            self._unbroadcasted_scale_tril = param
        elif covariance_matrix is not None:
            self._unbroadcasted_scale_tril = linalg.cholesky(param)
        else:
            self._unbroadcasted_scale_tril = precision_to_scale_tril(param)
        self._set_chi2()

    def _set_chi2(self) -> None:
        steps = m.arange(self._event_shape[-1], dtype=self._unbroadcasted_scale_tril.dtype)
        self._dist_chi2 = Chi2(self.df.unsqueeze(-1) - steps)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        new = self._get_checked_instance(Wishart, _instance)
        shape = size(batch_shape, self.event_shape)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril.expand(shape)
        new.df = self.df.expand(batch_shape)
        for name in ("covariance_matrix", "precision_matrix", "scale_tril"):
            if name in self.__dict__:
                setattr(new, name, self.__dict__[name].expand(shape))
        ExponentialFamily.__init__(new, batch_shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        new._set_chi2()
        return new

    @lazy_property
    def scale_tril(self) -> Tensor:
        return self._unbroadcasted_scale_tril.expand(size(self._batch_shape, self._event_shape))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        factor = self._unbroadcasted_scale_tril
        return (factor @ factor.mT).expand(size(self._batch_shape, self._event_shape))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        return inverse_of(self._unbroadcasted_scale_tril).expand(size(self._batch_shape, self._event_shape))

    def _df(self) -> Tensor:
        return self.df.reshape(size(self._batch_shape, (1, 1)))

    @property
    def mean(self) -> Tensor:
        return self._df() * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self._df() - self.event_shape[-1] - 1
        return m.where(factor <= 0, math.nan, factor) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        return self._df() * (v.pow(2) + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """By Bartlett's decomposition: L A Aᵀ Lᵀ, A with roots of chi-squared numbers above normal ones."""
        p = self._event_shape[-1]
        roots = self._dist_chi2.rsample(sample_shape).sqrt()
        noise = roots.clamp(min=finfo(roots.dtype).eps).diag_embed(dim1=-2, dim2=-1)
        rows, columns = m.tril_indices(p, p, -1)
        lower = m.zeros_like(noise)
        normal = m.randn(size(sample_shape, self._batch_shape, (p * (p - 1) // 2,)), dtype=noise.dtype)
        lower[..., rows, columns] = normal
        factor = self._unbroadcasted_scale_tril @ (noise + lower)
        return factor @ factor.mT

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        nu, p, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        trace = (inverse_of(factor) @ value).diagonal(dim1=-2, dim2=-1).sum(-1)
        log_det = linalg.slogdet(value)[1]
        own = -nu * (p * math.log(2) / 2 + half_log_det(factor)) - multigammaln(nu / 2, p)
        return own + (nu - p - 1) / 2 * log_det - trace / 2

    def entropy(self) -> Tensor:
        nu, p = self.df, self._event_shape[-1]
        digammas = m.digamma((nu / 2).unsqueeze(-1) - m.arange(p, dtype=nu.dtype) / 2).sum(-1)
        own = (p + 1) * (p * math.log(2) / 2 + half_log_det(self._unbroadcasted_scale_tril))
        return own + multigammaln(nu / 2, p) - (nu - p - 1) / 2 * digammas + nu * p / 2

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        p = self._event_shape[-1]
        return -self.precision_matrix / 2, (self.df - p - 1) / 2

    def _log_normalizer(self, x: Any, y: Any) -> Tensor:
        p = self._event_shape[-1]
        log_det = linalg.slogdet(-2 * x)[1]
        return (y + (p + 1) / 2) * (-log_det + math.log(2) * p) + multigammaln(y + (p + 1) / 2, p)
