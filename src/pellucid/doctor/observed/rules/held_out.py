"""What evaluations on other rows than those of the training say: of leaks, of their preparation, of overfitting."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import labels as making
from .. import orders, preparations
from ..compare import chance, outcome, reached
from ..criterion import DISTANCES
from ..history import early
from ..matching import curve, held_out, hits, is_named, ranks, tell_apart, trained_rows
from ..record import HeldOutRecord, MatchRecord, Place, ProgramRecord
from ..rows import inside
from ..suspicion import Suspicion
from ..treatments import DropRows, Shrink
from . import splits
from .data import rounded

FEW = 20
SAME = 0.5  # of the targets, or their correlation, by which rows have the ones they are measured by
LEARNT = -0.6  # minus the square error over the variance of the targets, for a network that says something of them
LEARNS = 0.1  # of the way from chance to all answers right, on the rows of the training
MANY, FEW_OF_CLASS = 100, 10  # rows of an evaluation, and of each class in it, that say something
DECIDES = 0.8  # of the answers, that outputs tell rightly
FAR_BELOW = 0.15  # of the answers: an evaluation that is so far below the rows of the training
LEAST_WRONG, HALF_WRONG = 0.08, 0.55  # the shares of labels that may be wrong
MANY_WRONG = 0.25  # of the answers, by which other rows are answered better than those of the training
RANKED = 2.5  # deviations, see `ranks`
SHIFTED, MOVED = 0.6, 0.3  # of the answers, that are those of other numbers, and more than those of the labels
ANOTHER_NUMBER = "The classes are numbered in one way for the training, and in another for the evaluation."
OF_EACH = 8  # rows of each class on average, that show what is said in its place


def leak(record: ProgramRecord) -> Iterator[Suspicion]:
    """Rows of the validation set in the training set."""
    trained = trained_rows(record)
    named = [h for h in record.held_out if is_named(h)]
    others = named or [h for h in record.held_out if h.measured and inside(h.rows, trained).mean() < 0.98]
    if not others or not record.inputs or record.bad_inputs:
        return
    last = max(h.step for h in others)
    trained = splits.before(record, last)  # what is asked first, and learnt then, as of a stream, gives nothing away
    asked = [h for h in others if h.step == last]
    every = np.concatenate([h.rows for h in asked])
    rows = np.unique(every)
    both = inside(rows, trained)
    share = float(both.mean())
    if not tell_apart(record) and both.sum() <= 2 * _by_chance(asked, record, len(trained)):
        return
    if not _as_labelled(asked, record):
        return
    if len(rows) < FEW or share < 0.05 or (not named and inside(trained, rows).all()):
        return  # all the data, of which the training rows are a part
    yield Suspicion(
        "train-val-leak",
        f"{int(both.sum())} of the {len(rows)} rows that the network is evaluated on ({share:.0%}) are among those it "
        "was trained on.",
        "What is measured on rows of the training says nothing of new ones.",
        "split the rows once, before anything is repeated or drawn, and train on one part only",
        others[-1].place,
        certain=True,
        confidence=0.85,
    )


def _by_chance(asked: list[HeldOutRecord], record: ProgramRecord, trained: int) -> float:
    """How many rows of an evaluation may well be among those of the training by chance, as rows of few kinds are.

    Told by how often two rows of the evaluation, or two of the training, are the same: of n rows there are n² / 2
    pairs, and n · trained with the others. And where rows are a few numbers, by how many there can be, as of pairs of
    users and items of which a program draws some to say that they are none.
    """
    rows = np.concatenate([h.rows for h in asked])
    _, counts = np.unique(rows, return_counts=True)
    alike = float((counts * (counts - 1) / 2).sum())
    expected = (alike + 1) * 2 * trained / len(rows)
    if record.distinct > 1:
        expected = min(expected, (record.available - record.distinct + 1) * 2 * len(rows) / record.distinct)
    columns = [h.ids for h in asked if h.ids is not None]
    if len(columns) == len(asked) and len({c.shape[1] for c in columns}) == 1:
        kinds = math.prod(len(np.unique(column)) for column in np.concatenate(columns).T)
        expected = max(expected, len(np.unique(rows)) * trained / kinds)
    return expected


def _as_labelled(asked: list[HeldOutRecord], record: ProgramRecord) -> bool:
    """Whether rows of the training have the targets there that they are measured by: what is learnt of them without, as
    to make them again from a code, gives no answer away. True where it cannot be told."""
    pairs = [(r, t) for r, t in zip(record.rows, record.targets, strict=False) if len(r) == len(t) > 0 < t.size]
    held = [(h.rows, h.target) for h in asked if h.target is not None and len(h.target) == len(h.rows)]
    if not pairs or not held or len({t[0].size for _, t in pairs}) > 1:
        return True
    (rows, targets), (wanted, labels) = (
        (np.concatenate([r for r, _ in p]), np.concatenate([t.reshape(len(t), -1) for _, t in p]))
        for p in (pairs, held)
    )
    known = inside(wanted, rows)
    if known.sum() < FEW or labels.shape[1] > 1:
        return True
    size = float(np.abs(rows).max()) or 1.0
    order = np.argsort(np.round(rows / size, 9), kind="stable")
    at = np.searchsorted(np.round(rows / size, 9)[order], np.round(wanted[known] / size, 9)).clip(max=len(rows) - 1)
    found, own = targets[order[at]], labels[known, 0].astype(float)
    told = (found.argmax(1) if found.shape[1] > 1 else found[:, 0]).astype(float)
    varied = np.ptp(told) > 0 < np.ptp(own)
    return bool((told == own).mean() > SAME or (varied and abs(np.corrcoef(told, own)[0, 1]) > SAME))


def _joined(last: list[HeldOutRecord]) -> tuple[np.ndarray, np.ndarray] | None:
    """The outputs and the labels of several batches; None where they do not go together."""
    try:
        outputs = np.concatenate([np.asarray(h.outputs) for h in last])
        return outputs, np.concatenate([np.asarray(h.target).ravel() for h in last])
    except ValueError:
        return None


def _answers_of_last(record: ProgramRecord) -> tuple[np.ndarray, np.ndarray, int] | None:
    """What the last evaluation says of its rows, how they are labelled, and how many classes can be said."""
    last = [h for h in held_out(record) if h.outputs is not None and h.target is not None]
    joined = _joined(last) if last else None
    if joined is not None and joined[0].ndim == 2 and hits(*joined) is not None:
        return joined[0].argmax(1), joined[1].astype(int), joined[0].shape[1]
    beside = [(h.answers, h.outputs.shape[-1]) for h in held_out(record) if h.answers and h.outputs is not None]
    if not beside or joined is not None:
        return None
    said, labels = (np.concatenate([pair[i] for pair, _ in beside]) for i in (0, 1))
    return said[labels >= 0], labels[labels >= 0], beside[-1][1]


def _counts_so(record: ProgramRecord, right: float) -> bool:
    """Whether the last evaluation counts more answers right than are as labelled, as of one that takes `said + 1`."""
    told = [h.accuracy for h in held_out(record) if h.target is not None and h.accuracy is not None]
    return bool(told) and float(np.mean(told)) > right + FAR_BELOW


def renumbered(record: ProgramRecord) -> Iterator[Suspicion]:
    """An evaluation whose classes have other numbers than those of the training: one more each, or in another order."""
    found = _answers_of_last(record) if record.classes else None
    if found is None:
        return
    said, labels, classes = found
    kinds, right = np.unique(labels), float((said == labels).mean())
    if classes < 3 or len(kinds) < 3 or len(labels) < OF_EACH * len(kinds) or _counts_so(record, right):
        return
    place = next((h.place for h in reversed(held_out(record)) if h.target is not None or h.answers), None)
    shown = set(np.unique(np.concatenate([t.ravel() for t in record.targets])).tolist())
    if not {0, classes - 1} <= shown:  # it is the training that has other numbers
        trained = making.made_at(record.loss.place) or record.loss.place
    else:
        trained = place
    # Of lists nobody knows whether they are compared as they are: in `said + 1 == label` other numbers are meant.
    compared = any(h.target is not None for h in held_out(record))
    if kinds[0] >= 1 and kinds[-1] == classes and compared:
        yield _off_by_one(
            f"The labels of the evaluation go from {kinds[0]} to {classes}, and of its {classes} outputs the network "
            f"can say 0 to {classes - 1}.",
            trained,
        )
        return
    if reached(record) < LEARNS:
        return
    meant = {int(kind): int(np.bincount(said[labels == kind]).argmax()) for kind in kinds}
    for by in (-1, 1):
        if any(place != kind + by for kind, place in meant.items() if 0 <= kind + by < classes):
            continue  # as of one class that is said of all
        within = (labels + by >= 0) & (labels + by < classes)
        would = float((said == labels + by)[within].mean()) if within.sum() > len(labels) / 2 else 0.0
        if would > SHIFTED and would - right > MOVED and (compared or not within.all()):
            yield _off_by_one(
                f"Of {len(labels)} rows of the evaluation {right:.0%} are answered as they are labelled, and for "
                f"{would:.0%} the network says the class that is one {'more' if by > 0 else 'less'} than their label.",
                trained,
            )
            return
    would = float(np.mean([meant[int(label)] == answer for label, answer in zip(labels, said, strict=True)]))
    if len(set(meant.values())) < len(kinds) or would < SHIFTED or would - right < MOVED:
        return
    if len({place - kind for kind, place in meant.items()}) == 1 and not compared:
        return
    yield Suspicion(
        "train-val-preprocessing-mismatch",
        f"Of {len(labels)} rows of the evaluation {right:.0%} are answered as they are labelled, and for {would:.0%} "
        "the network says another class, always the same one, in the place of their label.",
        ANOTHER_NUMBER,
        "the same numbers for both, from 0 on",
        place,
        certain=True,
        confidence=0.95,
    )


def _off_by_one(evidence: str, place: Place | None) -> Suspicion:
    return Suspicion(
        "labels-off-by-one",
        evidence,
        ANOTHER_NUMBER,
        "the same numbers for both, from 0 on",
        place,
        certain=True,
        confidence=0.95,
    )


def decided(record: ProgramRecord) -> Iterator[Suspicion]:
    """A network that is drawn to 0 and 1 by a distance, whose answers are told as of logits: by what lies above 0."""
    last = [h for h in held_out(record) if h.outputs is not None and h.target is not None and h.accuracy is not None]
    joined = _joined(last) if record.loss.kind in DISTANCES and last else None
    if joined is None or joined[0].size != joined[1].size or set(np.unique(joined[1])) != {0.0, 1.0}:
        return
    outputs, labels = joined[0].ravel(), joined[1]
    told = sum((h.accuracy or 0.0) * len(h.rows) for h in last) / sum(len(h.rows) for h in last)
    would = float(((outputs > 0.5) == (labels > 0.5)).mean())
    if would - told < FAR_BELOW or would < DECIDES:
        return
    yield Suspicion(
        "wrong-loss-for-task",
        f"{record.loss.kind} draws the outputs to 0 and 1, and the program takes {told:.0%} of them for right answers "
        f"in its evaluation; by what is above 0.5, {would:.0%} are.",
        "The answers are told as of logits, which are above 0 for a yes, or of their sigmoid, and the loss makes "
        "numbers from 0 to 1 of them.",
        "binary_cross_entropy_with_logits, for which a yes is above 0; or answers by output > 0.5",
        record.loss.place,
        certain=True,
        confidence=0.9,
    )


def prepared(record: ProgramRecord) -> Iterator[Suspicion]:
    """Evaluation rows that are scaled, ordered or turned in another way than those of the training."""
    found = record.matched
    if found is None or next(renumbered(record), None) is not None:
        return
    gained = found.was is not None and found.now is not None and found.now - found.was > max(0.08, 0.1 * abs(found.was))
    if found.was is not None and found.was < 0 and found.now is not None and found.now < LEARNT:
        gained = False  # what explains nothing of the targets explains no more by chance
    gained = gained or (found.off > 1.5 and _row_by_row(found) and _come_again(record))
    far = bool(found.far) and not _does_well_there(record, found.was)
    if not gained and not far and not (found.was is None and found.overall and found.off > 4):
        return
    how = found.how if gained or not far else found.far
    what = "right answers" if found.was is not None and found.was >= 0 else "the score"
    measured = f" Without that, {what} go from {found.was:.3g} to {found.now:.3g}." if gained else ""
    place = next((h.source or h.place for h in reversed(held_out(record))), None)
    yield Suspicion(
        "train-val-preprocessing-mismatch",
        f"The rows of the evaluation have {how}. {found.said}{measured}",
        "They are prepared in another way than the rows of the training, so the network has never seen their like.",
        "prepare both with the same numbers: those of the training set",
        preparations.prepared_alone(place) or place,
        certain=True,
        confidence=0.95 if gained else 0.85 if far else 0.6,
    )


def _does_well_there(record: ProgramRecord, score: float | None) -> bool:
    """Whether the evaluation goes as well as the training, as where the network brings rows to scale by itself."""
    if score is None:
        return False
    if score < 0:
        return score > LEARNT
    train = outcome(record).accuracy
    return train is not None and train > chance(record) + 0.2 and train - score < 0.1


def _row_by_row(found: MatchRecord) -> bool:
    """Whether rows that are answered rightly only when brought to scale outnumber the others, beyond chance."""
    return found.won - found.lost > max(2.5 * math.sqrt(found.won + found.lost), 5)


def _come_again(record: ProgramRecord) -> bool:
    """Whether rows of the training come again as they were, not turned or made noisy each time."""
    rows = rounded(np.concatenate(record.rows)) if record.rows else np.empty(0)
    return len(np.unique(rows)) < 0.6 * len(rows)


def overfitted(record: ProgramRecord) -> Iterator[Suspicion]:
    """Training goes on to improve while the evaluation gets worse."""
    end = outcome(record)
    found = curve(record)
    told = next(prepared(record), None) or next(splits.other_words(record), None)
    if not end.finite or not found or told is not None:
        return  # a network says ever less of rows that are prepared in another way, too
    losses = [(step, loss) for step, loss, _ in found if loss is not None and np.isfinite(loss)]
    right = [(step, accuracy) for step, _, accuracy in found if accuracy is not None]
    train = record.final.accuracy if record.final is not None else end.accuracy
    worse = gap = False
    said = ""
    stopped: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    if len(losses) >= 5:
        values = np.array([loss for _, loss in losses])
        best = int(values.argmin())
        last = float(values[-2:].mean())
        rise = last > 1.3 * values[best] + 0.02 and best < 0.7 * len(values) and end.loss < 0.5 * last
        lost = not right or train is None or train - right[-1][1] > 0.08
        worse = bool(rise and lost)
        said = (
            f"The loss of the evaluation was lowest after {losses[best][0]} steps ({values[best]:.3g}) and is "
            f"{last:.3g} at the end, where that of the training is {end.loss:.3g}."
        )
        measured = {"best": losses[best][0], "steps": len(record.steps)}
        stopped = {
            "as it was": [float(v) for v in values],
            "with the fix": [float(v) for v in values[: best + 1]],
            "what": "loss of the evaluation, and of a run that stops where it is lowest",
        }
    if not worse and right and train is not None:
        highest = max(accuracy for _, accuracy in right)
        last_hit = float(np.mean([accuracy for _, accuracy in right[-2:]]))
        weights = sum(int(np.prod(p.shape)) for p in record.parameters.values())
        rows = len(trained_rows(record))
        gap = train > 0.97 and train - last_hit > 0.2 and (highest - last_hit > 0.04 or weights > 20 * rows)
        said = (
            f"On the rows of the training {train:.0%} of the answers are right, on those of the evaluation "
            f"{last_hit:.0%}; the network has {weights} numbers for {rows} rows."
        )
    tried: list[Shrink | None] = [None] if worse else [Shrink(2e-3), Shrink(2e-2)] if gap else []
    rate = float(record.optimizers[0].options.get("lr") or 0.0) if record.optimizers else 0.0
    for shrink in tried:
        yield Suspicion(
            "overfitting",
            said,
            "The network learns the rows of the training by heart, and says ever less of others.",
            "stop where the evaluation is best; weight_decay=1e-2, dropout, a smaller network, or more data",
            record.lines.get("epochs") or next((h.place for h in reversed(held_out(record))), None),
            [shrink] if shrink is not None else [],
            certain=worse,
            by_held_out=True,
            otherwise="warning",
            confidence=0.7,
            curves=stopped if worse else {},
            measured=measured if shrink is None else {"decay": shrink.share / rate} if rate else {},
        )


def mislabelled(record: ProgramRecord) -> Iterator[Suspicion]:
    """The network does better on other rows than on those it is trained on: their labels are wrong."""
    right = [accuracy for _, _, accuracy in curve(record) if accuracy is not None]
    train = record.final.accuracy if record.final is not None else None
    if not right or train is None or sum(len(h.rows) for h in held_out(record) if h.target is not None) < 50:
        return
    best = right[-1]
    end = outcome(record)
    learnt = end.progress > 0.2 and train > chance(record) + 0.15
    lately = max(train, end.accuracy or 0.0)  # of a program in two parts, all rows are not those of the second
    # Where rows are made noisy each time, those of the training are harder.
    if best - lately > 0.12 and train < 0.85 and learnt and _come_again(record):
        yield Suspicion(
            "noisy-labels",
            f"{best:.0%} of the answers are right on the rows of the evaluation, and {train:.0%} on those of the "
            "training.",
            "A network says less well what it was shown only where what it was shown is wrong: about "
            f"{1 - train / max(best, 1e-9):.0%} of the labels of the training.",
            "look at the labels for which the network is sure of another, and at the step that makes them",
            making.made_at(record.loss.place) or record.loss.place,
            [DropRows(record.final.doubted)] if record.final is not None and len(record.final.doubted) else [],
            by_held_out=True,
            # a quarter of wrong labels is a fault even where a network bears them
            otherwise="error" if best - lately > MANY_WRONG else "info",
            confidence=0.8,
        )


def learnt_by_heart(record: ProgramRecord) -> Iterator[Suspicion]:
    """Rows that end as their labels say, and were contradicted while the evaluation came out best: it is tried whether
    it comes out better without them."""
    right = [accuracy for _, _, accuracy in curve(record) if accuracy is not None]
    train = record.final.accuracy if record.final is not None else None
    if len(right) < 2 or train is None or not _come_again(record):
        return
    if _asked_last(record) < 50:
        return
    last, found = float(np.mean(right[-2:])), early(record)
    known = found is not None and found.right > chance(record) + 0.1 and max(right) > chance(record) + 0.1
    if train - last < FAR_BELOW or found is None or not known or not LEAST_WRONG < found.share < HALF_WRONG:
        return
    yield Suspicion(
        "noisy-labels",
        f"While the evaluation came out best, until step {found.steps}, the network said another class than their "
        f"label of {found.share:.0%} of the rows of the training; in the end it says {train:.0%} of them as they are "
        f"labelled, and of the evaluation {last:.0%}. Without those rows it does better there.",
        "Labels that contradict all rows like theirs can only be learnt by heart, and what is learnt by heart says "
        "nothing of others: a sizeable share of them is wrong.",
        "look at the labels that a network contradicts before it has learnt them by heart, and at the step that makes "
        "them",
        making.made_at(record.loss.place) or record.loss.place,
        [DropRows(found.doubted)],
        by_held_out=True,
        strictly=True,
        confidence=0.85,
    )


def _asked_last(record: ProgramRecord) -> int:
    """The rows of the last evaluation."""
    every = held_out(record)
    return sum(len(h.rows) for h in every if h.step == every[-1].step)


def _answers(record: ProgramRecord, outputs: np.ndarray, labels: np.ndarray) -> bool:
    """Whether an evaluation asks for what was trained: as many outputs a row, and no class that was never shown.

    Not of features that are compared with each other, whose network was trained to tell the rows of a batch apart.
    """
    prediction, shown = record.loss.prediction, [t for t in record.targets if t.ndim]
    if prediction is None or not prediction.ndim or not shown:
        return False
    same = prediction.size * len(outputs) == outputs.size * len(prediction)
    classes = np.unique(np.concatenate([(t.argmax(1) if t.ndim == 2 and t.shape[1] > 1 else t).ravel() for t in shown]))
    return same and bool(np.isin(labels, classes).all())


def fails(record: ProgramRecord) -> bool:
    """Whether a network that learns its rows answers no more of others than who says the most frequent class."""
    rows = _asked_last(record)
    right = [accuracy for _, _, accuracy in curve(record) if accuracy is not None]
    if not right or rows < FEW or reached(record) < LEARNS:
        return False
    share = chance(record)
    return max(right) <= share + math.sqrt(share * (1 - share) / rows)


def by_chance(record: ProgramRecord) -> Iterator[Suspicion]:
    """A network that learns its rows, and of others says no more than by chance. Where nothing else was found."""
    last = [h for h in held_out(record) if h.outputs is not None and h.target is not None]
    if not last or reached(record) < LEARNS or not record.classes:
        return
    joined = _joined(last)
    if joined is None:
        return
    outputs, labels = joined
    right = hits(outputs, labels)
    if right is None or len(right) < MANY or not _answers(record, outputs, labels):
        return
    parts = [right[labels == c] for c in np.unique(labels)]
    known = [part for part in parts if len(part) >= FEW_OF_CLASS]
    if len(known) < 2 or len(known) < len(parts):
        return
    share, chance_level = float(np.mean([part.mean() for part in known])), 1 / len(parts)
    spread = math.sqrt(sum(chance_level * (1 - chance_level) / len(part) for part in known)) / len(parts)
    if not chance_level - 3 * spread <= share <= chance_level + spread:
        return  # far below chance, it says something, if not this
    if any(accuracy is not None and accuracy > chance_level + 3 * spread for _, _, accuracy in curve(record)):
        return  # it said something of them once
    if ranks(outputs, labels) > RANKED:
        return  # it says the frequent class of all of them, and knows of which it may not be
    where = orders.alone(record.lines.get("backward"))
    yield Suspicion(
        "labels-misaligned",
        f"Of {len(right)} rows of the evaluation, {share:.0%} of each class are answered rightly on average, which is "
        f"what guessing gives ({chance_level:.0%}), though on its own rows the network comes far beyond that.",
        "What it learnt of its rows says nothing of others: the labels have nothing to do with the inputs, as where "
        "one of them was shuffled or shifted alone.",
        "keep rows and labels together in all that sorts, shuffles or cuts them",
        where or (record.loaders[0].place if record.loaders else record.lines.get("rows") or record.loss.place),
        certain=True,
        confidence=0.6 if where else orders.UNSEEN,
    )


RULES = (leak, renumbered, decided, prepared, mislabelled, learnt_by_heart, overfitted)
