"""Whether the probabilities of a classifier can be believed: how often it is right when it says that it is sure."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import array, same_length

BINS = 10


def calibration(target: Any, probability: Any, *, title: str | None = None, ax: Any = None, save: Any = None) -> Any:
    """How often a classifier is right, against the probability that it gives to what it answers.

    The answers are put into ten bins by their probability; each is a point, the larger the more answers it holds, and
    their number stands beside it. Of a calibrated classifier they lie on the dashed diagonal; below it, it is surer
    than it should be. The expected calibration error, Σ (n_b / n)·|accuracy_b − confidence_b|, is the mean distance
    from it.

    Shape: target (N,) class numbers, probability (N, C).

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: there are not as many of each.

    Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017.

        >>> figure = calibration([0, 0, 1], [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
        >>> figure.axes[0].get_xlabel()
        'probability of the answer'
    """
    confidence, accuracy, count = reliability(target, probability)
    with style.sheet(ax, save, "calibration", width=4.5, height=3.6) as sheet:
        ((axes,),) = sheet.grid(1, 1)
        axes.plot([0, 1], [0, 1], color=style.BLACK, linestyle="--", linewidth=1, label="calibrated")
        axes.scatter(
            confidence, accuracy, s=20 + 180 * count / max(count.max(initial=1), 1), color=style.BLUE, zorder=3
        )
        axes.plot(confidence, accuracy, color=style.BLUE, linewidth=1)
        for x, y, answers in zip(confidence, accuracy, count, strict=True):
            below = y > 0.5  # the number stands where the line does not go
            axes.annotate(
                f"{answers:,}", (x, y), xytext=(4, -9 if below else 9), textcoords="offset points", fontsize=9,
                ha="left", va="top" if below else "bottom", zorder=4,
            )  # fmt: skip
        axes.set(xlim=(0, 1.02), ylim=(-0.03, 1.03), xlabel="probability of the answer", ylabel="share that is right")
        axes.legend(loc="upper left")
        style.clean(axes)
        sheet.title(title)
    return sheet.figure


def reliability(target: Any, probability: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each bin that holds an answer: the mean probability of its answers, the share that is right, and how many.

    >>> [found.round(2).tolist() for found in reliability([0, 0, 1], [[0.95, 0.05], [0.62, 0.38], [0.68, 0.32]])]
    [[0.65, 0.95], [0.5, 1.0], [2, 1]]
    """
    true = array(target, "target").astype(np.int64).reshape(-1)
    shares = array(probability, "probability").astype(np.float64)
    same_length(target=true, probability=shares)
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == true
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    held = count > 0
    confidence, accuracy = (
        np.bincount(place, weights=values, minlength=BINS)[held] / count[held] for values in (sure, right)
    )
    return confidence, accuracy, count[held]


def calibration_error(target: Any, probability: Any) -> float:
    """The expected calibration error: 0 for a classifier that is right as often as it says.

    >>> round(calibration_error([0, 0, 1], [[0.95, 0.05], [0.62, 0.38], [0.68, 0.32]]), 3)
    0.117
    """
    confidence, accuracy, count = reliability(target, probability)
    return float((count * np.abs(accuracy - confidence)).sum() / count.sum())
