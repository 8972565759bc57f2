"""Inverses, systems of linear equations, determinants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core import Tensor, called, from_data
from pellucid.declare import function, op
from pellucid.errors import ShapeError, with_line
from pellucid.reverse.vocabulary import LIFTED, sum_to

from ..return_types import return_type
from .checks import LinAlgError, adjoint, is_complex, matrices, same_dtype, square
from .elimination import eliminate
from .packing import unpack


def first_zero_pivot(a: Any) -> Any:
    """For each matrix the number (from 1) of the first pivot that is zero; 0 where it is invertible."""
    if not a.shape[-1]:
        return np.zeros(a.shape[:-2], np.int32)
    packed, _ = eliminate(np.asarray(a))
    zero = np.diagonal(packed, 0, -2, -1) == 0
    return np.asarray(np.where(zero.any(-1), zero.argmax(-1) + 1, 0), np.int32)


def singular(name: str, a: Any, what: str) -> LinAlgError:
    """The error for a batch of matrices of which one is singular."""
    info = np.atleast_1d(first_zero_pivot(a)).ravel()
    where = int(np.argmax(info > 0))
    batch = f"(Batch element {where}): " if len(a.shape) > 2 else ""
    pivot = int(info[where]) or a.shape[-1]
    return LinAlgError(
        f"{name}: {batch}The diagonal element {pivot} is zero, the {what} could not be completed because the input "
        "matrix is singular."
    )


@op(reference="torch.linalg.inv", node="LinalgInvExBackward0")
def inverse(xp: Any, input: Any) -> Any:
    """The inverse of each matrix: (…, n, n) -> (…, n, n). Raises LinAlgError for a singular one.

    >>> import pellucid
    >>> pellucid.tensor([[2.0, 0.0], [0.0, 4.0]]).inverse()
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    square("linalg.inv", input)
    try:
        return xp.linalg.inv(input)
    except np.linalg.LinAlgError:
        raise singular("linalg.inv", input, "inversion") from None


def _inverse_rule(m: Any, g: Any, out: Any) -> Any:
    turned = m.matrix_transpose(out)
    return -m.matmul(m.matmul(turned, g), turned)


inverse.vjp(input=lambda m, g, out: _inverse_rule(m, g, out))


@function(method=False, public=False, name="linalg.inv")
def inv(A: Tensor) -> Tensor:
    """The inverse of each matrix: A⁻¹. Raises LinAlgError for a singular one.

    >>> import pellucid
    >>> inv(pellucid.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return inverse(A)


def _infos(A: Tensor) -> Any:
    square("linalg.inv", A)
    return from_data(first_zero_pivot(A.detach().numpy()))


@function(method=False, public=False, name="linalg.inv_ex")
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """(inverse, info): `info` is 0 for each matrix that has an inverse, else the number of the pivot that is zero.

    The inverse of a singular matrix is NaN here; PyTorch leaves it open.
    """
    info = _infos(A)
    if not check_errors and info.numel() and int(info.max()):
        known = A.detach().numpy().copy()
        known[info.numpy() > 0] = np.nan
        with np.errstate(all="ignore"):
            result = from_data(np.linalg.inv(known))
    else:
        result = inverse(A)
    return return_type("linalg_inv_ex")(result, info)


# --- systems of equations ---------------------------------------------------------------------------------------------


@op(name="solution", method=False, public=False, reference="torch.linalg.solve", node="LinalgSolveExBackward0")
def solution(xp: Any, input: Any, other: Any) -> Any:
    """X with A X = B: (…, n, n), (…, n, k) -> (…, n, k); leading dimensions broadcast."""
    try:
        return xp.linalg.solve(input, other)
    except np.linalg.LinAlgError:
        raise singular("torch.linalg.solve", input, "solve") from None


def _solution_to_matrix(m: Any, g: Any, a: Any, x: Any, shape: Any) -> Any:
    back = m.solution(m.matrix_transpose(a), g)
    return sum_to(m, -m.matmul(back, m.matrix_transpose(x)), shape)


solution.vjp(
    input=lambda m, g, input, out, input_shape: _solution_to_matrix(m, g, input, out, input_shape),
    other=lambda m, g, input, other_shape: sum_to(m, m.solution(m.matrix_transpose(input), g), other_shape),
)


def is_vector(A: Any, B: Any) -> bool:
    """Whether B is a batch of vectors, one for each matrix, as `torch.linalg.solve` sees it."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))


