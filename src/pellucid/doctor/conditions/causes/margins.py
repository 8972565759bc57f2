"""labels-out-of-range and wrong-mask: what a program decides by the product of a label and an output."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.process import origins
from pellucid.doctor.process.places import LABELS, SourcePlace, trees
from pellucid.doctor.process.watch import is_margin
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    return _of_zeros(case) or _of_truth(case)


def _of_zeros(case: Case) -> Finding | None:
    """`y * z < 1` of labels of 0 and 1, as those of -1 and 1 are compared: where y is 0, it does not ask the output."""
    for key in case.study.seen:
        name = factor(key[1]) if is_margin(key) else None
        labels = _labels(case, name) if name is not None else None
        if name is None or labels is None or not np.array_equal(np.unique(labels), (0.0, 1.0)):
            continue
        asked, share = SECOND.sub("", key[1]), 100 * float((labels == 0).mean())
        finding = error(
            "labels-out-of-range",
            0.95,
            f"{name} holds 0 and 1, and {asked} is asked of each row: for the {share:.0f} % whose label is 0 the "
            "answer is the same, whatever the output is.",
            "The product of label and output belongs to labels of -1 and 1: rows whose label is 0 teach nothing.",
            f"give the loss labels of -1 and 1: {name} = 2 * {name} - 1",
        )
        at(finding, origins.made_at(case.sources, name))
        return finding
    return None


def factor(text: str) -> str | None:
    """The label whose product with an output is asked to be less than a margin, 1 or 0.

    More than that is asked of rows that are counted, and labels of 0 leave them out on purpose.

    >>> factor("y_batch * z < 1"), factor("1 > y[i] * (x @ w + b)"), factor("mask * z < 1"), factor("y * p > 0.5")
    ('y_batch', 'y', None, None)
    """
    try:
        node = ast.parse(SECOND.sub("", text), mode="eval").body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        return None
    less = isinstance(node.ops[0], ast.Lt | ast.LtE)
    if not less and not isinstance(node.ops[0], ast.Gt | ast.GtE):
        return None
    side, other = (node.left, node.comparators[0]) if less else (node.comparators[0], node.left)
    if not isinstance(other, ast.Constant) or other.value not in (0, 1):
        return None
    if not isinstance(side, ast.BinOp) or not isinstance(side.op, ast.Mult):
        return None
    return next((name for part in (side.left, side.right) if (name := _label(part)) is not None), None)


def _label(part: ast.expr) -> str | None:
    """The name of a label, or of the labels that it is one of."""
    while isinstance(part, ast.Subscript):
        part = part.value
    if not isinstance(part, ast.Name | ast.Attribute):
        return None
    name = ast.unparse(part)
    return name if LABELS.match(name.split(".")[-1]) else None


def _labels(case: Case, name: str) -> np.ndarray | None:
    series = case.study.seen.get(("", name), [])
    return series[0].ravel() if len(series) == 1 and series[0].size >= FEWEST else None


FEWEST = 4  # rows
SECOND = re.compile(r" \(line \d+\)$")  # where the same text stands twice


def _of_truth(case: Case) -> Finding | None:
    """`if y * (z >= 1)`: whether it is so does not depend on whether y is -1 or 1; `y * z >= 1` is meant."""
    for place, name, code, meant in truths(case.sources):
        labels = _labels(case, name)
        if labels is None or not np.array_equal(np.unique(labels), (-1.0, 1.0)):
            continue
        finding = error(
            "wrong-backward",
            0.95,
            f"{name} holds -1 and 1, and {code} is taken for a condition: it is one whatever the label is, since -1 is "
            "true as well as 1.",
            "The label is multiplied with the answer, not with the output: rows of both classes are asked the same.",
            f"compare the product: {meant}",
        )
        finding.mistake = "wrong-mask"
        at(finding, place)
        return finding
    return None


def truths(sources: Mapping[str, str]) -> list[tuple[SourcePlace, str, str, str]]:
    """Where the product of a label and a comparison is asked whether it is true: the place, the label, how it is
    written and what is meant.

    >>> truths({"a.py": "hit = y[i] * (f(x) >= 1)\\nif hit:\\n    w += x"})[0][1:]
    ('y', 'y[i] * (f(x) >= 1)', 'y[i] * f(x) >= 1')
    """
    found: list[tuple[SourcePlace, str, str, str]] = []
    for file, tree in trees(dict(sources)):
        nodes = [*ast.walk(tree)]
        asked = [node.test for node in nodes if isinstance(node, ast.If | ast.While | ast.IfExp)]
        asked += [node.args[0] for node in nodes if isinstance(node, ast.Call) and _is_where(node)]
        names = {test.id for test in asked if isinstance(test, ast.Name)}
        asked += [node.value for node in nodes if isinstance(node, ast.Assign) and _is_one_of(node, names)]
        for test in asked:
            if not isinstance(test, ast.BinOp) or not isinstance(test.op, ast.Mult):
                continue
            for label, answer in ((test.left, test.right), (test.right, test.left)):
                name = _label(label)
                if name is None or not isinstance(answer, ast.Compare) or len(answer.ops) != 1:
                    continue
                if not isinstance(answer.comparators[0], ast.Constant):
                    continue
                product = ast.BinOp(label, ast.Mult(), answer.left)
                meant = ast.unparse(ast.Compare(product, answer.ops, answer.comparators))
                found.append((SourcePlace(file, test.lineno), name, ast.unparse(test), meant))
    return found


def _is_where(call: ast.Call) -> bool:
    return len(call.args) == 3 and ast.unparse(call.func).endswith("where")


def _is_one_of(node: ast.Assign, names: Collection[str]) -> bool:
    return len(node.targets) == 1 and isinstance(node.targets[0], ast.Name) and node.targets[0].id in names
