"""Spread and rank of numbers: variance, standard deviation, quantiles, histograms."""

from __future__ import annotations

import math
from typing import Any
from warnings import catch_warnings

from pellucid.core import Tensor, called, from_data, real
from pellucid.declare import TABLE, function, op
from pellucid.errors import warn

from .dims import dim_of
from .reduction import axis_of, count_of, floating, keep, widened
from .return_types import return_type


@op(name="var", method=False, public=False, domain=real())
def variance(xp: Any, input: Any, *, dim: Any = None, correction: float = 1, keepdim: bool = False) -> Any:
    """Σ (x - mean)² / (n - correction) over `dim`."""
    return xp.asarray(_variance(xp, "var", input, dim, correction, keepdim)).astype(input.real.dtype, copy=False)


@op(name="std", method=False, public=False, domain=real())
def deviation(xp: Any, input: Any, *, dim: Any = None, correction: float = 1, keepdim: bool = False) -> Any:
    """The square root of the variance."""
    made = xp.sqrt(_variance(xp, "std", input, dim, correction, keepdim))
    if made.dtype == xp.float32 and not ((made > _TINY) & (made < _HUGE)).all():
        wide = input.astype(xp.complex128 if input.dtype.kind == "c" else xp.float64)
        with catch_warnings(action="ignore"):  # of degrees of freedom: given already
            made = xp.sqrt(_variance(xp, "std", wide, dim, correction, keepdim))
    return xp.asarray(made).astype(input.real.dtype, copy=False)


_TINY, _HUGE = 1e-18, 1e18  # beyond these the squares of float32 leave its range


def _variance(xp: Any, name: str, input: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    if input.dtype.kind not in "fc":
        raise RuntimeError(f"{name} only supports floating point dtypes, got {input.dtype}: write .float() first")
    x, count, axis = widened(xp, input), count_of(input.shape, dim), axis_of(dim, input.ndim)
    free = max(count - correction, 0)
    if free == 0:
        warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor "
            f"(input numel divided by output numel), here {count}.",
        )
    apart = xp.asarray(x - xp.add.reduce(x, axis=axis, keepdims=True) / x.dtype.type(count))
    apart = xp.square(apart.real) + xp.square(apart.imag) if apart.dtype.kind == "c" else xp.square(apart)
    return xp.add.reduce(apart, axis=axis, keepdims=keepdim) / apart.dtype.type(free)


