"""Where the user's program says that what follows is computed without gradients."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from pellucid.doctor.sources import text_of
from pellucid.errors import in_package, user_frame

from .places import place
from .record import Place

SAYING = ("no_grad", "inference_mode", "set_grad_enabled(False)")


def line_without_grad() -> Place | None:
    """The `with torch.no_grad():`, or the function that has it above it, in which this is called; else the line."""
    frame = user_frame()
    while frame is not None:
        if not in_package(frame):
            file = frame.f_code.co_filename
            for at, first, last in _blocks(file):
                if first <= frame.f_lineno <= last:
                    return file, at
        frame = frame.f_back
    return place()


@functools.cache
def _blocks(file: str) -> list[tuple[int, int, int]]:
    """By block without gradients, the inner ones first: the line that says so, and the first and the last in it."""
    try:
        tree = ast.parse(text_of(Path(file)))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return []
    found: list[tuple[int, int, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.With):
            said = [item.context_expr for item in node.items]
        elif isinstance(node, ast.FunctionDef):
            said = node.decorator_list
        else:
            continue
        lines = [one.lineno for one in said if any(name in ast.unparse(one) for name in SAYING)]
        found += [(line, node.body[0].lineno, node.body[-1].end_lineno or line) for line in lines]
    return sorted(found, key=lambda block: block[2] - block[1])
