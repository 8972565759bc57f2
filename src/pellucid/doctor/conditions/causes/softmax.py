"""softmax-wrong-axis, softmax-single-unit, double-softmax, activation-before-loss: seen in the outputs of one pass.

Asked before the gradient is judged: each of them makes a gradient that is right for the usual output look wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.data import Batch
from pellucid.doctor.probes.losses import LABEL_NAME, Key, Seen
from pellucid.doctor.process import culprits
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    study = case.study
    for pair in probe.distributions(study.seen, study.depends):
        keys = probe.keys_of(study.seen, study.depends, pair, frozenset(case.session.found.groups))
        batch = probe.batch_of(study.seen, keys)
        finding = softmax_axis(batch) or single_unit(batch)
        if finding is not None:
            return finding
    for batch in _of_many_calls(study.seen, study.depends):
        finding = softmax_axis(batch)
        if finding is not None:
            return finding
    alone = _always_one(case)
    if alone is not None:
        return alone
    changed = list(probe.undone(study.seen, study.depends))
    for _, _, p in changed:
        finding = softmax_axis(Batch(outputs=p))
        if finding is not None:
            return finding
    whole = [(key, study.seen[key][-1]) for key in sorted(study.depends)] + [(key, p) for key, _, p in changed]
    known = [(key, p) for key, p in whole if p.ndim == 2 and p.shape[1] > 1 and _rows_sum_to_one(p)]
    again = culprits.softmax_again(case.sources)
    for key, p in known:
        finding = twice(study.seen, study.depends, p) or rectified(p)
        if finding is not None:
            name = key[1] if key[1] != "return" else ""
            inner = culprits.softmax_in_call(case.sources) if finding.cause == "double-softmax" else None
            at(finding, inner or culprits.softmax(case.sources, name, finding.cause))
            return finding
        if again is not None and _is_flat(p):
            finding = _twice(p)
            at(finding, again)
            return finding
    return None


def _of_many_calls(seen: Seen, depends: set[Key]) -> Iterator[Batch]:
    """Outputs of a network that a pass calls again and again, as where the gradient is taken by differences, with
    labels of their shape."""
    labels = [v[0] for k, v in seen.items() if len(v) == 1 and k not in depends and LABEL_NAME.search(k[1].lower())]
    for key in sorted(depends):
        value = seen[key][0]
        if len(seen[key]) > 1 and value.ndim == 2 and all(other.shape == value.shape for other in seen[key]):
            for label in labels:
                if label.shape == value.shape and _rows_sum_to_one(label):
                    yield Batch(outputs=value, labels=label)


def _is_flat(p: np.ndarray) -> bool:
    """Whether these may be the softmax of numbers that sum to 1 themselves: log p is those, but for a constant."""
    if p.min() <= 0 or np.ptp(p) < 1e-9:
        return False
    q = np.log(p)
    q += (1 - q.sum(1, keepdims=True)) / p.shape[1]
    return bool(q.min() >= -1e-9 and q.max() <= 1 + 1e-9)


def softmax_axis(batch: Batch) -> Finding | None:
    """Probabilities that sum to 1 over the samples, not over the classes."""
    o = batch.outputs
    if o is None or o.ndim != 2 or min(o.shape) < 2 or not np.isfinite(o).all() or o.min() < 0 or o.max() > 1:
        return None
    if batch.labels is not None and len(batch.labels) == len(o) and abs(float(o.sum()) - 1) < 1e-6:
        return error(
            "softmax-wrong-axis",
            0.97,
            f"The outputs, {o.shape[0]} samples of {o.shape[1]} classes, sum to 1 all together, and to "
            f"{o[0].sum():.3g} over the classes of the first sample.",
            "The softmax is taken over the whole batch: it should make the classes of each sample sum to 1.",
            "sum over the axis of the classes, with keepdims=True",
        )
    over_samples, over_classes = np.abs(o.sum(0) - 1).max(), np.abs(o.sum(1) - 1).max()
    if over_samples > 1e-6 or over_classes < 1e-3 or o.shape[0] == o.shape[1]:  # which are the samples, is not told
        return None
    return error(
        "softmax-wrong-axis",
        0.97,
        f"The outputs, {o.shape[0]} samples of {o.shape[1]} classes, sum to 1 over the samples of a batch "
        f"and to {o[0].sum():.3g} over the classes of the first sample.",
        "The softmax is taken over the batch: it should make the classes of each sample sum to 1.",
        "sum over the axis of the classes, with keepdims=True",
    )


def single_unit(batch: Batch) -> Finding | None:
    """A softmax over one unit gives 1 whatever comes in."""
    o, y = batch.outputs, batch.labels
    if o is None or y is None or o.ndim != 2 or o.shape[1] != 1 or len(o) < 2 or not (o == 1).all():
        return None
    if (y == 1).all():
        return None
    return error(
        "softmax-single-unit",
        0.95,
        "Every output is exactly 1.",
        "A softmax over one unit is always 1.",
        "use a sigmoid for one output, or a unit for each class",
    )


def _always_one(case: Case) -> Finding | None:
    """The same where nothing depends on the parameters any more: what labels are subtracted from is 1 in each row."""
    place = culprits.normalized(case.sources)
    if place is None:
        return None
    for first, second in sorted(case.session.program.loops.pairs):
        for key, series in case.study.seen.items():
            if (
                not _is_of(key, first)
                or key in case.study.depends
                or not all(v.size and (v == 1).all() for v in series)
            ):
                continue
            for other, labels in case.study.seen.items():
                if not _is_of(other, second) or other in case.study.depends or len(labels) != len(series):
                    continue
                finding = single_unit(Batch(outputs=series[-1].reshape(-1, 1), labels=labels[-1].reshape(-1, 1)))
                if finding is not None and series[-1].size == labels[-1].size:
                    at(finding, culprits.softmax(case.sources, "", finding.cause) or place)
                    return finding
    return None


def _is_of(key: Key, written: str) -> bool:
    """Whether a value is what the source calls so: `self.out` is `net.out` where a pass sees it."""
    return key[1] == written or (written.startswith("self.") and key[1].endswith(written.removeprefix("self")))


def twice(seen: Seen, depends: set[Key], p: np.ndarray) -> Finding | None:
    """Probabilities that are the softmax of something that is a softmax already."""
    if np.ptp(p) < 1e-9:
        return None
    for key in depends:
        for value in seen[key]:
            q = value.T if value.shape == p.T.shape != p.shape else value
            if q.shape != p.shape or not _rows_sum_to_one(q) or np.array_equal(q, p):
                continue
            again = np.exp(q) / np.exp(q).sum(1, keepdims=True)
            if np.abs(again - p).max() < 1e-9:
                return _twice(p)
    return None


def _twice(p: np.ndarray) -> Finding:
    return error(
        "double-softmax",
        0.97,
        f"The outputs are the softmax of values that sum to 1 already: the largest is {p.max():.3g}, and with "
        f"{p.shape[1]} classes none can be more than {np.e / (np.e + p.shape[1] - 1):.3g}.",
        "The softmax is applied twice: the second one makes all probabilities nearly alike.",
        "apply the softmax once",
    )


def rectified(p: np.ndarray) -> Finding | None:
    """A softmax of rectified scores: in many rows several classes have exactly the same, smallest probability."""
    if p.shape[1] < 2 or len(p) < 4 or p.min() < 1e-200:
        return None
    if p.shape[1] == 2:  # both classes cut off: exactly a half each, in a good share of the rows
        half = float((np.abs(p[:, 0] - 0.5) < 1e-12).mean())
        return _cut_off(half) if len(p) >= 20 and 0.1 <= half <= 0.9 else None
    low = p.min(1, keepdims=True)
    ties = (np.abs(p / low - 1) < 1e-12).sum(1)
    several = (ties >= 2) & (ties < p.shape[1])
    if several.mean() < 0.1:
        return None
    # Classes whose weights are still the same are alike in every row; what a rectifier cuts off differs.
    _, counts = np.unique((np.abs(p / low - 1) < 1e-12)[several], axis=0, return_counts=True)
    if len(counts) < 3 or counts.max() > 0.7 * counts.sum():
        return None
    return _cut_off(float(several.mean()))


def _cut_off(share: float) -> Finding:
    return error(
        "activation-before-loss",
        0.93,
        f"In {100 * share:.0f} % of the rows several classes have exactly the same, smallest probability: "
        "their scores were cut off at one value before the softmax.",
        "The scores go through a rectifier before the softmax. What is below 0 is lost, and its gradient is 0.",
        "leave the activation of the last layer away: the softmax takes the scores as they are",
    )


def _rows_sum_to_one(values: np.ndarray) -> bool:
    return bool(
        values.ndim == 2 and np.isfinite(values).all() and values.min() >= 0 and np.abs(values.sum(1) - 1).max() < 1e-6
    )
