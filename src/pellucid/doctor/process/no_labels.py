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
                number = _numbering(node)
                for part in ast.walk(node.target):
                    if isinstance(part, ast.Name | ast.Attribute):
                        made.setdefault(ast.unparse(part), []).append(node.iter if part is number else counts)
    given = _given(sources)
    sizes = _sizes(made, given, _used_as_sizes(sources))
    alone = {name: values for name, values in made.items() if None not in values and name not in given}
    found: set[str] = set()
    while True:  # what is computed from such is such; zeros of such a size are not
        known = {*depends, *found}
        more = {n for n, values in alone.items() if n not in found and all(_takes(v, known) for v in values if v)}
        if not more:
            return found | sizes
        found |= more


def is_of(name: str, names: Collection[str]) -> bool:
    """Whether a name is one of some, or an expression of nothing but these and numbers.

    >>> is_of("epoch / epochs", {"epoch", "epochs"}), is_of("epoch / y", {"epoch"}), is_of("f(epoch)", {"epoch"})
    (True, False, False)
    """
    name = re.sub(r" \(line \d+\)$", "", name)  # where the same text stands twice
    if name in names or not re.search(r"[-+*/]", name):
        return name in names
    try:
        parts = [*ast.walk(ast.parse(name, mode="eval").body)]
    except (SyntaxError, ValueError):
        return False
    known = (ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context)
    taken = [part.id for part in parts if isinstance(part, ast.Name)]
    return bool(taken) and all(isinstance(part, known) for part in parts) and all(n in names for n in taken)


OF_CLASSES = re.compile(r"label|target|class|digit|truth", re.I)
MEANT = re.compile(r"^(y|t|d)\d*$|label|target|class|digit|truth|expect|desired|y_", re.I)  # what may count, and be one


def _given(sources: Mapping[str, str]) -> dict[str, list[ast.expr | None]]:
    """What calls give to the functions with an argument of a name; None where it is not known."""
    every = [node for _, tree in trees(dict(sources)) for node in ast.walk(tree)]
    calls: dict[str, list[ast.Call]] = {}
    for node in every:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            calls.setdefault(node.func.id, []).append(node)
    defined = [node.name for node in every if isinstance(node, ast.FunctionDef)]
    found: dict[str, list[ast.expr | None]] = {}
    known: set[ast.arg] = set()
    for node in (node for node in every if isinstance(node, ast.FunctionDef) and defined.count(node.name) == 1):
        for i, argument in enumerate(node.args.args):
            values = [call.args[i] if i < len(call.args) else None for call in calls.get(node.name, [])]
            plain = not any(isinstance(value, ast.Starred) for call in calls.get(node.name, []) for value in call.args)
            if values and plain and not MEANT.search(argument.arg):
                found.setdefault(argument.arg, []).extend(values)
                known.add(argument)
    for node in every:
        if isinstance(node, ast.arg) and node not in known:
            found.setdefault(node.arg, []).append(None)
    return found


def _sizes(
    made: Mapping[str, list[ast.expr | None]], given: Mapping[str, list[ast.expr | None]], used: Collection[str]
) -> set[str]:
    """The names that are only ever a size or a count, whatever function these are handed to."""
    found: set[str] = set()
    while True:
        more: set[str] = set()
        for name in {*made, *given} - found:
            # `y[rows] = k` within a loop over classes is a label that is made
            handed = name.replace(".", "").isidentifier() and not MEANT.search(name)
            values = [*made.get(name, []), *given.get(name, [])]
            # under its own name it is handed on, and is what it is there
            values = [v for v in values if not (isinstance(v, ast.Name) and v.id == name)]
            if values and all(
                v is not None
                and (_is_size(v) or (name in used and _is_whole(v)) or (handed and ast.unparse(v) in found))
                for v in values
            ):
                more.add(name)
        if not more:
            return found
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
    if _counts(value) or (isinstance(value, ast.Call) and ast.unparse(value.func) == "enumerate"):
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


def _numbering(loop: ast.For | ast.comprehension) -> ast.Name | None:
    """`t` of `for t, row in enumerate(rows)`, unless it is called as what stands for a class."""
    target, called = loop.target, loop.iter.func if isinstance(loop.iter, ast.Call) else None
    if not isinstance(called, ast.Name) or called.id != "enumerate" or not isinstance(target, ast.Tuple):
        return None
    first = target.elts[0] if target.elts else None
    return first if isinstance(first, ast.Name) and not OF_CLASSES.search(first.id) else None


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
