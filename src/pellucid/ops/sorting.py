"""Order: sorting, and what follows from a sorted row: the largest few, the k-th, the median, the mode.

NaN counts as larger than every number. Each function that returns values also returns where they stood; the gradient
of a value goes back to that place.
"""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, called
from pellucid.declare import Op, function, op
from pellucid.errors import DimensionError, with_line
from pellucid.types.dtypes import bool_

from .dims import dim_of
from .extremes import place_rule, share_whole
from .return_types import return_type

_LONG = 256  # elements of a row: a shorter one is sorted at once


def _order(xp: Any, input: Any, axis: int, descending: bool) -> Any:
    """The indices that sort along `axis`, equals in the order in which they stand."""
    if not descending:
        return xp.argsort(input, axis=axis, kind="stable")
    backward = xp.argsort(xp.flip(input, axis), axis=axis, kind="stable")
    return xp.flip(input.shape[axis] - 1 - backward, axis)


@op(name="sort", method=False, public=False, aux=("indices",))
def sort_along(xp: Any, input: Any, *, dim: int = -1, descending: bool = False) -> Any:
    """The elements in order along `dim`, and the indices at which they stood."""
    axis = dim_of(dim, input.ndim)
    if not input.ndim:
        return input.copy(), xp.zeros((), xp.int64)
    indices = _order(xp, input, axis, descending)
    return xp.take_along_axis(input, indices, axis=axis), indices


sort_along.vjp(input=lambda m, g, indices, input_shape, dim: place_rule(m, g, indices, input_shape, dim, True))


@function()
@called(lambda *args, **kwargs: "SortBackward1" if "stable" in kwargs else None)
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = False) -> Any:
    """(values, indices) in order along `dim`; equals keep their order, `stable` or not.

    >>> import pellucid
    >>> pellucid.tensor([3, 1, 2]).sort().values
    tensor([1, 2, 3])
    """
    return return_type("sort")(*sort_along(input, dim=dim, descending=descending))


