"""What is computed with sparse tensors: sums, products, and functions that leave a zero zero.

A function of PyTorch's that is given a sparse tensor, `torch.abs(sparse)`, comes here by `__torch_function__`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..core import Tensor
from ..core.promotion import result_type
from ..core.tensor import wrap
from ..declare import FUNCTIONS
from ..declare.overrides import NoOverrides
from ..reverse import grad
from ..types import layouts
from ..types.dtypes import bool_, can_cast
from ..types.dtypes import dtype as DType

__all__ = ["Arithmetic"]

LINEAR = ("neg", "negative", "deg2rad", "rad2deg", "positive")  # of a sum, the sum: a coordinate may come twice
LEAVE_ZERO = (
    "abs asin asinh arcsin arcsinh atan atanh arctan arctanh ceil erf erfinv expm1 floor frac isinf isnan isneginf "
    "isposinf log1p relu round sgn sign sin sinh sqrt square tan tanh trunc"
).split()
OTHER_NAMES = {"true_divide": "div", "divide": "div", "multiply": "mul", "subtract": "sub", "concat": "cat"}
ONLY_NUMBERS = "Sparse division requires a scalar or zero-dim dense tensor divisor"


def is_dense(value: Any) -> bool:
    """Whether this is a tensor, and no sparse one."""
    return isinstance(value, Tensor) and not isinstance(value, Sparse)


if TYPE_CHECKING:
    Whole = object  # of a dense tensor's methods few are a sparse one's
else:
    Whole = Tensor


class Sparse(Whole):
    """A tensor that has no array of all its numbers: what asks for one fails, and asks the class what to do instead."""

    __array_ufunc__ = None  # NumPy leaves `array + sparse` to __radd__
    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__
    __format__, __reduce_ex__ = object.__format__, object.__reduce_ex__

    layout = layouts.sparse_coo
    shape: Any = ()

    def __new__(cls, *parts: Any, **more: Any) -> Self:
        return object.__new__(cls)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = memo[id(self)] = object.__new__(type(self))
        vars(made).update(copy.deepcopy(vars(self), memo))
        return made

    def __getattr__(self, name: str) -> Any:
        if name == "_array":
            raise AttributeError("this is not there for sparse tensors; write sparse.to_dense()")
        raise AttributeError(f"a sparse tensor has no attribute {name!r}; write sparse.to_dense().{name}")

    def __bool__(self) -> bool:
        raise RuntimeError("the truth of a sparse tensor is not asked; write sparse.to_dense()")

    def numpy(self, *how: Any, **more: Any) -> Any:
        """Refused: an array would be dense."""
        raise TypeError("can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.")

    def __array__(self, *how: Any, **more: Any) -> Any:
        return self.numpy()


def own_method(value: Any, name: str) -> Callable[..., Any] | None:
    """What a sparse tensor has under a name by its own classes, not by that of dense tensors."""
    for kind in type(value).__mro__:
        if kind is Tensor:
            return None
        if name in vars(kind):
            return getattr(value, name)
    return None


class Arithmetic(Sparse):
    """The part of `SparseTensor` that computes."""

    _at: Tensor
    _numbers: Tensor
    _coalesced: bool
    shape: Any
    coalesce: Callable[[], Any]
    to_dense: Callable[[], Tensor]
    t: Callable[[], Any]
    _flat: Callable[[], Any]
    _with: Callable[[Tensor], Any]

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        """What a function of PyTorch's makes of sparse arguments."""
        if func is grad:  # which knows sparse tensors by itself
            with NoOverrides():
                return func(*args, **(kwargs or {}))
        said: str = func.__name__
        name, options = OTHER_NAMES.get(said, said), kwargs or {}
        first = args[0] if args else options.pop("input", None)
        if name in ("cat", "stack"):
            return joined(name, first, *args[1:], **options)
        own = own_method(first, name) if isinstance(first, cls) else None
        if own is not None:
            return own(*args[1:], **options)
        if is_dense(first) and name in ("addmm", "sspaddmm"):
            return options.get("beta", 1) * first + options.get("alpha", 1) * (args[1] @ args[2])
        if is_dense(first) and len(args) == 2:
            second = args[1]
            if name in ("add", "sub", "add_", "sub_", "mul_"):
                return getattr(first, name)(second.to_dense(), **options)
            if name in ("mul", "mm", "matmul"):
                return second.mul(first) if name == "mul" else first @ second
            if name in ("div", "div_"):
                raise RuntimeError(ONLY_NUMBERS)
        raise TypeError(
            f"{name}() is not there for sparse tensors; write sparse.to_dense(), or compute with sparse.indices() and "
            "sparse.values()"
        )

    def _in_place(self, compute: Callable[..., Any]) -> Callable[..., Self]:
        def changed(*args: Any, **options: Any) -> Self:
            if getattr(self, "_asked", False):
                raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
            found = compute(*args, **options)
            kind = self._numbers.dtype
            if not can_cast(found._numbers.dtype, kind):
                raise RuntimeError(
                    f"result type {found._numbers.dtype} can't be cast to the desired output type {kind}"
                )
            self._at, self._numbers, self._coalesced = found._at, found._numbers.to(kind), found._coalesced
            return self

        return changed

    def _like(self, at: Tensor, values: Tensor, shape: Any, coalesced: bool = False) -> Any:
        made: Any = type(self)
        return made(at, values, shape, coalesced)

    # --------------------------------------------------------------------------------------------------- sums

    def add(self, other: Any, *, alpha: Any = 1) -> Any:
        """The sum with another sparse tensor of the same shape."""
        if hasattr(other, "__array_interface__"):  # the engine adds arrays
            return self.to_dense()._array + other
        if not isinstance(other, Arithmetic):
            raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
        if other.shape != self.shape:
            raise RuntimeError(
                f"add: expected sizes of 'self' and 'other' to match, but {list(self.shape)} != {list(other.shape)}"
            )
        kind = result_type(self._numbers, other._numbers)
        values = other._numbers.to(kind)  # first: -1 times a uint8 would stay one
        cat = FUNCTIONS["cat"]
        numbers = cat([self._numbers.to(kind), values if alpha == 1 else values * alpha])
        return self._like(cat([self._at, other._at], 1), numbers, self.shape).coalesce()

    def sub(self, other: Any, *, alpha: Any = 1) -> Any:
        """The difference to another sparse tensor of the same shape."""
        if isinstance(other, Arithmetic) and bool_ in (self._numbers.dtype, other._numbers.dtype):
            raise RuntimeError("Subtraction, the `-` operator, with a bool tensor is not supported.")
        return self.add(other, alpha=-alpha)

    def __add__(self, other: Any) -> Any:
        return self.add(other)

    def __radd__(self, other: Any) -> Any:
        if isinstance(other, int | float | complex):
            return self.add(other)
        return other + self.to_dense() if is_dense(other) else other + self.to_dense()._array

    def __sub__(self, other: Any) -> Any:
        return self.sub(other)

    def __rsub__(self, other: Any) -> Any:
        return other - self.to_dense() if is_dense(other) else (-self).add(other)

    def __neg__(self) -> Any:
        return self._with(-self._numbers)

    # ---------------------------------------------------------------------------------- products of elements

    def mul(self, other: Any) -> Any:
        """The product with a number, or of each element with that of another tensor, sparse or dense."""
        if isinstance(other, Arithmetic):
            return self._where_both(other)
        if is_dense(other) and other.ndim:
            return self._with(self._numbers * other.expand(self.shape)[tuple(self._at.unbind())])
        return self._with(self._numbers * other)

    def _where_both(self, other: Any) -> Any:
        if other.shape != self.shape:
            raise RuntimeError(
                f"mul: expected 'self' and 'other' to have same sizes, but {list(self.shape)} != {list(other.shape)}"
            )
        mine, its = self.coalesce(), other.coalesce()
        here, there = mine._flat()[0]._array, its._flat()[0]._array
        _, left, right = np.intersect1d(here, there, assume_unique=True, return_indices=True)
        at, to = wrap(left), wrap(right)
        return self._like(mine._at[:, at], mine._numbers[at] * its._numbers[to], self.shape, True)

    def div(self, other: Any, *, rounding_mode: str | None = None) -> Any:
        """The quotient by a number."""
        if isinstance(other, Arithmetic) or (is_dense(other) and other.ndim):
            raise RuntimeError(ONLY_NUMBERS)
        kept = self if rounding_mode is None else self.coalesce()
        return kept._with(kept._numbers.div(other, rounding_mode=rounding_mode))

    def floor_divide(self, other: Any) -> Any:
        """The quotient by a number, rounded down."""
        return self.div(other, rounding_mode="floor")

    def pow(self, exponent: Any) -> Any:
        """Each element to a power above zero."""
        if not isinstance(exponent, int | float) or exponent <= 0:
            raise RuntimeError(
                "pow: cannot raise to zeroth power on sparse tensor; it would make the result tensor dense"
                if exponent == 0
                else f"pow: a sparse tensor takes a power above zero, but got {exponent}"
            )
        kept = self.coalesce()
        return kept._with(kept._numbers**exponent)

    def __mul__(self, other: Any) -> Any:
        return self.mul(other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self.div(other)

    def __rtruediv__(self, other: Any) -> Any:
        raise RuntimeError(ONLY_NUMBERS)

    def __floordiv__(self, other: Any) -> Any:
        return self.floor_divide(other)

    def __pow__(self, exponent: Any) -> Any:
        return self.pow(exponent)

    # -------------------------------------------------------------------------------------- products of matrices

    def matmul(self, other: Any) -> Any:
        """The product with a matrix or a vector; that with a sparse matrix is sparse."""
        return _dense_product(self, other) if is_dense(other) else _sparse_product(self, other)

    mm = mv = __matmul__ = matmul

    def __rmatmul__(self, other: Tensor) -> Any:
        return self.t().matmul(other) if other.ndim == 1 else self.t().matmul(other.t()).t()

    # ----------------------------------------------------------------------------------------- reductions, parts

    def norm(self, p: Any = "fro") -> Tensor:
        """The norm of all numbers."""
        return self.coalesce()._numbers.norm(p)

    def any(self) -> Tensor:
        """Whether a number is not zero."""
        return self.coalesce()._numbers.any()

    def index_select(self, dim: int, index: Tensor) -> Any:
        """The slices of a sparse dimension that are asked for, in that order."""
        wanted, held = index._array.ravel(), self.coalesce()
        here = held._at[dim]._array
        order = np.argsort(here, kind="stable")
        first, last = (np.searchsorted(here[order], wanted, side=side) for side in ("left", "right"))
        new, place = _pairs(first, last)
        picked = wrap(order[place])
        at = held._at[:, picked].clone()
        at[dim] = wrap(new)
        shape = [*self.shape]
        shape[dim] = len(wanted)
        return self._like(at, held._numbers[picked], shape).coalesce()

    def select(self, dim: int, index: int) -> Any:
        """One slice of a sparse dimension."""
        length = self.shape[dim]
        if not -length <= index < length:
            raise IndexError(f"select(): index {index} out of range for dimension {dim} of size {length}")
        held = self.coalesce()
        picked = wrap(np.flatnonzero(held._at[dim]._array == index % length))
        rows = [row[picked] for place, row in enumerate(held._at.unbind()) if place != dim % len(self.shape)]
        shape = [size for place, size in enumerate(self.shape) if place != dim % len(self.shape)]
        return self._like(FUNCTIONS["stack"](rows), held._numbers[picked], shape, True)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, int):
            raise TypeError("a sparse tensor is indexed by a number; write sparse.to_dense()[…] for other parts")
        return self.select(0, index)

    def unsqueeze(self, dim: int) -> Any:
        """With a new dimension of length 1."""
        place = dim % (len(self.shape) + 1)
        rows, shape = [*self._at.unbind()], [*self.shape]
        rows.insert(place, FUNCTIONS["zeros_like"](self._at[0]))
        shape.insert(place, 1)
        return self._like(FUNCTIONS["stack"](rows), self._numbers, shape, self._coalesced)

    def zeros_like(self, *, dtype: DType | None = None) -> Any:
        """A sparse tensor of the same shape in which there is nothing."""
        values = self._numbers[:0].detach().to(dtype or self._numbers.dtype)
        return self._like(self._at[:, :0], values, self.shape, True)


