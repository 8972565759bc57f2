"""Functions of matrices: powers, the exponential, products of several, and condition numbers."""

from __future__ import annotations

import itertools
import math
import operator
from typing import Any

import numpy as np

from pellucid.core import Tensor, called, from_data
from pellucid.declare import TABLE, function, op
from pellucid.errors import ShapeError, with_line

from ..dims import dim_of
from ..node_names import by_rank, condition, powers
from ..norms import matrix_norm
from .checks import floating, matrices, square
from .solving import first_zero_pivot, inverse
from .spectral import singular_values


@op(node="LinalgMatrixExpBackward0", reference="torch.matrix_exp")
def matrix_exp(xp: Any, input: Any) -> Any:
    """The exponential of each matrix: Σ Aᵏ / k!.

    A is halved until its 1-norm is at most 1/2, the series summed to the last bit, and the result squared as often.

    >>> import pellucid
    >>> pellucid.zeros(2, 2).matrix_exp()
    tensor([[1., 0.],
            [0., 1.]])
    """
    square("linalg.matrix_exp", input, half=True)
    if not input.size:
        return input.copy()
    wide = input.astype(xp.complex128 if input.dtype.kind == "c" else xp.float64)
    size = xp.abs(wide).sum(-2).max(-1)
    with xp.errstate(all="ignore"):
        halvings = xp.ceil(xp.log2(xp.maximum(size, 1e-300))) + 1
    halvings = xp.where(xp.isfinite(halvings), xp.clip(halvings, 0, 1100), 0).astype(int)
    x = wide * xp.ldexp(1.0, -halvings)[..., None, None]
    total = xp.eye(x.shape[-1], dtype=x.dtype) + x
    term = x
    with xp.errstate(all="ignore"):
        for k in range(2, 19):  # 0.5¹⁸ / 18! is far below the last bit of 1
            term = xp.matmul(term, x) / k
            total = total + term
        for done in range(int(halvings.max())):
            squared = xp.matmul(total, total)
            total = xp.where((halvings > done)[..., None, None], squared, total)
        return total.astype(input.dtype)


def _exponential_rule(m: Any, g: Any, input: Any) -> Any:
    """The upper right block of exp([[Aᵀ, g], [0, Aᵀ]]). (R. Mathias, "A chain rule for matrix functions", 1996.)"""
    n = input.shape[-1]
    turned = m.matrix_transpose(input)
    above = m.cat(turned, g, dim=-1)
    below = m.cat(m.zeros_like(turned), turned, dim=-1)
    return m.part(m.matrix_exp(m.cat(above, below, dim=-2)), key=(..., slice(n), slice(n, None)))


matrix_exp.vjp(input=lambda m, g, input: _exponential_rule(m, g, input))


