"""What is wrong with the data that passes saw, and with outputs that cannot reach their labels: pure functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.doctor.probes.data import Batch, Data, classes
from pellucid.doctor.report import Finding


def error(cause: str, confidence: float, evidence: str, explanation: str, fix: str, **more: Any) -> Finding:
    return Finding(cause, "error", confidence, evidence, explanation, fix, **more)


def constant_target(data: Data) -> Finding | None:
    """The labels carry one value only."""
    labels, inputs = data.all("labels"), data.all("inputs")
    if labels is None or inputs is None or len(labels) < 8 or len(np.unique(inputs, axis=0)) < 8:
        return None
    if len(np.unique(labels, axis=0)) > 1:
        return None
    return error(
        "constant-target",
        0.9,
        f"All {len(labels)} labels that {len(data.batches)} passes saw are {_short(labels[0])}.",
        "There is nothing to learn: every label is the same.",
        "look at how the labels are made: print(np.unique(labels, return_counts=True))",
    )


def imbalance(data: Data, last: Batch) -> Finding | None:
    """One class hides the others: the program gives it for every sample."""
    found = classes(data.all("labels"))
    if found is None or len(found) < 40 or last.outputs is None:
        return None
    counts = np.bincount(found - found.min())
    top = float(counts.max()) / len(found)
    if top < 0.93 or (counts > 0).sum() < 2:
        return None
    outputs = last.outputs
    said = outputs.argmax(1) if outputs.ndim == 2 and outputs.shape[1] > 1 else (outputs.ravel() > 0.5).astype(int)
    if len(np.unique(said)) > 1:
        return None
    return Finding(
        "class-imbalance",
        "warning",
        0.85,
        f"{100 * top:.1f} % of {len(found)} labels are of class {int(counts.argmax() + found.min())}; at the end "
        "of the training the program gives that class for every sample.",
        "One class is so common that to say nothing else is nearly the best.",
        "weigh the classes in the loss, or draw them equally often",
        verified=True,
    )


def repeated_rows(data: Data, count: int) -> Finding | None:
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


def conflicting(data: Data) -> float:
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


def sorted_labels(data: Data) -> tuple[int, int] | None:
    """How many classes there are and how often the class changes from sample to sample, where that is as if sorted."""
    found = classes(data.all("labels"))
    batches = [classes(batch.labels) for batch in data.batches]
    if found is None or len(found) < 40 or len(data.batches) < 4:
        return None
    known = [batch for batch in batches if batch is not None]
    count = len(np.unique(found))
    if count < 2 or len(known) < len(batches):
        return None
    if np.mean([len(np.unique(batch)) for batch in known]) > max(1.0, 0.6 * count):  # a batch is a mix
        return None
    changes = int((np.diff(found) != 0).sum())
    expected = (1 - float(((np.bincount(found - found.min()) / len(found)) ** 2).sum())) * len(found)
    return (count, changes) if changes < 0.15 * expected and changes < len(found) / 8 else None


def out_of_reach(first: Batch, last: Batch) -> Finding | None:
    """The outputs have bounds, and labels lie beyond them."""
    o, y = last.outputs, last.labels
    if o is None or y is None or not o.size or not y.size or o.size != y.size:
        return None
    o, y = o.ravel(), y.ravel()
    if not np.isfinite(o).all() or not np.isfinite(y).all():
        return None
    all_o = np.concatenate([o, first.outputs.ravel()]) if first.outputs is not None else o
    low, high = float(all_o.min()), float(all_o.max())
    said = f"Outputs lie between {low:.4g} and {high:.4g}, labels between {y.min():.4g} and {y.max():.4g}"
    half = np.abs(all_o - 0.5) < 1e-12
    if low >= 0.5 - 1e-12 and high <= 1 and half.mean() >= 0.01 and (y < 0.25).mean() >= 0.1 and o.size >= 4:
        return error(
            "output-range-mismatch",
            0.93,
            f"{said}; {100 * half.mean():.0f} % of the outputs are exactly 0.5.",
            "A rectifier before the sigmoid lets nothing below 0 through: the output is never less than 0.5, and the "
            "labels that are 0 cannot be reached.",
            "take the rectifier before the last sigmoid away",
        )
    for bottom, top, name in ((0.0, 1.0, "a sigmoid"), (-1.0, 1.0, "tanh")):
        if low < bottom or high > top:
            continue
        beyond = (y > top + 0.05) | (y < bottom - 0.05)
        near = 0.03 * (top - bottom)
        pinned = ((y > top + 0.05) & (o > top - near)) | ((y < bottom - 0.05) & (o < bottom + near))
        if beyond.mean() >= 0.1 and pinned.sum() >= 0.5 * beyond.sum():
            return error(
                "output-range-mismatch",
                0.9,
                f"{said}: {100 * beyond.mean():.0f} % of the labels lie outside of {bottom:g} to {top:g}, and for "
                f"{100 * pinned.sum() / beyond.sum():.0f} % of these the output is at its end.",
                f"The output goes through {name}, which cannot give these labels.",
                "leave the last activation away, or scale the labels into its range",
            )
    zero = o == 0
    if low >= 0 and zero.mean() >= 0.1 and (y < -1e-9).mean() >= 0.1 and zero[y < -1e-9].mean() >= 0.5:
        return error(
            "output-range-mismatch",
            0.9,
            f"{said}; where the label is negative, {100 * zero[y < -1e-9].mean():.0f} % of the outputs are exactly 0.",
            "The output goes through a rectifier: negative labels cannot be reached.",
            "leave the last activation away",
        )
    return None


def softmax_axis(batch: Batch) -> Finding | None:
    """Probabilities that sum to 1 over the samples, not over the classes."""
    o = batch.outputs
    if o is None or o.ndim != 2 or min(o.shape) < 2 or not np.isfinite(o).all() or o.min() < 0 or o.max() > 1:
        return None
    over_samples, over_classes = np.abs(o.sum(0) - 1).max(), np.abs(o.sum(1) - 1).max()
    if over_samples > 1e-6 or over_classes < 1e-3:
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


def not_finite(data: Data) -> Finding | None:
    """NaN or infinity among the inputs or labels."""
    for what in ("inputs", "labels"):
        values = data.all(what)
        if values is not None and not np.isfinite(values).all():
            bad = ~np.isfinite(values)
            return error(
                "non-finite-data",
                0.97,
                f"{int(bad.any(1).sum())} of {len(values)} rows of the {what} hold NaN or infinity.",
                "One NaN in the data turns every parameter into NaN.",
                "remove these rows, or fill them: X = np.nan_to_num(X)",
            )
    return None


def _short(values: np.ndarray) -> str:
    return f"{values[0]:.4g}" if values.size == 1 else "[" + ", ".join(f"{v:.3g}" for v in values[:6]) + "]"
