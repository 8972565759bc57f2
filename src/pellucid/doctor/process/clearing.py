"""Where gradients that are added to in each pass should be set to zero."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Protocol

from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.places import trees
from pellucid.doctor.process.source import Assignments

COMPUTES = re.compile(r"^(?!.*(zero|clear|reset|clip|norm|deriv)).*(back|bprop|grad)", re.I)


class LoopLike(Protocol):
    """A loop of the program, by its lines."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def last_line(self) -> int: ...


def to_clear(sources: dict[str, str], loop: LoopLike, groups: Sequence[Group]) -> tuple[str, int] | None:
    """Where the sums of the gradients of some parameters begin in a pass, and should begin with zero.

    The line of the loop that adds to them; or, where they are added to elsewhere, the call that has it done; or the
    line that adds to them, wherever it is.
    """
    added = Assignments.of(sources).adding(list(groups))
    if added is not None and added[0] == loop.file and loop.line < added[1] <= loop.last_line:
        return added
    return before_backward(sources, loop) or added


def before_backward(sources: dict[str, str], loop: LoopLike) -> tuple[str, int] | None:
    """The statement of the training loop that has the gradients computed: a call of a backward pass that stands
    elsewhere, or the loop over the samples around it.

    >>> from types import SimpleNamespace
    >>> source = "for x in data:\\n    loss = net(x)\\n    loss.backward()\\n    w.data -= lr * w.grad\\n"
    >>> before_backward({"a.py": source}, SimpleNamespace(file="a.py", line=1, last_line=4))
    ('a.py', 3)
    """
    for file, tree in trees(sources):
        heads = [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.While) and n.lineno == loop.line]
        for statement in heads[0].body if heads and file == loop.file else ():
            if any(isinstance(part, ast.Call) and _computes(part) for part in ast.walk(statement)):
                return file, statement.lineno
    return None


def _computes(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return COMPUTES.search(name) is not None
