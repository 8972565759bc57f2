"""Tensors that a module owns: `Parameter` (trained) and `Buffer` (kept, not trained)."""

from __future__ import annotations

from typing import Any, Self

from ..core import Tensor
from ..core.tensor import counter_of

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that a `Module` registers when it is assigned as an attribute, and that an optimiser trains.

    It shares memory with ``data`` and asks for a gradient, unless ``requires_grad=False``.

    >>> import pellucid as torch
    >>> torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    prints_plainly = True

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        _share(self, data)
        self.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return _copied(self, type(self)(self.detach().clone(), self.requires_grad), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.detach().clone(), self.requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that a `Module` registers as a buffer when it is assigned: part of the state, not trained.

    ``persistent=False`` keeps it out of ``state_dict``.
    """

    prints_plainly = True

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        _share(self, data)
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return _copied(self, type(self)(self.detach().clone(), persistent=self.persistent), memo)


def _share(new: Tensor, data: Tensor | None) -> None:
    if data is None:
        data = Tensor([])
    if not isinstance(data, Tensor):
        raise TypeError(
            f"{type(new).__name__} takes a tensor, but got {type(data).__name__}: write "
            f"{type(new).__name__}(torch.tensor(...))"
        )
    new._array = data._array
    new._counter = counter_of(data)


def _copied(original: Tensor, copy: Any, memo: dict[int, Any]) -> Any:
    memo[id(original)] = copy
    return copy
