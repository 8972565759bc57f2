"""lr-too-high, lr-too-low, late-instability: the learning rate over decades."""

from __future__ import annotations

import itertools

import numpy as np

from pellucid.doctor.conditions import learning
from pellucid.doctor.conditions.case import Case, Found, at, error
from pellucid.doctor.probes.trials import Remedy, Trial
from pellucid.doctor.process import places, rates
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.report import Finding

LOWER = (0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)  # the last only while the loss still explodes


def find(case: Case) -> Found | None:
    """Down where the loss does not come down, up where the parameters hardly move; each decade in a fork."""
    was = case.was
    share = learning.share(case.frozen.level, was.level)
    off = learning.worsened(was, case.frozen)
    fell = share < learning.BARELY or case.ends_at_a_guess  # where too long a step leaves all units off, or at an end
    leaps = rises(case.frozen, was) > OFTEN
    down = not was.finite or fell or off is not None or (case.learns and (leaps or noisy(was)))
    down = down and not crawls(was) and not leaps_to_rest(case)
    for scale in LOWER if down else ():
        remedy = Remedy("lr-too-high", f"at {scale:g} times the rate", scale=scale)
        other = case.attempt(remedy, LEFT if leaps and case.learns else learning.WORTH)
        if other is not None:
            return Found(_finding(case, other, remedy, off), remedy, other)
        if arrives_too(was, case.tried) and not case.ends_at_a_guess:
            return None
        if scale <= 1e-4 and not learning.exploded(case.frozen, case.tried.level):
            break
    return _higher(case) if was.finite and off is None and share > -0.02 and not noisy(was) else None


def _higher(case: Case) -> Found | None:
    """The best of some decades, of which that alone is tried once more with other draws."""
    best: tuple[Remedy, Trial] | None = None
    for scale in (10.0, 100.0, 1000.0, 10_000.0):
        remedy = Remedy("lr-too-low", f"at {scale:g} times the rate", scale=scale)
        other = case.attempt(remedy, again=False)
        if best is None and arrives_too(case.was, case.tried):
            break
        if other is None or (best is not None and other.level >= best[1].level):
            if best is not None or (other is not None and not other.finite) or case.learns:
                break
            continue
        best = remedy, other
        if learning.share(case.frozen.level, other.level) > 0.8:
            break
    if (
        best is None
        or case.only_faster(best[1])
        or not is_low(case.was, best[0].scale, _total(case))
        or not case.again(*best)
    ):
        return None
    return Found(_finding(case, best[1], best[0], None), *best)


def blown_up(case: Case) -> Finding | None:
    """Where every update follows the slope and a parameter becomes infinite or NaN all the same: no rate that was tried
    was short enough, or there was no time to try. Steps along the slope that grow without end are too long."""
    lost = [name for name, values in case.was.values.items() if not np.isfinite(values).all()]
    if not lost and not case.was.finite:  # the loss, which goes with a power of them, overflows before they do
        lost = [name for name, values in case.was.values.items() if np.abs(values).max(initial=0.0) > OVERFLOWS]
    if not lost:
        return None
    finding = error(
        "lr-too-high",
        0.8,
        f"Every update follows the slope of {case.candidate.title}, and after {case.was.passes} passes {lost[0]} is "
        + ("beyond all bounds." if np.isfinite(case.was.values[lost[0]]).all() else "infinite or NaN."),
        "Each step goes beyond the valley, further than the one before.",
        "try rates that are lower by factors of 10 until the loss falls, and scale the inputs: a loss that is summed "
        "over rows of large numbers is too steep for a usual rate",
    )
    groups, source = case.session.found.groups, Assignments.of(case.sources)
    updates = [(u.file, u.line) for name in case.session.found.parameters for u in source.updates(groups[name])]
    at(finding, rates.rate(case.sources, updates))
    return finding


OVERFLOWS = 1e100  # a size that no parameter has which may still be called one


def arrives_too(was: Trial, other: Trial) -> bool:
    """Whether a training comes to rest, and at another rate at the same loss: the rate is not what stops it."""
    curve = was.curve()
    if not was.finite or not other.finite or len(curve) < 3:
        return False
    rests = max(curve[-3:]) - min(curve[-3:]) <= AT_REST * abs(was.level)
    return rests and abs(other.level - was.level) <= AS_FAR * abs(was.level)


