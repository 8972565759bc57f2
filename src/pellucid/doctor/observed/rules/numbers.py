"""Numbers that leave their domain, gradients that grow, and gradients that are cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ..compare import goes_far, outcome
from ..criterion import EDGES, QUOTIENTS
from ..record import ParameterRecord, Place, ProgramRecord
from ..suspicion import Suspicion
from ..treatments import Clip, Contract, FreshWeights, NoClip, Treatment, Within
from . import model, rate

LARGE = 20.0  # for the norm of all gradients at first
DOWN = 0.001  # of the loss at first
STRETCHED = 1.1  # by a weight that is multiplied with over and over
OFTEN = 4  # times that a pass multiplies with the same weight, as a recurrence does


def domain(record: ProgramRecord) -> Iterator[Suspicion]:
    """A log, root or quotient that made the first NaN or infinity, of numbers that were finite."""
    bad = record.first_bad.removeprefix("backward of ")
    if bad not in EDGES or record.bad_inputs or record.bad_targets:
        return
    backward = record.first_bad.startswith("backward of ")
    what = f"the gradient of {bad} is not finite at 0" if backward else f"{bad} of finite numbers gave NaN or infinity"
    yield Suspicion(
        "log-of-zero",
        f"At backward {(record.bad_at or 0) + 1}, {what}.",
        f"{bad} was taken at the edge of its domain, or outside; one such number makes all parameters NaN.",
        _instead(bad),
        record.lines.get("first bad"),
        [Within(frozenset((bad,)))],
        certain=True,
        confidence=0.95,
    )


def no_rows(record: ProgramRecord) -> Iterator[Suspicion]:
    """A loss of a batch that has no rows."""
    if "no rows" not in record.lines or all(np.isfinite(step.loss) for step in record.steps):
        return
    yield Suspicion(
        "log-of-zero",
        "The loss is taken of a batch of no rows, of which the mean is 0 / 0.",
        "Rows are cut beyond the end of what there is: one such number makes all parameters NaN.",
        "go through as many batches as there are rows: for i in range(0, len(x), batch_size)",
        record.lines["no rows"],
        certain=True,
        confidence=0.95,
    )


def _instead(name: str) -> str:
    if name in QUOTIENTS:
        return "add a small number to the divisor: a / (b + 1e-8)"
    if name.startswith("log"):
        return "torch.log(p.clamp(min=1e-8)), or a loss that takes logits: cross_entropy, …_with_logits"
    return f"add a small number inside: torch.{name}(x + 1e-8)"


def clipped(record: ProgramRecord) -> Iterator[Suspicion]:
    """Gradients that are clipped to a small part of what they are."""
    for clip in record.clips:
        norms = [norm for norm in clip.norms if np.isfinite(norm)]
        if len(norms) >= 5 and clip.limit < 0.1 * float(np.median(norms)):
            yield Suspicion(
                "lr-too-low",
                f"{clip.kind} cuts gradients to {clip.limit:g}; their norm is {np.median(norms):.3g}.",
                "What is left of each step is too small to come anywhere: the clipping is a learning rate in disguise.",
                f"clip at a norm that only outliers reach: {max(2 * float(np.median(norms)), 1.0):.1g}, or not at all",
                clip.place,
                [NoClip()],
                strictly=True,
            )


def exploding(record: ProgramRecord) -> Iterator[Suspicion]:
    """Gradients that are very large from the first, or that jump by orders."""
    norms = [step.norm for step in record.steps if step.norm is not None]
    finite = np.array([norm for norm in norms if np.isfinite(norm)])
    if len(norms) < 5 or not len(finite) or not record.optimizers:
        return
    if record.loss.reduction == "sum" and record.loss.prediction is not None:
        finite = finite / max(len(np.atleast_1d(record.loss.prediction)), 1)  # as of a mean over the rows
    begin = float(finite[:3].min())  # a rate that is too high makes large what began small
    high, middle = float(finite.max()), float(np.median(finite))
    jumps = high >= 30 * max(middle, 1e-12) and high > Clip.norm
    broken = len(finite) < len(norms) or not outcome(record).finite
    again = _multiplied(record)
    stretched = again is not None and again.gain > STRETCHED
    if not broken and not stretched and record.parameters and not goes_far(record):
        return  # no step was too long, as none came far
    came_to = outcome(record)
    if not broken and not stretched and high < 3 * finite[:3].max() and came_to.loss < DOWN * abs(came_to.begin):
        return  # they were large as the loss was, and fell with it
    if again is None and (begin >= LARGE or (jumps and not broken)):
        yield from rate.lower(record)  # jumps that a lower rate ends as well are its own
    if begin < LARGE and (broken or not jumps) and not (broken and stretched):
        return  # what begins small and ends in no number is thrown off by its steps: the rate is asked about next
    said = (
        f"The norm of all gradients is {begin:.3g} at first and {high:.3g} at most, with a median of {middle:.3g}"
        + (", before they are not finite." if broken else ".")
    )
    if again is not None:
        said += f" {again.name}, which is multiplied with over and over, stretches by up to {again.gain:.3g} each time."
    tried: list[list[Treatment]] = [[Clip()]]
    if stretched:
        tried += [[Contract(), Clip()], [FreshWeights()]]
    for treatments in tried:
        yield Suspicion(
            "exploding-gradients",
            said,
            "Slopes multiply through depth or time, and single steps throw the weights far away.",
            "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0) before optimizer.step(), and smaller first weights"
            + ("" if again is None else ": nn.init.orthogonal_ for those of the recurrence"),
            _begins_large(record) or record.lines.get("step") or record.lines.get("backward"),
            treatments,
            strictly=True,
        )


def _begins_large(record: ProgramRecord) -> Place | None:
    """The line that draws first weights which are far too large; None where none does."""
    large = any(suspicion.cause == "init-too-large" for suspicion in model.first_weights(record))
    return record.lines.get("init") if large else None


def _multiplied(record: ProgramRecord) -> ParameterRecord | None:
    """The square weight that a pass multiplies with again and again, as through time."""
    counts = Counter(op.weight for op in (record.start or record.loss).body if op.weight)
    often = [record.parameters[name] for name, n in counts.items() if n >= OFTEN and name in record.parameters]
    return max((p for p in often if p.gain), key=lambda p: p.gain, default=None)


STATED = (domain, no_rows)
CONDITIONS = (clipped, exploding)
