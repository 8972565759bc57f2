"""What a compiled function depends on beside its arguments, and what it does beside its results.

A trace holds ops. What Python decided on the way (a branch on `self.training`, a number from a closure) is frozen into
it, so all that the function can reach is listed here: globals and closures by the names in its code, the attributes of
its modules and objects, containers, the hyperparameters of its optimisers. `Surroundings.hold()` compares the list
with what is there now, before each run. The same list, before and after a trace, shows what the function changed in
Python: that a replay would not repeat, so it is refused.
"""

from __future__ import annotations

import dis
import sys
import types
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import Tensor

from .guards import Conditions

ROOT = str(Path(__file__).parent.parent)
_MOST = 20_000
_MANY = 1000  # entries of a container: above, only how many there are is compared
_SCALARS = (int, float, complex, bool, str, bytes, type(None))
SETTINGS = {
    "lr",
    "momentum",
    "betas",
    "eps",
    "weight_decay",
    "alpha",
    "rho",
    "initial_lr",
    "max_lr",
    "min_lr",
    "base_momentum",
    "max_momentum",
}  # fmt: skip  of an optimiser, read anew at each run


class Refused(RuntimeError):
    """The function cannot be compiled, and runs as it is."""


class Surroundings:
    """All that a function reaches: `tensors` by id, `optimizers`, and the entries that must stay as they are."""

    def __init__(self, function: Callable[..., Any], given: tuple[Any, ...] = ()) -> None:
        self.tensors: dict[int, Tensor] = {}
        self.optimizers: list[Any] = []
        self.entries: list[tuple[Any, Any, Any]] = []  # (mapping, key, what it holds)
        self.cells: list[tuple[Any, Any]] = []
        self.sizes: list[tuple[Any, int]] = []
        self.lists: list[tuple[Any, tuple[Any, ...]]] = []
        self.containers: set[int] = set()
        self._seen: dict[int, Any] = {}
        self._codes: set[types.CodeType] = set()
        self._todo: list[Any] = [function]
        while self._todo:
            self._visit(self._todo.pop())
            if len(self._seen) > _MOST:
                raise Refused(f"it reaches more than {_MOST:,} objects; pass what it needs as arguments")
        self._unchanged = self._quick()

    def _quick(self) -> Callable[[], bool]:
        """Whether all is the very same, as one function."""
        conditions = Conditions()
        for mapping, key, value in self.entries:
            conditions.entry(mapping, key, value, value is _ABSENT)
        for cell, value in self.cells:
            conditions.same(f"{conditions.name(cell)}.cell_contents", value)
        for container, size in self.sizes:
            conditions.size(container, size)
        for container, items in self.lists:
            conditions.items(container, items)
        return conditions.function()

    def hold(self) -> bool:
        """Whether all is as it was."""
        return self._unchanged() or self._equal()

    def _equal(self) -> bool:
        """As `hold`, where numbers that are equal may be other objects."""
        for mapping, key, value in self.entries:
            now = mapping.get(key, _ABSENT)
            if now is not value and not _same(now, value):
                return False
        for cell, value in self.cells:
            now = _content(cell)
            if now is not value and not _same(now, value):
                return False
        for container, size in self.sizes:
            if len(container) != size:
                return False
        return all(_alike(container, items) for container, items in self.lists)

    def changed(self) -> str | None:
        """What is not as it was, in words."""
        for mapping, key, value in self.entries:
            now = mapping.get(key, _ABSENT)
            if now is not value and not _same(now, value):
                return f"it sets {key!r}{self._line_that_sets(key)}"
        if any(_content(cell) is not value and not _same(_content(cell), value) for cell, value in self.cells):
            return "it sets a variable of the function around it"
        if any(len(container) != size for container, size in self.sizes) or not self.hold():
            return "it changes a list, a dict or an object that lives on after it"
        return None

    def _line_that_sets(self, name: object) -> str:
        """In which line of the functions a name, an attribute or an entry is set, where it is one line alone."""
        places: set[tuple[str, int | None]] = set()
        for code in self._codes:
            before: object = None  # what was put on Python's stack last
            for instruction in dis.get_instructions(code):
                by_name = instruction.opname in ("STORE_GLOBAL", "STORE_ATTR") and instruction.argval == name
                by_key = instruction.opname == "STORE_SUBSCR" and before == name
                if (by_name or by_key) and instruction.positions and code.co_name != "__init__":  # that is of a new one
                    places.add((code.co_filename, instruction.positions.lineno))
                before = instruction.argval
        return " ({}, line {})".format(*places.pop()) if len(places) == 1 else ""

    # ------------------------------------------------------------------------------------------------- the walk

    def _visit(self, thing: Any) -> None:
        if isinstance(thing, _SCALARS) or id(thing) in self._seen:
            return
        self._seen[id(thing)] = thing
        if isinstance(thing, Tensor):
            self.tensors[id(thing)] = thing
            own = vars(thing)
            for name in ("_requires", "_hooks", "_after_hooks"):
                self.entries.append((own, name, own.get(name, _ABSENT)))
            if own.get("_hooks") or own.get("_after_hooks"):
                raise Refused("a tensor has hooks, which a replay would not call")
        elif isinstance(thing, types.FunctionType):
            self._function(thing)
        elif isinstance(thing, types.MethodType):
            self._todo += [thing.__func__, thing.__self__]
        elif isinstance(thing, partial):
            self._todo += [thing.func, *thing.args, *thing.keywords.values()]
        elif isinstance(thing, type):
            self._class(thing)
        elif isinstance(getattr(thing, "__self__", thing), np.random.Generator | np.random.RandomState):
            raise Refused("it draws numbers from a generator of NumPy, which a replay would not")
        elif isinstance(thing, types.ModuleType | np.ndarray):
            return
        elif isinstance(thing, dict):
            self._mapping(thing)
        elif isinstance(thing, list | tuple | set | frozenset | deque):
            self._container(thing)
        elif hasattr(thing, "param_groups") and hasattr(thing, "state"):
            self._optimizer(thing)
        elif is_schedule(thing):
            self._todo.append(thing.optimizer)
        elif type(thing).__module__.startswith(f"{__package__}."):
            self._todo.append(thing.function)  # compiled: what it has recorded is no part of what it does
        elif hasattr(type(thing), "__next__"):
            raise Refused(f"it reaches a {type(thing).__name__}, an iterator, which a replay would not move on")
        elif isinstance(getattr(thing, "__dict__", None), dict):
            self._object(thing)

    def _function(self, function: types.FunctionType) -> None:
        for cell in function.__closure__ or ():
            content = _content(cell)
            self.cells.append((cell, content))
            self._todo.append(content)
        self._todo += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        if not function.__code__.co_filename.startswith(ROOT):
            self._names(function.__code__, function.__globals__)

    def _names(self, code: types.CodeType, mapping: Mapping[str, Any]) -> None:
        if code in self._codes:
            return
        self._codes.add(code)
        for name in _globals_of(code):
            if name in mapping:
                self._entry(mapping, name, code)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._names(constant, mapping)

    def _entry(self, mapping: Mapping[str, Any], name: str, code: types.CodeType) -> None:
        value = mapping[name]
        if isinstance(value, types.ModuleType):
            if value is np and "random" in code.co_names:
                raise Refused("it draws numbers from numpy.random, which a replay would not")
            file = getattr(value, "__file__", None) or ""
            if file and not file.startswith((ROOT, *LIBRARIES)):
                self._names_of_module(value, code)
            return
        self.entries.append((mapping, name, value))
        self._todo.append(value)

    def _names_of_module(self, module: types.ModuleType, code: types.CodeType) -> None:
        own = vars(module)
        for name in code.co_names:
            if name in own and not isinstance(own[name], types.ModuleType):
                self.entries.append((own, name, own[name]))
                self._todo.append(own[name])

    def _class(self, kind: type) -> None:
        for base in kind.__mro__:
            module = sys.modules.get(base.__module__)
            if (getattr(module, "__file__", None) or "").startswith((ROOT, *LIBRARIES)) or base is object:
                continue
            for name, value in vars(base).items():
                if isinstance(value, types.FunctionType):
                    self._todo.append(value)
                    self.entries.append((vars(base), name, value))
                elif isinstance(value, staticmethod | classmethod):
                    self._todo.append(value.__func__)
                elif isinstance(value, property):
                    self._todo += [each for each in (value.fget, value.fset) if each]
                elif not name.startswith("__"):
                    self._todo.append(value)
                    self.entries.append((vars(base), name, value))

    def _object(self, thing: Any) -> None:
        if any(getattr(thing, name, None) for name in _HOOKS):
            raise Refused(f"{type(thing).__name__} has hooks, which a replay would not call")
        own = vars(thing)
        self.sizes.append((own, len(own)))
        for name, value in own.items():
            if not (name.startswith("_") and isinstance(value, dict) and not value):  # tables of hooks: by their sizes
                self.entries.append((own, name, value))
            self._todo.append(value)
        self._todo.append(type(thing))

    def _mapping(self, thing: dict[Any, Any]) -> None:
        self.containers.add(id(thing))
        self.sizes.append((thing, len(thing)))
        if len(thing) <= _MANY:
            for key, value in thing.items():
                self.entries.append((thing, key, value))
                self._todo.append(value)

    def _container(self, thing: Any) -> None:
        if not isinstance(thing, tuple | frozenset):
            self.containers.add(id(thing))
            self.sizes.append((thing, len(thing)))
        if len(thing) <= _MANY:
            if isinstance(thing, list):
                self.lists.append((thing, tuple(thing)))
            self._todo += list(thing)

    def _optimizer(self, optimizer: Any) -> None:
        self.optimizers.append(optimizer)
        own = vars(optimizer)
        if any(getattr(optimizer, name, None) for name in _HOOKS):
            raise Refused("the optimiser has hooks, which a replay would not call")
        if "step" in own and not hasattr(own["step"], "_wrapped_by_lr_sched"):  # the mark of a schedule stays as it is
            raise Refused("the optimiser has a step() of its own, which a replay would not call")
        for name in ("param_groups", "state", "defaults"):
            if name in own:
                self.entries.append((own, name, own[name]))
        for group in optimizer.param_groups:
            self.sizes.append((group, len(group)))
            self._container(group["params"])
            for name, value in group.items():
                if name != "params" and (name not in SETTINGS or not self._live(optimizer)):
                    self.entries.append((group, name, value))
        self._state(optimizer)
        for name, value in own.items():
            if isinstance(value, _SCALARS):
                self.entries.append((own, name, value))
        self._todo.append(type(optimizer))

    def _live(self, optimizer: Any) -> bool:
        """Whether the hyperparameters are read anew at each run: not where the user's own code reads them."""
        own = type(optimizer).__module__.startswith("pellucid.optim.") and getattr(optimizer, "formula", None)
        return bool(own) and not any("param_groups" in code.co_names for code in self._codes)

    def _state(self, optimizer: Any) -> None:
        state = optimizer.state
        self.sizes.append((state, len(state)))
        for parameter, kept in state.items():
            self.entries.append((state, parameter, kept))
            if isinstance(kept, dict):
                self._mapping(kept)


