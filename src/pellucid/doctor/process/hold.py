"""Parameters held fast within a pass: what the program changes is noted with its line, and put back at once.

So everything in the pass is computed at the parameters that it began with: a loss that is computed after the update is
that of the parameters before it, and a gradient that was computed with weights updated too early comes out right.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

from pellucid.doctor.process.paths import Group, Path, Scope, as_array, store


class Hold:
    """Looks at the parameters before each line of the user's program.

    Attributes:
        moved: by parameter, the sum of all changes that were put back.
        lines: by parameter, the lines after which it had changed, in order.
    """

    def __init__(self, scope: Scope, groups: dict[str, Group], files: Any, inner: Any = None) -> None:
        self.scope, self.groups, self.files, self.inner = scope, groups, files, inner
        self.held: dict[str, list[Any]] = {}
        self.places: dict[str, list[tuple[Any, Any]]] = {}  # the object that holds a value, and the step to it
        for name, group in groups.items():
            self.places[name] = [(_owner(scope, path), path[-1]) for path in group.paths]
            values = [scope.get(path) for path in group.paths]
            self.held[name] = [v if isinstance(v, float) else as_array(v) for v in values]
        self.late = False  # its time was up
        self.until = time.monotonic() + LONGEST
        self.moved = {name: np.zeros(group.size) for name, group in groups.items()}
        self.lines: dict[str, list[tuple[str, int]]] = {name: [] for name in groups}
        self.last: tuple[str, int] = ("", 0)

    def start(self) -> None:
        frame = self.scope.frame
        if frame is not None:
            frame.f_trace = self._local(None)
        sys.settrace(self._call)

    def stop(self) -> None:
        sys.settrace(None)
        if self.scope.frame is not None:
            self.scope.frame.f_trace = None
        self.check()

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename not in self.files:
            return None
        inner = self.inner(frame, event, arg) if self.inner is not None else None
        frame.f_trace_lines = True
        return self._local(inner)

    def _local(self, inner: Callable[..., Any] | None) -> Callable[..., Any]:
        def trace(frame: FrameType, event: str, arg: Any) -> Any:
            if event in ("line", "return"):
                self.check()
                self.last = (frame.f_code.co_filename, frame.f_lineno)
            if event == "return" and inner is not None:
                inner(frame, event, arg)
            return trace

        return trace

    def check(self) -> None:
        """Put back what has changed since the last line."""
        if self.late:
            return
        if time.monotonic() > self.until:
            self.late = True
            return
        for name, group in self.groups.items():
            start = 0
            self._follow(name, group)
            for path, place, size, held in zip(
                group.paths, self.places[name], group.sizes, self.held[name], strict=True
            ):
                try:
                    now = _value(self.scope, path, place)
                except (LookupError, AttributeError, TypeError, ValueError):
                    now = held
                if now is not held and not _equal(now, held):
                    self.moved[name][start : start + size] += np.ravel(as_array(now) - held)
                    if self.last not in self.lines[name]:
                        self.lines[name].append(self.last)
                    store(self.scope, path, np.asarray(held))
                start += size

    def _follow(self, name: str, group: Group) -> None:
        """Look for the values anew where the list or the object that holds them has been replaced by another."""
        try:
            owner = _owner(self.scope, group.paths[0])
            if owner is not self.places[name][0][0]:
                self.places[name] = [(_owner(self.scope, path), path[-1]) for path in group.paths]
        except (LookupError, AttributeError, TypeError):
            return


LONGEST = 1.5  # seconds of one pass, after which the values are let go


def _owner(scope: Scope, path: Path) -> Any:
    owner = scope.get(path[:-1]) if len(path) > 1 else None
    return None if isinstance(owner, tuple) else owner


def _value(scope: Scope, path: Path, place: tuple[Any, Any]) -> Any:
    owner, (kind, key) = place
    if owner is None:
        return scope.get(path)
    return getattr(owner, key) if kind == "attr" else owner[key]


def _equal(now: Any, held: Any) -> bool:
    if isinstance(now, float) and isinstance(held, float):
        return now == held
    return np.shape(now) != np.shape(held) or np.array_equal(now, held, equal_nan=True)
