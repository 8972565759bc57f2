"""Where the source of a program prepares the rows of the training alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from .record import Place
from .uses import own_files

OF_TRAINING = re.compile(r"train|test|val|eval|phase|mode|split|augment|is_?fit", re.IGNORECASE)
PREPARES = re.compile(r"normali[sz]e|standardi[sz]e|rescale|scale|whiten|transform", re.IGNORECASE)


def prepared_alone(place: Place | None) -> Place | None:
    """The one line that prepares rows where a condition says that they are to train, and that those of the evaluation
    go without; or the transforms of these, which lack one that those of the training have."""
    files = [] if place is None else list(own_files(Path(place[0])))
    found = [(str(file), line) for file, tree in files for line in (*_on_condition(tree), *_composed(tree))]
    return found[0] if len(found) == 1 else None


def _on_condition(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and OF_TRAINING.search(ast.unparse(node.test)):
            ways = [[n for s in way for n in ast.walk(s) if _prepares(n)] for way in (node.body, node.orelse)]
            if bool(ways[0]) != bool(ways[1]):
                yield max(n.lineno for way in ways for n in way if isinstance(n, ast.stmt))


def _prepares(node: ast.AST) -> bool:
    """Whether a statement changes the size of something: `x = x / 255`, `x = normalize(x)`."""
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.Return) or node.value is None:
        return False
    divides = isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div)
    for inner in ast.walk(node.value):
        divides |= isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Div)
        divides |= isinstance(inner, ast.Call) and PREPARES.search(ast.unparse(inner.func)) is not None
    return divides


def _composed(tree: ast.Module) -> Iterator[int]:
    """Of two lists of transforms under names of a training and an evaluation, the one that has no normalisation."""
    named: list[tuple[str, ast.expr]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            named += [(str(k.value), v) for k, v in pairs if isinstance(k, ast.Constant)]
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            named.append((ast.unparse(node.targets[0]), node.value))
    lists = [(name, value) for name, value in named if OF_TRAINING.search(name) and _is_composed(value)]
    scaled = {name: PREPARES.search(ast.unparse(value).partition("(")[2]) is not None for name, value in lists}
    if any(scaled.values()):
        yield from (value.lineno for name, value in lists if not scaled[name])


def _is_composed(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).rsplit(".", 1)[-1] == "Compose"
