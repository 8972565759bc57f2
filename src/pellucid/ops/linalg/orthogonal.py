"""The QR factorisation, and the reflections of Householder that it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor, called, from_data
from pellucid.declare import function, op
from pellucid.errors import ShapeError, with_line
from pellucid.reverse.vocabulary import LIFTED

from ..return_types import return_type
from .checks import adjoint, diagonal_of, floating, is_complex, matrices, on_diagonal
from .packing import pack, unpack


@op(name="qr_packed", method=False, public=False, node="LinalgQrBackward0", holomorphic=False)
def qr_packed(xp: Any, input: Any, *, mode: str = "reduced") -> Any:
    """Q and R of A = Q R, packed."""
    batch = input.shape[:-2]
    if not input.size:
        q_shape, r_shape = shapes_of(input.shape, mode)
        q = xp.broadcast_to(xp.eye(*q_shape, dtype=input.dtype), (*batch, *q_shape))
        return pack(xp, batch, q, xp.zeros((*batch, *r_shape), input.dtype))
    q, r = xp.linalg.qr(input, mode)
    return pack(xp, batch, q, r)


def shapes_of(shape: Any, mode: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """The shapes of Q and R."""
    rows, columns = shape[-2:]
    k = rows if mode == "complete" else min(rows, columns)
    return (rows, k), (k, columns)


def _qr_rule(m: Any, g: Any, input: Any, out: Any, mode: str) -> Any:
    """(gQ + Q · mirrored triu(gR Rᴴ - Qᴴ gQ)) R⁻ᴴ; columns beyond a square are Q times those of R.

    (M. Seeger et al., "Auto-differentiating linear algebra", 2017; F. Walter et al. for the wide case.)
    """
    rows, columns = input.shape[-2:]
    if mode == "complete" and rows > columns:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols; write mode='reduced'"
        )
    k = min(rows, columns)
    q, r = unpack(m, out, *shapes_of(input.shape, mode))
    gq, gr = unpack(m, g, *shapes_of(input.shape, mode))
    rest = None
    if columns > rows:
        key = (..., slice(k, columns))
        g_right = m.part(gr, key=key)
        rest = m.matmul(q, g_right)
        gq = gq + m.matmul(m.part(input, key=key), adjoint(m, g_right))
        r, gr = m.part(r, key=(..., slice(k))), m.part(gr, key=(..., slice(k)))
    inner = m.triu(m.matmul(gr, adjoint(m, r)) - m.matmul(adjoint(m, q), gq))
    diagonal = diagonal_of(m, inner)
    if is_complex(diagonal):
        diagonal = m.cast_like(m.real(diagonal), diagonal)
    mirrored = inner + adjoint(m, inner) - on_diagonal(m, diagonal)
    found = gq + m.matmul(q, mirrored)
    found = adjoint(m, m.triangular_solution(r, adjoint(m, found), upper=True))
    return found if rest is None else m.cat(found, rest, dim=-1)


qr_packed.vjp(input=lambda m, g, input, out, mode: _qr_rule(m, g, input, out, mode))


@function(method=False, public=False, name="linalg.qr")
@called("LinalgQrBackward0")
def linalg_qr(A: Tensor, mode: str = "reduced") -> Any:
    """(Q, R): A = Q R with orthonormal columns of Q and an upper triangular R.

    `mode` "reduced": (…, m, k) and (…, k, n) with k = min(m, n); "complete": k = m; "r": R alone, Q empty, which has
    no gradient.

    >>> import pellucid
    >>> linalg_qr(pellucid.tensor([[3.0, 1.0], [4.0, 2.0]])).R.abs()
    tensor([[5.0000, 2.2000],
            [0.0000, 0.4000]])
    """
    matrices("linalg.qr", A)
    floating("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            with_line(
                f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
            )
        )
    made = return_type("linalg_qr")
    if mode == "r":
        if A.requires_grad:
            refuse_backward = "The derivative of linalg.qr depends on Q; write mode='reduced'"
            return made(from_data(np.zeros(0, A.dtype.numpy)), _only_r(A, refuse_backward))
        return made(from_data(np.zeros(0, A.dtype.numpy)), _factors(A, "reduced")[1])
    return made(*_factors(A, mode))


def _factors(A: Any, mode: str) -> tuple[Any, Any]:
    q, r = unpack(LIFTED, qr_packed(A, mode=mode), *shapes_of(A.shape, mode))
    return q, r


def _only_r(A: Any, why: str) -> Any:
    r = _factors(A, "reduced")[1]

    def refuse(_: Any) -> None:
        raise RuntimeError(why)

    r.register_hook(refuse)
    return r


@function(name="qr")
@called("LinalgQrBackward0")
def torch_qr(input: Tensor, some: bool = True) -> Any:
    """(Q, R): PyTorch's older name of `linalg.qr`; `some` is False for the complete Q."""
    matrices("qr", input)
    floating("qr", input)
    return return_type("qr")(*_factors(input, "reduced" if some else "complete"))


