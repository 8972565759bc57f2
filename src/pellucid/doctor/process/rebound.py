"""Updates that go nowhere: `p = p - lr * g` gives a variable of a loop, or of a function, another value, and the array
that it stood for stays as it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pellucid.doctor.process.places import names_in, trees

STEP = re.compile(r"^(lr|eta|alpha|rate|step|learning_?rate|step_?size)$|^(d|grad|g)[a-z]?_?\w?$|grad|delta", re.I)


@dataclass(frozen=True)
class Rebound:
    """Such a line, the variable, and what to write."""

    file: str
    line: int
    name: str
    written: str
    meant: str


def rebound(sources: dict[str, str]) -> list[Rebound]:
    """Every such line.

    >>> found = rebound({"a.py": "for p, g in zip(params, grads):\\n    p = p - lr * g"})
    >>> found[0].meant
    'p -= lr * g'
    >>> rebound({"a.py": "for i, p in enumerate(params):\\n    p = p - lr * grads[i]\\n    params[i] = p"})
    []
    """
    found: list[Rebound] = []
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.For):
                own = {part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)}
                found += _in(file, own, node.body)
            elif isinstance(node, ast.FunctionDef):
                own = {argument.arg for argument in node.args.args if argument.arg != "self"}
                found += _in(file, own, node.body)
    return sorted(set(found), key=lambda r: (r.file, r.line))


def _in(file: str, own: set[str], body: list[ast.stmt]) -> Iterator[Rebound]:
    """Among the statements of a body: those of these variables that nothing reads afterwards."""
    for i, statement in enumerate(body):
        update = _update(statement, own)
        if update is None:
            continue
        name, meant = update
        read = {
            part.id
            for later in body[i + 1 :]
            for part in ast.walk(later)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
        }
        if name not in read:
            yield Rebound(file, statement.lineno, name, ast.unparse(statement), meant)


def _update(statement: ast.stmt, own: set[str]) -> tuple[str, str] | None:
    """The variable that `p = p - lr * g` or `p = p + step` sets, and the same in place."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    target, value = statement.targets[0], statement.value
    if not isinstance(target, ast.Name) or target.id not in own or not isinstance(value, ast.BinOp):
        return None
    if not isinstance(value.op, ast.Sub | ast.Add) or not any(STEP.search(name) for name in names_in(value.right)):
        return None
    if not isinstance(value.left, ast.Name) or value.left.id != target.id:
        return None
    sign = "-" if isinstance(value.op, ast.Sub) else "+"
    return target.id, f"{target.id} {sign}= {ast.unparse(value.right)}"
