"""labels-misaligned: inputs and labels were put into different orders, or shifted against each other."""

from __future__ import annotations

from pellucid.doctor.conditions.case import Case, error
from pellucid.doctor.probes.data import SeenData
from pellucid.doctor.process import places
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    torn = places.torn(case.sources)
    if torn is None or case.data is None:
        return None
    share = conflicting(case.data)
    if share < 0.2 and (case.learns or not torn.before_training):
        return None
    evidence = (
        f"Of the rows that came more than once, {100 * share:.0f} % had another label the next time."
        if share >= 0.2
        else f"Inputs and labels are put into different orders, and the loss stays at {case.as_is.level:.4g} "
        f"(it begins at {case.frozen.level:.4g})."
    )
    return error(
        "labels-misaligned",
        0.93 if share >= 0.2 else 0.8,
        evidence,
        "The inputs are put into another order than the labels: each row gets the label of another one.",
        torn.fix,
        file=torn.place.file,
        line=torn.place.line,
    )


def conflicting(data: SeenData) -> float:
    """Of the rows that came several times, the share whose label changed."""
    labels: dict[bytes, set[bytes]] = {}
    times: dict[bytes, int] = {}
    for batch in data.batches:
        if batch.inputs is None or batch.labels is None or len(batch.inputs) != len(batch.labels):
            continue
        for row, label in zip(batch.inputs, batch.labels, strict=True):
            key = row.tobytes()
            labels.setdefault(key, set()).add(label.tobytes())
            times[key] = times.get(key, 0) + 1
    again = [key for key, count in times.items() if count > 1]
    return sum(len(labels[key]) > 1 for key in again) / len(again) if len(again) >= 4 else 0.0
