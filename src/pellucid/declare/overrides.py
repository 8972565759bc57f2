"""`__torch_function__`: classes of a program's own say what functions do with their objects, as in PyTorch.

A class derived from Tensor has Tensor's way unless it says otherwise: the function is called as it is, and results are
of that class. While a program has derived none, calls do not look; an object that is no tensor is asked when a function
fails because of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, cast

from pellucid.core.context import state
from pellucid.core.node import Arguments, Attributes, called
from pellucid.core.tensor import Tensor, as_it_is, derived

__all__ = ["NoOverrides", "TorchFunctionMode", "as_it_is", "ask", "derived", "modes", "overriding"]


class TorchFunctionMode:
    """Derive from it, and within a `with` block `__torch_function__` is called in place of each function.

    It is asked before the classes of the arguments are, and while it answers, it is off.

    >>> import pellucid
    >>> class Names(TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Names():
    ...     y = pellucid.ones(2).add(1)
    ones
    add
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: tuple[type, ...], args: Arguments = (), kwargs: Attributes | None = None
    ) -> Any:
        """What the function gives, `func(*args, **kwargs)`."""
        raise NotImplementedError(f"{type(self).__name__}: write a method __torch_function__(self, func, types, ...)")

    def __enter__(self) -> Self:
        modes.on = (*modes.on, self)
        derived.append(type(self))  # so that functions ask
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        modes.on = modes.on[:-1]
        derived.remove(type(self))


class _Modes(threading.local):
    """Those that are on in a thread, innermost last."""

    on: tuple[TorchFunctionMode, ...] = ()


modes = _Modes()


def overriding(args: Arguments, kwargs: Attributes) -> list[Any]:
    """The arguments, also within lists, whose classes have a say in what a function does: one of each class.

    In order, but an object of a derived class before those of the classes that it is derived from, and before all the
    mode that is on.
    """
    found: list[Any] = []
    if state.overrides:
        _find((*args, *kwargs.values()) if kwargs else args, found)
        if modes.on:
            found.insert(0, modes.on[-1])
    return found


def _find(values: Iterable[Any], found: list[Any]) -> None:
    for value in values:
        kind = cast("type[Any]", type(value))
        if kind is list or kind is tuple:
            _find(value, found)
        elif kind is not Tensor and _has_a_say(kind) and all(type(other) is not kind for other in found):
            place = next((i for i, other in enumerate(found) if issubclass(kind, type(other))), len(found))
            found.insert(place, value)


def _has_a_say(kind: type[Any]) -> bool:
    """Whether a class says what functions do; PyTorch's own tensors mean PyTorch's functions."""
    if getattr(kind, "__torch_function__", as_it_is) is as_it_is:
        return False
    return issubclass(kind, Tensor) or all(base.__module__ != "torch._C" for base in kind.__mro__)


def ask(asked: list[Any], function: Any, args: Arguments, kwargs: Attributes) -> Any:
    """What the `__torch_function__` of the arguments makes of a call; TypeError where each says NotImplemented."""
    by_mode = isinstance(asked[0], TorchFunctionMode)
    kinds: tuple[Any, ...] = tuple(map(type, asked[by_mode:]))
    if by_mode:
        outer, modes.on = modes.on, modes.on[:-1]
        try:
            result: Any = asked[0].__torch_function__(function, kinds, args, kwargs)
        finally:
            modes.on = outer
        if result is not NotImplemented:
            return result
    for kind in kinds:
        result = kind.__torch_function__(function, kinds, args, kwargs)
        if result is not NotImplemented:
            return result
    listed = "\n".join(f"  - tensor subclass {kind}" for kind in kinds)
    raise TypeError(
        f"Multiple dispatch failed for 'torch.{function.__name__}'; all __torch_function__ handlers returned "
        f"NotImplemented:\n\n{listed}"
    )


class NoOverrides:
    """Within the block functions ask no class of a program's own (`torch._C.DisableTorchFunctionSubclass`)."""

    def __enter__(self) -> None:
        self._before, state.overrides = state.overrides, False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        state.overrides = self._before


@classmethod
def _of_tensors(
    cls: type[Tensor], func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
) -> Any:
    """The function as it is, its results as objects of this class."""
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with NoOverrides():
        return _converted(func(*args, **(kwargs or {})), cls)


def _converted(result: Any, cls: type[Tensor]) -> Any:
    if isinstance(result, Tensor):
        return result if cls is Tensor or isinstance(result, cls) else _as_subclass(result, cls)
    if isinstance(result, tuple | list):
        parts = [_converted(part, cls) for part in cast("list[Any]", result)]
        kind: Any = cast("Any", type(cast("object", result)))
        return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
    return result


def _as_subclass(self: Tensor, cls: type[Any]) -> Any:
    """The same memory and history as an object of a class derived from Tensor.

    Raises TypeError for what is no such class.
    """
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"as_subclass(): argument 'cls' must be a class derived from Tensor, not {cls!r}")
    with NoOverrides():
        made: Any = _alias(self)
    made.__class__ = cls
    return made


@called("AliasBackward0")
def _alias(tensor: Tensor) -> Tensor:
    return tensor.view(tensor.shape)


@staticmethod
def _make_subclass(cls: type[Tensor], data: Tensor, require_grad: bool = False) -> Tensor:
    """A leaf of this class around the memory of `data`."""
    with NoOverrides():
        made: Any = data.detach()
    made.__class__ = cls
    return made.requires_grad_(require_grad)


for _name, _made in {
    "__torch_function__": _of_tensors, "as_subclass": _as_subclass, "_make_subclass": _make_subclass,
}.items():  # fmt: skip
    setattr(Tensor, _name, _made)
