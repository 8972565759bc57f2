"""Sparse matrices by compressed rows (CSR): where each row begins, the columns, and the values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Size, Tensor
from ..core.tensor import wrap
from ..declare import FUNCTIONS
from ..types import layouts
from ..types.dtypes import dtype as DType
from ..types.dtypes import float16, float32, float64
from .arithmetic import Sparse
from .coordinates import SparseTensor, compressors, sparse_text

__all__ = ["CompressedTensor", "sparse_csr_tensor"]


class CompressedTensor(Sparse):
    """A matrix of ``shape`` whose row i has ``values`` from ``crow_indices[i]`` to ``crow_indices[i + 1]``."""

    is_sparse, is_sparse_csr = False, True
    layout = layouts.sparse_csr

    def __init__(self, crow_indices: Tensor, col_indices: Tensor, values: Tensor, size: Any) -> None:
        self._rows, self._columns, self._numbers, self.shape = crow_indices, col_indices, values, Size(size)

    @property
    def dtype(self) -> DType:
        """The type of the values."""
        return self._numbers.dtype

    @property
    def device(self) -> Any:
        """Where the values are."""
        return self._numbers.device

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows to the values."""
        return self._numbers.requires_grad

    def is_floating_point(self) -> bool:
        """Whether the values are floating point numbers."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the values are complex."""
        return self.dtype.is_complex

    def detach(self) -> CompressedTensor:
        """The same numbers, through which no gradient flows."""
        return CompressedTensor(self._rows, self._columns, self._numbers.detach(), self.shape)

    def float(self) -> CompressedTensor:
        """With float32 values."""
        return self.to(dtype=float32)

    def double(self) -> CompressedTensor:
        """With float64 values."""
        return self.to(dtype=float64)

    def half(self) -> CompressedTensor:
        """With float16 values."""
        return self.to(dtype=float16)

    def cpu(self) -> CompressedTensor:
        """The tensor itself."""
        return self

    def copy_(self, src: CompressedTensor) -> CompressedTensor:
        """Become a copy of another, in place; returns the tensor."""
        self._rows, self._columns, self.shape = src._rows.clone(), src._columns.clone(), src.shape
        self._numbers = src._numbers.to(self.dtype, copy=True)
        return self

    ndim = 2

    def dim(self) -> int:
        """2."""
        return 2

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its length along ``dim``."""
        return self.shape if dim is None else self.shape[dim]

    def crow_indices(self) -> Tensor:
        """Where each row begins, and at last the number of values."""
        return self._rows

    def col_indices(self) -> Tensor:
        """The column of each value."""
        return self._columns

    def values(self) -> Tensor:
        """The values, row by row."""
        return self._numbers

    def _nnz(self) -> int:
        return self._columns.shape[0]

    def to_sparse_coo(self) -> SparseTensor:
        """The same by coordinates."""
        starts = self._rows._array
        rows = wrap(np.repeat(np.arange(self.shape[0]), np.diff(starts)))
        return SparseTensor(FUNCTIONS["stack"]([rows, self._columns.long()]), self._numbers, self.shape, True)

    to_sparse = to_sparse_coo

    def to_sparse_csr(self) -> CompressedTensor:
        """The tensor itself."""
        return self

    def to_dense(self) -> Tensor:
        """The whole matrix; a gradient flows to the values."""
        return self.to_sparse_coo().to_dense()

    def to(self, *given: Any, **named: Any) -> CompressedTensor:
        """With values of another dtype; devices are as for dense tensors."""
        values = self.to_sparse_coo().to(*given, **named)._numbers
        return CompressedTensor(self._rows, self._columns, values, self.shape)

    def t(self) -> SparseTensor:
        """The transpose, by coordinates."""
        return self.to_sparse_coo().t()

    def mm(self, other: Tensor) -> Tensor:
        """The product with a dense matrix or vector."""
        return self.to_sparse_coo().mm(other)

    matmul = mv = mm

    def __matmul__(self, other: Tensor) -> Tensor:
        return self.mm(other)

    def __repr__(self) -> str:
        parts = {"crow_indices": self._rows, "col_indices": self._columns, "values": self._numbers}
        return sparse_text(parts, self)


def sparse_csr_tensor(
    crow_indices: Any, col_indices: Any, values: Any, size: Any = None, *, dtype: DType | None = None,
    device: Any = None, requires_grad: bool = False, check_invariants: bool | None = None, **ignored: Any,
) -> CompressedTensor:  # fmt: skip
    """A matrix by compressed rows. Without a size, the least that holds all columns.

    Raises:
        RuntimeError: the parts do not fit.

    >>> sparse_csr_tensor([0, 1, 2], [2, 0], [3.0, 4.0], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    as_tensor = FUNCTIONS["as_tensor"]
    rows, columns, numbers = as_tensor(crow_indices), as_tensor(col_indices), as_tensor(values, dtype=dtype)
    if requires_grad:
        numbers = numbers.detach().requires_grad_()
    if rows.ndim != 1 or columns.ndim != 1 or columns.shape[0] != numbers.shape[0]:
        raise RuntimeError(
            "crow_indices and col_indices must be 1-D, and col_indices as long as values, but got shapes "
            f"{tuple(rows.shape)}, {tuple(columns.shape)} and {tuple(numbers.shape)}"
        )
    if size is None:
        size = (rows.shape[0] - 1, int(columns.max()) + 1 if columns.shape[0] else 0)
    if rows.shape[0] != size[0] + 1 or int(rows[0]) != 0 or int(rows[-1]) != columns.shape[0]:
        raise RuntimeError(
            f"crow_indices must rise from 0 to nnz ({columns.shape[0]}) in {size[0] + 1} numbers, one more than there "
            f"are rows, but got {rows.tolist()[:8]}"
        )
    if columns.shape[0] and int(columns.max()) >= size[1]:
        raise RuntimeError(f"col_indices reaches {int(columns.max())}, but size is {tuple(size)}")
    return CompressedTensor(rows, columns, numbers, size)


def compressed(tensor: SparseTensor) -> CompressedTensor:
    """A matrix by coordinates as one by compressed rows."""
    if tensor.ndim != 2:
        raise RuntimeError(f"to_sparse_csr takes a matrix, but got shape {tuple(tensor.shape)}")
    kept = tensor.coalesce()
    rows, columns = kept._indices().unbind()
    starts = np.searchsorted(rows._array, np.arange(tensor.shape[0] + 1)).astype(np.int64)
    return CompressedTensor(wrap(starts), columns, kept._numbers, tensor.shape)


compressors.append(compressed)
