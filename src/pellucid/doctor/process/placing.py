"""Of several lines that a mistake may stand in, which one it does."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pellucid.doctor.process.last_terms import only_last
from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.places import trees
from pellucid.doctor.process.source import Assignments

Line = tuple[str, int]


DERIVES = re.compile(r"back|grad|bprop|deriv|prime|^d_?|_d$|jac", re.I)

OUTPUT = re.compile(r"^(y|a|o|s|h|out\w*|act\w*|sig\w*)\d*$", re.I)  # how an activation's output is called


def undoing(
    sources: dict[str, str], forward: tuple[str, int], at: tuple[str, int] | None, missing: bool
) -> tuple[str, int] | None:
    """Where the backward pass of a step of the forward pass is written, if `at` is not already in it.

    Of a layer's class its `backward`, of a function `relu` its `relu_derivative`: what is left out there is computed in
    no line, so that the first wrong value turns up in another. Named is the last line that returns or sets something.
    `missing`: whether it hands the gradient on as it is; else a function has to be written for the input where its
    parameter is called like an output.
    """
    file, line = forward
    try:
        tree = ast.parse(sources.get(file, ""))
    except SyntaxError:
        return None
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and _holds(node, line)]
    scope = max(classes, key=lambda node: node.lineno, default=tree)
    functions = [node for node in scope.body if isinstance(node, ast.FunctionDef)]
    own = next((node for node in functions if _holds(node, line)), None)
    if own is None:
        return None
    name = own.name.removesuffix("_forward").lower()
    twins = [node for node in functions if node is not own and DERIVES.search(node.name) and not _holds(node, line)]
    if not classes:
        twins = [node for node in twins if name in node.name.lower()]
    elif len([node for node in functions if not DERIVES.search(node.name) and node.name != "__init__"]) > 3:
        return None  # a whole network in a class is no layer
    if len(twins) != 1 or (at is not None and at[0] == file and _holds(scope if classes else twins[0], at[1])):
        return None
    ends = [node for node in ast.walk(twins[0]) if isinstance(node, ast.Return) and _returns(node)]
    if not classes and not (missing and any(isinstance(node.value, ast.Name) for node in ends)):
        first = twins[0].args.args[0].arg if twins[0].args.args else ""
        again = re.compile(rf"\b({re.escape(own.name)}|exp)\(-?{re.escape(first)}\)")
        if missing or not (OUTPUT.match(first) and any(again.search(ast.unparse(node)) for node in ends)):
            return None
    ends = ends or [node for node in ast.walk(twins[0]) if isinstance(node, ast.Assign | ast.AugAssign)]
    return (file, max(node.lineno for node in ends)) if ends else None


def _returns(node: ast.Return) -> bool:
    """Whether anything is returned: not by `return` or `return None`."""
    return node.value is not None and not isinstance(node.value, ast.Constant)


def _holds(node: Any, line: int) -> bool:
    return bool(node.lineno <= line <= (node.end_lineno or node.lineno))


def credible(at: Line, moved: Mapping[str, Iterable[Line]], wrong: Iterable[str], source: Assignments) -> bool:
    """Whether a line that a recording gave may be the one: not the update of a tensor that is right, nor one that only
    takes a gradient that was computed before. `moved`: the lines of the update of each tensor."""
    names = set(wrong)
    own = any(at in lines for name, lines in moved.items() if name in names)
    others = any(at in lines for name, lines in moved.items() if name not in names)
    computes = any(a.computes for a in source.assignments if (a.file, a.line) == at)
    return not others if not own else computes


def in_helper(sources: dict[str, str], forward: Line, at: Line | None) -> Line | None:
    """The last line of a function that computes a derivative and is called in a line, `d * leaky_grad(z)`, where it
    compares in another way than the activation does: `z < 0` for `z > 0`."""
    functions = {
        f.name: (file, f) for file, tree in trees(sources) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)
    }
    own = [f for file, f in functions.values() if file == forward[0] and f.lineno <= forward[1] <= (f.end_lineno or 0)]
    if at is None or not own or at[0] not in sources:
        return None
    activation = max(own, key=lambda f: f.lineno)
    calls = [
        ast.unparse(node.func).split(".")[-1]
        for node in ast.walk(ast.parse(sources[at[0]]))
        if isinstance(node, ast.Call) and node.lineno <= at[1] <= (node.end_lineno or node.lineno)
    ]
    for file, helper in (functions[name] for name in calls if name in functions):
        ends = [part for part in ast.walk(helper) if isinstance(part, ast.Return)]
        if helper is not activation and ends and _compares(helper) and _compares(helper) != _compares(activation):
            return file, max(end.lineno for end in ends)
    return None


def within(sources: dict[str, str], at: Line, lines: list[Line], cleared: set[Line]) -> Line | None:
    """The first of some lines, and not one of those that are `cleared`, within the function that a line takes all of
    its values from: `dW, db = conv_back(x, dz)`.

    >>> text = "def back(d):\\n    db = d.sum()\\n    return db\\ndb = back(d)\\n"
    >>> within({"a.py": text}, ("a.py", 4), [("a.py", 2), ("a.py", 4)], set())
    ('a.py', 2)
    """
    calls: set[str] = set()
    functions: dict[str, list[tuple[str, ast.FunctionDef]]] = {}
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                functions.setdefault(node.name, []).append((file, node))
            elif isinstance(node, ast.Assign) and (file, node.lineno) == at and isinstance(node.value, ast.Call):
                calls.add(ast.unparse(node.value.func).split(".")[-1])
    held = [found[0] for name in calls if len(found := functions.get(name, [])) == 1]
    for line in lines:
        if line not in cleared and any(file == line[0] and _spans(f, line[1]) for file, f in held):
            return line
    return None


def _spans(function: ast.FunctionDef, line: int) -> bool:
    return function.lineno < line <= (function.end_lineno or 0)


def _compares(function: ast.FunctionDef) -> set[str]:
    """The comparisons of a function with constants, with its first parameter called `_`."""
    first = next((a.arg for a in function.args.args if a.arg != "self"), "")
    tests = [part for part in ast.walk(function) if isinstance(part, ast.Compare)]
    found = {ast.unparse(test) for test in tests if isinstance(test.left, ast.Name) and test.left.id == first}
    return {text.replace(first, "_", 1).replace("=", "") for text in found}


def climbing(
    source: Assignments, sources: dict[str, str], groups: Sequence[Group], moved: Collection[Line] = ()
) -> Line | None:
    """Where a program that climbs has its sign wrong: where its updates descend, the one line that takes an output from
    a label; where they ascend, as one does with an error, the one line that calls the reverse an error.

    `moved`: the lines that were seen to move them: a step before the training may have the right sign.
    """
    steps = [update for group in groups for update in source.steps(group)]
    signs = {update.sign for update in steps if (update.file, update.line) in moved} or {s.sign for s in steps}
    turned = label_less_output(sources) if 1 not in signs else output_less_label(sources) if signs == {1} else None
    return turned or source.climbing(list(groups), moved)


def label_less_output(sources: dict[str, str]) -> Line | None:
    """The line of a difference `y - out` that no loss, message or comparison is made of, if it is the only one.

    >>> label_less_output({"a.py": "loss = ((y - out) ** 2).sum()\\nd = 2 * (y - out)\\nprint(y - out)"})
    ('a.py', 2)
    """
    found = {line for line, node, around in _differences(sources) if is_label(node.left) and not _is_told(node, around)}
    return next(iter(found)) if len(found) == 1 else None


def output_less_label(sources: dict[str, str]) -> Line | None:
    """The line that gives a difference `out - y` a name that is none of a gradient, if it is the only one.

    >>> output_less_label({"a.py": "e = out - y\\nd_out = out - y\\nd = 2 * (out - y)"})
    ('a.py', 1)
    """
    found = {
        line
        for line, node, around in _differences(sources)
        if is_label(node.right)
        and isinstance(outer := around[node], ast.Assign)
        and not OF_GRADIENT.match(ast.unparse(outer.targets[0]).split(".")[-1])
    }
    return next(iter(found)) if len(found) == 1 else None


def _differences(sources: dict[str, str]) -> Iterator[tuple[Line, ast.BinOp, dict[ast.AST, ast.AST]]]:
    """The differences of a label and something else, and what each node stands in."""
    for file, tree in trees(sources):
        around = {part: node for node in ast.walk(tree) for part in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            minus = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)
            if minus and isinstance(node, ast.BinOp) and is_label(node.left) != is_label(node.right):
                yield (file, node.lineno), node, around


def _is_told(node: ast.expr, around: Mapping[ast.AST, ast.AST]) -> bool:
    """Whether an expression stands in a square, a size, a message, a comparison, or with a minus before it or its
    factor, `-2 * (y - out)`."""
    part: ast.AST = node
    while part in around and not isinstance(part, ast.stmt):
        part = around[part]
        if isinstance(part, ast.FormattedValue | ast.Compare | ast.UnaryOp):
            return True
        if isinstance(part, ast.BinOp) and isinstance(part.left, ast.UnaryOp) and isinstance(part.op, ast.Mult):
            return True
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow):
            return True
        if isinstance(part, ast.Call) and re.search(SIZES, ast.unparse(part.func)):
            return True
    return False


def is_label(node: ast.expr) -> bool:
    """Whether an expression is what labels are called, or a part of it: `y`, `self.targets[i]`."""
    while isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr == "T"):
        node = node.value
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return LABEL.match(name) is not None


OF_GRADIENT = re.compile(r"d([A-Z_0-9]|$)|g([_0-9]|rad|$)|delta")
SIZES = r"(abs|square|norm|mean|print|format|log|max)$"
LABEL = re.compile(
    r"(y|ys|yb|y_?(true|train|tr|batch|i|b|real|hot)|t|targets?|labels?|expected|desired|onehot|one_hot|truth|actual)$",
    re.I,
)


def thrown_away(sources: dict[str, str]) -> Line | None:
    """The line that takes the gradient of an earlier state from a function, `dprev, dW = cell_backward(…)`, where
    nothing reads it."""
    for file, tree in trees(sources):
        for scope in ast.walk(tree):
            if not isinstance(scope, ast.FunctionDef):
                continue
            read = {n.id for n in ast.walk(scope) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
            for node in ast.walk(scope):
                target = node.targets[0] if isinstance(node, ast.Assign) else None
                if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
                    continue
                parts = target.elts if isinstance(target, ast.Tuple) else []
                names = [part.id for part in parts if isinstance(part, ast.Name)]
                if any(OF_STATE.match(name) and name not in read for name in names):
                    return file, node.lineno
    return None


OF_STATE = re.compile(r"(d|grad_?|delta_?)_?(\w*prev\w*|\w*next\w*|h|s|c|\w*state\w*|hidden\w*)(_\w)?$", re.I)


def summed_last(sources: dict[str, str], chain: Iterable[Line]) -> tuple[Line, str] | None:
    """Of the lines that a gradient comes by, the one that leaves the last term of a sum, and what to write instead."""
    for file, line in chain:
        meant = only_last(sources.get(file, ""), line)
        if meant is not None:
            return (file, line), meant
    return None
