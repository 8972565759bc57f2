"""What a function can see: the globals that it and its helpers name, closures, defaults, attributes of its objects."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

MOST = 2000  # places that are looked at


@dataclass
class ReadVariable:
    """A variable that a program reads: what it holds, and how to put something else there."""

    name: str
    value: Any
    put: Callable[[Any], None]


def surroundings(*functions: Any) -> Iterator[ReadVariable]:
    """Every variable outside `functions` that they or the user's functions and classes behind them can read."""
    seen: set[int] = set()
    todo = list(functions)
    count = 0
    while todo:
        owner = todo.pop()
        if id(owner) in seen:
            continue
        seen.add(id(owner))
        for place in _places(owner):
            count += 1
            if count > MOST:
                return
            yield place
            if _leads_on(place.value):
                todo.append(place.value)


def _leads_on(value: Any) -> bool:
    """Whether there is more of the user's to be seen behind a value: not behind NumPy's, nor Python's own."""
    if isinstance(value, list | tuple | dict):
        return len(value) <= 50
    owner = value if isinstance(value, ModuleType | type | FunctionType) else type(value)
    module = owner.__name__ if isinstance(owner, ModuleType) else getattr(owner, "__module__", "") or ""
    root = module.partition(".")[0]
    return root not in sys.stdlib_module_names | {"numpy", "scipy", "pellucid"} or root == "__main__"


def _places(owner: Any) -> Iterator[ReadVariable]:
    if isinstance(owner, MethodType):
        yield ReadVariable("self", owner.__self__, lambda value: None)
        owner = owner.__func__
    if isinstance(owner, FunctionType):
        yield from _of_function(owner)
    elif isinstance(owner, dict):
        yield from (
            ReadVariable(str(k), v, lambda value, k=k: owner.__setitem__(k, value)) for k, v in list(owner.items())
        )
    elif isinstance(owner, list):
        yield from (
            ReadVariable(str(i), v, lambda value, i=i: owner.__setitem__(i, value)) for i, v in enumerate(owner)
        )
    elif isinstance(owner, tuple):
        yield from (ReadVariable(str(i), v, lambda value: None) for i, v in enumerate(owner))
    elif hasattr(owner, "__dict__"):
        if not isinstance(owner, type | ModuleType):
            yield ReadVariable("type", type(owner), lambda value: None)
        for name, value in list(vars(owner).items()):
            inner = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            inner = inner.fget if isinstance(inner, property) else inner
            if not name.startswith("__") or isinstance(inner, FunctionType):
                settable = inner is value
                yield ReadVariable(name, inner, lambda v, n=name, s=settable: setattr(owner, n, v) if s else None)


def _of_function(function: FunctionType) -> Iterator[ReadVariable]:
    names: set[str] = set()
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [inner for inner in code.co_consts if hasattr(inner, "co_names")]
    space = function.__globals__
    for name in sorted(names & space.keys()):
        yield ReadVariable(name, space[name], lambda value, name=name: space.__setitem__(name, value))
    cells: tuple[CellType, ...] = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            yield ReadVariable(name, cell.cell_contents, lambda value, cell=cell: setattr(cell, "cell_contents", value))
        except ValueError:  # not yet filled
            continue
    defaults = function.__defaults__ or ()
    for index, value in enumerate(defaults):
        yield ReadVariable(f"default {index}", value, lambda value, index=index: _set_default(function, index, value))


def _set_default(function: FunctionType, index: int, value: Any) -> None:
    defaults = list(function.__defaults__ or ())
    defaults[index] = value
    function.__defaults__ = tuple(defaults)


@contextmanager
def replaced(replacement: Callable[[Any], Any], *functions: Any) -> Iterator[None]:
    """For the length of a `with`, what the functions can see is what `replacement` makes of it (None: as it was)."""
    changed: list[ReadVariable] = []
    try:
        for place in list(surroundings(*functions)):
            new = replacement(place.value)
            if new is not None:
                place.put(new)
                changed.append(place)
        yield
    finally:
        for place in reversed(changed):
            with suppress(IndexError, KeyError, AttributeError):  # gone in the meantime
                place.put(place.value)
