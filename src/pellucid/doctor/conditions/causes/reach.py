"""output-range-mismatch: the outputs have bounds, and labels lie beyond them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pellucid.doctor.conditions.case import Case, at, error
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.data import INPUT_NAME, Batch, classes
from pellucid.doctor.probes.losses import Key
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import culprits, origins, outputs
from pellucid.doctor.report import Finding


def find(case: Case) -> Finding | None:
    """Asked of a program that learns, too: it does so as far as its outputs reach."""
    signed = [_of_signed_labels(case, key) for key in sorted(case.study.depends) if key in case.study.seen]
    if any(signed):
        return next(filter(None, signed))
    finding = _of_a_logit(case) or out_of_reach(case.first, case.last) or _beyond_a_sigmoid(case)
    if finding is not None:
        wrong_labels = classes(case.last.labels) is not None or _are_inputs(case.last)
        if wrong_labels and case.keys.labels is not None:
            at(finding, origins.made_at(case.sources, case.keys.labels[1]))
        if finding.line is None and case.keys.outputs is not None:
            at(finding, outputs.activation(case.sources, case.keys.outputs))
    return finding


def _of_a_logit(case: Case) -> Finding | None:
    """Updates that follow the slope of a log loss exactly, a sigmoid less its label, where labels are not from 0 to 1:
    for 6 and 8, every error is below 0, and the sigmoid goes to 1 for every row."""
    y = case.data.all("labels") if case.data is not None else None
    if case.candidate.kind not in ("log", "log-logits") or y is None or not np.isfinite(y).all():
        return None
    kinds, beyond = np.unique(y), (y > 1) | (y < 0)
    if not case.output_is_known or len(kinds) != 2 or beyond.mean() < 0.1:
        return None
    return error(
        "labels-out-of-range",
        0.95,
        f"The labels are {kinds[0]:g} and {kinds[1]:g}, and every update follows the difference of a sigmoid and its "
        "label.",
        "A sigmoid lies between 0 and 1: it cannot say these labels, and goes to its end for rows of both.",
        f"give the training labels of 0 and 1: {case.keys.labels[1] if case.keys.labels else 'y'} == {kinds[1]:g}",
    )


def _beyond_a_sigmoid(case: Case) -> Finding | None:
    """Labels above 1 or below 0 of outputs that are written as a sigmoid, however far these have come; or beyond what a
    tanh is multiplied with."""
    seen = case.study.seen
    values = [(case.keys.outputs, case.last.outputs, case.last.labels)]
    subtracted = {c.output for c in case.study.candidates if c.subtracted and c.label == case.keys.labels}
    for c in case.study.candidates:
        known = c.label is not None and c.label == case.keys.labels and c.label not in case.study.depends
        if c.label is not None and known and c.subtracted and len(seen[c.output]) == len(seen[c.label]) == 1:
            values.append((c.output, seen[c.output][0], seen[c.label][0]))
    for key, o, y in values:
        if o is None or y is None or key is None or o.size != y.size or o.size < FEWEST:
            continue
        if classes(y) is not None and not (_one_a_row(o) and key in subtracted):  # numbers of classes go with a softmax
            continue
        line = outputs.activation(case.sources, key)
        bounds = outputs.bounds(case.sources, line) if line is not None else None
        if line is None or bounds is None:
            continue
        low, high = bounds
        beyond = (y > high + 0.05) | (y < low - 0.05)
        if not np.isfinite(y).all() or o.min() < low or o.max() > high or beyond.mean() < 0.3:
            continue
        name = "a sigmoid" if low == 0 else f"{high:g} times tanh"
        finding = error(
            "output-range-mismatch",
            0.9,
            f"Outputs lie between {o.min():.4g} and {o.max():.4g}, labels between {y.min():.4g} and {y.max():.4g}: "
            f"{100 * beyond.mean():.0f} % of the labels lie outside of {low:g} to {high:g}.",
            f"The output goes through {name}, which cannot give these labels.",
            "leave the last activation away, or scale the labels into its range",
        )
        at(finding, line)
        return finding
    return None


FEWEST = 4  # rows


def _one_a_row(outputs: np.ndarray) -> bool:
    return len(outputs) == outputs.size


def _are_inputs(batch: Batch) -> bool:
    """Whether the inputs are their own labels, as those of an autoencoder: then they are what is to be scaled."""
    x, y = batch.inputs, batch.labels
    return x is not None and y is not None and x.shape == y.shape and np.array_equal(x, y)


def find_half(case: Case) -> Finding | None:
    """Asked of every output that is a half or more in the first pass, whatever the loss is computed from.

    Before the gradient is judged: where it leaves the rectifier out, both are wrong, and this is what to begin with.

    Where the rectifier is off in that pass, the output is exactly a half and depends on nothing: so what does not
    depend on the parameters is asked, too, and has to take several values later.
    """
    if case.keys.labels is None:
        return None
    labels = case.study.seen[case.keys.labels]
    asked: list[Key] = []
    for key in sorted(case.study.seen):
        series = case.study.seen[key]
        if key == case.keys.labels or key[1] in case.session.found.groups or INPUT_NAME.match(key[1]):
            continue
        if case.output_is_known and not _is_output(case, key):  # a gate of an LSTM lies between 0 and 1, too
            continue
        if len(series) == len(labels) and series[0].size == labels[0].size and all(_half_or_more(v) for v in series):
            asked.append(key)
    if not asked:
        return None
    run = case.run(Remedy(), 4000, 1.5, frozenset((*asked, case.keys.labels)))
    for key in asked:
        keys = replace(case.keys, outputs=key)
        first, last = probe.rows_of(run.first, keys), probe.rows_of(run.last, keys)
        if last.outputs is not None and not np.isfinite(last.outputs).all():
            last = first  # the training ended in NaN, which says nothing of what the outputs can be
        both = [batch.outputs.ravel() for batch in (first, last) if batch.outputs is not None]
        if len(both) < 2 or len(np.unique(np.concatenate(both))) < 3:
            continue
        if _by_whole_passes(last, case.study.seen[key][0].size):
            continue
        finding = out_of_reach(first, last, half=True)
        if finding is not None and (signed := _of_signed_labels(case, key)) is not None:
            return signed
        if finding is not None:
            nested = culprits.softmax(case.sources, "", finding.cause)
            nested = nested or culprits.rectifier_before_last(case.sources)
            at(finding, nested or outputs.activation(case.sources, key))
            return finding
    return None


def _of_signed_labels(case: Case, key: Key) -> Finding | None:
    """Labels of 0 and 1 that are multiplied with the output, as those of -1 and 1 are: where they are 0, the sigmoid is
    a half whatever the output is."""
    seen, labels = case.study.seen, case.keys.labels
    if labels is None or len(seen[key]) != 1 or len(seen[labels]) != 1:
        return None
    o, y = seen[key][0].ravel(), seen[labels][0].ravel()
    if o.size != y.size or not np.isin(y, (0.0, 1.0)).all() or not 0 < y.mean() < 1 or (o[y == 0] != 0.5).any():
        return None
    once = {k: seen[k][0].ravel() for k in sorted(case.study.depends) if len(seen.get(k, [])) == 1}
    flat = {k: values for k, values in once.items() if values.size == y.size and np.isfinite(values).all()}
    for name, z in flat.items():  # a log of a probability is never above 0
        products = [k for k, values in flat.items() if k != name and np.array_equal(values, y * z)]
        if z.max() > 0 and (z[y == 0] != 0).any() and products:
            finding = error(
                "labels-out-of-range",
                0.95,
                f"The labels are 0 and 1, and {products[0][1]} is {labels[1]} times {name[1]}: 0 for all "
                f"{int((y == 0).sum())} rows whose label is 0, whatever {name[1]} is, and its sigmoid is 0.5.",
                "The product of label and output belongs to labels of -1 and 1: rows whose label is 0 teach nothing.",
                f"give the loss labels of -1 and 1: {labels[1]} = 2 * {labels[1]} - 1",
            )
            at(finding, origins.made_at(case.sources, labels[1]))
            return finding
    return None


def _is_output(case: Case, key: Key) -> bool:
    """Whether a value is what the loss is computed from, by whatever name."""
    output, series = case.study.seen.get(case.keys.outputs or ("", ""), []), case.study.seen[key]
    return len(output) == len(series) and all(
        a.size == b.size and np.array_equal(a.ravel(), b.ravel()) for a, b in zip(output, series, strict=True)
    )


def _by_whole_passes(batch: Batch, rows: int) -> bool:
    """Whether all outputs of a pass are a half or none is: those of weights that are 0, and no rectifier's."""
    outputs = batch.outputs
    if outputs is None or rows < 2 or outputs.size % rows:
        return False
    share = (np.abs(outputs.reshape(-1, rows) - 0.5) < 1e-12).mean(1)
    return bool(np.isin(share, (0.0, 1.0)).all())


