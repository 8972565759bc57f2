"""Products of vectors and matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.core import Tensor, called
from pellucid.core.promotion import refused_dtype
from pellucid.declare import TABLE, function, op
from pellucid.declare.arguments import is_list
from pellucid.errors import ShapeError
from pellucid.kernels import products as native
from pellucid.reverse.vocabulary import sum_to
from pellucid.types.dtypes import bool_

from .node_names import layer, product


@op(view=True, public=False, method=False, reference="torch.Tensor.mT")
def matrix_transpose(xp: Any, input: Any) -> Any:
    """A view with the last two dimensions exchanged."""
    return input.swapaxes(-1, -2)


matrix_transpose.vjp(input=lambda m, g: m.matrix_transpose(g))


@op(node=product)
def matmul(xp: Any, input: Any, other: Any) -> Any:
    """Matrix product over the last two dimensions; leading dimensions broadcast.

    Shape: (…, n, k) · (…, k, m) -> (…, n, m). A vector (k,) on the left counts as (1, k), on the right as (k, 1), and
    the added dimension is dropped from the result. Raises ShapeError (a RuntimeError) where k differs.

    >>> import pellucid
    >>> pellucid.matmul(pellucid.ones(2, 3), pellucid.ones(3))
    tensor([3., 3.])
    """
    if input.dtype is not other.dtype or input.dtype == xp.float16:
        check_product("matmul", input, other)
        return _product(xp, input, other)
    try:
        return _of_rows(xp, input, other)
    except ValueError:
        check_product("matmul", input, other)
        raise


def _of_rows(xp: Any, a: Any, b: Any, bias: Any = None) -> Any:
    """a · b (+ bias); of many matrices with one, the product of all their rows, for which `b` is packed once."""
    if a.ndim < 2 or b.ndim != 2:
        out = xp.matmul(a, b)
        return out if bias is None else xp.add(out, bias)
    rows = a if a.ndim == 2 else a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
    out = native.matmul(rows, b, bias)
    if out is None:
        if rows.shape[1] == len(b) == 1 and type(rows) is np.ndarray:
            out = np.multiply(
                rows, b, order="C"
            )  # as the gradient of a weight by one row: BLAS takes four times as long
        else:
            out = rows.dot(b) if type(rows) is np.ndarray else xp.matmul(rows, b)  # the same, called in half the time
        if bias is not None:
            out += bias
    return out if a.ndim == 2 else out.reshape(*a.shape[:-1], b.shape[-1])


def check_product(name: str, a: Any, b: Any) -> None:
    """Raise for operands that have no matrix product, saying which dimensions differ."""
    if not hasattr(a, "ndim") or not hasattr(b, "ndim") or a.ndim == 0 or b.ndim == 0:
        raise ShapeError("both arguments need at least one dimension; to scale by a number or a 0-d tensor write *")
    if a.dtype != b.dtype:
        raise RuntimeError(
            f"expected both arguments to have the same dtype, but got {a.dtype} and {b.dtype}; write .to(other.dtype)"
        )
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
    if a.shape[-1] != inner:
        advice = ""
        if b.ndim > 1 and a.shape[-1] == b.shape[-1]:
            advice = "; the second may want .mT (or .T)"
        elif a.ndim > 1 and a.shape[-2] == inner:
            advice = "; the first may want .mT (or .T)"
        raise ShapeError(
            f"{_mismatch(a.shape, b.shape)}: the last dimension of the first is {a.shape[-1]}, the "
            f"{'second to last' if b.ndim > 1 else 'only'} dimension of the second is {inner}{advice}"
        )


def _mismatch(first: Any, second: Any) -> str:
    """PyTorch's words for shapes that have no product, which depend on the ranks."""
    ranks = len(first), len(second)
    if ranks == (1, 1):
        return (
            f"inconsistent tensor size, expected tensor [{first[0]}] and src [{second[0]}] to have the same number of "
            f"elements, but got {first[0]} and {second[0]} elements respectively"
        )
    if ranks == (2, 1):
        return f"size mismatch, got input ({first[0]}), mat ({first[0]}x{first[1]}), vec ({second[0]})"
    if ranks[1] > 2 and ranks[0] > 2:
        batch = math.prod(np.broadcast_shapes(first[:-2], second[:-2]))
        wanted, got = [batch, first[-1]], [batch, second[-2]]
        return f"Expected size for first two dimensions of batch2 tensor to be: {wanted} but got: {got}."
    rows = math.prod(first[:-1])
    return f"mat1 and mat2 shapes cannot be multiplied ({rows}x{first[-1]} and {second[0]}x{second[-1]})"


