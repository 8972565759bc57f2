"""Switches for the length of a block: whether ops are recorded. Each is a context manager and a decorator."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, overload

from .state import state

F = TypeVar("F", bound=Callable[..., Any])


class _GradMode:
    """Set grad mode on entering and put back what was there on leaving."""

    _to: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(state.grad)
        state.grad = self._to

    def __exit__(self, *_: object) -> None:
        state.grad = self._before.pop()

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with type(self)() if type(self) is not set_grad_enabled else _Fixed(self._to):
                return function(*args, **kwargs)

        return within  # type: ignore[return-value]


class _Fixed(_GradMode):
    def __init__(self, to: bool) -> None:
        super().__init__()
        self._to = to


class _Decorating(_GradMode):
    """Also works undecorated by parentheses: `@no_grad` and `@no_grad()`."""

    @overload
    def __new__(cls) -> Any: ...
    @overload
    def __new__(cls, function: F) -> F: ...
    def __new__(cls, function: Any = None) -> Any:
        made = object.__new__(cls)
        if function is None:
            return made
        made.__init__()
        return made(function)


class no_grad(_Decorating):
    """Do not record ops: for evaluation and for changing parameters by hand.

    >>> import pellucid
    >>> w = pellucid.ones(2, requires_grad=True)
    >>> with pellucid.no_grad():
    ...     (w * 2).requires_grad
    False
    """

    _to = False


class inference_mode(_Decorating):
    """As `no_grad`; `inference_mode(False)` leaves recording as it is."""

    _to = False

    def __new__(cls, mode: Any = True) -> Any:
        return _Fixed(state.grad) if mode is False else super().__new__(cls, None if mode is True else mode)

    def __init__(self, mode: Any = True) -> None:
        super().__init__()


class enable_grad(_Decorating):
    """Record ops, inside of a `no_grad` block."""

    _to = True


class set_grad_enabled(_GradMode):
    """Record ops or not, from here on or for the length of a `with` block."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self._to = bool(mode)
        self._outside = state.grad
        state.grad = self._to

    def __enter__(self) -> None:
        self._before.append(self._outside)
        state.grad = self._to


def is_grad_enabled() -> bool:
    """Whether ops are recorded now."""
    return state.grad


def is_inference_mode_enabled() -> bool:
    """Whether a block of `inference_mode` is open; pellucid treats it as `no_grad`."""
    return not state.grad
