"""What callbacks change for the length of a fit, and how it is put back when the fit ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Changes:
    """Values that were replaced, with what they were before, and functions to be called at the end.

    >>> group, changes = {"lr": 0.1}, Changes()
    >>> changes.replace(group, "lr", 0.5)
    >>> changes.replace(group, "lr", 0.7)
    >>> changes.undo()
    []
    >>> group
    {'lr': 0.1}
    """

    def __init__(self) -> None:
        self._functions: list[Callable[[], Any]] = []
        self._replaced: dict[tuple[int, str], tuple[Any, str, Any]] = {}

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of `owner`, or the key of a dict; the value before the first time is what comes back."""
        if (id(owner), name) not in self._replaced:
            self._replaced[id(owner), name] = (owner, name, _get(owner, name))
        _set(owner, name, value)

    def at_end(self, function: Callable[[], Any]) -> None:
        self._functions.append(function)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """What was replaced as it was before, for the length of a `with`."""
        now = [(owner, name, _get(owner, name)) for owner, name, _ in self._replaced.values()]
        try:
            for replaced in self._replaced.values():
                _set(*replaced)
            yield
        finally:
            for replaced in now:
                _set(*replaced)

    def undo(self) -> list[Exception]:
        """Call the functions, the last one first, then put back what was replaced, whichever of them fail: how."""
        errors: list[Exception] = []
        while self._functions:
            try:
                self._functions.pop()()
            except Exception as error:  # noqa: BLE001 (the others have their turn first)
                errors.append(error)
        while self._replaced:
            try:
                _set(*self._replaced.popitem()[1])
            except Exception as error:  # noqa: BLE001
                errors.append(error)
        return errors


def _get(owner: Any, name: str) -> Any:
    """The value of a key of a dict, or of an attribute that the object has itself: MISSING where it has none."""
    if isinstance(owner, dict):
        return owner.get(name, MISSING)
    return getattr(owner, name) if name in vars(owner) or not hasattr(type(owner), name) else MISSING


def _set(owner: Any, name: str, value: Any) -> None:
    if isinstance(owner, dict):
        if value is MISSING:
            owner.pop(name, None)
        else:
            owner[name] = value
    elif value is MISSING:
        delattr(owner, name)  # what the class has shows again
    else:
        setattr(owner, name, value)


MISSING = object()
