"""What can be no label of a loss by how it is made: sizes, and what is computed from outputs."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping

from pellucid.doctor.process.places import trees

SIZES = {"shape", "size", "ndim", "dtype", "itemsize"}
OF_SIZE = ("_like", "len", "range", "arange", "shape", "size")  # what takes nothing of its argument but its size


def no_labels(sources: Mapping[str, str], depends: Collection[str] = ()) -> set[str]:
    """The names that are only ever assigned a size, `n = X.shape[0]`, `H = 8` for `np.zeros((H, 1))`, or something that
    is computed from what depends on the parameters, `a = relu(z)`: where every unit is off, its values do not.

    >>> source = "n = len(X)\\na = relu(z)\\nt = np.ones_like(z)\\np = a @ w\\ny = net(x)\\ny = labels[i]"
    >>> sorted(no_labels({"train.py": source}, {"z", "net"}))
    ['a', 'n', 'p']
    """
    made: dict[str, list[ast.expr | None]] = {}
    for _, tree in trees(dict(sources)):
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
                for target, value in _pairs(node):
                    made.setdefault(target, []).append(value)
            elif isinstance(node, ast.For | ast.comprehension):
                counts = node.iter if _counts(node.iter) else None
                for part in ast.walk(node.target):
                    if isinstance(part, ast.Name | ast.Attribute):
                        made.setdefault(ast.unparse(part), []).append(counts)
            elif isinstance(node, ast.arg):  # what a function is given is not known
                made.setdefault(node.arg, []).append(None)
    used = _used_as_sizes(sources)
    alone = {name: values for name, values in made.items() if None not in values}
    sizes = {n for n, values in alone.items() if all(_is_size(v) or (n in used and _is_whole(v)) for v in values if v)}
    found: set[str] = set()
    while True:  # what is computed from such is such; zeros of such a size are not
        known = {*depends, *found}
        more = {n for n, values in alone.items() if n not in found and all(_takes(v, known) for v in values if v)}
        if not more:
            return found | sizes
        found |= more


MAKERS = re.compile(
    r"(^|[._])(zeros|ones|empty|full|rand|randn|random|normal|uniform|init\w*|reshape|range|arange|eye)$"
)


def _used_as_sizes(sources: Mapping[str, str]) -> set[str]:
    """The names that are given to what makes arrays, or counts: `np.zeros((H, D))`, `range(T)`."""
    return {
        part.id
        for _, tree in trees(dict(sources))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and MAKERS.search(ast.unparse(node.func))
        for given in node.args
        for part in ([given, *given.elts] if isinstance(given, ast.Tuple | ast.List) else [given])
        if isinstance(part, ast.Name)
    }


def _is_whole(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and type(value.value) is int


def _pairs(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> list[tuple[str, ast.expr | None]]:
    """Each name and what it is assigned; `n, d = X.shape` is a size each."""
    found: list[tuple[str, ast.expr | None]] = []
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        value = node.value
        if not isinstance(target, ast.Tuple | ast.List):
            found.append((ast.unparse(target), value))
            continue
        alone = value.elts if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts) else None
        whole = value if value is not None and _is_size(value) else None
        for i, part in enumerate(target.elts):
            found.append((ast.unparse(part), alone[i] if alone is not None else whole))
    return found


def _is_size(value: ast.expr) -> bool:
    if isinstance(value, ast.Subscript):
        return _is_size(value.value)
    if _counts(value):
        return True
    if isinstance(value, ast.Attribute):
        return value.attr in SIZES
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "len"


def _takes(value: ast.AST, depends: Collection[str]) -> bool:
    """Whether a value is computed from one of these, not merely as large as one, and not by comparing it."""
    if isinstance(value, ast.Compare) or (isinstance(value, ast.Attribute) and value.attr in SIZES):
        return False
    if isinstance(value, ast.Call) and ast.unparse(value.func).endswith(OF_SIZE):
        return False
    if isinstance(value, ast.Name | ast.Attribute) and ast.unparse(value) in depends:
        return True
    return any(_takes(part, depends) for part in ast.iter_child_nodes(value))


def _counts(value: ast.expr) -> bool:
    """Whether a loop goes through whole numbers: `range(n)`, `reversed(range(n))`, `np.arange(1, n)[::-1]`."""
    if isinstance(value, ast.Subscript):
        return isinstance(value.slice, ast.Slice) and _counts(value.value)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        whole = all(not isinstance(part, ast.Constant | ast.BinOp) or _is_int(part) for part in value.args)
        return value.func.attr == "arange" and whole and not value.keywords
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return False
    return value.func.id == "range" or (value.func.id == "reversed" and all(map(_counts, value.args)))


def _is_int(value: ast.AST) -> bool:
    """Whether a number, or what is computed of it, may be a whole number: not `0.1`, nor `n / 2`."""
    parts = [*ast.walk(value)]
    return not any(
        isinstance(part, ast.Div) or (isinstance(part, ast.Constant) and isinstance(part.value, float))
        for part in parts
    )
