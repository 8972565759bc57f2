"""Eigenvalues and singular values, with their vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor, called, from_data
from pellucid.declare import function, op
from pellucid.errors import with_line
from pellucid.reverse.vocabulary import LIFTED

from ..return_types import return_type
from .checks import adjoint, diagonal_of, eye_mask, floating, is_complex, matrices, on_diagonal, scaled, square
from .packing import pack, unpack


def _real(m: Any, x: Any) -> Any:
    return m.real(x) if is_complex(x) else x


def _as(m: Any, x: Any, like: Any) -> Any:
    """A real `x` as complex numbers where `like` has them."""
    return m.cast_like(x, like) if is_complex(like) else x


def _gaps(m: Any, values: Any) -> Any:
    """valueⱼ - valueᵢ at (i, j), and 1 on the diagonal."""
    apart = m.unsqueeze(values, dim=-2) - m.unsqueeze(values, dim=-1)
    return m.where(eye_mask(values.shape[-1]), 1.0, apart)


# --- eigenvalues of symmetric matrices --------------------------------------------------------------------------------


@op(name="eigh_packed", method=False, public=False, node="LinalgEighBackward0", holomorphic=False)
def eigh_packed(xp: Any, input: Any, *, UPLO: str = "L") -> Any:
    """Eigenvalues and eigenvectors of symmetric (Hermitian) matrices, packed."""
    try:
        values, vectors = xp.linalg.eigh(input, UPLO)
    except np.linalg.LinAlgError as failure:
        raise _not_converged("linalg.eigh", failure) from None
    return pack(xp, input.shape[:-2], values.astype(input.dtype), vectors)


def _not_converged(name: str, failure: Exception) -> Exception:
    from .checks import LinAlgError

    return LinAlgError(
        f"{name}: The algorithm failed to converge because the input matrix is ill-conditioned or has too many "
        f"repeated eigenvalues ({failure})."
    )


def _eigh_rule(m: Any, g: Any, out: Any, n: int) -> Any:
    """V (skew(Vᴴ gV) / (λⱼ - λᵢ) + diag(gλ)) Vᴴ, where skew(X) = (X - Xᴴ) / 2: a symmetric matrix."""
    values, vectors = unpack(m, out, (n,), (n, n))
    g_values, g_vectors = unpack(m, g, (n,), (n, n))
    turned = adjoint(m, vectors)
    inner = m.matmul(turned, g_vectors)
    inner = (inner - adjoint(m, inner)) * 0.5 / _as(m, _gaps(m, _real(m, values)), out)
    inner = m.where(eye_mask(n), 0.0, inner) + on_diagonal(m, g_values)
    return m.matmul(m.matmul(vectors, inner), turned)


eigh_packed.vjp(input=lambda m, g, out, input_shape: _eigh_rule(m, g, out, input_shape[-1]))


def _uplo(UPLO: str) -> str:
    if UPLO not in ("L", "U", "l", "u"):
        raise RuntimeError(with_line(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}"))
    return UPLO.upper()


@function(method=False, public=False, name="linalg.eigh")
@called("LinalgEighBackward0")
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """(eigenvalues, eigenvectors) of symmetric or Hermitian matrices, ascending: A V = V diag(λ).

    Only the lower triangle is read ("U": the upper). The gradient through eigenvectors is finite where no two
    eigenvalues are equal.

    >>> import pellucid
    >>> eigh(pellucid.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
    tensor([1., 3.])
    """
    square("linalg.eigh", A)
    n = A.shape[-1]
    values, vectors = unpack(LIFTED, eigh_packed(A, UPLO=_uplo(UPLO)), (n,), (n, n))
    return return_type("linalg_eigh")(_real(LIFTED, values), vectors)


@function(method=False, public=False, name="linalg.eigvalsh")
@called("LinalgEighBackward0")
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues of symmetric or Hermitian matrices, ascending: (…, n, n) -> (…, n).

    >>> import pellucid
    >>> eigvalsh(pellucid.tensor([[2.0, 1.0], [1.0, 2.0]]))
    tensor([1., 3.])
    """
    square("linalg.eigvalsh", A)
    return eigh(A, UPLO)[0]


# --- eigenvalues of any matrix ----------------------------------------------------------------------------------------


@op(name="eig_packed", method=False, public=False, node="LinalgEigBackward0", holomorphic=False)
def eig_packed(xp: Any, input: Any) -> Any:
    """Eigenvalues and eigenvectors of any square matrices, complex, packed."""
    kind = xp.result_type(input, xp.complex64)
    if not xp.isfinite(input).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    try:
        values, vectors = xp.linalg.eig(input)
    except np.linalg.LinAlgError as failure:
        raise _not_converged("linalg.eig", failure) from None
    return pack(xp, input.shape[:-2], values.astype(kind), vectors.astype(kind))


def _eig_rule(m: Any, g: Any, out: Any, n: int) -> Any:
    """V⁻ᴴ ((Vᴴ gV - Vᴴ V diag(Re Vᴴ gV)) / (λⱼ - λᵢ)' + diag(gλ)) Vᴴ."""
    values, vectors = unpack(m, out, (n,), (n, n))
    g_values, g_vectors = unpack(m, g, (n,), (n, n))
    turned = adjoint(m, vectors)
    inner = m.matmul(turned, g_vectors)
    along = m.cast_like(m.real(diagonal_of(m, inner)), out)
    inner = (inner - scaled(m, m.matmul(turned, vectors), along)) / m.conj(_gaps(m, values))
    inner = m.where(eye_mask(n), 0.0, inner) + on_diagonal(m, g_values)
    return m.solution(turned, m.matmul(inner, turned))


eig_packed.vjp(input=lambda m, g, out, input_shape: _eig_rule(m, g, out, input_shape[-1]))


@function(method=False, public=False, name="linalg.eig")
@called("LinalgEigBackward0")
def eig(A: Tensor) -> Any:
    """(eigenvalues, eigenvectors) of square matrices, complex also of real ones: A V = V diag(λ), in no order.

    >>> import pellucid
    >>> eig(pellucid.tensor([[2.0, 0.0], [0.0, 3.0]])).eigenvalues
    tensor([2.+0.j, 3.+0.j])
    """
    square("linalg.eig", A)
    n = A.shape[-1]
    return return_type("linalg_eig")(*unpack(LIFTED, eig_packed(A), (n,), (n, n)))


@function(method=False, public=False, name="linalg.eigvals")
@called("LinalgEigBackward0")
def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of square matrices, complex also of real ones: (…, n, n) -> (…, n), in no order."""
    square("linalg.eigvals", A)
    return eig(A)[0]


# --- singular values --------------------------------------------------------------------------------------------------


@op(name="svd_packed", method=False, public=False, node="LinalgSvdBackward0", holomorphic=False)
def svd_packed(xp: Any, input: Any, *, full_matrices: bool = False) -> Any:
    """U, S and Vᴴ of A = U diag(S) Vᴴ, packed."""
    u_shape, s_shape, v_shape = svd_shapes(input.shape, full_matrices)
    batch = input.shape[:-2]
    if not input.size:
        u = xp.broadcast_to(xp.eye(*u_shape, dtype=input.dtype), (*batch, *u_shape))
        vh = xp.broadcast_to(xp.eye(*v_shape, dtype=input.dtype), (*batch, *v_shape))
        return pack(xp, batch, u, xp.zeros((*batch, *s_shape), input.dtype), vh)
    try:
        u, s, vh = xp.linalg.svd(input, full_matrices)
    except np.linalg.LinAlgError as failure:
        raise _not_converged("linalg.svd", failure) from None
    return pack(xp, batch, u, s.astype(input.dtype), vh)


def svd_shapes(shape: Any, full: bool) -> tuple[tuple[int, ...], ...]:
    """The shapes of U, S and Vᴴ."""
    rows, columns = shape[-2:]
    k = min(rows, columns)
    return (rows, rows if full else k), (k,), (columns if full else k, columns)


def _svd_rule(m: Any, g: Any, out: Any, shape: Any, full: bool) -> Any:
    """U (skew(Uᴴ gU)/E · S + S · skew(Vᴴ gV)/E + diag(gS)) Vᴴ, and what of gU and gV is outside of U and V.

    Eᵢⱼ = sⱼ² - sᵢ². (J. Townsend, "Differentiating the singular value decomposition", 2016; complex: Z. Wan and
    S. Zhang, 2019.) With full matrices the vectors that belong to no singular value count for nothing.
    """
    u, s, vh = unpack(m, out, *svd_shapes(shape, full))
    gu, gs, gvh = unpack(m, g, *svd_shapes(shape, full))
    rows, columns = shape[-2:]
    k = min(rows, columns)
    if full and rows != columns:
        u, gu = m.part(u, key=(..., slice(k))), m.part(gu, key=(..., slice(k)))
        vh, gvh = m.part(vh, key=(..., slice(k), slice(None))), m.part(gvh, key=(..., slice(k), slice(None)))
    v, gv = adjoint(m, vh), adjoint(m, gvh)
    from_u, from_v = m.matmul(adjoint(m, u), gu), m.matmul(vh, gv)
    gaps = _as(m, _gaps(m, _real(m, s * s)), out)
    inner = scaled(m, (from_u - adjoint(m, from_u)) / gaps, s)
    inner = inner + (from_v - adjoint(m, from_v)) / gaps * m.unsqueeze(s, dim=len(s.shape))
    diagonal = m.cast_like(m.real(gs), gs) if is_complex(gs) else gs
    if is_complex(out):  # the phases of U and V: from U alone, since both turn together
        diagonal = diagonal + (diagonal_of(m, from_u) - m.cast_like(m.real(diagonal_of(m, from_u)), gs)) / s
    inner = m.where(eye_mask(k), 0.0, inner) + on_diagonal(m, diagonal)
    found = m.matmul(m.matmul(u, inner), vh)
    if rows > k:
        outside = scaled(m, gu, 1 / s)
        outside = outside - m.matmul(u, m.matmul(adjoint(m, u), outside))
        found = found + m.matmul(outside, vh)
    if columns > k:
        outside = scaled(m, gv, 1 / s)
        outside = outside - m.matmul(v, m.matmul(vh, outside))
        found = found + m.matmul(u, adjoint(m, outside))
    return found


svd_packed.vjp(input=lambda m, g, out, input_shape, full_matrices: _svd_rule(m, g, out, input_shape, full_matrices))


def _svd(name: str, A: Any, full: bool) -> tuple[Any, Any, Any]:
    matrices(name, A)
    floating(name, A)
    u, s, vh = unpack(LIFTED, svd_packed(A, full_matrices=full), *svd_shapes(A.shape, full))
    return u, _real(LIFTED, s), vh


@function(method=False, public=False, name="linalg.svd")
@called("LinalgSvdBackward0")
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """(U, S, Vh): A = U diag(S) Vh with orthonormal columns of U and rows of Vh, S descending.

    (…, m, n) -> (…, m, m), (…, k), (…, n, n) with k = min(m, n); with `full_matrices` False k instead of m and n. The
    gradient through U and Vh is finite where no two singular values are equal and none is 0 (beyond a square matrix).

    >>> import pellucid
    >>> svd(pellucid.tensor([[0.0, 2.0], [3.0, 0.0]])).S
    tensor([3., 2.])
    """
    if driver is not None:
        raise RuntimeError(with_line("torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs"))
    return return_type("linalg_svd")(*_svd("linalg.svd", A, full_matrices))


@op(name="svdvals", method=False, public=False, reference="torch.linalg.svdvals", node="LinalgSvdBackward0",
    holomorphic=False)  # fmt: skip
def singular_values(xp: Any, input: Any) -> Any:
    """The singular values of each matrix, descending: (…, m, n) -> (…, min(m, n))."""
    matrices("linalg.svdvals", input)
    floating("linalg.svdvals", input)
    if not input.size:
        return xp.zeros((*input.shape[:-2], min(input.shape[-2:])), xp.zeros(0, input.dtype).real.dtype)
    try:
        return xp.linalg.svd(input, compute_uv=False)
    except np.linalg.LinAlgError as failure:
        raise _not_converged("linalg.svd", failure) from None


def _singular_values_rule(m: Any, g: Any, input: Any) -> Any:
    """U diag(g) Vᴴ."""
    u, _, vh = unpack(m, m.svd_packed(input), *svd_shapes(input.shape, False))
    return m.matmul(scaled(m, u, _as(m, g, u)), vh)


singular_values.vjp(input=lambda m, g, input: _singular_values_rule(m, g, input))


@function(method=False, public=False, name="linalg.svdvals")
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of each matrix, descending: (…, m, n) -> (…, min(m, n)).

    >>> import pellucid
    >>> svdvals(pellucid.tensor([[0.0, 2.0], [3.0, 0.0]]))
    tensor([3., 2.])
    """
    return singular_values(A)


@function(name="svd")
@called("LinalgSvdBackward0")
def torch_svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """(U, S, V): A = U diag(S) Vᴴ, PyTorch's older form of `linalg.svd`; `some` is False for square U and V."""
    matrices("svd", input, "input")
    floating("svd", input)
    made = return_type("svd")
    if not compute_uv:
        rows, columns = input.shape[-2:]
        zeros = [from_data(np.zeros((*input.shape[:-2], n, n), input.dtype.numpy)) for n in (rows, columns)]
        return made(zeros[0], singular_values(input), zeros[1])
    u, s, vh = _svd("svd", input, not some)
    return made(u, s, vh.mH)


# --- what follows from them -------------------------------------------------------------------------------------------


@op(name="pseudo_inverse", method=False, public=False, reference="torch.linalg.pinv", node="LinalgPinvBackward0",
    holomorphic=False)  # fmt: skip
def pseudo_inverse(xp: Any, input: Any, *, keep: Any, hermitian: bool = False) -> Any:
    """V diag(1 / S) Uᴴ over the singular values that `keep` marks: (…, m, n) -> (…, n, m)."""
    if not input.size:
        return xp.zeros((*input.shape[:-2], input.shape[-1], input.shape[-2]), input.dtype)
    if hermitian:
        values, vectors = xp.linalg.eigh(input)
        order = xp.argsort(-abs(values), axis=-1)
        values = xp.take_along_axis(values, order, -1)
        u = xp.take_along_axis(vectors, order[..., None, :], -1)
        vh = u.conj().swapaxes(-1, -2)
    else:
        u, values, vh = xp.linalg.svd(input, False)
    inverse = xp.where(keep, 1 / xp.where(keep, values, 1), 0)
    return xp.matmul(vh.conj().swapaxes(-1, -2) * inverse[..., None, :], u.conj().swapaxes(-1, -2)).astype(input.dtype)


def _pseudo_inverse_rule(m: Any, g: Any, a: Any, p: Any) -> Any:
    """Of G. Golub and V. Pereyra, "The differentiation of pseudo-inverses", 1973; A where the rank does not change."""
    ph, gh = adjoint(m, p), adjoint(m, g)
    if a.shape[-2] <= a.shape[-1]:
        k = m.matmul(gh, p)
        k_ph = m.matmul(k, ph)
        found = -adjoint(m, m.matmul(p, k)) + k_ph - m.matmul(m.matmul(a, p), k_ph)
        return found + m.matmul(m.matmul(ph, p), gh - m.matmul(k, a))
    k = m.matmul(p, gh)
    ph_k = m.matmul(ph, k)
    found = -adjoint(m, m.matmul(k, p)) + m.matmul(m.matmul(gh - m.matmul(a, k), p), ph)
    return found + ph_k - m.matmul(m.matmul(ph_k, p), a)


pseudo_inverse.vjp(input=lambda m, g, input, out: _pseudo_inverse_rule(m, g, input, out))


def _sizes(A: Any, hermitian: bool) -> Any:
    """The singular values as an array of NumPy, descending; of a symmetric matrix the sizes of its eigenvalues."""
    plain = A.detach()
    if not hermitian:
        return singular_values(plain).numpy()
    return -np.sort(-np.abs(eigvalsh(plain).numpy()), axis=-1)


def _number(value: Any) -> Any:
    return np.asarray(value.detach().numpy() if isinstance(value, Tensor) else value)


def _threshold(A: Any, sizes: Any, atol: Any, rtol: Any) -> Any:
    """max(atol, rtol · the largest): with neither, rtol is the machine's epsilon times the longer side."""
    if rtol is None:
        epsilon = np.finfo(A.dtype.numpy).eps * max(A.shape[-2:])
        relative = np.where(_number(atol) > 0, 0.0, epsilon) if atol is not None else epsilon
    else:
        relative = _number(rtol)
    largest = sizes.max(-1, initial=0.0)
    absolute = _number(0.0 if atol is None else atol)
    return np.maximum(absolute, relative * largest)[..., None]


@function(method=False, public=False, name="linalg.pinv")
def pinv(A: Tensor, *, atol: Any = None, rtol: Any = None, hermitian: bool = False, rcond: Any = None) -> Tensor:
    """The pseudoinverse of Moore and Penrose: (…, m, n) -> (…, n, m).

    Singular values of at most max(atol, rtol · the largest) count as 0; `rtol` is max(m, n) · eps by default, 0 where
    an `atol` above 0 is given.

    >>> import pellucid
    >>> pinv(pellucid.tensor([[2.0, 0.0], [0.0, 0.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    matrices("linalg.pinv", A)
    floating("linalg.pinv", A)
    if hermitian:
        square("linalg.pinv", A)
    sizes = _sizes(A, hermitian)
    keep = sizes > _threshold(A, sizes, atol, rcond if rtol is None else rtol)
    return pseudo_inverse(A, keep=keep, hermitian=hermitian)


@function()
@called("LinalgPinvBackward0")
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The pseudoinverse; singular values of at most rcond · the largest count as 0."""
    return pinv(input, rtol=rcond)


@function(method=False, public=False, name="linalg.matrix_rank")
def matrix_rank(A: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Tensor:
    """How many singular values of each matrix exceed max(atol, rtol · the largest): (…, m, n) -> (…), int64.

    >>> import pellucid
    >>> matrix_rank(pellucid.ones(3, 3))
    tensor(1)
    """
    matrices("linalg.matrix_rank", A)
    floating("linalg.matrix_rank", A)
    if hermitian:
        square("linalg.matrix_rank", A)
    for name, bound in (("atol", atol), ("rtol", rtol), ("tol", tol)):
        if isinstance(bound, Tensor) and bound.is_complex():
            raise RuntimeError(with_line(f"torch.linalg.matrix_rank: {name} tensor of complex type is not supported"))
    sizes = _sizes(A, hermitian)
    if tol is not None:
        return from_data(np.asarray((sizes > _number(tol)[..., None]).sum(-1)))
    return from_data(np.asarray((sizes > _threshold(A, sizes, atol, rtol)).sum(-1)))


@function(method=False, public=False, name="linalg.lstsq")
@called("LinalgLstsqBackward0")
def lstsq(A: Tensor, B: Tensor, rcond: Any = None, *, driver: str | None = None) -> Any:
    """(solution, residuals, rank, singular_values): X with the least ‖A X - B‖, and of those the least ‖X‖.

    `driver` is as in PyTorch "gelsy" (the default), "gels", "gelsd" or "gelss"; all are computed from singular values
    here, and differ in what is returned beside the solution.
    """
    name = "torch.linalg.lstsq"
    matrices(name, A, "input")
    floating(name, A)
    if B.ndim < 1:
        raise RuntimeError(with_line(f"{name}: other must have at least 1 dimension."))
    if A.dtype is not B.dtype:
        raise RuntimeError(with_line(f"{name}: Expected input and other in one dtype, got {A.dtype!r} and {B.dtype!r}"))
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            with_line(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver!r}")
        )
    vector = A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1])
    b: Any = B.unsqueeze(-1) if vector else B
    if b.ndim < 2 or b.shape[-2] != A.shape[-2] or b.ndim != A.ndim:
        raise RuntimeError(
            with_line(f"{name}: input.size(-2) should match other.size(-2), got {tuple(A.shape)} and {tuple(B.shape)}")
        )
    rows, columns = A.shape[-2:]
    driver = driver or "gelsy"
    sizes = _sizes(A, False)
    relative = np.finfo(A.dtype.numpy).eps * max(rows, columns) if rcond is None else _number(rcond)
    keep = sizes > (0.0 if driver == "gels" else relative * sizes.max(-1, initial=0.0)[..., None])
    x: Any = pseudo_inverse(A, keep=keep) @ b
    rank = np.asarray(keep.sum(-1))
    empty = from_data(np.zeros(0, sizes.dtype))
    residuals: Any = x.reshape(-1)[:0].abs()
    full = driver == "gels" or (driver != "gelsy" and bool((rank == columns).all()))
    if rows > columns and full:
        apart = (A @ x - b).abs()
        residuals = (apart * apart).sum(-2)
    return return_type("linalg_lstsq")(
        x.squeeze(-1) if vector else x,
        residuals,
        from_data(np.zeros(0, np.int64)) if driver == "gels" else from_data(rank),
        from_data(sizes) if driver in ("gelsd", "gelss") else empty,
    )
