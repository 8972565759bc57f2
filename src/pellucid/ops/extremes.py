"""The largest and the smallest: their values, where they stand, and how the gradient is shared among equals.

A NaN is larger and smaller than everything. Among equal largest elements, `amax` and the `max` of all elements share
the gradient evenly, and `max(dim)` gives it to the one whose index it returned.
"""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, called, real
from pellucid.declare import TABLE, Op, function, op
from pellucid.errors import DimensionError

from .dims import dim_of
from .reduction import all_axes, axis_of, keep
from .return_types import return_type


def _extreme(name: str, ufunc: str, of: str) -> Op:
    def forward(xp: Any, input: Any, *, dim: Any = (), keepdim: bool = False) -> Any:
        if not input.size:
            _refuse_empty(name, input.shape, dim)
        return getattr(xp, ufunc).reduce(input, axis=axis_of(dim, input.ndim), keepdims=keepdim)

    forward.__name__, forward.__module__ = name, __name__
    forward.__doc__ = f"""{of} element over the dimensions `dim` (all, if empty).

    The gradient is shared evenly among equals. Raises where there is nothing to choose from.
    """
    made = op(domain=real())(forward)
    made.vjp(input=_share)
    return made


def _share(m: Any, g: Any, input: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    chosen = m.cast_like(input == keep(m, out, input.shape, dim, keepdim), input)
    return keep(m, g, input.shape, dim, keepdim) * chosen / m.sum(chosen, dim=dim, keepdim=True)


def _refuse_empty(name: str, shape: Any, dim: Any) -> None:
    if dim is None or dim == () or dim == []:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )
    for axis in all_axes(dim, len(shape)):
        if shape[axis] == 0:
            raise DimensionError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")


amax = _extreme("amax", "maximum", "The largest")
amin = _extreme("amin", "minimum", "The smallest")


def _whole(name: str, ufunc: str) -> Op:
    def forward(xp: Any, input: Any) -> Any:
        if not input.size:
            _refuse_empty(name, input.shape, None)
        return getattr(xp, ufunc).reduce(input, axis=None)

    forward.__name__, forward.__module__, forward.__doc__ = name, __name__, f"The {name} of all elements."
    made = op(method=False, public=False, node=f"{name.title()}Backward1")(forward)
    made.vjp(input=share_whole)
    return made


def share_whole(m: Any, g: Any, input: Any, out: Any) -> Any:
    """The rule of an op that picks one of all elements: its gradient is shared evenly among its equals."""
    chosen = m.cast_like((input == out) | ((input != input) & (out != out)), input)
    return chosen * (g / m.sum(chosen))


def _along(name: str, ufunc: str, where: str) -> Op:
    def forward(xp: Any, input: Any, *, dim: int, keepdim: bool = False) -> Any:
        axis = dim_of(dim, input.ndim)
        if not input.size:
            _refuse_empty(name, input.shape, axis)
        if not input.ndim:
            return input.copy(), xp.zeros((), xp.int64)
        values = getattr(xp, ufunc).reduce(input, axis=axis, keepdims=keepdim)
        return xp.asarray(values), xp.asarray(getattr(xp, where)(input, axis=axis, keepdims=keepdim))

    forward.__name__, forward.__module__ = f"{name}_along", __name__
    forward.__doc__ = f"The {name} of each row along `dim`, and the index of the first that is equal to it."
    made = op(method=False, public=False, aux=("indices",), reference=f"torch.{name}", node=f"{name.title()}Backward0")(
        forward
    )
    made.vjp(input=place_rule)
    return made


def place_rule(m: Any, g: Any, indices: Any, input_shape: Any, dim: int, keepdim: bool) -> Any:
    """The rule of an op that picks one element of each row along `dim`: its gradient goes back to the place."""
    if not input_shape:
        return g
    size = input_shape[dim % len(input_shape)]
    g, indices = keep(m, g, input_shape, dim, keepdim), keep(m, indices, input_shape, dim, keepdim)
    return m.place(g, indices, size=size, dim=dim)


