"""dead-units: a layer whose units are all off, or at their end, for rows that it should tell apart, where a training
ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import Case, Found, at, called, error
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.data import Batch
from pellucid.doctor.probes.losses import Key
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import origins
from pellucid.doctor.report import Finding

PASSES, SECONDS = 60, 0.8  # of the look at where the training ended
FEWEST = 3  # rows that get one output
MOST = 0.5  # of all rows, which an output that is the same for them spoils the training by
DRAWS = 8  # of first weights, of which one has to come further
BEGUN = 8  # passes of one row each, that tell how a training begins
LAYERS = 12  # values that are looked at for the layer that is off


def find(case: Case) -> Finding | Found | None:
    """Rows of other inputs and labels that all have one output at the end, and did not at first.

    Where that is so of all rows, the network is dead, whatever made it so. Of a part of them it is reported where
    another draw of the first weights comes by far further."""
    if not case.was.finite or case.was is not case.as_is or case.mended is not None:
        return None
    begun = _begun(case, 1)
    begun = _begun(case, BEGUN) if _count(begun) == 1 else begun
    if len(alike(replace(begun, inputs=begun.labels))) > MOST * _count(begun):
        return None  # it began so
    batch = _at_the_end(case, case.keys.known)
    rows = alike(batch)
    if len(rows) < FEWEST or len(rows) < MOST * _count(batch):
        return None
    layer = _off(case, rows, _count(batch))
    if layer is None:
        return None
    whole = len(rows) == _count(batch)
    which = "all rows" if whole else f"{len(rows)} of {_count(batch)} rows, whose labels differ"
    seen = f"After {case.as_is.passes} passes {called(layer)} is 0 for {which}, and their outputs are one number each."
    if whole and not case.learns:
        finding = error(
            "dead-units", 0.85, seen,
            "Every unit of the layer is off for all of the data: no gradient comes through it, and the training stands "
            "still. Steps that are too long, or gradients that leave out where a unit is off, push units there.",
            "lower the learning rate, multiply the gradient by the slope of each activation, or let the last layer be "
            "without one",
        )  # fmt: skip
        at(finding, origins.made_at(case.sources, called(layer)))
        return finding
    return _by_other_weights(case, seen)


def alike(batch: Batch) -> list[int]:
    """The rows of the largest number of which have one output, if their inputs and labels differ."""
    x, y, o = batch.inputs, batch.labels, batch.outputs
    if x is None or y is None or o is None or not len(x) == len(y) == len(o) or not np.isfinite(o).all():
        return []
    size = float(np.abs(o).max(initial=0)) or 1.0
    _, which, counts = np.unique(
        np.round(o / size, 9) if o.any() else o, axis=0, return_inverse=True, return_counts=True
    )
    found = np.flatnonzero(which.ravel() == int(counts.argmax()))
    differ = len(np.unique(x[found], axis=0)) > 1 and bool(np.ptp(y[found].astype(float), axis=0).any())
    return [int(row) for row in found] if differ else []


def _count(batch: Batch) -> int:
    return 0 if batch.outputs is None else len(batch.outputs)


def _begun(case: Case, passes: int) -> Batch:
    """The outputs and labels of the first passes."""
    return probe.rows_of({key: series[:passes] for key, series in case.as_is.first.items()}, case.keys)


def _at_the_end(case: Case, keys: frozenset[Key]) -> Batch:
    """The rows that some passes see where the training ended."""
    done = case.run(case.fixed_at(case.was, case.so_far), PASSES, SECONDS, keys)
    batch = probe.rows_of(done.first, case.keys)
    return batch if batch.inputs is not None else replace(batch, inputs=_told_apart(case, batch))


def _told_apart(case: Case, batch: Batch) -> np.ndarray | None:
    """Where the inputs are not known: the first outputs of the same rows, if every pass sees them all in one order."""
    first = _begun(case, 1)
    count = _count(first)
    if first.labels is None or batch.labels is None or count < 2 or len(batch.labels) % count:
        return None
    times = len(batch.labels) // count
    same = np.array_equal(np.tile(first.labels, (times, 1)), batch.labels)
    return np.tile(first.outputs, (times, 1)) if same and first.outputs is not None else None


def _off(case: Case, rows: list[int], count: int) -> Key | None:
    """What is 0 in all of its units for these rows, and depends on the parameters: a layer, or the output."""
    seen = case.study.seen
    sizes = {key: seen[key][0] for key in case.study.depends if key in seen and not probe.is_gradient(key)}
    layers = [key for key, value in sizes.items() if value.size > 1 and (value >= 0).all() and not _is_mask(value)]
    layers = sorted(layers, key=lambda key: (key[0] != "", _line(case, key), key))[:LAYERS]
    done = case.run(case.fixed_at(case.was, case.so_far), PASSES, SECONDS, frozenset(layers) | case.keys.known)
    for key in layers:
        series = done.first.get(key, [])
        labels = done.first.get(case.keys.labels or key, [])
        if not series or len(series) != len(labels):
            continue
        each = probe.samples(labels[:1], done.first.get(case.keys.outputs or key, [])[:1])
        parts = [probe.rows(value, each) for value in series]
        if len({part.shape for part in parts}) != 1 or sum(map(len, parts)) != count:
            continue
        values = np.concatenate(parts)
        if not values[rows].any() and (len(rows) == count or values.any()):
            return key
    return None


def _line(case: Case, key: Key) -> int:
    """Where a value is made: of those that are 0, the first one is why the others are."""
    place = origins.made_at(case.sources, key[1])
    return place.line if place is not None else 10**9


def _is_mask(value: np.ndarray) -> bool:
    return bool(np.isin(value, (0.0, 1.0)).all())


def _by_other_weights(case: Case, seen: str) -> Found | None:
    """Confirmed by a training that begins with another draw of random weights, of several that are tried."""
    layers = start.weights(case.begun)
    for draw in range(DRAWS):
        if case.session.left() < 6:
            return None
        rng = np.random.default_rng(draw)
        begin = tuple(
            case.to_values(name, rng.normal(0, 1 / np.sqrt(values.shape[0] / 2), values.size))
            if name in layers
            else case.to_values(name, np.zeros(values.size))
            for name, values in case.begun.items()
        )
        remedy = Remedy("dead-units", "with other random first weights", begin=begin)
        other = case.attempt(remedy, again=False)
        if other is None:
            continue
        finding = case.confirmed(
            remedy, other, seen,
            "Every unit of the layer is off for these rows: the network cannot tell them apart, and no gradient comes "
            "back through them. With few units, or tiny first weights, one step decides which units stay alive.",
            "give the layer more units, and begin with weights of the usual size: np.random.randn(n_in, n_out) * "
            "np.sqrt(2 / n_in)",
        )  # fmt: skip
        name = next(iter(layers), "")
        at(finding, origins.first_values(case.sources, name))
        return Found(finding, remedy, other)
    return None
