"""What a module prints: PyTorch's text, from the names of its constructor's arguments."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from ...core import Tensor

Module = Any  # `module.Module`, which is above this file


def options_text(module: Module) -> str:
    """What is printed between the brackets of a layer, from the class attribute ``_shown``.

    It names attributes: ``size`` prints the value alone, ``size=`` prints size=3, ``size=!r`` the value's repr, and
    ``size?`` prints size=3 if that is not what the constructor has by default. A parameter prints whether it is there.
    """
    parts: list[str] = []
    for name, mark, default in _entries(type(module)):
        value = getattr(module, name)
        if name in module._parameters or isinstance(value, Tensor):
            value = value is not None
        usual = value == default or (isinstance(value, tuple) and value == (default,) * len(value))
        if mark == "?" and usual:
            continue
        parts.append(str(value) if not mark else f"{name}={value!r}" if mark == "=!r" else f"{name}={value}")
    return ", ".join(parts)


@functools.cache
def _entries(kind: type[Any]) -> list[tuple[str, str, Any]]:
    """(Name, mark, default) for each word of ``_shown``; the default is that of the class that declares it."""
    owner = next(base for base in kind.__mro__ if "_shown" in vars(base))
    arguments = inspect.signature(owner).parameters
    entries: list[tuple[str, str, Any]] = []
    for word in kind._shown.split():
        name = word.rstrip("=!r?") if word.endswith("=!r") else word.rstrip("=?")
        argument = arguments.get(name)
        entries.append((name, word[len(name) :], None if argument is None else argument.default))
    return entries


def module_text(module: Module) -> str:
    """The module, its options and its children, each on a line."""
    extra = module.extra_repr()
    lines = extra.split("\n") if extra else []
    children = [f"({name}): {indent(repr(child))}" for name, child in module._modules.items()]
    if len(lines) == 1 and not children:
        return f"{module._get_name()}({lines[0]})"
    if not lines and not children:
        return f"{module._get_name()}()"
    return module._get_name() + "(\n  " + "\n  ".join(lines + children) + "\n)"


def indent(text: str) -> str:
    """The lines but the first two columns to the right; blank ones stay empty."""
    first, *rest = text.split("\n")
    return "\n".join([first, *("  " + line if line.strip() else "" for line in rest)])
