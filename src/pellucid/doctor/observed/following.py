"""A program followed line by line, up to its first update: which numbers its variables held, and since which line."""

from __future__ import annotations

import ast
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.doctor.sources import is_own, text_of
from pellucid.nn import Module

from .arrays import array_of
from .record import Place

OFTEN = 12  # times that a line is looked at as it runs; what it does in a longer loop is looked at behind that
FEW, WIDE = 8, 64  # things that a list holds, each looked at by itself; columns of a table
LARGEST, SAMPLE = 4_000_000, 1 << 18  # numbers of a list that are put together, and of an array that are compared
ITEMS = 4096  # rows that a data set gave, one by one
SECONDS = 4.0  # of its own work, after which nothing more is followed


@dataclass
class Made:
    """Numbers that were there for the first time.

    Attributes:
        at: the line that made them.
        named: the line by which a variable held them, where a function gave them back before.
        born: they are not finite, and nothing that the line names was so before.
    """

    at: Place
    values: np.ndarray
    named: Place | None = None
    born: bool = False


@dataclass(frozen=True)
class Statement:
    """A statement, or the head of a compound one: what it may change, what it names, and the loop that it is in."""

    line: int
    changes: frozenset[str]
    names: frozenset[str]
    loop: range


@dataclass
class Follower:
    """Follows the files of a program that lies in a folder, from `start` to `stop`."""

    root: Path
    made: list[Made] = field(default_factory=list)  # in their order
    items: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)  # index, row and label of a data set
    grown: dict[int, Place] = field(default_factory=dict)  # the lines that lists grew by, by their ids
    _known: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _lengths: dict[int, tuple[list[Any], int]] = field(default_factory=dict)
    _own: dict[CodeType, bool] = field(default_factory=dict)
    _spent: float = 0.0
    _before: Any = None  # what followed the lines until then, as a debugger does

    def start(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self._called)

    def stop(self) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        own = self._own.get(code)
        if own is None:
            own = code.co_name == "<module>" or not code.co_name.startswith("<")
            own = self._own[code] = own and is_own(code.co_filename, self.root)
        if not own or self._spent > SECONDS:
            return None
        if code.co_name != "__init__" and isinstance(frame.f_locals.get(next(iter(code.co_varnames), "")), Module):
            return None  # what a network computes
        return _Frame(self, frame).trace

    def enter(self, value: Any, at: Place, given_back: bool = False, clean: bool = True) -> bool:
        """Note what is new of a value. Whether some of it is not finite, and was so before it came here."""
        began, bad = time.perf_counter(), False
        for part, line in self._parts(value, at):
            key = _key(part)
            finite = _is_finite(part)
            if key not in self._known:
                self._known[key] = len(self.made)
                born = not finite and clean
                self.made.append(Made(line, part.copy(), None if given_back else line, born))
            else:
                before = self.made[self._known[key]]
                bad |= not finite and before.at != line
                before.named = before.named or (None if given_back else at)
        self._spent += time.perf_counter() - began
        return bad

    def _parts(self, value: Any, at: Place, depth: int = 0) -> Iterator[tuple[np.ndarray, Place]]:
        """The arrays of numbers that a value is, or holds, with the lines that they are made in."""
        array = _array(value)
        if array is not None:
            if array.dtype.kind in "biuf" and array.ndim and array.size > 1:
                yield array, at
        elif isinstance(value, list | tuple) and len(value) and depth < 3:
            yield from self._of_list(value, self._line_of(value, at), depth)
        elif isinstance(value, dict) and depth < 2:
            for inner in list(value.values())[:WIDE]:
                yield from self._parts(inner, at, depth + 1)
        elif type(value).__name__ == "DataFrame":
            for column in list(value)[:WIDE]:
                yield from self._parts(value[column], at, depth + 1)
        elif depth < 2 and not isinstance(value, Module | type) and _is_of_program(value, self.root):
            for inner in list(getattr(value, "__dict__", {}).values())[:WIDE]:
                yield from self._parts(inner, at, depth + 1)

    def _of_list(self, value: Any, at: Place, depth: int) -> Iterator[tuple[np.ndarray, Place]]:
        """The arrays that a list holds, and what they are together, as of numbers, of rows, and of pairs of both."""
        whole = _together(value) if len(value) > 1 else None
        if whole is not None:
            yield whole, at
        if len(value) <= FEW and not isinstance(value[0], int | float):
            for inner in value:
                yield from self._parts(inner, at, depth + 1)
        elif whole is None and all(isinstance(row, list | tuple) and len(row) == len(value[0]) for row in value):
            for column in list(zip(*value, strict=True))[:FEW]:
                yield from self._parts(list(column), at, depth + 2)

    def _line_of(self, value: Any, at: Place) -> Place:
        """The line that put something into a list first; of what is not filled one by one, this one."""
        if not isinstance(value, list):
            return at
        _, before = self._lengths.get(id(value), (value, len(value)))
        if len(value) > before:
            self.grown.setdefault(id(value), at)
        self._lengths[id(value)] = value, len(value)
        return self.grown.get(id(value), at)

    def watch(self, value: Any, at: Place) -> None:
        """Note which lists of a value are there, and are empty."""
        for inner in [value, *list(getattr(value, "__dict__", {}).values())[:WIDE]]:
            if isinstance(inner, list):
                self._line_of(inner, at)

    def item(self, frame: FrameType, given: Any) -> None:
        """A row and its label, which a data set of the program's gave."""
        names = frame.f_code.co_varnames
        index = frame.f_locals.get(names[1]) if len(names) > 1 else None
        if (
            isinstance(given, tuple | list)
            and len(given) > 1
            and isinstance(index, int | np.integer)
            and len(self.items) < ITEMS
        ):
            row, label = (np.asarray(v) if _array(v) is None else _array(v) for v in (given[0], given[-1]))
            if row is not None and label is not None and {row.dtype.kind, label.dtype.kind} <= set("biuf"):
                self.items.append((int(index), row.copy(), label.copy()))


