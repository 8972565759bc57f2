"""A loop that leaves the last term where the sum of all was meant: `error = 0`, then `error = w * d` in each turn."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

ZERO = re.compile(r"0(\.0*)?|(np|numpy)\.zeros(_like)?\(.*\)|\[0(\.0*)?\] \* .*", re.S)


def only_last(source: str, line: int, begun: bool = True) -> str | None:
    """What to write instead of the assignment in a line, if each turn of a loop replaces what the turn before left.
    `begun`: only where it is set to zero before the loop.

    >>> only_last("e = 0.0\\nfor m in nxt:\\n    e = m.w * m.d\\ndelta = e * slope", 3)
    'e += m.w * m.d'
    >>> only_last("e = 0.0\\nfor m in nxt:\\n    e = m.w * m.d\\n    ds.append(e)", 3)
    >>> only_last("for t in reversed(range(n)):\\n    dW = d @ hs[t].T\\nW -= lr * dW", 2, begun=False)
    'dW += d @ hs[t].T'
    """
    for body in _bodies(ast.parse(source)):
        for loop in (node for node in ast.walk(body) if isinstance(node, ast.For)):
            found = next((s for s in ast.walk(loop) if isinstance(s, ast.Assign) and s.lineno == line), None)
            if found is not None and len(found.targets) == 1 and _replaces(found, loop, body, begun):
                return f"{ast.unparse(found.targets[0])} += {ast.unparse(found.value)}"
    return None


def _bodies(tree: ast.Module) -> Iterator[ast.AST]:
    """Functions, the inner ones first, and the module."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    yield from reversed(found)
    yield tree


def _replaces(statement: ast.Assign, loop: ast.For, body: ast.AST, begun: bool) -> bool:
    target = ast.unparse(statement.targets[0])
    turns = {part.id for part in ast.walk(loop.target) if isinstance(part, ast.Name)}
    if turns & _names(statement.targets[0]) or not turns & _names(statement.value):
        return False
    read = [
        part for part in ast.walk(body)
        if isinstance(part, ast.Name | ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Load)
        and ast.unparse(part) == target
    ]  # fmt: skip
    last = loop.end_lineno or loop.lineno
    if any(loop.lineno <= part.lineno <= last for part in read) or not any(part.lineno > last for part in read):
        return False
    return not begun or any(
        isinstance(part, ast.Assign) and part.lineno < loop.lineno and ZERO.fullmatch(ast.unparse(part.value))
        and target in map(ast.unparse, part.targets)
        for part in ast.walk(body)
    )  # fmt: skip


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
