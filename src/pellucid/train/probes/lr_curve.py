"""Reading the curve of a learning rate finder: is there anything to be read, and which rates does it suggest?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

# Of all points of a curve: the standard deviation of the Gaussian that smooths it.
WIDTH = 0.03
# What the loss must fall by to count: this part of what it begins with, and this many times what chance would give.
# The second is measured: of 400 curves of noise alone, 3 in 100 seem to fall by more (8 in 100 at 4 times).
LEAST_FALL, CERTAINTY = 0.01, 5.0
# Before the losses leap, where some place among all is low by chance.
CERTAINTY_BEFORE = 8.0


@dataclass(frozen=True)
class Reading:
    """What a curve says: the smoothed losses, the suggested rates, whether it is usable, and what is to be said; of one
    that is not, whether it rises."""

    smoothed: np.ndarray
    suggestions: dict[str, float | None]
    usable: bool
    reason: str
    rises: bool = False


ABOUT = 0.8  # slopes of this part of the steepest count as steep
# A rate is tried for one step here and used for hundreds: at the lowest point, and close before it, it has already
# begun to do harm that shows only later. Far before it, a loss that fell fast did so because it was still large.
SAFE = (10.0, 4.0)

NAMES = ("steepest", "valley")


def read(lrs: np.ndarray, losses: np.ndarray, diverged: bool) -> Reading:
    """Smooth the curve and say what it suggests.

    Args:
        lrs: the rates, rising by a constant factor.
        losses: the loss of the batch at each, finite numbers.
        diverged: whether the training was stopped because the loss grew without bound.
    """
    nothing: dict[str, float | None] = dict.fromkeys(NAMES)
    if len(losses) < 5:
        when = (
            f"after {len(losses)} steps, at a learning rate of {_rounded(lrs[-1])}"
            if len(losses)
            else "in the first step"
        )
        reason = (
            f"the loss was not finite {when}. Look at the data and at what the model first gives for them; if they are "
            "sound, even the smallest rate is too large: try a smaller `start`"
        )
        return Reading(losses.copy(), nothing, False, reason)
    smoothed, level = _smooth(losses)
    lowest = int(smoothed.argmin())
    fall, rise = level - smoothed[lowest], smoothed[lowest:].max() - level
    least = max(LEAST_FALL * abs(level), _certainty(len(losses)) * _uncertainty(losses - smoothed, lowest))
    risen = _first_rise(smoothed, level, least)
    if risen is not None:  # behind it, nothing is a rate to train with, how low the loss may fall there again
        lowest = int(smoothed[:risen].argmin())
        fall = level - smoothed[lowest]
        least = max(LEAST_FALL * abs(level), _certainty(len(losses)) * _uncertainty(losses - smoothed, lowest))
    if not fall > least and (earlier := _certain_fall(losses, smoothed, level)) is not None:
        # The lowest point is where the losses leap; what was found before they did so holds.
        lowest, least = earlier
        risen, fall = lowest + 1, level - smoothed[lowest]
    if not fall > least:
        rises = diverged or rise > least
        return Reading(smoothed, nothing, False, _why_not(lrs, smoothed, level, rises, least), rises)
    # From a tenth to nineteen twentieths of it: the flat parts before and after have slopes too, made by the noise.
    # The level is taken from all that comes before the middle of the fall: the first few losses alone may be unlucky.
    before = smoothed[:risen]
    middle, _ = _last_fall(before, (level + smoothed[lowest]) / 2, level)
    top = min(level, float(np.median(smoothed[: middle + 1])))
    begin, end = _last_fall(before, top - (top - smoothed[lowest]) / 10, smoothed[lowest] + fall / 20)
    slope = np.gradient(smoothed, np.log(lrs))
    # Slopes that are all but the steepest cannot be told from it in the noise: the largest rate among them counts.
    steepest = slope[begin : lowest + 1].min()  # in noise it may rise all the way, by this least
    steep = begin + np.flatnonzero(slope[begin : lowest + 1] <= max(ABOUT * steepest, steepest))[-1]
    suggestions: dict[str, float | None] = {
        "steepest": float(np.clip(lrs[steep], lrs[lowest] / SAFE[0], lrs[lowest] / SAFE[1])),
        "valley": float(lrs[begin + round((end - begin) * 2 / 3)]),
    }
    at_the_end = not diverged and lowest >= len(lrs) - 1 - 2 * round(WIDTH * len(lrs))
    reason = "the loss still falls at the largest rate: a larger `end` would show more" if at_the_end else ""
    return Reading(smoothed, suggestions, True, reason)


def _first_rise(smoothed: np.ndarray, level: float, least: float) -> int | None:
    """Where the loss, once it has fallen, has risen again by half of that; None where it never has.

    A rise counts only beyond `least`, as a fall does.
    """
    lowest = np.minimum.accumulate(smoothed)
    fallen = level - lowest
    risen = np.flatnonzero((fallen > least) & (smoothed - lowest > np.maximum(fallen / 2, least)))
    return int(risen[0]) if len(risen) else None


def _certain_fall(losses: np.ndarray, smoothed: np.ndarray, level: float) -> tuple[int, float] | None:
    """The lowest point that is below the level by most of what is certain there, and what is; None where none is."""
    best: tuple[float, int, float] | None = None
    for place in np.flatnonzero(smoothed == np.minimum.accumulate(smoothed)):
        least = max(LEAST_FALL * abs(level), CERTAINTY_BEFORE * _uncertainty(losses - smoothed, int(place)))
        beyond = level - smoothed[place] - least
        if beyond > 0 and (best is None or beyond > best[0]):
            best = float(beyond), int(place), least
    return None if best is None else best[1:]


def _smooth(losses: np.ndarray) -> tuple[np.ndarray, float]:
    """The curve without its noise, and the level it begins at.

    A Gaussian average over neighbours on both sides: unlike a running average it moves nothing to larger rates. Before
    it, whatever towers above its surroundings is taken down: single batches, and the last steps of a divergence.
    """
    width = max(WIDTH * len(losses), 1.0)
    level = float(np.median(losses[: max(len(losses) // 10, 5)]))
    calm = _medians(losses, 2 * round(width) + 1)
    capped = np.minimum(losses, level + max(2 * (level - calm.min()), abs(level) / 4, 1e-12))
    reach = math.ceil(3 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    weights = np.convolve(np.ones(len(losses)), kernel)[reach:-reach]
    return np.convolve(capped, kernel)[reach:-reach] / weights, level


def _uncertainty(residuals: np.ndarray, lowest: int) -> float:
    """The standard deviation that is left in the smoothed curve, by how far the losses are from it.

    Before the lowest point a single unlucky batch does not matter. Right beside it every batch does: with small ones
    the losses leap the more the larger the rate, and the lowest point may be made of such leaps.
    """
    count, sizes = len(residuals), np.abs(residuals)
    before = sizes[: max(lowest, count // 3)]
    before = np.minimum(before, 6 * np.median(before))
    beside = sizes[max(lowest - count // 10, 0) : lowest + 1]
    deviation = max(before.mean(), beside.mean()) * math.sqrt(math.pi / 2)  # as if they were normally distributed
    averaged = 2 * max(WIDTH * count, 1.0) * math.sqrt(math.pi)  # losses that go into each point
    return float(deviation) / math.sqrt(averaged)


def _certainty(count: int) -> float:
    """How many deviations a fall must have: fewer in a short curve, where fewer places may be low by chance."""
    return CERTAINTY if WIDTH * count > 1 else 0.8 * CERTAINTY


def _medians(values: np.ndarray, count: int) -> np.ndarray:
    padded = np.pad(values, count // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, count), axis=1)


def _last_fall(smoothed: np.ndarray, top: float, bottom: float) -> tuple[int, int]:
    """Where the fall to the lowest point begins, and where it is done: the last point above `top`, the first below."""
    above = np.flatnonzero(smoothed[: int(smoothed.argmin())] > top)
    begin = int(above[-1]) if len(above) else 0
    return begin, begin + int((smoothed[begin:] < bottom).argmax())


def _rounded(rate: float) -> str:
    """To one digit, and 10 rather than 1e+01."""
    return f"{float(f'{rate:.1g}'):g}"


def _why_not(lrs: Any, smoothed: np.ndarray, level: float, rises: bool, least: float) -> str:
    if rises:
        below = np.flatnonzero(smoothed <= level + least)
        known = len(below) > 0 and below[-1] < len(lrs) - 1
        where = f" (at a learning rate of about {_rounded(lrs[below[-1]])})" if known else ""
        return (
            f"the loss rises{where} and has not fallen by more than its noise before. The model may be as good already "
            "as so few steps can make it, the batches too small to tell, or even the smallest rate too large; or the "
            "loss has the wrong sign"
        )
    return (
        f"the loss is flat: from a learning rate of {_rounded(lrs[0])} to {_rounded(lrs[-1])} it stays about "
        f"{level:.3g}, within its noise. Does the optimiser have the model's parameters, do gradients reach them, do "
        "the targets depend on the inputs? Else try larger batches, more steps or a larger `end`"
    )
