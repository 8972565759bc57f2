"""train-val-preprocessing-mismatch: what was done to the rows of the training was not done to those held out."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Iterator

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.process.places import SourcePlace, assigned, names_in, trees
from pellucid.doctor.report import Finding

PARTS = (("train", "tr"), ("test", "te", "val", "va", "valid", "validation", "dev", "eval", "holdout", "heldout"))
LABELS = re.compile(r"^_*y|_y$|[a-z]Y$|label|target", re.I)
FAR = 8.0  # standard deviations, or times as large, which no rows of one kind differ by in most columns
FEWEST = 10  # rows


def find(case: Case) -> Finding | None:
    """Rows that are held out and lie elsewhere than those of the training, of which alone a line changes the scale."""
    frame = case.session.frame
    arrays = {n: v for n, v in {**frame.f_globals, **frame.f_locals}.items() if isinstance(v, np.ndarray)}
    for trained, held in pairs(arrays):
        off = apart(arrays[trained], arrays[held]) if not LABELS.search(trained) else 0.0  # answers may be scaled back
        place = rescaled(case.sources, trained)
        if off < FAR or place is None or rescaled(case.sources, held) is not None or not _is_used(case.sources, held):
            continue
        finding = error(
            "train-val-preprocessing-mismatch",
            0.93,
            f"Most columns of {held} lie {off:.2g} standard deviations of {trained} away from its mean, or are "
            f"{off:.2g} times as wide or as narrow: {trained} is scaled, {held} is as it was.",
            "The network is evaluated on rows that are prepared otherwise than those it learns from.",
            f"do the same to {held}, with the mean and the scale of {trained}",
        )
        at(finding, place)
        return finding
    return None


def pairs(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The names of rows to train on and of rows that are held out.

    >>> list(pairs({"x_train": 0, "x_val": 0, "Xtr": 0, "Xte": 0, "y_test": 0}))
    [('x_train', 'x_val'), ('Xtr', 'Xte')]
    """
    known = [*names]
    for name in known:
        for first, second in itertools.product(*PARTS):
            for turn in (str, str.capitalize, str.upper):
                if turn(first) in name and (other := name.replace(turn(first), turn(second))) in known:
                    yield name, other


def apart(trained: np.ndarray, held: np.ndarray) -> float:
    """How far most columns of rows lie from those of others, in standard deviations, or how many times as wide or as
    narrow they are; 0 where they are no such rows."""
    if trained.ndim != 2 or held.ndim != 2 or not all(v.dtype.kind in "iuf" for v in (trained, held)):
        return 0.0
    if trained.shape[1] != held.shape[1]:
        trained, held = trained.T, held.T
    if trained.shape[1] != held.shape[1] or min(len(trained), len(held)) < FEWEST:
        return 0.0
    (mean, std), (other, width) = ((v.mean(0), v.std(0)) for v in (trained, held))
    vary = (std > 1e-9) & (width > 1e-9)
    if vary.sum() < 2:
        return 0.0
    ratio = float(np.median(width[vary] / std[vary]))
    return max(float(np.median(np.abs(other - mean)[vary] / std[vary])), ratio, 1 / ratio)


def rescaled(sources: dict[str, str], name: str) -> SourcePlace | None:
    """Where a variable is set to itself on another scale.

    >>> rescaled({"a.py": "x = load()\\nx = (x - x.mean(0)) / 2\\ny = y[order]"}, "x").line
    2
    """
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign | ast.AugAssign) or name not in assigned(node):
                continue
            own = isinstance(node, ast.AugAssign) or name in names_in(node.value)
            parts = [*ast.walk(node.value), *([node] if isinstance(node, ast.AugAssign) else [])]
            divides = any(isinstance(getattr(p, "op", None), ast.Div | ast.Mult | ast.Sub) for p in parts)
            called = [ast.unparse(part.func).lower() for part in parts if isinstance(part, ast.Call)]
            if own and (divides or any(word in text for text in called for word in ("transform", "scale", "normal"))):
                return SourcePlace(file, node.lineno)
    return None


def _is_used(sources: dict[str, str], name: str) -> bool:
    """Whether a call or a product takes it."""
    return any(
        isinstance(node, ast.Call | ast.BinOp) and any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))
        for _, tree in trees(sources)
        for node in ast.walk(tree)
    )