@function(method=False, public=False, name="linalg.solve")
@called("LinalgSolveExBackward0")
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, or X A = B where `left` is False: (…, n, n) and (…, n, k) or (…, n) -> the shape of B, broadcast.

    Raises LinAlgError for a singular matrix, RuntimeError where shapes or dtypes do not fit.

    >>> import pellucid
    >>> solve(pellucid.tensor([[2.0, 0.0], [0.0, 4.0]]), pellucid.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    name = "linalg.solve"
    square(name, A)
    same_dtype(name, A, B)
    vector = is_vector(A, B)
    b: Any = B.unsqueeze(-1) if vector else B
    if vector and not left:
        raise RuntimeError(
            with_line(f"{name}: Vector broadcasting of the left hand side is not supported for left=False")
        )
    matrices(name, b, "B")
    inner = b.shape[-2] if left else b.shape[-1]
    if inner != A.shape[-1]:
        raise ShapeError(
            with_line(
                f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
                f"({A.shape[-2]}x{A.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})"
            )
        )
    x: Any = solution(A, b) if left else solution(A.mT, b.mT).mT
    return x.squeeze(-1) if vector else x


@function(method=False, public=False, name="linalg.solve_ex")
@called("LinalgSolveExBackward0")
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """(result, info): the solution, and for each matrix 0, or the number of the pivot that is zero.

    The solution of a singular system is NaN here; PyTorch leaves it open.
    """
    info = _infos(A)
    made = return_type("linalg_solve_ex")
    if check_errors or not (info.numel() and int(info.max())):
        return made(solve(A, B, left=left), info)
    ones: Any = A.detach().clone()
    ones[info > 0] = from_data(np.eye(A.shape[-1])).to(A.dtype)
    result: Any = solve(ones, B.detach(), left=left)
    wrong = (info > 0).reshape(*info.shape, *(1,) * (result.ndim - info.ndim))
    return made(result.masked_fill(wrong, math.nan), info)


@function(method=False, public=False, name="linalg.tensorsolve")
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first."""
    moved = A if dims is None else A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = tuple(moved.shape[B.ndim :])
    if math.prod(shape) != math.prod(moved.shape[: B.ndim]):
        raise ShapeError(
            with_line(
                "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
                f"prod(self.shape[:other.ndim]), but got {math.prod(shape)} != {math.prod(moved.shape[: B.ndim])}"
            )
        )
    matrix = moved.reshape(B.numel(), math.prod(shape))
    return solve(matrix, B.reshape(-1)).reshape(shape)


@function(method=False, public=False, name="linalg.tensorinv")
@called("ReshapeAliasBackward0")
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of A for `tensordot`: X with tensordot(A, X, ind) the identity."""
    if ind <= 0:
        raise RuntimeError(with_line(f"Expected a strictly positive integer for 'ind', got {ind}"))
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if math.prod(first) != math.prod(last):
        raise ShapeError(
            with_line(
                "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
                f"{math.prod(last)} != {math.prod(first)}"
            )
        )
    return inverse(A.reshape(math.prod(first), math.prod(last))).reshape(*last, *first)


# --- determinants -----------------------------------------------------------------------------------------------------


@op(node="LinalgDetBackward0")
def det(xp: Any, input: Any) -> Any:
    """The determinant of each matrix: (…, n, n) -> (…).

    >>> import pellucid
    >>> pellucid.tensor([[1.0, 2.0], [3.0, 4.0]]).det()
    tensor(-2.)
    """
    square("linalg.det", input)
    return xp.asarray(xp.linalg.det(input))


def _spread(m: Any, g: Any) -> Any:
    return m.reshape(g, shape=(*g.shape, 1, 1))


det.vjp(input=lambda m, g, input: _spread(m, g) * m.cofactors(input))


@op(method=False, public=False)
def cofactors(xp: Any, input: Any) -> Any:
    """The derivative of the determinant: det(A) · A⁻ᵀ, and what that tends to where A is singular.

    From A = U diag(s) Vᴴ they are det(U) · det(Vᴴ) · U' diag(Π s without sᵢ) V'ᵀ, where ' conjugates.
    """
    n = input.shape[-1]
    if n == 0:
        return input.copy()
    u, s, vh = xp.linalg.svd(input)
    rest = xp.broadcast_to(s[..., None, :], (*s.shape, n)).copy()
    rest[..., xp.arange(n), xp.arange(n)] = 1
    products = xp.prod(rest, axis=-1)
    sign = xp.linalg.det(u) * xp.linalg.det(vh)
    turned = u.conj() * products[..., None, :]
    return (xp.asarray(sign)[..., None, None] * xp.matmul(turned, vh.conj())).astype(input.dtype, copy=False)


def _cofactors_rule(m: Any, g: Any, input: Any, out: Any) -> Any:
    """(Σ g ∘ C) A⁻ᵀ - A⁻ᵀ gᵀ C, for C the cofactors; of an invertible A."""
    if input.shape[-1] == 1:
        return m.zeros_like(g)
    turned = m.matrix_transpose(m.inverse(input))
    along = m.sum(g * out, dim=(-2, -1), keepdim=True)
    return along * turned - m.matmul(m.matmul(turned, m.matrix_transpose(g)), out)


cofactors.vjp(input=lambda m, g, input, out: _cofactors_rule(m, g, input, out))


@op(name="slogdet_packed", method=False, public=False, node="LinalgSlogdetBackward0", holomorphic=False)
def slogdet_packed(xp: Any, input: Any) -> Any:
    """The sign of det A and log |det A|, of a singular matrix 0 and -inf, packed."""
    square("linalg.slogdet", input)
    sign, value = xp.linalg.slogdet(input)
    return xp.stack([xp.asarray(sign), xp.asarray(value).astype(input.dtype)], axis=-1)


def _slogdet_rule(m: Any, g: Any, input: Any, out: Any) -> Any:
    """c · A⁻ᴴ, with c the gradient of log |det A|, and of complex numbers -i Im(gₛ' sign) for the phase besides."""
    g_sign, factor = unpack(m, g, (), ())
    if is_complex(out):
        sign, _ = unpack(m, out, (), ())
        phase = m.imag(m.conj(g_sign) * sign)
        factor = m.cast_like(m.real(factor), out) - m.cast_like(phase, out) * 1j
    return _spread(m, factor) * adjoint(m, m.inverse(input))


slogdet_packed.vjp(input=lambda m, g, input, out: _slogdet_rule(m, g, input, out))


def _slogdet(A: Any) -> tuple[Any, Any]:
    sign, value = unpack(LIFTED, slogdet_packed(A), (), ())
    return sign, LIFTED.real(value) if is_complex(value) else value


@function(method=False, public=False, name="linalg.slogdet")
@called("LinalgSlogdetBackward0")
def slogdet(A: Tensor) -> Any:
    """(sign, logabsdet) of each determinant: det A = sign · e^logabsdet, without overflow.

    >>> import pellucid
    >>> slogdet(pellucid.eye(2)).logabsdet
    tensor(0.)
    """
    return return_type("linalg_slogdet")(*_slogdet(A))


@function(name="slogdet")
def torch_slogdet(input: Tensor) -> Any:
    """(sign, logabsdet) of each determinant: det A = sign · e^logabsdet, without overflow."""
    return return_type("slogdet")(*_slogdet(input))


@function()
@called("WhereBackward0")
def logdet(input: Tensor) -> Tensor:
    """The logarithm of each determinant: -inf where it is 0, NaN where it is negative.

    >>> import pellucid
    >>> pellucid.eye(2).logdet()
    tensor(0.)
    """
    sign, value = _slogdet(input)
    return sign.log() + value