@function()
@called(powers)
def matrix_power(input: Tensor, n: int) -> Tensor:
    """The n-th power of each square matrix by repeated squaring, of the inverse for a negative n.

    >>> import pellucid
    >>> pellucid.matrix_power(pellucid.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    matrices("linalg.matrix_power", input)
    if input.shape[-1] != input.shape[-2]:
        square("linalg.matrix_power", input)
    n = operator.index(n)
    if n == 0:
        unit = from_data(np.eye(input.shape[-1])).to(input.dtype)
        return TABLE["where"](from_data(True), unit, input)  # part of the graph, with a gradient of 0
    base: Any = inverse(input) if n < 0 else input
    n = abs(n)
    if n == 1:
        return base if base is not input else base.clone()
    result: Any = None
    while n:
        if n & 1:
            result = base if result is None else result @ base
        n >>= 1
        if n:
            base = base @ base
    return result


@function(method=False, public=False, name="linalg.multi_dot")
def multi_dot(tensors: Any) -> Tensor:
    """The product of two or more matrices in the order that takes the fewest multiplications.

    The first and the last may be vectors: a row, a column.

    >>> import pellucid
    >>> multi_dot([pellucid.ones(2), pellucid.ones(2, 3), pellucid.ones(3)])
    tensor(6.)
    """
    name, given = "multi_dot()", list(tensors)
    if len(given) < 2:
        raise RuntimeError(with_line(f"{name}: expected at least 2 tensors but got {len(given)}"))
    shape: list[int] = []
    first, last = given[0], given[-1]
    for which, tensor in (("first", first), ("last", last)):
        if tensor.ndim not in (1, 2):
            raise RuntimeError(with_line(f"{name}: the {which} tensor must be 1D or 2D but got {tensor.ndim}D"))
    for index, tensor in enumerate(given[1:-1], 1):
        if tensor.ndim != 2:
            raise RuntimeError(with_line(f"{name}: tensor {index} must be 2D but got {tensor.ndim}D"))
    if len({tensor.dtype for tensor in given}) > 1:
        raise RuntimeError(
            with_line(f"{name}: all tensors must have be the same dtype, got {[t.dtype for t in given]}")
        )
    if first.ndim == 2:
        shape.append(first.shape[0])
    else:
        given[0] = first.unsqueeze(0)
    if last.ndim == 2:
        shape.append(last.shape[1])
    else:
        given[-1] = last.unsqueeze(-1)
    for index, (left, right) in enumerate(itertools.pairwise(given)):
        if left.shape[-1] != right.shape[0]:
            raise ShapeError(
                with_line(
                    f"{name}: tensors {index} and {index + 1} with shapes {tuple(left.shape)} and {tuple(right.shape)} "
                    "cannot be multiplied"
                )
            )
    return _product(given, _best_order([given[0].shape[0], *(matrix.shape[1] for matrix in given)])).reshape(shape)


def _best_order(lengths: list[int]) -> dict[tuple[int, int], int]:
    """For each chain (i … j) of matrices where to cut it; matrix i is lengths[i] × lengths[i + 1]."""
    count = len(lengths) - 1
    cost = {(i, i): 0 for i in range(count)}
    cut: dict[tuple[int, int], int] = {}
    for width in range(1, count):
        for i in range(count - width):
            j = i + width
            found = [
                (cost[i, k] + cost[k + 1, j] + lengths[i] * lengths[k + 1] * lengths[j + 1], k) for k in range(i, j)
            ]
            cost[i, j], cut[i, j] = min(found)
    return cut


def _product(given: list[Any], cut: dict[tuple[int, int], int]) -> Any:
    def of(i: int, j: int) -> Any:
        return given[i] if i == j else of(i, cut[i, j]) @ of(cut[i, j] + 1, j)

    return of(0, len(given) - 1)


@function(method=False, public=False, name="linalg.cond")
@called(condition)
def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number of each matrix: ‖A‖ · ‖A⁻¹‖ in the norm `p` of `linalg.matrix_norm`; None is 2.

    Infinite for a singular matrix.

    >>> import pellucid
    >>> cond(pellucid.tensor([[4.0, 0.0], [0.0, 2.0]]))
    tensor(2.)
    """
    matrices("linalg.cond", A)
    floating("linalg.cond", A)
    if p is None or p in (2, -2):
        values: Any = singular_values(A)
        if not values.shape[-1]:
            return values.sum(-1)
        largest, smallest = values[..., 0], values[..., -1]
        return smallest / largest if p == -2 else largest / smallest
    if p not in ("fro", "nuc", 1, -1, math.inf, -math.inf):
        raise RuntimeError(with_line(f"linalg.cond got an invalid norm type: {p}"))
    square("linalg.cond", A)
    if not A.numel():
        return matrix_norm(A, "fro")
    zero = first_zero_pivot(A.detach().numpy()) > 0
    if not zero.any():
        return matrix_norm(A, p) * matrix_norm(inverse(A), p)
    safe: Any = TABLE["where"](from_data(zero)[..., None, None], from_data(np.eye(A.shape[-1])).to(A.dtype), A)
    return (matrix_norm(safe, p) * matrix_norm(inverse(safe), p)).masked_fill(from_data(zero), math.inf)


# --- vectors ----------------------------------------------------------------------------------------------------------


@op(name="cross_product", kind="arith", elementwise=True, method=False, public=False, reference="torch.linalg.cross",
    node="LinalgCrossBackward0")  # fmt: skip
