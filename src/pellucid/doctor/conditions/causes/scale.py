"""input-not-scaled and feature-scale-mismatch: inputs far from zero mean and unit scale, or some columns of them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import Case, Found, at, called
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.tables import Holder
from pellucid.doctor.probes.trials import Change, Remedy, transformed
from pellucid.doctor.process import origins
from pellucid.doctor.process.places import SourcePlace

LEFT = 0.03  # of the loss of a guess, which a program has to have left
LEAVES = 0.25  # of the loss of the program, below which scaled inputs have to bring it
SMALL = 0.12  # the share of the gain that unscaled inputs may leave: they are a fault that is seen by itself


def dwarfing(columns: list[int], times: float) -> str:
    """Which columns are larger than the others, and how many times.

    >>> dwarfing([0], 320.0)
    'Column 0 of the inputs is 320 times as large as the others.'
    >>> dwarfing([1, 4, 5], 48.71)
    'Columns 1, 4 and 5 of the inputs are up to 48.7 times as large as the others.'
    """
    if len(columns) == 1:
        return f"Column {columns[0]} of the inputs is {times:.3g} times as large as the others."
    named = [str(column) for column in columns[:6]]
    more = f" and {len(columns) - 6} more" if len(columns) > 6 else ""
    said = ", ".join(named) if more else f"{', '.join(named[:-1])} and {named[-1]}"
    return f"Columns {said}{more} of the inputs are up to {times:.3g} times as large as the others."


def fitting(size: np.ndarray) -> float:
    """How many times longer the steps may be on scaled inputs: the slope's slope goes with the square of the size."""
    return float(np.mean(size**2) * len(size) / (len(size) + 1))


def written(case: Case, holders: list[Holder], called: str) -> tuple[Holder, SourcePlace | None]:
    """Of what holds the inputs, the one whose line is known, and that line: the largest first, then what the program
    calls its inputs."""
    ordered = sorted(holders, key=lambda group: (-max(group.shape), group.name != called))
    for group in ordered:
        place = origins.scaled_at(case.sources, group.name) or origins.first_values(case.sources, group.name)
        if place is not None:
            return group, place
    return ordered[0], None


def is_grey(rows: np.ndarray) -> bool:
    """Whether the inputs are grey levels from 0 to 255."""
    return bool(rows.min() >= 0 and 100 < rows.max() <= 255 and rows.shape[1] >= 16)


def scaled_by(holder: Holder, rows: np.ndarray, by_column: bool = False) -> tuple[str, str, bool]:
    """What a variable is called, what is to be written for it, and whether a sample is a column of it: grey levels are
    divided by the largest one."""
    last = re.sub(r"\[.*", "", holder.name).split(".")[-1]
    pixels = not by_column and is_grey(rows)
    lying = len(holder.shape) == 2 and holder.shape[0] == rows.shape[1] != holder.shape[1]
    axis = "axis=1, keepdims=True" if lying else "axis=0"
    new = f"{last} / 255" if pixels else f"({last} - {last}.mean({axis})) / ({last}.std({axis}) + 1e-8)"
    if not pixels and ((rows.std(0) <= 1e-8) & rows.any(0)).any():  # a column of ones, for the intercept, stays
        new = f"np.where({last}.std({axis}) > 1e-8, {new}, {last})"
    return last, new, lying


def _with_labels(case: Case, rows: np.ndarray, begin: tuple[Change, ...]) -> Remedy | None:
    """Inputs and labels scaled, where labels are numbers as far from unit scale as the inputs are, and the loss is the
    squared error: of a series that is predicted from itself, both are one array."""
    labels = case.data.all("labels") if case.data is not None else None
    squared = case.pair is not None and case.pair.loss.kind == "squared"
    if labels is None or not squared or probe.classes(labels) is not None or not start.unscaled(labels):
        return None
    counts = {group.shape[0] for group in probe.holders(case.session.scope, rows.shape[1], frozenset())}
    held = probe.label_holders(case.session.scope, frozenset(case.session.found.groups), counts)
    mean, std = float(labels.mean()), float(labels.std()) or 1.0
    if not held:
        return None
    change = transformed(held, lambda values: (values - mean) / std)
    return Remedy("", "with scaled inputs and labels", begin=(*begin, change), units=std**2)


