"""The learning rate, which is asked about last: what other faults do looks like a wrong rate, too."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ..compare import falls, goes_far, guesses, outcome, stands
from ..record import ProgramRecord
from ..rounds import left_at_once
from ..suspicion import Suspicion
from ..treatments import ConstantRate, LearningRate, Longer, ScaleGradients, Treatment

FACTORS = (0.1, 0.01, 10.0, 100.0)
FURTHER = (1e3, 1e4, 1e5)
FURTHEST = 1e12
MORE = 10  # times as many updates, that are tried
HARDLY_ANY = 10  # updates in all
GATHERED = 4  # backwards for an update
FEW_RATES = 20
FADED = 0.01  # of its highest, for a rate that does next to nothing
MEANT = 0.2  # of all updates, within which nobody means a rate to fade
GROWN = 3.0  # times the rate that it was made with
BELOW_FIRST = 0.95  # of the loss before any step, for a training that went well
BEYOND = 10.0  # times the largest rate that is usual
STILL = 0.02  # of the loss, by which a program that hardly moves gets better
USUAL = {"SGD": (1e-3, 1.0), "RMSprop": (1e-4, 1e-2), "Adagrad": (1e-3, 0.5), "Adadelta": (0.05, 2.0)}
ADAM = (1e-4, 2e-2)
FIFTHS, SOME = 5, 4  # parts of a run, and steps of each at least, that say whether it is on its way
FEW = 60
AT_ONCE = "this line behind the loop over the batches: in it, it ends the loop after the first of them"
JUMP, DIED = 1.5, 0.2  # times the loss at first; the share of units that a high rate turned off


def scheduled(record: ProgramRecord) -> Iterator[Suspicion]:
    """A schedule by which the rate is next to nothing for most of the run, or grows far above what it was made with."""
    if not record.together or len(record.optimizers[0].rates) < FEW_RATES:
        return
    optimizer = record.optimizers[0]
    rates, made = optimizer.rates, float(optimizer.options.get("lr") or 0.0)
    middle, high = sorted(rates)[len(rates) // 2], max(rates)
    place = record.lines.get("schedule") or optimizer.place
    if high > 0 and middle < FADED * high:
        below = next(i for i, rate in enumerate(rates) if rate == high)
        below += next((i for i, rate in enumerate(rates[below:]) if rate < FADED * high), 0)
        yield Suspicion(
            "lr-too-low",
            f"The learning rate goes from {high:.3g} to less than {FADED * high:.2g} after {below} of {len(rates)} "
            "updates, and stays there.",
            "A schedule that is stepped for each batch instead of each epoch, or that decays too fast, ends the "
            "training early.",
            "scheduler.step() once an epoch, or a slower decay",
            place,
            [ConstantRate(high)],
            strictly=below > MEANT * len(rates),
            slightly=below <= MEANT * len(rates),
            confidence=0.9,
        )
    grown = late(record)
    if made == 0 and grown is not None and grown < len(rates):  # what sets the rate of each step begins with any
        made = rates[grown]
    if made > 0 and high > GROWN * made and grown is not None:
        yield Suspicion(
            "late-instability",
            f"The learning rate grows from {made:.3g} to {high:.3g}, and the loss went down until step {grown}, and "
            "then up again.",
            "The schedule raises the learning rate beyond what the training can bear.",
            f"a schedule that does not go beyond lr={made:g}",
            place,
            [ConstantRate(made)],
            strictly=True,
            confidence=0.9,
        )


def hardly_any(record: ProgramRecord) -> Iterator[Suspicion]:
    """A program that ends after a few updates, and learnt nothing by then, or was still about to."""
    updates = sum(optimizer.steps for optimizer in record.optimizers) or len(record.steps)
    by_closure = any(optimizer.name == "LBFGS" for optimizer in record.optimizers)
    if not record.ended or not 0 < updates < HARDLY_ANY or not record.loss.kind or by_closure:
        return
    optimizer = record.optimizers[0].place if record.optimizers else None
    nothing = stands(record)
    treatments = _longer(record) if nothing or record.losses[-1] == min(record.losses) else []
    if not nothing and not treatments:
        return
    gathered, left = len(record.steps) // updates, left_at_once(record.lines.get("backward"))
    wasted = nothing and (left is not None or gathered >= GATHERED)  # a few steps to see whether it runs are meant
    yield Suspicion(
        "too-few-updates",
        f"The program makes {updates} update{'s' if updates > 1 else ''} in all, and at the end "
        + (
            "it says hardly more than who knows nothing of the inputs."
            if nothing
            else f"its loss is still falling, from {record.losses[0]:.3g} to {record.losses[-1]:.3g} by then."
        )
        + (f" It calls backward() {len(record.steps)} times." if gathered >= GATHERED else ""),
        "Each update is a small step: hundreds of them are usual.",
        AT_ONCE
        if left
        else f"optimizer.step() after fewer batches than {gathered}"
        if gathered >= GATHERED
        else "more epochs, or smaller batches",
        left
        or (record.lines.get("step") if gathered >= GATHERED else None)
        or (record.loaders[0].place if record.loaders else optimizer),
        [] if wasted else treatments,
        certain=wasted,
        times=1 if wasted else MORE,
        otherwise="info",
        confidence=0.7,
    )


def few(record: ProgramRecord) -> Iterator[Suspicion]:
    """A few updates by a DataLoader, or by a loop over a range, of which there might be more."""
    updates, treatments = len(record.steps), _longer(record)
    if not record.ended or not treatments or not HARDLY_ANY <= updates <= FEW or not record.together:
        return
    left = left_at_once(record.lines.get("backward"))
    yield Suspicion(
        "too-few-updates",
        f"The program makes {updates} updates in all"
        + (", its loss is still falling at the end," if falls(record) else ",")
        + f" and with {MORE} times as many, at the same rate, it comes much further.",
        "Each update is a small step: hundreds of them are usual.",
        AT_ONCE if left else "more epochs, or smaller batches",
        left or record.optimizers[0].place,
        treatments,
        times=MORE,
    )


def _longer(record: ProgramRecord) -> list[Treatment]:
    """How the program is made to train longer."""
    if record.loaders:
        return [Longer(MORE)]
    epochs = record.lines.get("epochs")
    return [] if epochs is None else [Longer(MORE, epochs)]


def further(record: ProgramRecord) -> Iterator[Suspicion]:
    """Factors for a program that does not move at all, or that runs away at once."""
    end = outcome(record)
    if not end.finite or end.loss > 10 * abs(end.begin):
        yield from trials(record, tuple(1 / factor for factor in FURTHER))
    elif abs(end.begin - end.loss) < (0.25 if _far_below_usual(record) else 0.05) * abs(end.begin):
        yield from trials(record, tuple(_within_usual(record, (*FURTHER, *_up_to_usual(record)))))


def _within_usual(record: ProgramRecord, factors: tuple[float, ...]) -> Iterator[float]:
    """Those that do not lead far beyond what is usual for the optimiser, where its steps move the parameters."""
    rate = float(record.optimizers[0].options.get("lr") or 0.0) if record.optimizers else 0.0
    _, high = USUAL.get(record.optimizers[0].name, ADAM) if record.optimizers else ADAM
    yield from (factor for factor in factors if factor * rate <= BEYOND * high or not goes_far(record))


def summed(record: ProgramRecord) -> Iterator[Suspicion]:
    """A loss that is a sum over all numbers of a batch, pixels too, at a rate that nobody would take for its mean."""
    loss = record.loss
    if loss.reduction != "sum" or loss.prediction is None or not record.together or not goes_far(record):
        return
    optimizer, size = record.optimizers[0], (loss.prediction if loss.target is None else loss.target).size
    size *= record.factor  # what backward() is called on may be divided by as many
    made = float(optimizer.options.get("lr") or 0.0)
    _, high = USUAL.get(optimizer.name, ADAM)
    if optimizer.name != "SGD" or made * size <= high or made > high:  # others take no heed of the scale of gradients
        return
    for times in (1, 10):
        yield Suspicion(
            "loss-reduction-scale",
            f"The loss is a sum over {size:.4g} numbers, and lr={made:g} is as lr={made * size:.3g} for their mean.",
            "The gradients are as many times larger, and each step goes too far.",
            "reduction='mean'" + ("" if times == 1 else f", with lr={times * made:g}"),
            loss.place,
            [ScaleGradients(times / size)],
            strictly=True,
        )


def lower(record: ProgramRecord) -> Iterator[Suspicion]:
    """A tenth and a hundredth; where nobody would take the rate, those that are usual."""
    yield from usual(record) if far_above_usual(record) else trials(record, (0.1, 0.01))


def up_to_usual(record: ProgramRecord) -> Iterator[Suspicion]:
    """Beyond a hundredfold, for a rate that is confirmed to be too low, as far as rates are usual."""
    if not record.optimizers or not record.optimizers[0].options.get("lr"):
        return
    _, high = USUAL.get(record.optimizers[0].name, ADAM)
    rate = float(record.optimizers[0].options["lr"])
    yield from trials(record, tuple(factor for factor in FURTHER if factor * rate <= high))


def usual(record: ProgramRecord) -> Iterator[Suspicion]:
    """Two rates that are usual for the optimiser, where they are far from the program's own."""
    rate = float(record.optimizers[0].options.get("lr") or 0) if record.optimizers else 0.0
    if rate > 0:
        low, high = USUAL.get(record.optimizers[0].name, ADAM)
        factors = [float(f"{new:.0e}") / rate for new in (math.sqrt(low * high), high / 3)]
        yield from trials(record, tuple(factor for factor in factors if not 1 / 3 < factor < 3))


