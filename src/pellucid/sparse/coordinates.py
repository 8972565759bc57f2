"""Sparse tensors by coordinates: for each number that is kept a column of indices, and its value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core import RemovableHandle, Size, Tensor, get_default_dtype
from ..declare import FUNCTIONS
from ..printing import part_text, with_suffixes
from ..types import layouts
from ..types.dtypes import bool_, int64
from ..types.dtypes import dtype as DType
from .arithmetic import Arithmetic

__all__ = [
    "SparseTensor", "addmm", "log_softmax", "mm", "softmax", "sparse_coo_tensor", "sparse_of", "spmm", "sum",
]  # fmt: skip


compressors: list[Callable[[SparseTensor], Any]] = []  # how a matrix is compressed: `compressed`, which is above


class SparseTensor(Arithmetic):
    """A tensor of ``shape`` that is zero but for ``values`` (nnz, …) at ``indices`` (sparse_dim, nnz).

    A coordinate that comes twice counts as the sum of its values, until `coalesce` adds them up.
    """

    is_sparse, is_sparse_csr, is_cuda = True, False, False
    layout = layouts.sparse_coo

    def __init__(self, indices: Tensor, values: Tensor, size: Any, coalesced: bool = False) -> None:
        self._at, self._numbers, self.shape = indices, values, Size(size)
        self._coalesced = coalesced or indices.shape[1] < 2
        self._asked = False  # whether a gradient is wanted for this tensor itself, not for what its values come from

    # ------------------------------------------------------------------------------------------------ what it is

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

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        """Ask for a gradient with respect to this tensor (or no longer), in place; returns the tensor."""
        if not self.is_leaf:
            if not requires_grad:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want a computed tensor without "
                    "its history, write sparse.detach()"
                )
            return self
        self._numbers = self._numbers.detach().requires_grad_(requires_grad)
        self._asked = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no gradient flows through this tensor to what its values were made from."""
        return self._asked or not self._numbers.requires_grad

    @property
    def grad_fn(self) -> Any:
        """The recorded op application that made the values; None for a leaf."""
        return self._numbers.grad_fn

    @property
    def grad(self) -> SparseTensor | None:
        """The gradient that `backward` left, at the coordinates of this tensor: for a leaf that requires one."""
        found = self._numbers.grad if self._asked else None
        return None if found is None else self._gradient(found)

    @grad.setter
    def grad(self, value: SparseTensor | None) -> None:
        self._numbers.grad = None if value is None else self._picked(value).detach()

    def register_hook(self, hook: Callable[[SparseTensor], SparseTensor | None]) -> RemovableHandle:
        """Call `hook` with the gradient of this tensor, sparse too; what it returns, if not None, replaces that."""

        def of_values(found: Tensor) -> Tensor | None:
            changed = hook(self._gradient(found))
            return None if changed is None else self._picked(changed)

        return self._numbers.register_hook(of_values)

    def _gradient(self, found: Tensor) -> SparseTensor:
        """The gradient, of that of the values."""
        kept = self.detach().coalesce()
        _, place = FUNCTIONS["unique"](self._flat()[0], return_inverse=True)  # of a coordinate that comes twice, either
        return kept._with(FUNCTIONS["zeros_like"](kept._numbers).index_copy(0, place, found))

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    ndimension = dim

    def numel(self) -> int:
        """How many numbers there would be, zeros and all."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def is_floating_point(self) -> bool:
        """Whether the values are floating point numbers."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the values are complex."""
        return self.dtype.is_complex

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its length along ``dim``."""
        return self.shape if dim is None else self.shape[dim]

    def sparse_dim(self) -> int:
        """How many dimensions are given by coordinates."""
        return self._at.shape[0]

    def dense_dim(self) -> int:
        """How many dimensions a value has."""
        return self._numbers.ndim - 1

    def _nnz(self) -> int:
        return self._at.shape[1]

    def is_coalesced(self) -> bool:
        """Whether each coordinate comes once, in order."""
        return self._coalesced

    def _indices(self) -> Tensor:
        return self._at

    def _values(self) -> Tensor:
        """The values, through which no gradient flows, coalesced or not (under PyTorch's name)."""
        return self._numbers.detach()

    def indices(self) -> Tensor:
        """The coordinates, (sparse_dim, nnz), of a coalesced tensor."""
        return self._only_coalesced("indices")._at

    def values(self) -> Tensor:
        """The values, (nnz, …), of a coalesced tensor."""
        return self._only_coalesced("values")._numbers

    def _only_coalesced(self, name: str) -> SparseTensor:
        if not self._coalesced:
            raise RuntimeError(
                f"Cannot get {name} on an uncoalesced tensor, please call .coalesce() first: a coordinate may come "
                "twice"
            )
        return self

    # -------------------------------------------------------------------------------------------------- other forms

    def _flat(self) -> tuple[Tensor, list[int]]:
        """One number for each coordinate, in row-major order, and the lengths of the sparse dimensions."""
        lengths = list(self.shape[: self.sparse_dim()])
        flat = FUNCTIONS["zeros"]((self._nnz(),), dtype=int64)
        for row, length in zip(self._at.unbind(), lengths, strict=True):
            flat = flat * length + row
        return flat, lengths

    def coalesce(self) -> SparseTensor:
        """The same with each coordinate once, in row-major order."""
        if self._coalesced:
            return self
        flat, lengths = self._flat()
        kept, place = FUNCTIONS["unique"](flat, return_inverse=True)
        values = self._zeros((kept.shape[0], *self._numbers.shape[1:])).index_add(0, place, self._numbers)
        rows = []
        for length in reversed(lengths):
            rows.append(kept % length)
            kept = kept // length
        at = FUNCTIONS["stack"](rows[::-1]) if rows else FUNCTIONS["zeros"]((0, kept.shape[0]), dtype=int64)
        return SparseTensor(at, values, self.shape, coalesced=True)

    def _picked(self, other: Any) -> Tensor:
        """The numbers of another tensor, sparse or dense, at the coordinates of this one."""
        return (other.to_dense() if isinstance(other, SparseTensor) else other)[tuple(self._at.unbind())]

    def _zeros(self, shape: Any) -> Tensor:
        return FUNCTIONS["zeros"](tuple(shape), dtype=self._numbers.dtype)

    def to_dense(self) -> Tensor:
        """The whole tensor, zeros and all; a gradient flows to the values."""
        flat, lengths = self._flat()
        dense = self._zeros((math.prod(lengths), *self._numbers.shape[1:]))
        return dense.index_add(0, flat, self._numbers).reshape(self.shape)

    def transpose(self, dim0: int, dim1: int) -> SparseTensor:
        """Two of the sparse dimensions exchanged."""
        order = list(range(self.sparse_dim()))
        order[dim0], order[dim1] = order[dim1], order[dim0]
        lengths = [self.shape[place] for place in order]
        rows = FUNCTIONS["stack"]([self._at[place] for place in order])
        return SparseTensor(rows, self._numbers, [*lengths, *self.shape[len(order) :]])

    def t(self) -> SparseTensor:
        """The transpose of a matrix; a vector as it is."""
        if self.sparse_dim() > 2 or self.dense_dim():
            raise RuntimeError(
                "t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got "
                f"{self.sparse_dim()} sparse and {self.dense_dim()} dense dimensions"
            )
        return self if len(self.shape) < 2 else self.transpose(0, 1)

    @property
    def T(self) -> SparseTensor:
        """The transpose of a matrix."""
        return self.t()

    @property
    def mT(self) -> SparseTensor:
        """The transpose of each matrix: the last two dimensions exchanged."""
        rank = len(self.shape)
        return self.transpose(rank - 2, rank - 1)

    @property
    def data(self) -> SparseTensor:
        """The same numbers, through which no gradient flows."""
        return self.detach()

    def to(self, *_: Any, dtype: DType | None = None, **__: Any) -> SparseTensor:
        """With values of another ``dtype``; devices are as for dense tensors."""
        found = dtype or next((argument for argument in _ if isinstance(argument, DType)), None)
        return self if found is None else self._with(self._numbers.to(found))

    def cpu(self) -> SparseTensor:
        """The tensor itself."""
        return self

    def cuda(self, device: Any = None) -> SparseTensor:
        """On a CUDA device; an error where there is none."""
        return self._with(self._numbers.cuda(device))

    def detach(self) -> SparseTensor:
        """The same numbers, through which no gradient flows."""
        return self._with(self._numbers.detach())

    def _with(self, values: Tensor) -> SparseTensor:
        return SparseTensor(self._at, values, self.shape, self._coalesced)

    def to_sparse_csr(self) -> Any:
        """A matrix by compressed rows."""
        return compressors[0](self)

    def to_sparse(self, *_: Any, **__: Any) -> SparseTensor:
        """The tensor itself."""
        return self

    to_sparse_coo = to_sparse

    def clone(self) -> SparseTensor:
        """A copy in memory of its own."""
        return SparseTensor(self._at.clone(), self._numbers.clone(), self.shape, self._coalesced)

    def zero_(self) -> SparseTensor:
        """Leave nothing, in place; returns the tensor."""
        self._at, self._numbers, self._coalesced = self._at[:, :0], self._numbers[:0], True
        return self

    def float(self) -> SparseTensor:
        """With float32 values."""
        return self._with(self._numbers.float())

    def double(self) -> SparseTensor:
        """With float64 values."""
        return self._with(self._numbers.double())

    def half(self) -> SparseTensor:
        """With float16 values."""
        return self._with(self._numbers.half())

    def int(self) -> SparseTensor:
        """With int32 values."""
        return self._with(self._numbers.int())

    def long(self) -> SparseTensor:
        """With int64 values."""
        return self._with(self._numbers.long())

    def bool(self) -> SparseTensor:
        """With values that are True or False."""
        return self._with(self._numbers.bool())

    def copy_(self, src: SparseTensor) -> SparseTensor:
        """Become a copy of another, in place; returns the tensor."""
        self._at, self._numbers = src._at.clone(), src._numbers.to(self.dtype, copy=True)
        self.shape, self._coalesced = src.shape, src._coalesced
        return self

    def sum(self, dim: int | None = None) -> Any:
        """The sum of all numbers, or along a dimension, which is sparse."""
        return sum(self, dim)

    def __repr__(self) -> str:
        parts = {"indices": self._at, "values": self._numbers}
        return sparse_text(parts, self)


def sparse_text(parts: dict[str, Tensor], tensor: Any) -> str:
    """How a sparse tensor of these parts prints."""
    texts = [f"{name}=" + part_text(part.detach(), len(f"tensor({name}=")) for name, part in parts.items()]
    rest = [f"size={tuple(tensor.shape)}", f"nnz={tensor._nnz()}"]
    if tensor.dtype not in (get_default_dtype(), get_default_dtype().to_complex(), int64, bool_):
        rest.append(f"dtype={tensor.dtype!r}")
    rest.append(f"layout={tensor.layout}")
    node = tensor._numbers.grad_fn
    if node is not None:
        rest.append(f"grad_fn=<{node.name()}>")
    elif tensor.requires_grad:
        rest.append("requires_grad=True")
    return with_suffixes("tensor(" + ",\n       ".join(texts), rest, new_line=tensor.is_sparse)


def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Any = None,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:
    """A sparse tensor of ``size``: ``values`` (nnz, …) at the coordinates in the columns of ``indices`` (ndim, nnz).

    Without a size, the least that holds all coordinates. They are checked always, which PyTorch does with
    ``check_invariants=True``.

    Raises:
        RuntimeError: counts differ, or a coordinate is outside the size.

    >>> sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    if values is None:  # only a size: nothing is in it
        size = tuple(indices if size is None else size)
        indices = FUNCTIONS["zeros"]((len(size), 0))
        values = FUNCTIONS["zeros"]((0,), dtype=dtype)
    at = FUNCTIONS["as_tensor"](indices).long()
    numbers = FUNCTIONS["as_tensor"](values, dtype=dtype)
    if requires_grad:
        numbers = numbers.detach()
    if at.ndim != 2 or numbers.ndim < 1 or at.shape[1] != numbers.shape[0]:
        raise RuntimeError(
            "number of dimensions and nnz must fit: indices must be of shape (sparse_dim, nnz) and values of (nnz, …), "
            f"but got {tuple(at.shape)} and {tuple(numbers.shape)}"
        )
    largest = at.max(1)[0].tolist() if at.shape[1] else [-1] * at.shape[0]
    if size is None:
        size = (*(index + 1 for index in largest), *numbers.shape[1:])
    size = tuple(size)
    if len(size) != at.shape[0] + numbers.ndim - 1:
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({at.shape[0]}) + dense_dim ({numbers.ndim - 1}), but got size "
            f"{size}"
        )
    for dim, (index, length) in enumerate(zip(largest, size, strict=False)):
        if index >= length:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {dim}, size is {length} but found index {index}"
            )
    if at.numel() and int(at.min()) < 0:
        raise RuntimeError(f"found negative index {int(at.min())} in the indices")
    made = SparseTensor(at, numbers, size, bool(is_coalesced))
    return made.requires_grad_() if requires_grad else made


def mm(mat1: Any, mat2: Any) -> Any:
    """The product of two matrices, one or both of which are sparse; with a dense factor it is dense.

    Raises:
        RuntimeError: shapes do not fit.
    """
    if not isinstance(mat1, SparseTensor):
        return mat1 @ mat2 if isinstance(mat2, SparseTensor) else FUNCTIONS["mm"](mat1, mat2)
    return mat1.matmul(mat2)


def spmm(input: Any, mat2: Tensor) -> Tensor:
    """`mm`, under its older name."""
    return mm(input, mat2)


def sum(input: SparseTensor, dim: int | None = None) -> Any:
    """The sum of all numbers, or along a dimension, which is sparse."""
    if dim is None:
        return input._numbers.sum()
    return sparse_of(input.to_dense().sum(dim))


def addmm(mat: Tensor, mat1: SparseTensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · mat + alpha · (mat1 @ mat2), of which mat1 is sparse."""
    return beta * mat + alpha * mm(mat1, mat2)


def softmax(input: SparseTensor, dim: int, *, dtype: DType | None = None) -> SparseTensor:
    """Softmax along a dimension over the numbers that are there: what is not counts as minus infinity."""
    return _softmax(input, dim, dtype, "softmax")


def log_softmax(input: SparseTensor, dim: int, *, dtype: DType | None = None) -> SparseTensor:
    """The logarithm of `softmax`."""
    return _softmax(input, dim, dtype, "log_softmax")


def _softmax(input: SparseTensor, dim: int, dtype: DType | None, name: str) -> SparseTensor:
    kept = input.coalesce()
    there = kept._with(FUNCTIONS["ones_like"](kept._numbers)).to_dense() != 0
    dense = kept.to_dense().masked_fill(~there, -math.inf)
    found: Any = getattr(dense if dtype is None else dense.to(dtype), name)(dim)
    return SparseTensor(kept._indices(), found[tuple(kept._indices().unbind())], kept.shape, coalesced=True)


def sparse_of(dense: Tensor) -> SparseTensor:
    """The numbers of a dense tensor that are not zero, by their coordinates; a gradient flows through."""
    at = FUNCTIONS["nonzero"](dense.detach())
    numbers = dense[tuple(at.unbind(1))] if dense.ndim else dense.reshape(1)[: at.shape[0]]
    return SparseTensor(at.t().contiguous(), numbers, dense.shape, coalesced=True)
