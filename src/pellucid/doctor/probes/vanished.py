"""A gradient that is summed over its units as well as over the samples, where that sum is zero: as of a softmax."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.check.record.reverse import backward
from pellucid.check.record.tape import Site, Tape
from pellucid.doctor.probes.lines import led_to
from pellucid.doctor.probes.truths import along
from pellucid.doctor.probes.values import Values

NOTHING = 1e-9  # of what was summed


@dataclass
class Vanished:
    """The line that takes such a sum, and the tensor that is moved by it."""

    site: Site | None
    tensor: str
    axis: int
    text = "It is summed over the units as well as over the samples, and what all units get together is zero."

    @property
    def fix(self) -> str:
        return f"sum over the samples only: np.sum(…, axis={self.axis})"


def vanished(tape: Tape, wrong: Iterable[str], moved: Mapping[str, np.ndarray]) -> list[Vanished]:
    """Of each of these tensors, the sum over everything that is zero, where the sum over one axis is its gradient."""
    right, truth = Values(tape, moved), backward(tape).gradients()
    found: list[Vanished] = []
    for name in wrong:
        for index in sorted(led_to(name, right)):
            node = right.steps[index].nodes[0]
            taken = node.inputs[0].value if node.op == "sum" else node.value
            size = float(np.abs(taken).sum())
            if node.op != "sum" or size == 0 or np.abs(node.value).max(initial=0.0) > NOTHING * size:
                continue
            axes = [i for i in range(taken.ndim) if along(taken.sum(i), truth[name])] if truth[name].size > 1 else []
            if axes and taken.ndim > 1:
                found.append(Vanished(node.site, name, axes[0]))
                break
    return found