@op(public=False, method=False)
def pick(xp: Any, input: Any, indices: Any, *, dim: int) -> Any:
    """The elements of `input` at `indices` along `dim`."""
    return xp.take_along_axis(input, indices, axis=dim)


@op(public=False, method=False)
def place(xp: Any, input: Any, indices: Any, *, size: int, dim: int) -> Any:
    """Zeros of length `size` along `dim`, to which `input` is added at `indices`."""
    axis = dim % input.ndim
    made = xp.zeros((*input.shape[:axis], size, *input.shape[axis + 1 :]), input.dtype)
    if input.shape[axis] == 1:
        xp.put_along_axis(made, indices, input, axis=axis)
        return made
    grid: list[Any] = [xp.arange(n).reshape(-1, *[1] * (input.ndim - i - 1)) for i, n in enumerate(input.shape)]
    grid[axis] = indices
    xp.add.at(made, tuple(grid), input)
    return made


pick.vjp(input=lambda m, g, input_shape, indices, dim: m.place(g, indices, size=input_shape[dim], dim=dim))
place.vjp(input=lambda m, g, indices, dim: m.pick(g, indices, dim=dim))

_max, _max_along = _whole("max", "maximum"), _along("max", "maximum", "argmax")
_min, _min_along = _whole("min", "minimum"), _along("min", "minimum", "argmin")


@function()
def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest of all elements; `max(x, dim)`: (values, indices) along `dim`; `max(x, y)`: `maximum(x, y)`.

    Raises where there is nothing to choose from.

    >>> import pellucid
    >>> pellucid.tensor([[1.0, 5.0], [7.0, 2.0]]).max(1).values
    tensor([5., 7.])
    """
    return _choose("max", _max, _max_along, "maximum", input, dim, keepdim, other)


@function()
def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest of all elements; `min(x, dim)`: (values, indices) along `dim`; `min(x, y)`: `minimum(x, y)`."""
    return _choose("min", _min, _min_along, "minimum", input, dim, keepdim, other)


def _choose(name: str, whole: Op, along: Op, binary: str, input: Any, dim: Any, keepdim: bool, other: Any) -> Any:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' must be a Tensor, not {type(input).__name__}")
    if isinstance(dim, Tensor):
        other, dim = dim, None
    if other is not None:
        return TABLE[binary](input, other)
    if dim is None:
        return whole(input)
    return return_type(name)(*along(input, dim=dim, keepdim=keepdim))


@function()
@called("AminmaxBackward0")
def aminmax(input: Tensor, *, dim: Any = None, keepdim: bool = False) -> Any:
    """(min, max) along `dim`, or of all elements."""
    dims = () if dim is None else dim
    if input.numel() == 0:
        _refuse_empty("aminmax", input.shape, dim)
    made = return_type("aminmax")
    return made(amin(input, dim=dims, keepdim=keepdim), amax(input, dim=dims, keepdim=keepdim))


def _arg(name: str, of: str) -> Op:
    def forward(xp: Any, input: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
        if input.dtype.kind == "b":
            raise NotImplementedError(f"{name}(): not implemented for 'Bool'; write .int() first")
        if not input.size:
            if dim is None:
                raise DimensionError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0. "
                    "Specify the reduction dim with the 'dim' argument."
                )
            _refuse_empty(name, input.shape, dim)
        axis = None if dim is None else dim_of(dim, input.ndim)
        return getattr(xp, name)(input, axis=axis, keepdims=keepdim)

    forward.__name__, forward.__module__ = name, __name__
    forward.__doc__ = f"""Index (int64) of the {of} element along `dim`; of the flattened tensor if `dim` is None.

    The first among equals; a NaN counts as the {of}.
    """
    return op(domain=real())(forward)


argmax = _arg("argmax", "largest")
argmin = _arg("argmin", "smallest")
