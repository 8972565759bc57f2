"""wrong-backward, zero-gradient: a function sets an item of a parameter, its argument, in place."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.process.places import SourcePlace, trees
from pellucid.doctor.report import Finding


@dataclass(frozen=True)
class Reset:
    """`theta[0] = 0` in a function that a loop gives a variable of that name."""

    name: str
    index: int
    value: float
    written: str
    loops: tuple[int, ...]  # the lines of the loops around the calls
    place: SourcePlace


def find(case: Case) -> Finding | None:
    """Asked of a parameter whose item is another number at the head of a pass: its updates move it, in vain."""
    found = case.session.found
    loop = case.session.program.loops.loops.get(case.session.number)
    for reset in resets(case.sources):
        group = found.groups.get(reset.name)
        if group is None or reset.name not in found.parameters or loop is None or loop.line not in reset.loops:
            continue
        values = group.read(case.session.scope).reshape(group.shape)
        if not group.shape or not -len(values) <= reset.index < len(values):
            continue
        item = values[reset.index]
        if not np.isfinite(item).all() or (item == reset.value).any():
            continue
        what = f"{reset.name}[{reset.index}]"
        finding = error(
            "wrong-backward",
            0.95,
            f"{what} is {np.ravel(item)[0]:.4g} at the head of a pass, and {reset.written} sets it to {reset.value:g} "
            "within the pass, before the next update.",
            f"The function is given {reset.name} itself, no copy: what an update makes of {what} is lost in each pass.",
            f"write into a copy: {reset.name}.copy()",
        )
        finding.mistake = "zero-gradient"
        finding.tensors = [{"name": reset.name, "verdict": "wrong", "said": f"{what} is set in each pass"}]
        at(finding, reset.place)
        return finding
    return None


def resets(sources: Mapping[str, str]) -> list[Reset]:
    """What functions that return something else set to a number, in the arguments that a loop gives them.

    >>> source = "def grad(w):\\n    w[0] = 0\\n    return w / 9\\nfor _ in range(9):\\n    w = w - grad(w)"
    >>> [(found.name, found.written, found.loops) for found in resets({"a.py": source})]
    [('w', 'w[0] = 0', (4,))]
    """
    found: list[Reset] = []
    for file, tree in trees(dict(sources)):
        nodes = [*ast.walk(tree)]
        loops = [node for node in nodes if isinstance(node, ast.For | ast.While)]
        for function in (node for node in nodes if isinstance(node, ast.FunctionDef)):
            for position, argument in enumerate(function.args.args):
                for statement in _sets(function, argument.arg):
                    found += _given(file, function.name, position, statement, loops)
    return found


def _sets(function: ast.FunctionDef, name: str) -> list[ast.Assign]:
    """The statements that set an item of an argument to a number, or of another name for it."""
    nodes = [*ast.walk(function)]
    stored = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    returned = [ast.unparse(node.value) for node in nodes if isinstance(node, ast.Return) and node.value is not None]
    others = {
        node.targets[0].id
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if isinstance(node.value, ast.Name) and node.value.id == name and stored.count(node.targets[0].id) == 1
    }
    if name in stored or not returned or {name, *others} & {*returned}:
        return []
    return [node for node in nodes if isinstance(node, ast.Assign) and _is_item(node, {name, *others})]


def _is_item(node: ast.Assign, names: set[str]) -> bool:
    target = node.targets[0]
    if len(node.targets) != 1 or not isinstance(target, ast.Subscript) or not isinstance(target.value, ast.Name):
        return False
    numbers = [part.value for part in (target.slice, node.value) if isinstance(part, ast.Constant)]
    return target.value.id in names and len(numbers) == 2 and isinstance(numbers[0], int) and numbers[1] in (0, 1)


def _given(
    file: str, function: str, position: int, statement: ast.Assign, loops: list[ast.For | ast.While]
) -> list[Reset]:
    """A reset for each variable that is given to the function at a position, within loops."""
    around: dict[str, list[int]] = {}
    for loop in loops:
        for node in ast.walk(loop):
            called = node.func if isinstance(node, ast.Call) else None
            if not isinstance(node, ast.Call) or not isinstance(called, ast.Name) or called.id != function:
                continue
            if len(node.args) > position and isinstance(node.args[position], ast.Name):
                around.setdefault(ast.unparse(node.args[position]), []).append(loop.lineno)
    index, value = statement.targets[0], statement.value
    if not isinstance(index, ast.Subscript) or not isinstance(index.slice, ast.Constant):
        return []
    item, number = int(str(index.slice.value)), float(ast.literal_eval(value))
    place, written = SourcePlace(file, statement.lineno), ast.unparse(statement)
    return [Reset(name, item, number, written, tuple(lines), place) for name, lines in around.items()]
