"""vanishing-gradients: through many layers that squash, each passes on a fraction of the gradient it gets."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import Case, Found, at
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import culprits

FEWEST = 4  # layers: through fewer, no gradient of a usual start vanishes
FADES = 0.03  # of the update of the last layer, each by its size: what is left in the first one
LARGER = 4.0  # times the first weights, which makes up for the slope of a sigmoid, a quarter at most


def find(case: Case) -> Found | None:
    """Weights of the usual size whose updates fade from the last layer to the first. Confirmed by a training that
    begins with larger ones."""
    layers = start.sizes(case.tensors)
    if len(layers) < FEWEST or any(not 0.1 < size < 4 for size in layers.values()) or start.symmetric(case.tensors):
        return None
    sizes = [size for name in layers if (size := _update(case, name)) is not None]
    if len(sizes) < len(layers) or max(sizes) == 0:
        return None
    first, last = sorted((sizes[0], sizes[-1]))  # a program may list its layers from the last to the first
    middle = sorted(sizes[1:-1])
    if not first < FADES * last or middle[0] < first or middle[-1] > last:
        return None
    begin = tuple(case.to_values(name, LARGER * case.tensors[name].ravel()) for name in layers)
    remedy = Remedy("vanishing-gradients", f"with first weights {LARGER:g} times as large", begin=begin)
    other = case.attempt(remedy)
    if other is None:
        return None
    finding = case.confirmed(
        remedy, other,
        f"In the first passes the updates of the {len(layers)} layers fade from {last:.3g} to {first:.3g} (root mean "
        "squares).",
        "The slope of a sigmoid is a quarter at most: through this many layers hardly any gradient reaches the first.",
        "use np.maximum(0, z) and its derivative (z > 0) in the hidden layers",
    )  # fmt: skip
    at(finding, culprits.squashing(case.sources))
    return Found(finding, remedy, other)


def _update(case: Case, name: str) -> float | None:
    """The root mean square of what the first passes that were studied add to a tensor."""
    each = [entry.update[name] for entry in case.study.passes if name in entry.update]
    return float(np.sqrt(np.mean(np.square(each)))) if each else None
