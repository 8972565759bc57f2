"""A rate of its own: a tensor that is moved several times as far as the others because its update says so."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping

from pellucid.doctor.process.instrument import ProgramLoop
from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.source import Assignment, Assignments
from pellucid.doctor.rules.cells import near
from pellucid.doctor.rules.gradient import Judgement


def of_design(
    judgement: Judgement, sources: dict[str, str], groups: Mapping[str, Group], loop: ProgramLoop | None = None
) -> list[str]:
    """The tensors whose one factor is written in their update, as a number or as another rate than the others have:
    `b -= 0.1 * lr * db`, `b -= lr_b * db`. None, unless that is all that is wrong. Of a tensor that is updated in the
    body of the training loop, an update elsewhere, such as a first step that is tried out before, says nothing."""
    wrong = judgement.wrong
    right = [name for name, verdict in judgement.verdicts.items() if verdict == "right"]
    if not right or any(judgement.verdicts[n] != "factor" or not judgement.factors.get(n, 0.0) > 0 for n in wrong):
        return []
    numbers = _numbers(sources)
    factors = {name: _factors(sources, groups[name], numbers, loop) for name in [*right, *wrong]}
    usual = {key: rate for name in right for key, rate in factors[name].items()}
    own = [name for name in wrong if _written(judgement.factors[name], factors[name], usual)]
    return own if len(own) == len(wrong) else []


def _written(factor: float, own: dict[str, float], usual: dict[str, float]) -> bool:
    """Whether a factor is what two rates are to one another, or a number in one update that the others do not have: a
    power of ten, which no derivative has."""
    alone = {key: rate for key, rate in own.items() if key not in usual}
    rates = [rate for key, rate in alone.items() if _is_rate(key)]
    others = [rate for key, rate in usual.items() if key not in own and _is_rate(key)]
    tens = [
        rate
        for key, rate in alone.items()
        if not key.isidentifier() and rate != 1 and abs(math.log10(rate) - round(math.log10(rate))) < 1e-9
    ]
    return any(near(rate, factor, 0.01) for rate in tens) or any(
        near(a / b, factor, 0.01) for a in rates for b in others
    )


def _is_rate(key: str) -> bool:
    """Whether it may be a learning rate: a variable, or a number below one that is written as a decimal, which no
    factor of a derivative is next to one of another tensor.

    >>> _is_rate("lr_b"), _is_rate("0.03"), _is_rate("1e-3"), _is_rate("2")
    (True, True, True, False)
    """
    return key.isidentifier() or (not key.isdigit() and 0 < float(key) < 1)


def _factors(
    sources: dict[str, str], group: Group, numbers: dict[str, float], loop: ProgramLoop | None
) -> dict[str, float]:
    """By how they are written, the numbers by which the updates of a parameter multiply, and one over those by which
    they divide."""
    found: dict[str, float] = {}
    updates = Assignments.of(sources).updates(group)
    for update in [u for u in updates if loop is not None and _is_in(u, loop)] or updates:
        for node in ast.walk(ast.parse(sources[update.file])):
            if isinstance(node, ast.Assign | ast.AugAssign) and node.lineno == update.line:
                for part in ast.walk(node.value):
                    if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult | ast.Div):
                        for side in (part.left, part.right):
                            value = _value(side, numbers)
                            over = side is part.right and isinstance(part.op, ast.Div)
                            if value is not None and value > 0:
                                found[_called(side)] = 1 / value if over else value
    return found


def _called(node: ast.AST) -> str:
    """A number as it is written; of an attribute its last name."""
    return ast.unparse(node) if isinstance(node, ast.Constant) else ast.unparse(node).rpartition(".")[2]


def _is_in(update: Assignment, loop: ProgramLoop) -> bool:
    return update.file == loop.file and loop.line <= update.line <= loop.last_line


def _value(node: ast.AST, numbers: dict[str, float]) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name | ast.Attribute):
        return numbers.get(ast.unparse(node).rpartition(".")[2])
    return None


def _numbers(sources: dict[str, str]) -> dict[str, float]:
    """What is set to a number that is written there, once."""
    found: dict[str, list[float]] = {}
    for text in sources.values():
        for node in ast.walk(ast.parse(text)):
            for target, value in _assigned(node):
                if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
                    found.setdefault(ast.unparse(target).rpartition(".")[2], []).append(float(value.value))
            if isinstance(node, ast.FunctionDef):
                named = node.args.args[len(node.args.args) - len(node.args.defaults) :]
                for argument, default in zip(named, node.args.defaults, strict=True):
                    if isinstance(default, ast.Constant) and isinstance(default.value, int | float):
                        found.setdefault(argument.arg, []).append(float(default.value))
    return {name: values[0] for name, values in found.items() if len({*values}) == 1}


def _assigned(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """What a statement assigns to what, one by one: `lr_w, lr_b = 0.1, 0.01`."""
    for target in node.targets if isinstance(node, ast.Assign) else ():
        value = node.value  # type: ignore[attr-defined]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            yield from zip(target.elts, value.elts, strict=False)
        else:
            yield target, value
