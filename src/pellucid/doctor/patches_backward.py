"""Repairs of a backward pass by what the program has already: a list of activations, a gradient that nobody reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from pellucid.doctor.edits import Text, statement_at
from pellucid.doctor.finding import Finding


def from_list(finding: Finding, text: Text) -> Iterator[str]:
    """The outputs of an activation that a forward pass keeps in a list, `a.append(sigmoid(z))`, as the function with
    the wrong line takes them: `a[i]`."""
    tree = ast.parse(text.source)
    inside = function_around(tree, finding.line or 0)
    forward = next((detail["forward"] for detail in finding.details if detail.get("forward")), None)
    activation = function_around(tree, int(forward[1])) if forward else None
    if inside is None or activation is None:
        return
    kept = {
        ast.unparse(node.func.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append"
        and node.args and any(_calls(part, activation.name) for part in ast.walk(node.args[0]))
    }  # fmt: skip
    taken = [ast.unparse(n) for n in ast.walk(inside) if isinstance(n, ast.Subscript) and ast.unparse(n.value) in kept]
    yield from sorted(dict.fromkeys(taken), key=lambda name: name.endswith("[-1]"))


def with_unread(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The sum with a value that the same function computes and nothing reads: `dh = Why.T @ dy + dh_next`."""
    inside = function_around(ast.parse(text.source), statement.lineno) or ast.parse(text.source)
    names = [node for node in ast.walk(inside) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    value = statement.value if isinstance(statement, ast.Assign) else None
    own = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    for name in dict.fromkeys(node.id for node in names if isinstance(node.ctx, ast.Store)):
        if value is not None and name not in read | own and not name.startswith("_"):
            yield text.with_expression(value, f"{text.of(value)} + {name}")


def function_around(tree: ast.AST, line: int) -> ast.FunctionDef | None:
    """The innermost function that holds a line."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    around = [node for node in functions if node.lineno <= line <= (node.end_lineno or 0)]
    return max(around, key=lambda node: node.lineno, default=None)


def before_line(source: str, line: int, new: str) -> str:
    """The source with another statement above the one at a line."""
    statement = statement_at(ast.parse(source), line)
    return source if statement is None else Text(source).before(statement, new)


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name
