"""The loops of the user's program around a call, `for epoch in range(20)`, and how one of them is made longer."""

from __future__ import annotations

import ast
import builtins
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pellucid.doctor.sources import text_of
from pellucid.errors import in_package, user_frame

from .record import Place


def around() -> list[Place]:
    """The lines with the `range(…)` of each loop that is running where this was called from, the outermost first."""
    found: list[Place] = []
    frame = user_frame()
    while frame is not None:
        if not in_package(frame):
            file, line = frame.f_code.co_filename, frame.f_lineno
            found = [*((file, at) for at, first, last in _loops(file) if first <= line <= last), *found]
        frame = frame.f_back
    return found


def longer(place: Place, times: int, at_work: Callable[[], bool]) -> Callable[..., range]:
    """A `range` that goes as many times as far where it is called in a line, and is the usual one elsewhere, or as long
    as it is not at work."""
    usual = builtins.range

    @functools.wraps(usual, updated=())
    def made(*given: Any) -> range:
        plain = usual(*given)
        frame = sys._getframe(1)
        if frame.f_lineno != place[1] or frame.f_code.co_filename != place[0] or not at_work():
            return plain
        return usual(plain.start, plain.start + times * len(plain) * plain.step, plain.step)

    return made


@functools.cache
def _loops(file: str) -> list[tuple[int, int, int]]:
    """By loop over a `range(…)`, the outer ones first: the line of that, and the first and the last of its body."""
    try:
        tree = ast.parse(text_of(Path(file)))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return []
    found: list[tuple[int, int, int]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.For):
            continue
        ranges = [
            n for n in ast.walk(node.iter) if isinstance(n, ast.Call) and ast.unparse(n.func) == "range" and n.args
        ]
        if ranges:
            found.append((ranges[0].lineno, node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno))
    return sorted(found, key=lambda loop: (loop[1], -loop[2]))


def left_at_once(place: Place | None) -> Place | None:
    """The `return` or `break` that ends the loop around a line in its first round, as where it stands too far in."""
    if place is None:
        return None
    try:
        tree = ast.parse(text_of(Path(place[0])))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return None
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.While)]
    inside = [n for n in loops if n.body[0].lineno <= place[1] <= (n.body[-1].end_lineno or 0)]
    innermost = max(inside, key=lambda loop: loop.lineno, default=None)
    ends = [] if innermost is None else [s for s in innermost.body if isinstance(s, ast.Return | ast.Break)]
    return (place[0], ends[0].lineno) if ends else None
