"""Whether a fork confirms a suspicion, and which of several that were confirmed is the one to name."""

from __future__ import annotations

import math

from .compare import (
    ENOUGH_OF_IT,
    better,
    better_held_out,
    chance,
    explained,
    falls,
    is_too_short,
    is_worse,
    outcome,
    reached,
    recalls,
    stays,
)
from .matching import curve
from .record import ProgramRecord
from .rules import rate
from .suspicion import Suspicion

RARE, TOLD = 0.85, 0.75  # the share of a class beside which others are rare; what is recognised of such as can be told
LOWER = 0.2  # of what other terms come to, by which they have to be lower
HALF = 0.5  # of a loss, or of what can be explained, from which on no higher rate is asked for
SLIGHTLY = 0.1  # of the loss, by which the program has to do worse than the fork
FEWEST, NEARER = 10, 0.5  # updates, below which more of them need only take half of what is wrong away
FAR_MORE = 0.2  # right answers, as a share, of rows that are given one by one
SOONER = 0.02  # of all answers of a run, that are right
NO_LOWER, NO_MORE = 0.95, 0.02  # of an evaluation: the loss, and the share of right answers, that say that it gains
FAR = 0.3  # of the way from chance to all answers right, that more updates have to gain
NEAR = 0.9  # of that way, short of which a run ends while its loss falls
LEFT = 0.3  # of the rest of it, that more updates leave at most


def confirms(suspicion: Suspicion, was: ProgramRecord, now: ProgramRecord | None) -> bool:
    """Whether a fork with the treatment did better, by what counts for this suspicion."""
    if now is None:
        return False
    if suspicion.without is not None:
        return _others_fall(suspicion.without, was, now, HALF if suspicion.strictly else LOWER)
    if suspicion.by_single and (alone := one_by_one(was, now)) and alone[1] - alone[0] > FAR_MORE:
        return True
    if suspicion.by_recall:
        # Of what chance decides, a weight only has one guess in the place of the other.
        told = chance(was) > RARE or _recall(now) > TOLD if recalls(now) else False
        return bool(recalls(was)) and told and _recall(now) - _recall(was) > 0.12
    if suspicion.by_held_out:
        return better_held_out(was, now, suspicion.strictly)
    if suspicion.by_final:
        if was.final is None or now.final is None:
            return False
        if was.final.accuracy is not None and now.final.accuracy is not None:
            return now.final.accuracy - was.final.accuracy > 0.08
        if was.final.loss is not None and now.final.loss is not None:
            return now.final.loss < 0.6 * was.final.loss
        return False
    if suspicion.times > 1:
        if only_by_heart(was, now):
            return False
        before, after = max(reached(was), 0.0), reached(now)
        if len(was.steps) >= FEWEST and before < NEAR and falls(was) and 1 - after < LEFT * (1 - before):
            return True
        return after - before > (FAR if len(was.steps) >= FEWEST else min(FAR, NEARER * (1 - before)))
    if suspicion.slightly:
        return better(was, now) or is_worse(now, was, SLIGHTLY)
    if suspicion.direction > 0 and outcome(was).accuracy is None and _comes_half_way(was, now):
        return False
    strictly = suspicion.strictly and not (suspicion.direction > 0 and stays(was))  # of no step at all, any is better
    return better(was, now, strictly, suspicion.same_loss)


def _comes_half_way(was: ProgramRecord, now: ProgramRecord) -> bool:
    """Whether a loss falls by half, or explains half of what a fork does at a rate that is usual anyway: a higher one
    is no more than quicker then."""
    if explained(was) is None:
        return outcome(was).progress > HALF
    return rate.is_usual(was) and reached(was) > HALF * reached(now)


def only_by_heart(was: ProgramRecord, now: ProgramRecord) -> bool:
    """Whether a longer training gets no further on the rows of the program's own evaluation, where it has one."""
    before, after = curve(was), curve(now)
    losses = [[loss for _, loss, _ in found if loss is not None] for found in (before, after)]
    hits = [[share for _, _, share in found if share is not None] for found in (before, after)]
    less = bool(losses[0] and losses[1]) and min(losses[1]) < NO_LOWER * losses[0][-1]
    more = bool(hits[0] and hits[1]) and max(hits[1]) - hits[0][-1] > NO_MORE
    known = bool(losses[0] and losses[1]) or bool(hits[0] and hits[1])
    return known and not less and not more


def one_by_one(was: ProgramRecord, now: ProgramRecord) -> tuple[float, float] | None:
    """The shares of right answers of both runs where each row is given by itself; None where they are not known."""
    a, b = (record.final.alone if record.final is not None else None for record in (was, now))
    return (a, b) if a is not None and b is not None else None


def sooner(suspicion: Suspicion, was: ProgramRecord, now: ProgramRecord | None) -> bool:
    """Whether a fork came as far as the program, and sooner, which shows what a fault does that the record proves."""
    if now is None or is_too_short(was, now) or not outcome(now).finite or suspicion.treatments == []:
        return False
    parts = [record.steps[: min(len(was.steps), len(now.steps))] for record in (was, now)]
    hits = [[step.accuracy for step in steps if step.accuracy is not None] for steps in parts]
    a, b = outcome(was), outcome(now)
    if all(hits) and a.accuracy is not None and b.accuracy is not None:
        return sum(hits[1]) / len(hits[1]) - sum(hits[0]) / len(hits[0]) > SOONER and b.accuracy >= a.accuracy - SOONER
    losses = [sum(step.loss for step in steps) for steps in parts]
    return suspicion.same_loss and b.loss <= a.loss and not losses[1] >= (1 - 2 * SOONER) * losses[0] > 0


def _others_fall(key: tuple[str, int], was: ProgramRecord, now: ProgramRecord, by: float) -> bool:
    """Whether the other terms of a loss are clearly lower in the last pass that was looked at in both runs, and with
    the other sign of its term it has a bottom: of the logarithm of a variance, neither sign has one."""
    both = set(was.terms) & set(now.terms)
    if not both or max(both) < ENOUGH_OF_IT * max(was.terms):
        return False
    at = max(both)
    a, b = (sum(t.value for t in record.terms[at] if t.key != key) for record in (was, now))
    has_bottom = now.steps[at].loss > -abs(b) if at < len(now.steps) else True
    return has_bottom and math.isfinite(b) and not a - b <= by * abs(a)


def _recall(record: ProgramRecord) -> float:
    """The mean over the classes of what is recognised of each."""
    known = list(recalls(record).values())
    return sum(known) / len(known) if known else 0.0


def as_good_as_best(pairs: list[tuple[Suspicion, ProgramRecord]], of_rate: bool) -> tuple[Suspicion, ProgramRecord]:
    """The first of those that do about as well as the best; of rates, which are easily compared, nearly as well."""
    best = outcome(max(pairs, key=lambda pair: _quality(pair[1]))[1])
    for suspicion, run in pairs:
        end = outcome(run)
        if not of_rate and _quality(run) >= 0.9 * (best.progress if best.accuracy is None else best.accuracy):
            return suspicion, run
        if of_rate and end.accuracy is not None and best.accuracy is not None and end.accuracy >= best.accuracy - 0.01:
            return suspicion, run
        if of_rate and end.accuracy is None and end.loss <= best.loss + 0.1 * abs(best.loss):
            return suspicion, run
    return pairs[0]


def _quality(record: ProgramRecord) -> float:
    end = outcome(record)
    return end.progress if end.accuracy is None else end.accuracy
