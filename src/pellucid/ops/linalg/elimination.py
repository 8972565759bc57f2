"""LU factorisation by Gaussian elimination with partial pivoting, which NumPy does not offer by itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core import Tensor, called, from_data
from pellucid.declare import function, op
from pellucid.errors import ShapeError, with_line

from ..return_types import return_type
from .checks import floating, matrices, same_dtype, square
from .triangular import triangular_solution


def eliminate(a: Any, pivot: bool = True) -> tuple[Any, Any]:
    """(L and U in one array, the row that each row was exchanged with, from 1): PyTorch's form, as LAPACK's getrf.

    All matrices of a batch go together, a column at a time.
    """
    lu = np.array(a, order="C")
    rows, columns = lu.shape[-2:]
    batch = lu.shape[:-2]
    flat: Any = lu.reshape(math.prod(batch), rows, columns)
    steps = min(rows, columns)
    pivots = np.tile(np.arange(1, steps + 1, dtype=np.int32), (len(flat), 1))
    every = np.arange(len(flat))
    with np.errstate(all="ignore"):
        for k in range(steps):
            if pivot and len(flat):
                size = np.abs(flat[:, k:, k].real) + np.abs(flat[:, k:, k].imag)  # LAPACK's measure
                chosen = k + size.argmax(1)
                pivots[:, k] = chosen + 1
                flat[every, k], flat[every, chosen] = flat[every, chosen], flat[every, k]
            below = flat[:, k + 1 :, k]
            head = flat[:, k, k, None]
            below /= np.where(head == 0, 1, head)
            flat[:, k + 1 :, k + 1 :] -= below[:, :, None] * flat[:, k, None, k + 1 :]
    return flat.reshape(lu.shape), pivots.reshape(*batch, steps)


def permutation(pivots: Any, rows: int) -> Any:
    """Which row of A is each row of L U, from the exchanges: (…, k) -> (…, rows)."""
    batch, steps = pivots.shape[:-1], pivots.shape[-1]
    flat: Any = pivots.reshape(math.prod(batch), steps)
    order = np.tile(np.arange(rows), (len(flat), 1))
    every = np.arange(len(flat))
    for k in range(steps):
        other = flat[:, k] - 1
        order[every, k], order[every, other] = order[every, other], order[every, k]
    return order.reshape(*batch, rows)


@op(method=False, public=False)
def lu_packed(xp: Any, input: Any) -> Any:
    """L and U in one array, without exchanges of rows: (…, m, n), whose rows are in order already."""
    return eliminate(input, pivot=False)[0]


def _lu_rule(m: Any, g: Any, out: Any, shape: Any) -> Any:
    """Of a square A: L⁻ᵀ (tril(Lᵀ gL, -1) + triu(gU Uᵀ)) U⁻ᵀ; what sticks out of the square is solved for by its half.

    (S. Walter, L. Lehmann, "Algorithmic differentiation of linear algebra functions", 2010.)
    """
    rows, columns = shape[-2:]
    k = min(rows, columns)
    top, g_top = m.part(out, key=(..., slice(k), slice(k))), m.part(g, key=(..., slice(k), slice(k)))
    lower, upper = m.tril(top, diagonal=-1), m.triu(top)
    unit = lower + m.cast_like(_eye(top), lower)
    g_lower, g_upper = m.tril(g_top, diagonal=-1), m.triu(g_top)
    rest = None
    unit_t, upper_t, flip = m.matrix_transpose(unit), m.matrix_transpose(upper), m.matrix_transpose
    if columns > k:
        right = m.part(out, key=(..., slice(k), slice(k, columns)))
        rest = m.triangular_solution(unit_t, m.part(g, key=(..., slice(k), slice(k, columns))), upper=True,
                                     unitriangular=True)  # fmt: skip
        g_lower = g_lower - m.tril(m.matmul(rest, flip(right)), diagonal=-1)
    elif rows > k:
        under = m.part(out, key=(..., slice(k, rows), slice(k)))
        g_under = m.part(g, key=(..., slice(k, rows), slice(k)))
        rest = flip(m.triangular_solution(upper, flip(g_under), upper=True))
        g_upper = g_upper - m.triu(m.matmul(flip(under), rest))
    inner = m.tril(m.matmul(unit_t, g_lower), diagonal=-1) + m.triu(m.matmul(g_upper, upper_t))
    left = m.triangular_solution(unit_t, inner, upper=True, unitriangular=True)
    square_part = flip(m.triangular_solution(upper, flip(left), upper=True))
    if rest is None:
        return square_part
    return m.cat(square_part, rest, dim=-1 if columns > k else -2)


def _eye(x: Any) -> Any:
    return np.eye(x.shape[-1])


lu_packed.vjp(input=lambda m, g, out, input_shape: _lu_rule(m, g, out, input_shape))


def _factor(name: str, A: Tensor, pivot: bool) -> tuple[Any, Any, Any]:
    """(L and U in one tensor, pivots, order of the rows)."""
    matrices(name, A)
    floating(name, A)
    if not pivot:
        pivots = np.broadcast_to(
            np.arange(1, min(A.shape[-2:]) + 1, dtype=np.int32), (*A.shape[:-2], min(A.shape[-2:]))
        )
    else:
        pivots = eliminate(A.detach().numpy())[1]
    order = permutation(pivots, A.shape[-2])
    ordered: Any = A
    if pivot and A.numel():
        index = from_data(order).unsqueeze(-1).expand(A.shape)
        ordered = A.gather(-2, index)
    made: Any = lu_packed(ordered)
    if made.grad_fn is not None:
        made.grad_fn.called = "LinalgLuFactorExBackward0"
    return made, from_data(np.ascontiguousarray(pivots)), order


def _info(lu: Any) -> Any:
    zero = np.diagonal(lu.detach().numpy(), 0, -2, -1) == 0
    if not zero.shape[-1]:
        return from_data(np.zeros(zero.shape[:-1], np.int32))
    return from_data(np.asarray(np.where(zero.any(-1), zero.argmax(-1) + 1, 0), np.int32))


@function(method=False, public=False, name="linalg.lu_factor")
def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """(LU, pivots): L and U of P L U = A in one tensor, and the row (from 1) that each was exchanged with.

    >>> import pellucid
    >>> lu_factor(pellucid.tensor([[1.0, 2.0], [4.0, 4.0]])).pivots
    tensor([2, 2], dtype=torch.int32)
    """
    lu, pivots, info = lu_factor_ex(A, pivot=pivot)
    if info.numel() and int(info.max()):
        flat = info.reshape(-1).tolist()
        where = next(i for i, value in enumerate(flat) if value)
        batch = f"(Batch element {where}): " if A.ndim > 2 else ""
        raise RuntimeError(
            with_line(f"torch.linalg.lu_factor: {batch}U[{flat[where]},{flat[where]}] is zero and using it on lu_solve "
                      "would result in a division by zero. If you still want to perform the factorization, consider "
                      "calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)")
        )  # fmt: skip
    return return_type("linalg_lu_factor")(lu, pivots)


@function(method=False, public=False, name="linalg.lu_factor_ex")
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """(LU, pivots, info): as `lu_factor`; `info` is the number of the first pivot that is zero, or 0."""
    if check_errors:
        return (*lu_factor(A, pivot=pivot), _info(lu_packed(A)))
    lu, pivots, _ = _factor("torch.linalg.lu_factor", A, pivot)
    return return_type("linalg_lu_factor_ex")(lu, pivots, _info(lu))


def _halves(lu: Any) -> tuple[Any, Any]:
    rows, columns = lu.shape[-2:]
    k = min(rows, columns)
    unit = from_data(np.eye(rows, k)).to(lu.dtype)
    return lu[..., :k].tril(-1) + unit, lu[..., :k, :].triu()


def _exchange(order: Any, dtype: Any) -> Any:
    """P with A = P L U: P[order[i], i] = 1."""
    rows = order.shape[-1]
    p = np.zeros((*order.shape, rows), dtype.numpy)
    np.put_along_axis(p, order[..., None, :], 1, axis=-2)
    return from_data(p)


@function(method=False, public=False, name="linalg.lu")
@called("LinalgLuBackward0")
def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """(P, L, U): A = P L U, with L lower and U upper triangular, P exchanging rows (empty where `pivot` is False).

    >>> import pellucid
    >>> lu(pellucid.tensor([[1.0, 2.0], [4.0, 4.0]])).U
    tensor([[4., 4.],
            [0., 1.]])
    """
    packed, _, order = _factor("linalg.lu", A, pivot)
    lower, upper = _halves(packed)
    p = _exchange(order, A.dtype) if pivot else from_data(np.zeros(0, A.dtype.numpy))
    return return_type("linalg_lu")(p, lower, upper)


@function()
@called("LuUnpackBackward0")
def lu_unpack(LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    """(P, L, U) from what `linalg.lu_factor` returns; what is not asked for is empty."""
    if unpack_pivots and LU_pivots.dtype.name != "int32":
        raise RuntimeError(
            with_line("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype")
        )
    empty = from_data(np.zeros(0, LU_data.dtype.numpy))
    lower, upper = _halves(LU_data) if unpack_data else (empty, empty)
    p = empty
    if unpack_pivots:
        p = _exchange(permutation(LU_pivots.numpy(), LU_data.shape[-2]), LU_data.dtype)
    return return_type("lu_unpack")(p, lower, upper)


@function(name="lu")
def torch_lu(self: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """(LU, pivots), or (LU, pivots, info) with `get_infos`: PyTorch's older name of `linalg.lu_factor_ex`."""
    packed, pivots, info = lu_factor_ex(self, pivot=pivot)
    return return_type("_lu_with_info")(packed, pivots, info) if get_infos else (packed, pivots)


