"""Where the source of a program puts labels, or rows, into another order alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pellucid.doctor.sources import text_of

from .record import Place
from .uses import own_files

# the confidence in what may be so by the nature of the data, too, as chance decides of clicks, where no line shows it
UNSEEN = 0.5
DRAWING = re.compile(r"permutation|permuted|shuffle|randperm|roll|sample|argsort|sort|flip|train_test_split")
LISTING = ("glob", "iglob", "listdir", "iterdir")
TABLES = ("DictReader", "reader", "read_csv", "loadtxt", "genfromtxt")
LABELS = re.compile(r"^(y|t)(_|$)|label|target|class|answer|kind|digit", re.IGNORECASE)
ROWS = re.compile(r"^(x)(_|$)|input|feature|image|row|token", re.IGNORECASE)


def alone(place: Place | None) -> Place | None:
    """The one statement of the program that brings labels into a new order and no rows, or the other way round.

    None where there is none, or several of which one cannot be told from the other. Where there is none, the names of
    files that are sorted as strings, whose labels are read from a table, are it: img_10 comes before img_2 there.
    """
    found: list[Place] = []
    files = [] if place is None else list(own_files(Path(place[0])))
    for file, tree in files:
        statements = [n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.Expr | ast.AugAssign | ast.Return)]
        lines = [node.lineno for node in statements if _draws(node) and (_labels_alone(node) or _one_of_two(node))]
        if not lines:
            lines = [node.lineno for node in statements if _rows_alone(node)]
        if not lines and any(_called(call).endswith(TABLES) for call in _calls(tree)):
            lines = [node.lineno for node in statements if any(_by_string(call) for call in _calls(node))]
        found += [(str(file), line) for line in lines]
    found = found or [(str(file), line) for file, tree in files for line in _taken_in_order(tree)]
    return found[0] if len(found) == 1 else None


def _taken_in_order(tree: ast.Module) -> Iterator[int]:
    """The lines that put one thing into an order that was drawn before, and that nothing else is put into: of
    `order = randperm(n)`, `self.rows = self.rows[order]`."""
    for scope in (n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.FunctionDef)):
        inner = [n for n in _within(scope) if isinstance(n, ast.Assign) and len(n.targets) == 1]
        drawn = {ast.unparse(n.targets[0]) for n in inner if _draws(n) and isinstance(n.targets[0], ast.Name)}
        for order in drawn:
            used = [n for n in _within(scope) if isinstance(n, ast.Name) and n.id == order and _is_read(n)]
            lines = [n.lineno for n in inner if ast.unparse(n.value) == f"{ast.unparse(n.targets[0])}[{order}]"]
            if len(used) == len(lines) == 1:
                yield lines[0]


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """What is in a module or function, and in no function of it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _within(child)


def _is_read(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)


def _calls(node: ast.AST) -> list[ast.Call]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Call)]


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rsplit(".", 1)[-1]


def _draws(node: ast.AST) -> bool:
    return any(DRAWING.search(_called(call)) for call in _calls(node))


def _kinds(node: ast.AST) -> tuple[bool, bool]:
    """Whether there are names of labels, and names of rows."""
    calls = _calls(node)
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    names |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and not _is_called(n, calls)}
    return any(LABELS.search(name) for name in names), any(ROWS.search(name) for name in names)


def _labels_alone(node: ast.AST) -> bool:
    return _kinds(node) == (True, False)


def _rows_alone(node: ast.AST) -> bool:
    """Whether rows are given another order, as by `x = df.drop(columns="y").sample(frac=1)`."""
    if not isinstance(node, ast.Assign) or not _draws(node) or _kinds(node) != (False, True):
        return False
    return all(isinstance(t, ast.Name) and ROWS.search(t.id) for t in node.targets)


def _one_of_two(node: ast.Assign | ast.Expr | ast.AugAssign | ast.Return) -> bool:
    """Whether one of two that are given together is put into a new order there, as in `return x[randperm(n)], y`."""
    if not isinstance(node.value, ast.Tuple) or len(node.value.elts) != 2:
        return False
    first, second = node.value.elts
    kinds = {_kinds(first), _kinds(second)}
    return _draws(first) != _draws(second) and kinds == {(True, False), (False, True)}


def _by_string(call: ast.Call) -> bool:
    """Whether a call sorts the names of files as they are."""
    listed = [name for inner in _calls(call) if (name := _called(inner)) in LISTING]
    return _called(call) == "sorted" and not call.keywords and bool(listed)


def _tree(place: Place | None) -> ast.Module | None:
    """The file of a place, parsed; None where there is none, or where it is no Python."""
    try:
        return None if place is None else ast.parse(text_of(Path(place[0])))
    except (OSError, SyntaxError, ValueError):
        return None


def split_apart(place: Place | None) -> Place | None:
    """The second of two calls of train_test_split that are given rows and labels each by itself, and draw an order of
    their own; None where there are none, or more of them."""
    tree = _tree(place)
    if place is None or tree is None:
        return None
    calls = [n.value for n in ast.walk(tree) if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call)]
    splits = [call for call in calls if ast.unparse(call.func).rsplit(".", 1)[-1] == "train_test_split"]
    if len(splits) != 2 or any(len(call.args) != 1 or isinstance(call.args[0], ast.Starred) for call in splits):
        return None
    between = range(splits[0].lineno, splits[1].lineno)
    seeds = (n for n in ast.walk(tree) if isinstance(n, ast.Call) and "seed" in ast.unparse(n.func))
    if any(seed.lineno in between for seed in seeds):
        return None
    options = [{k.arg: ast.unparse(k.value) for k in call.keywords} for call in splits]
    given = [each.get("random_state", "None") for each in options]
    if any(each.get("shuffle") == "False" or None in each for each in options):
        return None
    return (place[0], splits[1].lineno) if given[0] != given[1] or given[0] == "None" else None


def cut_twice(place: Place | None) -> Place | None:
    """The second of two equal slices of a function, by which targets are cut like the rows that go in, as of
    `x, y = text[i : i + T], text[i : i + T]`; None where there are none, or more of them."""
    tree = _tree(place)
    found: list[int] = []
    for scope in () if tree is None else (n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.FunctionDef)):
        slices = [
            (ast.unparse(n), n.lineno)
            for n in _within(scope)
            if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Slice) and isinstance(n.ctx, ast.Load)
        ]
        texts = [text for text, _ in slices]
        found += [lines[1] for text in set(texts) if len(lines := [at for t, at in slices if t == text]) == 2]
    return (place[0], found[0]) if place is not None and len(found) == 1 else None


def _is_called(node: ast.Attribute, calls: list[ast.Call]) -> bool:
    return any(call.func is node for call in calls)