def _elementwise(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        kept = self if name in LINEAR else self.coalesce()
        return kept._with(getattr(kept._numbers, name)(*args, **options))

    method.__name__, method.__doc__ = name, f"`{name}` of each number that is kept: of zero it is zero."
    return method


def _in_place(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        return self._in_place(getattr(self, name))(*args, **options)

    method.__name__, method.__doc__ = f"{name}_", f"`{name}` in place; returns the tensor."
    return method


for _name in (*LINEAR, *LEAVE_ZERO):
    setattr(Arithmetic, _name, _elementwise(_name))
for _other, _name in OTHER_NAMES.items():
    if _name in vars(Arithmetic):
        setattr(Arithmetic, _other, vars(Arithmetic)[_name])
for _name in (*LINEAR, *LEAVE_ZERO, "add", "sub", "mul", "div", "pow", "floor_divide", *OTHER_NAMES):
    if _name in vars(Arithmetic):
        setattr(Arithmetic, _name + "_", _in_place(_name))
for _sign, _name in (("iadd", "add"), ("isub", "sub"), ("imul", "mul"), ("itruediv", "div")):
    setattr(Arithmetic, f"__{_sign}__", vars(Arithmetic)[_name + "_"])


def _pairs(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of ranges ``first[i]`` to ``last[i]`` all numbers in a row, and for each the i that it comes from."""
    counts = last - first
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)


def _check_product(left: Any, right: Any) -> None:
    if len(left.shape) != 2 or right.ndim not in (1, 2) or left.shape[1] != right.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied: {tuple(left.shape)} (sparse) and {tuple(right.shape)}"
        )


def _dense_product(left: Any, right: Tensor) -> Tensor:
    _check_product(left, right)
    rows, columns = left._at.unbind()
    values = left._numbers
    gathered = right[columns] * (values.unsqueeze(-1) if right.ndim == 2 else values)
    return FUNCTIONS["zeros"]((left.shape[0], *right.shape[1:]), dtype=gathered.dtype).index_add(0, rows, gathered)


def _sparse_product(left: Any, right: Any) -> Any:
    if not isinstance(right, Arithmetic):
        raise TypeError(f"the second factor must be a Tensor, but got {type(right).__name__}")
    _check_product(left, right)
    mine, its = left.coalesce(), right.coalesce()
    rows = its._at[0]._array
    columns = mine._at[1]._array
    first, last = (np.searchsorted(rows, columns, side=side) for side in ("left", "right"))
    which, place = map(wrap, _pairs(first, last))
    at = FUNCTIONS["stack"]([mine._at[0][which], its._at[1][place]])
    values = mine._numbers[which] * its._numbers[place]
    return left._like(at, values, (left.shape[0], right.shape[1])).coalesce()


def joined(name: str, tensors: Any, dim: int = 0) -> Any:
    """Sparse tensors one after the other along a dimension, which for `stack` is new."""
    if not all(isinstance(tensor, Arithmetic) for tensor in tensors):
        raise TypeError(f"{name}(): the tensors are sparse and dense; write sparse.to_dense() for the sparse ones")
    parts = [tensor.unsqueeze(dim) for tensor in tensors] if name == "stack" else list(tensors)
    dim, shape, rows, begin = dim % len(parts[0].shape), [*parts[0].shape], [], 0
    for part in parts:
        moved = part._at.clone()
        moved[dim] = moved[dim] + begin
        begin += part.shape[dim]
        rows.append(moved)
    shape[dim] = begin
    cat = FUNCTIONS["cat"]
    return parts[0]._like(cat(rows, 1), cat([part._numbers for part in parts]), shape)
