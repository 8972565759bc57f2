"""input-not-scaled and feature-scale-mismatch: inputs far from zero mean and unit scale, or some columns of them."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import Case, Found, at, called
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.trials import Remedy, transformed
from pellucid.doctor.process import places


def find(case: Case) -> Found | None:
    """Confirmed by a training on standardised inputs."""
    rows = case.data.all("inputs") if case.data is not None else None
    if rows is None or len(rows) < 4 or not np.isfinite(rows).all():
        return None
    rows = np.unique(rows[:5000], axis=0)
    big = start.unequal(rows)
    if not big and not start.unscaled(rows):
        return None
    mean, std = start.columns(rows)
    holders = probe.holders(case.session.scope, rows.shape[1], frozenset(case.session.found.groups), deep=True)
    if not holders:
        return None

    def standard(values: np.ndarray) -> np.ndarray:
        if values.ndim > 2:  # images: by one number each, so that a pixel that never changes stays what it is
            return (values - rows.mean()) / (rows.std() or 1.0)
        return (values - mean) / std if values.shape[1] == len(mean) else (values - mean[:, None]) / std[:, None]

    name = "feature-scale-mismatch" if big else "input-not-scaled"
    remedy = Remedy(name, "with scaled inputs", begin=(transformed(holders, standard),))
    other = case.attempt(remedy)
    if other is None:
        return None
    size = np.sqrt(np.mean(rows**2, axis=0))
    evidence = (
        f"Columns {', '.join(map(str, big[:6]))} of the inputs are up to "
        f"{size.max() / max(np.median(size), 1e-300):.3g} times as large as the others."
        if big
        else f"The inputs have a mean of {rows.mean():.4g} and a standard deviation of {rows.std():.4g}."
    )
    x = called(case.data.keys.inputs if case.data else None) or "X"
    holder = max(holders, key=lambda group: (max(group.shape), group.name == x))
    last = holder.name.split(".")[-1]
    pixels = not big and rows.min() >= 0 and 100 < rows.max() <= 255
    new = f"{last} / 255" if pixels else f"({last} - {last}.mean(axis=0)) / ({last}.std(axis=0) + 1e-8)"
    finding = case.confirmed(
        remedy, other, evidence,
        "Inputs of this size saturate the units or make every step too long for some weights.",
        f"scale them before the training, all rows by the numbers of the training rows: {last} = {new}",
    )  # fmt: skip
    at(finding, places.first_values(case.sources, holder.name))
    finding.patch = {"insert": f"{holder.name} = {new.replace(last, holder.name)}"}
    return Found(finding, remedy, other)
