"""The Cholesky factor of a positive-definite matrix, and what is solved with it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core import Tensor, called, from_data
from pellucid.declare import function, op
from pellucid.errors import ShapeError, with_line
from pellucid.reverse.vocabulary import sum_to

from ..return_types import return_type
from .checks import LinAlgError, adjoint, matrices, same_dtype, square
from .triangular import substitute


def failing_minor(a: Any) -> Any:
    """For each matrix the order of the first leading minor that is not positive-definite; 0 where it has a factor."""
    n: int = a.shape[-1]
    flat: Any = np.asarray(a).reshape(-1, n, n) if a.size else np.zeros((math.prod(a.shape[:-2]), n, n))
    info = np.zeros(len(flat), np.int32)
    for i, matrix in enumerate(flat):
        try:
            np.linalg.cholesky(matrix)
            continue
        except np.linalg.LinAlgError:
            pass
        for order in range(1, n + 1):
            try:
                np.linalg.cholesky(matrix[:order, :order])
            except np.linalg.LinAlgError:
                info[i] = order
                break
    shape: tuple[int, ...] = a.shape[:-2]
    return info.reshape(shape)


@op(name="cholesky_factor", method=False, public=False, reference="torch.linalg.cholesky",
    node="LinalgCholeskyExBackward0", holomorphic=False)  # fmt: skip
def cholesky_factor(xp: Any, input: Any, *, upper: bool = False) -> Any:
    """L with A = L Lᴴ, from the lower triangle of A; or Lᴴ from the upper one.

    Raises LinAlgError for a matrix that is not positive-definite.
    """
    square("linalg.cholesky", input)
    try:
        return xp.linalg.cholesky(input, upper=upper)
    except np.linalg.LinAlgError:
        info = np.atleast_1d(failing_minor(input.swapaxes(-1, -2).conj() if upper else input)).ravel()
        where = int(np.argmax(info > 0))
        batch = f"(Batch element {where}): " if input.ndim > 2 else ""
        raise LinAlgError(
            f"linalg.cholesky: {batch}The factorization could not be completed because the input is not "
            f"positive-definite (the leading minor of order {info[where]} is not positive-definite)."
        ) from None


def _cholesky_rule(m: Any, g: Any, out: Any, upper: bool) -> Any:
    """L⁻ᴴ Φ L⁻¹ with Φ the lower triangle of Lᴴ g, mirrored to the upper one, halved.

    (I. Murray, "Differentiation of the Cholesky decomposition", 2016.)
    """
    turned, g = (out, adjoint(m, g)) if upper else (adjoint(m, out), g)
    inner = m.matmul(turned, g)
    half = (m.tril(inner) + adjoint(m, m.tril(inner, diagonal=-1))) * 0.5
    left = m.triangular_solution(turned, half, upper=True)
    return adjoint(m, m.triangular_solution(turned, adjoint(m, left), upper=True))


cholesky_factor.vjp(input=lambda m, g, out, upper: _cholesky_rule(m, g, out, upper))


@function(method=False, public=False, name="linalg.cholesky")
def linalg_cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L, lower triangular, with A = L Lᴴ; or U = Lᴴ with `upper`. Raises LinAlgError where A is not positive-definite.

    >>> import pellucid
    >>> linalg_cholesky(pellucid.tensor([[4.0, 2.0], [2.0, 2.0]]))
    tensor([[2., 0.],
            [1., 1.]])
    """
    return cholesky_factor(A, upper=upper)


@function()
@called("CholeskyBackward0")
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """L, lower triangular, with A = L Lᴴ; or U = Lᴴ with `upper`: PyTorch's older name of `linalg.cholesky`."""
    matrices("cholesky", input)
    return linalg_cholesky(input, upper=upper)


@function(method=False, public=False, name="linalg.cholesky_ex")
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """(L, info): `info` is 0, or the order of the first leading minor of the matrix that is not positive-definite.

    The factor of such a matrix is NaN here; PyTorch leaves it open.
    """
    square("linalg.cholesky", A)
    made = return_type("linalg_cholesky_ex")
    known = A.detach().mH.numpy() if upper else A.detach().numpy()
    info = failing_minor(known)
    if check_errors or not info.any():
        return made(linalg_cholesky(A, upper=upper), from_data(info))
    known = np.where((info > 0)[..., None, None], np.eye(A.shape[-1], dtype=known.dtype), known)
    factor: Any = linalg_cholesky(from_data(np.swapaxes(known, -1, -2).conj() if upper else known), upper=upper)
    return made(factor.masked_fill(from_data(info > 0)[..., None, None], float("nan")), from_data(info))


@op(name="cholesky_solution", method=False, public=False, reference="torch.cholesky_solve",
    node="CholeskySolveBackward0", holomorphic=False)  # fmt: skip
def cholesky_solution(xp: Any, input: Any, L: Any, *, upper: bool = False) -> Any:
    """X with A X = input, where A = L Lᴴ, or Lᴴ L with `upper`; only that triangle of L is read."""
    lower = L.conj().swapaxes(-1, -2) if upper else L
    x = substitute(xp, lower, input, False, False)
    return substitute(xp, lower.conj().swapaxes(-1, -2), x, True, False)


def _cholesky_solution_rule(m: Any, g: Any, factor: Any, x: Any, shape: Any, upper: bool) -> Any:
    """-(Y Xᴴ + X Yᴴ) L with Y the solution for g, in the whole of L as in PyTorch."""
    part = m.matmul(m.cholesky_solution(g, factor, upper=upper), adjoint(m, x))
    both = part + adjoint(m, part)
    return sum_to(m, -(m.matmul(factor, both) if upper else m.matmul(both, factor)), shape)


cholesky_solution.vjp(
    input=lambda m, g, L, input_shape, upper: sum_to(m, m.cholesky_solution(g, L, upper=upper), input_shape),
    L=lambda m, g, L, out, L_shape, upper: _cholesky_solution_rule(m, g, L, out, L_shape, upper),
)


@function()
@called("CholeskySolveBackward0")
def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A X = input, where A = L Lᴴ (or Uᴴ U with `upper`): (…, n, k) and (…, n, n) -> (…, n, k)."""
    square("cholesky_solve", L)
    matrices("cholesky_solve", input, "B")
    same_dtype("cholesky_solve", L, input)
    if input.shape[-2] != L.shape[-1]:
        raise ShapeError(
            with_line(
                f"cholesky_solve: Incompatible matrix sizes for cholesky_solve: each A matrix is {L.shape[-1]} by "
                f"{L.shape[-1]} but each b matrix is {input.shape[-2]} by {input.shape[-1]}"
            )
        )
    return cholesky_solution(input, L, upper=upper)


@function()
@called("CholeskyInverseBackward0")
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """(L Lᴴ)⁻¹, or (Uᴴ U)⁻¹ with `upper`."""
    square("cholesky_inverse", L)
    unit = from_data(np.eye(L.shape[-1])).to(L.dtype)
    return cholesky_solve(unit.expand(L.shape), L, upper)
