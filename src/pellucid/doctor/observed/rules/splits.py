"""How the rows of an evaluation go with those of the training: windows that share numbers with them, the same words by
other numbers, classes that were made one."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ..compare import chance, outcome
from ..labels import made_at
from ..matching import curve, held_out, hits, is_graded, tell_apart, trained_rows
from ..record import HeldOutRecord, Place, ProgramRecord
from ..rows import inside, told_apart
from ..suspicion import Suspicion

SPLITTING = re.compile(r"\b(train_test_split|random_split)\(")
SHARED = 0.5  # of the windows of an evaluation, that overlap with those of the training
VARIED = 0.8  # of the numbers of half a window, that differ: where few do, two are the same by chance
WINDOWS = 40  # of an evaluation, that say something
SHORTEST = 4  # steps of a window
ROWS, WORDS = 100, 4  # rows of an evaluation, and words of a row at least
FAR = 0.25  # right answers, as a share, by which rules that hold within the rows are better than those from elsewhere
PARTS = 4  # of the rows, one of which is answered by what the others say
FEWEST = 20  # rows of an evaluation
NONE, ALL = 0.02, 0.9  # the shares of rows that are as good as none, and as all
MERGED, OF_EACH = 0.9, 8  # answers that are as if classes were made one; rows of each class


def overlapping(record: ProgramRecord) -> Iterator[Suspicion]:
    """Windows of one recording, cut so that they overlap, of which some are trained on and others evaluated on.

    All of them have the class of their recording. The next value after a window is another one each time.
    """
    if (
        not record.classes
        or record.whole_numbers
        or record.bad_inputs
        or len({batch.shape[1] for batch in record.inputs}) != 1
    ):
        return
    trained = np.concatenate(record.inputs).astype(float)
    if trained.shape[1] != int(np.prod(record.shape)) or not 1 <= len(record.shape) <= 2:
        return
    trained = np.unique(trained, axis=0).reshape(-1, *record.shape)
    held = [h for h in held_out(record) if h.sample is not None and h.sample.shape[1:] == record.shape and is_graded(h)]
    known = trained_rows(record)
    for place in dict.fromkeys(h.place for h in held):
        x = np.concatenate([_others(h, known) for h in held if h.place == place]).astype(float)
        if len(x) < WINDOWS:
            continue
        lengths = {axis: x.shape[axis] for axis in {1, x.ndim - 1} if x.shape[axis] >= SHORTEST}
        shared = [_shared(np.moveaxis(x, axis, 1), np.moveaxis(trained, axis, 1)) for axis in lengths]
        if max(shared, default=0.0) < SHARED:
            continue
        yield Suspicion(
            "train-val-leak",
            f"{max(shared):.0%} of {len(x)} windows that the network is evaluated on share half of their steps or more "
            "with windows that it was trained on, moved by some steps.",
            "Windows that overlap are nearly the same row: what is measured on them says nothing of new recordings.",
            "split the recordings first, and cut each part into windows afterwards",
            _split(place) or place,
            certain=True,
            confidence=0.85,
        )
        return


def _others(held: HeldOutRecord, known: np.ndarray) -> np.ndarray:
    """The windows that were kept of an evaluation but for those of the training, as where it is asked for all."""
    sample = np.asarray(held.sample)
    return sample[~inside(held.rows[: len(sample)], known)] if len(held.rows) >= len(sample) else sample


def _split(place: Place | None) -> Place | None:
    """The one line of a file that splits rows at random."""
    lines = enumerate(linecache.getlines(place[0]), 1) if place is not None else ()
    found = [number for number, line in lines if SPLITTING.search(line)]
    return (place[0], found[0]) if place is not None and len(found) == 1 else None


def _shared(x: np.ndarray, trained: np.ndarray) -> float:
    """The share of windows, (rows, steps, …), of which half is found in another place of a window of the training."""
    half = x.shape[1] // 2
    size = float(np.abs(trained).max()) or 1.0

    def pieces(rows: np.ndarray, start: int) -> np.ndarray:
        return np.round(told_apart(rows[:, start : start + half].reshape(len(rows), -1)) / size, 7)

    first = trained[:, :half].reshape(len(trained), -1)
    values = np.sort(np.concatenate([first, x[:, :half].reshape(len(x), -1)]), axis=1)
    if float((np.diff(values, axis=1) > 0).mean()) < VARIED or values.shape[1] < 2:
        return 0.0
    found = np.zeros(len(x), bool)
    heads, own = pieces(trained, 0), pieces(x, 0)
    for start in range(1, x.shape[1] - half + 1):
        found |= np.isin(pieces(x, start), heads)
        found |= np.isin(own, pieces(trained, start))
    return float(found.mean())


def folds(record: ProgramRecord) -> Iterator[Suspicion]:
    """One network for all folds of a cross-validation: what is kept from one of them, it has seen in those before."""
    if record.bad_inputs or not record.optimizers or not record.inputs or not tell_apart(record):
        return
    graded = [h for h in record.held_out if is_graded(h)]
    for place in dict.fromkeys(h.place for h in graded):
        here = [h for h in graded if h.place == place]
        steps = sorted({h.step for h in here})
        first, last = (np.unique(np.concatenate([h.rows for h in here if h.step == s])) for s in (steps[0], steps[-1]))
        fewer, more = sorted((len(first), len(last)))
        if not steps[0] or fewer < FEWEST or more > 2 * fewer:
            continue  # folds are of one size
        if inside(last, first).mean() > SHARED:
            continue
        pairs = ((first, steps[0]), (last, steps[-1]))
        seen = [float(inside(rows, before(record, step)).mean()) for rows, step in pairs]
        if seen[0] > NONE or seen[1] < ALL or inside(first, before(record, steps[-1])).mean() < ALL:
            continue  # rows that are never trained on, and then those of the training, are no folds
        yield Suspicion(
            "train-val-leak",
            f"The {len(first)} rows of the first evaluation in this line are none that the network was trained on by "
            f"then; of the {len(last)} others of the last one it was trained on {seen[1]:.0%} before.",
            "One network goes through all folds, so from the second one on it is evaluated on rows that it has seen.",
            "make the network and its optimizer anew for each fold",
            record.optimizers[0].place or place,
            certain=True,
            confidence=0.85,
        )
        return


def before(record: ProgramRecord, step: int) -> np.ndarray:
    """The rows that were trained on before a step."""
    return np.unique(np.concatenate(record.rows[:step])) if record.rows[:step] else np.empty(0)


def _last(record: ProgramRecord) -> list[HeldOutRecord]:
    """The batches of the last evaluation, with their rows."""
    return [h for h in held_out(record) if h.inputs is not None]


def other_words(record: ProgramRecord) -> Iterator[Suspicion]:
    """Texts whose words have other numbers in the evaluation: what they say goes with the labels among themselves, and
    among the texts of the training, and not from one to the other."""
    last = [h for h in _last(record) if h.target is not None]
    right = [accuracy for _, _, accuracy in curve(record) if accuracy is not None]
    train = record.final.accuracy if record.final is not None else outcome(record).accuracy
    if not last or not right or train is None or not record.whole_numbers or not record.classes:
        return
    if train - right[-1] < FAR:
        return
    own, other = _words_of_training(record), _words_of([(h.inputs, h.target) for h in last])
    if own is None or other is None or len(other[0]) < ROWS or len(own[0]) < ROWS:
        return
    count = 1 + int(max(max(row.max(initial=0) for row in rows) for rows, _ in (own, other)))
    within, across = min(_by_words(own, own, count), _by_words(other, other, count)), _by_words(own, other, count)
    if within - across < FAR or within - max(right) < FAR / 2 or within < chance(record) + FAR:
        return
    yield Suspicion(
        "train-val-preprocessing-mismatch",
        f"Which words go with which label answers {within:.0%} of the rows among those of the training, and among the "
        f"{len(other[0])} of the evaluation, but what the training says of words answers {across:.0%} of the "
        f"evaluation, and the network {right[-1]:.0%}.",
        "The same words have other numbers there, as of a vocabulary that was made once for each part.",
        "make the vocabulary of the training rows, and number the words of all parts by it",
        next((h.source or h.place for h in reversed(last)), None),
        certain=True,
        confidence=0.95,
    )


Rows = tuple[list[np.ndarray], np.ndarray]


def _words_of_training(record: ProgramRecord) -> Rows | None:
    return _words_of(list(zip(record.inputs, record.targets, strict=False)))


def _words_of(pairs: list[tuple[np.ndarray | None, np.ndarray | None]]) -> Rows | None:
    """Rows of words with one label each; None of others."""
    rows: list[np.ndarray] = []
    labels: list[float] = []
    for x, y in pairs:
        if x is None or y is None or x.ndim != 2 or x.shape[1] < WORDS:
            return None
        y = y.argmax(1) if y.ndim == 2 and y.shape[1] > 1 else y.ravel()
        if len(y) != len(x):
            return None
        rows += list(x.astype(int))
        labels += y.astype(float).tolist()
    if any((row < 0).any() for row in rows):
        return None
    return rows, np.asarray(labels)


def _by_words(known: Rows, asked: Rows, count: int) -> float:
    """The share of rows that are answered rightly by how often words go with labels (naive Bayes). Where the same rows
    are known and asked, each part by the others."""
    tables = [np.stack([np.bincount(np.unique(row), minlength=count) for row in rows]) for rows, _ in (known, asked)]
    order = np.random.default_rng(0).permutation(len(tables[1]))
    right: list[float] = []
    for start, end in pairwise(np.linspace(0, len(order), PARTS + 1).astype(int)):
        part = order[start:end]
        keep = np.setdiff1d(np.arange(len(tables[0])), part) if known is asked else np.arange(len(tables[0]))
        kinds = np.unique(known[1][keep])
        scores = []
        for kind in kinds:
            own = tables[0][keep][known[1][keep] == kind]
            share = (own.sum(0) + 0.5) / (len(own) + 1.0)
            x = tables[1][part]
            scores.append(x @ np.log(share) + (1 - x) @ np.log(1 - share) + np.log(len(own)))
        right += (kinds[np.argmax(scores, axis=0)] == asked[1][part]).tolist()
    return float(np.mean(right))


def merged(record: ProgramRecord) -> Iterator[Suspicion]:
    """Classes of the evaluation that have one label in the training, as where labels are made whole numbers after they
    were scaled: then others have another one."""
    last = [h for h in _last(record) if h.outputs is not None and h.target is not None]
    shown = _shown(record)
    if not last or shown is None or len({np.asarray(h.outputs).shape[1:] for h in last}) != 1:
        return
    outputs, labels = (
        np.concatenate([np.asarray(v) for v in each])
        for each in zip(*((h.outputs, h.target) for h in last), strict=True)
    )
    labels = labels.ravel()
    if outputs.ndim != 2 or outputs.shape[1] < 3 or hits(outputs, labels) is None:
        return
    kinds, counts = np.unique(labels, return_counts=True)
    said = outputs.argmax(1)
    meant = {int(kind): int(np.bincount(said[labels == kind]).argmax()) for kind in kinds}
    would = float(np.mean([meant[int(label)] == answer for label, answer in zip(labels, said, strict=True)]))
    right = float((said == labels).mean())
    unseen = set(meant) - shown
    moved = [kind for kind in meant if kind in shown and meant[kind] != kind]
    if not unseen or not moved or set(meant.values()) != shown or len(shown) < 2 or counts.min() < OF_EACH:
        return
    if would < MERGED or would - right < FAR:
        return
    place = made_at(record.loss.place) or record.loss.place
    yield Suspicion(
        "labels-out-of-range",
        f"The labels of the training are {_listed(shown)}, those of the evaluation {_listed(set(meant))}: the network "
        "answers "
        + ", ".join(f"{to} for what is {kind} there" for kind, to in meant.items())
        + f", in {would:.0%} of the rows.",
        "Several classes have one label in the training, as where labels are scaled with the inputs and then cut to "
        "whole numbers.",
        "take the labels as they are, whole numbers from 0 on, and scale the inputs alone",
        place,
        certain=True,
        confidence=0.95,
    )


def _shown(record: ProgramRecord) -> set[int] | None:
    """The classes of the training; None where not all rows of it are known."""
    if (
        record.loss.kind not in ("cross_entropy", "nll_loss")
        or not record.targets
        or any(t.ndim != 1 for t in record.targets)
    ):
        return None
    kept = np.concatenate(record.rows[: len(record.targets)]) if record.rows else np.empty(0)
    every = np.concatenate(record.rows) if record.rows else np.empty(0)
    if len(np.unique(np.round(kept, 6))) < len(np.unique(np.round(every, 6))):
        return None
    return set(np.unique(np.concatenate(record.targets)).astype(int).tolist())


def _listed(kinds: set[int]) -> str:
    return ", ".join(map(str, sorted(kinds)))


RULES = (overlapping, folds, other_words, merged)