@function(method=False, public=False, name="linalg.lu_solve")
@called("LinalgLuSolveBackward0")
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """X with A X = B from A's factors as `lu_factor` returns them; X A = B where `left` is False, Aᴴ with `adjoint`."""
    name = "linalg.lu_solve"
    if pivots.dtype.name != "int32":
        raise RuntimeError(with_line(f"{name}: pivots should be a Tensor of scalar type torch.int32"))
    square(name, LU, "LU")
    matrices(name, B, "B")
    same_dtype(name, LU, B)
    if B.shape[-2 if left else -1] != LU.shape[-1]:
        raise ShapeError(with_line(f"{name}: Incompatible shapes of A and B: {tuple(LU.shape)} and {tuple(B.shape)}"))
    if pivots.shape[-1] != LU.shape[-1] or tuple(pivots.shape[:-1]) != tuple(LU.shape[:-2]):
        raise ShapeError(
            with_line(
                f"{name}: Number of pivots per batch should be same as the dimension of the matrix, got "
                f"{tuple(pivots.shape)} for {tuple(LU.shape)}"
            )
        )
    x: Any
    if not left:  # X A = B is Aᴴ Xᴴ = Bᴴ
        x = lu_solve(LU, pivots, _adjoint(B), adjoint=not adjoint)
        return _adjoint(x)
    p = _exchange(permutation(pivots.numpy(), LU.shape[-1]), LU.dtype)
    if not adjoint:
        x = triangular_solution(LU, p.mT @ B, upper=False, unitriangular=True)
        return triangular_solution(LU, x, upper=True)
    x = triangular_solution(_adjoint(LU), B, upper=False)
    return p @ triangular_solution(_adjoint(LU), x, upper=True, unitriangular=True)


def _adjoint(x: Any) -> Any:
    return x.mH


@function(name="lu_solve")
def torch_lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """X with A X = b from A's factors: PyTorch's older order of `linalg.lu_solve`."""
    return lu_solve(LU_data, LU_pivots, b)
