"""Tensors that a module owns: `Parameter` (trained) and `Buffer` (kept, not trained)."""

from __future__ import annotations

from typing import Any, Self

from ..core import Tensor
from ..core.tensor import as_it_is, counter_of

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter"]


class Parameter(Tensor):
    """A tensor that a `Module` registers when it is assigned as an attribute, and that an optimiser trains.

    It shares memory with ``data`` and asks for a gradient, unless ``requires_grad=False``.

    >>> import pellucid as torch
    >>> torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    prints_plainly = True
    __torch_function__ = as_it_is

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        _share(self, data)
        self.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return _copied(self, type(self)(self.detach().clone(), self.requires_grad), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.detach().clone(), self.requires_grad)

    def __repr__(self) -> str:
        text = super().__repr__()
        return "Parameter containing:\n" + (text if self.prints_plainly else f"Parameter({text})")


class Buffer(Tensor):
    """A tensor that a `Module` registers as a buffer when it is assigned: part of the state, not trained.

    ``persistent=False`` keeps it out of ``state_dict``.
    """

    prints_plainly = True
    __torch_function__ = as_it_is

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        _share(self, data)
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return _copied(self, type(self)(self.detach().clone(), persistent=self.persistent), memo)


class _Uninitialized(Tensor):
    """A tensor that has no shape yet: that of a lazy layer before its first input."""

    __torch_function__ = as_it_is

    def _begin(self, device: Any, dtype: Any) -> None:
        from .vocabulary import empty

        _share(self, empty(0, device=device, dtype=dtype))

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary one of this shape, with values that are yet to be set."""
        from .vocabulary import empty

        wanted = self.dtype if dtype is None else dtype
        self.data = empty(*shape, device=self.device if device is None else device, dtype=wanted)
        self.__class__ = type(self).__mro__[2]  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):
    """A `Parameter` without shape and values, until `materialize` gives it a shape."""

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        self._begin(device, dtype)
        self.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return _copied(self, type(self)(self.requires_grad, self.device, self.dtype), memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad, None, self.dtype)


class UninitializedBuffer(_Uninitialized, Buffer):
    """A `Buffer` without shape and values, until `materialize` gives it a shape."""

    def __init__(
        self, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> None:
        self._begin(device, dtype)
        self.persistent = persistent

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return _copied(self, type(self)(False, self.device, self.dtype, self.persistent), memo)


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
