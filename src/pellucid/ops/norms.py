"""Norms of vectors and matrices, and distances."""

from __future__ import annotations

from math import inf
from typing import Any

from pellucid.core import Tensor, called, real, result_type
from pellucid.declare import TABLE, function, op
from pellucid.declare.outputs import stored

from .dims import dim_of
from .elements import kind_of
from .node_names import distances, matrix_norms
from .reduction import all_axes, axis_of, floating, keep, numpy_dtype, widened


@op(public=False, method=False, domain=real(), reference="torch.linalg.vector_norm", node="LinalgVectorNormBackward0")
def p_norm(xp: Any, input: Any, *, ord: float = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """(Σ |x|^ord)^(1 / ord) over `dim`; the largest |x| for inf, the smallest for -inf, how many are not 0 for 0."""
    if dtype is not None:
        input = input.astype(numpy_dtype(dtype), copy=False)
    floating("linalg.vector_norm", input)
    axis, x = axis_of(dim, input.ndim), widened(xp, input)
    if ord in (inf, -inf):
        if not x.size and 0 in [x.shape[reduced] for reduced in all_axes(dim, x.ndim)]:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does not "
                "have an identity"
            )
        found = (xp.maximum if ord > 0 else xp.minimum).reduce(abs(x), axis=axis, keepdims=keepdim)
    elif ord == 0:
        found = xp.add.reduce(x != 0, axis=axis, keepdims=keepdim, dtype=x.dtype)
    elif ord == 1:
        found = xp.add.reduce(abs(x), axis=axis, keepdims=keepdim)
    elif ord == 2:
        found = xp.sqrt(xp.add.reduce(x * x, axis=axis, keepdims=keepdim))
    else:
        found = xp.add.reduce(abs(x) ** ord, axis=axis, keepdims=keepdim) ** (1 / ord)
    return found.astype(input.dtype, copy=False)


def _p_norm_rule(m: Any, g: Any, x: Any, out: Any, p: float, dim: Any, keepdim: bool) -> Any:
    """d‖x‖ / dx = sign(x) · (|x| / ‖x‖)^(p - 1); 0 where the norm is 0, the middle of the subgradients there."""
    # m.pow and not **: NumPy's own takes a cube for any power, the op multiplies, and both ways back must be the same.
    g, out = keep(m, g, x.shape, dim, keepdim), keep(m, out, x.shape, dim, keepdim)
    if p == 0:
        return x * 0 * g
    if p == 1:
        return m.sign(x) * g
    if p == 2:
        return g * m.where(out == 0, 0.0, x / out)
    if p in (inf, -inf):
        size = abs(x)
        chosen = m.cast_like((size == out) | ((size != size) & (out != out)), x)
        return m.sign(x) * chosen * (g / m.sum(chosen, dim=dim, keepdim=True))
    if p < 1:
        power = m.where(x == 0, 0.0, m.sign(x) * m.pow(abs(x), p - 1))
        return power * g * m.pow(out, 1 - p)
    power = m.sign(x) * m.pow(abs(x), p - 1) if p < 2 else x * m.pow(abs(x), p - 2)
    return power * m.where(out == 0, 0.0, g / m.pow(out, p - 1))


p_norm.vjp(input=lambda m, g, input, out, ord, dim, keepdim: _p_norm_rule(m, g, input, out, ord, dim, keepdim))


def norm_of(x: Any, **how: Any) -> Any:
    """`p_norm`; of complex numbers, of their sizes."""
    return p_norm(TABLE["abs"](x) if kind_of(x) == "c" else x, **how)


