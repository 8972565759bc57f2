"""excessive-dropout: most units are left out, and hardly anything gets through."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import numpy as np

from pellucid.doctor.conditions.case import Case, Found, at, called, error
from pellucid.doctor.probes.trials import Change, Remedy
from pellucid.doctor.process.paths import Path, is_number, leaves, show
from pellucid.doctor.process.places import SourcePlace, assigned, first, number_of, trees
from pellucid.doctor.report import Finding

MOST = 0.7  # of the units, which a dropout may leave out
NEARLY_ALL = 0.9  # of them: no mask of one row in ten is one of classes, whose rows have a 1 each
FEWEST = 64  # numbers of a mask that says how many it leaves out
CALLED = re.compile(r"^_*p\d*$|drop|keep|prob|rate", re.I)  # the share of a dropout
CHANCE = 4.0  # standard deviations of a share


def find(case: Case) -> Found | Finding | None:
    """A mask that leaves most units out, and a number of the program that is its share. Confirmed by a training with
    what that leaves of 1 in its place. A mask that leaves hardly any unit needs no such number."""
    sparse: Finding | None = None
    for name, mask, like_data in _masks(case):
        share = float((mask == 0).mean())
        for paths, value in _shares(case, share, mask.size):
            if like_data and not CALLED.search(show(paths[0]).split(".")[-1]):
                continue
            if case.session.left() < 6:
                return None
            what, path = f"with {100 * (1 - share):.2g} % of them left out", paths[0]
            remedy = Remedy("excessive-dropout", what, begin=tuple(_put(path, 1 - value) for path in paths))
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
        if share > NEARLY_ALL and not like_data and not case.learns and np.ptp((mask != 0).sum(axis=1)):
            sparse = sparse or _sparse(case, name, share)
    return sparse


def _sparse(case: Case, name: str, share: float) -> Finding:
    finding = error(
        "excessive-dropout",
        0.85,
        f"{name}, which is drawn anew in each pass, leaves {100 * share:.3g} % of the units out.",
        "Hardly anything gets through for the network to learn from.",
        "leave at most half of the units out",
    )
    at(finding, first(case.sources, lambda node: name.split(".")[-1] in assigned(node)))
    return finding


def _masks(case: Case) -> Iterator[tuple[str, np.ndarray, bool]]:
    """What has two values, one of them 0, in the shape of what the parameters decide; and whether the inputs or labels
    have that shape, too."""
    seen, depends = case.study.seen, case.study.depends
    shapes = {series[0].shape for key, series in seen.items() if key in depends}
    apart = {seen[key][0].shape for key in (case.keys.inputs, case.keys.labels) if key in seen}
    for key, series in seen.items():
        values = series[0]
        if key in depends or values.size < FEWEST or values.ndim < 2 or values.shape not in shapes:
            continue
        if values.min() == 0 and MOST < float((values == 0).mean()) < 1 and len(np.unique(values)) == 2:
            yield called(key), values, values.shape in apart


def _shares(case: Case, share: float, count: int) -> Iterator[tuple[list[Path], float]]:
    """The numbers of the program that are the share of a mask that is 0, or of the rest of it, but for chance; those of
    one name and value, as each layer has its own, together."""
    near = CHANCE * np.sqrt(share * (1 - share) / count)
    found: dict[tuple[str, float], list[Path]] = {}
    for path, value in leaves(case.session.scope).items():
        if is_number(value) and 0 < value < 1 and min(abs(value - share), abs(1 - value - share)) < near:
            found.setdefault((show(path).split(".")[-1], float(value)), []).append(path)
    for (_, value), paths in found.items():
        yield paths, value


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
