"""The largest or smallest eigenvalues of a symmetric matrix, under the name of PyTorch's iterative method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.core import Tensor
from pellucid.declare import function
from pellucid.errors import with_line

from .checks import square
from .cholesky import cholesky
from .spectral import eigh
from .triangular import solve_triangular


@function(method=False)
def lobpcg(
    A: Any, k: int | None = None, B: Any = None, X: Tensor | None = None, n: int | None = None, iK: Any = None,
    niter: int | None = None, tol: float | None = None, largest: bool | None = None, method: str | None = None,
    tracker: Callable[..., object] | None = None, ortho_iparams: Any = None, ortho_fparams: Any = None,
    ortho_bparams: Any = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The `k` largest eigenvalues of A x = λ B x and their vectors, the largest first; (…, m, m) -> (…, k), (…, m, k).

    A is symmetric, B symmetric and positive (the identity where None). With `largest=False` the smallest, those first.
    `X` says how many are wanted where `k` is None. They are computed exactly, from all eigenvalues, so that what guides
    an iteration (`X`, `iK`, `niter`, `tol`, `method`, `ortho_…`) changes nothing, and `tracker` is not called.

    Raises:
        ValueError: A has fewer rows than 3 · k.

    >>> import pellucid
    >>> pellucid.lobpcg(pellucid.diag(pellucid.tensor([1.0, 3.0, 2.0])), 1)[0]
    tensor([3.])
    """
    whole = A if isinstance(A, Tensor) else A.to_dense()
    square("lobpcg", whole)
    rows, wanted = whole.shape[-1], k or n or (1 if X is None else X.shape[-1])
    if rows < 3 * wanted:
        raise ValueError(
            with_line(
                f"LOBPCG algorithm is not applicable when the number of A rows (={rows}) is smaller than 3 x the "
                f"number of requested eigenpairs (={wanted}); write torch.linalg.eigh"
            )
        )
    matrix, lower = (whole + whole.mT) / 2, None
    if B is not None:
        lower = cholesky(B if isinstance(B, Tensor) else B.to_dense())
        matrix = solve_triangular(lower, solve_triangular(lower, matrix, upper=False).mT, upper=False)
    values, vectors = eigh(matrix)
    if largest is not False:
        values, vectors = values.flip(-1), vectors.flip(-1)
    values, vectors = values[..., :wanted], vectors[..., :wanted]
    return values, vectors if lower is None else solve_triangular(lower.mT, vectors, upper=True)
