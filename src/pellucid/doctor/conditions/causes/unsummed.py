"""wrong-backward, missing-broadcast-sum: a bias that its own gradient has given a row or a column for each sample."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from pellucid.doctor.conditions.case import Case, error
from pellucid.doctor.process.places import trees
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.report import Finding

Shape = tuple[int, ...]


def find(case: Case) -> Finding | None:
    """`b = b - lr * delta` makes b of shape (units, 1) one of (units, samples): the sum lacks."""
    grown = grown_by_samples(case)
    if not grown:
        return _spread(case)
    names, (name, (axis, samples)) = ", ".join(grown), next(iter(grown.items()))
    old, now = case.initial[name], case.session.found.groups[name].shape
    keep = ", keepdims=True" if axis else ""
    finding = error(
        "wrong-backward",
        0.97,
        f"{name} began with {old.size} numbers and has the shape {now} after an update: one for each unit and each of "
        f"{samples} samples.",
        f"The gradient of {names} is not summed over the samples, and the update spreads the parameter over them.",
        f"sum it over the samples: np.sum(…, axis={axis}{keep})",
    )
    finding.mistake = "missing-broadcast-sum"
    finding.tensors = [{"name": other, "verdict": "wrong", "said": f"{other} has grown"} for other in grown]
    source = Assignments.of(case.sources)
    lines = source.slice(case.session.found.groups[name], 1)
    moves = {(a.file, a.line) for a in source.updates(case.session.found.groups[name])}
    line = next((line for line in lines if line not in moves), lines[0] if lines else None)
    if line is not None:
        finding.file, finding.line = line
        finding.code = case.session.program.loops.line(*line)
        made = re.fullmatch(r"(\s*[\w.\[\]'\"]+\s*=\s*)([^=].*?)(\s*(?:#.*)?)", finding.code)
        if made:
            new = f"{made[1]}np.sum({made[2]}, axis={axis}{keep}){made[3]}"
            finding.patch = {"old": finding.code, "new": new}
    return finding


def _spread(case: Case) -> Finding | None:
    """An offset that begins as one number, `b = 0`, and is one for each row after `b = b - rate * errors`."""
    for name, line in offsets(case.sources).items():
        try:
            value: Any = case.session.scope.get(case.path(name))
        except (StopIteration, LookupError, AttributeError):
            continue
        shape = getattr(value, "shape", ())
        if len(shape) != 1 or shape[0] < FEWEST:
            continue
        found = case.session.found  # several outputs have a matrix of weights, or a weight each
        others = [found.groups[other] for other in found.parameters if other != name]
        if not others or any(len(group.shape) > 1 or group.size == shape[0] for group in others):
            continue
        finding = error(
            "wrong-backward",
            0.97,
            f"{name} begins as one number, and has {shape[0]} after an update: one for each row.",
            f"The gradient of {name} is not summed over the rows, and the update makes {name} another one for each of "
            "them: it takes up what is left of each row's label by itself.",
            "sum it over the rows, as that of the slope: np.sum(…)",
        )
        finding.mistake = "missing-broadcast-sum"
        finding.tensors = [{"name": name, "verdict": "wrong", "said": f"{name} has grown"}]
        finding.file, finding.line = line
        finding.code = case.session.program.loops.line(*line)
        return finding
    return None


FEWEST = 5  # rows, fewer of which may be something else


def offsets(sources: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """The names that begin as a number, are moved by what is subtracted from them, and are added to a product, `w * x +
    b`, and the line where what moves them is computed.

    >>> offsets({"a.py": "b = 0\\nfor _ in range(9):\\n    p = w * x + b\\n    db = p - y\\n    b = b - 0.1 * db"})
    {'b': ('a.py', 4)}
    """
    found: dict[str, tuple[str, int]] = {}
    for file, tree in trees(dict(sources)):
        nodes = [*ast.walk(tree)]
        begun, made = dict[str, list[ast.AST]](), dict[str, list[ast.Assign]]()
        for node in (node for node in nodes if isinstance(node, ast.Assign) and len(node.targets) == 1):
            name = ast.unparse(node.targets[0])
            made.setdefault(name, []).append(node)
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, int | float):
                begun.setdefault(name, []).append(node)
        own = {part for node in nodes if _moved(node) for part in ast.walk(node)}  # a sum that goes on
        added = {
            ast.unparse(part)
            for node in nodes
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and node not in own
            for part, other in ((node.left, node.right), (node.right, node.left))
            if isinstance(other, ast.BinOp) and isinstance(other.op, ast.Mult | ast.MatMult)
        }
        loops = [node for node in nodes if isinstance(node, ast.For | ast.While)]
        for node in nodes:
            moved = _moved(node)
            if moved is None or moved[0] not in begun.keys() & added:
                continue
            name, by = moved
            around = [loop for loop in loops if any(part is node for part in ast.walk(loop))]
            if not around or any(part in begun[name] for part in ast.walk(around[-1])):
                continue
            taken = [ast.unparse(part) for part in ast.walk(by) if isinstance(part, ast.Name | ast.Attribute)]
            before = [given for part in taken for given in made.get(part, [])]
            if any(SUMS.search(ast.unparse(value)) for value in (by, *(given.value for given in before))):
                continue
            lines = [given.lineno for given in before if GRADIENT.search(ast.unparse(given.targets[0]))]
            found.setdefault(name, (file, max(lines, default=getattr(node, "lineno", 0))))
    return found


SUMS = re.compile(r"sum|mean|average|dot|@|inner|einsum|trapz", re.I)
GRADIENT = re.compile(r"(^|[._])d([A-Z_]|eriv|b\b|c\b|elta)|grad|slope_|_slope|deriv", re.I)


def _moved(node: ast.AST) -> tuple[str, ast.expr] | None:
    """`b` and what moves it of `b = b - rate * db`, or of `b -= rate * db`."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        return ast.unparse(node.target), node.value
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.BinOp) or len(node.targets) != 1:
        return None
    name, value = ast.unparse(node.targets[0]), node.value
    is_step = isinstance(value.op, ast.Add | ast.Sub) and ast.unparse(value.left) == name
    return (name, value.right) if is_step else None


def grown_by_samples(case: Case) -> dict[str, tuple[int, int]]:
    """The biases, by their names, that have grown, the axis of the samples, and how many there are.

    None where weights have grown as well: there all outputs were compared with all labels.
    """
    groups = case.session.found.groups
    found: dict[str, tuple[int, int]] = {}
    for name in case.session.found.parameters:
        old = case.initial.get(name)
        grown = None if old is None else _grown(old.size, groups[name].shape)
        if grown is not None and not _is_bias(name):
            return {}
        if grown is not None:
            found[name] = grown
    return found


def _grown(size: int, shape: Shape) -> tuple[int, int] | None:
    """The axis along which `size` numbers have been repeated, and how often."""
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] == size:
        return None
    if shape[0] == size and shape[1] > 2:
        return 1, shape[1]
    return (0, shape[0]) if shape[1] == size and shape[0] > 2 else None


def _is_bias(name: str) -> bool:
    last = re.findall(r"[a-z_]\w*", name.lower())[-1]  # `b2` of `params['b2']`, `biases` of `biases[0]`
    return re.fullmatch(r"b([a-z]?|ias(es)?)_?\d*|.*bias(es)?\d*|b_.*", last) is not None
