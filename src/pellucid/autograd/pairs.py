"""Complex tensors as pairs of real numbers and sparse ones as their values: `gradcheck` compares real derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from pellucid.core import Tensor
from pellucid.declare import TABLE

from .context import is_sparse

__all__ = ["in_pairs", "pairs_of"]


def pairs_of(value: object) -> object:
    """A complex tensor as pairs of real numbers, (…, 2), a leaf where it is one; anything else as it is.

    A sparse one becomes dense.
    """
    if is_sparse(value):
        value = cast("Sparse", value).to_dense()
    if not isinstance(value, Tensor) or not value.is_complex():
        return value
    if value.is_leaf and value.requires_grad:
        return TABLE["view_as_real"](value.detach()).clone().requires_grad_()
    return TABLE["view_as_real"](value)


class Sparse(Protocol):
    """A sparse tensor, whose room is above, as far as it is asked here."""

    requires_grad: bool
    _numbers: Tensor

    def to_dense(self) -> Tensor:
        """The whole tensor, zeros and all."""
        ...

    def _with(self, values: Tensor) -> Sparse:
        """The same coordinates with other values."""
        ...


def _sparse(value: object) -> Sparse | None:
    """The value, where it is a sparse tensor that a gradient is wanted for."""
    found = cast("Sparse", value) if is_sparse(value) and hasattr(value, "_with") else None
    return found if found is not None and found.requires_grad else None


def in_pairs(
    func: Callable[..., object], tensors: tuple[object, ...]
) -> tuple[Callable[..., object], tuple[object, ...]]:
    """The function of real numbers, and its inputs, that a function of complex or sparse ones is.

    After a call its `pairs` says of each output whether it was complex.
    """
    sparse = [_sparse(tensor) for tensor in tensors]
    values = [
        tensor if whole is None else whole._numbers.detach().clone().requires_grad_()
        for tensor, whole in zip(tensors, sparse, strict=True)
    ]
    wanted = [isinstance(value, Tensor) and value.is_complex() and value.requires_grad for value in values]

    def of_pairs(*args: object) -> object:
        own = (TABLE["view_as_complex"](value) if pair else value for pair, value in zip(wanted, args, strict=False))
        whole = (
            value if one is None else one._with(cast("Tensor", value)) for one, value in zip(sparse, own, strict=True)
        )
        found = func(*whole, *args[len(wanted) :])
        outputs = found if isinstance(found, tuple | list) else (found,)
        kinds = [cast("Tensor", out).dtype for out in outputs if isinstance(out, Tensor) or is_sparse(out)]
        vars(of_pairs)["pairs"] = [kind.is_complex for kind in kinds if kind.is_complex or kind.is_floating_point]
        return tuple(map(pairs_of, found)) if isinstance(found, tuple | list) else pairs_of(found)

    vars(of_pairs).update(vars(func) if hasattr(func, "__dict__") else {})
    return of_pairs, tuple(pairs_of(value) if pair else value for pair, value in zip(wanted, values, strict=True))