_ABSENT: Any = object()
_OF_GLOBALS = frozenset(f"{what}_{where}" for what in ("LOAD", "STORE", "DELETE") for where in ("GLOBAL", "NAME"))
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_step_pre_hooks",
          "_step_post_hooks")  # fmt: skip
LIBRARIES = (*{str(Path(np.__file__).parent.parent), str(Path(types.__file__).parent)}, "<frozen ")


def _globals_of(code: types.CodeType) -> set[str]:
    """The global variables that a function's code reads or sets. `co_names` has its attributes, too: a global `step` is
    none of what `optimizer.step()` reaches."""
    return {each.argval for each in dis.get_instructions(code) if each.opname in _OF_GLOBALS}


def is_schedule(thing: Any) -> bool:
    """Whether it is a schedule of an optimiser's learning rate."""
    return hasattr(type(thing), "get_last_lr") and hasattr(thing, "optimizer")


def settings_of(optimizer: Any) -> Any:
    """What of the hyperparameters decides what an update does, beside its numbers: which of them are zero."""
    return [[(name, bool(group[name])) for name in SETTINGS if name in group and name != "betas"]
            for group in optimizer.param_groups]  # fmt: skip


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _ABSENT


def _alike(container: list[Any], items: tuple[Any, ...]) -> bool:
    if len(container) != len(items):
        return False
    return all(a is b or _same(a, b) for a, b in zip(container, items, strict=True))


def _same(now: Any, value: Any) -> bool:
    """Whether two scalars are equal; other things are the same only where they are one."""
    return type(now) is type(value) and isinstance(now, _SCALARS) and (now == value or (now != now and value != value))
