"""Rows for `ops/linalg`."""

import numpy as np
import torch

from tests.op_samples import real, row

SIGNS = "the signs of the vectors are open"


def regular(*shape: int) -> np.ndarray:
    """Matrices with singular values well apart from 0 and from each other."""
    made = real(*shape, low=-1.0, high=1.0)
    k = min(shape[-2:])
    made[..., np.arange(k), np.arange(k)] += np.arange(2.0, 2.0 + 2 * k, 2)
    return made


def definite(*shape: int) -> np.ndarray:
    """Symmetric positive-definite matrices."""
    made = regular(*shape)
    return made @ made.swapaxes(-1, -2)


def triangular(n: int, upper: bool = False) -> np.ndarray:
    return np.triu(regular(n, n)) if upper else np.tril(regular(n, n))


def packed(*arrays: torch.Tensor, batch: int = 0) -> torch.Tensor:
    return torch.cat([array.reshape(*array.shape[:batch], -1) for array in arrays], -1)


def qr(x, mode="reduced"):
    return packed(*torch.linalg.qr(x, mode), batch=x.ndim - 2)


def slogdet(x):
    return torch.stack(tuple(torch.linalg.slogdet(x)), -1)


def solve_triangular(a, b, upper, unitriangular=False):
    return torch.linalg.solve_triangular(a, b, upper=upper, unitriangular=unitriangular)


def cofactors(x):
    return torch.linalg.det(x)[..., None, None] * torch.linalg.inv(x).mT


SAMPLES = {
    "piece": [row(real(2, 6), start=2, shape=(2, 2), reference=lambda x, start, shape: x[:, 2:6].reshape(2, 2, 2))],
    "piece_embed": [
        row(real(2, 2), start=1, shape=(2,), length=4,
            reference=lambda x, **_: torch.nn.functional.pad(x, (1, 1))),
    ],
    "triangular_solution": [
        row(triangular(3), real(3, 2), upper=False, reference=solve_triangular),
        row(triangular(3, True), real(2, 3, 2), upper=True, reference=solve_triangular),
        row(triangular(3), real(3, 1), upper=False, unitriangular=True, reference=solve_triangular),
        row(real(0, 0), real(0, 2), upper=False, reference=solve_triangular),
    ],
    "inverse": [row(regular(3, 3)), row(regular(2, 3, 3)), row(regular(3, 3).T), row(real(0, 0))],
    "solution": [
        row(regular(3, 3), real(3, 2)), row(regular(2, 1, 3, 3), real(4, 3, 2)), row(regular(3, 3).T, real(2, 3).T),
        row(real(0, 0), real(0, 2)),
    ],
    "det": [row(regular(3, 3)), row(regular(2, 2, 2)), row(real(0, 0)), row(np.ones((3, 3)), gradient="torch")],
    "cofactors": [row(regular(3, 3), reference=cofactors), row(regular(2, 2, 2), reference=cofactors)],
    "slogdet_packed": [row(regular(3, 3), reference=slogdet), row(-regular(2, 3, 3), reference=slogdet)],
    "lu_packed": [row(regular(3, 3)[::-1][::-1], reference=lambda x: torch.linalg.lu_factor(x, pivot=True).LU)]
    + [row(regular(*shape), skip="PyTorch exchanges rows") for shape in ((3, 5), (5, 3), (2, 4, 4))],
    "cholesky_factor": [row(definite(*shape), gradient="torch") for shape in ((3, 3), (2, 3, 3))],
    "cholesky_solution": [
        row(real(3, 2), triangular(3), upper=False, gradient="torch"),
        row(real(3, 1), triangular(3, True), upper=True, gradient="torch"),
    ],
    "qr_packed": [row(regular(*shape), mode="reduced", reference=qr) for shape in ((3, 3), (5, 3), (3, 5), (2, 4, 3))]
    + [row(regular(3, 3), mode="complete", reference=qr)],
    "eigh_packed": [row(definite(3, 3), UPLO=uplo, skip=SIGNS, gradient=False) for uplo in "LU"],
    "svd_packed": [
        row(regular(*shape), full_matrices=False, skip=SIGNS) for shape in ((3, 3), (4, 3), (3, 4), (2, 3, 3))
    ],
    "svdvals": [row(regular(*shape)) for shape in ((3, 3), (5, 3), (3, 5), (2, 3, 3))],
    "pseudo_inverse": [
        row(regular(*shape), keep=True, reference=lambda x, keep: torch.linalg.pinv(x))
        for shape in ((3, 3), (4, 3), (3, 4), (2, 3, 3))
    ],
    "matrix_exp": [row(real(3, 3)), row(real(2, 2, 2)), row(real(1, 1)), row(real(2, 2) * 9), row(real(0, 0))],
    "cross_product": [
        row(real(2, 3), real(2, 3), dim=-1), row(real(3, 2), real(3, 1), dim=-2), row(real(3), real(3), dim=-1),
    ],
    "eig_packed": [row(regular(3, 3), skip=SIGNS, gradient=False)],
}  # fmt: skip
