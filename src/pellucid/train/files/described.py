"""An object in a line: what a checkpoint compares, and how a callback prints."""

from __future__ import annotations

import functools
import inspect

from pellucid.core import Tensor

ANONYMOUS = "a function without a name of its own"  # which may be the same as any other


def describe(thing: object) -> str:
    """An object by its class and those arguments of its constructor that it keeps; a function by its name.

    >>> from pellucid import nn
    >>> describe(nn.LeakyReLU(0.2))
    'LeakyReLU(negative_slope=0.2, inplace=False)'
    >>> describe(functools.partial(max, default=3))
    'max(default=3)'
    """
    if isinstance(thing, functools.partial):
        options = [_value(item) for item in thing.args] + [f"{k}={_value(v)}" for k, v in thing.keywords.items()]
        return f"{describe(thing.func)}({', '.join(options)})"
    if inspect.isroutine(thing) or isinstance(thing, type):
        name = getattr(thing, "__qualname__", repr(thing))
        return ANONYMOUS if "<" in name else name
    options: list[str] = []
    for name in _arguments(type(thing)):
        value = vars(thing).get(name, _ABSENT) if hasattr(thing, "__dict__") else _ABSENT
        if value is not _ABSENT and (text := _value(value)):
            options.append(f"{name}={text}")
    return f"{type(thing).__name__}({', '.join(options)})"


_ABSENT = object()


@functools.cache
def _arguments(cls: type) -> list[str]:
    try:
        return list(inspect.signature(cls).parameters)
    except (TypeError, ValueError):  # one that is written in C
        return []


def _value(value: object) -> str:
    """A setting as text; "" for what is none, such as a layer, which is described on its own."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, Tensor):
        return f"tensor{tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(_value, value))})"
    if inspect.isroutine(value):
        return getattr(value, "__qualname__", "")
    return ""
