"""Lines of the source: what they assign, the numbers in them, and those that a cause points to by itself."""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SourcePlace:
    """A line, and the number that is written there if it is one."""

    file: str
    line: int
    value: float | None = None
    text: str = ""  # how the number is written


def trees(sources: dict[str, str]) -> Iterator[tuple[str, ast.Module]]:
    """Each file as a tree, without the functions that nothing calls: no line of theirs is run."""
    yield from _called(tuple(sources.items()))


@functools.lru_cache(maxsize=4)
def _called(sources: tuple[tuple[str, str], ...]) -> list[tuple[str, ast.Module]]:
    found: list[tuple[str, ast.Module]] = []
    for file, text in sources:
        try:
            found.append((file, ast.parse(text)))
        except SyntaxError:
            continue
    while idle := _idle([tree for _, tree in found]):
        for _, tree in found:
            tree.body = [node for node in tree.body if node not in idle]
    return found


def _idle(modules: list[ast.Module]) -> list[ast.stmt]:
    """The functions of modules whose name stands nowhere but within them."""
    counts: Counter[str] = Counter()
    for tree in modules:
        counts.update(_mentioned(tree))
    functions = [node for tree in modules for node in tree.body if isinstance(node, ast.FunctionDef)]
    idle = [f for f in functions if not f.decorator_list and counts[f.name] == _mentioned(f)[f.name]]
    return [] if len(idle) == len(functions) and not any(map(_runs, modules)) else list(idle)


def _runs(tree: ast.Module) -> bool:
    """Whether a module does more than define and import."""
    return any(not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom) for node in tree.body)


def _mentioned(tree: ast.AST) -> Counter[str]:
    names: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names[node.id] += 1
        elif isinstance(node, ast.Attribute):
            names[node.attr] += 1
        elif isinstance(node, ast.alias):
            names[node.name] += 1
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names[node.value] += 1
    return names


def first(sources: dict[str, str], fits: Callable[[ast.AST], bool]) -> SourcePlace | None:
    """The first line whose statement fits."""
    for file, tree in trees(sources):
        lines = sorted(node.lineno for node in ast.walk(tree) if fits(node))  # type: ignore[attr-defined]
        if lines:
            return SourcePlace(file, lines[0])
    return None


def last(sources: dict[str, str], fits: Callable[[ast.AST], bool]) -> SourcePlace | None:
    for file, tree in trees(sources):
        lines = sorted(node.lineno for node in ast.walk(tree) if fits(node))  # type: ignore[attr-defined]
        if lines:
            return SourcePlace(file, lines[-1])
    return None


def assigned(node: ast.AST) -> list[str]:
    """The names that a statement assigns."""
    if isinstance(node, ast.Assign):
        return [name for target in node.targets for name in names_in(target)]
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return list(names_in(node.target))
    return []


def handed_on_together(source: str, first: int, last: int) -> list[set[str]]:
    """The variables that a statement of these lines gives to a function and sets to what it returns.

    >>> [sorted(names) for names in handed_on_together("b, m = step(b, m, rows)", 1, 1)]
    [['b', 'm']]
    """
    found: list[set[str]] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Assign) or not first <= node.lineno <= last:
            continue
        if isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Tuple | ast.List):
            given = {arg.id for arg in node.value.args if isinstance(arg, ast.Name)}
            both = given & {part.id for part in node.targets[0].elts if isinstance(part, ast.Name)}
            found += [both] if len(both) > 1 else []
    return found


def passes(sources: dict[str, str], file: str, line: int, names: dict[str, Any]) -> int | None:
    """How often `for … in range(…)` at a line runs, where that can be read."""
    for _, tree in trees({file: sources[file]} if file in sources else {}):
        for node in ast.walk(tree):
            if isinstance(node, ast.For) and node.lineno == line and isinstance(node.iter, ast.Call):
                call = node.iter
                if isinstance(call.func, ast.Name) and call.func.id == "range" and not call.keywords:
                    try:
                        arguments = [_whole(argument, names) for argument in call.args]
                        return len(range(*arguments))
                    except (TypeError, ValueError, KeyError):
                        return None
    return None


@dataclass(frozen=True)
class Cut:
    """Where a batch is cut out of the data in a loop."""

    place: SourcePlace
    base: str  # what it is cut out of, as `X` or `self.X`