def _far_below_usual(record: ProgramRecord) -> bool:
    if not record.optimizers:
        return False
    low, _ = USUAL.get(record.optimizers[0].name, ADAM)
    return 0 < float(record.optimizers[0].options.get("lr") or low) <= low / 50


def is_usual(record: ProgramRecord) -> bool:
    """Whether the rate is one that many programs have."""
    optimizer = record.optimizers[0] if record.optimizers else None
    low, high = USUAL.get(optimizer.name, ADAM) if optimizer is not None else ADAM
    return optimizer is not None and low <= float(optimizer.options.get("lr") or 0.0) <= high


def is_steady(record: ProgramRecord) -> bool:
    """Whether a program learns at a usual rate and is on its way all along: its loss is lower from each fifth of its
    run to the next, clearly so since the middle, and by now it says more than a guess. A higher rate is no more than
    quicker then."""
    if not is_usual(record) or len(record.losses) < FIFTHS * SOME or not math.isfinite(sum(record.losses)):
        return False
    parts = np.array_split(np.asarray(record.losses), FIFTHS)
    means = [float(part.mean()) for part in parts]
    noise = [float(part.std()) / math.sqrt(len(part)) for part in parts]
    falls_on = means[2] - means[-1] > 2 * math.hypot(noise[2], noise[-1]) and all(a > b for a, b in pairwise(means))
    return falls_on and (_has_one_target(record) or not guesses(record))


