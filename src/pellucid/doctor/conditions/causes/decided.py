"""labels-out-of-range: the program decides between two numbers, and compares what it decides with labels of others."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.process.places import SourcePlace, trees
from pellucid.doctor.report import Finding

SCORES = ("accuracy_score", "confusion_matrix", "classification_report", "f1_score", "array_equal")
FEWEST = 4  # rows


@dataclass(frozen=True)
class Compared:
    """What is decided somewhere, one of two numbers, and the name of the labels that it is compared with."""

    labels: str
    values: tuple[float, float]
    place: SourcePlace


def find(case: Case) -> Finding | None:
    """`np.where(z >= 0, 1, -1)` is never a label that is 0: those rows are wrong, whatever the output is."""
    for compared in comparisons(case.sources, case.session.frame.f_code.co_name):
        try:
            held = np.asarray(case.session.scope.get(case.path(compared.labels)), dtype=float).ravel()
        except (StopIteration, LookupError, AttributeError, TypeError, ValueError):
            continue
        kinds = np.unique(held)
        never = [kind for kind in kinds if kind not in compared.values]
        if len(held) < FEWEST or len(kinds) != 2 or not never or not np.isfinite(kinds).all():
            continue
        share = float(np.isin(held, never).mean())
        low, high = sorted(compared.values)
        finding = error(
            "labels-out-of-range",
            0.95,
            f"{compared.labels} holds {kinds[0]:g} and {kinds[1]:g}, and is compared with what is {low:g} or {high:g}: "
            f"{100 * share:.0f} % of its rows are never right, whatever the output is.",
            f"The program decides between {low:g} and {high:g}, and the labels of its training are other numbers.",
            f"give it labels of {low:g} and {high:g}, or let it decide between {kinds[0]:g} and {kinds[1]:g} half way",
        )
        at(finding, compared.place)
        return finding
    return None


def comparisons(sources: Mapping[str, str], running: str = "<module>") -> list[Compared]:
    """The labels of a module, or of the function that is `running`, that are compared with what was decided.

    >>> comparisons({"a.py": "p = np.where(z > 0, 1, -1)\\nprint((p == y).mean())"})[0].values
    (1.0, -1.0)
    """
    found: list[Compared] = []
    for file, tree in trees(dict(sources)):
        places = [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))]
        functions = _deciding([node for node in places if isinstance(node, ast.FunctionDef)])
        for place in places:
            if getattr(place, "name", "<module>") != running and place is not tree:
                continue
            nodes = [*_inside(place)]
            stored = [_root(node) for node in nodes if isinstance(getattr(node, "ctx", None), ast.Store)]
            decided = {
                node.targets[0].id: by
                for node in nodes
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
                if (by := _decision(node.value, functions, {})) and stored.count(node.targets[0].id) == 1
            }
            for node in nodes:
                for one, other in _sides(node):
                    by = _decision(one, functions, decided)
                    if not by or not isinstance(other, ast.Name) or stored.count(other.id) > 1:
                        continue
                    if other.id not in decided or decided[other.id][1] < by[1]:  # labels may be made so, at first
                        found.append(Compared(other.id, by[0], SourcePlace(file, by[1])))
    return found


Decision = tuple[tuple[float, float], int]


def _deciding(functions: Collection[ast.FunctionDef]) -> dict[str, Decision]:
    """The functions that return nothing but one of two numbers, themselves or by another one, and the line of that."""
    found: dict[str, Decision] = {}
    names = [function.name for function in functions]
    for _ in range(3):
        for function in functions:
            returns = [node.value for node in _inside(function) if isinstance(node, ast.Return)]
            by = _decision(returns[0], found, {}) if len(returns) == 1 and returns[0] is not None else None
            if by and names.count(function.name) == 1:
                found.setdefault(function.name, by)
    return found


def _decision(value: ast.expr, functions: Mapping[str, Decision], decided: Mapping[str, Decision]) -> Decision | None:
    """Which two numbers a value may be, and in which line that is decided."""
    if isinstance(value, ast.Name):
        return decided.get(value.id)
    parts: list[ast.expr] = []
    if isinstance(value, ast.IfExp):
        parts = [value.body, value.orelse]
    elif isinstance(value, ast.Call):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else ast.unparse(value.func)
        if name == "where" and len(value.args) == 3 and isinstance(value.args[0], ast.Compare):
            parts = value.args[1:]
        elif name in functions:
            return functions[name]
    numbers = [_number(part) for part in parts]
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None or numbers[0] == numbers[1]:
        return None
    return (numbers[0], numbers[1]), value.lineno


def _number(value: ast.expr) -> float | None:
    try:
        number = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError):
        return None
    return float(number) if isinstance(number, int | float) else None


def _sides(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """What is compared, each side with the other."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq | ast.NotEq):
        return [(node.left, node.comparators[0]), (node.comparators[0], node.left)]
    if isinstance(node, ast.Call) and len(node.args) >= 2 and ast.unparse(node.func).endswith(SCORES):
        return [(node.args[0], node.args[1]), (node.args[1], node.args[0])]
    return []


def _inside(place: ast.AST) -> Iterator[ast.AST]:
    """What belongs to a module or a function itself, not to functions within it."""
    for node in ast.iter_child_nodes(place):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            yield node
            yield from _inside(node)


def _root(node: ast.AST) -> str:
    """`y` of `y[y == 0] = -1`."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return ast.unparse(node)
