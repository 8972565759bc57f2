"""Parametrisations at hand: weight and spectral normalisation, and orthogonal matrices."""

from __future__ import annotations

from typing import Any

from ...core import Tensor, no_grad
from ...ops.linalg.matrix_functions import matrix_exp
from ...ops.linalg.orthogonal import householder_product
from ...ops.linalg.solving import solve
from ...types.dtypes import finfo
from .. import functional as F
from .. import vocabulary as ops
from ..modules.module import Module
from .parametrize import register_parametrization
from .spectral_norm import as_matrix, usual_dim
from .weight_norm import norm_except_dim, normalised_weight

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """g · v / ‖v‖."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return normalised_weight(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The length and the direction of a weight."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Train the length (``original0``) and the direction (``original1``) of a weight (arXiv:1602.07868)."""
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _SpectralNorm(Module):
    """A weight over its largest singular value, by power iteration in training."""

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{weight.ndim}, {weight.ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % weight.ndim
        self.eps = eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            u, v = (matrix.new_empty(n).normal_(0, 1) for n in matrix.shape)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            self._power_method(matrix, 15)

    @no_grad()
    def _power_method(self, matrix: Any, n_power_iterations: int) -> None:
        for _ in range(n_power_iterations):
            self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.t() @ self._u, dim=0, eps=self.eps))

    def forward(self, weight: Any) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix: Any = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        return weight / (self._u.clone() @ (matrix @ self._v.clone()))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself, taken to be normalised."""
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value whenever it is read (arXiv:1802.05957)."""
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    dim = usual_dim(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))


class _Orthogonal(Module):
    """An orthogonal matrix of the entries below the diagonal of a free one; ``base`` is where it starts."""

    def __init__(self, weight: Any, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Any) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        tall = X.mT if wide else X
        n, k = tall.shape[-2:]
        if self.orthogonal_map == "householder":
            below = tall.tril(diagonal=-1)
            tau = 2.0 / (1.0 + (below * below).sum(dim=-2))
            signs = tall.detach().diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
            q = householder_product(below, tau) * signs
        else:
            square = tall.tril()
            if n != k:
                square = ops.cat([square, square.new_zeros(*square.shape[:-2], n, n - k)], dim=-1)
            skew = square - square.mH
            if self.orthogonal_map == "matrix_exp":
                q = matrix_exp(skew)
            else:  # Cayley's map, (I - A/2)⁻¹ (I + A/2)
                identity = ops.eye(n, dtype=skew.dtype, device=skew.device)
                q = solve(identity - skew * 0.5, identity + skew * 0.5)
            q = q[..., :k]
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if wide else q

    @no_grad()
    def right_inverse(self, Q: Any) -> Tensor:
        """Start at ``Q``, made orthogonal if it is not."""
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        tall = Q.mT if wide else Q
        n, k = tall.shape[-2:]
        if not hasattr(self, "base"):
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                    "use_trivialization=False."
                )
            reflections, tau = ops.geqrf(tall)
            signs = reflections.diagonal(dim1=-2, dim2=-1)
            signs.copy_(ops.where(tau == 0, -signs.sign(), signs.sign()))
            return reflections.mT if wide else reflections
        if n != k:  # completed to a square one
            tall = ops.cat([tall, ops.randn(*tall.shape[:-2], n, n - k, dtype=tall.dtype, device=tall.device)], dim=-1)
        self.base = tall.clone() if n == k and _is_orthogonal(tall) else _made_orthogonal(tall)
        start = ops.zeros_like(Q)
        start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return start


def _is_orthogonal(q: Any) -> bool:
    n, k = q.shape[-2:]
    identity = ops.eye(k, dtype=q.dtype, device=q.device)
    return ops.allclose(q.mH @ q, identity, atol=10.0 * n * float(finfo(q.dtype).eps))


def _made_orthogonal(a: Any) -> Any:
    """Q in A = Q R with a diagonal of R that is not negative."""
    reflections, tau = ops.geqrf(a)
    q = householder_product(reflections, tau)
    return q * reflections.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a matrix, or each of a batch of them, orthogonal (unitary, if complex) while it is trained.

    ``orthogonal_map`` is "matrix_exp" (of a skew-symmetric matrix; for square and complex ones by default), "cayley",
    or "householder" (a product of reflections; by default for others). With ``use_trivialization`` the map is taken
    around the matrix it starts from (Lezcano Casado, arXiv:1909.09501).

    Raises:
        ValueError: there is no such tensor, it has fewer than 2 dimensions, or the map's name is unknown.
    """
    weight: Any = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    parametrization = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, parametrization, unsafe=True)
