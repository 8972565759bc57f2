"""Where in the source a network's output gets its last activation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from pellucid.doctor.process.culprits import OUT
from pellucid.doctor.process.places import SourcePlace, assigned, names_in, trees

KINDS = re.compile(r"^(relu|leaky_?relu|sigmoid|logistic|tanh|softmax|softplus)$", re.I)
LONGEST = 8  # statements of a function that is an activation


def activation(sources: dict[str, str], key: Any) -> SourcePlace | None:
    """The line that computes an output by an activation: where its variable is assigned, where the function that gives
    it returns, the last layer that is given one, or the last assignment to it."""
    function, _, name = key[0].partition(",")[0].rpartition(".")[2], "", key[1].split(".")[-1]
    given = name.startswith("return")
    name = re.sub(r"\[.*", "", name)
    own = set(_activations(sources))
    for file, tree in trees(sources):
        nodes = sorted((n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.Return)), key=lambda n: n.lineno)
        by_name = [n for n in nodes if isinstance(n, ast.Assign) and name in assigned(n) and not given]
        ends = [n for n in nodes if isinstance(n, ast.Return) and _within(tree, n) == function and n.value is not None]
        called = {call for node in by_name for call in _user_calls(node)}
        inner = [n for n in nodes if isinstance(n, ast.Return) and _within(tree, n) in called - own]
        for found in (by_name, ends, inner):
            lines = [node.lineno for node in found if _activates(node, own)]
            if lines:
                return SourcePlace(file, lines[-1])
    return _last_layer(sources) or _last_call(sources, own) or _last_assignment(sources, name)


def bounds(sources: dict[str, str], at: SourcePlace) -> tuple[float, float] | None:
    """Between what the value of a line lies, if it is that of a sigmoid, or of a multiple of tanh, which is written
    there or is a function of the program.

    >>> source = {"a.py": "def act(z):\\n    return 1 / (1 + np.exp(-z))\\np = act(x @ w)\\nq = 2 * act(x) - 1"}
    >>> [bounds(source, SourcePlace("a.py", line)) for line in (2, 3, 4)]
    [(0.0, 1.0), (0.0, 1.0), None]
    >>> bounds({"a.py": "def act(z):\\n    return 1.7 * np.tanh(2/3 * z)\\no = act(h @ w)"}, SourcePlace("a.py", 3))
    (-1.7, 1.7)
    """
    tree = dict(trees(sources)).get(at.file)
    nodes = list(ast.walk(tree)) if tree is not None else []
    functions = {"expit": (0.0, 1.0)} | {
        node.name: found
        for node in nodes
        if isinstance(node, ast.FunctionDef)
        for part in ast.walk(node)
        if isinstance(part, ast.Return) and part.value is not None and (found := _bounds_of(part.value)) is not None
    }
    for node in nodes:
        if isinstance(node, ast.Assign | ast.Return) and node.lineno == at.line and node.value is not None:
            called = ast.unparse(node.value.func).split(".")[-1] if isinstance(node.value, ast.Call) else ""
            return functions.get(called) or _bounds_of(node.value)
    return None


def _bounds_of(value: ast.expr) -> tuple[float, float] | None:
    text = ast.unparse(value)
    scaled = SCALED_TANH.fullmatch(text)
    if scaled is not None and _is_one_call(value):
        size = float(scaled[1])
        return (-size, size)
    return (0.0, 1.0) if SIGMOID.fullmatch(text) else None


def _is_one_call(value: ast.expr) -> bool:
    """Whether a product is that of a number and a call, not a longer one."""
    return isinstance(value, ast.BinOp) and isinstance(value.right, ast.Call)


SCALED_TANH = re.compile(r"(\d+\.?\d*) \* [\w.]*tanh\(.*\)")
SIGMOID = re.compile(r"1(\.0?)? / \(1(\.0?)? \+ [\w.]*exp\(-.*\)\)|1(\.0?)? / \([\w.]*exp\(-.*\) \+ 1(\.0?)?\)")


def _activations(sources: dict[str, str]) -> Iterator[str]:
    """Functions of the program that are activations: short ones without a product of matrices."""
    for _, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and len(node.body) <= LONGEST:
                returned = [part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value]
                multiplies = any(_is_product(part) for part in ast.walk(node))
                if returned and not multiplies and any(OUT.search(ast.unparse(value)) for value in returned):
                    yield node.name


def _is_product(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.MatMult)
    return isinstance(node, ast.Call) and re.search(r"(dot|matmul|einsum)$", ast.unparse(node.func)) is not None


def _activates(node: ast.Assign | ast.Return, own: set[str]) -> bool:
    if node.value is None:
        return False
    calls = [ast.unparse(part.func) for part in ast.walk(node.value) if isinstance(part, ast.Call)]
    return any(call.split(".")[-1] in own or OUT.search(call) for call in calls)


def _user_calls(node: ast.Assign) -> set[str]:
    return {ast.unparse(part.func).split(".")[-1] for part in ast.walk(node.value) if isinstance(part, ast.Call)}


def _within(tree: ast.AST, node: ast.AST) -> str:
    """The name of the function that a statement is in."""
    line = getattr(node, "lineno", 0)
    around = [
        f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and f.lineno < line <= (f.end_lineno or f.lineno)
    ]
    return max(around, key=lambda f: f.lineno).name if around else ""


def _last_layer(sources: dict[str, str]) -> SourcePlace | None:
    """`Dense(32, 1, "relu")`, `Dense(32, 1, activation=tanh)` or `Sigmoid()`: the last of the layers."""
    found: list[SourcePlace] = []
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            words = [str(a.value) for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            words += [ast.unparse(a) for a in given if isinstance(a, ast.Name | ast.Attribute)]
            layer = len(given) > 1 and any(KINDS.match(word.split(".")[-1]) for word in words)
            if layer or (not given and KINDS.match(ast.unparse(node.func).split(".")[-1])):
                found.append(SourcePlace(file, node.end_lineno or node.lineno))
    return max(found, key=lambda place: place.line) if found else None


def _last_call(sources: dict[str, str], own: set[str]) -> SourcePlace | None:
    """The last statement that calls an activation, outside of these and of what computes gradients."""
    found: list[SourcePlace] = []
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.Return) and _within(tree, node) not in own and _activates(node, own):
                gradient = isinstance(node, ast.Assign) and any(
                    re.match(r"d[A-Z_]|grad|delta", n) for n in assigned(node)
                )
                if not gradient and not any(re.search(r"deriv|prime|back|grad", n) for n in (_within(tree, node),)):
                    found.append(SourcePlace(file, node.lineno))
    return max(found, key=lambda place: place.line) if found else None


def _last_assignment(sources: dict[str, str], name: str) -> SourcePlace | None:
    found = [
        SourcePlace(file, node.lineno)
        for file, tree in trees(sources)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and name in assigned(node) and any(True for _ in names_in(node.value))
    ]
    return max(found, key=lambda place: place.line) if found else None