@function()
def geqrf(input: Tensor) -> Any:
    """(a, tau): R above the diagonal of `a`, below it the vectors of the reflections that make Q, and their factors.

    Has no gradient, as in PyTorch.
    """
    matrices("torch.geqrf", input, "input")
    floating("torch.geqrf", input)
    a = input.detach().numpy()
    batch, (rows, columns) = a.shape[:-2], a.shape[-2:]
    if not a.size:
        packed, tau = a.copy(), np.zeros((*batch, min(rows, columns)), a.dtype)
    else:
        packed, tau = np.linalg.qr(a, "raw")
        packed = np.swapaxes(packed, -1, -2)
    return return_type("geqrf")(from_data(np.ascontiguousarray(packed)), from_data(tau))


def _reflections(name: str, A: Any, tau: Any) -> None:
    matrices(name, A, "input")
    floating(name, A)
    if A.shape[-2] < A.shape[-1]:
        raise ShapeError(with_line(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]"))
    if A.shape[-1] < tau.shape[-1]:
        raise ShapeError(with_line(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]"))
    if tau.ndim != A.ndim - 1 or tuple(tau.shape[:-1]) != tuple(A.shape[:-2]):
        raise ShapeError(
            with_line(
                f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
                f"{tuple(tau.shape)} for {tuple(A.shape)}"
            )
        )
    if A.dtype is not tau.dtype:
        raise RuntimeError(with_line(f"{name}: tau dtype {tau.dtype!r} does not match input dtype {A.dtype!r}"))


def _apply(A: Any, tau: Any, other: Any, order: Any, conjugate: bool = False) -> Any:
    """Reflections (1 - τ v vᴴ) with the v below the diagonal of A, in `order`, on the matrices `other`."""
    rows = A.shape[-2]
    for i in order:
        unit = from_data(np.eye(rows, 1, -i)).to(A.dtype)
        v = unit if i + 1 == rows else A[..., i : i + 1].tril(-i - 1) + unit  # (…, rows, 1)
        factor = tau[..., i, None, None]
        factor = factor.conj() if conjugate else factor
        other = other - (factor * v) @ (v.mH @ other)
    return other


@function(method=False, public=False, name="linalg.householder_product")
@called("LinalgHouseholderProductBackward0")
def householder_product(A: Tensor, tau: Tensor) -> Tensor:
    """The first columns of H₁ H₂ … Hₖ with Hᵢ = 1 - τᵢ vᵢ vᵢᴴ, vᵢ below the diagonal of A: (…, m, n) -> (…, m, n)."""
    _reflections("torch.linalg.householder_product", A, tau)
    rows, columns = A.shape[-2:]
    start = from_data(np.eye(rows, columns)).to(A.dtype).expand(A.shape)
    made = _apply(A, tau, start, range(tau.shape[-1] - 1, -1, -1))
    return made if tau.shape[-1] else LIFTED.where(from_data(True), made, A)


@function()
def orgqr(input: Tensor, tau: Tensor) -> Tensor:
    """PyTorch's older name of `linalg.householder_product`."""
    return householder_product(input, tau)


@function()
@called("OrmqrBackward0")
def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """Q · other with Q the full product of reflections (see `linalg.householder_product`), Qᴴ with `transpose`.

    other · Q where `left` is False.
    """
    name = "torch.ormqr"
    matrices(name, input, "input")
    floating(name, input)
    matrices(name, other, "other")
    if other.shape[-2 if left else -1] != input.shape[-2]:
        raise ShapeError(with_line(f"{name}: other.shape[{-2 if left else -1}] must be equal to input.shape[-2]"))
    if other.shape[-2 if left else -1] < tau.shape[-1]:
        axis = -2 if left else -1
        raise ShapeError(with_line(f"{name}: other.shape[{axis}] must be greater than or equal to tau.shape[-1]"))
    if tau.shape[-1] > input.shape[-1]:
        raise ShapeError(with_line(f"{name}: tau.shape[-1] must be less than or equal to input.shape[-1]"))
    if tuple(tau.shape[:-1]) != tuple(input.shape[:-2]) or tuple(other.shape[:-2]) != tuple(input.shape[:-2]):
        raise ShapeError(with_line(f"{name}: Expected other and tau to have input's batch dimensions, got "
                                   f"{tuple(other.shape)}, {tuple(tau.shape)}, {tuple(input.shape)}"))  # fmt: skip
    if input.dtype is not tau.dtype or input.dtype is not other.dtype:
        raise RuntimeError(with_line(f"{name}: Expected all arguments to have the same dtype, got {input.dtype!r}, "
                                     f"{tau.dtype!r}, {other.dtype!r}"))  # fmt: skip
    order = range(tau.shape[-1])
    if not left:  # other · Q is (Qᴴ otherᴴ)ᴴ
        return _adjoint(ormqr(input, tau, _adjoint(other), True, not transpose))
    if not order:  # Q is 1: a tensor of its own all the same
        return other.clone()
    return _apply(input, tau, other, order if transpose else reversed(order), conjugate=transpose)


def _adjoint(x: Any) -> Any:
    return x.mH
