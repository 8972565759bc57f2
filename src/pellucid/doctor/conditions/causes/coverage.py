"""low-coverage: an epoch sees a fraction of the rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pellucid.doctor.conditions import learning
from pellucid.doctor.conditions.case import Case, at, called, error, number
from pellucid.doctor.conditions.rows import redrawn, together
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.data import SeenData, distinct
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import orders, places
from pellucid.doctor.report import Finding

SHARE = 0.4  # of the rows: who sees less, and sees them again and again, leaves most of the data out
MANY = 40  # passes, that say by themselves what a training sees


def find(case: Case) -> Finding | None:
    """Of what the batches are cut out of, how many rows were seen; confirmed by a training that draws from all."""
    finding = _seen(case, case.data) if case.data is not None else None
    return _tried(case, case.data, finding) if finding is not None and case.data is not None else finding


def _tried(case: Case, data: SeenData, finding: Finding) -> Finding | None:
    """Both trainings are asked over all rows, standing still. A program that does as well without the others is right.

    Where inputs and labels are not held in arrays of rows, no fork can draw others; then what was counted has to do.
    """
    held = together(case, data, more=True)
    if held is None or case.session.left() < 6:
        return finding if len(data.batches) >= MANY else None  # a function may be called again, with other rows
    remedy = Remedy("low-coverage", "with rows drawn from all of the data", each=(redrawn(held),))
    passes = max(60, min(case.as_is.passes, 3000))
    inputs = data.all("inputs")
    was, other = case.run(Remedy(), passes, 1.5, data.keys.known), case.run(remedy, passes, 2.0)
    if inputs is not None and _goes_on_to_others(inputs, probe.rows_of(was.last, data.keys).inputs):
        return None

    def over_all(standing: Remedy) -> float:
        asked = case.run(replace(standing, scale=0.0, each=(redrawn(held),)), 60, 1.0)
        return float(np.mean(asked.losses)) if asked.finite else float("inf")

    begin, before, after = (over_all(r) for r in (Remedy(), *(case.fixed_at(t, Remedy()) for t in (was, other))))
    if not np.isfinite([begin, after]).all() or learning.share(begin, after) < learning.BARELY:
        return finding
    if after > 0.9 * before:
        return None
    finding.verified = True
    finding.evidence += (
        f" Over all rows the loss is {number(before)} after {was.passes} passes; with rows drawn from all of them it "
        f"is {after:.4g} (it begins at {begin:.4g})."
    )
    title = f"{case.candidate.title}, over all rows"
    finding.fork = {"what": title, "as it is": [begin, before], remedy.what: [begin, after]}
    return finding


def _goes_on_to_others(seen: np.ndarray, later: np.ndarray | None) -> bool:
    """Whether most rows of the last passes of a training are none of those that were counted: what it draws from grows,
    or is another part by then, as with easy rows first, or with one fold after the other."""
    if later is None or later.shape[1:] != seen.shape[1:]:
        return False
    known = {row.tobytes() for row in seen}
    return sum(row.tobytes() not in known for row in later) > 0.5 * len(later)


def _seen(case: Case, data: SeenData) -> Finding | None:
    loop = case.session.program.loops.loops[case.session.number]
    cut = places.cut(case.sources, loop.file, loop.line, loop.last_line, called(data.keys.inputs))
    if cut is not None:
        try:
            base = case.session.scope.get(case.path(cut.base))
            finding = repeated_rows(data, distinct(base)) if _are_rows(base, data) else None
        except (LookupError, AttributeError, TypeError, ValueError, StopIteration):
            finding = None
        if finding is not None:
            at(finding, orders.batch(case.sources, {cut.base.split(".")[-1]}, loop.line, loop.last_line) or cut.place)
            return finding
    return _of_holders(case, data)


def _are_rows(base: object, data: SeenData) -> bool:
    """Whether what the batches are cut out of holds rows as wide as those that were seen, or with a 1 less: a window of
    a series of numbers is no row of it, and a class that is cut beside the rows is none of theirs."""
    inputs = data.all("inputs")
    if inputs is None or not isinstance(base, np.ndarray) or not base.ndim or not len(base):
        return True
    return inputs[0].size - base[0].size in (0, 1)


def _of_holders(case: Case, data: SeenData) -> Finding | None:
    """Where no statement shows what the batches are cut out of: arrays that hold all of the rows that were seen, and
    none of which was seen nearly whole, but for rows that another array holds alone."""
    inputs = data.all("inputs")
    if inputs is None:
        return None
    excluded = frozenset(case.session.found.groups)
    seen = {row.tobytes() for row in inputs}
    batch_size = len(inputs) // len(data.batches)
    counts: dict[str, int] = {}
    loop = case.session.program.loops.loops[case.session.number]
    stores = {
        name: (rows, {row.tobytes() for row in rows})
        for name, rows in probe.stores(case.session.scope, inputs.shape[1], excluded).items()
    }
    others = set().union(*(held for _, held in stores.values() if not held & seen))  # kept back for an evaluation
    for name, (rows, whole) in stores.items():
        held = whole - others
        cut_here = orders.made_between(case.sources, name.split(".")[-1], loop.file, loop.line, loop.last_line)
        of_pass = len(rows) == batch_size and (name == called(data.keys.inputs) or "." in name or cut_here)
        if not of_pass and seen <= held:
            counts[name] = len(held)
    if not counts or min(counts.values()) * SHARE < len(seen):
        return None
    finding = repeated_rows(data, min(counts.values()))
    if finding is not None:
        names = {name.split(".")[-1] for name in counts}
        at(finding, orders.batch(case.sources, names, loop.line, loop.last_line))
    return finding


def repeated_rows(data: SeenData, count: int) -> Finding | None:
    """An epoch sees a fraction of the rows."""
    batches = [batch.inputs for batch in data.batches if batch.inputs is not None]
    if len(batches) < 5 or not count:
        return None
    seen: set[bytes] = set()
    total = 0
    for rows in batches:
        here = {row.tobytes() for row in rows}  # one sample that is seen often in a pass was drawn once
        total += len(here)
        seen |= here
    identical = all(np.array_equal(batches[0], rows) for rows in batches[1:])
    expected = count * (1 - np.exp(-total / count))  # different rows among as many that are drawn by chance
    drawn_again = total >= max(40, 3 * len(seen)) and len(seen) < 0.6 * expected
    if len(seen) > 0.5 * count or not (identical or total >= 3 * count or drawn_again):
        return None
    again = "every pass sees the same rows again" if identical else f"{total} rows were drawn"
    return error(
        "low-coverage",
        0.93,
        f"In {len(batches)} passes {len(seen)} of {count} different rows were used; {again}.",
        "Most of the data is never trained on.",
        "begin each batch where the one before ended: X[start:start + batch_size]",
    )