def _grad_left(m: Any, g: Any, a: Any, b: Any) -> Any:
    """g · bᵀ, summed over the dimensions that broadcast."""
    rank_a, rank_b = len(a), len(b.shape)
    if rank_b == 1:
        return g * b if rank_a == 1 else m.reshape(g, shape=(*g.shape, 1)) * b
    if rank_a > 1 and rank_b == 2:
        return m.linear(g, b)
    if rank_a == 1:
        row = m.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))  # (…, m) -> (…, 1, m)
        product = m.matmul(row, m.matrix_transpose(b))  # (…, 1, k)
        return sum_to(m, m.reshape(product, shape=(*product.shape[:-2], product.shape[-1])), a)
    return sum_to(m, m.matmul(g, m.matrix_transpose(b)), a)


def _grad_right(m: Any, g: Any, a: Any, b: Any) -> Any:
    """aᵀ · g, summed over the dimensions that broadcast."""
    rank_a, rank_b = len(a.shape), len(b)
    if rank_a == 1:
        if rank_b == 1:
            return g * a
        column = m.reshape(a, shape=(*a.shape, 1))  # (k,) -> (k, 1)
        return sum_to(m, column * m.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1])), b)
    if rank_b == 1:
        column = m.reshape(g, shape=(*g.shape, 1))  # (…, n) -> (…, n, 1)
        product = m.matmul(m.matrix_transpose(a), column)  # (…, k, 1)
        return sum_to(m, m.reshape(product, shape=product.shape[:-1]), b)
    if rank_b == 2 and rank_a > 2:
        return m.matmul(m.matrix_transpose(_rows(m, a)), _rows(m, g))
    return sum_to(m, m.matmul(m.matrix_transpose(a), g), b)


matmul.vjp(
    input=lambda m, g, input_shape, other: _grad_left(m, g, input_shape, other),
    other=lambda m, g, input, other_shape: _grad_right(m, g, input, other_shape),
)


@op(method=False, public=False, reference="torch.nn.functional.linear", node=layer)
def linear(xp: Any, input: Any, weight: Any, bias: Any = None) -> Any:
    """A fully connected layer: input · weightᵀ + bias.

    Shape: (…, in) with weight (out, in) and bias (out,) -> (…, out). A weight (in,) gives one number for each row;
    `pellucid.nn.functional.linear` sees to that.
    """
    fits = bias is None or bias.shape == weight.shape[:1]
    if input.dtype is not weight.dtype or input.dtype == xp.float16 or weight.ndim != 2:
        check_product("linear", input, weight.T)
        out = _product(xp, input, weight.T)
        if bias is not None and fits:
            out += bias
    else:
        try:
            out = _of_rows(xp, input, weight.T, bias if fits else None)
        except ValueError:
            raise ShapeError(
                f"{_mismatch(input.shape, weight.T.shape)}: "
                f"shapes {tuple(input.shape)} and {tuple(weight.shape)} cannot be multiplied: the input must end in a "
                f"dimension of {weight.shape[-1]}, the number of features that the layer takes"
            ) from None
    if bias is not None and not fits:
        raise ShapeError(f"the bias has shape {tuple(bias.shape)}, the layer has {len(weight)} outputs")
    return out


def _product(xp: Any, a: Any, b: Any) -> Any:
    """Half precision is accumulated in single, as in PyTorch."""
    if a.dtype == xp.float16:
        return xp.matmul(a.astype(xp.float32), b.astype(xp.float32)).astype(a.dtype)
    return xp.matmul(a, b)


