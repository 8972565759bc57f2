"""Updates that stand behind the loop that computes their gradients: each pass computes the same once more, and one
update is made when the loop is over."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pellucid.doctor.process.controller import Controller
from pellucid.doctor.process.places import names_in
from pellucid.doctor.process.scout import ever_moved
from pellucid.doctor.report import Finding

SEVERAL = 3  # passes that moved nothing


def updates_behind(source: str, line: int) -> list[ast.Assign | ast.AugAssign]:
    """The updates right behind the loop of a line that counts its passes only: `w -= lr * dw` of what each of them
    sets.

    >>> loop = "for t in range(9):\\n    d = w * x\\n"
    >>> [ast.unparse(node) for node in updates_behind(loop + "w = w - lr * d\\nb = 1", 1)]
    ['w = w - lr * d']
    >>> updates_behind("for t in rows:\\n    d = w * t\\nw = w - lr * d", 1)
    []
    """
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for i, loop in enumerate(body if isinstance(body, list) else []):
            if isinstance(loop, ast.For | ast.While) and loop.lineno == line:
                return [*_updates(loop, body[i + 1 :])] if body and _counts(loop) else []
    return []


def _counts(loop: ast.For | ast.While) -> bool:
    """Whether nothing that the loop computes depends on its number, which is printed at most."""
    if isinstance(loop, ast.While):
        return True
    counter = set(names_in(loop.target))
    todo: list[ast.AST] = list(loop.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("print", "format", "append"):
            continue
        if isinstance(node, ast.If) and not any(isinstance(n, ast.Assign | ast.AugAssign) for n in ast.walk(node)):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in counter:
            return False
        todo += ast.iter_child_nodes(node)
    return True


def _updates(loop: ast.For | ast.While, behind: list[ast.stmt]) -> Iterator[ast.Assign | ast.AugAssign]:
    inside = [node for node in ast.walk(loop) if isinstance(node, ast.Assign | ast.AugAssign)]
    made = {name for node in inside for target in _targets(node) for name in names_in(target)}
    moved = {ast.unparse(target) for node in inside for target in _targets(node)}
    read = {ast.unparse(node) for node in ast.walk(loop) if isinstance(node, ast.Name | ast.Attribute | ast.Subscript)}
    for statement in behind:
        if not isinstance(statement, ast.Assign | ast.AugAssign) or len(_targets(statement)) != 1:
            continue
        target = ast.unparse(_targets(statement)[0])
        value = statement.value
        if isinstance(statement, ast.Assign):
            own = isinstance(value, ast.BinOp) and ast.unparse(value.left) == target
            if not own or not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add | ast.Sub):
                continue
            value = value.right
        elif not isinstance(statement.op, ast.Add | ast.Sub):
            continue
        if target in read and target not in moved and made & set(names_in(value)):
            yield statement


def _targets(node: ast.Assign | ast.AugAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def finding(controller: Controller) -> Finding | None:
    """That of the first such loop, of those whose passes moved nothing."""
    loops = controller.program.loops
    for number, seen in controller.scout.loops.items():
        loop = loops.loops[number]
        if seen.count < SEVERAL or seen.activation != 1 or ever_moved(seen):
            continue
        found = updates_behind(loops.sources[loop.file], loop.line)
        if not found:
            continue
        first = found[0]
        names = ", ".join(ast.unparse(_targets(node)[0]) for node in found)
        return Finding(
            "too-few-updates",
            "error",
            0.95,
            f"In {seen.count} passes of the loop in line {loop.line} nothing was moved; {names} "
            f"{'are' if len(found) > 1 else 'is'} moved once, when it is over.",
            f"Each pass computes the same gradient of the same weights: one update is made, not {seen.count}.",
            f"indent `{ast.unparse(first)}`{' and those below it' if len(found) > 1 else ''}, so that every pass ends "
            "with an update",
            loop.file,
            first.lineno,
            loops.line(loop.file, first.lineno),
        )
    return None
