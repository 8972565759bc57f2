"""Errors that a program catches, and passes over: they may be why nothing is trained."""

from __future__ import annotations

import ast
import re
import sys
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pellucid.doctor.misfit import misfit

CAUGHT = "__pellucid_caught__"
OFTEN = 3  # times
MOST = 2000  # that are taken down: a program may catch one for each of its words


class Told(ast.NodeTransformer):
    """A program in which each `except` calls a hook first."""

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        self.generic_visit(node)
        call = ast.Expr(ast.Call(ast.Name(CAUGHT, ast.Load()), [], []))
        for part in ast.walk(call):
            ast.copy_location(part, node)
        node.body.insert(0, call)
        return node


@dataclass(frozen=True)
class CaughtError:
    """What was raised, as Python shows it, and the innermost line of the program that it came from."""

    shown: str
    file: str
    line: int


@dataclass
class CaughtErrors:
    """How often each was caught; the sources tell which files are the program's."""

    sources: Mapping[str, str]
    counts: Counter[CaughtError] = field(default_factory=Counter)
    hints: dict[CaughtError, str] = field(default_factory=dict)

    def note(self) -> None:
        """The hook: takes down what is being handled."""
        error = sys.exc_info()[1]
        if not isinstance(error, Exception) or self.counts.total() >= MOST:
            return
        frames = [pair for pair in traceback.walk_tb(error.__traceback__) if pair[0].f_code.co_filename in self.sources]
        if not frames:
            return
        frame, line = frames[-1]
        shown = "".join(traceback.format_exception_only(error)).strip().splitlines()[0]
        shown = re.sub(r"^pellucid\.[\w.]+\.", "", shown)
        known = CaughtError(shown, frame.f_code.co_filename, line)
        self.counts[known] += 1
        if known not in self.hints:
            self.hints[known] = misfit(error, frame, line)

    def most(self) -> tuple[CaughtError, int] | None:
        """The one that was caught most often; None where none was again and again."""
        first = self.counts.most_common(1)
        return first[0] if first and first[0][1] >= OFTEN else None
