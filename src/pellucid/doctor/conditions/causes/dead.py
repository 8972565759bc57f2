"""dead-units: units that are off, or at their end, for all of the data from the first pass on."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import Case, Found, at
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import origins

FAR = 2.0  # from 0, for a first bias: a sum of inputs of unit scale seldom makes up for more


def find(case: Case) -> Found | None:
    """Biases far from 0, and weights behind them that no pass moves. Confirmed by a training that begins them at 0."""
    layers = start.weights(case.begun)
    far = {name: values for name, values in case.begun.items() if name not in layers and is_far(values)}
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
    at(finding, origins.first_values(case.sources, name))
    return Found(finding, remedy, other)


def find_all(case: Case) -> Found | None:
    """Weights of the usual size that no pass moves in any layer. Confirmed by a training that begins with random ones,
    half of which are negative, and biases of 0."""
    begun = case.begun
    sizes = start.sizes(begun)
    if len(sizes) < 2 or any(not 0.1 < size < 4 for size in sizes.values()) or start.symmetric(begun):
        return None
    if not all(name in case.still or is_stuck(case, name) for name in sizes):
        return None
    rng = np.random.default_rng(0)
    begin = tuple(
        case.to_values(name, rng.normal(0, 1 / np.sqrt(np.mean(values.shape)), values.size))
        if name in sizes
        else case.to_values(name, np.zeros(values.size))
        for name, values in begun.items()
    )
    remedy = Remedy("dead-units", "with random weights around 0 and biases of 0", begin=begin)
    other = case.attempt(remedy)
    if other is None:
        return None
    name = max(sizes, key=lambda key: abs(float(np.mean(np.sign(begun[key])))))
    values = begun[name]
    finding = case.confirmed(
        remedy, other,
        f"In {case.as_is.passes} passes none of {', '.join(sizes)} moved. {100 * float((values < 0).mean()):.0f} % of "
        f"the first values of {name} are negative.",
        "The units are off (or at their end) for every row of the data: no gradient comes through them.",
        "begin with random numbers around 0: np.random.randn(n_in, n_out) / np.sqrt(n_in)",
    )  # fmt: skip
    at(finding, origins.first_values(case.sources, name))
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
