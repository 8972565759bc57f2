"""How well a run went, and whether another one went better: pure functions of records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .criterion import BINARY
from .matching import curve, held_out
from .record import ProgramRecord

LITTLE = 0.25  # of the way from chance to all answers right
ENOUGH_OF_IT = 0.6  # of the steps of a run, that another needs to be compared with it
LIKELIHOODS = ("cross_entropy", "nll_loss")
BELOW_GUESSING = 0.95  # of the cross entropy of a guess, below which something is known of the inputs
SHADES = 0.1  # of what can be known of pictures, which a code of a few numbers does not hold all of
STILL_FALLS = 0.9  # of the loss of a fifth of the steps, below which that of the next one is
UNMOVED = 0.03  # of the size of a parameter
MUCH = 0.3  # of what can be known
AWAY = 100.0  # times the loss at first
BEHIND, SHORTEST = 1.25, 50  # times the loss of another run; steps that say something of it
MANY_MORE = 0.25  # right answers, as a share, for which the loss need not fall as much
MANY = 150  # rows of an evaluation, below which a few answers more say little
MORE_HITS = 0.04  # of an evaluation, that are clearly more
SAME_ROWS = 0.7  # of the spread of a share, where both runs answer for the same rows, most of them alike


@dataclass(frozen=True)
class Outcome:
    """The end of a run, up to a number of steps.

    Attributes:
        loss, noise: the mean of the last fifth, and its standard error.
        begin: the loss at first.
        accuracy: of the last fifth; None where the targets are no classes.
        chance: what saying the most frequent class gives.
    """

    loss: float
    noise: float
    begin: float
    accuracy: float | None
    chance: float
    rows: int

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss)

    @property
    def progress(self) -> float:
        """From 0 (chance, or the loss at first) up: how far it came."""
        if not self.finite:
            return 0.0
        if self.accuracy is not None:
            return max((self.accuracy - self.chance) / max(1 - self.chance, 1e-9), 0.0)
        return max((self.begin - self.loss) / max(abs(self.begin), 1e-12), 0.0)


def outcome(record: ProgramRecord, steps: int | None = None) -> Outcome:
    """What the first `steps` steps of a run came to."""
    seen = record.steps[:steps]
    if not seen:
        return Outcome(math.inf, 0.0, math.inf, None, 0.0, 0)
    tail = seen[-max(len(seen) // 5, min(5, len(seen))) :]
    losses = np.array([step.loss for step in tail])
    known = [step.accuracy for step in tail if step.accuracy is not None]
    weights = [max(step.count, 1) for step in tail if step.accuracy is not None]
    loss = float(losses.mean()) if np.isfinite(losses).all() else math.inf
    noise = float(losses.std() / math.sqrt(len(losses))) if math.isfinite(loss) else 0.0
    first = [step.loss for step in seen[: max(1, min(3, len(seen) // 10))]]
    accuracy = float(np.average(known, weights=weights)) if known else None
    return Outcome(loss, noise, float(np.mean(first)), accuracy, chance(record), sum(weights))


def chance(record: ProgramRecord) -> float:
    """The share of the most frequent class in the targets that were seen."""
    if not record.classes or not record.targets:
        return 0.0
    joined = [t.argmax(1) if t.ndim == 2 and t.shape[1] > 1 else t for t in record.targets]
    _, counts = np.unique(np.concatenate([t.ravel() for t in joined]), return_counts=True)
    return float(counts.max() / counts.sum())


def by_guessing(record: ProgramRecord) -> float:
    """The cross entropy of saying the shares of the classes; 0 where none were kept."""
    if not record.targets:
        return 0.0
    labels = np.concatenate([(t.argmax(1) if t.ndim == 2 and t.shape[1] > 1 else t).ravel() for t in record.targets])
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def explained(record: ProgramRecord, steps: int | None = None) -> float | None:
    """For a regression, the share of the variance of the targets that is explained at the end, and where a cross
    entropy is taken to shades, as of pictures, of what can be known beyond their means; None where unknown."""
    if record.loss.reduction not in ("mean", "sum") or record.classes or not record.targets:
        return None
    if record.several:
        return _explained_in_all(record, steps)
    try:
        targets = np.concatenate([t.reshape(len(t), -1) for t in record.targets if t.ndim]).astype(float)
    except ValueError:
        return None
    end = outcome(record, steps)
    summed = record.loss.reduction == "sum"
    each = float(np.median([t.size for t in record.targets])) if summed else record.loss.scale
    if record.loss.kind == "l1_loss":  # of distances, whose squares are as variances
        guess = float(np.abs(targets - np.median(targets, 0)).mean())
        return 1 - (end.loss / each / guess) ** 2 if guess > 0 and end.finite else None
    guess, least = _range(record.loss.kind, targets)
    return (guess - end.loss / each) / (guess - least) if guess > least and end.finite else None


def _explained_in_all(record: ProgramRecord, steps: int | None) -> float | None:
    """The share of the variance of all targets that is explained at the end, where a pass calls its loss several times,
    as for each step of a sequence; None where unknown."""
    if record.loss.kind != "mse_loss" or not record.every:
        return None
    end, guess = outcome(record, steps), float(np.concatenate(record.every).astype(float).var()) * record.times
    return 1 - end.loss / guess if guess > 0 and end.finite else None


def _range(kind: str, targets: np.ndarray) -> tuple[float, float]:
    """The loss of who says the mean of each column, and the least that there can be."""
    if kind == "mse_loss":
        return float(targets.var(0).mean()), 0.0
    if kind in BINARY and targets.min(initial=0.0) >= 0 and targets.max(initial=0.0) <= 1:
        return float(_entropy(targets.mean(0)).mean()), float(_entropy(targets).mean())
    return 0.0, 0.0


def _entropy(shares: np.ndarray) -> np.ndarray:
    inner = np.clip(shares, 1e-12, 1 - 1e-12)
    return -(inner * np.log(inner) + (1 - inner) * np.log(1 - inner))


def does_well(record: ProgramRecord) -> bool:
    """Whether there is nothing that a treatment could make much better."""
    end = outcome(record)
    if not end.finite:
        return False
    if end.accuracy is not None:
        return end.accuracy >= 0.97 and end.accuracy > end.chance and end.loss < 2 * max(by_guessing(record), 0.7)
    share = explained(record)
    return share is not None and share > 0.95


def stands(record: ProgramRecord) -> bool:
    """Whether it says hardly more at the end than who knows nothing of the inputs."""
    return reached(record) < LITTLE


def guesses(record: ProgramRecord) -> bool:
    """Whether a run stands, and its loss at the end is not clearly below that of a guess either, as it is where little
    can be known, of the next letter of a name."""
    guess, end = by_guessing(record), outcome(record)
    below = record.classes and record.loss.kind in LIKELIHOODS and end.finite and end.loss < 0.9 * guess
    shades = (explained(record) or 0.0) > SHADES if record.loss.kind in BINARY else False
    return stands(record) and not below and not shades


def goes_far(record: ProgramRecord) -> bool:
    """Whether a parameter came far from where it was at first; where none did, no step can have been too long."""
    return any(not p.moved < UNMOVED for p in record.parameters.values())  # what is no number went furthest


def stays(record: ProgramRecord) -> bool:
    """Whether a run is at its end where it was at first, in its parameters and by its loss."""
    end = outcome(record)
    near = abs(end.begin - end.loss) <= max(0.05 * abs(end.begin), 3 * end.noise)
    return bool(record.parameters) and not goes_far(record) and end.finite and near


def reached(record: ProgramRecord) -> float:
    """How far a run came at the end: `Outcome.progress`, or for a regression the share that is explained.

    Where the loss weighs rare classes more, it is by them that it came far, and not by the share of right answers.
    """
    share = explained(record)
    if share is not None:
        return share
    known = list(recalls(record).values())
    by_class = (sum(known) / len(known) - 1 / len(known)) / (1 - 1 / len(known)) if len(known) > 1 else 0.0
    return max(outcome(record).progress, by_class)


def recalls(record: ProgramRecord) -> dict[int, float]:
    """How much of each class is recognised: in eval() at the end, or where no network can be called, by the batches of
    the last fifth."""
    if record.final is not None and record.final.recalls:
        return record.final.recalls
    sums: dict[int, tuple[int, int]] = {}
    for step in record.steps[-max(len(record.steps) // 5, 1) :]:
        for kind, (right, count) in step.recognised.items():
            before = sums.get(kind, (0, 0))
            sums[kind] = (before[0] + right, before[1] + count)
    return {kind: right / count for kind, (right, count) in sums.items()}


def is_too_short(was: ProgramRecord, now: ProgramRecord) -> bool:
    """Whether a run ended long before another, so that the two cannot be compared."""
    return not now.steps or len(now.steps) < ENOUGH_OF_IT * len(was.steps)


def says_nothing(was: ProgramRecord, now: ProgramRecord) -> bool:
    """Whether a run was cut off before it could be compared; one that ran away was not."""
    return not now.ended and not now.error and not now.behind and is_too_short(was, now) and outcome(now).finite


def other_targets(was: ProgramRecord, now: ProgramRecord) -> bool:
    """Whether the same inputs have other targets in another run: the network makes them, as in a clustering, and a loss
    that falls further may be one of targets that all became the same."""
    both = zip(was.inputs, now.inputs, was.targets, now.targets, strict=False)
    return any(np.array_equal(x, again) and not np.array_equal(y, other) for x, again, y, other in both)


def better(was: ProgramRecord, now: ProgramRecord | None, strictly: bool = False, same_loss: bool = True) -> bool:
    """Whether a run came further than another in as many steps, beyond noise.

    `strictly` asks for much, as for hyperparameters: most programs could do a little better. Without `same_loss` the
    losses are not the same function, and only accuracies are compared, where there are any.
    """
    if now is None or is_too_short(was, now):
        return False
    steps = min(len(was.steps), len(now.steps))
    a, b = outcome(was, steps), outcome(now, steps)
    if not b.finite:
        return False
    if a.accuracy is not None and b.accuracy is not None:
        spread = math.sqrt(max(a.accuracy * (1 - a.accuracy), b.accuracy * (1 - b.accuracy), 0.01) / max(a.rows, 1))
        gain = b.accuracy - a.accuracy
        if not a.finite:
            return b.progress > 0.2
        if same_loss and a.loss > 3 * max(by_guessing(was), 0.7) and b.loss < 0.3 * a.loss and gain > -spread:
            # The answers may be right, but what it is sure of is wrong.
            return b.progress > 0.2 or b.loss < BELOW_GUESSING * by_guessing(was)
        if strictly and same_loss and _knows_less(was, a) and not _knows_less(was, b):
            return gain > max(0.12, 3 * spread) and b.loss < 0.4 * a.loss
        if strictly:
            return gain > max(0.12, 3 * spread) and a.progress < 0.6 * b.progress
        if same_loss and b.loss < 0.4 * a.loss and gain > -spread / 2 and a.accuracy < 0.995:
            return True
        less = not same_loss or b.loss < 0.8 * a.loss or gain > MANY_MORE
        return gain > max(0.03, 3 * spread) and (1 - b.accuracy) < 0.7 * (1 - a.accuracy) and less
    if not a.finite:
        return True
    if not same_loss:
        return False
    ran_away = a.loss > AWAY * abs(a.begin) > 0  # whose losses differ by how fast they grow, which is no noise
    noise = 3 * (b.noise if ran_away else a.noise + b.noise)
    if b.loss + noise >= a.loss or a.loss <= 0:
        fell = b.loss + noise < a.loss - 0.3 * abs(a.loss)
        fell = fell and not (strictly and a.begin - a.loss > 0.5 * (a.begin - b.loss))
        return bool(a.loss <= 0 and fell)
    share, other = explained(was, steps), explained(now, steps)
    known = share is not None and other is not None
    # what the first steps threw up came down far
    far, further = (share, other) if share is not None and other is not None else (a.progress, b.progress)
    shades = known and was.loss.kind in BINARY  # whose cross entropy cannot come near 0
    if strictly:
        return (b.loss < 0.4 * a.loss or (shades and further - far > MUCH)) and far < 0.8 * further
    return b.loss < 0.7 * a.loss or (shades and 1 - further < 0.7 * (1 - far))


def may_fall(record: ProgramRecord) -> bool:
    """Whether a number that is no known loss is one that training is to bring down: the only one of its program, of no
    game, and above 0 all along, or else of a run that does not move at all."""
    if not record.together or record.rewarded or record.weighed:
        return False
    return all(loss > 0 for loss in record.losses if math.isfinite(loss)) or stays(record)


def is_still(record: ProgramRecord) -> bool:
    """Whether the loss is not lower at the end than at first, beyond noise."""
    end = outcome(record)
    return not end.finite or end.begin - end.loss <= max(UNMOVED * abs(end.begin), 3 * end.noise)


def falls(record: ProgramRecord) -> bool:
    """Whether the loss is on its way down at the end: it is clearly lower in the last fifth than in that before."""
    size = len(record.losses) // 5
    if size < 2:
        return False
    before, last = float(np.mean(record.losses[-2 * size : -size])), float(np.mean(record.losses[-size:]))
    return math.isfinite(last) and last < STILL_FALLS * before


def _knows_less(record: ProgramRecord, end: Outcome) -> bool:
    """Whether it does worse at the end than by saying how frequent the classes are, by its answers and by its loss."""
    guessing = by_guessing(record)
    return end.accuracy is not None and end.accuracy < end.chance - 0.1 and end.loss > 1.5 * guessing > 0


def is_behind(losses: Sequence[float], pace: Sequence[float]) -> bool:
    """Whether a run that is half way, or three quarters, will hardly overtake another one that has these losses in all:
    its own is clearly above what that has there, and above what it has at its end."""
    count, whole = len(losses), len(pace)
    if count not in (whole // 2, 3 * whole // 4) or count < SHORTEST:
        return False
    size = count // 5
    own, there, end = (float(np.mean(part[-size:])) for part in (losses, pace[:count], pace))
    return there > 0 < end and own > BEHIND * max(there, end)


def is_worse(was: ProgramRecord, now: ProgramRecord | None, share: float = 0.0) -> bool:
    """Whether a run is clearly behind another in as many steps: by its loss, beyond noise and beyond a share of it, and
    by its hits where there are any."""
    if now is None or not now.steps:
        return False
    steps = min(len(was.steps), len(now.steps))
    a, b = outcome(was, steps), outcome(now, steps)
    if not a.finite or not b.finite:
        return a.finite
    if b.loss <= a.loss + max(3 * (a.noise + b.noise), share * abs(b.loss)):
        return False
    return a.accuracy is None or b.accuracy is None or b.accuracy < a.accuracy


def better_held_out(was: ProgramRecord, now: ProgramRecord, strictly: bool = False) -> bool:
    """Whether a run does better on the rows of its own evaluation, at the end, beyond noise.

    `strictly` asks for clearly more right answers, as a network that learns fewer rows by heart errs less loudly.
    """
    a, b = ({step: ends for step, *ends in curve(record)} for record in (was, now))
    both = set(a) & set(b)
    if not both or max(both) < 0.7 * max(a):
        return False
    step = max(both)
    (loss, hits), (less, more) = a[step], b[step]
    rows = sum(len(h.rows) for h in held_out(was) if h.step == step)
    if hits is not None and more is not None:
        spread = SAME_ROWS * math.sqrt(max(hits * (1 - hits), 0.01) / max(rows, 1))
        if more - hits > (max(MORE_HITS, 2 * spread) if strictly else max(0.02, spread * (2 if rows < MANY else 1))):
            return True
        if more - hits < -spread / 2:
            return False
    return not strictly and loss is not None and less is not None and less < 0.7 * loss
