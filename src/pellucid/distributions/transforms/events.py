"""Transforms of whole vectors and matrices: onto the simplex, to Cholesky factors, to positive definite matrices."""

from __future__ import annotations

import math
from typing import Any

from ...types.dtypes import finfo
from .. import constraints
from ..utils import size, tril_matrix_to_vec, vec_to_tril_matrix
from ..vocabulary import m
from .transform import Transform


class CorrCholeskyTransform(Transform):
    """Vectors of D (D - 1) / 2 numbers to the Cholesky factors of correlation matrices.

    The numbers are the lower triangle, row by row. Each row is a signed stick-breaking: with r = tanh(x), its elements
    are r times the root of what the squares before have left of 1.
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Any) -> Any:
        x = m.tanh(x)
        eps = finfo(x.dtype).eps
        r = vec_to_tril_matrix(x.clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - r**2).sqrt().cumprod(-1)
        r = r + m.eye(r.shape[-1], dtype=r.dtype)
        return r * _after_a_one(left[..., :-1])

    def _inverse(self, y: Any) -> Any:
        left = _after_a_one(1 - m.cumsum(y * y, dim=-1)[..., :-1])
        vector, left = tril_matrix_to_vec(y, diag=-1), tril_matrix_to_vec(left, diag=-1)
        t = vector / left.sqrt()
        return (t.log1p() - t.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        left = 1 - (y * y).cumsum(dim=-1)
        of_sticks = 0.5 * tril_matrix_to_vec(left, diag=-2).log().sum(-1)
        return of_sticks - 2 * (x + m.softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        count = shape[-1]
        rows = round((0.25 + 2 * count) ** 0.5 + 0.5)
        if rows * (rows - 1) // 2 != count:
            raise ValueError(f"Input is not a flattened lower-diagonal number: {count} is no D (D - 1) / 2")
        return size(shape[:-1], (rows, rows))

    def inverse_shape(self, shape: Any) -> Any:
        if shape[-2] != shape[-1]:
            raise ValueError(f"Input is not square: {tuple(shape)}")
        return size(shape[:-2], (shape[-1] * (shape[-1] - 1) // 2,))


def _after_a_one(x: Any) -> Any:
    """A 1 before the last dimension."""
    return m.cat([m.ones((*tuple(x.shape)[:-1], 1), dtype=x.dtype), x], dim=-1)


class SoftmaxTransform(Transform):
    """y = exp(x), normalised; not bijective, and its inverse is the logarithm."""

    domain = constraints.real_vector
    codomain = constraints.simplex

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SoftmaxTransform)

    __hash__ = None  # type: ignore[assignment]

    def _call(self, x: Any) -> Any:
        probs = (x - x.max(-1, keepdim=True)[0]).exp()
        return probs / probs.sum(-1, keepdim=True)

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def forward_shape(self, shape: Any) -> Any:
        return _at_least(shape, 1)

    def inverse_shape(self, shape: Any) -> Any:
        return _at_least(shape, 1)


def _at_least(shape: Any, dims: int) -> Any:
    if len(shape) < dims:
        raise ValueError(f"Too few dimensions on input: {tuple(shape)}, where {dims} are needed")
    return shape


class StickBreakingTransform(Transform):
    """D numbers to a point of the simplex of D + 1: each breaks a part, its sigmoid, off what is left of a stick."""

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StickBreakingTransform)

    __hash__ = None  # type: ignore[assignment]

    def _call(self, x: Any) -> Any:
        offset = x.shape[-1] + 1 - m.ones((x.shape[-1],), dtype=x.dtype).cumsum(-1)
        z = m.sigmoid(x - offset.log())
        limits = finfo(z.dtype)
        z = z.clamp(min=limits.tiny, max=1 - limits.eps)
        left = _after_a_one((1 - z).cumprod(-1))
        return m.cat([z, m.ones((*tuple(z.shape)[:-1], 1), dtype=z.dtype)], dim=-1) * left

    def _inverse(self, y: Any) -> Any:
        kept = y[..., :-1]
        offset = y.shape[-1] - m.ones((kept.shape[-1],), dtype=y.dtype).cumsum(-1)
        left = m.clamp(1 - kept.cumsum(-1), min=finfo(y.dtype).tiny)
        return kept.log() - left.log() + offset.log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        offset = x.shape[-1] + 1 - m.ones((x.shape[-1],), dtype=x.dtype).cumsum(-1)
        x = x - offset.log()
        return (-x + m.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        return size(_at_least(shape, 1)[:-1], (shape[-1] + 1,))

    def inverse_shape(self, shape: Any) -> Any:
        return size(_at_least(shape, 1)[:-1], (shape[-1] - 1,))


class LowerCholeskyTransform(Transform):
    """Matrices to lower triangles with a positive diagonal: its exponential."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LowerCholeskyTransform)

    __hash__ = None  # type: ignore[assignment]

    def _call(self, x: Any) -> Any:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Any) -> Any:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """Matrices to positive-definite ones: L Lᵀ of their lower triangles L."""

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PositiveDefiniteTransform)

    __hash__ = None  # type: ignore[assignment]

    def _call(self, x: Any) -> Any:
        x = LowerCholeskyTransform()(x)
        return x @ x.mT

    def _inverse(self, y: Any) -> Any:
        from ...linalg import cholesky

        return LowerCholeskyTransform().inv(cholesky(y))
