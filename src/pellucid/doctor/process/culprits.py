"""The lines of the source that a cause points to by itself: a softmax over the wrong axis, a bare logarithm."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Collection
from typing import Any

from pellucid.doctor.process.origins import first_values
from pellucid.doctor.process.places import SourcePlace, assigned, first, last, names_in, trees

OUT = re.compile(r"softmax|sigmoid|tanh|relu|exp|maximum", re.I)
DATA_CAUSES = ("non-finite-data", "constant-target", "class-imbalance", "unshuffled-data")


def of_cause(cause: str, sources: dict[str, str], keys: Any) -> SourcePlace | None:
    """The line that a cause points to by itself."""
    names = {key[1].split(".")[-1] for key in (keys.outputs,) if key is not None and not key[1].startswith("return")}
    if cause == "softmax-wrong-axis":
        return next((place for axis in ("0", None, "1") if (place := _summed_over(sources, axis)) is not None), None)
    if cause in ("output-range-mismatch", "softmax-single-unit", "activation-before-loss"):
        return last(
            sources,
            lambda node: (
                isinstance(node, ast.Assign)
                and bool(names & set(assigned(node)))
                and any(
                    isinstance(part, ast.Call) and OUT.search(ast.unparse(part.func)) for part in ast.walk(node.value)
                )
            ),
        )
    key = keys.inputs if cause == "non-finite-data" else keys.labels
    return first_values(sources, key[1]) if key is not None and cause in DATA_CAUSES else None


def softmax(sources: dict[str, str], name: str, cause: str) -> SourcePlace | None:
    """Where a softmax takes what it should not: another softmax, or rectified scores; else where `name` is assigned."""
    inner = {"double-softmax": "softmax"}.get(cause, r"relu|maximum|\bmax\(")
    nested = re.compile(rf"[\w.]*(?:softmax|sigmoid|expit|logistic)\w*\(.*(?:{inner})", re.I)
    called = first(sources, lambda node: isinstance(node, ast.Call) and nested.match(ast.unparse(node)) is not None)
    if called is None and cause == "activation-before-loss":
        called = rectified(sources)
    if called is not None or not name:
        return called
    wanted = re.split(r"[.\[]", name.removeprefix("self."))[0]
    return last(sources, lambda node: isinstance(node, ast.Assign | ast.AugAssign) and wanted in assigned(node))


def normalized(sources: dict[str, str]) -> SourcePlace | None:
    """Where something is divided by its own sum, or a softmax is called: the call of the function that does so, where
    one does.

    >>> normalized({"a.py": "e = np.exp(z)\\np = e / np.sum(e, axis=1)"}).line
    2
    >>> normalized({"a.py": "def act(e):\\n    return e / e.sum()\\n\\nout = act(np.exp(z))"}).line
    4
    """
    divides = _takes(lambda part: _is_normalized(part))
    names = {
        scope.name
        for _, tree in trees(sources)
        for scope in ast.walk(tree)
        if isinstance(scope, ast.FunctionDef) and any(map(divides, ast.walk(scope)))
    }
    called = _takes(lambda part: isinstance(part, ast.Call) and ast.unparse(part.func).split(".")[-1] in names)
    return first(sources, called) or first(sources, divides)


def _takes(fits: Callable[[ast.AST], bool]) -> Callable[[ast.AST], bool]:
    """Whether a statement that assigns or returns takes something that fits."""
    return lambda node: (
        isinstance(node, ast.Return | ast.Assign) and node.value is not None and any(map(fits, ast.walk(node.value)))
    )


def _is_normalized(part: ast.AST) -> bool:
    if isinstance(part, ast.Call) and "softmax" in ast.unparse(part.func).lower():
        return True
    if not isinstance(part, ast.BinOp) or not isinstance(part.op, ast.Div) or not isinstance(part.right, ast.Call):
        return False
    taken, function = ast.unparse(part.left), ast.unparse(part.right.func)
    summed = [ast.unparse(argument) for argument in part.right.args[:1]]
    return function == f"{taken}.sum" or (function.split(".")[-1] == "sum" and summed == [taken])


def rectified(sources: dict[str, str]) -> SourcePlace | None:
    """Where scores are rectified of which a softmax is taken afterwards: `s = np.maximum(0, z)`, later `np.exp(s)`.

    >>> rectified({"a.py": "s = relu(x @ w)\\ns = s - s.max()\\np = np.exp(s) / np.exp(s).sum()"}).line
    1
    """
    for file, tree in trees(sources):
        for scope in ast.walk(tree):
            if not isinstance(scope, ast.Module | ast.FunctionDef):
                continue
            nodes = [node for node in ast.walk(scope) if isinstance(node, ast.Assign | ast.Return) and node.value]
            for node in nodes:
                value = node.value
                if not isinstance(value, ast.Call) or not re.search(
                    r"(^|[._])(relu|maximum)$", ast.unparse(value.func)
                ):
                    continue
                for name in assigned(node):
                    taken = re.compile(rf"(softmax|exp)\({re.escape(name)}( - [^()]*(\([^()]*\))?)?[,)]")
                    if any(n.lineno > node.lineno and taken.search(ast.unparse(n)) for n in nodes):
                        return SourcePlace(file, node.lineno)
    return None


def product(sources: dict[str, str], name: str) -> SourcePlace | None:
    """The first line that multiplies something by a parameter and is no gradient: where its layer is computed."""
    wanted = re.findall(r"\w+", name)[-1]

    def multiplies(node: ast.AST) -> bool:
        if not isinstance(node, ast.Assign | ast.Return) or node.value is None:
            return False
        if any(re.match(r"d[A-Z_]|grad|delta|g[A-Z]|back", target) for target in assigned(node)):
            return False
        return any(
            wanted in set(names_in(part))
            for part in ast.walk(node.value)
            if (isinstance(part, ast.BinOp) and isinstance(part.op, ast.MatMult))
            or (isinstance(part, ast.Call) and re.search(r"(dot|matmul|einsum)$", ast.unparse(part.func)))
        )

    return first(sources, multiplies)


def squashing(sources: dict[str, str]) -> SourcePlace | None:
    """Where a sigmoid is computed, or the first line that calls one: the activation of the hidden layers."""
    own = re.compile(r"1(\.0?)? / \(1(\.0?)? \+ [\w.]*exp\(-")
    made = first(sources, lambda n: isinstance(n, ast.Return | ast.Assign) and own.search(ast.unparse(n)) is not None)
    called = re.compile(r"sigmoid|expit|logistic|tanh", re.I)
    return made or first(
        sources, lambda node: isinstance(node, ast.Call) and called.search(ast.unparse(node.func)) is not None
    )


def rectifier_before_last(sources: dict[str, str]) -> SourcePlace | None:
    """Where a rectifier that is an object is put before the last sigmoid: `[…, ReLU(), Sigmoid()]`."""
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            parts = node.elts if isinstance(node, ast.List | ast.Tuple) else getattr(node, "args", [])
            for part, following in itertools.pairwise(parts) if isinstance(parts, list) else ():
                names = [ast.unparse(c.func) if isinstance(c, ast.Call) else "" for c in (part, following)]
                if re.search("relu", names[0], re.I) and re.search("sigmoid|logistic", names[1], re.I):
                    return SourcePlace(file, part.lineno)
    return None


def stacked(sources: dict[str, str], kind: str) -> SourcePlace | None:
    """Where the second layer of a class is made, `Dense(64, 3)` behind `Dense(2, 64)`; the first, if that has its
    activation as an argument."""
    for file, tree in trees(sources):
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func).split(".")[-1] == kind]
        calls.sort(key=lambda node: (node.lineno, node.col_offset))
        if len(calls) > 1:
            given = any(keyword.arg and "activ" in keyword.arg for keyword in calls[0].keywords)
            given = given or re.search(r"linear|identity|None", ast.unparse(calls[0])) is not None
            return SourcePlace(file, calls[0 if given else 1].lineno)
    return None


def logarithm(sources: dict[str, str]) -> SourcePlace | None:
    """The first line that takes a logarithm of something bare: without a small number that is added to it."""
    return first(
        sources,
        lambda node: (
            isinstance(node, ast.Call)
            and re.search(r"(^|\.)log(2|10)?$", ast.unparse(node.func)) is not None
            and bool(node.args)
            and not re.search(r"eps|e-\d+|clip|tiny|maximum|exp|sum\(", ast.unparse(node.args[0]))
        ),
    )


def softmax_again(sources: dict[str, str]) -> SourcePlace | None:
    """Where what a softmax gave goes through another one: `p = e / e.sum()`, later `np.exp(p) / np.exp(p).sum()`."""
    for file, tree in trees(sources):
        for scope in ast.walk(tree):
            if not isinstance(scope, ast.Module | ast.FunctionDef):
                continue
            nodes = [node for node in ast.walk(scope) if isinstance(node, ast.Assign | ast.Return) and node.value]
            given: dict[str, int] = {}
            for node in sorted(nodes, key=lambda node: node.lineno):
                value = ast.unparse(node.value) if node.value is not None else ""
                makes = re.search(r"softmax\(", value) or ("/" in value and "sum" in value)
                if not makes:
                    for name in assigned(node):
                        given.pop(name, None)
                    continue
                for name, line in given.items():
                    inner = rf"(softmax|exp)\({re.escape(name)}( - [^()]*)?[(),]"
                    if line < node.lineno and re.search(inner, value):
                        return SourcePlace(file, node.lineno)
                given |= {name: node.lineno for name in assigned(node) if len(name) > 0}
    return None


def _summed_over(sources: dict[str, str], axis: str | None) -> SourcePlace | None:
    """The first statement that sums exponentials, or divides by a sum, over an axis: `e / e.sum(axis=0)`.

    >>> _summed_over({"a.py": "e = np.exp(z)\\ns = e.sum()\\np = e / s"}, None).line
    2
    """
    for file, tree in trees(sources):
        lines: list[int] = []
        for scope in ast.walk(tree):
            if isinstance(scope, ast.Module | ast.FunctionDef):
                own = [node for part in scope.body if not _is_scope(part) for node in ast.walk(part)]
                nodes = [
                    n for n in own if isinstance(n, ast.Return | ast.Assign | ast.AugAssign) and n.value is not None
                ]
                powers = {name for node in nodes if "exp(" in ast.unparse(node) for name in assigned(node)}
                lines += [node.lineno for node in nodes if _sums(node, axis, powers)]
        if lines:
            return SourcePlace(file, min(lines))
    return None


def _is_scope(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.ClassDef)


def softmax_in_call(sources: dict[str, str]) -> SourcePlace | None:
    """Where a function takes the softmax of what it is given, and is given what a softmax made.

    >>> text = "def delta(x, y):\\n    g = softmax(x)\\n    return g - y\\np = softmax(h @ w)\\nd = delta(p, y)"
    >>> softmax_in_call({"a.py": text}).line
    2
    """
    made, calls, functions = set[str](), list[ast.Call](), list[tuple[str, ast.FunctionDef]]()
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and re.match(r"[\w.]*softmax\(", ast.unparse(node.value), re.I):
                made |= {ast.unparse(target) for target in node.targets}
            elif isinstance(node, ast.Call):
                calls.append(node)
            elif isinstance(node, ast.FunctionDef):
                functions.append((file, node))
    for file, function in functions:
        names = [argument.arg for argument in function.args.args if argument.arg != "self"]
        own = [call for call in calls if ast.unparse(call.func).split(".")[-1] == function.name]
        pairs = [pair for call in own for pair in zip(names, call.args, strict=False)]
        given = {name for name, value in pairs if ast.unparse(value) in made}
        for part in ast.walk(function):
            taken = isinstance(part, ast.Call) and re.search(r"softmax$", ast.unparse(part.func), re.I) is not None
            if isinstance(part, ast.Call) and taken and part.args and ast.unparse(part.args[0]) in given:
                return SourcePlace(file, part.lineno)
    return None


def _sums(node: ast.AST, axis: str | None, powers: Collection[str]) -> bool:
    """Whether a statement sums exponentials, which `powers` are, or divides by a sum, over this axis."""
    exponential = "exp" in ast.unparse(node)
    below = [p.right for p in ast.walk(node) if isinstance(p, ast.BinOp) and isinstance(p.op, ast.Div)]
    for part in [node] if exponential else [*below, node]:
        for call in ast.walk(part):
            if not isinstance(call, ast.Call) or not ast.unparse(call.func).endswith("sum"):
                continue
            of_power = any(isinstance(name, ast.Name) and name.id in powers for name in ast.walk(call))
            if part is node and not (exponential or of_power):
                continue
            axes = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "axis"]
            if (axis in axes) if axis is not None else not axes:
                return True
    return False