def _half_or_more(value: np.ndarray) -> bool:
    return bool(value.size) and bool(np.isfinite(value).all()) and value.min() >= 0.5 - 1e-12 and value.max() <= 1


def out_of_reach(first: Batch, last: Batch, half: bool = False) -> Finding | None:
    """The outputs have bounds, and labels lie beyond them; with `half`, only those of a sigmoid of a rectifier."""
    o, y = last.outputs, last.labels
    if o is None or y is None or not o.size or not y.size or o.size != y.size:
        return None
    o, y = o.ravel(), y.ravel()
    if not np.isfinite(o).all() or not np.isfinite(y).all():
        return None
    all_o = np.concatenate([o, first.outputs.ravel()]) if first.outputs is not None else o
    low, high = float(all_o.min()), float(all_o.max())
    said = f"Outputs lie between {low:.4g} and {high:.4g}, labels between {y.min():.4g} and {y.max():.4g}"
    halves = np.abs(o - 0.5) < 1e-12  # still at the end: a bias that was 0 at first has moved by then
    moves = high > 0.5 + 1e-9  # outputs of weights that are all 0 are a half, too, and round a little beside it
    if (
        low >= 0.5 - 1e-12
        and moves
        and high <= 1
        and halves.mean() >= 0.01
        and (y < 0.25).mean() >= 0.1
        and o.size >= 4
    ):
        return error(
            "output-range-mismatch",
            0.93,
            f"{said}; {100 * halves.mean():.0f} % of the outputs are exactly 0.5.",
            "A rectifier before the sigmoid lets nothing below 0 through: the output is never less than 0.5, and the "
            "labels that are 0 cannot be reached.",
            "take the rectifier before the last sigmoid away",
        )
    if half:  # any value that is a half or more was asked: a gate of an LSTM is no output
        return None
    zero = o == 0
    if low >= 0 and zero.mean() >= 0.1 and (y < -1e-9).mean() >= 0.1 and zero[y < -1e-9].mean() >= 0.5:
        return error(
            "output-range-mismatch",
            0.9,
            f"{said}; where the label is negative, {100 * zero[y < -1e-9].mean():.0f} % of the outputs are exactly 0.",
            "The output goes through a rectifier: negative labels cannot be reached.",
            "leave the last activation away",
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
    return None
