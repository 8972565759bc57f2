"""silent-broadcast-loss: (N,) against (N, 1) gives (N, N), and nobody says a word."""

from __future__ import annotations

import ast
import re

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.conditions.causes import unsummed
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.losses import LABEL_NAME, Key
from pellucid.doctor.process import origins
from pellucid.doctor.process.places import SourcePlace, trees
from pellucid.doctor.report import Finding

EXPLANATION = "Every output is compared with every label: all that can be learnt is the mean of the labels."


def find(case: Case) -> Finding | None:
    """A difference of every output and every label, seen in the first pass; or a parameter that it has widened."""
    widened = _widened(case)
    if widened is not None:
        return widened
    seen, depends = case.study.seen, case.study.depends
    columns = {key: v[0] for key, v in seen.items() if key in depends and _is_column(v[0])}
    labels = {
        key: v[0]
        for key, v in seen.items()
        if key not in depends and v[0].ndim == 1 and LABEL_NAME.search(key[1].lower())
    }
    for key, series in seen.items():
        value = series[0]
        if key not in depends or value.ndim != 2 or value.shape[0] != value.shape[1] or len(value) < 3:
            continue
        for label_key, label in labels.items():
            for output_key, output in columns.items():
                if len(label) == len(output) == len(value) and _differs_as(value, output, label):
                    n = len(label)
                    finding = error(
                        "silent-broadcast-loss",
                        0.97,
                        f"{key[1]} has the shape ({n}, {n}): it is {output_key[1]}, of shape ({n}, 1), against "
                        f"{label_key[1]}, of shape ({n},).",
                        EXPLANATION,
                        f"give both one shape: {label_key[1]} = {label_key[1]}.reshape(-1, 1)",
                    )
                    where = case.study.lines.get(key)
                    if where is not None:
                        finding.file, finding.line = where
                        code = case.session.program.loops.line(*where)
                        name = re.escape(label_key[1])
                        new = re.sub(rf"(?<![\w.]){name}(?![\w.\[(])", f"{label_key[1]}.reshape(-1, 1)", code)
                        finding.patch = {"old": code, "new": new}
                    else:  # no statement that stores it: the line that makes the labels is the one to change
                        at(finding, origins.first_values(case.sources, label_key[1]))
                        finding.patch = {"insert": f"{label_key[1]} = {label_key[1]}.reshape(-1, 1)"}
                    return finding
    return None if case.output_is_known else _within(case, columns, labels)


def _within(case: Case, columns: dict[Key, np.ndarray], labels: dict[Key, np.ndarray]) -> Finding | None:
    """`np.sum((p - y) * X)`: a difference that no variable holds, where no usual loss explains the updates."""
    for file, tree in trees(case.sources):
        found = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)]
        for node in sorted(found, key=lambda node: node.lineno):
            sides = {ast.unparse(node.left), ast.unparse(node.right)}
            pairs = [(o, y) for o in columns for y in labels if sides == {o[1], y[1]}]
            for output, label in pairs:
                n = len(labels[label])
                if len(columns[output]) != n:
                    continue
                code = case.session.program.loops.line(file, node.lineno)
                finding = error(
                    "silent-broadcast-loss",
                    0.95,
                    f"{ast.unparse(node)} has the shape ({n}, {n}): {output[1]} has the shape ({n}, 1) and {label[1]} "
                    f"the shape ({n},).",
                    EXPLANATION,
                    f"give both one shape: {label[1]} = {label[1]}.reshape(-1, 1)",
                )
                at(finding, SourcePlace(file, node.lineno))
                finding.code = code
                return finding
    return None


def _widened(case: Case) -> Finding | None:
    """W = W - lr * X.T @ (p - y) makes W of shape (features, 1) one of (features, samples)."""
    found = case.session.found
    spread = unsummed.grown_by_samples(case)
    for name in found.parameters:
        old, shape = case.initial.get(name), found.groups[name].shape
        if name in spread or old is None or len(shape) != 2 or old.size != shape[0] or shape[1] < 3:
            continue
        labels = probe.label_holders(case.session.scope, frozenset(found.groups), {shape[1]})
        label = next((group for group in labels if group.shape == (shape[1],)), None)
        if label is not None:
            finding = error(
                "silent-broadcast-loss",
                0.97,
                f"{name} began with the shape ({shape[0]}, 1) and has the shape {shape} after an update: an error of "
                f"shape ({shape[1]}, {shape[1]}) came of outputs ({shape[1]}, 1) and {label.name} ({shape[1]},).",
                "Every output is compared with every label, and the parameter is widened to one column a sample.",
                f"give both one shape: {label.name} = {label.name}.reshape(-1, 1)",
            )
            at(finding, origins.made_at(case.sources, label.name))
            finding.patch = {"insert": f"{label.name} = {label.name}.reshape(-1, 1)"}
            return finding
    return None


def _is_column(value: np.ndarray) -> bool:
    return value.ndim == 2 and value.shape[1] == 1 and len(value) > 2


def _differs_as(value: np.ndarray, output: np.ndarray, label: np.ndarray) -> bool:
    difference = output - label[None, :]
    return any(np.allclose(value, made, rtol=1e-9, atol=0) for made in (difference, -difference, difference**2))
