"""dead-units: units that are off, or at their end, for all of the data from the first pass on."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions.case import Case, Found, at
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import places

FAR = 2.0  # from 0, for a first bias: a sum of inputs of unit scale seldom makes up for more


def find(case: Case) -> Found | None:
    """Biases far from 0, and weights behind them that no pass moves. Confirmed by a training that begins them at 0."""
    far = {name: values for name, values in case.begun.items() if is_far(values)}
    stuck = [*case.still, *(name for name in case.tensors if case.tensors[name].size > 1 and is_stuck(case, name))]
    if not far or not stuck:
        return None
    begin = tuple(case.to_values(name, np.zeros(values.size)) for name, values in far.items())
    remedy = Remedy("dead-units", "with biases that begin at 0", begin=begin)
    other = case.attempt(remedy)
    if other is None:
        return None
    name, values = max(far.items(), key=lambda item: float(np.abs(item[1]).mean()))
    finding = case.confirmed(
        remedy, other,
        f"The first values of {name} lie between {values.min():.4g} and {values.max():.4g}, and in "
        f"{case.as_is.passes} passes {', '.join(stuck)} did not move.",
        "The units are off (or at their end) for every row of the data: no gradient comes through them.",
        "begin the biases at 0",
    )  # fmt: skip
    at(finding, places.first_values(case.sources, name))
    return Found(finding, remedy, other)


def is_far(bias: np.ndarray) -> bool:
    """Whether all of a vector is far from 0 on one side."""
    return (
        bias.size > 1
        and max(bias.shape) == bias.size
        and float(np.abs(bias).min()) > FAR
        and bool((bias > 0).all() or (bias < 0).all())
    )


def is_stuck(case: Case, name: str) -> bool:
    """Whether a training left a tensor nearly where it began."""
    now = case.as_is.values.get(name)
    old = case.tensors[name].ravel()
    return now is not None and now.shape == old.shape and bool(np.abs(now - old).max() <= 1e-6 * np.abs(old).max())
