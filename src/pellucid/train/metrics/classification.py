"""Metrics of classes: all but one of them are read off the table of how often which class was taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.train.metrics.metric import Metric, as_classes, as_scores


class Accuracy(Metric):
    """Share of samples whose predicted class is the true one.

    The prediction is the class with the largest output; with a single output per sample it is class 1 where the output
    exceeds `threshold` (0 for a logit, 0.5 for a probability).

    Shape: output (N, C) and target (N,) with class numbers; or a single output, (N,) or (N, 1), and 0 or 1. Further
    dimensions, (N, C, ...) and (N, ...), as in cross entropy, hold further decisions.

    Raises ValueError for other shapes, for a target out of range, and for the value of no samples.

    >>> accuracy = Accuracy()
    >>> accuracy.update(np.array([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]]), np.array([0, 1, 1]))
    >>> round(accuracy.value(), 4)
    0.6667
    """

    name = "accuracy"

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold = threshold
        super().__init__()

    def reset(self) -> None:
        self.correct = self.samples = 0

    def update(self, output: Any, target: Any) -> None:
        predicted, true, _ = as_classes(self, output, target, self.threshold)
        self.correct += int((predicted == true).sum())
        self.samples += len(true)

    def value(self) -> float:
        self._need(self.samples)
        return self.correct / self.samples


class TopK(Metric):
    """Share of samples whose true class is among the `k` with the largest outputs. `TopK(1)` is the accuracy.

    Of equal outputs the class with the smaller number comes first.

    Shape: output (N, C) and target (N,), C > k; or (N, C, ...) and (N, ...).

    >>> top = TopK(2)
    >>> top.update(np.array([[0.1, 0.3, 0.6], [0.1, 0.3, 0.6]]), np.array([1, 0]))
    >>> top.value()
    0.5
    """

    def __init__(self, k: int = 5) -> None:
        if k < 1:
            raise ValueError(f"TopK counts the k largest outputs, so k must be at least 1, but it is {k}.")
        self.k = k
        self.name = f"top{k}"
        super().__init__()

    def reset(self) -> None:
        self.correct = self.samples = 0

    def update(self, output: Any, target: Any) -> None:
        scores, true = as_scores(self, output, target)
        if scores.ndim == 1 or scores.shape[1] < self.k:
            classes = 2 if scores.ndim == 1 else scores.shape[1]
            raise ValueError(f"TopK({self.k}) needs a score for each of at least {self.k} classes, but got {classes}.")
        own = np.take_along_axis(scores, true[:, None], 1)  # (M, 1)
        before = np.arange(scores.shape[1]) < true[:, None]  # (M, C)
        rank = ((scores > own) | ((scores == own) & before)).sum(1)
        # A NaN compares as smaller than everything, but is a hit for no one.
        self.correct += int(((rank < self.k) & ~np.isnan(own[:, 0])).sum())
        self.samples += len(true)

    def value(self) -> float:
        self._need(self.samples)
        return self.correct / self.samples


class ConfusionMatrix(Metric):
    """How often each class was taken for which: `value()[i, j]` samples of class i were predicted to be of class j.

    Args:
        normalize: None for counts (int64); "true" divides each row by its sum, "pred" each column, "all" everything
            by the number of samples (float64). A row or column without samples stays 0.
        threshold: of a single output, what it must exceed for class 1.

    Shape: output (N, C) and target (N,), or a single output, as in `Accuracy`; the value is (C, C).

    >>> matrix = ConfusionMatrix()
    >>> matrix.update(np.array([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]]), np.array([0, 1, 1]))
    >>> matrix.value()
    array([[1, 0],
           [1, 1]])
    """

    name = "confusion_matrix"

    def __init__(self, normalize: str | None = None, threshold: float = 0.0) -> None:
        if normalize not in (None, "true", "pred", "all"):
            raise ValueError(f"ConfusionMatrix: normalize is None, 'true', 'pred' or 'all', but it is {normalize!r}.")
        self.normalize, self.threshold = normalize, threshold
        super().__init__()

    def reset(self) -> None:
        self.counts = np.zeros((0, 0), np.int64)

    def update(self, output: Any, target: Any) -> None:
        self.counts = _counted(self, self.counts, output, target, self.threshold)

    def value(self) -> np.ndarray:
        self._need(int(self.counts.sum()))
        if self.normalize is None:
            return self.counts.copy()
        axis = {"true": 1, "pred": 0, "all": None}[self.normalize]
        return self.counts / np.maximum(self.counts.sum(axis=axis, keepdims=True), 1)

    def plot(self, class_names: Any = None, ax: Any = None, save: Any = None) -> Any:
        """Draw it; see `pellucid.viz.confusion_matrix`."""
        from pellucid import viz

        return viz.confusion_matrix(self.value(), class_names, ax=ax, save=save)


class BalancedAccuracy(Metric):
    """Mean over the classes of the share of their samples that were recognised (the recall): no class counts more.

    Formula: 1/C Σᵢ (samples of class i predicted as i) / (samples of class i), over the classes that occur.

    On data of which 99 % are of one class, always predicting that class has an accuracy of 0.99 and a balanced accuracy
    of 1/C. Shape and errors: as `Accuracy`. Reference: scikit-learn's `balanced_accuracy_score`.

    >>> balanced = BalancedAccuracy()
    >>> balanced.update(np.array([-1.0, -1.0, -1.0, -1.0]), np.array([0, 0, 0, 1]))
    >>> balanced.value()
    0.5
    """

    name = "balanced_accuracy"

    def __init__(self, threshold: float = 0.0) -> None:
        self.threshold = threshold
        super().__init__()

    def reset(self) -> None:
        self.counts = np.zeros((0, 0), np.int64)

    def update(self, output: Any, target: Any) -> None:
        self.counts = _counted(self, self.counts, output, target, self.threshold)

    def value(self) -> float:
        self._need(int(self.counts.sum()))
        actual = self.counts.sum(1)
        return float((self.counts.diagonal()[actual > 0] / actual[actual > 0]).mean())


class F1(Metric):
    """Harmonic mean of precision and recall: 2·TP / (2·TP + FP + FN).

    Args:
        average: "binary": the F1 of class 1 of two; "macro": the mean over the classes that occur in target or
            prediction; "weighted": their mean weighted by their numbers of samples; "micro": of the counts summed over
            all classes, which is the accuracy.
        threshold: of a single output, what it must exceed for class 1.

    0 where there is neither a sample nor a prediction of the class asked for, as in scikit-learn. Shape and errors: as
    `Accuracy`.

    >>> f1 = F1("binary")
    >>> f1.update(np.array([1.0, 1.0, 1.0, -1.0]), np.array([1, 1, 0, 1]))
    >>> round(f1.value(), 4)
    0.6667
    """

    name = "f1"

    def __init__(self, average: str = "macro", threshold: float = 0.0) -> None:
        if average not in ("binary", "macro", "micro", "weighted"):
            raise ValueError(f"F1: average is 'binary', 'macro', 'micro' or 'weighted', but it is {average!r}.")
        self.average, self.threshold = average, threshold
        super().__init__()

    def reset(self) -> None:
        self.counts = np.zeros((0, 0), np.int64)

    def update(self, output: Any, target: Any) -> None:
        self.counts = _counted(self, self.counts, output, target, self.threshold)
        if self.average == "binary" and len(self.counts) != 2:
            raise ValueError(
                f"F1('binary') is of two classes, but the output has {len(self.counts)}. Write F1('macro')."
            )

    def value(self) -> float:
        self._need(int(self.counts.sum()))
        hits, actual, predicted = self.counts.diagonal(), self.counts.sum(1), self.counts.sum(0)
        if self.average == "micro":
            return float(hits.sum() / actual.sum())
        f1 = 2 * hits / np.maximum(actual + predicted, 1)
        if self.average == "binary":
            return float(f1[1])
        if self.average == "weighted":
            return float((f1 * actual).sum() / actual.sum())
        return float(f1[actual + predicted > 0].mean())


def _counted(metric: Metric, counts: np.ndarray, output: Any, target: Any, threshold: float) -> np.ndarray:
    """The table of true against predicted classes, with one more batch in it."""
    predicted, true, classes = as_classes(metric, output, target, threshold)
    if len(counts) not in (0, classes):
        raise ValueError(
            f"{type(metric).__name__} has seen outputs for {len(counts)} classes, and now one for {classes}: call "
            "reset() before it measures another model."
        )
    more = np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    return more if len(counts) == 0 else counts + more
