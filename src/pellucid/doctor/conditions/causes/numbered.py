"""wrong-loss-for-task: the numbers of classes are learnt as if they were sizes."""

from __future__ import annotations

import ast
import re

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.probes.losses import LABEL_NAME
from pellucid.doctor.process.places import SourcePlace, assigned, first, trees
from pellucid.doctor.report import Finding

KINDS = (3, 20)  # how many classes there may be
FEWEST = 100  # rows of which it is asked what a straight line through each class says
RIGHT = 0.8  # of the rows, from which on rounded numbers are as good as classes
BETTER = 0.15  # the same, by how much classes have to be better
ROUNDED = re.compile(r"round|rint")


def find(case: Case) -> Finding | None:
    """An output for each class, all of which are compared with the number of the class: seen in the first pass."""
    seen, depends = case.study.seen, case.study.depends
    outputs = {key: seen[key][0] for key in depends if seen[key][0].ndim == 2}
    labels = {k: v[0] for k, v in seen.items() if k not in depends and LABEL_NAME.search(k[1].lower())}
    for label_key, label in labels.items():
        if _kinds(label) is None:
            continue
        for key, output in outputs.items():
            classes = output.size // label.size if label.size else 0
            if label.max() != classes - 1 or not _is_spread(label, output):
                continue
            made = next((k for k in depends if _is(seen[k][0], output - label)), None)
            if made is None:
                continue
            finding = error(
                "wrong-loss-for-task",
                0.95,
                f"{made[1]} has the shape {output.shape}: it is {key[1]}, {classes} numbers a row, less "
                f"{label_key[1]}, the number of the class.",
                f"Each of the {classes} outputs is to say the number of the class: they all learn the same, and the "
                "largest of them says nothing.",
                f"compare the outputs with a 1 for the class and 0 for the others: np.eye({classes})[y]",
            )
            at(finding, _made_at(case, made[1].split(".")[-1]))
            return finding
    return None


def find_rounded(case: Case) -> Finding | None:
    """One output that is to say the number of the class, and is rounded where it is used, though classes that are told
    apart one by one are told far better: by a straight line for each, of the same rows."""
    labels, outputs = case.last.labels, case.last.outputs
    where = rounded_at(case.sources)
    if where is None or labels is None or outputs is None or outputs.size != labels.size or case.data is None:
        return None
    rows, numbers = case.data.all("inputs"), case.data.all("labels")
    kinds = _kinds(labels)
    if kinds is None or rows is None or numbers is None or numbers.size != len(rows) or len(rows) < FEWEST:
        return None
    right = float((np.round(outputs.ravel()) == labels.ravel()).mean())
    apart = by_lines(rows.reshape(len(rows), -1), numbers.ravel())
    if right > RIGHT or apart < right + BETTER:
        return None
    finding = error(
        "wrong-loss-for-task",
        0.9,
        f"The {kinds} classes are learnt as one number each, which is rounded: it is right for {100 * right:.0f} % of "
        f"the rows after {case.as_is.passes} passes. A straight line for each class says {100 * apart:.0f} % of the "
        "rows that it was not fitted to.",
        "Class 3 is not between class 2 and class 4: the squared error of the number asks for an order that classes do "
        "not have.",
        "give the network an output for each class, and use the cross entropy of its softmax",
    )
    finding.file, finding.line = where
    return finding


def _made_at(case: Case, name: str) -> SourcePlace | None:
    return first(case.sources, lambda node: name in assigned(node))


def _kinds(label: np.ndarray) -> int | None:
    """How many classes these are numbers of, each of them met; None where they are none."""
    if not label.size or not np.isfinite(label).all() or not np.equal(np.mod(label, 1), 0).all() or label.min() < 0:
        return None
    if label.ndim > 1 and label.size != max(label.shape):
        return None
    kinds = len(np.unique(label))
    return kinds if KINDS[0] <= kinds <= KINDS[1] else None


def _is_spread(label: np.ndarray, output: np.ndarray) -> bool:
    """Whether NumPy gives every output of a row the one label of the row."""
    try:
        return np.broadcast_shapes(label.shape, output.shape) == output.shape != label.shape
    except ValueError:
        return False


def _is(value: np.ndarray, difference: np.ndarray) -> bool:
    return value.shape == difference.shape and any(
        np.allclose(value, made, rtol=1e-9, atol=1e-12) for made in (difference, -difference)
    )


def by_lines(rows: np.ndarray, numbers: np.ndarray) -> float:
    """The share of every second row whose class a least-squares fit of one line a class to the others says.

    >>> rows = np.random.default_rng(0).normal(size=(200, 2))
    >>> by_lines(rows, (rows[:, 0] > 0).astype(int)) > 0.9
    True
    """
    kinds, classes = np.unique(numbers, return_inverse=True)
    known, once = np.unique(np.c_[rows, np.ones(len(rows))], axis=0, return_index=True)  # several epochs may be seen
    if not np.isfinite(known).all() or known.shape[1] > len(known) // 4:
        return 0.0
    order, classes = np.random.default_rng(0).permutation(len(known)), classes.ravel()[once]
    fitted, asked = order[::2], order[1::2]
    lines, *_ = np.linalg.lstsq(known[fitted], np.eye(len(kinds))[classes[fitted]], rcond=None)
    return float(((known[asked] @ lines).argmax(1) == classes[asked]).mean())


def rounded_at(sources: dict[str, str]) -> tuple[str, int] | None:
    """Where what a network says is rounded, of which it is asked then whether it is equal to something.

    >>> rounded_at({"a.py": "guess = np.round(net(x)).astype(int)\\nprint(np.mean(guess == y))"})
    ('a.py', 1)
    >>> rounded_at({"a.py": "print(round(loss, 3))\\nprint(np.mean(p.argmax(1) == y))"}) is None
    True
    """
    for file, tree in trees(sources):
        made = {
            name: node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and _rounds(node.value)
            for name in assigned(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq):
                for side in (node.left, node.comparators[0]):
                    if _rounds(side):
                        return file, node.lineno
                    if isinstance(side, ast.Name) and side.id in made:
                        return file, made[side.id]
    return None


def _rounds(value: ast.expr) -> bool:
    return any(isinstance(n, ast.Call) and ROUNDED.search(ast.unparse(n.func)) is not None for n in ast.walk(value))