def find_far(case: Case) -> Found | None:
    """Of a program that predicts numbers and has nearly arrived: inputs of a size that forced a rate on it by which
    it leaves most of the loss. Confirmed by a training on standardised inputs, at rates that go with them."""
    labels = case.data.all("labels") if case.data is not None else None
    squared = case.pair is not None and case.pair.loss.kind == "squared"
    if labels is None or not squared or probe.classes(labels) is not None or case.was.level < LEFT * case.guess:
        return None
    return _found(case, LEFT / 2, rates=(1.0, 0.3), far=LEAVES)


def find(case: Case) -> Found | None:
    """Confirmed by a training on standardised inputs."""
    return _found(case, SMALL)


def _found(case: Case, worth: float, rates: tuple[float, ...] = (), far: float = 1.0) -> Found | None:
    """`worth`: the share of the gain that has to be left; `rates`: of what goes with scaled inputs, those to be tried
    alone; `far`: the share of the loss below which a training has to come."""
    rows = case.inputs
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

    grey = not big and is_grey(rows)

    def standard(values: np.ndarray) -> np.ndarray:
        if grey:  # what is written in the fix; a pixel that is seldom on would stand far out by its own deviation
            return values / 255
        if values.ndim > 2:  # images: by one number each, so that a pixel that never changes stays what it is
            return (values - rows.mean()) / (rows.std() or 1.0)
        return (values - mean) / std if values.shape[1] == len(mean) else (values - mean[:, None]) / std[:, None]

    name = "feature-scale-mismatch" if big else "input-not-scaled"
    size = np.sqrt(np.mean(rows**2, axis=0))
    begin = (transformed(holders, standard),)
    remedy = Remedy(name, "with scaled inputs", begin=begin)
    other = None if rates else case.attempt(remedy, worth)
    for share in (rates or (1.0,)) if size.max() > 3 else ():
        if other is None:  # a rate that goes with inputs of this size is too low for scaled ones
            scale = share * fitting(size)
            remedy = Remedy(name, "with scaled inputs and a rate that goes with them", scale=scale, begin=begin)
            other = case.attempt(remedy, worth)
    if other is None and not rates:  # one under which all died at once, or that was too high as well
        remedy = Remedy(name, "with scaled inputs and a tenth of the rate", scale=0.1, begin=begin)
        other = case.attempt(remedy, worth)
    if other is None and not rates and (both := _with_labels(case, rows, begin)) is not None:
        remedy = replace(both, name=name)
        other = case.attempt(remedy, worth)
    if other is None or not other.level <= far * case.was.level:
        return None
    evidence = (
        dwarfing(big, float(size.max() / max(np.median(np.delete(size, big)), 1e-300)))
        if big
        else f"The inputs have a mean of {rows.mean():.4g} and a standard deviation of {rows.std():.4g}."
    )
    x = called(case.data.keys.inputs if case.data else None) or "X"
    holder, place = written(case, holders, x)
    last, new, lying = scaled_by(holder, rows, bool(big))
    how = (
        f"{last} = {new}"
        if "[" not in holder.name
        else f"of each {'row' if lying else 'column'} of {holder.name}, minus its mean, by its std"
    )
    finding = case.confirmed(
        remedy, other, evidence,
        "With inputs of this size one rate is too long for some weights and too short for others, and tanh and "
        "sigmoid saturate.",
        f"scale them before the training, all rows by the numbers of the training rows: {how}"
        + (f"; with a learning rate about {remedy.scale:.2g} times as large" if remedy.scale != 1 else ""),
    )  # fmt: skip
    at(finding, place)
    if "[" not in holder.name:
        finding.patch = {"insert": f"{holder.name} = " + re.sub(rf"\b{re.escape(last)}\b", holder.name, new)}
    return Found(finding, remedy, other)
