"""Evaluations on rows that the network was not trained on: which these are, and whether they are prepared alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from pellucid.core import Tensor

from .arrays import array_of
from .mixing import quietly
from .record import HeldOutRecord, MatchRecord, ProgramRecord
from .rows import inside, told_apart

HELD = re.compile(r"(^|_)(val|valid|validation|va|test|te|dev|heldout|holdout|eval)\d*(_|$)|^[xX](val|test|te|va|dev)$")
FEW = 20
FAR = 8.0  # standard deviations of the training, or times its spread
ALIKE = 0.45  # of the spread, by which quantiles of as many rows as an evaluation has may differ by chance
SURE = 0.15  # of a deviation, for the error with which rows show it
BITS = 48  # that a row has to be able to hold for two that are the same by chance to be out of the question
ALL = "another mean and standard deviation"


def is_named(held: HeldOutRecord) -> bool:
    """Whether the program's own names say that these rows are kept from the training: not where a name says that they
    are of the training, as `train_eval_loader` does of rows by which that is watched."""
    names = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in held.names]
    return any(HELD.search(name) and "train" not in name for name in names)


def is_graded(held: HeldOutRecord) -> bool:
    """Whether rows are asked for to measure the network: by their names, or as its answers are compared. What a program
    asks for else may be targets of its own, a choice among candidates, or a picture."""
    return held.measured or is_named(held)


def trained_rows(record: ProgramRecord) -> np.ndarray:
    return np.unique(np.concatenate(record.rows)) if record.rows else np.empty(0)


def tell_apart(record: ProgramRecord) -> bool:
    """Whether rows hold so much that two of them are not the same by chance."""
    x = record.inputs[0]
    values = min(len(np.unique(x)), 2**16)
    spread = int((np.ptp(np.concatenate([b for b in record.inputs if b.shape == x.shape]), axis=0) > 0).sum())
    needed = BITS + 24 if record.whole_numbers else BITS
    if not record.whole_numbers and (values > 500 or values > 0.5 * x.size > 20):
        return True
    return values > 1 and spread * np.log2(values) >= needed


def ranks(outputs: np.ndarray, labels: np.ndarray) -> float:
    """How far outputs put the rows of a class before the others, in deviations of what they do by chance: they may know
    something of rows of which they say the same class, the frequent one."""
    columns = outputs.reshape(len(outputs), -1)
    kinds = np.unique(labels)
    if columns.shape[1] == 1:
        kinds = kinds[-1:]
    elif columns.shape[1] == 2:
        columns, kinds = columns[:, 1:] - columns[:, :1], kinds[-1:]
    by_chance: list[float] = []
    gained: list[float] = []
    for kind in kinds.astype(int):
        own = labels == kind
        values = columns[:, 0] if columns.shape[1] == 1 else columns[:, kind] - columns.mean(1)
        _, place, times = np.unique(values, return_inverse=True, return_counts=True)
        middle = (np.cumsum(times) - (times - 1) / 2)[place.ravel()]  # of those that are the same
        first, rest = int(own.sum()), int((~own).sum())
        if first and rest:
            gained.append((middle[own].sum() - first * (first + 1) / 2) / (first * rest) - 0.5)
            by_chance.append((first + rest + 1) / (12 * first * rest))
    return float(np.sum(gained) / np.sqrt(np.sum(by_chance))) if gained else 0.0


def held_out(record: ProgramRecord) -> list[HeldOutRecord]:
    """The evaluations on other rows than those of the training: by their names, or for the most part."""
    trained = trained_rows(record)
    return [h for h in record.held_out if is_named(h) or inside(h.rows, trained).mean() < 0.5]


def curve(record: ProgramRecord) -> list[tuple[int, float | None, float | None]]:
    """For each step at which was evaluated, the loss and the share of right answers."""
    held = held_out(record)
    found: list[tuple[int, float | None, float | None]] = []
    for step in sorted({h.step for h in held}):
        here = [h for h in held if h.step == step]
        losses = [(h.loss, len(h.rows)) for h in here if h.loss is not None]
        hits = [(h.accuracy, len(h.rows)) for h in here if h.accuracy is not None]
        found.append((step, _mean(losses), _mean(hits)))
    return found


def _mean(pairs: list[tuple[float, int]]) -> float | None:
    return sum(v * n for v, n in pairs) / sum(n for _, n in pairs) if pairs else None


def matched(network: Any, record: ProgramRecord) -> MatchRecord | None:
    """The last evaluation with its rows brought to the scale, or the order, of those of the training."""
    kept = [h for h in held_out(record) if h.inputs is not None]
    # what is asked beside rows with labels may well be of another kind, as to see whether the network is as sure of it
    last = [h for h in kept if h.target is not None] or [h for h in kept if h.met or is_graded(h)]
    if not last or not record.inputs or record.whole_numbers or record.bad_inputs:
        return None
    shapes = {h.inputs.shape[1:] for h in last if h.inputs is not None}
    if shapes != {record.shape} or len({batch.shape[1] for batch in record.inputs}) != 1:
        return None
    x = np.concatenate([h.inputs for h in last if h.inputs is not None]).astype(float)
    trained = np.concatenate(record.inputs).astype(float).reshape(-1, *record.shape)
    if len(x) < FEW or len(trained) < FEW or not np.isfinite(x).all():
        return None
    known = all(h.target is not None for h in last)
    target = np.concatenate([np.asarray(h.target) for h in last]) if known else None
    seen = np.concatenate([h.outputs for h in last if h.outputs is not None])
    outputs = _answered(network, x)
    if outputs is None or outputs.shape != seen.shape:
        return None
    # As it is now, and of all rows at once: outputs may depend on the rows of a batch, as where there is one row in it.
    was = _score(outputs, target)
    found = MatchRecord("", was, None, 0.0, "")
    said = (
        f"Its inputs have a mean of {x.mean():.3g} and a standard deviation of {x.std():.3g}, those of the "
        f"training {trained.mean():.3g} and {trained.std():.3g}."
    )
    for how, other, off in _others(x, trained):
        if not off and (was is None or record.final is None or (record.final.accuracy or 0) - was < 0.2):
            continue
        now, won, lost = None, 0, 0
        if was is not None:
            given = _answered(network, other)
            if given is None:
                return None
            now = _score(given, target)
            won, lost = _changed(outputs, given, target)
        better = now is not None and was is not None and (found.now is None or now > found.now)
        if better or (now is None and off > found.off and not found.overall):
            found = MatchRecord(how, was, now, off, said, how == ALL, won, lost)
    found.said, found.far = said, ALL if _far_off(x, trained) else ""
    return found if found.how or found.far else None


def _answered(network: Any, x: np.ndarray) -> np.ndarray | None:
    """What a network gives for rows; None where it cannot be called like this."""
    try:
        like = next(iter(network.parameters())).detach()
        given = quietly(network, like.new_tensor(x.astype(like.numpy().dtype)))
    except Exception:  # noqa: BLE001 (whatever the user wrote)
        return None
    return array_of(given) if isinstance(given, Tensor) else None


def _far_off(x: np.ndarray, trained: np.ndarray) -> bool:
    """Whether half of the columns are far off, and go from their low values to their high ones as those of the
    training once they are brought to their scale."""
    x, trained = (rows.reshape(len(rows), -1) for rows in (x, trained))
    used = (trained.std(0) > 0) & (x.std(0) > 0)
    if not used.any():
        return False
    x, trained = x[:, used], trained[:, used]
    own, theirs = trained.std(0), x.std(0)
    apart, ratio = np.abs(x.mean(0) - trained.mean(0)) / own, np.maximum(own / theirs, theirs / own)
    unit = [(rows - rows.mean(0)) / rows.std(0) for rows in (x, trained)]
    shares = [np.quantile(rows, (0.1, 0.25, 0.5, 0.75, 0.9), axis=0) for rows in unit]
    unlike = np.abs(shares[0] - shares[1]).max(0)
    return float(np.median(np.maximum(apart, ratio))) > FAR and float(np.quantile(unlike, 0.9)) < ALIKE


def _others(x: np.ndarray, trained: np.ndarray) -> Iterator[tuple[str, np.ndarray, float]]:
    """The rows as they may have been meant, how that is called, and how far off they are."""
    mean, std = trained.mean(), trained.std() or 1.0
    scale = x.std() or 1.0
    off = max(abs(x.mean() - mean) / std, scale / std, std / scale)
    if off > 1.5 or abs(x.mean() - mean) > 0.5 * std:
        yield ALL, (x - x.mean()) / scale * std + mean, float(off)
    own, theirs = trained.std(0), x.std(0)
    used = (own > 0) & (theirs > 0) & _is_known(trained)
    if used.any():
        apart = np.abs(x.mean(0) - trained.mean(0))[used] / own[used]
        ratio = np.maximum(own[used] / theirs[used], theirs[used] / own[used])
        off = float(max(np.max(np.minimum(apart, 1e6)), np.max(ratio)))
        if off > 2 and (np.median(apart) > 0.5 or np.median(ratio) > 1.5 or off > 5):
            like = (x - x.mean(0)) / np.where(used, theirs, 1.0) * np.where(used, own, 1.0) + trained.mean(0)
            yield "another mean and standard deviation of some columns", like, off
    if off > 1.2:
        yield "the opposite sign", mean - (x - x.mean()) / scale * std, 0.0
    yield "columns in the opposite order", x[..., ::-1].copy(), 0.0
    if x.ndim >= 3:
        yield "rows in the opposite order", x[..., ::-1, :].copy(), 0.0
        if x.shape[-1] == x.shape[-2]:
            yield "rows and columns exchanged", np.swapaxes(x, -1, -2).copy(), 0.0
    if x.ndim == 4 and x.shape[1] == 3:
        yield "channels in the opposite order", x[:, ::-1].copy(), 0.0


def _is_known(trained: np.ndarray) -> np.ndarray:
    """For each column whether its rows, each counted once, show its deviation: a pixel that is dark in nearly all of
    them may well have another one in other rows."""
    flat = trained.reshape(len(trained), -1)
    rows = trained[np.unique(told_apart(flat), return_index=True)[1]]
    spread = rows.std(0)
    unit = (rows - rows.mean(0)) / np.where(spread > 0, spread, 1.0)
    return np.sqrt(np.maximum((unit**4).mean(0) - 1, 0) / (4 * len(rows))) < SURE


def hits(outputs: np.ndarray, target: np.ndarray | None) -> np.ndarray | None:
    """For each row, whether it is answered rightly; None where the targets are no classes."""
    if target is None or len(target) != len(outputs):
        return None
    flat = outputs.reshape(len(outputs), -1)
    whole = bool((target == np.round(target)).all()) and len(np.unique(target)) <= max(flat.shape[1], 2)
    if flat.shape[1] > 1 and target.ndim == 1 and whole:
        return flat.argmax(1) == target
    if flat.shape[1] == 1 and whole:
        edge = 0.5 if flat.min() >= 0 and flat.max() <= 1 else 0.0
        return (flat[:, 0] > edge) == (target.ravel() > 0.5)
    return None


def _changed(was: np.ndarray, now: np.ndarray, target: np.ndarray | None) -> tuple[int, int]:
    """How many rows are answered rightly now only, and before only."""
    before, after = hits(was, target), hits(now, target)
    if before is None or after is None:
        return 0, 0
    return int((after & ~before).sum()), int((before & ~after).sum())


def _score(outputs: np.ndarray, target: np.ndarray | None) -> float | None:
    """The share of right answers, or minus the mean square error over the variance of the targets."""
    right = hits(outputs, target)
    if right is not None:
        return float(right.mean())
    if target is not None and len(target) == len(outputs) and target.size == outputs.size:
        y = target.reshape(len(target), -1).astype(float)
        return -float(((outputs.reshape(len(outputs), -1) - y) ** 2).mean() / (y.var() or 1.0))
    return None
