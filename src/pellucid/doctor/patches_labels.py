"""Repairs of labels that are no class ids from 0 on: where they are made, so that an evaluation has them, too."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from pellucid.doctor.calls import assigned, bracketed, calls, loops, to_nn
from pellucid.doctor.edits import Text
from pellucid.doctor.finding import Finding

Patch = Callable[[Finding, ast.stmt, Text], Iterator[str]]
PARTS = r"tr|train|training|te|tst|test|val|valid|validation|dev|eval|holdout|all|full|\d+"
STEPS = 6  # from the loss to where its targets are made, at most


def targets(statement: ast.stmt) -> Iterator[ast.expr]:
    """The second argument of each call of two: the targets of a loss."""
    for call in calls(statement, r"\w+"):
        if len(call.args) == 2:
            yield call.args[1]


def _made(statement: ast.stmt, text: Text, change: str) -> Iterator[str]:
    """The program with labels changed where they are made; `change`: the new ones, with {} for the old."""
    tree = ast.parse(text.source)
    for target in targets(_asking(statement, tree)):
        at, names = _origin(target, tree)
        if at is not None and names:
            changed = text.source
            for name in reversed(names):  # each below the statement, so the last one first
                changed = Text(changed).after(at, f"{name} = {change.format(name)}")
            yield changed
    for value in _of_datasets(tree):
        yield text.with_expression(value, change.format(bracketed(value, text)))


def _asking(statement: ast.stmt, tree: ast.Module) -> ast.stmt:
    """The statement of the loss: this one, or where a finding points at what makes the labels, that of the program."""
    return statement if list(targets(statement)) else _loss(tree) or statement


def rescaled(source: str, change: str) -> Iterator[str]:
    """The program with the targets of the loss that backward is called on changed where they are made."""
    tree, text = ast.parse(source), Text(source)
    loss = _loss(tree)
    if loss is not None:
        yield from _made(loss, text, change)


def _loss(tree: ast.Module) -> ast.stmt | None:
    """The statement that computes the loss that backward is called on."""
    called = [call.func.value for call in calls(tree, "backward") if isinstance(call.func, ast.Attribute)]
    names = {node.id for node in called if isinstance(node, ast.Name)}
    made = (node for node in ast.walk(tree) if isinstance(node, ast.Assign) and assigned(node) & names)
    return next((node for node in made if list(targets(node))), None)


def _origin(target: ast.expr, tree: ast.Module) -> tuple[ast.stmt | None, list[str]]:
    """The last statement that makes all the labels, of which the targets of a loss are some, and what it makes.

    From `yb` of `for xb, yb in loader` to the loader, to its data set, to the tensor in it; from `y[rows]` to `y`. What
    is made beside it under a name like its own, as `y_val` beside `y_train`, is made in the same way.
    """
    name, seen = _root(target), set[str]()
    for _ in range(STEPS):
        if not name or name in seen:
            break
        seen.add(name)
        following = _from(name, tree)
        if not following:
            break
        name = following
    first = min((loop.lineno for loop in loops(tree)), default=0)
    makers = [
        node
        for node in tree.body
        if isinstance(node, ast.Assign) and name in assigned(node) and node.lineno < max(first, 1)
    ]
    if not name or not makers:
        return None, []
    beside = [other for other in _in_order(makers[-1]) if other == name or _of_another_part(other, name)]
    return makers[-1], beside or [name]


def _of_another_part(name: str, other: str) -> bool:
    """Whether names are of one thing in two parts of the data: `y_train` and `y_val`, `train_y` and `test_y`."""
    words = [re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", each) for each in (name, other)]
    if len(words[0]) != len(words[1]):
        return False
    differ = [pair for pair in zip(*words, strict=True) if pair[0] != pair[1]]
    return len(differ) == 1 and all(re.fullmatch(PARTS, word, re.I) for word in differ[0])


def _in_order(statement: ast.stmt) -> list[str]:
    return [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _root(node: ast.expr | None) -> str:
    """The name that an expression is a part of: `y` for `y[rows].float()`."""
    while node is not None and not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func.value if isinstance(node.func, ast.Attribute) else None
        elif isinstance(node, ast.Subscript | ast.Attribute):
            node = node.value
        else:
            return ""
    return node.id if node is not None else ""


def _from(name: str, tree: ast.Module) -> str:
    """The name that another one is made from, where it is no more than a part of it; "" where it is made anew."""
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
            given = [element.id for element in node.target.elts if isinstance(element, ast.Name)]
            if name in given[1:]:
                return _of_loader(_root(node.iter), tree)
    around = loops(tree)
    for node in ast.walk(around[0]) if around else ():
        if isinstance(node, ast.Assign) and name in assigned(node) and len(node.targets) == 1:
            sides = list(zip(_parts(node.targets[0]), _parts(node.value), strict=False))
            for left, right in sides:
                if isinstance(left, ast.Name) and left.id == name and isinstance(right, ast.Subscript):
                    return _root(right)
    return ""


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _of_loader(name: str, tree: ast.Module) -> str:
    """The tensor of labels in what a loader is made of: that of the first TensorDataset on the way to it."""
    for _ in range(STEPS):
        made = next((n for n in ast.walk(tree) if isinstance(n, ast.Assign) and name in assigned(n)), None)
        if made is None:
            return ""
        for call in calls(made.value, "TensorDataset"):
            return _root(call.args[1]) if len(call.args) > 1 else ""
        inner = next((_root(c.args[0]) for c in calls(made.value, r"[A-Z]\w*Loader|random_split|Subset") if c.args), "")
        if not inner or inner == name:
            return ""
        name = inner
    return ""


def _of_datasets(tree: ast.Module) -> Iterator[ast.expr]:
    """The label that a data set of the program's own gives with a row."""
    for kind in ast.walk(tree):
        if isinstance(kind, ast.FunctionDef) and kind.name == "__getitem__":
            for node in ast.walk(kind):
                if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 2:
                    yield node.value.elts[1]


def _from_zero(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Class ids without the 1 that is added to them, or less one."""
    for node in ast.walk(ast.parse(text.source)):
        more = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and ast.unparse(node.right) == "1"
        left = text.of(node.left) if more and isinstance(node, ast.BinOp) else ""
        if isinstance(node, ast.BinOp) and re.search(r"label|target|class|digit|kind|(^|\W|_)y(\W|_|$)", left):
            yield text.with_expression(node, left)
    if finding.fix == "y - 1":
        yield from _made(statement, text, "{} - 1")
        for target in targets(statement):
            yield text.with_expression(target, f"{bracketed(target, text)} - 1")


def _between(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Targets that go from one number to another brought to 0 and 1."""
    found = re.search(r"go from (\S+) to (\S+)\.$", finding.evidence)
    if not found:
        return
    low, high = float(found[1]), float(found[2])
    over = f" / {high - low:g}" if high - low != 1 else ""
    change = f"({{}} - {low:g}){over}" if low else f"{{}}{over}"
    yield from _made(statement, text, change)
    for target in targets(_asking(statement, ast.parse(text.source))):
        yield text.with_expression(target, change.format(bracketed(target, text)))


def _numbered(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Classes of any numbers become 0, 1, 2, … in their order."""
    path = to_nn(text).removesuffix("nn")
    if path and "out of bounds" in finding.evidence:
        yield from _made(statement, text, f"{path}unique({{}}, return_inverse=True)[1]")


PATCHES: dict[str, tuple[Patch, ...]] = {
    "labels-off-by-one": (_from_zero,),
    "labels-out-of-range": (_between, _numbered),
}
