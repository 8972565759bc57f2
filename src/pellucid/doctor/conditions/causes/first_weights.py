"""init-too-large and init-too-small: first weights far from 1 / √(units)."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import Case, Found, at
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import origins


def find_large(case: Case) -> Found | None:
    large = {name: size for name, size in start.sizes(case.begun).items() if size > 4}
    return _resized(case, large, "init-too-large", "with smaller first weights") if large else None


def find_small(case: Case) -> Found | None:
    small = {name: size for name, size in start.sizes(case.begun).items() if 0 < size < 0.1}
    return _resized(case, small, "init-too-small", "with larger first weights") if small else None


def _resized(case: Case, odd: dict[str, float], name: str, what: str) -> Found | None:
    """Confirmed by a training that begins with weights of the usual size."""
    begin = tuple(case.to_values(tensor, case.begun[tensor].ravel() / size) for tensor, size in odd.items())
    remedy = Remedy(name, what, begin=begin)
    other = case.attempt(remedy)
    if other is None or (name == "init-too-small" and case.only_faster(other)):
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
