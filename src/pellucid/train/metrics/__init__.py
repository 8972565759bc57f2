"""Metrics: quantities collected over batches of any size and computed once, at the end, over all samples.

A mean of the batches' own values would weigh a sample of the last, smaller batch more than the others, and for most
metrics (F1, AUC, R²) it would not be the metric at all. So each keeps counts, sums or the numbers themselves, and
`value()` is the same however the samples were cut into batches.
"""

from pellucid.train.metrics.auc import AUC
from pellucid.train.metrics.classification import F1, Accuracy, BalancedAccuracy, ConfusionMatrix, TopK
from pellucid.train.metrics.metric import Metric
from pellucid.train.metrics.regression import R2, MeanAbsoluteError

__all__ = [
    "Metric",
    "Accuracy",
    "BalancedAccuracy",
    "TopK",
    "F1",
    "AUC",
    "ConfusionMatrix",
    "MeanAbsoluteError",
    "R2",
]
