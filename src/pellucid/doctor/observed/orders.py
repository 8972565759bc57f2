"""Where the source of a program puts labels, or rows, into another order alone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from pellucid.doctor.sources import text_of

from .record import Place

DRAWING = re.compile(r"permutation|permuted|shuffle|randperm|roll|sample|argsort|sort|flip|train_test_split")
LABELS = re.compile(r"^(y|t)(_|$)|label|target|class|answer|kind|digit", re.IGNORECASE)
ROWS = re.compile(r"^(x)(_|$)|input|feature|image|row|token", re.IGNORECASE)


def alone(place: Place | None) -> Place | None:
    """The one statement of the file that brings labels into a new order and no rows, or the other way round.

    None where there is none, or several of which one cannot be told from the other.
    """
    if place is None:
        return None
    try:
        tree = ast.parse(text_of(Path(place[0])))
    except (OSError, SyntaxError, ValueError):
        return None
    lines: list[int] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.Expr | ast.AugAssign | ast.Return):
            continue
        calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
        if not any(DRAWING.search(ast.unparse(call.func).rsplit(".", 1)[-1]) for call in calls):
            continue
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        names |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and not _is_called(n, calls)}
        labels, rows = (any(kind.search(name) for name in names) for kind in (LABELS, ROWS))
        if labels and not rows:
            lines.append(node.lineno)
    return (place[0], lines[0]) if len(lines) == 1 else None


def _is_called(node: ast.Attribute, calls: list[ast.Call]) -> bool:
    return any(call.func is node for call in calls)
