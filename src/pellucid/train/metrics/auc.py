"""The area under the ROC curve: how well scores order the samples, whatever the threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.train.metrics.metric import Metric, as_scores


class AUC(Metric):
    """Area under the receiver operating characteristic: how often a sample of the class scores above one of another.

    Formula: P(score of a random positive > score of a random negative) + ½ P(they are equal), which is the area under
    the curve of true against false positives (Mann and Whitney's U / (positives · negatives)).

    With a single output, or two, it is that of class 1. With more it is the mean over the classes, each against all the
    rest (macro, one versus rest), over those for which it is defined: which have samples both in and out of the class.
    NaN where none is, as when all samples are of one class.

    Args:
        probabilities: whether the outputs are probabilities, and not logits. With more than two classes it makes a
            difference: logits are compared between samples by the probability that softmax gives them.

    Shape: output (N, C) and target (N,), or a single output, as in `Accuracy`. Keeps all scores until `reset`: N·C
    numbers. NaN where a score is NaN. References: scikit-learn's `roc_auc_score`, torchmetrics' `AUROC`.

    >>> auc = AUC()
    >>> auc.update(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    >>> auc.value()
    0.75
    """

    name = "auc"

    def __init__(self, probabilities: bool = False) -> None:
        self.probabilities = probabilities
        super().__init__()

    def reset(self) -> None:
        self.scores: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []

    def update(self, output: Any, target: Any) -> None:
        scores, true = as_scores(self, output, target)
        self.scores.append(np.array(scores, np.float64))  # a copy: the batch's memory may be used again
        self.targets.append(true)

    def value(self) -> float:
        self._need(sum(len(target) for target in self.targets))
        scores, true = np.concatenate(self.scores), np.concatenate(self.targets)
        if np.isnan(scores).any():
            return float("nan")
        if scores.ndim == 2 and not self.probabilities:
            scores = _log_odds(scores)
        if scores.ndim == 2 and scores.shape[1] == 2:
            scores = scores[:, 1]
        if scores.ndim == 1:
            return _area(scores, true == 1)
        areas = np.array([_area(column, true == place) for place, column in enumerate(scores.T)])
        defined = areas[~np.isnan(areas)]
        return float(defined.mean()) if len(defined) else float("nan")


def _log_odds(logits: np.ndarray) -> np.ndarray:
    """log(p / (1 − p)) of the probability p that softmax gives each class: (M, C) -> (M, C).

    It orders the samples as the probability does, but where p rounds to 0 or 1 it still tells them apart. It is
    z[c] − log Σ exp(z[other classes]).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shifted = logits - logits.max(1, keepdims=True)
        powers = np.exp(shifted)
        top = np.arange(len(logits)), logits.argmax(1)
        others = powers.sum(1, keepdims=True) - powers  # at least 1, but for the class on top: without it
        powers[top] = 0
        others[top] = powers.sum(1)
        return shifted - np.log(others)


def _area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Mann and Whitney's statistic, with the mean rank for equal scores; NaN without positives or negatives."""
    positives = int(positive.sum())
    pairs = positives * (len(positive) - positives)
    if not pairs:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(counts) - (counts - 1) / 2  # of ranks 1, 2, ...
    return float((mean_ranks[place][positive].sum() - positives * (positives + 1) / 2) / pairs)
