"""A network that predicts numbers, as scikit-learn's regressors do."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin

from pellucid import nn
from pellucid.sklearn.estimator import Estimator


class Regressor(MultiOutputMixin, RegressorMixin, Estimator):
    """A network that predicts one or several numbers, with scikit-learn's interface.

    Inputs should be of the size of 1: put a `StandardScaler` before it. Targets may be of any size: the network learns
    them standardised, by the mean and deviation of the first data that it is given, and predictions are in the units
    of `y`. It computes in float64, or in float32 if `X` is float32 (which is faster).

    Args:
        hidden: widths of the hidden layers; () is linear regression.
        activation: relu, sigmoid, tanh, gelu, silu, leaky-relu or elu.
        dropout: the part of each hidden layer that is dropped while training.
        module: makes the network in place of the three above: `module(n_features, n_outputs)` returns an `nn.Module`
            from (N, n_features) to (N, n_outputs). A class, or a function (at the top of a module if it is pickled).
        loss: "mse", "l1", "huber" or "smooth-l1", of standardised targets; or a class of losses that takes
            `reduction="none"`.
        optimizer: a name, with arguments where wanted ("adam", "sgd:momentum=0.9"), or a class of `optim`.
        lr: learning rate; None is the optimiser's own (0.1 for SGD).
        weight_decay: None is the optimiser's own.
        batch_size: samples per step; with "lbfgs", all of them, and an epoch is one iteration.
        epochs: passes over the data; at most as many with `early_stopping`.
        early_stopping: keep a part of the data out of training; stop when its loss has not become less for `patience`
            epochs, and take the parameters of the best.
        validation_fraction: how large a part.
        patience: how many epochs are waited for.
        warm_start: whether `fit` goes on with the parameters that are there.
        random_state: decides initial parameters, order, dropout and the part that is kept out.
        verbose: show a progress bar in a terminal.

    Attributes:
        target_mean_, target_std_: what targets are standardised by, (outputs,).
        module_, optimizer_: the network, in `eval` mode, and its optimiser.
        loss_curve_: the training loss of each epoch; `validation_loss_curve_` that of the part kept out.
        n_iter_: how many epochs were trained.
        n_features_in_, feature_names_in_: as in scikit-learn.

    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(200, 5, noise=1.0, random_state=0)
    >>> model = Regressor(hidden=(32,), lr=0.01, epochs=60, random_state=0).fit(X, y)
    >>> bool(model.score(X, y) > 0.95), model.predict(X[:3]).shape
    (True, (3,))
    """

    LOSSES = {"mse": nn.MSELoss, "l1": nn.L1Loss, "huber": nn.HuberLoss, "smooth-l1": nn.SmoothL1Loss}  # noqa: RUF012

    def __init__(
        self,
        hidden: Any = (64, 32),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        module: Any = None,
        loss: Any = "mse",
        optimizer: Any = "adam",
        lr: float | None = None,
        weight_decay: float | None = None,
        batch_size: int = 64,
        epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self._keep(locals())

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on `X` (N, features) and `y`, (N,) or (N, outputs), each sample counting by its weight (N,)."""
        return self._train(X, y, sample_weight, anew=self._begins_anew(), epochs=self.epochs, **_CHECKS)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on a part of the data. Targets are standardised by those of the first call."""
        self._refuse_partial_fit()
        anew = not hasattr(self, "module_")
        return self._train(X, y, sample_weight, anew=anew, epochs=1, **_CHECKS)

    def predict(self, X: Any) -> np.ndarray:
        """The prediction for each row, in the units of `y`: (N,), or (N, outputs) if it was so."""
        outputs = self._forward(X)  # (N, outputs)
        predicted = outputs * self.target_std_ + self.target_mean_
        return predicted[:, 0] if self._flat else predicted

    def _read_targets(self, y: Any, weights: np.ndarray, first: bool, classes: Any) -> tuple[np.ndarray, np.ndarray]:
        flat = np.ndim(y) == 1
        y = np.asarray(y, np.float64).reshape(len(y), -1)  # (N,) -> (N, 1)
        if first:
            self._flat = flat
            self.target_mean_ = np.average(y, axis=0, weights=weights)
            deviation = np.sqrt(np.average((y - self.target_mean_) ** 2, axis=0, weights=weights))
            # What does not vary, or by rounding alone, is only shifted.
            tiny = 10 * np.finfo(float).eps * np.abs(self.target_mean_)
            self.target_std_ = np.where(deviation > tiny, deviation, 1.0)
        elif y.shape[1] != self._outputs:
            raise ValueError(f"y has {y.shape[1]} outputs, and the network was made for {self._outputs}.")
        return ((y - self.target_mean_) / self.target_std_).astype(weights.dtype), weights

    @property
    def _outputs(self) -> int:
        return len(self.target_mean_)


_CHECKS = {"multi_output": True, "y_numeric": True}