def _variance_rule(m: Any, g: Any, input: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    free = count_of(input.shape, dim) - correction
    g = keep(m, g, input.shape, dim, keepdim)
    apart = input - m.mean(input, dim=dim, keepdim=True)
    if free <= 0 and (dim is None or not input.shape):  # PyTorch tells it apart there alone
        return g * m.where(apart == 0, math.nan, math.inf)
    return g * (2 / free if free else math.inf) * apart


def _deviation_rule(m: Any, g: Any, input: Any, out: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    # At a standard deviation of 0 there is a kink, where the gradient is taken as 0.
    g = m.where(out == 0, 0.0, g / (out * 2))
    return _variance_rule(m, g, input, dim, correction, keepdim)


variance.vjp(input=lambda m, g, input, dim, correction, keepdim: _variance_rule(m, g, input, dim, correction, keepdim))
deviation.vjp(
    input=lambda m, g, input, out, dim, correction, keepdim: _deviation_rule(m, g, input, out, dim, correction, keepdim)
)


def _spread(name: str, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> dict[str, Any]:
    """The arguments in PyTorch's two forms, `(dim, *, correction, keepdim)` and `([dim,] unbiased, keepdim)`."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{name}() takes `unbiased` or `correction`, not both")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return {"dim": dim, "correction": correction, "keepdim": keepdim}


@function()
def var(
    input: Tensor,
    dim: int | list[int] | bool | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> Tensor:
    """Variance over `dim` (all if None): Σ (x - mean)² / (n - correction).

    `correction` is 1 (the unbiased estimate) unless given, NaN comes of a single element; `unbiased=False` is the old
    way to write `correction=0`. Raises RuntimeError for integers.

    >>> import pellucid
    >>> pellucid.tensor([1.0, 2.0, 3.0]).var()
    tensor(1.)
    """
    return variance(input, **_spread("var", dim, unbiased, keepdim, correction))


@function()
def std(
    input: Tensor,
    dim: int | list[int] | bool | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> Tensor:
    """Standard deviation over `dim`: the square root of `var`, with the same arguments."""
    return deviation(input, **_spread("std", dim, unbiased, keepdim, correction))


@function(method=False)
@called("VarMeanBackward0")
def var_mean(
    input: Tensor,
    dim: int | list[int] | bool | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> tuple[Any, Any]:
    """(variance, mean) over `dim`; arguments as in `var`."""
    asked = _spread("var_mean", dim, unbiased, keepdim, correction)
    return variance(input, **asked), TABLE["mean"](input, dim=asked["dim"], keepdim=keepdim)


@function(method=False)
@called("StdMeanBackward0")
def std_mean(
    input: Tensor,
    dim: int | list[int] | bool | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> tuple[Any, Any]:
    """(standard deviation, mean) over `dim`; arguments as in `var`."""
    asked = _spread("std_mean", dim, unbiased, keepdim, correction)
    return deviation(input, **asked), TABLE["mean"](input, dim=asked["dim"], keepdim=keepdim)


# --- quantiles -------------------------------------------------------------------------------------------------------


@op(public=False, method=False, aux=("below", "above", "slope", "start"), reference="torch.quantile")
def quantile_of_sorted(xp: Any, input: Any, q: Any, *, interpolation: str = "linear", ignore_nan: bool = False) -> Any:
    """The quantiles `q` (Q) of rows sorted along the last dimension: (…, n) to (…, Q); a row with a NaN gives NaN."""
    missing = xp.isnan(input)
    last = input.shape[-1] - 1
    if ignore_nan:
        top = xp.maximum(last - xp.add.reduce(missing, axis=-1, keepdims=True), 0)
        slope = top.astype(q.dtype)
        rank = q * slope
    else:
        slope = xp.where(missing[..., -1:], q.dtype.type(0), q.dtype.type(last))
        rank = xp.where(missing[..., -1:], q.dtype.type(last), q * slope)
    if interpolation in ("lower", "higher", "nearest"):
        rank = {"lower": xp.floor, "higher": xp.ceil, "nearest": xp.rint}[interpolation](rank)
    if interpolation != "linear":
        slope = xp.zeros_like(slope)
    below, above = xp.floor(rank).astype(xp.int64), xp.ceil(rank).astype(xp.int64)
    part = rank - xp.floor(rank) if interpolation != "midpoint" else xp.full_like(rank, 0.5)
    low, high = xp.take_along_axis(input, below, -1), xp.take_along_axis(input, above, -1)
    apart = xp.where(below == above, 0, high - low).astype(input.dtype)
    # As PyTorch's lerp, which starts from the nearer end.
    out = xp.where(part < 0.5, low + part * apart, high - apart * (1 - part))
    return out, below, above, slope, xp.where(slope == 0, -part, xp.floor(rank))


quantile_of_sorted.vjp(
    input=lambda m, g, input_shape, q, below, above, slope, start: _ends_rule(
        m, g, q * slope - start, input_shape[-1], below, above
    ),
    q=lambda m, g, input, below, above, slope: _rank_rule(m, g, input, below, above, slope),
)


def _ends_rule(m: Any, g: Any, part: Any, size: int, below: Any, above: Any) -> Any:
    """`part` of the gradient to the element above, the rest to the one below."""
    return m.place(g * (1 - part), below, size=size, dim=-1) + m.place(g * part, above, size=size, dim=-1)


def _rank_rule(m: Any, g: Any, input: Any, below: Any, above: Any, slope: Any) -> Any:
    """How the result moves with q: by the step from the element below to the one above, for each step of the rank."""
    step = m.pick(input, above, dim=-1) - m.pick(input, below, dim=-1)
    back = g * m.where(slope == 0, 0.0, step * slope)
    rank = len(back.shape)
    return m.sum(back, dim=tuple(range(rank - 1))) if rank > 1 else back


@function()
@called("SqueezeBackward4")
def quantile(input: Tensor, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """The quantiles `q` (a number or a 1-d tensor, in [0, 1]) along `dim`; of all elements if None.

    Between two elements it interpolates linearly, or takes the "lower", "higher", "nearest" or "midpoint". Shape: q's
    dimension, then the input's without `dim`. A NaN among the elements gives NaN.

    >>> import pellucid
    >>> pellucid.tensor([1.0, 2.0, 3.0, 4.0]).quantile(0.5)
    tensor(2.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@function()
@called("SqueezeBackward4")
def nanquantile(
    input: Tensor, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """As `quantile`, of the elements that are not NaN."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


def _quantile(name: str, input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, ignore_nan: bool) -> Any:
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    if not input.is_floating_point() or input.itemsize < 4:
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype, but got {input.dtype!r}")
    if isinstance(q, Tensor):
        if q.dtype is not input.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
        if q.ndim > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    else:
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        q = from_data(float(q), input.dtype)
    if not input.numel():
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    rank = input.ndim
    axis = None if dim is None else dim_of(dim, rank)
    rows: Any = input.reshape(-1) if axis is None or not rank else input.movedim(axis, -1)
    values = TABLE["sort"](rows, dim=-1)[0]
    found: Any = quantile_of_sorted(values, q.reshape(-1), interpolation=interpolation, ignore_nan=ignore_nan)[
        0
    ]  # (…, Q)
    found = found.movedim(-1, 0)
    if keepdim:
        found = found.reshape(-1, *[1] * rank) if axis is None else found.unsqueeze(axis + 1)
        found = found.reshape(-1) if not rank else found
    return found[0] if q.ndim == 0 else found


# --- histograms ------------------------------------------------------------------------------------------------------


@op()
def histc(xp: Any, input: Any, *, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements fall into each of `bins` equal parts of [min, max]; of the elements' own range if these agree.

    Elements outside are not counted.
    """
    floating("histc", input)
    if bins <= 0:
        raise RuntimeError(f"histc: bins must be > 0, but got {bins}")
    x = input.reshape(-1)
    low, high = min, max
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"histc: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("histc: max must be larger than min")
    x = x[(x >= low) & (x <= high)]
    place = ((x - low) * (bins / (high - low))).astype(xp.int64)
    return xp.bincount(xp.minimum(place, bins - 1), minlength=bins).astype(input.dtype)


@op(name="bincount", method=False, public=False)
def count_bins(xp: Any, input: Any, weights: Any = None, *, minlength: int = 0) -> Any:
    """How often each number 0, 1, … occurs in a 1-d tensor of integers; or the sum of its `weights`."""
    if input.ndim != 1 or input.dtype.kind not in "iu" or (input.size and input.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is not None and weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    found = xp.bincount(input, None if weights is None else weights, minlength)
    if weights is None:
        return found
    return found.astype(weights.dtype if weights.dtype == xp.float32 else xp.float64, copy=False)


@function()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number 0, 1, … occurs in a 1-d tensor of integers; or the sum of its `weights`.

    >>> import pellucid
    >>> pellucid.tensor([0, 2, 2]).bincount()
    tensor([1, 0, 2])
    """
    return count_bins(input, weights, minlength=minlength)


@op(name="histogram", method=False, public=False, aux=("edges",))
def histogram_counts(xp: Any, input: Any, bins: Any, weight: Any = None, *, range: Any = None, count: Any = None,
                     density: bool = False) -> Any:  # fmt: skip
    """Counts between the edges `bins`, or in `count` equal parts of `range`; and the edges."""
    if bins is not None:
        edges = bins.copy()
    else:
        low, high = range or ((float(input.min()), float(input.max())) if input.size else (0.0, 1.0))
        if low == high:
            low, high = low - 0.5, high + 0.5
        edges = xp.linspace(low, high, count + 1, dtype=input.dtype)
    weights = None if weight is None else weight.reshape(-1)
    found, _ = xp.histogram(input.reshape(-1), edges.astype(xp.float64), weights=weights, density=density)
    return found.astype(input.dtype), xp.asarray(edges)


@function()
def histogram(
    input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> Any:
    """(hist, bin_edges): counts of the elements between edges, `bins` equal parts of `range` or a tensor of edges.

    Each bin holds its left edge, the last one also its right. `density` divides by the total and the bins' widths.
    """
    tensor: Any = bins if isinstance(bins, Tensor) else None
    if tensor is None and int(bins) <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins}")
    found = histogram_counts(
        input, tensor, weight, range=range, count=None if tensor is not None else bins, density=density
    )
    return return_type("histogram")(*found)
