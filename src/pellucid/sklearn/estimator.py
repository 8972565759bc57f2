"""What a classifier and a regressor share: the arguments, the network, and its training."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from pellucid import nn
from pellucid.core import from_data
from pellucid.experiments.choices import ACTIVATIONS, OPTIMIZERS, make_optimizer, optimizer_settings
from pellucid.experiments.errors import unknown
from pellucid.experiments.network import forward
from pellucid.experiments.words import Words
from pellucid.random import Generator, fork_rng, manual_seed
from pellucid.sklearn.weighted import Finite, WeightedLearner, WeightedLoss
from pellucid.train import EarlyStopping, Progress, Recorder
from pellucid.utils.data import DataLoader, TensorDataset

# As on the command line, but that all arguments of an optimiser beside the rate and the decay are words.
_OPTIMIZERS = Words("optimizer", lambda: OPTIMIZERS.kinds, own=("params", "lr", "weight_decay"), option="optimizer")
FEW = 5  # rows, by whose loss nothing can be told


class Estimator(BaseEstimator):
    """The part of the interface that does not depend on what the targets are.

    A subclass names its losses, and turns targets into what the loss compares with: `_read_targets`.
    """

    LOSSES: dict[str, Callable[..., Any]] = {}  # noqa: RUF012 (each subclass has its own)

    hidden: Any
    activation: str
    dropout: float
    module: Any
    loss: Any
    optimizer: Any
    lr: float | None
    weight_decay: float | None
    batch_size: int
    epochs: int
    early_stopping: bool
    validation_fraction: float
    patience: int
    class_weight: Any  # of a classifier
    warm_start: bool
    random_state: Any
    verbose: bool

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Store the arguments of a constructor as they are, which is all that scikit-learn has one do."""
        for name in self._get_param_names():
            setattr(self, name, arguments[name])

    def _read_targets(self, y: Any, weights: np.ndarray, first: bool, classes: Any) -> tuple[np.ndarray, np.ndarray]:
        """Targets as the loss takes them, and the weights of the samples: of their classes, too."""
        raise NotImplementedError

    @property
    def _outputs(self) -> int:
        """The width of the network's last layer."""
        raise NotImplementedError

    # Training -------------------------------------------------------------------------------------------------------

    def _train(
        self, X: Any, y: Any, sample_weight: Any, *, anew: bool, epochs: int, classes: Any = None, **checks: Any
    ) -> Self:
        """Train for `epochs`, from new parameters or from those that are there."""
        self._check_arguments()
        X, y = validate_data(self, X, y, reset=anew, dtype=(np.float64, np.float32), **checks)
        weights = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        counted = weights > 0  # a sample that weighs nothing is as if it were not there
        if not counted.any():
            raise ValueError("All sample weights are zero: at least one sample must count.")
        X, y, weights = X[counted], y[counted], weights[counted]
        y, weights = self._read_targets(y, weights, anew, classes)
        if anew:
            self._rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))
            self.loss_curve_: list[float] = []
            self.validation_loss_curve_: list[float] = []
        held_out = None
        if self.early_stopping:
            *parts, _, _ = self._split(X, y, weights)
            X, held_out_X, y, held_out_y, weights, held_out_weights = parts
            held_out = (held_out_X, held_out_y, held_out_weights)
            if len(held_out_y) < FEW:
                who = "1 row held out decides" if len(held_out_y) == 1 else f"{len(held_out_y)} rows held out decide"
                warnings.warn(
                    f"{who}, of {len(held_out_y) + len(y)}, when {type(self).__name__} stops: that is "
                    "chance. Give more rows, a larger validation_fraction, or early_stopping=False.",
                    stacklevel=3,
                )
        seed = int(self._rng.integers(2**31 - 1))
        with _drawing_from(seed):
            if anew:
                self.module_ = self._network(X.shape[1]).to(from_data(X[:0]).dtype)
                self.optimizer_ = self._optimizer(self.module_)
            self._fit(self._loader((X, y, weights), seed), held_out, epochs)
        return self

    def _fit(self, loader: DataLoader, held_out: tuple[np.ndarray, ...] | None, epochs: int) -> None:
        recorder = Recorder(every=10**9)
        callbacks = [recorder, Finite(), *([Progress()] if self.verbose else [])]
        if held_out is not None:
            callbacks.append(EarlyStopping("val_loss", patience=self.patience, restore_best=True))
        learner = WeightedLearner(
            self.module_,
            (loader, None if held_out is None else self._loader(held_out)),
            WeightedLoss(self._loss()),
            self.optimizer_,
            callbacks=callbacks,
            defaults=(),
        )
        learner.fit(epochs)
        self.loss_curve_ += [row["train_loss"] for row in recorder.epochs]
        self.validation_loss_curve_ += [row["val_loss"] for row in recorder.epochs if "val_loss" in row]
        self.n_iter_ = len(self.loss_curve_)
        self.module_.eval()

    def _loader(self, arrays: tuple[np.ndarray, ...], seed: int | None = None) -> DataLoader:
        """Batches of (inputs, targets, weights), in an order drawn anew each epoch where there is a seed."""
        dataset = TensorDataset(*(from_data(np.ascontiguousarray(array)) for array in arrays))
        if seed is None:
            return DataLoader(dataset, batch_size=max(self.batch_size, 1000))
        # What asks for the loss again learns the curvature of the samples, and needs the same ones in each step.
        size = len(dataset) if self.optimizer_.needs_closure else self.batch_size
        return DataLoader(
            dataset, batch_size=size, shuffle=True, generator=Generator().manual_seed(seed)
        )  # fmt: skip

    def _split(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> list[Any]:
        """Parts to train on and to watch: X, y, weights of each, then what the classes are split by."""
        by = y if y.ndim == 1 else np.zeros(len(y))
        return train_test_split(
            X, y, weights, by,
            test_size=self.validation_fraction,
            stratify=by if y.ndim == 1 else None,
            random_state=int(self._rng.integers(2**31 - 1)),
        )  # fmt: skip

    # The parts ------------------------------------------------------------------------------------------------------

    def _network(self, features: int) -> nn.Module:
        """The network: (N, features) -> (N, outputs)."""
        if self.module is not None:
            network = self.module(features, self._outputs)
            if not isinstance(network, nn.Module):
                raise TypeError(
                    f"module({features}, {self._outputs}) gave {type(network).__name__}, where an nn.Module was "
                    "expected: module is called with the number of features and of outputs and returns the network."
                )
            return network
        layers: list[nn.Module] = []
        for width in self.hidden:
            layers += [nn.Linear(features, width), ACTIVATIONS[self.activation]()]
            if self.dropout:
                layers.append(nn.Dropout(self.dropout))
            features = width
        return nn.Sequential(*layers, nn.Linear(features, self._outputs))

    def _loss(self) -> Callable[..., Any]:
        """The loss of each sample."""
        if not isinstance(self.loss, str):
            return self.loss(reduction="none")
        if self.loss not in self.LOSSES:
            raise unknown("loss", self.loss, list(self.LOSSES), ", or a class such as nn.HuberLoss")
        return self.LOSSES[self.loss](reduction="none")

    def _optimizer(self, network: nn.Module) -> Any:
        given = {"lr": self.lr, "weight_decay": self.weight_decay}
        given = {name: value for name, value in given.items() if value is not None}
        if not isinstance(self.optimizer, str):
            return self.optimizer(network.parameters(), **given)
        name = self.optimizer.partition(":")[0]
        given = {"lr": optimizer_settings(name).get("lr"), **given}
        return make_optimizer(_OPTIMIZERS, self.optimizer, network, one_batch=True, **given)

    def _check_arguments(self) -> None:
        """ValueError for the first argument that makes no sense. The rest is refused by what it is given to."""
        if self.activation not in ACTIVATIONS:
            raise unknown("activation", str(self.activation), list(ACTIVATIONS))
        if isinstance(self.module, nn.Module):
            raise TypeError(
                "module is a network, and every fit needs a new one: give the class, or a function that is called with "
                "the number of features and of outputs and returns the network."
            )
        for name, kind, fits, wanted in (
            ("batch_size", Integral, lambda x: x >= 1, "a whole number of at least 1"),
            ("epochs", Integral, lambda x: x >= 1, "a whole number of at least 1"),
            ("patience", Integral, lambda x: x >= 0, "a whole number from 0"),
            ("dropout", Real, lambda x: 0 <= x < 1, "a number from 0 to below 1"),
            ("validation_fraction", Real, lambda x: 0 < x < 1, "a number between 0 and 1"),
            ("lr", Real, lambda x: 0 < x < math.inf, "a number above 0, or None for the optimiser's own"),
            ("weight_decay", Real, lambda x: 0 <= x < math.inf, "a number from 0, or None for the optimiser's own"),
        ):
            value = getattr(self, name)
            if value is None and wanted.endswith("own"):
                continue
            if isinstance(value, bool) or not isinstance(value, kind) or not fits(value):
                raise ValueError(f"{name} is {value!r}; it must be {wanted}.")
        if isinstance(self.hidden, str) or not hasattr(self.hidden, "__iter__"):
            raise ValueError(
                f"hidden is {self.hidden!r}; it must be the widths of the hidden layers, such as (64, 32)."
            )
        for width in self.hidden:
            if isinstance(width, bool) or not isinstance(width, Integral) or width < 1:
                raise ValueError(f"hidden is {self.hidden!r}; each width must be a whole number of at least 1.")

    # Afterwards -----------------------------------------------------------------------------------------------------

    def _begins_anew(self) -> bool:
        return not (self.warm_start and hasattr(self, "module_"))

    def _refuse_partial_fit(self) -> None:
        if self.early_stopping:
            raise ValueError("partial_fit has no part of the data to stop early by: set early_stopping=False.")

    def _forward(self, X: Any) -> np.ndarray:
        """The network's outputs, (N, outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=(np.float64, np.float32))
        dtype = next(self.module_.parameters()).detach().numpy().dtype
        return forward(self.module_, np.ascontiguousarray(X, dtype))


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """What is drawn within depends on the seed alone, and changes nothing for what comes after."""
    python = random.getstate()
    with fork_rng():
        manual_seed(seed)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
