"""The state of a program at the head of a pass, taken down so that the pass can be run again from there.

Objects keep their identity: lists, dicts, sets and the user's objects get their items back, arrays their elements
and shapes, variables their values, random streams their position. What lies outside (a file half read, a generator
half run) stays as it is: whether a pass repeats exactly is tried out, never assumed.
"""

from __future__ import annotations

import random
from collections import deque
from types import CellType
from typing import Any

import numpy as np

from pellucid.doctor.process.paths import LARGEST, LONGEST, Scope, attributes, is_leaf, is_users, set_local, walk
from pellucid.doctor.process.widen import memory_of

MANY = 100_000  # elements, from which on an array is looked at before it is written again
STEP = 211  # of those, every 211th: a prime, so that no row and no column of a matrix is left out

MOST_BEHIND = 5000  # values that no path leads to: the graph of an engine is made anew in each pass


class SavedArray:
    """The elements of an array. A large one, such as all images of a training, is written again only where it differs
    from what it was: a small part of its elements says so."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.values = array.copy()
        self.sample = self._sample()

    def restore(self) -> None:
        if self.sample is None or self._sample() != self.sample:
            self.array[...] = self.values

    def _sample(self) -> bytes | None:
        if self.array.size < MANY or self.array.dtype.hasobject:
            return None
        return self.array.flat[::STEP].tobytes()


def _is_kept(array: np.ndarray) -> bool:
    return array.flags.writeable and array.size <= LARGEST


class SavedState:
    """What `capture` took down; `restore` puts it back, as often as wanted."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        frame = scope.frame
        self.locals = dict(frame.f_locals) if frame is not None and frame.f_code.co_name != "<module>" else {}
        self.globals = {module: dict(names) for module, names in scope.modules.items()}
        self.objects = dict(scope.objects)
        self.arrays: list[SavedArray] = []
        self.shapes: list[tuple[np.ndarray, tuple[int, ...]]] = []  # which a pass may set in place: `row.shape += (1,)`
        self.lists: list[tuple[Any, list[Any]]] = []
        self.dicts: list[tuple[Any, dict[Any, Any]]] = []
        self.sets: list[tuple[Any, Any]] = []
        self.fields: list[tuple[Any, list[tuple[str, Any]]]] = []
        self.cells: list[tuple[CellType, Any]] = []
        self.streams: list[tuple[Any, Any]] = []
        self._take(scope)
        self.legacy = np.random.get_state()  # noqa: NPY002
        self.python = random.getstate()

    def _take(self, scope: Scope) -> None:
        modules = scope.modules.keys()
        values = {id(value): value for _, value in walk(scope, MOST_BEHIND)}
        kept = [value for value in values.values() if isinstance(value, np.ndarray) and _is_kept(value)]
        wholes = {id(memory_of(array)): array for array in kept if array.size == memory_of(array).size}
        for value in values.values():
            if isinstance(value, np.ndarray):
                self.shapes.append((value, value.shape))
                if _is_kept(value) and wholes.get(id(memory_of(value)), value) is value:
                    self.arrays.append(SavedArray(value))
            elif isinstance(value, list):
                if len(value) <= LONGEST or is_leaf(value):
                    self.lists.append((value, list(value)))
            elif isinstance(value, dict):
                if len(value) <= LONGEST:
                    self.dicts.append((value, dict(value)))
            elif isinstance(value, set | deque):
                self.sets.append((value, type(value)(value)))
            elif isinstance(value, CellType):
                try:
                    self.cells.append((value, value.cell_contents))
                except ValueError:
                    continue
            elif isinstance(value, np.random.Generator):
                self.streams.append((value.bit_generator, value.bit_generator.state))
            elif isinstance(value, np.random.RandomState):
                self.streams.append((value, value.get_state()))
            elif isinstance(value, random.Random):
                self.streams.append((value, value.getstate()))
            elif isinstance(value, type):
                if value.__module__ in modules:
                    data = [(k, v) for k, v in vars(value).items() if not k.startswith("__") and not callable(v)]
                    self.fields.append((value, data))
            elif is_users(value, modules) and not isinstance(value, tuple):
                self.fields.append((value, attributes(value)))

    def restore(self) -> None:
        for array, shape in self.shapes:
            if array.shape != shape:
                array.shape = shape
        for array in self.arrays:
            array.restore()
        for items, values in self.lists:
            if len(items) != len(values) or any(a is not b for a, b in zip(items, values, strict=True)):
                items[:] = values
        for names, values in self.dicts:
            names.clear()
            names.update(values)
        for items, values in self.sets:
            items.clear()
            (items.update if isinstance(items, set) else items.extend)(values)
        for owner, values in self.fields:
            own = getattr(owner, "__dict__", None)
            if isinstance(own, dict) and len(own) != len(values):
                for name in own.keys() - {name for name, _ in values}:
                    del own[name]
            for name, value in values:
                if not isinstance(owner, type):
                    object.__setattr__(owner, name, value)
                elif not hasattr(value, "__get__") and vars(owner).get(name) is not value:  # an Enum forbids it
                    setattr(owner, name, value)
        for cell, value in self.cells:
            cell.cell_contents = value
        for stream, position in self.streams:
            if isinstance(stream, np.random.RandomState):
                stream.set_state(position)
            elif isinstance(stream, random.Random):
                stream.setstate(position)
            else:
                stream.state = position
        for module, values in self.globals.items():
            names = self.scope.modules[module]
            for name in names.keys() - values.keys():
                del names[name]
            names.update(values)
        self.scope.objects.update(self.objects)
        for name, value in self.locals.items():
            if self.scope.frame is not None and self.scope.frame.f_locals.get(name) is not value:
                set_local(self.scope.frame, name, value)
        np.random.set_state(self.legacy)  # noqa: NPY002
        random.setstate(self.python)
