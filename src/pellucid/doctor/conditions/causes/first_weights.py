"""init-too-large and init-too-small: first weights far from 1 / √(units)."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import LONGEST, MOST_PASSES, Case, Found, at
from pellucid.doctor.probes.trials import Remedy, Trial
from pellucid.doctor.process import origins


def find_large(case: Case) -> Found | None:
    large = {name: size for name, size in start.sizes(case.begun).items() if size > 4}
    return _resized(case, large, "init-too-large", "with smaller first weights") if large else None


def find_small(case: Case) -> Found | None:
    small = {name: size for name, size in start.sizes(case.begun).items() if 0 < size < 0.1}
    return _resized(case, small, "init-too-small", "with larger first weights") if small else None


def _gets_there(case: Case, other: Trial) -> bool:
    """Whether a program of many passes comes as far by itself, only later: small weights are left on a plateau."""
    if case.was.ended:
        return False
    seconds = min(LONGER * LONGEST, 0.6 * case.session.left())
    if seconds < 1.2 * case.was.seconds:  # there is no time to look
        return True
    longer = case.run(case.so_far, MOST_PASSES, seconds, enough=0.5 * (case.was.level + other.level))
    told = longer.ended or longer.passes > 1.5 * case.was.passes
    return not told or (longer.finite and longer.level < 0.5 * (case.was.level + other.level))


LONGER = 2.5  # times as long as other trainings


def _resized(case: Case, odd: dict[str, float], name: str, what: str) -> Found | None:
    """Confirmed by a training that begins with weights of the usual size."""
    begin = tuple(case.to_values(tensor, case.begun[tensor].ravel() / size) for tensor, size in odd.items())
    remedy = Remedy(name, what, begin=begin)
    other = case.attempt(remedy)
    if other is None or (name == "init-too-small" and (case.only_faster(other) or _gets_there(case, other))):
        return None
    tensor = max(odd, key=lambda key: abs(np.log(odd[key])))
    finding = case.confirmed(
        remedy, other,
        f"The first weights of {tensor} are about {odd[tensor]:.3g} times as large as 1 / √(units).",
        "So small weights let the signal and the gradient fade from layer to layer."
        if name == "init-too-small"
        else "So large weights saturate the units, or blow the outputs up, before anything is learnt.",
        "begin with np.random.randn(n_in, n_out) / np.sqrt(n_in)",
    )  # fmt: skip
    at(finding, origins.first_values(case.sources, tensor))
    return Found(finding, remedy, other)
