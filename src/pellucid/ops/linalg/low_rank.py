"""The largest singular values of a matrix by random projection (Halko and others, arXiv:0909.4061)."""

from __future__ import annotations

from pellucid.core import Tensor
from pellucid.declare import TABLE, function
from pellucid.errors import with_line

from ..random import randn
from .orthogonal import linalg_qr as qr
from .spectral import svd


def _basis(A: Tensor, q: int, niter: int, M: Tensor | None) -> Tensor:
    """Orthonormal columns that nearly span the q largest singular vectors of A - M: (…, m, n) -> (…, m, q)."""

    def product(matrix: Tensor, mean: Tensor | None, x: Tensor) -> Tensor:
        return matrix @ x if mean is None else matrix @ x - mean @ x

    turned = None if M is None else M.mH
    found: Tensor = qr(product(A, M, randn(A.shape[-1], q, dtype=A.dtype, device=A.device)))[0]
    for _ in range(niter):
        found = qr(product(A.mH, turned, found))[0]
        found = qr(product(A, M, found))[0]
    return found


@function(method=False)
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) with A - M ≈ U diag(S) Vᴴ: (…, m, n) -> (…, m, q), (…, q), (…, n, q).

    Exact where q is not less than the rank. The projection is drawn from the default generator. `niter` power
    iterations sharpen it.

    >>> import pellucid
    >>> U, S, V = pellucid.svd_lowrank(pellucid.eye(4) * 3, q=4)
    >>> S.round()
    tensor([3., 3., 3., 3.])
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    mean = M if M is None or M.shape == A.shape else TABLE["expand"](M, size=tuple(A.shape))
    if A.shape[-2] < A.shape[-1]:
        V, S, U = _tall(A.mH, q, niter, None if mean is None else mean.mH)
        return U, S, V
    return _tall(A, q, niter, mean)


def _tall(A: Tensor, q: int, niter: int, M: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """The same of a matrix with at least as many rows as columns."""
    basis = _basis(A, q, niter, M)
    U, S, Vh = svd(basis.mH @ A if M is None else basis.mH @ A - basis.mH @ M, full_matrices=False)
    return basis @ U, S, Vh.mH


@function(method=False)
def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """(U, S, V) of the rows of A about their mean; the columns of V are the principal directions: `svd_lowrank`.

    Raises:
        ValueError: q is greater than min(m, n), or niter is negative.
    """
    rows, columns = A.shape[-2:]
    q = min(6, rows, columns) if q is None else q
    if not 0 <= q <= min(rows, columns):
        raise ValueError(
            with_line(
                f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(rows, columns)}: A has "
                f"shape {tuple(A.shape)}"
            )
        )
    if niter < 0:
        raise ValueError(with_line(f"niter(={niter}) must be non-negative integer"))
    return svd_lowrank(A - A.mean(dim=-2, keepdim=True) if center else A, q, niter)
