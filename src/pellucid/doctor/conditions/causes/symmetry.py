"""symmetric-init: units that start identical, and stay so."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import Case, Found, at
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import origins


def find(case: Case) -> Found | None:
    """Confirmed by a training that begins with random weights."""
    begun = case.begun
    names = start.symmetric(begun)
    if not names or (case.learns and not stay_alike(case)):
        return None
    rng = np.random.default_rng(0)
    begin = tuple(
        case.to_values(name, rng.normal(0, 1 / np.sqrt(np.mean(begun[name].shape)), begun[name].size)) for name in names
    )
    remedy = Remedy("symmetric-init", "with random weights", begin=begin)
    other = case.attempt(remedy)
    if other is None:
        return None
    same = ", ".join(names)
    zero = all((begun[name] == 0).all() for name in names)
    finding = case.confirmed(
        remedy, other,
        f"At the beginning all units of {same} are the same" + (": every weight is 0." if zero else "."),
        "Units that begin alike get the same gradient and stay alike: the layer is as good as one unit.",
        "begin with random numbers: np.random.randn(n_in, n_out) / np.sqrt(n_in)",
    )  # fmt: skip
    at(finding, origins.first_values(case.sources, names[0]))
    return Found(finding, remedy, other)


def stay_alike(case: Case) -> bool:
    """Units of a hidden layer that began alike and are still alike at the end: it may learn, but not as it could."""
    groups = case.session.found.groups
    hidden = [name for name in start.symmetric(case.tensors) if min((*case.tensors[name].shape, 1)[:2]) > 1]
    return any(
        name in case.was.values and start.alike(case.was.values[name].reshape(groups[name].shape)) for name in hidden
    )
