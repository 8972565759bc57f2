"""Single numbers whose gradient takes one weight where it should take another: `s1 = so * v2 * …` for `so * v1 * …`.

In one pass any factor is possible. Over several passes, in which the weights move, a factor that is always one weight
over another is no chance.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.source import Assignments, last_name
from pellucid.doctor.rules.gradient import Judgement

FEWEST = 3  # passes
SAME = 1e-4  # by how much a factor may differ
VARIES = 1e-3  # how much of it has to change


def in_place_of(judgement: Judgement, study: SlopeStudy) -> dict[str, tuple[str, str]]:
    """Of each wrong number, the weight that stands in its gradient and the one that should; none where one of them is
    wrong in another way."""
    found: dict[str, tuple[str, str]] = {}
    for name in judgement.wrong:
        pairs = _pairs(judgement, study, name) if name in judgement.single else []
        if len(pairs) != 1:
            return {}
        found[name] = pairs[0]
    return found


def taken_at(
    instead: Mapping[str, tuple[str, str]], source: Assignments, groups: Mapping[str, Group]
) -> tuple[str, int] | None:
    """The first line of these gradients that reads the weight that it should not, beside no update of that."""
    for name, (taken, _) in instead.items():
        chain = source.slice(groups[name], 6)
        read = last_name(groups[taken])
        lines = [(a.file, a.line) for a in source.assignments if read in a.sources and read not in a.targets]
        if found := [line for line in chain if line in lines]:
            return min(found)
    return None


def _pairs(judgement: Judgement, study: SlopeStudy, name: str) -> list[tuple[str, str]]:
    told = [(i, c.ratio / judgement.ratios[i]) for i, c in enumerate(judgement.cells[name]) if c.state != "silent"]
    if any(judgement.cells[name][i].state != "along" for i, _ in told) or len(told) < FEWEST:
        return []
    factors = np.array([factor for _, factor in told])
    values = {
        other: np.array([float(study.passes[i].values[other][0]) for i, _ in told])
        for other in judgement.single
        if all(other in study.passes[i].values for i, _ in told)
    }
    if not np.isfinite(factors).all() or np.ptp(factors) <= VARIES * np.abs(factors).max():
        return []
    return [
        (taken, meant)
        for taken, meant in itertools.permutations(sorted(values), 2)
        if (np.abs(factors * values[meant] - values[taken]) <= SAME * np.abs(values[taken])).all()
        and values[taken].all()
    ]
