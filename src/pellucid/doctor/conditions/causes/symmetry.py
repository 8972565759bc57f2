"""symmetric-init: units that start identical, and stay so."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import Case, Found, at, error
from pellucid.doctor.probes.trials import Remedy, Trial
from pellucid.doctor.process import origins
from pellucid.doctor.report import Finding

SOME = 30  # passes, in which units that are not alike go apart
WHY = "Units that begin alike get the same gradient and stay alike: the layer is as good as one unit."
FIX = "begin with random numbers: np.random.randn(n_in, n_out) / np.sqrt(n_in)"


def find(case: Case) -> Found | Finding | None:
    """Confirmed by a training that begins with random weights; or by units of a hidden layer that are alike still at
    the end of one that learns nothing, whatever else keeps it from that."""
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
        return None if case.learns else _at_the_end(case)
    same = ", ".join(names)
    zero = all((begun[name] == 0).all() for name in names)
    finding = case.confirmed(
        remedy, other,
        f"At the beginning all units of {same} are the same" + (": every weight is 0." if zero else "."),
        WHY, FIX,
    )  # fmt: skip
    at(finding, origins.first_values(case.sources, names[0]))
    return Found(finding, remedy, other)


def seen(case: Case) -> list[Finding]:
    """Units of a hidden layer that begin alike, are moved, and are alike still after some passes in a fork, whatever
    else is wrong with the program."""
    tensors = case.tensors
    hidden = [name for name in start.symmetric(tensors) if tensors[name].ndim > 1 and min(tensors[name].shape) > 1]
    if not hidden:
        return []
    trained = case.run(Remedy(), SOME, 1.5)
    finding = _still_alike(hidden, case, trained)
    return [case.placed(finding)] if finding is not None else []


def _at_the_end(case: Case) -> Finding | None:
    hidden = [name for name in start.symmetric(case.tensors) if min((*case.tensors[name].shape, 1)[:2]) > 1]
    return _still_alike(hidden, case, case.was) if case.was.passes >= SOME else None


def _still_alike(hidden: list[str], case: Case, trained: Trial) -> Finding | None:
    tensors = case.tensors
    now = {name: trained.values[name].reshape(tensors[name].shape) for name in hidden if name in trained.values}
    hidden = [name for name in hidden if name in now]
    names = [n for n in hidden if not np.array_equal(now[n], tensors[n]) and np.ptp(now[n]) > 0 and start.alike(now[n])]
    if not names:
        return None
    finding = error(
        "symmetric-init", 0.95,
        f"At the beginning all units of {', '.join(names)} are the same, and after {trained.passes} passes, which move "
        "them, they still are.",
        WHY, FIX,
    )  # fmt: skip
    at(finding, origins.first_values(case.sources, names[0]))
    return finding


def stay_alike(case: Case) -> bool:
    """Units of a hidden layer that began alike and are still alike at the end: it may learn, but not as it could."""
    groups = case.session.found.groups
    hidden = [name for name in start.symmetric(case.tensors) if min((*case.tensors[name].shape, 1)[:2]) > 1]
    return any(
        name in case.was.values and start.alike(case.was.values[name].reshape(groups[name].shape)) for name in hidden
    )
