"""The line of the user's program that makes the labels which a loss is given: where they are wrong, it is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from pellucid.doctor.sources import text_of

from .record import Place

FILLING = ("append", "extend", "insert")


def made_at(loss: Place | None) -> Place | None:
    """Where the labels are made, of a loss that is called in this line; None where that is not to be seen in its file.

    Of `loss(model(x), y[rows])` the line `y = …`. Where they come from a loader, that of the last argument of a
    TensorDataset, or the line within the one `__getitem__` that makes the last of what it returns.
    """
    if loss is None:
        return None
    try:
        tree = ast.parse(text_of(Path(loss[0])))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return None
    name = _given(tree, loss[1])
    line = None if name is None else _of_loader(tree) if _is_drawn(tree, name) else _assigned(tree, name, loss[1])
    return (loss[0], line) if line is not None else None


def _root(node: ast.expr) -> str | None:
    """The variable, or the attribute of self, of `y`, `y[i]`, `y.long()`, `torch.tensor(y)` and `self.y[i]`."""
    while True:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            return f"self.{node.attr}"
        if isinstance(node, ast.Call) and len(node.args) == 1 and _module(node.func):
            node = node.args[0]
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript | ast.Attribute):
            node = node.value
        else:
            return None


def _module(function: ast.expr) -> bool:
    """Whether a call is one of torch's or NumPy's, whose argument is what counts."""
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in ("torch", "np")
    )


def _given(tree: ast.Module, line: int) -> str | None:
    """What a loss in this line is given last."""
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and len(n.args) >= 2 and n.lineno <= line]
    here = [call for call in calls if (call.end_lineno or call.lineno) >= line]
    roots = [root for call in here if (root := _root(call.args[1])) is not None]
    return roots[0] if roots else None


def _names(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            yield f"self.{node.attr}"


def _is_drawn(tree: ast.Module, name: str) -> bool:
    """Whether a variable is what a loop goes through, as of `for x, y in loader`."""
    loops = (node for node in ast.walk(tree) if isinstance(node, ast.For))
    return any(name in _names(loop.target) for loop in loops)


def _assigned(tree: ast.AST, name: str, before: int) -> int | None:
    """The line that gives a variable its value, or some of it, last before another line; else the last of all."""
    given = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    lines = [node.lineno for node in given if any(name in _names(target) for target in node.targets)]
    filled = [
        n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) in (f"{name}.{f}" for f in FILLING)
    ]
    lines += [call.lineno for call in filled]
    return max([line for line in lines if line < before] or lines, default=None)


def _taken(item: ast.FunctionDef, name: str | None) -> str | None:
    """The table that a variable is no more than a row of, as of `x, y = turn(self.x[i]), self.y[i]`."""
    for node in ast.walk(item):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            pairs = zip(_elements(target), _elements(value), strict=False)
            for left, right in pairs:
                if isinstance(right, ast.Subscript) and ast.unparse(left) == name:
                    return _root(right)
    return None


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _of_loader(tree: ast.Module) -> int | None:
    tables = [
        n for n in ast.walk(tree) if isinstance(n, ast.Call) and "TensorDataset" in ast.unparse(n.func) and n.args
    ]
    if tables:
        first = min(tables, key=lambda call: call.lineno)
        root = _root(first.args[-1])
        return _assigned(tree, root, first.lineno) if root is not None else None
    getting = [
        (kind, item)
        for kind in ast.walk(tree) if isinstance(kind, ast.ClassDef)
        for item in kind.body if isinstance(item, ast.FunctionDef) and item.name == "__getitem__"
    ]  # fmt: skip
    if len(getting) != 1:
        return None
    kind, item = getting[0]
    for node in ast.walk(item):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            root = _root(node.value.elts[-1])
            root = _taken(item, root) or root
            return None if root is None else _assigned(item, root, node.lineno) or _assigned(kind, root, node.lineno)
    return None
