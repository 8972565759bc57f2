"""How variables go together: covariance, correlation; and products of vectors in space."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor
from pellucid.declare import function
from pellucid.errors import warn, with_line

from .dims import dim_of
from .joining import cat


@function()
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Covariances of the variables in the rows of `input`, whose columns are observations: (d, n) -> (d, d).

    `fweights` says how often each observation was made, `aweights` how much it counts. `correction` is subtracted from
    the number of observations.
    """
    if input.ndim > 2:
        raise RuntimeError(with_line(f"cov(): expected input to have two or fewer dimensions but got {input.ndim}"))
    if input.dtype.name == "bool":
        raise RuntimeError(with_line("cov(): bool dtype is not supported for input"))
    rows: Any = input if input.ndim == 2 else input.reshape(1, -1)
    count = rows.shape[1]
    weights: Any = None
    for name, given, kinds in (("fweights", fweights, "iu"), ("aweights", aweights, "f")):
        if given is None:
            continue
        if given.ndim > 1:
            raise RuntimeError(
                with_line(f"cov(): expected {name} to have one or fewer dimensions but got {given.ndim}")
            )
        if given.dtype.numpy.kind not in kinds:
            raise RuntimeError(
                with_line(
                    f"cov(): expected {name} to have "
                    f"{'integral' if kinds == 'iu' else 'floating point'} dtype but got {given.dtype}"
                )
            )
        if given.numel() != count:
            raise RuntimeError(
                with_line(
                    f"cov(): expected {name} to have the same numel as there are observations in the "
                    f"input but got {given.numel()} != {count}"
                )
            )
        if count and bool((given < 0).any()):
            raise RuntimeError(with_line(f"cov(): {name} cannot be negative"))
        weights = given if weights is None else weights * given
    total: Any = count if weights is None else weights.sum()
    if weights is not None and float(total) == 0:
        raise RuntimeError(with_line("cov(): weights sum to zero, can't be normalized"))
    mean = rows.sum(1) / total if weights is None else (rows * weights).sum(1) / total
    if weights is not None and aweights is not None and correction != 0:
        norm = total - correction * (weights * aweights).sum() / total
    else:
        norm = total - correction
    if float(norm) <= 0:
        warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.")
        norm = norm.clamp(min=0) if isinstance(norm, Tensor) else 0
    centred = rows - mean.unsqueeze(1)
    weighed = centred if weights is None else centred * weights
    return ((centred @ weighed.T.conj()) / norm).squeeze()


@function()
def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlations of the variables in the rows of `input`: (d, n) -> (d, d), between -1 and 1."""
    if input.ndim > 2:
        raise RuntimeError(
            with_line(f"corrcoef(): expected input to have two or fewer dimensions but got {input.ndim}")
        )
    found: Any = cov(input)
    if found.ndim == 0:
        return found / found
    spread = found.diagonal().sqrt()
    return (found / spread.reshape(-1, 1) / spread.reshape(1, -1)).clamp(-1, 1)


@function()
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product in the dimension `dim` of length 3 (the first one, if it is not named)."""
    if dim is None:
        if input.ndim != other.ndim:
            raise RuntimeError(with_line("linalg.cross: inputs must have the same number of dimensions."))
        lengths = [axis for axis in range(input.ndim) if input.shape[axis] == other.shape[axis] == 3]
        if not lengths:
            raise RuntimeError(with_line("no dimension of size 3 in input"))
        dim = lengths[0]
    return vector_product(input, other, dim=dim)


@function(method=False, public=False)
def vector_product(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product along `dim`, of length 3: a₂b₃ - a₃b₂, a₃b₁ - a₁b₃, a₁b₂ - a₂b₁."""
    if input.ndim != other.ndim:
        raise RuntimeError(with_line("linalg.cross: inputs must have the same number of dimensions."))
    axis = dim_of(dim, input.ndim)
    if input.ndim == 0 or input.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(with_line(
            f"linalg.cross: inputs dimension {dim} must have length 3, got {tuple(input.shape)}, {tuple(other.shape)}"
        ))  # fmt: skip
    a, b = input, other
    return a.roll(-1, axis) * b.roll(-2, axis) - a.roll(-2, axis) * b.roll(-1, axis)


@function(method=False)
def gradient(input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """Slopes of samples along dimensions by differences: central inside, one-sided of `edge_order` at the edges.

    `spacing` is one number, one for each dimension, or the coordinates (a tensor for each dimension).
    """
    if edge_order not in (1, 2):
        raise RuntimeError(with_line("torch.gradient only supports edge_order=1 and edge_order=2."))
    if isinstance(dim, int):
        dim = (dim,)
    dims = range(input.ndim) if dim is None else [dim_of(axis, input.ndim) for axis in dim]
    if len(set(dims)) < len(dims):
        raise RuntimeError(with_line(f"dim {list(dims)} appears multiple times in the list of dims"))
    if spacing is None or isinstance(spacing, int | float) or (isinstance(spacing, Tensor) and spacing.ndim == 0):
        steps: list[Any] = [1 if spacing is None else spacing] * len(dims)
    else:
        steps = list(spacing)
    if len(steps) != len(dims):
        raise RuntimeError(with_line(f"torch.gradient expected spacing to be unspecified, a scalar or of length "
                                     f"{len(dims)}, one for each dimension, but got {len(steps)}"))  # fmt: skip
    if input.dtype.name == "uint8":
        raise RuntimeError(with_line("torch.gradient does not support uint8 input."))
    for axis in dims:
        if input.shape[axis] < edge_order + 1:
            raise RuntimeError(with_line("torch.gradient expected each dimension size to be at least edge_order+1"))
    return tuple(_slope(input, axis, step, edge_order) for axis, step in zip(dims, steps, strict=True))


def _slope(x: Any, axis: int, step: Any, edge_order: int) -> Any:
    def at(start: int, stop: int | None) -> Any:
        return x[(*[slice(None)] * axis, slice(start, stop))]

    shape = [-1] + [1] * (x.ndim - axis - 1)
    if isinstance(step, Tensor) and step.ndim:
        h = step.diff().to(x.dtype if x.dtype.is_floating_point else step.dtype)
        before, after = h[:-1].reshape(shape), h[1:].reshape(shape)
        inner = (
            at(0, -2) * (-after / (before * (before + after)))
            + at(1, -1) * ((after - before) / (before * after))
            + at(2, None) * (before / (after * (before + after)))
        )
        first, second, last, before_last = h[0], h[1] if len(h) > 1 else h[0], h[-1], h[-2] if len(h) > 1 else h[-1]
    else:
        inner = (at(2, None) - at(0, -2)) / (2 * step)
        first = second = last = before_last = step
    if edge_order == 1:
        left, right = (at(1, 2) - at(0, 1)) / first, (at(-1, None) - at(-2, -1)) / last
    else:
        left = (
            at(0, 1) * (-(2 * first + second) / (first * (first + second)))
            + at(1, 2) * ((first + second) / (first * second))
            + at(2, 3) * (-first / (second * (first + second)))
        )
        right = (
            at(-3, -2) * (last / (before_last * (before_last + last)))
            + at(-2, -1) * (-(before_last + last) / (before_last * last))
            + at(-1, None) * ((2 * last + before_last) / (last * (before_last + last)))
        )
    return cat([left, inner, right], dim=axis)
