"""excessive-dropout: most units are left out, and hardly anything gets through."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from pellucid.doctor.conditions.case import Case, Found, at, called
from pellucid.doctor.probes.trials import Change, Remedy
from pellucid.doctor.process.paths import Path, is_number, leaves, show
from pellucid.doctor.process.places import SourcePlace, number_of, trees

MOST = 0.7  # of the units, which a dropout may leave out
FEWEST = 64  # numbers of a mask that says how many it leaves out
CHANCE = 4.0  # standard deviations of a share


def find(case: Case) -> Found | None:
    """A mask that leaves most units out, and a number of the program that is its share. Confirmed by a training with
    what that leaves of 1 in its place."""
    for name, mask in _masks(case):
        share = float((mask == 0).mean())
        for path, value in _shares(case, share, mask.size):
            if case.session.left() < 6:
                return None
            what = f"with {100 * (1 - share):.2g} % of them left out"
            remedy = Remedy("excessive-dropout", what, begin=(_put(path, 1 - value),))
            other = case.attempt(remedy)
            if other is None:
                continue
            finding = case.confirmed(
                remedy, other,
                f"{name} leaves {100 * share:.2g} % of the units out; {show(path)} is {value:g}.",
                "Too little gets through for the network to learn from: the share that is kept is taken for the one "
                "that is left out, or the other way round.",
                f"{1 - value:.2g} instead of {value:g}, or at most half of the units",
            )  # fmt: skip
            at(finding, _written(case.sources, value))
            return Found(finding, remedy, other)
    return None


def _masks(case: Case) -> Iterator[tuple[str, np.ndarray]]:
    """What has two values, one of them 0, in the shape of what the parameters decide, not of the inputs or labels."""
    seen, depends = case.study.seen, case.study.depends
    shapes = {series[0].shape for key, series in seen.items() if key in depends}
    apart = {seen[key][0].shape for key in (case.keys.inputs, case.keys.labels) if key in seen}
    for key, series in seen.items():
        values = series[0]
        if key in depends or values.size < FEWEST or values.ndim < 2 or values.shape not in shapes - apart:
            continue
        if values.min() == 0 and MOST < float((values == 0).mean()) < 1 and len(np.unique(values)) == 2:
            yield called(key), values


def _shares(case: Case, share: float, count: int) -> Iterator[tuple[Path, float]]:
    """The numbers of the program that are the share of a mask that is 0, or of the rest of it, but for chance."""
    near = CHANCE * np.sqrt(share * (1 - share) / count)
    for path, value in leaves(case.session.scope).items():
        if is_number(value) and 0 < value < 1 and min(abs(value - share), abs(1 - value - share)) < near:
            yield path, float(value)


def _put(path: Path, value: float) -> Change:
    return lambda scope: scope.put(path, value)


def _written(sources: dict[str, str], value: float) -> SourcePlace | None:
    """Where the number is given to a call, or else where it is assigned or a default."""
    for kind in (ast.Call, ast.Assign, ast.arguments):
        for file, tree in trees(sources):
            for node in (node for node in ast.walk(tree) if isinstance(node, kind)):
                for part in ast.iter_child_nodes(node):
                    inner = part.value if isinstance(part, ast.keyword) else part
                    if isinstance(inner, ast.expr) and number_of(inner) == value:
                        return SourcePlace(file, inner.lineno)
    return None