@op()
def argsort(xp: Any, input: Any, *, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """The indices that sort `input` along `dim`; equals keep their order, `stable` or not."""
    axis = dim_of(dim, input.ndim)
    return _order(xp, input, axis, descending) if input.ndim else xp.zeros((), xp.int64)


@function()
def msort(input: Tensor) -> Tensor:
    """The elements in order along the first dimension."""
    return sort_along(input, dim=0)[0]


@op(name="topk", method=False, public=False, aux=("indices",))
def top_along(xp: Any, input: Any, *, k: int, dim: int = -1, largest: bool = True) -> Any:
    """The `k` largest (or smallest) along `dim`, in order, and their indices."""
    axis = dim_of(dim, input.ndim)
    if not 0 <= k <= (input.shape[axis] if input.ndim else 1):
        raise RuntimeError(
            f"selected index k out of range: k = {k}, but dimension {axis} has "
            f"{input.shape[axis] if input.ndim else 1} elements"
        )
    if not input.ndim:
        return input.copy(), xp.zeros((), xp.int64)
    indices = _few(xp, input, k, axis, largest)
    if indices is None:
        indices = xp.take(_order(xp, input, axis, largest), xp.arange(k), axis=axis)
    return xp.take_along_axis(input, indices, axis=axis), indices


def _few(xp: Any, input: Any, k: int, axis: int, largest: bool) -> Any:
    """The indices that sorting would give, without sorting what is not asked for; None where that is no less work.

    Beyond the k-th number of a row all belong to it, and of those that equal it the first.
    """
    rows = xp.moveaxis(input, axis, -1)
    length = rows.shape[-1]
    if not k or length < _LONG or length < 4 * k or not input.size:
        return None
    at = length - k if largest else k - 1
    last = xp.partition(rows, at, axis=-1)[..., at : at + 1]
    if bool((last != last).any()):  # NaN, which equals nothing
        return None
    taken = ~(rows <= last) if largest else rows < last  # NaN is the largest
    equal = rows == last
    missing = k - taken.sum(-1, keepdims=True)
    if bool((equal.sum(-1, keepdims=True) > missing).any()):
        equal &= xp.cumsum(equal, -1) <= missing
    taken |= equal
    found = (xp.flatnonzero(taken) % length).reshape(*rows.shape[:-1], k)
    order = _order(xp, xp.take_along_axis(rows, found, axis=-1), -1, largest)
    return xp.moveaxis(xp.take_along_axis(found, order, axis=-1), -1, axis)


top_along.vjp(input=lambda m, g, indices, input_shape, dim: place_rule(m, g, indices, input_shape, dim, True))


@function()
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """(values, indices) of the `k` largest (or smallest) along `dim`, the largest (smallest) first.

    Raises RuntimeError where there are fewer than `k`.

    >>> import pellucid
    >>> pellucid.tensor([1, 9, 5]).topk(2).values
    tensor([9, 5])
    """
    _refuse_bools("topk", input)
    return return_type("topk")(*top_along(input, k=k, dim=dim, largest=largest))


def _selecting(name: str, choose: Any, doc: str) -> Op:
    """An op that picks one element of each row along `dim`: `choose(xp, rows, k)` gives its index in (…, n)."""

    def forward(xp: Any, input: Any, *, dim: int = -1, keepdim: bool = False, k: int = 1) -> Any:
        axis = dim_of(dim, input.ndim)
        if not input.ndim:
            if k != 1:
                raise RuntimeError(f"{name}(): selected number k out of range for dimension 0")
            return input.copy(), xp.zeros((), xp.int64)
        if not input.shape[axis]:
            raise DimensionError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
        rows = xp.moveaxis(input, axis, -1)
        chosen = choose(xp, rows, k)[..., None]  # (…, 1)
        values = xp.moveaxis(xp.take_along_axis(rows, chosen, -1), -1, axis)
        indices = xp.moveaxis(chosen, -1, axis)
        if not keepdim:
            values, indices = xp.squeeze(values, axis), xp.squeeze(indices, axis)
        return xp.asarray(values), xp.asarray(indices)

    forward.__name__, forward.__module__, forward.__doc__ = f"{name}_along", __name__, doc
    made = op(method=False, public=False, aux=("indices",), reference=f"torch.{name}",
              node=f"{name.title()}Backward{int('median' in name)}")(forward)  # fmt: skip
    made.vjp(input=place_rule)
    return made


def _kth_index(xp: Any, rows: Any, k: int) -> Any:
    if not 1 <= k <= rows.shape[-1]:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension: k = {k} of {rows.shape[-1]}")
    return _order(xp, rows, -1, False)[..., k - 1]


def _median_index(xp: Any, rows: Any, k: int) -> Any:
    found = _order(xp, rows, -1, False)[..., (rows.shape[-1] - 1) // 2]
    if rows.dtype.kind == "f":
        missing = xp.isnan(rows)
        found = xp.where(missing.any(-1), xp.argmax(missing, -1), found)
    return found


def _nanmedian_index(xp: Any, rows: Any, k: int) -> Any:
    count = rows.shape[-1] - (xp.isnan(rows).sum(-1) if rows.dtype.kind == "f" else 0)
    middle = xp.broadcast_to(xp.maximum(count - 1, 0) // 2, rows.shape[:-1])[..., None]
    return xp.take_along_axis(_order(xp, rows, -1, False), middle, -1)[..., 0]


_INSERTION = 16  # up to this length C++'s std::sort sorts by insertion


def _order_for_mode(xp: Any, rows: Any) -> Any:
    """The order of each row in which PyTorch counts equal neighbours.

    It sorts by `<` alone, which NaN answers with False: a NaN stays where it is met and divides the numbers around it.
    So it is here too for short rows; in longer ones NaN comes last, each a value of its own.
    """
    order = _order(xp, rows, -1, False)
    if rows.dtype.kind == "f" and rows.shape[-1] <= _INSERTION and (missing := xp.isnan(rows).any(-1)).any():
        for place in xp.argwhere(missing):
            order[tuple(place)] = xp.asarray(_inserted(rows[tuple(place)].tolist()))
    return order


def _inserted(row: list[float]) -> list[int]:
    """The indices of a row as sorting by insertion leaves them."""
    order: list[int] = []
    for index, number in enumerate(row):
        place = index
        if index and number < row[order[0]]:
            place = 0
        else:
            while place and number < row[order[place - 1]]:
                place -= 1
        order.insert(place, index)
    return order


def _mode_index(xp: Any, rows: Any, k: int) -> Any:
    order = _order_for_mode(xp, rows)
    values = xp.take_along_axis(rows, order, -1)
    n = rows.shape[-1]
    place = xp.arange(n)
    starts = xp.concatenate((xp.ones_like(values[..., :1], dtype=bool), values[..., 1:] != values[..., :-1]), -1)
    run = place - xp.maximum.accumulate(xp.where(starts, place, 0), axis=-1)  # how many equals come before
    last = xp.argmax(run, -1)[..., None]  # the last of the first longest run
    return xp.take_along_axis(order, last, -1)[..., 0]


_kth = _selecting("kthvalue", _kth_index, "The `k`-th smallest element of each row along `dim`, and its index.")
_median = _selecting("median", _median_index, "The lower median of each row along `dim`, and its index.")
_nanmedian = _selecting("nanmedian", _nanmedian_index, "The lower median of what is not NaN in each row; its index.")
_mode = _selecting("mode", _mode_index, "The most frequent element of each row along `dim`, and its index.")


def _whole(name: str, choose: Any) -> Op:
    def forward(xp: Any, input: Any) -> Any:
        rows = input.reshape(-1)
        if not rows.size:
            kind = input.dtype.kind
            return input.dtype.type("nan" if kind == "f" else xp.iinfo(input.dtype).min if kind in "iu" else 0)
        return rows[choose(xp, rows, 1)]

    forward.__name__, forward.__module__, forward.__doc__ = name, __name__, f"The {name} of all elements."
    made = op(method=False, public=False)(forward)
    made.vjp(input=share_whole)
    return made


_median_of_all, _nanmedian_of_all = _whole("median", _median_index), _whole("nanmedian", _nanmedian_index)


def _refuse_bools(name: str, input: Tensor) -> None:
    if input.dtype is bool_:
        raise NotImplementedError(with_line(f"{name}() is not implemented for bool tensors; write .int() first"))


@function()
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """(values, indices) of the `k`-th smallest element (from 1) of each row along `dim`."""
    _refuse_bools("kthvalue", input)
    return return_type("kthvalue")(*_kth(input, dim=dim, keepdim=keepdim, k=k))


@function()
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of all elements; with `dim`, (values, indices) along it. Of an even number it is the lower of two.

    A NaN among them gives NaN.

    >>> import pellucid
    >>> pellucid.tensor([4.0, 1.0, 3.0, 2.0]).median()
    tensor(2.)
    """
    _refuse_bools("median", input)
    if dim is None:
        return _median_of_all(input)
    return return_type("median")(*_median(input, dim=dim, keepdim=keepdim))


@function()
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """As `median`, of the elements that are not NaN."""
    _refuse_bools("nanmedian", input)
    if dim is None:
        return _nanmedian_of_all(input)
    return return_type("nanmedian")(*_nanmedian(input, dim=dim, keepdim=keepdim))


@function()
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """(values, indices) of the most frequent element of each row along `dim`, the smallest of several."""
    return return_type("mode")(*_mode(input, dim=dim, keepdim=keepdim))
