"""Where optimisers, loaders and layers that are there already may have been made: the only line that could be it."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
from collections.abc import Iterator
from types import FrameType
from typing import Any

from pellucid.doctor.observed.places import is_own
from pellucid.doctor.observed.record import Place


class Lines:
    """The file of the user's from which the doctor was called, and the function in it.

    >>> Lines(None).of_call("SGD") is None
    True
    """

    def __init__(self, caller: FrameType | None) -> None:
        self.file = caller.f_code.co_filename if caller is not None else ""
        lines = [line for *_, line in caller.f_code.co_lines() if line] if caller is not None else []
        self.near = range(min(lines, default=0), max(lines, default=0) + 1)

    @functools.cached_property
    def calls(self) -> dict[str, list[int]]:
        """The lines of the calls in the file, by the last part of what is called."""
        found: dict[str, list[int]] = {}
        for node in ast.walk(_tree("".join(linecache.getlines(self.file)))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).split(".")[-1]
                found.setdefault(name, []).append(node.lineno)
        return found

    def of_call(self, name: str) -> Place | None:
        """The line that makes an object of a class, where the function, or else the file, has only one."""
        lines = self.calls.get(name, [])
        lines = [line for line in lines if line in self.near] or lines
        return (self.file, lines[0]) if len(lines) == 1 else None

    def of_layers(self, network: Any) -> Iterator[tuple[Any, Place]]:
        """Each layer of a network with its line, as far as they are known."""
        if not hasattr(network, "named_children"):
            return
        own = {} if is_own(type(network)) else _attributes(type(network))
        for name, layer in network.named_children():
            at = own.get(name) or (self.of_call(type(layer).__name__) if is_own(type(layer)) else None)
            if at is not None:
                yield layer, at
            for inner, below in self.of_layers(layer):
                yield inner, (at or below) if at in own.values() else below


@functools.cache
def _attributes(kind: type) -> dict[str, Place]:
    """The lines of a class on which it sets attributes of its own, by name; those that it sets once."""
    try:
        file, (lines, start) = inspect.getsourcefile(kind), inspect.getsourcelines(kind)
    except (OSError, TypeError):
        return {}
    found: dict[str, list[int]] = {}
    for node in ast.walk(_tree(inspect.cleandoc("\n" + "".join(lines)))):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
                found.setdefault(target.attr, []).append(start + target.lineno - 1)
    return {name: (file or "", at[0]) for name, at in found.items() if len(at) == 1}


def _tree(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module([], [])
