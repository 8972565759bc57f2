"""Gradients of several batches that are added up on purpose: cleared in one pass, added to in the next ones, and used
for a step in one of them. Each pass is compared by what it adds."""

from __future__ import annotations

import re
from collections.abc import Generator

import numpy as np

from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun, Work
from pellucid.doctor.process.parameters import Parameters

GRADIENT = re.compile(r"grad(ient)?s?$|(^|\W)(d|d_|delta_?|nabla_?)[A-Zwb]\w*$")
INDEX = re.compile(r"\[[^\]]*\]")  # of `grads['W1']`
CYCLE = 9  # passes, among which one clears the gradients, if any does
QUICK = 0.05  # seconds of a pass, of which this number is looked at


def uncleared(found: Parameters) -> list[str]:
    """The gradients that a pass adds to and leaves as they are: what is added to one before a pass moves its parameter,
    and is in it whole after the pass. Empty unless that is so of all that were seen."""
    gradients = sorted(name for name in found.memory if GRADIENT.search(name))
    whole = [n for n in gradients if abs(found.response.get(n, 0.0) - 1) < 1e-6 and found.signs.get(n, 0.0) < 0]
    return whole if len(whole) == len(gradients) and not found.batches else []


def may_add_up(found: Parameters) -> list[str]:
    """The gradients that a pass either clears or adds to, one of each parameter that has one."""
    names = sorted(name for name in found.memory if GRADIENT.search(INDEX.sub("", name)))
    shares = [found.response.get(name, 0.0) for name in names]
    whole = all(min(abs(share), abs(share - 1)) < 1e-6 for share in shares)
    return names if whole and len({found.memory[name] for name in names}) == len(names) else []


def added_up(lab: Lab, names: list[str]) -> Work:
    """In a laboratory: whether some passes clear these gradients and others add to them."""
    kept: set[bool] = set()
    try:
        for _ in range(CYCLE):
            if lab.left() < 0.5:
                break
            plain = yield PassRun()
            shares = yield from _shares(names, plain)
            told = {share > 0.5 for share in shares.values()}
            if len(told) != 1 or not all(min(abs(s), abs(s - 1)) < 1e-3 for s in shares.values()):
                return False
            kept |= told
            if len(kept) > 1:
                return True
            yield Next()
    except Ended:
        pass
    return False


def contributed(found: Parameters, plain: PassOutcome) -> Generator[PassRun, PassOutcome, dict[str, np.ndarray]]:
    """What a pass adds to the gradient of each parameter; nothing, where it clears them at its end."""
    names = [name for name in found.batches if name in plain.before and name in plain.after]
    shares = yield from _shares(names, plain)
    added = {found.memory[name]: plain.after[name] - round(shares[name]) * plain.before[name] for name in names}
    return added if any(values.any() for values in added.values()) else {}


def _shares(names: list[str], plain: PassOutcome) -> Generator[PassRun, PassOutcome, dict[str, float]]:
    """How much of what is in a gradient before the pass is in it afterwards."""
    steps = {n: np.full(plain.before[n].shape, 1e-3 * max(float(np.abs(plain.after[n]).max()), 1e-3)) for n in names}
    moved = yield PassRun({name: plain.before[name] + step for name, step in steps.items()})
    return {
        name: float((moved.after[name] - plain.after[name]) @ step) / float(step @ step) for name, step in steps.items()
    }