AT_REST, AS_FAR = 1e-7, 1e-3  # of the loss: what the last bursts differ by, and two trainings that end at one


def leaps_to_rest(case: Case) -> bool:
    """Whether the parameters that a training ends with have hardly any loss, though it leaps on the way: samples of
    large inputs throw them far off, and those of small ones bring them back."""
    if not case.was.finite or case.session.left() < 3:
        return False
    held = case.run(case.fixed_at(case.was, case.so_far), case.burst, 1.5)
    return held.finite and held.level < RESTED * abs(case.frozen.level)


RESTED = 0.01  # of the loss at the beginning


def crawls(was: Trial) -> bool:
    return learning.travels(was, was.passes) < 1e-2


def noisy(was: Trial) -> bool:
    """Whether the loss goes up about as often as down."""
    curve = was.curve()
    rises = sum(b > a * 1.02 for a, b in itertools.pairwise(curve))
    return len(curve) > 4 and rises > 0.4 * len(curve)


def rises(frozen: Trial, was: Trial) -> float:
    """How often a pass ends higher than it began, where all passes see the same rows: along a slope it ends lower, but
    for steps that are too long. 0 where passes see other rows each time."""
    pairs = list(itertools.pairwise(zip(was.at, was.losses, strict=True)))
    steps = [(before, after) for (first, before), (then, after) in pairs if then == first + 1]
    if len(set(frozen.losses)) != 1 or len(frozen.losses) < 3 or len(steps) < FEWEST:
        return 0.0
    return sum(after > 1.02 * before for before, after in steps) / len(steps)


FEWEST = 20  # passes in a row that say something
OFTEN = 0.3  # of the passes
LEFT = 0.1  # of what could be gained, which leaps have to leave


def is_low(was: Trial, scale: float, total: int | None) -> bool:
    """Not where the program would get there by its own end, nor where too few passes are the cause."""
    if was.ended:
        return was.passes > 60 or scale >= 100
    return learning.travels(was, total or 100 * was.passes) < 0.2 and scale >= 10


def _total(case: Case) -> int | None:
    loop = case.session.program.loops.loops[case.session.number]
    frame = case.session.frame
    return places.passes(case.sources, loop.file, loop.line, {**frame.f_globals, **frame.f_locals})


def _finding(case: Case, other: Trial, remedy: Remedy, off: int | None) -> Finding:
    groups = case.session.found.groups
    source = Assignments.of(case.sources)
    updates = [(u.file, u.line) for name in case.session.found.parameters for u in source.updates(groups[name])]
    place = rates.rate(case.sources, updates)
    high = remedy.scale < 1
    new = f"{place.value * remedy.scale:.3g}" if place is not None and place.value is not None else ""
    late = high and off is not None and off > 2 * case.was.burst
    finding = case.confirmed(
        remedy, other,
        (f"The learning rate is {place.text}." if place is not None and place.text else "")
        + (f" The training comes off the road at pass {off}." if late else ""),
        "Each step goes beyond the valley: the loss grows or jumps." if high else
        "The steps are so short that the parameters hardly leave their place.",
        f"try a learning rate of {new}" if new else
        f"{'divide' if high else 'multiply'} the learning rate by {1 / remedy.scale if high else remedy.scale:g}",
        cause="late-instability" if late else "",
    )  # fmt: skip
    loops = case.session.program.loops.loops
    loop = loops[case.session.number]
    while loop.outer is not None:
        loop = loops[loop.outer]
    grown = rates.growing(case.sources, loop.file, loop.line, loop.last_line) if high else None
    at(finding, grown or place)
    if grown is not None:
        finding.fix = f"let the learning rate fall from pass to pass, or stay as it is: here it grows; or {finding.fix}"
    elif place is not None and place.text and new:
        old = case.session.program.loops.line(place.file, place.line)
        finding.patch = {
            "old": old,
            "new": old.replace(place.text, new, 1),
        }
    return finding
