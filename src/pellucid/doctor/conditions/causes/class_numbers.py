"""labels-out-of-range and labels-off-by-one: numbers of classes that are no class of the output."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.probes.losses import LABEL_NAME
from pellucid.doctor.process import origins, places
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    """Numbers of classes beside outputs that sum to 1 over as many classes."""
    seen, depends = case.study.seen, case.study.depends
    for key, series in seen.items():
        label = series[0]
        if key in depends or label.ndim != 1 or len(label) < 4 or not places.LABELS.match(_last(key[1])):
            continue
        outputs = [seen[other][0] for other in depends]
        widths = {o.shape[1] for o in outputs if o.ndim == 2 and len(o) == len(label) and _is_distribution(o)}
        # beside an output with as many classes, another distribution is something else: what a token attends to
        found = [out_of_range(label, width, key[1]) for width in sorted(widths)]
        if found and all(found) and found[-1] is not None:
            at(found[-1], origins.made_at(case.sources, key[1]))
            return found[-1]
    return _counted_from_one(case) or _of_no_class(case)


def _of_no_class(case: Case) -> Finding | None:
    """Rows of a 1 for each class, made of numbers from 1 to C by columns from 0 on: those of class C have no 1."""
    frame, seen = case.session.frame, case.study.seen
    arrays = {n: v for n, v in {**frame.f_globals, **frame.f_locals}.items() if isinstance(v, np.ndarray)}
    rows = {n: v for n, v in arrays.items() if v.ndim == 2 and v.shape[1] > 1 and v.dtype.kind in "biuf"}
    widths = {value.shape[-1] for key in case.study.depends for value in seen[key][:1] if value.ndim == 2}
    for name, row in rows.items():
        if row.shape[1] not in widths or not np.isin(row, (0, 1)).all() or row[:, 0].any() or row.any(axis=1).all():
            continue
        for numbers, label in arrays.items():
            if label.shape != row.shape[:1] or label.dtype.kind not in "iuf":
                continue
            if label.min() == 1 and np.array_equal(row, label[:, None] == np.arange(row.shape[1])):
                high = row.shape[1]
                finding = error(
                    "labels-off-by-one",
                    0.95,
                    f"{numbers} goes from 1 to {label.max():g}, and {name} has the columns 0 to {high - 1}: column 0 "
                    f"is never 1, and no column is for {high}.",
                    "The classes are counted from 1.",
                    f"count them from 0: {numbers} = {numbers} - 1",
                )
                at(finding, origins.made_at(case.sources, name))
                return finding
    return None


def _counted_from_one(case: Case) -> Finding | None:
    """Labels from 0 on, one less than which is taken for an index: Python counts -1 from the end."""
    for place, name in indices_less_one(case.sources):
        label = _held(case, name)
        if label is None or label.ndim != 1 or len(label) < 4 or label.dtype.kind not in "iuf" or label.min() != 0:
            continue
        if np.equal(np.mod(label, 1), 0).all() and 1 <= label.max() < len(label) / 2:
            high = int(label.max())
            finding = error(
                "labels-off-by-one",
                0.93,
                f"{name} goes from 0 to {high}, and {name} - 1 is taken for an index: -1 is the last one.",
                f"The classes are counted from 0: what is taken for class 0 is class {high}, and all others are one "
                "lower than they are.",
                f"take {name} itself for the index",
            )
            at(finding, place)
            return finding
    return None


def indices_less_one(sources: dict[str, str]) -> Iterator[tuple[places.SourcePlace, str]]:
    """Where a label less one is taken for an index, and what holds the labels.

    >>> [(place.line, name) for place, name in indices_less_one({"a.py": "p[rows, y - 1] -= 1\\nt[y[i] - 1] = 1"})]
    [(1, 'y'), (2, 'y')]
    """
    for file, tree in places.trees(sources):
        steps = {n for node in ast.walk(tree) if isinstance(node, ast.For) for n in places.names_in(node.target)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Subscript):
                continue
            for part in node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]:
                if not isinstance(part, ast.BinOp) or not isinstance(part.op, ast.Sub):
                    continue
                label = part.left.value if isinstance(part.left, ast.Subscript) else part.left
                name = ast.unparse(label)
                less = isinstance(part.right, ast.Constant) and part.right.value == 1
                if less and places.LABELS.match(_last(name)) and name not in steps:
                    yield places.SourcePlace(file, node.lineno), name


def _held(case: Case, name: str) -> np.ndarray | None:
    """The array of this name, as a pass sees it or as the frame of the loop holds it."""
    seen = next((series[0] for key, series in case.study.seen.items() if key[1] == name), None)
    if seen is not None:
        return seen
    root, *attributes = name.split(".")
    frame = case.session.frame
    value: Any = {**frame.f_globals, **frame.f_locals}.get(root)
    for attribute in attributes:
        value = getattr(value, attribute, None)
    try:
        return np.asarray(value) if isinstance(value, np.ndarray | list | tuple) else None
    except ValueError:  # rows of several lengths
        return None


def _last(name: str) -> str:
    return re.sub(r"\[[^\]]*\]", "", name).split(".")[-1]


def _is_distribution(output: np.ndarray) -> bool:
    return bool(output.shape[1] > 2 and output.min() >= 0 and np.abs(output.sum(1) - 1).max() < 1e-6)


def out_of_range(label: np.ndarray, classes: int, name: str) -> Finding | None:
    """Whether these are numbers of the classes 0 to C − 1."""
    if not np.isfinite(label).all() or len(np.unique(label)) > 2 * classes or len(np.unique(label)) < 2:
        return None
    whole = bool(np.equal(np.mod(label, 1), 0).all())
    low, high = float(label.min()), float(label.max())
    if whole and low >= 0 and high < classes:
        return None
    if not whole:
        return None
    shifted = low == 1 and high == classes
    return error(
        "labels-off-by-one" if shifted else "labels-out-of-range",
        0.93,
        f"{name} goes from {low:g} to {high:g}; the output has {classes} classes, 0 to {classes - 1}.",
        "The classes are counted from 1." if shifted else
        "Python takes a negative index for one counted from the end: these labels are another class than they say."
        if low < 0 else "There is no such class.",
        f"count them from 0: {name} = {name} {'-' if low > 0 else '+'} {abs(low):g}"
        if low else f"give the output {high + 1:g} classes",
    )  # fmt: skip


def of_crash(raised: BaseException, sources: dict[str, str] | None = None) -> Finding | None:
    """A program that an index out of bounds ended, where a label is as large as the number of classes. The line is the
    one of the `sources` that makes the labels, or else the one that raised."""
    import re

    found = re.match(r"index (\d+) is out of bounds for axis \d+ with size (\d+)$", str(raised))
    if not isinstance(raised, IndexError) or found is None or found[1] != found[2]:
        return None
    size = int(found[1])
    trace = raised.__traceback__
    finding = None
    while trace is not None:
        frame = trace.tb_frame
        for name, value in {**frame.f_globals, **frame.f_locals}.items():
            if not isinstance(value, np.ndarray | list) or not LABEL_NAME.search(name.lower()) or name.startswith("_"):
                continue
            try:
                label = np.asarray(value, dtype=float).ravel()
            except (TypeError, ValueError):
                continue
            if len(label) > 1 and label.min() >= 1 and label.max() == size and np.equal(np.mod(label, 1), 0).all():
                finding = out_of_range(label, size, name)
                if finding is not None:
                    finding.file, finding.line = frame.f_code.co_filename, trace.tb_lineno
                    at(finding, origins.made_at(sources or {}, name))
        trace = trace.tb_next
    return finding
