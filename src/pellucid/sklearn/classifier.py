"""A network that classifies, as scikit-learn's classifiers do."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

from pellucid import nn
from pellucid.sklearn.estimator import Estimator


class Classifier(ClassifierMixin, Estimator):
    """A network that tells classes apart, with scikit-learn's interface.

    Inputs should be of the size of 1: put a `StandardScaler` before it. It computes in float64, or in float32 if `X` is
    float32 (which is faster).

    Args:
        hidden: widths of the hidden layers; () is logistic regression.
        activation: relu, sigmoid, tanh, gelu, silu, leaky-relu or elu.
        dropout: the part of each hidden layer that is dropped while training.
        module: makes the network in place of the three above: `module(n_features, n_classes)` returns an `nn.Module`
            from (N, n_features) to (N, n_classes). A class, or a function (at the top of a module if it is pickled).
        loss: "cross-entropy", or a class of losses that takes `reduction="none"`, such as
            `functools.partial(nn.CrossEntropyLoss, label_smoothing=0.1)`.
        optimizer: a name, with arguments where wanted ("adam", "sgd:momentum=0.9"), or a class of `optim`.
        lr: learning rate; None is the optimiser's own (0.1 for SGD).
        weight_decay: None is the optimiser's own.
        batch_size: samples per step; with "lbfgs", all of them, and an epoch is one iteration.
        epochs: passes over the data; at most as many with `early_stopping`.
        early_stopping: keep a part of the data, of each class alike, out of training; stop when its loss has not
            become less for `patience` epochs, and take the parameters of the best.
        validation_fraction: how large a part.
        patience: how many epochs are waited for.
        class_weight: what a sample counts by its class: `{class: weight}`, or "balanced" for the inverse of how often
            a class occurs.
        warm_start: whether `fit` goes on with the parameters that are there.
        random_state: decides initial parameters, order, dropout and the part that is kept out.
        verbose: show a progress bar in a terminal.

    Attributes:
        classes_: the labels, sorted.
        module_, optimizer_: the network, in `eval` mode, and its optimiser.
        loss_curve_: the training loss of each epoch; `validation_loss_curve_` that of the part kept out.
        n_iter_: how many epochs were trained.
        n_features_in_, feature_names_in_: as in scikit-learn.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), Classifier(hidden=(32,), lr=0.01, epochs=30, random_state=0))
    >>> bool(cross_val_score(model, X, y, cv=3).mean() > 0.9)
    True
    >>> _ = model.fit(X, y)
    >>> model.predict_proba(X[:2]).shape, model[-1].n_iter_
    ((2, 3), 30)
    """

    LOSSES = {"cross-entropy": nn.CrossEntropyLoss}  # noqa: RUF012

    def __init__(
        self,
        hidden: Any = (64, 32),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        module: Any = None,
        loss: Any = "cross-entropy",
        optimizer: Any = "adam",
        lr: float | None = None,
        weight_decay: float | None = None,
        batch_size: int = 64,
        epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        class_weight: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self._keep(locals())

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on `X` (N, features) and the labels `y` (N,), each sample counting by its weight (N,)."""
        return self._train(X, y, sample_weight, anew=self._begins_anew(), epochs=self.epochs)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on a part of the data. The first call names all classes, unless `y` has them all."""
        self._refuse_partial_fit()
        if self.class_weight == "balanced":
            raise ValueError(
                "How often each class occurs is not known from a part of the data: give class_weight as a dict, or "
                "sample_weight to partial_fit."
            )
        anew = not hasattr(self, "module_")
        return self._train(X, y, sample_weight, anew=anew, epochs=1, classes=classes)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, (N,)."""
        outputs = self._forward(X)  # (N, classes)
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, (N, classes): the softmax of the network's outputs."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of each probability, (N, classes)."""
        outputs = self._forward(X)
        outputs -= outputs.max(axis=1, keepdims=True)
        return outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))

    def _read_targets(self, y: Any, weights: np.ndarray, first: bool, classes: Any) -> tuple[np.ndarray, np.ndarray]:
        check_classification_targets(y)
        if type_of_target(y).startswith("multilabel") or type_of_target(y).endswith("multioutput"):
            raise ValueError(f"y has shape {np.shape(y)}: a class for each sample was expected, (N,).")
        y = column_or_1d(y, warn=True)
        if first:
            self.classes_ = unique_labels(y if classes is None else classes)
        elif classes is not None and not np.array_equal(unique_labels(classes), self.classes_):
            raise ValueError(f"classes are {list(classes)!r}, and the first call had {self.classes_.tolist()!r}.")
        new = np.setdiff1d(y, self.classes_)
        if len(new):
            raise ValueError(
                f"y has labels that the network has no output for, {new.tolist()!r}: it knows "
                f"{self.classes_.tolist()!r}. Name all of them in the first call, partial_fit(X, y, classes=…), or fit "
                "without warm_start."
            )
        if self.class_weight is not None:
            here = unique_labels(y)
            by_class = compute_class_weight(self.class_weight, classes=here, y=y, sample_weight=weights)
            weights = (weights * by_class[np.searchsorted(here, y)]).astype(weights.dtype)
        return np.searchsorted(self.classes_, y).astype(np.int64), weights

    @property
    def _outputs(self) -> int:
        return len(self.classes_)