class _Frame:
    """A function that runs, or the program itself."""

    def __init__(self, follower: Follower, frame: FrameType) -> None:
        self.follower, self.file = follower, frame.f_code.co_filename
        self.last, self.times = 0, Counter[int]()
        self.later: dict[int, Statement] = {}  # lines of loops that are not over
        self.bad: set[str] = set()  # variables that hold what is not finite
        code, caller = frame.f_code, frame.f_back
        if code.co_name != "<module>" and caller is not None:
            at = (caller.f_code.co_filename, caller.f_lineno)
            for name in code.co_varnames[: code.co_argcount]:
                value = frame.f_locals.get(name)
                if is_own(at[0], follower.root) and name != "self":
                    follower.enter(value, at)
                if any(not _is_finite(part) for part, _ in follower._parts(value, at)):
                    self.bad.add(name)

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._ran(frame, self.last)
            self.last = frame.f_lineno
            for line, statement in list(self.later.items()):
                if self.last not in statement.loop:
                    del self.later[line]
                    self._look(frame, statement)
        elif event == "return":
            self._ran(frame, self.last)
            for statement in self.later.values():
                self._look(frame, statement)
            self.later = {}
            self._returns(frame, argument)
        return self.trace

    def _returns(self, frame: FrameType, argument: Any) -> None:
        if argument is None:
            return
        if frame.f_code.co_name == "__getitem__":
            self.follower.item(frame, argument)
        statement = _statements(self.file).get(self.last)
        line = self.last if statement is None else statement.line
        clean = statement is None or not statement.names & self.bad
        self.follower.enter(argument, (self.file, line), given_back=True, clean=clean)

    def _ran(self, frame: FrameType, line: int) -> None:
        """A line has run."""
        statement = _statements(self.file).get(line)
        if statement is None or not statement.changes:
            return
        self.times[line] += 1
        if self.times[line] > OFTEN and statement.loop:
            self.later[line] = statement
        else:
            self._look(frame, statement)

    def _look(self, frame: FrameType, statement: Statement) -> None:
        at, held = (self.file, statement.line), frame.f_locals
        clean = not statement.names & self.bad
        for name in statement.changes:
            value = held.get(name)
            if value is None:
                continue
            self.follower.watch(value, at)
            self.follower.enter(value, at, clean=clean)
            if any(not _is_finite(part) for part, _ in self.follower._parts(value, at)):
                self.bad.add(name)
            else:
                self.bad.discard(name)


def _array(value: Any) -> np.ndarray | None:
    """An array, a tensor or a column as an array; None of anything else."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, Tensor):
        return array_of(value)
    if type(value).__name__ in ("Series", "Index"):
        given = value.to_numpy()
        return given if isinstance(given, np.ndarray) else None
    return None


def _together(values: list[Any] | tuple[Any, ...]) -> np.ndarray | None:
    """Numbers, or arrays of one shape, as one array."""
    first = values[0]
    if isinstance(first, int | float | np.generic):
        if not all(isinstance(value, int | float | np.generic) for value in values):
            return None
        found = np.asarray(values)
        return found if found.dtype.kind in "biuf" else None
    start = _array(first)
    if start is None or start.dtype.kind not in "biuf" or start.size * len(values) > LARGEST:
        return None
    arrays = [_array(value) for value in values]
    if any(array is None or array.shape != start.shape for array in arrays):
        return None
    return np.stack([array for array in arrays if array is not None])


def _is_finite(array: np.ndarray) -> bool:
    return array.dtype.kind != "f" or bool(np.isfinite(array.sum()) or np.isfinite(array).all())


def _key(array: np.ndarray) -> tuple[Any, ...]:
    """What tells the numbers of one array from those of another."""
    flat = np.ascontiguousarray(array).reshape(-1)
    some = flat[:: max(flat.size // SAMPLE, 1)]
    return array.shape, array.dtype.str, zlib.crc32(some.tobytes())


@cache
def _file_of(kind: type[Any]) -> str:
    return str(getattr(sys.modules.get(kind.__module__), "__file__", None) or "")


def _is_of_program(value: Any, root: Path) -> bool:
    """Whether a value is an object of a class of the program's."""
    kind = type(value)
    return hasattr(value, "__dict__") and (kind.__module__ == "__main__" or is_own(_file_of(kind), root))


@cache
def _statements(file: str) -> dict[int, Statement]:
    """The statements of a file, by each of their lines."""
    found: dict[int, Statement] = {}
    try:
        tree = ast.parse(text_of(Path(file)))
    except (OSError, SyntaxError, ValueError):
        return found
    loops = [
        range(n.lineno, (n.end_lineno or n.lineno) + 1) for n in ast.walk(tree) if isinstance(n, ast.For | ast.While)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Return):
            around = max((loop for loop in loops if node.lineno in loop), key=len, default=range(0))
            named = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            statement = Statement(node.lineno, frozenset(_changed(node)), frozenset(named), around)
            found |= dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), statement)
    return found


def _changed(node: ast.stmt) -> set[str]:
    """The variables that a statement gives a value, or whose values it may change."""
    targets: list[ast.AST] = []
    if isinstance(node, ast.Assign):
        targets = list(node.targets)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    elif isinstance(node, ast.Expr):
        targets = [node.value]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
