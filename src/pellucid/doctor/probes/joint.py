"""The slopes of a pass that takes long: along a few directions of all tensors together.

If the sum over all tensors follows the slope along several directions drawn at random, each tensor does: one that is
off by more than a thousandth of it would be seen.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import StudiedPass, descent
from pellucid.doctor.process.lab import Lab, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters

COUNT = 4
STEP = 1e-6  # of a tensor's size
EXACT = 1e-3


def together(
    lab: Lab, found: Parameters, chosen: list[Candidate], index: int, plain: PassOutcome
) -> Generator[PassRun, PassOutcome, StudiedPass | None]:
    """The pass, of which `plain` came, with the slopes of the losses that explain all tensors together; or None.

    What is not measured, the slope of each tensor by itself, follows: it is the descent of the program over the rate.
    """
    keys = frozenset(key for candidate in chosen for key in candidate.keys)
    names = [name for name in found.parameters if name in plain.before and name in plain.after]
    entry = StudiedPass(index, values={name: plain.before[name] for name in names})
    entry.losses = {candidate: candidate.value(plain.seen) for candidate in chosen}
    for name in names:
        entry.update[name] = plain.after[name] - plain.before[name]
        entry.gradient[name] = descent(name, plain, found)
    rng = np.random.default_rng(index + 11)
    given = np.zeros(COUNT)
    slopes = {candidate: np.zeros(COUNT) for candidate in chosen}
    for k in range(COUNT):
        if lab.left() < found.seconds:
            return None
        ways = {name: _way(rng, entry, name) for name in names}
        given[k] = sum(float(ways[name] @ entry.gradient[name]) for name in names)
        outcome = yield PassRun({name: entry.values[name] + STEP * ways[name] for name in names}, watch=keys)
        for candidate in chosen:
            slopes[candidate][k] = (candidate.value(outcome.seen, plain.seen) - entry.losses[candidate]) / STEP
    for candidate in chosen:
        s = slopes[candidate]
        size = float(s @ s)
        if not np.isfinite(s).all() or size == 0:
            continue
        ratio = float(s @ given) / size
        if ratio != 0 and np.linalg.norm(given - ratio * s) < EXACT * np.linalg.norm(given):
            entry.slopes[candidate] = {}
            for name in names:
                gradient = entry.gradient[name]
                directions = rng.choice([-1.0, 1.0], (COUNT, gradient.size)) if gradient.size > 1 else np.eye(1)
                entry.directions.setdefault(name, directions)
                entry.given[name] = entry.directions[name] @ gradient
                entry.slopes[candidate][name] = entry.given[name] / ratio
    return entry if entry.slopes else None


def _way(rng: np.random.Generator, entry: StudiedPass, name: str) -> np.ndarray:
    """A direction of one tensor, longer where its gradient is small, so that each tensor counts."""
    values, gradient = entry.values[name], entry.gradient[name]
    size = max(float(np.sqrt(np.mean(values * values))), 1e-2)
    norms = {n: float(np.linalg.norm(g)) * _scale(entry.values[n]) for n, g in entry.gradient.items()}
    own, most = norms[name], max(norms.values())
    share = min(10.0, most / own) if own > 0 else 1.0
    return rng.choice([-1.0, 1.0], gradient.size) * size * share


def _scale(values: np.ndarray) -> float:
    return max(float(np.sqrt(np.mean(values * values))), 1e-2)
