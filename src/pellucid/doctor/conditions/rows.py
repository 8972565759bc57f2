"""The arrays that hold the rows of the data from pass to pass, inputs beside their labels, put into another order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.doctor.conditions.case import Case
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes import neighbours
from pellucid.doctor.probes.data import SeenData
from pellucid.doctor.probes.tables import Holder, by_rows
from pellucid.doctor.probes.trials import Change
from pellucid.doctor.process.paths import Scope

FEWEST = 20
RELATED = 0.35  # the least correlation of labels with those of the nearest other rows


@dataclass(frozen=True)
class Rows:
    """What is called like inputs, and what is called like labels, with as many rows each."""

    inputs: list[Holder]
    labels: list[Holder]


def together(case: Case, data: SeenData, more: bool = False) -> Rows | None:
    """The shortest arrays that hold the rows which the passes saw, or these and `more`.

    Longer ones may hold the same memory.
    """
    inputs = data.all("inputs")
    if inputs is None:
        return None
    seen = {row.tobytes() for row in np.asarray(inputs, dtype=float)}
    excluded = frozenset(case.session.found.groups)
    width = inputs.shape[1]
    x = [
        a
        for a in (by_rows(held, width) for held in probe.holders(case.session.scope, width, excluded, True, inputs))
        if a.shape[1:] and a.shape[0] * width == _numbers(a)
    ]
    y = probe.label_holders(case.session.scope, excluded, {group.shape[0] for group in x}, columns=True)
    for count in sorted({a.shape[0] for a in x} & {b.shape[0] for b in y}):
        own = [a for a in x if a.shape[0] == count]
        held = {row for a in own for row in _bytes(_read(a, case.session.scope))}
        if count >= max(FEWEST, len(seen) + more) and seen <= held:
            return Rows(own, [b for b in y if b.shape[0] == count])
    return None


def _numbers(holder: Holder) -> int:
    return int(np.prod(holder.shape))


def redrawn(rows: Rows) -> Change:
    """Inputs and labels in another order each time, both in the same one."""
    rng = np.random.default_rng(0)

    def change(scope: Scope) -> None:
        order = rng.permutation(rows.inputs[0].shape[0])
        _write(scope, [(group, _read(group, scope)[order]) for group in (*rows.inputs, *rows.labels)])

    return change


def balanced(case: Case, rows: Rows) -> tuple[Change, ...]:
    """Rows drawn so that each class has as many; inputs and labels in the same order."""
    scope = case.session.scope
    label = rows.labels[0]
    known = probe.classes(_read(label, scope).reshape(label.shape[0], -1))
    if known is None:
        return ()
    rng = np.random.default_rng(0)
    kinds = np.unique(known)
    order = np.concatenate([rng.choice(np.flatnonzero(known == kind), -(-len(known) // len(kinds))) for kind in kinds])
    order = rng.permutation(order)[: len(known)]

    def change(now: Scope) -> None:
        _write(now, [(group, _read(group, now)[order]) for group in (*rows.inputs, *rows.labels)])

    return (change,)


def relabelled(case: Case, rows: Rows) -> Change | None:
    """Each row's label as the data has it, where inputs and labels were put into different orders since.

    None where no two arrays hold them beside each other any more.
    """
    scope = case.session.scope
    for a in rows.inputs:
        for b in rows.labels:
            x, y = _read(a, scope), _read(b, scope)
            known = dict(zip(_bytes(x), y, strict=True))
            if len(known) >= 0.9 * len(x) and related(x, y):
                return lambda now: _relabel(now, rows, known)
    return None


def related(inputs: np.ndarray, labels: np.ndarray) -> bool:
    """Whether the labels of rows agree with those of the nearest other rows, far beyond chance."""
    x, y = inputs[: neighbours.MOST], labels[: neighbours.MOST].reshape(len(inputs[: neighbours.MOST]), -1)
    classes = probe.classes(y)
    if classes is not None and classes.min() >= 0:
        y = np.eye(int(classes.max()) + 1)[classes]
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return False
    return abs(neighbours.agreement(y, neighbours.nearest(x))) > max(RELATED, 4 / np.sqrt(len(x)))


def _relabel(scope: Scope, rows: Rows, known: dict[bytes, np.ndarray]) -> None:
    """The labels of what the passes cut their batches out of: the last of the inputs that was made."""
    keys = _bytes(_read(rows.inputs[-1], scope))
    if all(key in known for key in keys):
        labels = np.stack([known[key] for key in keys])
        _write(scope, [(group, labels) for group in rows.labels if labels.size == group.size])


def _bytes(values: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in np.asarray(values, dtype=float)]


def _read(group: Holder, scope: Scope) -> np.ndarray:
    return group.read(scope).reshape(group.shape)


def _write(scope: Scope, made: list[tuple[Holder, np.ndarray]]) -> None:
    """All was read before anything is written: two names may hold one array."""
    for group, values in made:
        group.write(scope, values.ravel())
