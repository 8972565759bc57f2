"""Where in the source the number of turns of a loop is written, and what counts them."""

from __future__ import annotations

import ast
import re

from pellucid.doctor.process.instrument import of_list
from pellucid.doctor.process.places import SourcePlace, assigned, names_in, number_at, trees
from pellucid.doctor.process.rates import entries, option


def count(sources: dict[str, str], file: str, line: int) -> SourcePlace | None:
    """Where the number of turns of `for … in range(epochs)` at a line is given: as an argument of a call, an
    assignment, or a default; None where it is a constant of the loop itself."""
    for _, tree in trees({file: sources[file]} if file in sources else {}):
        for node in ast.walk(tree):
            if isinstance(node, ast.For) and node.lineno == line:
                names = set(names_in(node.iter))  # range(epochs), range(config["epochs"])
                return _given(sources, names - {"range", "self", "tqdm", "trange", "len"})
    return None


def in_steps(sources: dict[str, str], file: str, first: int, last: int) -> list[int]:
    """The lines of the loops over batches, `for i in range(0, n, size)`, from a line to another.

    >>> in_steps({"a.py": "for i in range(0, n, 32):\\n    pass"}, "a.py", 1, 2)
    [1]
    """
    found = [node for _, tree in trees({file: sources[file]} if file in sources else {}) for node in ast.walk(tree)]
    heads = [node for node in found if isinstance(node, ast.For) and first <= node.lineno <= last]
    return [node.lineno for node in heads if isinstance(node.iter, ast.Call) and len(node.iter.args) == 3]


def counters(sources: dict[str, str]) -> frozenset[str]:
    """The names that only count: `for epoch in range(…)`, `for i, x in enumerate(…)`, `step += 1`.

    The variables of a comprehension are its own, and count under the name that they have where it is a loop.
    """
    found: set[str] = set()
    for _, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.For):
                found |= _counted(node)
            elif isinstance(node, ast.comprehension):
                found |= {of_list(name) for name in _counted(node)}
            elif isinstance(node, ast.AugAssign) and ast.unparse(node.value) == "1":
                found.add(ast.unparse(node.target).split(".")[-1])
    return frozenset(found)


def _counted(loop: ast.For | ast.comprehension) -> set[str]:
    if not isinstance(loop.iter, ast.Call) or not isinstance(loop.iter.func, ast.Name):
        return set()
    target = loop.target
    if loop.iter.func.id == "enumerate" and isinstance(target, ast.Tuple) and target.elts:
        target = target.elts[0]
    elif loop.iter.func.id not in ("range", "trange"):
        return set()
    return {target.id} if isinstance(target, ast.Name) else set()


def _given(sources: dict[str, str], wanted: set[str]) -> SourcePlace | None:
    """Where one of some names is given a number: a call before an assignment, that before a default."""
    found: list[tuple[int, SourcePlace]] = []
    whole = re.compile(f"({'|'.join(map(re.escape, sorted(wanted)))})$" if wanted else "$^")
    for file, tree in trees(sources):
        positions: dict[str, tuple[int, bool]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and wanted & set(assigned(node)):
                found += [(1, place) for place in number_at(file, node.value)]
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    where = _place(item, wanted) if getattr(item, "name", "") == "__init__" else None
                    if where is not None:
                        positions[node.name] = (where, True)
            where = _place(node, wanted)
            if where is not None and isinstance(node, ast.FunctionDef):
                names = node.args.args
                positions[node.name] = (where, names[0].arg == "self")
                back = where - len(names) + len(node.args.defaults)
                found += [(2, place) for place in number_at(file, node.args.defaults[back])] if back >= 0 else []
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                found += [(0, place) for place in entries(file, node, whole)]
            elif isinstance(node, ast.Call):
                found += [(0, place) for place in option(file, node, whole)]
                named = [keyword.value for keyword in node.keywords if keyword.arg in wanted]
                where, method = positions.get(ast.unparse(node.func).split(".")[-1], (-1, False))
                placed = node.args[where - method : where - method + 1] if where >= method else []
                found += [(0, place) for value in (*named, *placed) for place in number_at(file, value)]
    return min(found, key=lambda item: item[0])[1] if found else None


def _place(node: ast.AST, wanted: set[str]) -> int | None:
    """Where one of some names is among the parameters of a function."""
    if not isinstance(node, ast.FunctionDef):
        return None
    return next((i for i, argument in enumerate(node.args.args) if argument.arg in wanted), None)
