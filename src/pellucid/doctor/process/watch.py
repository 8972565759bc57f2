"""The values of one pass: what the user's functions hold and return, and what is there at the end of the pass.

Each value has a key, (place, name): the function that it was seen in, or "" for the end of the pass. A function that
runs several times gives a series of values, and so does a loop inside the pass, seen at the end of each of its turns.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from types import CodeType, FrameType
from typing import Any

import numpy as np

from pellucid.doctor.process.paths import (
    Group,
    Path,
    Scope,
    as_array,
    attributes,
    groups,
    is_array,
    is_leaf,
    is_number,
    is_users,
    leaves,
    numbers_of_table,
    show,
)

Key = tuple[str, str]

INLINE = ", inline"  # after a function's name: the place of an expression in it


@cache
def _is_comparison(text: str) -> bool:
    try:
        return isinstance(ast.parse(text, mode="eval").body, ast.Compare)
    except SyntaxError:
        return False


def is_margin(key: Key) -> bool:
    """Whether a value is how far something is above a threshold, which decides what a unit says.

    >>> is_margin(("Unit.says, inline", "x @ w > self.theta")), is_margin(("Unit.says, inline", "x @ w"))
    (True, False)
    """
    return key[0].endswith(INLINE) and _is_comparison(key[1])


MOST_TIMES = 2000  # values kept of one series; one that is longer is left out whole
LARGEST = 500_000  # elements of a value that is kept
MOST_ITEMS = 64  # of a list or a dict that is gone through
FEW_ITEMS = 8  # of one that is gone through as a whole at each turn of a loop
CONTAINERS = (list, tuple, dict)


class Watch:
    """Collects while it is on. With `wanted`, only these keys."""

    def __init__(
        self, files: Any, modules: Any, wanted: frozenset[Key] | None = None, known: dict[str, Group] | None = None
    ) -> None:
        self.files, self.modules, self.wanted = files, modules, wanted
        self.known: dict[str, Group] = known or {}
        self.take: Callable[[Any], Any] = as_array  # how a value is kept
        self.places: dict[str, set[str]] | None = None  # by place, the variables that matter
        if wanted is not None:
            self.places = {}
            for place, name in wanted:
                self.places.setdefault(place, set()).add(re.split(r"[.\[]", name, maxsplit=1)[0])
        self.times: dict[str, int] = {}
        self.series: dict[Key, list[np.ndarray]] = {}
        self.lines: dict[Key, tuple[str, int]] = {}
        self.order: list[Key] = []
        self.engines = _engines(modules)
        self.too_long: set[Key] = set()
        self.held: dict[Key, tuple[Any, np.ndarray]] = {}  # what was seen at the latest turn of a loop, and taken of it
        self.items: dict[Key, dict[Any, Any]] = {}  # the items of a long list or dict at the latest turn of a loop
        self.left: dict[CodeType, int] = {}  # how often each function is still looked at

    # While the pass runs ----------------------------------------------------------------------------------------

    def start(self) -> None:
        if self.places is None or self.places.keys() != {""}:
            sys.settrace(self.call)

    def stop(self) -> None:
        sys.settrace(None)

    def call(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        left = self.left.get(code)
        if left is None:
            left = self.left[code] = MOST_TIMES + 2 if self._looks_at(code) else 0
        if left <= 0:
            return None
        self.left[code] = left - 1
        frame.f_trace_lines = False
        return self._event

    def _looks_at(self, code: CodeType) -> bool:
        if code.co_filename not in self.files or (self.places is not None and code.co_qualname not in self.places):
            return False
        return code.co_qualname.partition(".")[0] not in self.engines

    def _event(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "return":
            place = frame.f_code.co_qualname
            if frame.f_code.co_name not in ("<module>", "<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>"):
                self._look(place, frame)
            self._keep(place, "return", arg, frame)
        return self._event

    def value(self, text: str, value: Any, frame: FrameType) -> None:
        """The value of an expression, by how it is written."""
        place = frame.f_code.co_qualname + INLINE
        wanted = self.places is None or place in self.places
        if wanted and is_leaf(value) and place.partition(".")[0] not in self.engines:
            self._keep(place, text, value, frame)

    def margin(self, text: str, left: Any, right: Any, comparison: str, frame: FrameType) -> None:
        """How far what is compared is above what it is compared with, where it has to be above; or below."""
        if (is_number(left) or is_array(left)) and (is_number(right) or is_array(right)):
            with np.errstate(all="ignore"), suppress(ValueError):
                self.value(text, left - right if ">" in comparison else right - left, frame)

    def turn(self, number: int, frame: FrameType) -> None:
        """The end of a turn of a loop inside the pass."""
        place = f"loop {number}"
        if (self.places is None or place in self.places) and frame.f_code.co_qualname.partition(".")[
            0
        ] not in self.engines:
            self._look(place, frame, True)

    def _look(self, place: str, frame: FrameType, turn: bool = False) -> None:
        times = self.times[place] = self.times.get(place, 0) + 1
        if times > MOST_TIMES + 1:
            return
        wanted = None if self.places is None else self.places[place]
        for name, value in list(frame.f_locals.items()):
            if (wanted is None or name in wanted) and not name.startswith("__"):
                self._keep(place, name, value, frame, turn)

    def _keep(self, place: str, name: str, value: Any, frame: FrameType, turn: bool = False) -> None:
        many = turn and isinstance(value, CONTAINERS) and len(value) > FEW_ITEMS
        for label, leaf in self._fresh(place, name, value) if many else _parts(name, value, self.modules):
            key = (place, label)
            if (self.wanted is not None and key not in self.wanted) or _size(leaf) > LARGEST:
                continue
            series = self.series.get(key)
            if series is None:
                if len(self.series) > 3000:
                    return
                series = self.series[key] = []
                self.lines[key] = (frame.f_code.co_filename, frame.f_lineno)
            if len(series) >= MOST_TIMES:
                self.too_long.add(key)
            else:
                series.append(self._of_turn(key, leaf) if turn and self.take is as_array else self.take(leaf))

    def _of_turn(self, key: Key, leaf: Any) -> np.ndarray:
        """A value at the end of a turn. One that is what it was a turn ago, such as all the inputs, is not copied."""
        before = self.held.get(key)
        if before is not None and before[0] is leaf and (type(leaf) is float or _is_still(leaf, before[1])):
            return before[1]
        taken = as_array(leaf)
        self.held[key] = leaf, taken
        return taken

    def _fresh(self, place: str, name: str, value: Any) -> Iterator[tuple[str, Any]]:
        """Of a list or a dict that each turn of a loop adds an item to, what this turn gave it."""
        if len(value) > MOST_ITEMS:
            return
        now = dict(value) if isinstance(value, dict) else dict(enumerate(value))
        before = self.items.get((place, name), {})
        self.items[place, name] = now
        for key, item in now.items():
            if before.get(key, now) is not item:
                yield from _parts(f"{name}[{key!r}]", item, self.modules, 1)

    # At its end -------------------------------------------------------------------------------------------------

    def finish(self, scope: Scope) -> None:
        """Take down what can be reached at the end of the pass."""
        for key in self.too_long:
            self.series.pop(key, None)
        if self.wanted is None:
            found = leaves(scope, rows=False)
            for name, group in groups(found).items():
                if group.size <= LARGEST:
                    self._end(name, group.read(scope).reshape(group.shape))
            for path, value in found.items():
                if isinstance(value, list) and len(path) <= 3:
                    self._end(show(path) + "[-1]", np.array(float(value[-1])))
                elif len(path) == 2 and path[-1] == ("item", 0) and isinstance(value, np.ndarray):
                    self._last(scope, path[:-1])
            self.known = groups(found)
            return
        for _, name in (key for key in self.wanted if key[0] == ""):
            try:
                self._end(name, self._fetch(scope, name))
            except (LookupError, AttributeError, TypeError, ValueError):
                continue

    def _end(self, name: str, value: np.ndarray) -> None:
        self.series["", name] = [value]

    def _last(self, scope: Scope, path: Path) -> None:
        """The last of a list of arrays: of outputs over the steps of a sequence, say, which one pass has more of than
        another."""
        items = scope.get(path)
        if isinstance(items, list) and is_array(items[-1]) and items[-1].size <= LARGEST:
            self._end(show(path) + "[-1]", as_array(items[-1]))

    def _fetch(self, scope: Scope, name: str) -> np.ndarray:
        """A value at the end of the pass, by the name that it had when everything was taken down."""
        group = self.known.get(name)
        if group is None:
            of_list = name.removesuffix("[-1]")
            known = self.known.get(of_list)
            path = known.paths[0] if known is not None else self.known[f"{of_list}[0]"].paths[0][:-1]
            return self.take(scope.get(path)[-1])
        values = [self.take(scope.get(path)) for path in group.paths]
        if len(values) == 1:
            return values[0]
        return np.stack(values) if len(set(group.sizes)) == 1 else np.concatenate([v.reshape(-1) for v in values])


def _engines(modules: Any) -> set[str]:
    """Classes of values that carry their gradient: thousands of their methods run in a pass; none is the loss."""
    found: set[str] = set()
    for names in modules.values():
        for name, kind in list(names.items()):
            if isinstance(kind, type) and kind.__module__ in modules and hasattr(kind, "backward"):
                code = getattr(kind.__init__, "__code__", None)
                if code is not None and {"grad", "data"} & set(code.co_names) and hasattr(kind, "__add__"):
                    found.add(name)
    return found


def _size(leaf: Any) -> int:
    return leaf.size if isinstance(leaf, np.ndarray) else np.size(leaf)


def _is_still(leaf: Any, taken: np.ndarray) -> bool:
    """Whether an array holds what was taken of it."""
    return isinstance(leaf, np.ndarray) and leaf.shape == taken.shape and bool((leaf == taken).all())


def _parts(name: str, value: Any, modules: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The numbers and arrays of a value: itself, or the items of a tuple, a list, a dict, the data of an object."""
    if is_leaf(value):
        yield name, value
    elif (held := numbers_of_table(value)) is not None:
        yield name, held
    elif depth < 2:
        if isinstance(value, tuple | list) and len(value) <= MOST_ITEMS:
            for i, item in enumerate(value):
                yield from _parts(f"{name}[{i}]", item, modules, depth + 1)
        elif isinstance(value, dict) and len(value) <= MOST_ITEMS:
            for key, item in list(value.items()):
                yield from _parts(f"{name}[{key!r}]", item, modules, depth + 1)
        elif is_users(value, modules) and depth == 0:
            for label, item in attributes(value):
                if is_leaf(item) and label in ("data", "value", "val", "grad"):
                    yield f"{name}.{label}", item
