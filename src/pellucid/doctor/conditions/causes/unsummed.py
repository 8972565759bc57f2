"""wrong-backward, missing-broadcast-sum: a bias that its own gradient has given a row or a column for each sample."""

from __future__ import annotations

import re

from pellucid.doctor.conditions.case import Case, error
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.report import Finding

Shape = tuple[int, ...]


def find(case: Case) -> Finding | None:
    """`b = b - lr * delta` makes b of shape (units, 1) one of (units, samples): the sum lacks."""
    grown = grown_by_samples(case)
    if not grown:
        return None
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