def _has_one_target(record: ProgramRecord) -> bool:
    """Whether all batches have the same target, so that there is no guess: all rows are to be there."""
    first, *others = record.targets or [np.empty(0)]
    return len(others) > 0 and first.size > 1 and all(np.array_equal(first, other) for other in others)


def far_above_usual(record: ProgramRecord) -> bool:
    """Whether nobody would take the rate, so that a lower one has to do only somewhat better."""
    if not record.optimizers:
        return False
    _, high = USUAL.get(record.optimizers[0].name, ADAM)
    return float(record.optimizers[0].options.get("lr") or 0.0) > BEYOND * high


def _up_to_usual(record: ProgramRecord) -> Iterator[float]:
    """Decades beyond `FURTHER`, up to the largest rate that is usual for the optimiser."""
    if not record.optimizers or not record.optimizers[0].options.get("lr"):
        return
    _, high = USUAL.get(record.optimizers[0].name, ADAM)
    factor = 10 * FURTHER[-1]
    while factor <= FURTHEST and factor * float(record.optimizers[0].options["lr"]) <= high:
        yield factor
        factor *= 10


def near(record: ProgramRecord) -> Iterator[Suspicion]:
    """A factor of ten and of a hundred; of a program that stands still under a rate far below what is usual, none.

    Where the rate is far above, those that are usual.
    """
    if far_above_usual(record):
        yield from usual(record)
        return
    optimizer = record.optimizers[0] if record.optimizers else None
    low, _ = USUAL.get(optimizer.name, ADAM) if optimizer is not None else ADAM
    rate = float(optimizer.options.get("lr", low)) if optimizer is not None else low
    end = outcome(record)
    if 0 < rate < low / 300 and end.finite and abs(end.begin - end.loss) < STILL * abs(end.begin):
        return
    factors = FACTORS
    if record.detached and rate >= low:  # of parts that are cut off on purpose, as of a codebook, the sum says little
        factors = tuple(factor for factor in FACTORS if factor < 1)
    if record.parameters and not goes_far(record):
        factors = tuple(factor for factor in factors if factor > 1)
    elif not end.finite or is_steady(record):
        factors = tuple(factor for factor in factors if factor < 1)
    yield from trials(record, factors)


