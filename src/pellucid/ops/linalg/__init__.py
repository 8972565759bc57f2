"""Linear algebra: systems of equations, factorisations, eigenvalues. PyTorch's names are in `pellucid.linalg`."""

from pellucid.declare import TABLE

from . import (
    cholesky,
    elimination,
    extremal,
    low_rank,
    matrix_functions,
    orthogonal,
    packing,
    solving,
    spectral,
    triangular,
)

__all__ = [
    "cholesky", "elimination", "extremal", "low_rank", "matrix_functions", "orthogonal", "packing", "solving",
    "spectral", "triangular",
]  # fmt: skip

# Each refuses bfloat16 by itself, as half precision, and so must see it; but these have it, as in PyTorch.
for _op in TABLE.values():
    if _op.__module__.startswith(__name__) and _op.name not in ("cross_product", "matrix_exp"):
        _op.any_dtype = True
