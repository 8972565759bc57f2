"""Which of the values that a pass sees are its outputs and its labels, where the loss is a number of the program's own.

A usual loss of two values that is the program's own number, up to one factor, in pass after pass, is that loss,
whatever the two are called.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.doctor.probes.losses import (
    LABEL_NAME,
    NO_OUTPUT,
    Candidate,
    Key,
    Seen,
    distinct_keys,
    liking_output,
)
from pellucid.doctor.probes.usual import USUAL, aligned
from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun

PASSES = 6
OUTPUTS, LABELS = 40, 16  # that are tried
CLOSE = 1e-4  # how far the factor may vary: a small number below the logarithm, rounding
SAME = 1e-9  # the same of the loss itself: while weights are small, the outputs of all steps are nearly one number
TOLD = 0.2  # the same, as a share of how far the loss itself varies: what hardly varies agrees with anything
NUDGE = 0.1  # of the size of a parameter
PENALTY = 0.05  # the same where a penalty is added to the loss
ALONG = 0.1  # of how far the loss varies: what a penalty changes of it


@dataclass(frozen=True)
class Pair:
    """A usual loss, and what it is to be multiplied with to be the program's own number."""

    loss: Candidate
    factor: float


def watched(lab: Lab, passes: int = PASSES) -> Generator[PassRun, PassOutcome, list[Seen]]:
    """In a laboratory: everything that some passes in a row see."""
    found: list[Seen] = []
    try:
        for _ in range(passes):
            outcome = yield Next(watch="all")
            found.append(outcome.seen)
            if lab.left() < 0.2:
                break
    except Ended:
        pass
    return found


def nudged(lab: Lab, names: Collection[str], passes: int = PASSES) -> Generator[PassRun, PassOutcome, list[Seen]]:
    """The same of one pass, with the parameters a little larger or smaller each time: where passes in a row make no
    update, all of them see the same."""
    found: list[Seen] = []
    rng = np.random.default_rng(0)
    try:
        plain = yield PassRun()
        for _ in range(passes):
            values = {}
            for name in (name for name in names if name in plain.before):
                old = plain.before[name]
                values[name] = old + NUDGE * (np.abs(old).mean() or 1.0) * rng.standard_normal(old.shape)
            outcome = yield PassRun(values, watch="all")
            found.append(outcome.seen)
            if lab.left() < 0.2:
                break
    except Ended:
        pass
    return found


def alike(series: list[Seen], loss: Candidate) -> bool:
    """Whether a loss is the same number in all passes."""
    return len(series) > 1 and len({loss.value(seen) for seen in series}) == 1


def pair_of(
    series: list[Seen],
    depends: set[Key],
    excluded: frozenset[str],
    loss: Candidate,
    subtracted: Collection[tuple[str, str]] = (),
) -> Pair | None:
    """The output and the label that the loss is computed from; None where no usual loss of what was seen is that.

    `subtracted`: the names of what the program subtracts from one another, which are asked first.
    """
    own = np.array([loss.value(seen) for seen in series])
    return _pair(series, own, depends, excluded, subtracted)


def pair_of_sum(
    series: list[Seen],
    depends: set[Key],
    excluded: frozenset[str],
    loss: Candidate,
    subtracted: Collection[tuple[str, str]] = (),
) -> Pair | None:
    """The same of a number that each pass adds its loss to, as `total += loss` over an epoch."""
    return _pair(series[1:], added([loss.value(seen) for seen in series]), depends, excluded, subtracted)


def added(totals: Sequence[float]) -> np.ndarray:
    """What each pass but the first added to a sum, which begins at 0 again where it is less than before.

    >>> added([0.25, 0.75, 0.5, 0.625]).tolist()
    [0.5, 0.5, 0.125]
    """
    own = np.diff(totals)
    return np.where(own < 0, totals[1:], own)


