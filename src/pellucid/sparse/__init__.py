"""Sparse matrices and tensors: the few numbers of a large tensor that are not zero.

`sparse_coo_tensor` makes one by coordinates (COO), `sparse_csr_tensor` a matrix by compressed rows (CSR); `mm` (also
`spmm`, and `@`) multiplies it with a dense matrix, which is what a graph network does with its adjacency. Gradients
flow to the values and to the dense matrix, of any order, since a product is composed of ops on dense tensors: gather
the rows, scale them, add them up.
"""

from typing import Any

from pellucid.core import Tensor
from pellucid.errors import warn
from pellucid.torch_names import absent

from .compressed import CompressedTensor, sparse_csr_tensor
from .coordinates import (
    SparseTensor,
    addmm,
    log_softmax,
    mm,
    softmax,
    sparse_coo_tensor,
    sparse_of,
    spmm,
    sum,
)

__all__ = [
    "CompressedTensor", "DoubleTensor", "FloatTensor", "SparseTensor", "addmm", "log_softmax", "mm", "softmax",
    "sparse_coo_tensor", "sparse_csr_tensor", "sparse_of", "spmm", "sum",
]  # fmt: skip


def FloatTensor(indices: Tensor, values: Tensor, size: Any = None) -> SparseTensor:
    """An older name: `sparse_coo_tensor` with float32 values."""
    _warn_of_age()
    return sparse_coo_tensor(indices, values.float(), size)


def DoubleTensor(indices: Tensor, values: Tensor, size: Any = None) -> SparseTensor:
    """An older name: `sparse_coo_tensor` with float64 values."""
    _warn_of_age()
    return sparse_coo_tensor(indices, values.double(), size)


def _warn_of_age() -> None:
    warn(
        "torch.sparse.SparseTensor(indices, values, shape, *, device=) is deprecated.  Please use "
        "torch.sparse_coo_tensor(indices, values, shape, dtype=, device=)."
    )


__getattr__ = absent(__name__)
