"""`torch.masked`: reductions, cumulative sums and softmax over the elements that a mask marks.

What the mask leaves out is replaced by the number that changes nothing (0 in a sum, 1 in a product, -inf in a maximum,
NaN in a median, which skips it), and the ordinary function follows. A mask is broadcast to the tensor; True marks what
counts. `MaskedTensor`, an experiment of PyTorch's, is not here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pellucid
from pellucid.core import Tensor
from pellucid.core import dtype as DType
from pellucid.errors import DimensionError, with_line
from pellucid.torch_names import absent

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip

Dims = int | Sequence[int] | None


def _dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """The dimensions that are reduced: all of them for None and ()."""
    if dim is None or dim == ():
        return tuple(range(ndim))
    found, rank = list[int](), max(ndim, 1)
    for each in (dim,) if isinstance(dim, int) else dim:
        if each in found:
            raise RuntimeError(with_line(f"dim={each} appears multiple times in the list of dims"))
        if not -rank <= each < rank:
            raise DimensionError(
                with_line(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {each})")
            )
        found.append(each % rank)
    return tuple(sorted(found))


def _marked(input: Tensor, mask: Tensor) -> Tensor:
    """The mask, as one of the tensor's shape."""
    if mask.ndim > input.ndim:
        raise IndexError(
            with_line("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
        )
    return pellucid.broadcast_to(mask, tuple(input.shape)).bool()


def _with(input: Tensor, mask: Tensor | None, filler: float) -> Tensor:
    """The tensor with `filler`, or its dtype's number nearest to it, where the mask is False."""
    if mask is None:
        return input
    if math.isinf(filler) and not (input.is_floating_point() or input.is_complex()):
        limits = pellucid.iinfo(input.dtype)
        filler = limits.max if filler > 0 else limits.min
    return pellucid.where(_marked(input, mask), input, pellucid.tensor(filler, dtype=input.dtype))


def _sum_dtype(input: Tensor, dtype: DType | None) -> DType:
    if dtype is not None:
        return dtype
    return input.dtype if input.is_floating_point() or input.is_complex() else pellucid.int64


def sum(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """The sum of the marked elements.

    >>> sum(pellucid.tensor([1.0, 2.0, 4.0]), mask=pellucid.tensor([True, False, True]))
    tensor(5.)
    """
    found = _with(input, mask, 0)
    return pellucid.sum(found, _dims(dim, input.ndim), bool(keepdim), dtype=_sum_dtype(input, dtype))


def prod(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """The product of the marked elements."""
    found = _with(input, mask, 1).to(_sum_dtype(input, dtype))
    for each in reversed(_dims(dim, input.ndim)):
        found = found.prod(dim=each, keepdim=bool(keepdim))
    return found


def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:
    """Sums of the marked elements so far."""
    dtype = dtype or input.dtype
    return pellucid.cumsum(_with(input, mask, 0), _dims(dim, input.ndim)[0], dtype=dtype).to(dtype)


def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:
    """Products of the marked elements so far."""
    dtype = dtype or input.dtype
    return pellucid.cumprod(_with(input, mask, 1), _dims(dim, input.ndim)[0], dtype=dtype).to(dtype)


def amax(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """The largest of the marked elements."""
    found = _with(input, mask, -math.inf)
    return pellucid.amax(found, _dims(dim, input.ndim), bool(keepdim)).to(dtype or input.dtype)


def amin(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """The smallest of the marked elements."""
    found = _with(input, mask, math.inf)
    return pellucid.amin(found, _dims(dim, input.ndim), bool(keepdim)).to(dtype or input.dtype)


def argmax(
    input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where the largest of the marked elements is."""
    return pellucid.argmax(_with(input, mask, -math.inf), dim, bool(keepdim)).to(dtype or input.dtype)


def argmin(
    input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where the smallest of the marked elements is."""
    return pellucid.argmin(_with(input, mask, math.inf), dim, bool(keepdim)).to(dtype or input.dtype)


def _count(input: Tensor, mask: Tensor | None, dim: Dims, keepdim: bool) -> Tensor:
    """How many elements are marked."""
    marked = pellucid.ones(tuple(input.shape), dtype=pellucid.bool) if mask is None else _marked(input, mask)
    return pellucid.sum(marked, _dims(dim, input.ndim), keepdim)


def mean(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """The mean of the marked elements; NaN where there are none.

    >>> mean(pellucid.tensor([1.0, 2.0, 4.0]), mask=pellucid.tensor([True, False, True]))
    tensor(2.5000)
    """
    source, dtype = ("Input", input.dtype) if dtype is None else ("Optional", dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(
            with_line(
                f"mean(): Could not infer output dtype. {source} dtype must be either a floating point or complex "
                f"dtype. Got: {dtype}"
            )
        )
    return sum(input, dim, keepdim=keepdim, dtype=dtype, mask=mask) / _count(input, mask, dim, bool(keepdim))


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """The median of the marked elements; NaN where there are none, or a ValueError for whole numbers."""
    whole = not input.is_floating_point()
    found = _with(input.float() if whole else input, mask, math.nan)
    median_ = pellucid.nanmedian(found, _dims(dim, input.ndim)[0], keepdim).values
    if not whole:
        return median_
    if bool(pellucid.isnan(median_).any()):
        raise ValueError(with_line("masked median expects no fully masked out rows if dtype is not floating point"))
    return median_.to(dtype or input.dtype)


def logsumexp(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """ln Σ e^x of the marked elements."""
    found = _with(input, mask, -math.inf)
    return pellucid.logsumexp(found, _dims(dim, input.ndim), keepdim=keepdim).to(dtype or input.dtype)


def logaddexp(
    input: Tensor, other: Tensor, *, dtype: DType | None = None, input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """ln(e^input + e^other) of what is marked of either."""
    pair = _with(input, input_mask, -math.inf), _with(other, other_mask, -math.inf)
    return pellucid.logaddexp(*pair).to(dtype or input.dtype)


def norm(
    input: Tensor, ord: float | None = 2.0, dim: Dims = None, *, keepdim: bool = False, dtype: DType | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The vector norm of the marked elements."""
    found = _with(input, mask, math.inf if ord == -math.inf else 0)
    found = found.to(dtype or input.dtype)
    return pellucid.linalg.vector_norm(found, 2.0 if ord is None else ord, _dims(dim, input.ndim), bool(keepdim))


def _spread(
    input: Tensor, dim: Dims, unbiased: bool | None, correction: float | None, keepdim: bool, dtype: DType | None,
    mask: Tensor | None,
) -> Tensor:  # fmt: skip
    """The variance of the marked elements."""
    if unbiased is not None and correction is not None:
        raise AssertionError(with_line("Only one of unbiased and correction may be given"))
    less = float(correction) if correction is not None else 1.0 if unbiased is None or unbiased else 0.0
    broken = input.is_floating_point() or input.is_complex()
    dtype = dtype or (input.dtype if broken else pellucid.float32)
    middle = sum(input, dim, keepdim=True, dtype=dtype, mask=mask) / _count(input, mask, dim, True)
    apart = input - middle
    wide = dtype if dtype.is_floating_point or dtype.is_complex else pellucid.float32
    total = sum(apart * apart.conj(), dim, keepdim=keepdim, dtype=wide, mask=mask)
    count = _count(input, mask, dim, bool(keepdim))
    if less:
        count = count.to(wide.to_real() if wide.is_complex else wide)
        count = pellucid.maximum(count - less, pellucid.zeros((), dtype=count.dtype))
    return (total / count).to(dtype)


def var(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The variance of the marked elements, over their number less `correction` (1)."""
    return _spread(input, dim, unbiased, correction, keepdim, dtype, mask)


def std(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *, correction: float | None = None,
    keepdim: bool = False, dtype: DType | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The standard deviation of the marked elements."""
    return pellucid.sqrt(_spread(input, dim, unbiased, correction, keepdim, dtype, mask))


def softmax(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:
    """Softmax over the marked elements; 0 elsewhere, NaN in a row without any.

    >>> softmax(pellucid.zeros(3), 0, mask=pellucid.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    found = _with(input, mask, -math.inf)
    return pellucid.nn.functional.softmax(found, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:
    """The logarithm of `softmax`."""
    found = _with(input, mask, -math.inf)
    return pellucid.nn.functional.log_softmax(found, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def softmin(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None) -> Tensor:
    """Softmax of the negative of the marked elements."""
    found = _with(input, mask, math.inf)
    return pellucid.nn.functional.softmin(found, _dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """The marked elements over their norm, or over `eps` where that is larger; 0 elsewhere."""
    dtype = dtype or input.dtype
    length = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _with(input, mask, 0) / pellucid.maximum(length, pellucid.tensor(eps, dtype=length.dtype))


__getattr__ = absent(__name__)
