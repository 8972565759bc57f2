"""Running results along one dimension: sums, products, extremes; and differences, which undo a running sum."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, called, real
from pellucid.declare import TABLE, Op, function, op
from pellucid.errors import DimensionError

from .dims import dim_of
from .node_names import differences, running_strips, strips
from .reduce import from_last, others_rule, to_last
from .reduction import numpy_dtype
from .return_types import return_type


def _accumulate(xp: Any, ufunc: Any, input: Any, dim: int, dtype: Any) -> Any:
    axis = dim_of(dim, input.ndim)
    if dtype is not None:
        kind = numpy_dtype(dtype)
    else:
        kind = input.dtype if input.dtype.kind in "fc" else xp.dtype(xp.int64)
    if not input.ndim:
        return input.astype(kind)
    wide = xp.float32 if kind == xp.float16 else kind
    return ufunc.accumulate(input.astype(wide, copy=False), axis=axis).astype(kind, copy=False)


@op(domain=real())
def cumsum(xp: Any, input: Any, *, dim: int, dtype: Any = None) -> Any:
    """Running sum along `dim`: out[i] = x[0] + … + x[i]. Integers and bools are summed as int64.

    >>> import pellucid
    >>> pellucid.tensor([1, 2, 3]).cumsum(0)
    tensor([1, 3, 6])
    """
    return _accumulate(xp, xp.add, input, dim, dtype)


@op(public=False, method=False)
def cumsum_from_end(xp: Any, input: Any, *, dim: int) -> Any:
    """Running sum from the end: out[i] = x[i] + … + x[n - 1]."""
    if not input.ndim:
        return input.copy()
    return xp.flip(_accumulate(xp, xp.add, xp.flip(input, dim), dim, None), dim)


cumsum.vjp(input=lambda m, g, dim: m.cumsum_from_end(g, dim=dim))
cumsum_from_end.vjp(input=lambda m, g, dim: m.cumsum(g, dim=dim))


@op(domain=real())
def cumprod(xp: Any, input: Any, *, dim: int, dtype: Any = None) -> Any:
    """Running product along `dim`: out[i] = x[0] · … · x[i]. Integers and bools are multiplied as int64."""
    return _accumulate(xp, xp.multiply, input, dim, dtype)


cumprod.vjp(input=lambda m, g, input, dim: m.cumprod_backward(g, input, dim=dim))


@op(public=False, method=False)
def cumprod_backward(xp: Any, grad: Any, input: Any, *, dim: int) -> Any:
    """Σ over i ≥ k of grad[i] times the product of x[0 … i] without x[k]: the gradient of cumprod."""
    if not input.ndim:
        return grad.copy()
    if input.all():
        out = xp.multiply.accumulate(input, axis=dim)
        return cumsum_from_end.forward(xp, grad * out, dim=dim) / input
    # Where an x is 0: the product before k, times r[k] = grad[k] + x[k + 1] · r[k + 1].
    g, x = xp.moveaxis(grad, dim, 0), xp.moveaxis(input, dim, 0)
    found = xp.empty_like(x)
    running = xp.zeros_like(x[0])
    for k in range(len(x) - 1, -1, -1):
        running = g[k] + (x[k + 1] * running if k + 1 < len(x) else 0)
        found[k] = running
    found[1:] *= xp.multiply.accumulate(x[:-1], axis=0)
    return xp.moveaxis(found, 0, dim)


def _rows(m: Any, x: Any, dim: int) -> Any:
    """With the scanned dimension last: (order, x in it, matrix A[i, j] = x[j] for j ≤ i else 1, others of A)."""
    order = to_last(dim, len(x.shape))
    x = m.permute(x, dims=order)
    matrix = m.repeat_rows(x, mask="lower")
    return order, matrix, m.others(matrix, dim=-1)


def _back_of_grad(m: Any, g: Any, x: Any, dim: int) -> Any:
    if not x.shape:
        return g
    order, _, others = _rows(m, x, dim)
    g = m.permute(g, dims=order)
    back = m.sum(m.mask_rows(others, mask="lower") * m.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1])), dim=-1)
    return m.permute(back, dims=from_last(dim, len(x.shape)))


def _back_of_input(m: Any, g: Any, grad: Any, x: Any, dim: int) -> Any:
    if not x.shape:
        return None
    order, matrix, _ = _rows(m, x, dim)
    g, grad = m.permute(g, dims=order), m.permute(grad, dims=order)
    weights = m.reshape(grad, shape=(*grad.shape, 1)) * m.reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
    back = others_rule(m, m.mask_rows(weights, mask="lower"), matrix, -1)
    return m.permute(m.sum(m.mask_rows(back, mask="lower"), dim=-2), dims=from_last(dim, len(x.shape)))


cumprod_backward.vjp(
    grad=lambda m, g, input, dim: _back_of_grad(m, g, input, dim),
    input=lambda m, g, grad, input, dim: _back_of_input(m, g, grad, input, dim),
)


@op(domain=real())
def logcumsumexp(xp: Any, input: Any, *, dim: int) -> Any:
    """Running log Σ e^x along `dim`, without overflow."""
    axis = dim_of(dim, input.ndim)
    if input.dtype.kind != "f":
        raise NotImplementedError(f"logcumsumexp is not implemented for {input.dtype}; write .float() first")
    if not input.ndim:
        return input.copy()
    wide = input.astype(xp.float32) if input.dtype == xp.float16 else input
    return xp.logaddexp.accumulate(wide, axis=axis).astype(input.dtype, copy=False)


def _logcumsumexp_rule(m: Any, g: Any, input: Any, out: Any, dim: int) -> Any:
    """Σ over i ≥ k of g[i] · e^(x[k] - out[i]), summed in logarithms, the positive g apart from the negative."""
    if not input.shape:
        return g
    size = m.log(abs(g))
    parts = [m.where(sign, size, -3e38) for sign in (g > 0, g < 0)]  # e^-3e38 is 0, and -3e38 less a number no -inf
    dims = (dim % len(input.shape),)
    up, down = (
        m.exp(m.flip(m.logcumsumexp(m.flip(part - out, dims=dims), dim=dim), dims=dims) + input) for part in parts
    )
    return up - down


logcumsumexp.vjp(input=lambda m, g, input, out, dim: _logcumsumexp_rule(m, g, input, out, dim))


def _running_extreme(name: str, ufunc: str) -> Op:
    def forward(xp: Any, input: Any, *, dim: int) -> Any:
        axis = dim_of(dim, input.ndim)
        if not input.ndim:
            return input.copy(), xp.zeros((), xp.int64)
        values = getattr(xp, ufunc).accumulate(input, axis=axis)
        new = (input == values) | (input != input)
        place = xp.arange(input.shape[axis]).reshape(-1, *[1] * (input.ndim - axis - 1))
        return values, xp.maximum.accumulate(xp.where(new, place, 0), axis=axis)

    forward.__name__, forward.__module__ = name, __name__
    forward.__doc__ = f"The {ufunc} so far along `dim`, and the index of the latest that is equal to it."
    made = op(method=False, public=False, aux=("indices",), domain=real())(forward)
    made.vjp(
        input=lambda m, g, indices, input_shape, dim: (
            m.place(g, indices, size=input_shape[dim], dim=dim) if input_shape else g
        )
    )
    return made


_cummax, _cummin = _running_extreme("cummax", "maximum"), _running_extreme("cummin", "minimum")


@function()
def cummax(input: Tensor, dim: int) -> Any:
    """(values, indices): the largest so far along `dim`, and where it last stood."""
    return return_type("cummax")(*_cummax(input, dim=dim))


@function()
def cummin(input: Tensor, dim: int) -> Any:
    """(values, indices): the smallest so far along `dim`, and where it last stood."""
    return return_type("cummin")(*_cummin(input, dim=dim))


@function()
@called(differences)
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """x[i + 1] - x[i] along `dim`, `n` times over, after joining `prepend` and `append`; of bools, whether they differ.

    >>> import pellucid
    >>> pellucid.tensor([1, 4, 9]).diff()
    tensor([3, 5])
    """
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    axis = dim_of(dim, input.ndim)
    parts = [part for part in (prepend, input, append) if part is not None]
    for part in parts:
        if part.ndim != input.ndim:
            raise RuntimeError(
                f"diff expects prepend or append to be the same dimension as input, {input.ndim}, but got {part.ndim}"
            )
    if n == 0:
        return TABLE["clone"](input)
    found: Any = input if len(parts) == 1 else TABLE["cat"](*parts, dim=axis)
    for _ in range(n):
        if not found.shape[axis]:
            break
        later, earlier = _slice(found, axis, 1, None), _slice(found, axis, None, -1)
        found = TABLE["logical_xor"](later, earlier) if input.dtype.numpy.kind == "b" else later - earlier
    return found


def _slice(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return x[(*[slice(None)] * axis, slice(start, stop))]


def _panels(name: str, y: Any, x: Any, dx: Any, dim: int) -> Any:
    """The areas of the trapezia between neighbours along `dim`, and the axis."""
    axis = dim_of(dim, y.ndim)
    if not y.ndim:
        raise DimensionError(f"{name}: y must have at least one dimension")
    sums = _slice(y, axis, 1, None) + _slice(y, axis, None, -1)
    if x is None:
        return sums * (dx / 2), axis
    if x.ndim == 1 and x.shape[0] != y.shape[axis]:
        raise RuntimeError(
            f"{name}: There must be one `x` value for each sample point, got {x.shape[0]} for {y.shape[axis]}"
        )
    if x.ndim < y.ndim:
        x = x.reshape((1,) * (y.ndim - x.ndim) + tuple(x.shape)) if x.ndim > 1 else x
        if x.ndim == 1:
            x = x.reshape(-1, *[1] * (y.ndim - axis - 1))
            return sums * (_slice(x, 0, 1, None) - _slice(x, 0, None, -1)) / 2, axis
    return sums * (_slice(x, axis, 1, None) - _slice(x, axis, None, -1)) / 2, axis


@function(method=False)
@called(strips)
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral of samples `y` along `dim` by the trapezoidal rule, at points `x` or with spacing `dx` (1)."""
    panels, axis = _panels("trapezoid", y, x, 1 if dx is None else dx, dim)
    return panels.sum(axis)


@function(method=False)
@called(strips)
def trapz(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The same as `trapezoid`."""
    return trapezoid(y, x, dx=dx, dim=dim)


@function(method=False)
@called(running_strips)
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The running integral of samples `y` along `dim` by the trapezoidal rule."""
    panels, axis = _panels("cumulative_trapezoid", y, x, 1 if dx is None else dx, dim)
    return cumsum(panels, dim=axis)
