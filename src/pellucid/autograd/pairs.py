"""Complex tensors as pairs of real numbers, so that `gradcheck` compares real derivatives alone."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.core import Tensor
from pellucid.declare import TABLE

__all__ = ["in_pairs", "pairs_of"]


def pairs_of(value: object) -> object:
    """A complex tensor as pairs of real numbers, (…, 2), a leaf where it is one; anything else as it is."""
    if not isinstance(value, Tensor) or not value.is_complex():
        return value
    if value.is_leaf and value.requires_grad:
        return TABLE["view_as_real"](value.detach()).clone().requires_grad_()
    return TABLE["view_as_real"](value)


def in_pairs(
    func: Callable[..., object], tensors: tuple[object, ...]
) -> tuple[Callable[..., object], tuple[object, ...]]:
    """The function of real numbers, and its inputs, that a function of complex ones is.

    After a call its `pairs` says of each output whether it was complex.
    """
    wanted = [isinstance(tensor, Tensor) and tensor.is_complex() and tensor.requires_grad for tensor in tensors]

    def of_pairs(*args: object) -> object:
        pairs = zip(wanted, args, strict=False)
        found: object = func(*[TABLE["view_as_complex"](value) if pair else value for pair, value in pairs],
                             *args[len(wanted) :])  # fmt: skip
        outputs = found if isinstance(found, tuple | list) else (found,)
        kinds = [out.dtype for out in outputs if isinstance(out, Tensor)]
        vars(of_pairs)["pairs"] = [kind.is_complex for kind in kinds if kind.is_complex or kind.is_floating_point]
        return tuple(map(pairs_of, found)) if isinstance(found, tuple | list) else pairs_of(found)

    vars(of_pairs).update(vars(func) if hasattr(func, "__dict__") else {})
    given = (pairs_of(tensor) if pair else tensor for pair, tensor in zip(wanted, tensors, strict=True))
    return of_pairs, tuple(given)