def vector_norm(x: Tensor, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """(Σ |x|^ord)^(1 / ord) over the dimensions `dim`, all of them if None.

    `ord` may be any number; inf gives the largest |x|, -inf the smallest, 0 how many are not 0. The gradient at 0 is 0.
    Raises RuntimeError for integers, and for ±inf over nothing.

    >>> import pellucid
    >>> vector_norm(pellucid.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return norm_of(x, ord=float(ord), dim=dim, keepdim=keepdim, dtype=dtype)


@called(matrix_norms)
def matrix_norm(A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Any:
    """A norm of the matrices in the two dimensions `dim`.

    "fro" is √Σ x², "nuc" the sum of the singular values, 2 and -2 the largest and smallest of them, 1 and -1 the
    largest and smallest sum of |x| in a column, inf and -inf in a row.
    """
    if A.ndim < 2:
        raise RuntimeError(f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions, got {A.ndim}")
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {tuple(dim)}")
    rows, columns = (dim_of(axis, A.ndim) for axis in dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    x: Any = A if dtype is None else A.to(dtype=dtype)  # type: ignore[attr-defined]
    if not (x.is_floating_point() or x.is_complex()):
        raise RuntimeError(
            f"linalg.matrix_norm: expected a floating point tensor, got {x.dtype!r}; write .float() first"
        )
    if ord == "fro":
        return norm_of(x, ord=2.0, dim=(rows, columns), keepdim=keepdim)
    if ord not in ("nuc", 1, -1, 2, -2, inf, -inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported; it is 'fro', 'nuc', ±1, ±2 or ±inf")
    extreme = TABLE["amax" if ord == "nuc" or ord > 0 else "amin"]
    if ord in ("nuc", 2, -2):
        values = TABLE["svdvals"](x.movedim((rows, columns), (-2, -1)))
        empty = ord == 2 and not values.shape[-1]  # the norm of a matrix without elements is 0
        found = values.sum(-1) if ord == "nuc" or empty else extreme(values, dim=-1)
        return found.unsqueeze(min(rows, columns)).unsqueeze(max(rows, columns)) if keepdim else found
    inner, outer = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = x.abs().sum(inner, keepdim=True)
    if ord > 0 and not sums.numel():
        extreme = TABLE["sum"]  # the norm of a matrix without elements is 0
    return extreme(sums, dim=(outer, inner), keepdim=keepdim)


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """`vector_norm` or `matrix_norm`: the latter for a pair of dimensions, or for `ord` given and a 2-d tensor."""
    if dim is not None:
        dims = (dim,) if isinstance(dim, int) else tuple(dim)
        if len(dims) > 2 and ord is not None:
            raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
        if len(dims) == 2 and ord is not None:
            return matrix_norm(A, ord, dims, keepdim, dtype=dtype)
        return vector_norm(A, 2 if ord is None else _number(ord), dims, keepdim, dtype=dtype)
    if ord is None:
        return vector_norm(A, 2, keepdim=keepdim, dtype=dtype)
    if A.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    if A.ndim == 2:
        return matrix_norm(A, ord, (0, 1), keepdim, dtype=dtype)
    return vector_norm(A, _number(ord), None, keepdim, dtype=dtype)


def _number(ord: Any) -> float:
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: order {ord!r} needs a matrix; a vector's is a number")
    return ord


@function(name="norm")
def torch_norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """(Σ |x|^p)^(1 / p) over `dim`, all dimensions if None; `p` a number or "fro" (2), or "nuc" of matrices.

    PyTorch's older norm: it takes a tensor for a vector where `linalg.norm` would see a matrix. The gradient at 0 is 0.

    >>> import pellucid
    >>> pellucid.tensor([[3.0, 0.0], [0.0, 4.0]]).norm()
    tensor(5.)
    """
    if p == "nuc":
        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"only valid p's are p=fro or p=nuc or numbers, got {p!r}")
    if not (input.is_floating_point() or input.is_complex()) and dtype is None:
        raise RuntimeError(f"norm(): input dtype should be floating point, got {input.dtype!r}; write .float() first")
    ord = 2.0 if p is None or p == "fro" else float(p)
    return norm_of(input, ord=ord, dim=dim, keepdim=keepdim, dtype=dtype)


@function()
@called("DistBackward0")
def dist(input: Tensor, other: Any, p: float = 2) -> Tensor:
    """The p-norm of input - other, over all elements."""
    if not isinstance(other, Tensor):
        raise TypeError(f"dist(): argument 'other' must be Tensor, not {type(other).__name__}")
    return norm_of(TABLE["sub"](input, other), ord=float(p))


@function(method=False)
@called(distances)
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """The p-norm of each difference of a row of `x1` and a row of `x2`: (…, P, M) and (…, R, M) to (…, P, R).

    Computed from the differences themselves whatever `compute_mode` says: exact, and P · R · M numbers of memory.
    """
    if x1.ndim < 2 or x2.ndim < 2:
        raise RuntimeError(f"cdist only supports at least 2D tensors, got: {x1.ndim}D and {x2.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    apart: Any = x1.unsqueeze(-2) - x2.unsqueeze(-3)  # type: ignore[attr-defined]  # (…, P, R, M)
    if not apart.shape[-1]:
        return apart.sum(-1)
    return norm_of(apart, ord=float(p), dim=-1)


@function(method=False)
@called("NormBackward1")
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension."""
    apart: Any = TABLE["sub"](x1, x2)
    return norm_of(apart + eps, ord=float(p), dim=-1, keepdim=keepdim)


@function(method=False)
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (max(‖x1‖, eps) · max(‖x2‖, eps)) along `dim`.

    >>> import pellucid
    >>> pellucid.cosine_similarity(pellucid.tensor([1.0, 0.0]), pellucid.tensor([1.0, 1.0]), dim=0)
    tensor(0.7071)
    """
    common = result_type(x1, x2)
    if not common.is_floating_point:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {common!r}")
    shape = TABLE["add"](x1.detach(), x2.detach()).shape  # type: ignore[attr-defined]
    first, second = (unit(x.to(common).expand(shape), dim, eps) for x in (x1, x2))
    return (first * second).sum(dim)


def unit(x: Any, dim: Any, eps: float, p: float = 2.0) -> Any:
    """x divided by its norm along `dim`, or by `eps` where that is smaller."""
    return x / TABLE["clamp_min"](norm_of(x, ord=float(p), dim=dim, keepdim=True), eps)


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Tensor | None = None) -> Any:
    """input / max(‖input‖ₚ, eps) along `dim`: vectors of length 1 in the p-norm; in `out`, if that is given."""
    return unit(input, dim, eps, p) if out is None else stored("normalize", unit, (input, dim, eps, p), {"out": out})


@function()
@called("RenormBackward0")
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each slice of `input` at a fixed index of `dim` scaled down to a p-norm of `maxnorm`, where it has more."""
    if p <= 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported, got p={p}")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    axis = dim_of(dim, input.ndim)
    rest = tuple(other for other in range(input.ndim) if other != axis)
    size = norm_of(input, ord=float(p), dim=rest, keepdim=True)
    return input * TABLE["where"](size > maxnorm, maxnorm / (size + 1e-7), 1.0)
