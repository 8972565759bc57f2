"""samples-mixed: rows that were given the shape of their transpose, so that each sample is made of many."""

from __future__ import annotations

import ast

import numpy as np

from pellucid.doctor.conditions.case import Case, Found, at
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.trials import Remedy, transformed
from pellucid.doctor.process import origins
from pellucid.doctor.process.paths import LARGEST_DATA, groups, leaves
from pellucid.doctor.process.places import SourcePlace, assigned, trees

SAME = 1e-6  # of their spread, by which numbers in the same order may differ


def find(case: Case) -> Found | None:
    """Inputs (features, samples) whose numbers lie in the order of an array (samples, …), or the other way round.
    Confirmed by a training on the transpose."""
    rows, scope = case.inputs, case.session.scope
    if rows is None or case.session.left() < 6:
        return None
    excluded = frozenset(case.session.found.groups)
    inputs = [
        g for g in probe.holders(scope, rows.shape[1], excluded) if len(g.shape) == 2 and g.shape[0] != g.shape[1]
    ]
    arrays = groups(leaves(scope, LARGEST_DATA)).values() if inputs else ()
    for held in inputs:
        values = held.read(scope).ravel()
        for array in arrays:
            if array.size != held.size or not _turned(array.shape, held.shape):
                continue
            right = _transposed(array.read(scope), array.shape, held.shape, values)
            if right is None:
                continue
            remedy = Remedy("samples-mixed", "with the transpose", begin=(transformed([held], lambda _, r=right: r),))
            other = case.attempt(remedy)
            if other is None:
                return None
            count, axis = (held.shape[1], "column") if array.shape[0] == held.shape[1] else (held.shape[0], "row")
            new = f"{array.name}.T" if len(array.shape) == 2 else f"{array.name}.reshape({count}, -1).T"
            finding = case.confirmed(
                remedy, other,
                f"{held.name} has the shape {held.shape}, and its numbers lie in the order of {array.name}, of shape "
                f"{array.shape}.",
                f"reshape() keeps the order of the numbers: each {axis} holds parts of many samples, not one.",
                f"{held.name} = {new}: transpose, where the axes are to change places",
            )  # fmt: skip
            finding.severity = "error"
            at(finding, _reshaped(case.sources, held.name) or origins.made_at(case.sources, held.name))
            return Found(finding, remedy, other)
    return None


def _turned(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether an array has the shape of the transpose of a matrix, its samples unrolled.

    >>> _turned((360, 8, 8), (64, 360)), _turned((64, 360), (360, 64)), _turned((360, 8, 8), (360, 64))
    (True, True, False)
    """
    return len(shape) > 1 and other[0] > 1 and (shape[0] == other[1] or (len(shape) == 2 and shape[1] == other[0]))


def _transposed(
    array: np.ndarray, shape: tuple[int, ...], wanted: tuple[int, ...], values: np.ndarray
) -> np.ndarray | None:
    """The array, turned, where the values are its own in its own order but for scale and shift."""
    spread, own = float(values.std()), float(array.std())
    if not spread > 0 or not own > 0 or not np.isfinite(values).all():
        return None
    fitted = (array - array.mean()) * (spread / own) + values.mean()
    if np.abs(fitted - values).max() > SAME * spread:
        return None
    return fitted.reshape(shape[0], -1).T.reshape(wanted)


def _reshaped(sources: dict[str, str], name: str) -> SourcePlace | None:
    """The last assignment that gives a variable another shape."""
    last = name.split(".")[-1]
    found = [
        SourcePlace(file, node.lineno)
        for file, tree in trees(sources)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and {name, last} & {*assigned(node)} and "reshape(" in ast.unparse(node.value)
    ]
    return max(found, key=lambda place: place.line, default=None)
