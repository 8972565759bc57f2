"""Whether what backward is called on goes the way that it should: its sign, its size, and those of its terms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..compare import stands
from ..criterion import DISTANCES
from ..record import ProgramRecord, TermRecord
from ..suspicion import Suspicion
from ..treatments import Descend, Negate, Scale, ScaleGradients

BOTTOMLESS = 1.0  # times the size of all other terms, which one that falls without end comes below
OUTWEIGHS = 1.0  # times a loss, for what is added to it
SMALLER = 0.01  # times what is added to a loss, that is tried
SAME = 1e-4  # of a loss, by which rounding may differ
GONE, STAYS = 0.1, 0.7  # of what it was: what a term falls to, and what the others come to at least from then on
LOOKS = 3  # passes that were looked at, from which the direction of a policy is known


def scaled(record: ProgramRecord) -> Iterator[Suspicion]:
    """backward() on a small or large multiple of the loss."""
    factor = record.factor
    if not record.loss.kind or not record.together or 0.2 < factor < 5 or factor <= 0:
        return
    if not record.is_multiple:
        return  # of which the loss is a part
    yield Suspicion(
        "loss-reduction-scale",
        f"backward() is called on {factor:.3g} times the loss.",
        "The gradients have that scale, and the learning rate does not suit it.",
        "call backward() on the loss itself",
        record.lines.get("factor") or record.lines.get("backward"),
        [ScaleGradients(1 / factor)],
    )


def climbing(record: ProgramRecord) -> Iterator[Suspicion]:
    """Backward on minus the loss, or an optimiser that maximises it."""
    maximises = any(optimizer.options.get("maximize") for optimizer in record.optimizers)
    negative = record.factor < 0
    if not record.loss.kind or not record.together or maximises == negative:
        return
    if negative and not record.is_multiple:
        return  # of which the loss is a part
    if attacks(record):
        return
    yield Suspicion(
        "loss-sign-flipped",
        "backward() is called on minus the loss." if negative else "The optimiser was made with maximize=True.",
        "Each step goes up the loss that is computed.",
        "loss.backward()" if negative else "leave maximize=True out",
        (record.lines.get("factor") or record.lines.get("backward")) if negative else record.optimizers[0].place,
        [Descend()],
        certain=True,
    )


def attacks(record: ProgramRecord) -> bool:
    """Whether what is trained is no part of a network, and a network that is called is not trained: what is made for it
    is to be answered wrongly, as a perturbation."""
    trained = [p for p in record.parameters.values() if p.known and not p.elsewhere]
    rests = any(p.listed and p.used and (p.frozen or p.elsewhere or not p.known) for p in record.parameters.values())
    return rests and bool(trained) and not any(p.listed for p in trained)


def bottomless(record: ProgramRecord) -> Iterator[Suspicion]:
    """A term of the loss that falls without end, and for which the others are given up."""
    if not record.together or record.rewarded or record.weighed or len(record.terms) < LOOKS:
        return
    passes = [record.terms[at] for at in sorted(record.terms)]
    first, last = passes[1], passes[-1]  # in the first of all, ops are counted from the data on
    if [t.key for t in first] != [t.key for t in last]:
        return
    values = [t.value if np.isfinite(t.value) else -np.inf for t in last]
    at = int(np.argmin(values))
    began, others = first[at].value, [t.value for i, t in enumerate(last) if i != at]
    size = max(max((abs(t.value) for t in first), default=0.0), *(abs(v) for v in others if np.isfinite(v)), 0.0)
    if not values[at] < min(began, 0.0) - BOTTOMLESS * size or any(v < 0 for v in others):
        return
    yield Suspicion(
        "loss-sign-flipped",
        f"The loss is a sum of {len(last)} terms, of which this one falls from {began:.3g} to {last[at].value:.3g}, "
        f"and the others go from {sum(t.value for i, t in enumerate(first) if i != at):.3g} to {sum(others):.3g}.",
        "It has no lower bound, so the network gives up the other terms for it: its sign is the wrong way round.",
        "the other sign for this term of the loss",
        last[at].place,
        [Negate(last[at].key)],
        without=last[at].key,
    )


def punishing(record: ProgramRecord) -> Iterator[Suspicion]:
    """A policy gradient that makes rewarded actions less likely."""
    rising = sum(sign > 0 for sign in record.rewarded)
    if len(record.rewarded) < LOOKS or rising < 0.8 * len(record.rewarded):
        return
    yield Suspicion(
        "loss-sign-flipped",
        f"In {rising} of {len(record.rewarded)} passes that were looked at, the loss rises with "
        "the log-probability of actions that were rewarded more than others.",
        "Each step makes what was rewarded less likely.",
        "a minus before the loss: loss = -(log_probs * returns).sum()",
        record.lines.get("rewarded") or record.lines.get("backward"),
        certain=True,
        confidence=0.85,
    )


def upside_down(record: ProgramRecord) -> Iterator[Suspicion]:
    """A loss that is highest where what is said is what it is compared with, as a similarity is."""
    maximises = any(optimizer.options.get("maximize") for optimizer in record.optimizers)
    if len(record.tops) < LOOKS or not all(record.tops) or not record.together or maximises or record.rewarded:
        return
    if attacks(record):
        return
    yield Suspicion(
        "loss-sign-flipped",
        "The number that backward() is called on is highest where the prediction is its target: with any other numbers "
        f"beside the target it is lower, in each of {len(record.tops)} passes that were looked at.",
        "Each step goes away from the target: what is a similarity, or a likelihood, is made small.",
        "a minus before it: loss = -similarity, or 1 - similarity; -dist.log_prob(target).mean()",
        record.lines.get("top"),
        certain=True,
        confidence=0.9,
    )


def apart(record: ProgramRecord) -> Iterator[Suspicion]:
    """The overlap of a prediction and a mask, as of Dice, that is made small."""
    maximises = any(optimizer.options.get("maximize") for optimizer in record.optimizers)
    if len(record.overlaps) < LOOKS or min(record.overlaps) < 1 or not record.together or maximises:
        return
    if record.factor < 0:
        return
    yield Suspicion(
        "loss-sign-flipped",
        "backward() is called on the share that the prediction and the mask have in common, which is 1 where they are "
        "the same.",
        "Each step makes the overlap smaller: the network learns to say nothing of what it is to find.",
        "loss = 1 - overlap",
        record.lines.get("overlap"),
        [Descend()],
        certain=True,
        same_loss=False,
    )


def one_for_all(record: ProgramRecord) -> Iterator[Suspicion]:
    """A distance of several predictions, as of the steps of a sequence, to one target: of a program that says no more
    than the mean of all of them."""
    loss = record.start or record.loss
    if loss.kind not in DISTANCES or loss.prediction is None or loss.target is None or not record.together:
        return
    said, asked = loss.prediction.shape, loss.target.shape
    fewer = loss.target.ndim > 0 and loss.target.size < loss.prediction.size
    if not fewer or said != np.broadcast_shapes(said, asked) or not stands(record):
        return
    same = all(np.array_equal(target, record.targets[0]) for target in record.targets[1:])
    every = np.concatenate([target.ravel() for target in record.targets]).astype(float)
    if (same and asked == said[1:]) or np.ptp(every) == 0:
        return  # what all rows are to be, as of a discriminator, or the middle that they are drawn to
    yield Suspicion(
        "silent-broadcast-loss",
        f"The prediction is {said} and the target {asked}: one target is taken for all of "
        f"{loss.prediction.size // max(loss.target.size, 1)} predictions.",
        "The target broadcasts, so each prediction is drawn to it, whichever one it is meant for; the best that can be "
        "learnt is a mean.",
        "a target for each prediction, or of the predictions only that which has one, as the last: prediction[-1:]",
        loss.place,
        certain=True,
        confidence=0.85,
    )


def given_up(record: ProgramRecord) -> Iterator[Suspicion]:
    """A term of a loss that is no known one, which falls to nothing while the others stay as they are."""
    if record.loss.kind or not record.together or record.rewarded or record.weighed or len(record.terms) < LOOKS:
        return
    passes = [record.terms[at] for at in sorted(record.terms)][1:]  # in the first, ops are counted from the data on
    if any([t.key for t in terms] != [t.key for t in passes[-1]] for terms in passes):
        return
    if any(not 0 <= t.value < np.inf or t.of_weights for terms in passes for t in terms):
        return
    for last in passes[-1]:
        own = [term.value for terms in passes for term in terms if term.key == last.key]
        rest = [sum(term.value for term in terms if term.key != last.key) for terms in passes]
        gone = [other for value, other in zip(own, rest, strict=True) if value <= GONE * max(own)]
        if last.value > GONE * max(own) or rest[-1] < STAYS * gone[0] or rest[0] < GONE * max(own):
            continue  # or what falls is what is to be learnt, and the others rise for it
        yield Suspicion(
            "loss-reduction-scale",
            f"The loss is a sum of {len(passes[-1])} terms, of which this one goes from {max(own):.3g} to "
            f"{last.value:.3g}, and the others stay at {rest[-1]:.3g}. At a hundredth of it, they fall.",
            "The network makes this term small, and gives the others up for that: it is too large beside them, as a "
            "sum over all rows is beside a number for each of them.",
            f"{SMALLER:g} * …, or the same for both: for each row its own, sum(dim=-1)",
            last.place,
            [Scale(frozenset((last.key,)), SMALLER)],
            without=last.key,
            strictly=True,
            confidence=0.85,
        )


def outweighed(record: ProgramRecord) -> Iterator[Suspicion]:
    """A mean over all numbers of a batch, with a term beside it that is a sum, of a network that learns nothing: as of
    a variational autoencoder."""
    loss, beside = record.loss, _beside(record)
    if loss.reduction != "mean" or loss.prediction is None or not beside or not stands(record):
        return
    size, keys = loss.prediction.size, frozenset(t.key for t in beside[-1])
    share = max(
        sum(abs(t.value) for t in terms) / max(abs(record.steps[at].loss), 1e-12)
        for at, terms in zip(sorted(record.terms)[1:], beside, strict=True)
    )
    if OUTWEIGHS < share < np.inf and size > 1:
        yield Suspicion(
            "loss-reduction-scale",
            f"The loss is a mean over {size} numbers, and what is added to it comes to up to {share:.3g} times as "
            "much. Divided by as many, it leaves the loss a say.",
            "A sum beside a mean decides alone what is learnt.",
            "the same for both: reduction='sum', or the mean of the other term as well",
            loss.place,
            [Scale(keys, 1 / size)],
            confidence=0.9,
        )
    if record.weighed or record.rewarded or any(t.value < 0 for terms in beside for t in terms):
        return  # as of a policy, which is no penalty
    yield Suspicion(
        "loss-reduction-scale",
        "What is added to the loss here keeps the network from learning anything: at a hundredth of it, it learns.",
        "The network makes the other term small, and gives the loss up for that.",
        f"a factor for it that is a hundred times as small, {SMALLER:g} * …",
        beside[-1][0].place or loss.place,
        [Scale(keys, SMALLER)],
        strictly=True,
        confidence=0.85,
    )


def over_rows(record: ProgramRecord) -> Iterator[Suspicion]:
    """A policy that is normalised over its states instead of its actions."""
    at = record.lines.get("softmax over rows")
    if at is None or not (record.rewarded or record.weighed):
        return
    alone = record.over_rows == 1
    yield Suspicion(
        "softmax-wrong-axis",
        "The network ends with a softmax over axis 0 of (states, actions)"
        + (", of one state each time: it gives 1 for all actions, whatever comes in." if alone else "."),
        "The probabilities of one state's actions do not sum to 1"
        + (", and all are equal, so that no gradient is left." if alone else "; each depends on the other states."),
        "softmax(…, dim=-1), over the actions",
        at,
        certain=True,
    )


def _beside(record: ProgramRecord) -> list[list[TermRecord]]:
    """The terms beside the loss that is known, in each pass that was looked at but for the first, where ops are counted
    from the data on; [] where it is not one of the terms."""
    found: list[list[TermRecord]] = []
    for at in sorted(record.terms)[1:]:
        own = record.steps[at].loss
        others = [t for t in record.terms[at] if not t.of_weights and abs(t.value - own) > SAME * abs(own)]
        if len(others) != len(record.terms[at]) - 1 or not others:
            return []
        found.append(others)
    return found


CONDITIONS = (outweighed, given_up)
