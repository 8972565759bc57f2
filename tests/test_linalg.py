"""`pellucid.linalg` beside `torch.linalg`: what is returned under which names, and what is refused how.

Values and gradients are compared by PyTorch's own samples (tests/test_opinfo.py) and by rows (tests/samples/linalg.py).
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import pellucid

A = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]])
B = np.arange(6.0).reshape(3, 2) - 2
SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
WIDE = np.arange(6.0).reshape(2, 3) ** 2


def both(call: Callable[..., Any], *arrays: np.ndarray) -> tuple[Any, Any]:
    return call(pellucid, *map(pellucid.tensor, arrays)), call(torch, *map(torch.tensor, arrays))


def same(got: Any, expected: Any) -> None:
    if isinstance(expected, tuple):
        assert len(got) == len(expected)
        assert getattr(got, "_fields", ()) == getattr(type(expected), "__match_args__", ())
        for ours, theirs in zip(got, expected, strict=True):
            same(ours, theirs)
        return
    assert str(got.dtype) == str(expected.dtype)
    assert tuple(got.shape) == tuple(expected.shape)
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12)


CALLS: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "inv": (lambda t, a: t.linalg.inv(a), (A,)),
    "inverse": (lambda t, a: (t.inverse(a), a.inverse()), (A,)),
    "inv_ex": (lambda t, a: t.linalg.inv_ex(a), (A,)),
    "solve of a vector": (lambda t, a, b: t.linalg.solve(a, b[:, 0]), (A, B)),
    "solve from the right": (lambda t, a, b: t.linalg.solve(a, b.mT, left=False), (A, B)),
    "solve_ex": (lambda t, a, b: t.linalg.solve_ex(a, b), (A, B)),
    "det": (lambda t, a: (t.det(a), t.linalg.det(a), a.det()), (A,)),
    "slogdet": (lambda t, a: (t.slogdet(a), t.linalg.slogdet(a), a.slogdet(), a.logdet()), (A,)),
    "logdet of a negative": (lambda t, a: t.logdet(a), (np.diag([-1.0, 2.0]),)),
    "cholesky": (lambda t, a: (t.linalg.cholesky(a), t.linalg.cholesky(a, upper=True), a.cholesky(True)), (A,)),
    "cholesky_ex": (lambda t, a: t.linalg.cholesky_ex(a), (A,)),
    "cholesky_ex, indefinite": (lambda t, a: t.linalg.cholesky_ex(a).info, (np.stack([SINGULAR, np.eye(2)]),)),
    "cholesky_inverse": (lambda t, a: t.cholesky_inverse(t.linalg.cholesky(a)), (A,)),
    "lu": (lambda t, a: t.linalg.lu(a), (WIDE,)),
    "lu_factor": (lambda t, a: t.linalg.lu_factor(a), (A,)),
    "lu_factor_ex of a singular": (lambda t, a: t.linalg.lu_factor_ex(a), (SINGULAR,)),
    "lu_unpack": (lambda t, a: t.lu_unpack(*t.linalg.lu_factor(a)), (A,)),
    "qr": (lambda t, a: (t.linalg.qr(a), t.qr(a), t.linalg.qr(a, mode="r")), (WIDE.T,)),
    "eigh": (lambda t, a: t.linalg.eigh(a).eigenvalues, (A,)),
    "svd": (lambda t, a: (t.linalg.svd(a).S, t.svd(a).S, t.linalg.svdvals(a)), (WIDE,)),
    "svd without vectors": (lambda t, a: t.svd(a, compute_uv=False), (WIDE,)),
    "lstsq": (lambda t, a, b: t.linalg.lstsq(a, b, driver="gelsd"), (WIDE.T, B)),
    "pinv": (lambda t, a: (t.linalg.pinv(a), t.pinverse(a), t.linalg.pinv(a, atol=5.0)), (WIDE,)),
    "matrix_rank": (lambda t, a: (t.linalg.matrix_rank(a), t.linalg.matrix_rank(a, atol=1.0)), (SINGULAR,)),
    "cond": (lambda t, a: tuple(t.linalg.cond(a, p) for p in (None, 2, -2, "fro", "nuc", 1, -1)), (A,)),
    "cond of a singular": (lambda t, a: t.linalg.cond(a, 1), (SINGULAR,)),
    "norms of singular values": (lambda t, a: tuple(t.linalg.norm(a, p) for p in ("nuc", 2, -2)), (WIDE,)),
    "matrix_exp": (lambda t, a: (t.matrix_exp(a), t.linalg.matrix_exp(a), a.matrix_exp()), (A,)),
    "matrix_exp, large": (lambda t, a: t.matrix_exp(a * 20) / t.matrix_exp(a * 20).max(), (A,)),
    "matrix_power": (lambda t, a: tuple(t.linalg.matrix_power(a, n) for n in (-2, -1, 0, 1, 2, 7)), (A,)),
    "multi_dot": (lambda t, a, b: t.linalg.multi_dot([b[:, 0], a, a, b]), (A, B)),
    "cross": (lambda t, a: (t.cross(a, a.flip(0)), t.linalg.cross(a, a.flip(0))), (np.c_[WIDE.T, WIDE.T[:, :1]],)),
    "triangular_solve": (lambda t, a, b: t.triangular_solve(b, a), (A, B)),
    "tensorinv": (lambda t, a: t.linalg.tensorinv(a.reshape(3, 1, 3), ind=1), (A,)),
    "vander": (lambda t, b: t.linalg.vander(b, N=4), (B,)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_is_what_pytorch_returns(name: str) -> None:
    call, arrays = CALLS[name]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*deprecated.*", UserWarning)  # PyTorch's older names
        results = both(call, *arrays)
    same(*results)


REFUSED: dict[str, Callable[..., Any]] = {
    "inv of a singular matrix": lambda t: t.linalg.inv(t.tensor(SINGULAR)),
    "inv of one of a batch": lambda t: t.linalg.inv(t.stack([t.eye(2), t.ones(2, 2)])),
    "inv of a rectangle": lambda t: t.linalg.inv(t.ones(2, 3)),
    "inv of a vector": lambda t: t.linalg.inv(t.ones(3)),
    "inv of integers": lambda t: t.linalg.inv(t.ones(2, 2, dtype=t.int64)),
    "inv of half": lambda t: t.linalg.inv(t.ones(2, 2, dtype=t.float16)),
    "solve of a singular matrix": lambda t: t.linalg.solve(t.zeros(2, 2), t.ones(2)),
    "solve of other sizes": lambda t: t.linalg.solve(t.eye(3), t.ones(2, 2)),
    "solve of mixed dtypes": lambda t: t.linalg.solve(t.eye(2), t.ones(2, 2, dtype=t.float64)),
    "det of a rectangle": lambda t: t.det(t.ones(2, 3)),
    "slogdet of integers": lambda t: t.slogdet(t.ones(2, 2, dtype=t.int64)),
    "cholesky of an indefinite": lambda t: t.linalg.cholesky(-t.eye(2)),
    "cholesky of a rectangle": lambda t: t.linalg.cholesky(t.ones(2, 3)),
    "cholesky_solve of other sizes": lambda t: t.cholesky_solve(t.ones(3, 1), t.eye(2)),
    "lu_factor of a singular": lambda t: t.linalg.lu_factor(t.zeros(2, 2)),
    "lu_solve with wide pivots": lambda t: t.linalg.lu_solve(t.eye(2), t.ones(2, dtype=t.int64), t.eye(2)),
    "qr of a vector": lambda t: t.linalg.qr(t.ones(3)),
    "qr of an unknown mode": lambda t: t.linalg.qr(t.eye(2), "full"),
    "eigh of an unknown triangle": lambda t: t.linalg.eigh(t.eye(2), "X"),
    "eigh of a rectangle": lambda t: t.linalg.eigh(t.ones(2, 3)),
    "svd with a driver": lambda t: t.linalg.svd(t.eye(2), driver="gesvd"),
    "svd of integers": lambda t: t.linalg.svd(t.ones(2, 2, dtype=t.int64)),
    "lstsq with an unknown driver": lambda t: t.linalg.lstsq(t.eye(2), t.eye(2), driver="qr"),
    "lstsq of other sizes": lambda t: t.linalg.lstsq(t.eye(2), t.ones(3, 1)),
    "cond of an unknown norm": lambda t: t.linalg.cond(t.eye(2), 3),
    "matrix_power of a rectangle": lambda t: t.linalg.matrix_power(t.ones(2, 3), 2),
    "matrix_power of a singular": lambda t: t.linalg.matrix_power(t.zeros(2, 2), -1),
    "multi_dot of one": lambda t: t.linalg.multi_dot([t.eye(2)]),
    "multi_dot of other sizes": lambda t: t.linalg.multi_dot([t.eye(2), t.eye(3)]),
    "cross without a three": lambda t: t.cross(t.ones(2), t.ones(2)),
    "cross of other ranks": lambda t: t.linalg.cross(t.ones(3), t.ones(1, 3)),
    "solve_triangular of other sizes": lambda t: t.linalg.solve_triangular(t.eye(2), t.ones(3, 1), upper=True),
    "householder_product of too many": lambda t: t.linalg.householder_product(t.ones(3, 2), t.ones(3)),
    "vander of one column": lambda t: t.linalg.vander(t.ones(2), N=1),
    "tensorinv of nothing": lambda t: t.linalg.tensorinv(t.ones(2, 2), ind=0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_pytorch_refuses(name: str) -> None:
    with pytest.raises(RuntimeError) as theirs:
        REFUSED[name](torch)
    with pytest.raises(RuntimeError) as ours:
        REFUSED[name](pellucid)
    singular = isinstance(theirs.value, torch.linalg.LinAlgError)
    assert isinstance(ours.value, pellucid.linalg.LinAlgError) == singular
    if singular:  # the same words, but for the call that stands before
        assert str(theirs.value).split(".")[0].split(":")[-1].strip() in str(ours.value).replace("\n", " ")
    assert "test_linalg.py" in str(ours.value) or "lambda" in str(ours.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda t, a: t.linalg.qr(a, mode="complete")[0].sum(),
        lambda t, a: t.linalg.qr(a, mode="r")[1].sum(),
    ],
)
def test_has_no_gradient_where_pytorch_has_none(call: Callable[..., Any]) -> None:
    for library in (torch, pellucid):
        result = call(library, library.ones(3, 2).requires_grad_())
        with pytest.raises(RuntimeError, match=r"mode='(complete|reduced|r)'"):
            result.backward()


def test_a_quadratic_form_is_minimised_by_solve() -> None:
    """Newton's step with gradients of gradients through `solve` ends where the gradient is 0."""
    a, b = pellucid.tensor(A), pellucid.tensor(B[:, 0]).requires_grad_()
    x = pellucid.linalg.solve(a, b)
    (first,) = pellucid.autograd.grad((x * x).sum(), b, create_graph=True)
    (second,) = pellucid.autograd.grad(first.sum(), b)
    inverse = np.linalg.inv(A)
    np.testing.assert_allclose(first.detach().numpy(), 2 * inverse.T @ inverse @ B[:, 0], rtol=1e-10)
    np.testing.assert_allclose(second.numpy(), 2 * inverse.T @ inverse @ np.ones(3), rtol=1e-10)


def test_results_print_as_pytorch_prints_them() -> None:
    text = repr(pellucid.linalg.eigh(pellucid.eye(2, dtype=pellucid.float64)).eigenvalues)
    assert text == repr(torch.linalg.eigh(torch.eye(2, dtype=torch.float64)).eigenvalues)
    ours, theirs = (repr(t.linalg.slogdet(t.eye(2))) for t in (pellucid, torch))
    assert ours == theirs


def test_a_product_with_no_reflections_is_a_tensor_of_its_own() -> None:
    other = pellucid.ones(3, 2)
    made = pellucid.ormqr(pellucid.ones(3, 0), pellucid.ones(0), other)
    made.zero_()
    assert other.sum() == 6