def cross_product(xp: Any, input: Any, other: Any, *, dim: int) -> Any:
    """The vector product along `dim`, counted from the end, which has three elements; others broadcast."""
    axis = dim
    a, b = xp.broadcast_arrays(input, other)

    def roll(x: Any, by: int) -> Any:
        return xp.roll(x, by, axis)

    return roll(a, -1) * roll(b, -2) - roll(a, -2) * roll(b, -1)


cross_product.vjp(
    input=lambda m, g, other, dim: m.cross_product(other, g, dim=dim),
    other=lambda m, g, input, dim: m.cross_product(g, input, dim=dim),
)


@function(method=False, public=False, name="linalg.cross")
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product of vectors of three elements along `dim`; the other dimensions broadcast.

    >>> import pellucid
    >>> linalg_cross(pellucid.tensor([1.0, 0.0, 0.0]), pellucid.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    name = "linalg.cross"
    if input.ndim != other.ndim:
        raise RuntimeError(
            with_line(f"{name}: inputs must have the same number of dimensions, got {input.ndim} and {other.ndim}")
        )
    axis = dim_of(dim, input.ndim) - input.ndim
    if not input.ndim or input.shape[axis] != 3 or other.shape[axis] != 3:
        raise ShapeError(
            with_line(
                f"{name}: inputs dimension {dim} must have length 3. Got {tuple(input.shape)} and {tuple(other.shape)}"
            )
        )
    return cross_product(input, other, dim=axis)


@function()
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product along `dim`, by default the first dimension of three elements; see `linalg.cross`."""
    if dim is None:
        shape = np.broadcast_shapes(tuple(input.shape), tuple(other.shape))
        dim = next((i for i, length in enumerate(shape) if length == 3), None)
        if dim is None:
            raise RuntimeError(with_line(f"no dimension of size 3 in input, which has shape {tuple(input.shape)}"))
    return linalg_cross(input, other, dim=dim)


@function(method=False, public=False, name="linalg.vecdot")
@called(by_rank(1, "VdotBackward0"))
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Σ xᵢ' yᵢ along `dim`, where ' conjugates; the other dimensions broadcast.

    >>> import pellucid
    >>> vecdot(pellucid.ones(2, 3), pellucid.ones(3))
    tensor([3., 3.])
    """
    for tensor in (x, y):
        floating("linalg.vecdot", tensor, "x", half=True)
    if x.dtype is not y.dtype:
        raise RuntimeError(with_line(f"linalg.vecdot: expected both in one dtype, got {x.dtype!r} and {y.dtype!r}"))
    left: Any = x.conj() if x.is_complex() else x
    product: Any = left * y
    return product.sum(dim)


@function(method=False, public=False, name="linalg.vander")
def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Vandermonde's matrix: 1, x, x², … up to N columns (the length of x by default): (…, n) -> (…, n, N).

    >>> import pellucid
    >>> vander(pellucid.tensor([2, 3]), N=3)
    tensor([[1, 2, 4],
            [1, 3, 9]])
    """
    if not x.ndim and N is None:
        raise RuntimeError(with_line("linalg.vander: a tensor without dimensions needs N"))
    x = x if x.ndim else x.reshape(1)  # pyright: ignore[reportAttributeAccessIssue]
    if N is not None and N <= 1:
        raise RuntimeError(with_line("N must be greater than 1."))
    columns = x.shape[-1] if N is None else N
    given: Any = x if x.dtype.name != "bool" else x.long()
    if given.dtype.name in ("int8", "int16", "int32", "uint8"):
        given = given.long()
    first = given.new_ones((*x.shape, 1))
    if columns <= 1:
        return first
    powers = given.unsqueeze(-1).expand(*x.shape, columns - 1).cumprod(-1)
    return TABLE["cat"](first, powers, dim=-1)


@function(method=False, public=False, name="linalg.diagonal")
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonals of the last two dimensions; see `torch.diagonal`."""
    return TABLE["diagonal"](A, offset=offset, dim1=dim1, dim2=dim2)


@function(method=False, public=False, name="linalg.matmul")
def linalg_matmul(input: Tensor, other: Tensor) -> Tensor:
    """The product of matrices, `torch.matmul`."""
    return TABLE["matmul"](input, other)