def trials(record: ProgramRecord, factors: tuple[float, ...] = FACTORS) -> Iterator[Suspicion]:
    """One suspicion for each factor; which of them a fork confirms decides."""
    if not record.optimizers:
        yield from _by_hand(record, factors)
        return
    optimizer = record.optimizers[0]
    if "lr" not in optimizer.options:
        return
    rate = float(optimizer.options["lr"])
    for factor in factors:
        cause, why, fix = _name(record, rate, factor)
        left = left_at_once(record.lines.get("backward")) if cause == "too-few-updates" else None
        yield Suspicion(
            cause,
            f"{optimizer.name} has lr={rate:g}.",
            why,
            AT_ONCE if left else fix,
            left or (record.loss.place if cause == "loss-reduction-scale" else optimizer.place),
            [LearningRate(factor)],
            strictly=factor > 1 or not far_above_usual(record),
            direction=1 if factor > 1 else -1,
            beyond=not 0.1 <= factor <= 10,
        )


def _by_hand(record: ProgramRecord, factors: tuple[float, ...]) -> Iterator[Suspicion]:
    """Of a program that makes its updates by itself, whose rate is not known, nor whether it goes down the slope."""
    end, negative = outcome(record), record.factor < 0
    near = any(factor in (0.1, 10.0) for factor in factors)
    if near and record.loss.kind and not end.loss < end.begin:
        yield Suspicion(
            "loss-sign-flipped",
            f"The loss goes up from {end.begin:.4g}, and with the sign of each update turned it goes down.",
            "Each step goes up the loss that is computed.",
            "a minus before the loss" if negative else "p -= lr * p.grad, with a minus",
            (record.loss.place if negative else record.lines.get("step")) or record.lines.get("backward"),
            [LearningRate(-1.0)],
        )
    for factor in factors:
        turn = late(record) if factor < 1 else None
        cause = "late-instability" if turn is not None else "lr-too-high" if factor < 1 else "lr-too-low"
        why = "Each step goes too far." if factor < 1 else "Each step is too small to come anywhere."
        yield Suspicion(
            cause,
            f"Updates that are {factor:g} times as large do better.",
            why,
            f"the learning rate times {factor:g}",
            record.lines.get("step") or record.lines.get("backward"),
            [LearningRate(factor)],
            strictly=True,
            direction=1 if factor > 1 else -1,
            beyond=not 0.1 <= factor <= 10,
        )


def _name(record: ProgramRecord, rate: float, factor: float) -> tuple[str, str, str]:
    new = f"lr={rate * factor:g}"
    if factor < 1:
        if record.loss.reduction == "sum" and rate * max(record.steps[0].count, 1) > 2 * 10 * rate * factor:
            return (
                "loss-reduction-scale",
                "The loss is a sum over the batch, and the rate suits a mean.",
                "reduction='mean'",
            )
        turn = late(record)
        if turn is not None:
            return "late-instability", f"The loss went down until step {turn}, and then up again.", new
        return "lr-too-high", f"Each step goes too far: {_what_a_high_rate_did(record)}.", new
    low, _ = USUAL.get(record.optimizers[0].name, ADAM)
    if rate >= 3 * low and len(record.steps) <= FEW:
        return "too-few-updates", f"The program makes {len(record.steps)} updates.", "more epochs"
    return "lr-too-low", "Each step is too small to come anywhere in the steps that there are.", new


def _what_a_high_rate_did(record: ProgramRecord) -> str:
    """What is seen of it in a run."""
    losses, end = record.losses, outcome(record)
    if not end.finite:
        return "the loss grows until it is no number"
    if max(losses) > JUMP * max(abs(losses[0]), end.begin, 1e-12):
        return f"the loss jumps up to {max(losses):.3g}"
    off = max((op.zero for op in record.loss.body if op.key[0] == "relu"), default=0.0)
    if (
        off > max((op.zero for op in record.start.body if op.key[0] == "relu"), default=0.0) + DIED
        if record.start
        else 0
    ):
        return f"{off:.0%} of the units of a relu are off"
    return f"the loss stays at {end.loss:.3g}"


def late(record: ProgramRecord) -> int | None:
    """The step after which a training that went well came off the road."""
    losses = record.losses
    size = max(len(losses) // 20, 1)
    means = [sum(losses[i : i + size]) / size for i in range(0, len(losses) - size + 1, size)]
    finite = [mean for mean in means if math.isfinite(mean)]
    if len(means) < 10 or not finite:
        return None
    best = min(finite)
    at = means.index(best)
    end = outcome(record)
    good = means[0] - best
    if best > BELOW_FIRST * abs(losses[0]) and losses[0] > 0:
        return None  # what came down was thrown up by the first steps
    if good > 0.3 * abs(means[0]) and 2 <= at < len(means) - 2 and (not end.finite or end.loss - best > 0.7 * good):
        return (at + 1) * size
    return None
