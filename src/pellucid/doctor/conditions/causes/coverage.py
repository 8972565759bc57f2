"""low-coverage: an epoch sees a fraction of the rows."""

from __future__ import annotations

import numpy as np

from pellucid.doctor.conditions.case import Case, at, called, error
from pellucid.doctor.probes.data import SeenData, distinct
from pellucid.doctor.process import places
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    """Of what the batches are cut out of, how many rows were seen."""
    if case.data is None:
        return None
    loop = case.session.program.loops.loops[case.session.number]
    cut = places.cut(case.sources, loop.file, loop.line, loop.last_line, called(case.data.keys.inputs))
    if cut is None:
        return None
    try:
        count = distinct(case.session.scope.get(case.path(cut.base)))
    except (LookupError, AttributeError, TypeError, ValueError, StopIteration):
        return None
    finding = repeated_rows(case.data, count)
    if finding is not None:
        at(finding, cut.place)
    return finding


def repeated_rows(data: SeenData, count: int) -> Finding | None:
    """An epoch sees a fraction of the rows."""
    batches = [batch.inputs for batch in data.batches if batch.inputs is not None]
    if len(batches) < 5 or not count:
        return None
    seen: set[bytes] = set()
    total = 0
    for rows in batches:
        total += len(rows)
        seen |= {row.tobytes() for row in rows}
    identical = all(np.array_equal(batches[0], rows) for rows in batches[1:])
    if len(seen) > 0.5 * count or not (identical or total >= 3 * count):
        return None
    again = "every pass sees the same rows again" if identical else f"{total} rows were drawn"
    return error(
        "low-coverage",
        0.93,
        f"In {len(batches)} passes {len(seen)} of {count} different rows were used; {again}.",
        "Most of the data is never trained on.",
        "begin each batch where the one before ended: X[start:start + batch_size]",
    )
