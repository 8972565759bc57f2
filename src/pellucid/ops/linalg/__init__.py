"""Linear algebra: systems of equations, factorisations, eigenvalues. PyTorch's names are in `pellucid.linalg`."""

from . import cholesky, elimination, matrix_functions, orthogonal, packing, solving, spectral, triangular

__all__ = [
    "cholesky", "elimination", "matrix_functions", "orthogonal", "packing", "solving", "spectral",
    "triangular",
]  # fmt: skip
