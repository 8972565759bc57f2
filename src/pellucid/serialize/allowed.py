"""`torch.serialization.add_safe_globals`: the classes and functions that a program lets its files name.

A file is read by a machine that knows a handful of names (`reader`). What a program adds here is known to it as well:
then, and only then, an object of such a class is made, and its own `__setstate__` is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "safe_globals"]

Allowed = Callable[..., Any] | tuple[Callable[..., Any], str]

_allowed: list[Allowed] = []


def name_of(allowed: Allowed) -> str:
    """The name by which a file asks for it."""
    if isinstance(allowed, tuple):
        return allowed[1]
    return f"{allowed.__module__}.{allowed.__qualname__}"


def find(module: str, name: str) -> Any:
    """What was allowed by that name; None if nothing was."""
    for allowed in _allowed:
        if name_of(allowed) == f"{module}.{name}":
            return allowed[0] if isinstance(allowed, tuple) else allowed
    return None


def add_safe_globals(safe_globals: list[Allowed]) -> None:
    """Let `load` make objects of these classes, and call these functions; with a text beside it, by that name.

    >>> import argparse, io, pellucid
    >>> file = io.BytesIO()
    >>> pellucid.save(argparse.Namespace(lr=0.1), file)
    >>> add_safe_globals([argparse.Namespace])
    >>> _ = file.seek(0)
    >>> pellucid.load(file)
    Namespace(lr=0.1)
    >>> clear_safe_globals()
    """
    _allowed.extend(entry for entry in safe_globals if entry not in _allowed)


def get_safe_globals() -> list[Allowed]:
    """What was allowed so far."""
    return list(_allowed)


def clear_safe_globals() -> None:
    """Allow nothing any more but tensors and plain data."""
    _allowed.clear()


class safe_globals:
    """A block in which these are allowed besides."""

    def __init__(self, safe_globals: list[Allowed]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        self._before = list(_allowed)
        add_safe_globals(self.safe_globals)

    def __exit__(self, *error: object) -> None:
        _allowed[:] = self._before
