"""Reading the curve of a learning rate finder: is there anything to be read, and which rates does it suggest?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

# Of all points of a curve: the standard deviation of the Gaussian that smooths it.
WIDTH = 0.03
# What the loss must fall by to count: this part of what it begins with, and this many times what chance would give.
LEAST_FALL, CERTAINTY = 0.01, 4.0


@dataclass(frozen=True)
class Reading:
    """What a curve says: the smoothed losses, the suggested rates, whether it is usable, and what is to be said."""

    smoothed: np.ndarray
    suggestions: dict[str, float | None]
    usable: bool
    reason: str


NAMES = ("steepest", "valley", "minimum/10")


def read(lrs: np.ndarray, losses: np.ndarray, diverged: bool) -> Reading:
    """Smooth the curve and say what it suggests.

    Args:
        lrs: the rates, rising by a constant factor.
        losses: the loss of the batch at each, finite numbers.
        diverged: whether the training was stopped because the loss grew without bound.
    """
    nothing: dict[str, float | None] = dict.fromkeys(NAMES)
    if len(losses) < 5:
        reason = (
            f"the loss was no number {'from the first step on' if len(losses) == 0 else f'after {len(losses)} steps'}, "
            "at a learning rate too small to be the cause: look at the data and at the model's first outputs"
        )
        return Reading(losses.copy(), nothing, False, reason)
    smoothed, level, noise = _smooth(losses)
    lowest = int(smoothed.argmin())
    fall, rise = level - smoothed[lowest], smoothed[lowest:].max() - level
    least = max(LEAST_FALL * abs(level), CERTAINTY * noise)
    if fall < least:
        return Reading(smoothed, nothing, False, _why_not(lrs, smoothed, level, diverged or rise > least, least))
    begin, end = _longest_fall(smoothed, level - least / 2)
    slope = np.gradient(smoothed, np.log(lrs))
    suggestions = {
        "steepest": float(lrs[slope[: lowest + 1].argmin()]),
        "valley": float(lrs[begin + round((end - begin) * 2 / 3)]),
        "minimum/10": float(lrs[lowest] / 10),
    }
    at_the_end = not diverged and lowest >= len(lrs) - 1 - 2 * round(WIDTH * len(lrs))
    reason = "the loss still falls at the largest rate: a larger `end` would show more" if at_the_end else ""
    return Reading(smoothed, suggestions, True, reason)


def _smooth(losses: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The curve without its noise, the level it begins at, and the standard deviation that is left of the noise.

    A Gaussian average over neighbours on both sides: unlike a running average it moves nothing to larger rates. Before
    it, whatever towers above its surroundings is taken down: single batches, and the last steps of a divergence.
    """
    width = max(WIDTH * len(losses), 1.0)
    level = float(np.median(losses[: max(len(losses) // 10, 5)]))
    calm = _medians(losses, 2 * round(width) + 1)
    capped = np.minimum(losses, level + 2 * (level - calm.min()) + 1e-12)
    reach = math.ceil(3 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    smoothed = np.convolve(capped, kernel)[reach:-reach] / np.convolve(np.ones(len(losses)), kernel)[reach:-reach]
    spread = 1.4826 * float(np.median(np.abs(capped - smoothed)))
    return smoothed, level, spread / math.sqrt(2 * width * math.sqrt(math.pi))


def _medians(values: np.ndarray, count: int) -> np.ndarray:
    padded = np.pad(values, count // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, count), axis=1)


def _longest_fall(smoothed: np.ndarray, top: float) -> tuple[int, int]:
    """Where the longest run of ever lower values begins and ends; it may pass over values in between.

    Only what lies below `top` counts, or the flat part before the fall, where noise makes runs of its own, would.
    """
    below = np.flatnonzero(smoothed[: int(smoothed.argmin()) + 1] <= top)
    values = smoothed[below]
    length, before = np.ones(len(values), int), np.full(len(values), -1)
    for i in range(1, len(values)):
        lower = np.flatnonzero(values[:i] > values[i])
        if len(lower):
            best = lower[length[lower].argmax()]
            length[i], before[i] = length[best] + 1, best
    end = begin = int(length.argmax())
    while before[begin] >= 0:
        begin = int(before[begin])
    return int(below[begin]), int(below[end])


def _why_not(lrs: Any, smoothed: np.ndarray, level: float, rises: bool, least: float) -> str:
    if rises:
        above = np.flatnonzero(smoothed > level + least)
        where = f" (from a learning rate of about {lrs[above[0]]:.1g})" if len(above) else ""
        return (
            f"the loss never falls, it only rises{where}: either the model is as good already as these steps could make "
            "it, or the sign of the loss or the data are wrong, or even the smallest rate tried is too large"
        )
    return (
        f"the loss is flat: it stays about {level:.3g} from a learning rate of {lrs[0]:.1g} to {lrs[-1]:.1g}, within its "
        "noise. Does the optimiser have the model's parameters, do gradients reach them, do the targets depend on the "
        "inputs? Else try larger batches, more steps or a larger `end`"
    )
