"""A softmax whose derivative is taken for a·(1 − a), as if each output depended on its own input alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.check.record.reverse import backward
from pellucid.check.record.tape import Site, Tape
from pellucid.doctor.probes.lines import behind, first_alike
from pellucid.doctor.probes.truths import along
from pellucid.doctor.probes.values import Values

FEWEST = 3  # classes: of two, the diagonal is all but a factor


@dataclass
class Diagonal:
    """The line that makes such a gradient, and the tensors that are computed from it."""

    site: Site | None
    tensors: list[str]
    text = "Of the softmax's derivative only the diagonal a·(1 − a) is taken: every output depends on all inputs."
    fix = "dz = a * (da - (da * a).sum(axis, keepdims=True)); of the cross entropy dz = a - y"


def diagonal(
    tape: Tape, wrong: Iterable[str], given: Mapping[str, np.ndarray], moved: Mapping[str, np.ndarray]
) -> Diagonal | None:
    """The first value on the way to the wrong tensors that is the gradient of a softmax times a·(1 − a)."""
    way = backward(tape)
    guesses: list[np.ndarray] = []
    for node in tape.useful():
        if node.op == "divide" and node.index in way.adjoints and _is_softmax(node.value):
            guesses.append(way.adjoints[node.index] * node.value * (1 - node.value))
    if not guesses:
        return None
    right = Values(tape, moved, way)
    led: dict[int, list[str]] = {}
    for name, step in first_alike(right, list(wrong), given).items():
        for made in behind(step, right):
            led.setdefault(made.index, []).append(name)
    for index in sorted(led):
        value = right.steps[index].value
        if any(value.size == guess.size and along(value, guess) for guess in guesses):
            return Diagonal(right.steps[index].site, led[index])
    return None


def _is_softmax(value: np.ndarray) -> bool:
    """Whether numbers between 0 and 1 add up to 1 along an axis."""
    if value.ndim == 0 or not ((value >= 0) & (value <= 1)).all():
        return False
    return any(n >= FEWEST and np.abs(value.sum(axis) - 1).max() < 1e-9 for axis, n in enumerate(value.shape))
