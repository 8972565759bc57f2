"""A loop whose passes all take a step of no length: its weights rest, whatever values a fork gives them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pellucid.doctor.process.controller import Controller
from pellucid.doctor.report import Finding

MANY = 4  # passes, in which nothing has moved


def finding(controller: Controller) -> Finding | None:
    """Where weights of several layers are updated in every pass and never move: their gradients are zero."""
    loops = controller.program.loops
    for number, still in sorted(controller.lifeless.items(), key=lambda item: loops.loops[item[0]].line):
        loop = loops.loops[number]
        found = step(loops.sources[loop.file], loop.line, {_root(name) for name in still})
        if found is not None and controller.scout.loops[number].count >= MANY:
            line, names = found[0], [name for name in still if _root(name) == found[1]]
            return Finding(
                "wrong-backward",
                "error",
                0.9,
                f"No pass of the loop in line {loop.line} moves {', '.join(names)}, neither from the values that the "
                "program gives them nor from random ones, though each pass updates them.",
                "What is subtracted from the weights is zero in every pass: the gradient is.",
                "look where the gradient is computed: a difference of two losses at one and the same place, a mask "
                "that nothing passes, or an array of zeros that is never filled",
                loop.file,
                line,
                loops.line(loop.file, line),
                mistake="zero-gradient",
            )
    return None


def step(source: str, line: int, held: set[str]) -> tuple[int, str] | None:
    """The line of an update of what is held under one of these names, and the name, if each pass of the loop at a line
    makes it.

    >>> step("for i in range(9):\\n    for k in p:\\n        p[k] -= lr * g[k]", 1, {"p"})
    (3, 'p')
    >>> step("for i in range(9):\\n    if loss < best:\\n        p -= g", 1, {"p"})
    """
    for loop in ast.walk(ast.parse(source)):
        if isinstance(loop, ast.For | ast.While) and loop.lineno == line:
            updates = ((node.lineno, _updated(node)) for node in _always(loop.body))
            return next(((number, name) for number, name in updates if name in held), None)
    return None


def _always(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a pass that no condition stands above, up to one that may leave it."""
    for node in body:
        if isinstance(node, ast.For):
            yield from _always(node.body)
        elif any(isinstance(part, ast.Continue | ast.Break | ast.Return) for part in ast.walk(node)):
            return
        else:
            yield node


def _updated(node: ast.stmt) -> str:
    """What a statement takes a step with, `p` of `p[k] -= g`; "" for another one."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        return _root(ast.unparse(node.target))
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
        text = ast.unparse(node.targets[0])
        if ast.unparse(node.value.left) == text and isinstance(node.value.op, ast.Add | ast.Sub):
            return _root(text)
    return ""


def _root(name: str) -> str:
    return name.partition("[")[0]
