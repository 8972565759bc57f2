"""What a model that has learned nothing gets, and whether a run got further."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

CERTAINTY = 2.0  # standard deviations of chance
LEAST_MOVE = (
    0.01  # part of the loss with the first weights, and points of R², by which a run has to be better than they
)
LEAST_GAIN = 0.03  # part of the loss of chance by which a loss has to be below it


def chance(data: Any, loss: str, balanced: bool = False) -> dict[str, float]:
    """What the classes' shares in the training part alone get on the validation part.

    `chance_accuracy` is that of always answering the most frequent class; `chance_loss` is the cross-entropy of always
    giving each class its share, where that is the loss. `chance_mae`, for a real target, is the mean absolute error of
    always answering the mean, whose R² is 0. `judged` is the number of answers, where that is not the number of
    samples: of a text the characters.

    Args:
        balanced: the loss counts each class the same. An answer that does not look at the input then has a balanced
            accuracy of 1/C, and the loss of equal shares, ln C; and the rare classes decide how much chance can do:
            `judged` is the number of samples that would leave as much to it if all classes were as frequent.
    """
    if data.task == "regression":
        error = np.abs(data.y_val).mean(dtype=np.float64)  # the targets are less the mean of those trained on
        return {"chance_mae": float(error * data.facts.get("target_std", 1.0))}
    train, val = (y[y >= 0].astype(np.int64) for y in (data.y_train, data.y_val))  # below 0: what does not count
    counts = np.bincount(train, minlength=len(data.class_names)) + 1.0
    found = {"chance_accuracy": float(np.mean(val == counts.argmax()))}
    if loss in ("cross-entropy", "bce"):
        found["chance_loss"] = float(-np.mean(np.log(counts / counts.sum())[val]))
    if data.task == "text":
        found["judged"] = len(val)
    if balanced:
        there = np.bincount(val)[np.unique(val)]
        found |= {
            "chance_balanced_accuracy": 1 / len(there),
            "chance_loss": math.log(len(counts)),
            "judged": round(len(there) ** 2 / float((1 / there).sum())),
        }
    return found


def unlearned(summary: Mapping[str, Any], samples: int) -> str:
    """Why the figures of a run are those of a model that has learned nothing; empty where it has learned something.

    An accuracy counts as above chance by two standard deviations of what chance gives over `samples`. Of rare classes
    much can be known before an answer changes: then the loss decides.
    """
    balanced = "balanced_" if "val_balanced_accuracy" in summary else ""
    accuracy, least = summary.get(f"val_{balanced}accuracy"), summary.get(f"chance_{balanced}accuracy")
    if isinstance(accuracy, float) and isinstance(least, float):
        judged = summary.get("judged", samples)
        share = (least * judged + 1) / (judged + 2)  # by so few samples that none or all are right, little is known
        spread = CERTAINTY * math.sqrt(share * (1 - share) / max(judged, 1))
        gained = summary.get("val_loss", math.inf) < (1 - LEAST_GAIN) * summary.get("chance_loss", -math.inf)
        if accuracy <= least + spread and accuracy < 1 and not gained:
            give = f"give or take {spread:.1%}"
            if balanced:
                return (
                    f"It did not learn: its balanced accuracy is {accuracy:.1%}, and an answer that does not look at "
                    f"the input gets {least:.1%}, {give}."
                )
            what = "sample" if judged == samples else "character"
            return (
                f"It did not learn: of {judged:,} validation {what}{'s' if judged != 1 else ''} {accuracy:.1%} are "
                f"right, and always answering the most frequent class gets {least:.1%}, {give}."
            )
    score = summary.get("val_r2")
    if isinstance(score, float) and score <= 0:
        return f"It did not learn: its R² is {score:.3g}, and always answering the mean gets 0."
    return _unmoved(summary, samples)


def _unmoved(summary: Mapping[str, Any], samples: int) -> str:
    """Why a run is no better than its first weights, which by luck may be better than chance."""
    first, last = summary.get("first_val_loss"), summary.get("val_loss")
    if not isinstance(first, float) or not isinstance(last, float) or first - last >= LEAST_MOVE * abs(first):
        return ""
    name = "accuracy" if "val_accuracy" in summary else "r2"
    was, now = summary.get(f"first_val_{name}"), summary.get(f"val_{name}")
    if not isinstance(was, float) or not isinstance(now, float):
        return ""
    judged = max(summary.get("judged", samples), 1)
    spread = CERTAINTY * math.sqrt(max(was * (1 - was), 0.0) / judged) if name == "accuracy" else LEAST_MOVE
    if now > was + spread:
        return ""
    what = (
        f"an accuracy of {now:.1%}, and had {was:.1%}"
        if name == "accuracy"
        else f"an R² of {now:.3g}, and had {was:.3g}"
    )
    return (
        f"It did not learn: on the validation part it has {what} before the first step; the loss was {first:.4g} and "
        f"is {last:.4g}."
    )
