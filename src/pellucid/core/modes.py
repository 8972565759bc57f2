"""Switches for the length of a block: whether ops are recorded. Each is a context manager and a decorator."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast, overload

from pellucid.errors import warn

from .context import state
from .tensor import inference

F = TypeVar("F", bound=Callable[..., Any])


class _GradMode:
    """Set grad mode on entering and put back what was there on leaving."""

    _to: bool

    def __init__(self) -> None:
        self._before: list[Any] = []

    def __enter__(self) -> None:
        self._before.append(state.grad)
        state.grad = self._to

    def __exit__(self, *_: object) -> None:
        state.grad = self._before.pop()

    def _another(self) -> _GradMode:
        """A new one for each call of a decorated function: a call may run while another is open."""
        return type(self)()

    def __call__(self, function: F) -> F:
        if inspect.isclass(function):
            warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only decorate "
                "functions or methods; decorate the `__init__` method to have the same.",
                FutureWarning,
            )
        if inspect.isgeneratorfunction(function):
            return _generator(function, self._another)  # type: ignore[return-value]

        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with self._another():
                return function(*args, **kwargs)

        return within  # type: ignore[return-value]


def _generator(function: Callable[..., Any], mode: Callable[[], _GradMode]) -> Callable[..., Any]:
    """The generator function, whose body runs in the mode while the code that it yields to does not."""

    @functools.wraps(function)
    def within(*args: Any, **kwargs: Any) -> Any:
        running = function(*args, **kwargs)
        resume: Any = running.send
        given: Any = None
        while True:
            try:
                with mode():
                    made = resume(given)
            except StopIteration as done:
                return done.value
            try:
                given = cast("Any", (yield made))
                resume = running.send
            except GeneratorExit:
                with mode():
                    running.close()
                raise
            except BaseException as thrown:  # noqa: BLE001  whatever the caller threw is the generator's to handle
                resume, given = running.throw, thrown

    return within


class _Decorating(_GradMode):
    """Decorates with and without parentheses: `@no_grad()` and `@no_grad`."""

    @overload
    def __new__(cls) -> Any: ...
    @overload
    def __new__(cls, function: F) -> F: ...
    def __new__(cls, function: Any = None) -> Any:
        made: Any = object.__new__(cls)
        if function is None:
            return made
        made.__init__()
        return made(function)

    def __init__(self, function: Any = None) -> None:
        super().__init__()


class no_grad(_Decorating):
    """Do not record ops: for evaluation and for changing parameters by hand.

    >>> import pellucid
    >>> w = pellucid.ones(2, requires_grad=True)
    >>> with pellucid.no_grad():
    ...     (w * 2).requires_grad
    False
    """

    _to = False


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

    def _another(self) -> _GradMode:
        return set_grad_enabled(self._to)

    def __call__(self, function: F) -> F:
        state.grad = self._outside  # to decorate a function changes nothing outside of it
        return super().__call__(function)


class inference_mode(_Decorating):
    """As `no_grad`, and `is_inference_mode_enabled()` says so; `inference_mode(False)` ends it and records ops.

    What ops make here has no count of changes: later, outside, it is neither saved for backward nor changed in place.
    A clone made outside is a tensor like any other.
    """

    def __new__(cls, mode: Any = True) -> Any:
        function: Any = None if isinstance(mode, bool) else mode
        return super().__new__(cls, function)

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self._mode = mode is not False

    def __enter__(self) -> None:
        self._before.append((state.grad, inference.on))
        state.grad, inference.on = not self._mode, self._mode

    def __exit__(self, *_: object) -> None:
        state.grad, inference.on = self._before.pop()

    def _another(self) -> _GradMode:
        return inference_mode(self._mode)


def is_grad_enabled() -> bool:
    """Whether ops are recorded now."""
    return state.grad


def is_inference_mode_enabled() -> bool:
    """Whether a block of `inference_mode` is open."""
    return inference.on


class pushing(_GradMode):
    """The backward in the block runs at u = 0 for the sake of forward mode: a Function may say itself what Jt is."""

    def __enter__(self) -> None:
        self._before.append(state.pushing)
        state.pushing = True

    def __exit__(self, *_: object) -> None:
        state.pushing = self._before.pop()