def _pair(
    series: list[Seen],
    own: np.ndarray,
    depends: set[Key],
    excluded: frozenset[str],
    subtracted: Collection[tuple[str, str]],
) -> Pair | None:
    if len(own) < 2 or not np.isfinite(own).all() or not (own != 0).all() or np.ptp(own) < 1e-9 * np.abs(own).max():
        return None
    best: tuple[float, Pair] | None = None
    for candidate in _candidates(series[0], depends, excluded, subtracted):
        if not all(key in seen for seen in series for key in candidate.keys):
            continue
        if all(_is_number(seen[candidate.output], o) for seen, o in zip(series, own, strict=True)):
            continue  # the loss itself: with a label of 0, its own absolute error
        values = np.array([candidate.value(seen) for seen in series])
        if not np.isfinite(values).all() or not (values != 0).all():
            continue
        whole = _of_whole_batches(series, candidate.output)
        factors = own[whole] / values[whole]
        factor = float(factors.mean())
        off = float(np.abs(factors - factor).max() / abs(factor))
        if off > CLOSE and not _goes_along(own[whole], values[whole]):
            continue
        likely = candidate.label is not None and LABEL_NAME.search(candidate.label[1].lower()) is not None
        labels = [value for seen in series for value in seen.get(candidate.label or ("", ""), [])]
        beside = candidate.label is not None and (candidate.output[1], candidate.label[1]) in subtracted
        if not beside and not any(value.any() for value in labels):
            continue  # nothing, from which residuals differ by what they are
        if factor <= 0 or off > min(PENALTY if likely else CLOSE, TOLD * _variation(own[whole])):
            continue
        if best is None or off < 0.1 * best[0]:
            best = off, Pair(candidate, factor)
            if off < SAME:
                break
    return best[1] if best is not None else None


def _of_whole_batches(series: list[Seen], output: Key) -> np.ndarray:
    """The passes whose batches are as large as most: the last one of an epoch may be a rest, of which the mean is
    another share of the sum."""
    sizes = [sum(value.size for value in seen[output]) for seen in series]
    usual = max(sizes, key=sizes.count)
    whole = np.array([size == usual for size in sizes])
    return whole if whole.sum() > 2 else np.ones(len(sizes), dtype=bool)


def _variation(values: np.ndarray) -> float:
    return float(np.ptp(values)) / abs(float(values.mean()))


def _goes_along(own: np.ndarray, values: np.ndarray) -> bool:
    """Whether a loss goes up and down with a usual one: a penalty beside it hardly changes from pass to pass."""
    slope, constant = np.polyfit(values, own, 1) if np.ptp(values) > 0 else (0.0, 0.0)
    return bool(slope > 0 and np.abs(own - slope * values - constant).max() <= ALONG * np.ptp(own))


def _is_number(values: list[np.ndarray], number: float) -> bool:
    return len(values) == 1 and values[0].size == 1 and float(values[0].ravel()[0]) == number


def _candidates(
    seen: Seen, depends: set[Key], excluded: frozenset[str], subtracted: Collection[tuple[str, str]]
) -> Iterator[Candidate]:
    """Every usual loss that fits an output and a label, those that are subtracted or have likely names first."""
    beside = {name for pair in subtracted for name in pair}
    outputs = [
        key
        for key in depends
        if key in seen and key[1] not in excluded and not NO_OUTPUT.search(key[1]) and _small(seen[key])
    ]
    outputs.sort(key=lambda key: (key[1] not in beside, *liking_output(key, seen), not key[1].endswith("[-1]")))
    outputs = distinct_keys(outputs, seen)[:OUTPUTS]
    labels = [
        key
        for key in seen
        if key not in depends and key[1] not in excluded and not key[1].endswith(".grad") and _small(seen[key])
    ]
    likely = {key for key in labels if key[1] in beside or LABEL_NAME.search(key[1].lower())}
    labels.sort(key=lambda key: (key not in likely, key[0].startswith("loop"), len(key[1]), key))
    labels = distinct_keys(labels, seen)
    named = [key for key in labels if key in likely]
    for chosen in (named[:LABELS], [key for key in labels if key not in named][:LABELS]):
        for label in chosen:
            for output in outputs:
                yield from _kinds(seen, output, label)


def _kinds(seen: Seen, output: Key, label: Key) -> Iterator[Candidate]:
    o, y = seen[output], seen[label]
    if len(o) != len(y):
        return
    for kind, usual in USUAL.items():
        pair = aligned(o[0], y[0], usual.classes)
        if pair is None or (usual.classes and pair[0].size < 2) or not np.isfinite(pair[0]).all():
            continue
        if usual.fits(*pair):
            yield Candidate(kind, output, label)


def _small(series: list[np.ndarray]) -> bool:
    return len(series) <= 400 and all(0 < value.size <= 200_000 and np.isfinite(value).all() for value in series)
