"""What a model that has learned nothing gets, and whether a run got further."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

CERTAINTY = 2.0  # standard deviations of chance
LEAST_GAIN = 0.03  # part of the loss of chance by which a loss has to be below it


def chance(data: Any, loss: str) -> dict[str, float]:
    """What the classes' shares in the training part alone get on the validation part.

    `chance_accuracy` is that of always answering the most frequent class; `chance_loss` is the cross-entropy of always
    giving each class its share, where that is the loss. Nothing for a real target: R² is 0 for whoever always answers
    the mean.
    """
    if data.task == "regression":
        return {}
    train, val = (y[y >= 0].astype(np.int64) for y in (data.y_train, data.y_val))  # below 0: what does not count
    counts = np.bincount(train, minlength=len(data.class_names)) + 1.0
    found = {"chance_accuracy": float(np.mean(val == counts.argmax()))}
    if loss in ("cross-entropy", "bce"):
        found["chance_loss"] = float(-np.mean(np.log(counts / counts.sum())[val]))
    return found


def unlearned(summary: Mapping[str, Any], samples: int) -> str:
    """Why the figures of a run are those of a model that has learned nothing; empty where it has learned something.

    An accuracy counts as above chance by two standard deviations of what chance gives over `samples`. Of rare classes
    much can be known before an answer changes: then the loss decides.
    """
    accuracy, least = summary.get("val_accuracy"), summary.get("chance_accuracy")
    if isinstance(accuracy, float) and isinstance(least, float):
        spread = CERTAINTY * math.sqrt(least * (1 - least) / max(samples, 1))
        gained = summary.get("val_loss", math.inf) < (1 - LEAST_GAIN) * summary.get("chance_loss", -math.inf)
        if accuracy <= least + spread and accuracy < 1 and not gained:
            return (
                f"It did not learn: of {samples:,} validation samples {accuracy:.1%} are right, and always answering "
                f"the most frequent class gets {least:.1%}, give or take {spread:.1%}."
            )
    score = summary.get("val_r2")
    if isinstance(score, float) and score <= 0:
        return f"It did not learn: its R² is {score:.3g}, and always answering the mean gets 0."
    return ""
