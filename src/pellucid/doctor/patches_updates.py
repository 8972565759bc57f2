"""Repairs of how often a program updates: batches that are gathered, loops over batches that end after the first."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from pellucid.doctor.calls import assigned, calls, last, loops
from pellucid.doctor.edits import Text
from pellucid.doctor.finding import Finding

Patch = Callable[[Finding, ast.stmt, Text], Iterator[str]]


def _not_gathered(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The number of batches between two updates, `if step % EVERY == 0: optimizer.step()`, becomes 1."""
    tree = ast.parse(text.source)
    for guard in ast.walk(tree):
        if not isinstance(guard, ast.If) or not guard.lineno <= statement.lineno <= (guard.end_lineno or 0):
            continue
        if not any(calls(node, "step") for node in guard.body):
            continue
        for node in ast.walk(guard.test):
            every = node.right if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) else None
            if isinstance(every, ast.Constant):
                yield text.with_expression(every, "1")
            name = every.id if isinstance(every, ast.Name) else None
            for made in ast.walk(tree):
                number = isinstance(made, ast.Assign) and isinstance(made.value, ast.Constant)
                if number and isinstance(made, ast.Assign) and assigned(made) == {name}:
                    yield text.with_expression(made.value, "1")


def _no_break(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """A loop over batches, and over all of them: a `break` in it goes, with the `if` that holds nothing else."""
    for loop in loops(ast.parse(text.source))[::-1]:
        if not isinstance(loop, ast.For) or (isinstance(loop.iter, ast.Call) and last(loop.iter) == "range"):
            continue
        for node in loop.body:
            if isinstance(node, ast.Break):
                yield text.without(node)
            elif isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ast.Break):
                yield text.without(node if len(node.body) == 1 else node.body[-1])


PATCHES: dict[str, tuple[Patch, ...]] = {
    "too-few-updates": (_not_gathered,),
    "low-coverage": (_no_break,),
}
