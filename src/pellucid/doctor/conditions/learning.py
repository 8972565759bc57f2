"""Whether a program learns, and whether a remedy is one: pure functions of trainings in forks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.doctor.probes.data import Batch, Keys, classes, rows, samples
from pellucid.doctor.probes.losses import Candidate, Seen
from pellucid.doctor.probes.trials import Trial

LEARNS = 0.3  # of the loss at the beginning: who loses that much of it learns
BARELY = 0.1
GAINS = 0.2  # what a remedy has to gain at least
FALLS = 0.03  # the same, where the loss explodes without it


def share(begin: float, level: float) -> float:
    """How much of the loss is gone; negative where it grew."""
    if level == float("inf") or begin == 0:
        return -1.0
    return (begin - level) / abs(begin)


def learns(frozen: Trial, trained: Trial) -> bool:
    """Whether the program, left alone, gets anywhere by its end or as long as it was watched."""
    return trained.finite and share(frozen.level, trained.level) >= LEARNS


def worsened(trained: Trial, frozen: Trial) -> int | None:
    """The pass at which a training that went well came off the road; None where none did."""
    curve = trained.curve()
    if len(curve) < 3:
        return None
    finite = [value for value in curve if value == value and value < float("inf")]
    if not finite:
        return None
    best = min(finite)
    where = curve.index(best)
    good = frozen.level - best
    if good < 0.3 * abs(frozen.level) or where == len(curve) - 1:
        return None
    lost = trained.level - best
    return trained.at[min((where + 1) * trained.burst, len(trained.at) - 1)] if lost > 0.7 * good else None


def confirmed(frozen: Trial, as_is: Trial, other: Trial) -> bool:
    """Whether a training with a remedy is better by far than the one without, after as many passes, beyond noise."""
    if not other.finite or not other.losses:
        return False
    was = as_is.level if other.passes >= 0.9 * as_is.passes else as_is.level_at(other.passes)
    gain, before = share(frozen.level, other.level), share(frozen.level, was)
    if exploded(frozen, was) and other.passes >= as_is.passes:  # to go down at all is better
        return gain > FALLS and other.level + 3 * (other.noise + frozen.noise) < frozen.level
    if gain < GAINS or (before > 0 and gain < 2.5 * before and not other.level < 0.35 * abs(was)):
        return False
    return exploded(frozen, was) or other.level + 3 * (other.noise + as_is.noise) < was


def exploded(frozen: Trial, level: float) -> bool:
    """Whether a loss is infinite, or as good as that: then its noise is of its own size."""
    return not level < 1e3 * abs(frozen.level)


WORTH = 0.3  # of what a remedy gains over a guess: what a program that learns has to leave, for that to be its fault
HALF = 0.5  # of the loss of a program that learns: where faster steps have to bring it
DONE = 0.1  # of the loss of a guess: who is there has nothing to gain that would be seen


def worthwhile(
    guess: float,
    was: Trial,
    other: Trial,
    hits: tuple[Hits | None, Hits | None] = (None, None),
    worth: float = WORTH,
) -> bool:
    """Whether a program that learns leaves a good part of what a remedy gains, beyond noise.

    It may have gone most of the way by itself: then a remedy only makes it faster. Of classes, the share of the rows
    that it gets right has to rise as well.
    """
    if not other.finite or not other.losses or was.level <= other.level:
        return False
    before = was.level if other.passes >= 0.9 * was.passes else was.level_at(other.passes)
    noise = 3 * (other.noise + (was.noise if was.finite else 0.0))
    reach = guess - other.level
    if not np.isfinite(before) or reach <= 0 or other.level + noise >= before:
        return bool(reach > 0 and before == float("inf"))
    if before - other.level < worth * reach or before < 1.5 * other.level:
        return False
    first, then = hits
    if first is None or then is None or min(first.count, then.count) < 20:
        return True
    return then.share - first.share > max(0.03, first.doubt(then))


@dataclass(frozen=True)
class Hits:
    """How many rows a training gets right at its end."""

    share: float
    count: int

    def doubt(self, other: Hits) -> float:
        """Two standard deviations of the difference of two shares."""
        middle = (self.share * self.count + other.share * other.count) / (self.count + other.count)
        return 2 * float(np.sqrt(max(middle * (1 - middle), 1e-3) * (1 / self.count + 1 / other.count)))


def hits(batch: Batch) -> Hits | None:
    """The share of the rows whose class the outputs give; None where the labels are no classes."""
    known, o = classes(batch.labels), batch.outputs
    if known is None or o is None or len(o) != len(known) or not np.isfinite(o).all() or len(np.unique(known)) < 2:
        return None
    if o.ndim == 2 and o.shape[1] > 1:
        return Hits(float((o.argmax(1) == known).mean()), len(known))
    middle = 0.5 if o.min() >= 0 and known.min() == 0 else 0.0
    return Hits(float(((o.ravel() > middle) == (known == known.max())).mean()), len(known))


def guessed(
    candidate: Candidate, y: np.ndarray, labels: list[np.ndarray], outputs: list[np.ndarray], turns: int = 1
) -> float | None:
    """The loss of some passes if every output were the mean of the labels; of numbers of classes, how often each is.

    `turns`: how many of the outputs belong to one pass, whose loss is that of all of them.

    None where the loss was seen, not computed from outputs, or the shapes do not say which class is which.
    """
    if candidate.label is None or not labels or len(labels) != len(outputs):
        return None
    guesses: list[np.ndarray] = []
    two = candidate.kind == "log-logits"  # of one number a row, the logit
    for label, output in zip(labels, outputs, strict=True):
        if label.shape == output.shape and label.ndim == 2 and label.shape[1] == y.shape[1]:
            said = np.broadcast_to(y.mean(0), output.shape)
        elif label.shape == output.shape and label.ndim == 2 and label.shape[0] == y.shape[1]:  # a sample a column
            said = np.broadcast_to(y.mean(0)[:, None], output.shape)
        elif label.shape == output.shape == y.shape[1:] and label.size > 1:  # one sample, a vector
            said = y.mean(0)
        elif label.size == output.size and y.shape[1] == 1:
            said = np.full(output.shape, y.mean())
        elif output.ndim == 2 and label.size == len(output) and y.shape[1] == 1 and y.max() < output.shape[1]:
            counts = np.bincount(y.ravel().astype(int), minlength=output.shape[1]) / len(y)
            said = np.broadcast_to(counts, output.shape)
        else:
            return None
        if candidate.kind.endswith("logits"):
            said = np.log(np.maximum(said, 1e-12)) - two * np.log(np.maximum(1 - said, 1e-12))
        guesses.append(said.copy())
    found = [
        candidate.value({candidate.output: guesses[i : i + turns], candidate.label: labels[i : i + turns]})
        for i in range(0, len(guesses) - turns + 1, turns)
    ]
    if not found:
        return None
    return float(np.mean(found)) if np.isfinite(found).all() and min(found) > 0 else None


def says_the_same(last: Seen, keys: Keys) -> bool:
    """Whether the outputs of the last passes are the same for all rows, though the labels differ."""
    labels, outputs = (last.get(key, []) if key else [] for key in (keys.labels, keys.outputs))
    count = samples(labels[:1], outputs[:1]) if labels and outputs else 0
    if not count or len(labels) != len(outputs) or len({o.shape for o in outputs}) != 1 or len(labels) * count < 16:
        return False
    if len({y.shape for y in labels}) != 1:
        return False
    y, o = (np.stack([rows(value, count) for value in series]) for series in (labels, outputs))  # (passes, rows, …)
    if not np.isfinite(o).all() or np.ptp(y.reshape(-1, y.shape[2]), axis=0).max() == 0:
        return False
    spread = o.std(1).max() if o.shape[1] > 1 else o.std(0).max()
    return bool(spread < 1e-3 * max(float(y.std()), float(np.abs(o).mean())))


def better(frozen: Trial, was: Trial, other: Trial) -> bool:
    """The same of a shorter repetition, with other draws: it has to be better again, though not by as much."""
    if not other.finite or not other.losses or was.level <= other.level:
        return False
    before = was.level if other.passes >= 0.9 * was.passes else was.level_at(other.passes)
    return exploded(frozen, before) or other.level + 2 * (other.noise + was.noise) < before


def travels(trained: Trial, passes: int | None) -> float:
    """How far the parameters would come in the whole run, as a share of their size, if every step were like these."""
    steps = [size for size in trained.moved.values() if size < float("inf")]
    return max(steps, default=float("inf")) * (passes or trained.passes)