def _rows(m: Any, x: Any) -> Any:
    """(…, n) -> (rows, n)."""
    shape = x.shape
    if len(shape) == 2:
        return x
    count = 1
    for length in shape[:-1]:
        count *= length
    return m.reshape(x, shape=(count, shape[-1]))


linear.vjp(
    input=lambda m, g, weight: m.matmul(g, weight),
    weight=lambda m, g, input: m.matmul(m.matrix_transpose(_rows(m, g)), _rows(m, input)),
    bias=lambda m, g: m.sum(_rows(m, g), dim=0),
)


def _ranks(name: str, **wanted: tuple[Tensor, int]) -> None:
    for argument, (tensor, rank) in wanted.items():
        if tensor.ndim != rank:
            words = {2: f"{argument} must be a matrix", 3: f"{argument} must be a 3D tensor"}.get(rank)
            if name == "dot":
                words = (
                    f"1D tensors expected, but got {'D and '.join(str(t.ndim) for t, _ in wanted.values())}D tensors"
                )
            raise ShapeError(
                f"{words}; {name}: {argument} must be a {rank}-D tensor, got {tensor.ndim}-D with shape "
                f"{tuple(tensor.shape)}; matmul (@) takes any number of dimensions"
            )


@function()
@called("MmBackward0")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices: (n, k) · (k, m) -> (n, m); no broadcasting."""
    _ranks("mm", self=(input, 2), mat2=(mat2, 2))
    return matmul(input, mat2)


@function()
@called("BmmBackward0")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of a batch of matrices: (b, n, k) · (b, k, m) -> (b, n, m); no broadcasting."""
    _ranks("bmm", batch1=(input, 3), batch2=(mat2, 3))
    if input.shape[0] != mat2.shape[0]:
        raise ShapeError(
            f"bmm: the batches have {input.shape[0]} and {mat2.shape[0]} matrices; they must be equally many"
        )
    return matmul(input, mat2)


@function()
@called("MvBackward0")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector: (n, k) · (k,) -> (n,)."""
    _ranks("mv", input=(input, 2), vec=(vec, 1))
    return matmul(input, vec)


@function()
@called("DotBackward0")
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Scalar product of two vectors of equal length: Σ aᵢ bᵢ."""
    _ranks("dot", input=(input, 1), tensor=(tensor, 1))
    return matmul(input, tensor)


@function()
@called("VdotBackward0")
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Scalar product of two vectors, the first conjugated: Σ aᵢ' bᵢ."""
    return dot(TABLE["conj"](input) if input.is_complex() else input, other)


@function()
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sum of products over the last dimension of both: (…, k), (…', k) -> (…, …')."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise ShapeError(f"inner: the last dimensions differ: {tuple(input.shape)} and {tuple(other.shape)}")
    return tensordot(input, other, dims=([-1], [-1]))


@function()
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of the elements of two vectors: (n,), (m,) -> (n, m)."""
    _ranks("outer", self=(input, 1), vec2=(vec2, 1))
    return input.reshape(-1, 1) * vec2


@function()
def ger(input: Tensor, vec2: Tensor) -> Tensor:
    """PyTorch's older name of `outer`."""
    return outer(input, vec2)