def cut(sources: dict[str, str], file: str, first_line: int, last_line: int, name: str) -> Cut | None:
    """`xb = X[i:i + 32]` within these lines, for the batch called `name`."""
    wanted = re.split(r"[.\[]", name.removeprefix("self."))[0]
    for other, tree in trees(sources):
        if other != file:
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign) or not first_line < node.lineno <= last_line:
                continue
            value: Any = node.value
            if isinstance(value, ast.Attribute) and value.attr == "T":
                value = value.value
            if wanted not in assigned(node) and not any(_passed_on(tree, target, wanted) for target in assigned(node)):
                continue
            parts = value.elts if isinstance(value, ast.Tuple) else [value]
            for part in parts:
                if isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name | ast.Attribute):
                    return Cut(SourcePlace(file, node.lineno), ast.unparse(part.value))
    return None


def _passed_on(tree: ast.AST, name: str, wanted: str) -> bool:
    """Whether a variable is handed to a function whose parameter has the wanted name."""
    functions = {f.name: [a.arg for a in f.args.args] for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            names = functions.get(called, [])
            names = names[1:] if names[:1] == ["self"] else names
            for argument, parameter in zip(node.args, names, strict=False):
                if parameter == wanted and isinstance(argument, ast.Name) and argument.id == name:
                    return True
    return False


INPUTS = re.compile(r"^(x|xs|x_?\w*|\w*_x|inputs?|data|feat(ure)?s?|im(age|g)s?|samples?)$", re.I)
LABELS = re.compile(r"^(y|ys|y_?\w*|\w*_y|t|targ(et)?s?|labels?\w*|\w*labels?|lbls?)$", re.I)


def _whole(node: ast.expr, names: dict[str, Any]) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name):
        return int(names[node.id])
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "len" and isinstance(node.args[0], ast.Name):
        return len(names[node.args[0].id])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        left, right = _whole(node.left, names), _whole(node.right, names)
        return left + right if isinstance(node.op, ast.Add) else left - right
    raise ValueError


def names_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant):
            yield str(part.slice.value)


def number_of(node: ast.expr | None) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    return None


def number_at(file: str, node: ast.expr) -> list[SourcePlace]:
    """The place of an expression that is a number; none where it is something else."""
    number = number_of(node)
    return [] if number is None else [placed(file, node, number)]


def placed(file: str, node: Any, number: float) -> SourcePlace:
    return SourcePlace(file, node.lineno, number, ast.unparse(node))


ERROR = re.compile(r"^(?!.*(loss|cost|likelihood|entropy|total|sum)).*err(or)?s?([^a-z]|$)", re.I)


def residuals(sources: dict[str, str]) -> set[str]:
    """What is called an error and is a mere difference wherever it is assigned: `err = y - out`, which may be below 0.

    >>> residuals({"a.py": "err = y - out\\nerror = abs(y - out)\\nloss = a - b\\ntotal_err = a - b"})
    {'err'}
    >>> residuals({"a.py": "def step(x):\\n    error = y - net(x)\\n    return error\\nerror = step(x)"})
    {'error'}
    """
    made: dict[str, list[ast.expr]] = {}
    returned: dict[str, list[ast.expr | None]] = {}
    for _, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    made.setdefault(ast.unparse(target), []).append(node.value)
            elif isinstance(node, ast.FunctionDef):
                ends = [part.value for part in ast.walk(node) if isinstance(part, ast.Return)]
                returned.setdefault(node.name, []).extend(ends)

    def differs(value: ast.expr | None, depth: int = 3) -> bool:
        if isinstance(value, ast.Call) and depth:  # of a function of the program, what it returns
            ends = returned.get(ast.unparse(value.func).rpartition(".")[2], [])
            return bool(ends) and all(differs(end, depth - 1) or _is_of(end, depth) for end in ends)
        return isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub)

    def _is_of(value: ast.expr | None, depth: int) -> bool:
        known = [] if value is None else made.get(ast.unparse(value), [])
        plain = [other for other in known if not isinstance(other, ast.Call)]
        return bool(plain) and all(differs(other, depth - 1) for other in plain)

    return {name for name, every in made.items() if ERROR.search(name) and all(map(differs, every))}
