"""Whether updates are drawn at random in part: then they follow no slope exactly, and are not wrong for that."""

from __future__ import annotations

import random
from collections.abc import Generator

import numpy as np

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.process.lab import Lab, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.paths import Scope, walk


def drawn(lab: Lab, found: Parameters, candidate: Candidate) -> Generator[PassRun, PassOutcome, set[str]]:
    """In a laboratory: the parameters whose update changes with the random numbers, though the loss is the same."""
    keys = frozenset(candidate.keys)
    plain = yield PassRun(watch=keys)
    other = yield PassRun(watch=keys, before=_draw)
    before, after = candidate.value(plain.seen), candidate.value(other.seen)
    if not np.isclose(before, after, rtol=1e-12, atol=0.0):  # dropout, or another batch
        return set()
    return {
        name
        for name in found.parameters
        if name in plain.after and name in other.after and not _same(plain.after[name], other.after[name])
    }


def _same(first: np.ndarray, other: np.ndarray) -> bool:
    return first.shape == other.shape and np.allclose(first, other, rtol=1e-10, atol=1e-14, equal_nan=True)


def _draw(scope: Scope) -> None:
    """Let every random stream that can be reached run on."""
    np.random.random_sample(1000)  # noqa: NPY002
    for _ in range(1000):
        random.random()
    for _, value in walk(scope):
        if isinstance(value, np.random.Generator):
            value.random(1000)
        elif isinstance(value, np.random.RandomState):
            value.random_sample(1000)
        elif isinstance(value, random.Random):
            value.random()