@function(method=False)
def tensordot(a: Tensor, b: Tensor, dims: object = 2, out: Any = None) -> Tensor:
    """Sum of products over `dims`: the last `dims` of `a` with the first of `b`, or two lists of dimensions."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        left, right = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        pair: Any = dims
        left, right = ([int(d) for d in dim] if is_list(dim) else [int(dim)] for dim in pair)
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    left, right = [d % a.ndim for d in left], [d % b.ndim for d in right]
    for i, j in zip(left, right, strict=True):
        if a.shape[i] != b.shape[j] and 1 in (a.shape[i], b.shape[j]):  # a dimension of 1 stretches
            a = a.sum(i, keepdim=True, dtype=a.dtype) if a.shape[i] != 1 else a
            b = b.sum(j, keepdim=True, dtype=b.dtype) if b.shape[j] != 1 else b
        if a.shape[i] != b.shape[j]:
            raise ShapeError(
                f"tensordot: contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and "
                f"second has size {b.shape[j]} in dim {j}"
            )
    free_a = [d for d in range(a.ndim) if d not in left]
    free_b = [d for d in range(b.ndim) if d not in right]
    inside = 1
    for d in left:
        inside *= a.shape[d]
    rows, columns = [a.shape[d] for d in free_a], [b.shape[d] for d in free_b]
    flat_a = a.permute(*free_a, *left).reshape(_total(rows), inside)  # (…free, …contracted) -> (rows, inside)
    flat_b = b.permute(*right, *free_b).reshape(inside, _total(columns))
    return matmul(flat_a, flat_b).reshape(*rows, *columns) if rows or columns else matmul(flat_a, flat_b).reshape(())


def _total(lengths: list[int]) -> int:
    count = 1
    for length in lengths:
        count *= length
    return count


@function()
@called("AddmmBackward0")
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · mat1 · mat2."""
    return _plus(input, mm(mat1, mat2), beta, alpha)


@function()
@called("AddmvBackward0")
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · mat · vec."""
    return _plus(input, mv(mat, vec), beta, alpha)


@function()
@called("AddrBackward0")
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · outer(vec1, vec2)."""
    return _plus(input, outer(vec1, vec2), beta, alpha)


@function()
@called("BaddbmmBackward0")
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · bmm(batch1, batch2)."""
    return _plus(input, bmm(batch1, batch2), beta, alpha)


@function()
@called("AddbmmBackward0")
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta · input + alpha · the sum of bmm(batch1, batch2) over the batch."""
    _ranks("addbmm", batch1=(batch1, 3), batch2=(batch2, 3))
    if batch1.shape[0] != batch2.shape[0] or batch1.shape[2] != batch2.shape[1]:
        raise ShapeError(f"addbmm: batches {tuple(batch1.shape)} and {tuple(batch2.shape)} cannot be multiplied")
    b, n, k = batch1.shape  # one product with the batch in the summed dimension: (n, b·k) · (b·k, m)
    return _plus(input, mm(batch1.permute(1, 0, 2).reshape(n, b * k), batch2.reshape(b * k, -1)), beta, alpha)


def _plus(input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta · input + alpha · product; with beta = 0 NaNs of the input do not count (PyTorch)."""
    try:
        input = input.expand(product.shape)
    except RuntimeError:
        raise ShapeError(
            f"the input of shape {tuple(input.shape)} does not broadcast to the product's {tuple(product.shape)}"
        ) from None
    kind = product.dtype
    if kind.name == "float16":  # rounded once, at the end
        return _plus(input.float(), product.float(), beta, alpha).half()
    if not (kind.is_floating_point or kind.is_complex):  # PyTorch takes the factors in the tensors' type then
        number = bool if kind.name == "bool" else int
        beta, alpha = number(beta), number(alpha)
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return scaled
    return (input if beta == 1 else input * beta) + scaled


@function(method=False)
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of two or more matrices, left to right; a copy of a matrix alone."""
    result = matrices[0]
    if len(matrices) == 1:
        return TABLE["clone"](result)
    for matrix in matrices[1:]:
        result = mm(result, matrix)
    return result


@function()
@called("UnsafeViewBackward0")
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product: each element of `input` times the whole of `other`."""
    rank = max(input.ndim, other.ndim)
    if rank == 0:
        return input * other
    a = input.reshape(*(1,) * (rank - input.ndim), *input.shape)
    b = other.reshape(*(1,) * (rank - other.ndim), *other.shape)
    wide = a.reshape(*[n for length in a.shape for n in (length, 1)])
    tall = b.reshape(*[n for length in b.shape for n in (1, length)])
    return (wide * tall).reshape(*[n * k for n, k in zip(a.shape, b.shape, strict=True)])


@function()
@called("TraceBackward0")
def trace(input: Tensor) -> Tensor:
    """Sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    if input.dtype is bool_:
        raise refused_dtype("trace", bool_)
    return input.diagonal().sum()
