"""Stop when it gets no better."""

from __future__ import annotations

from typing import Any

from pellucid.core import no_grad
from pellucid.train.callbacks.monitor import better_mode, improves, monitored
from pellucid.train.loop import Callback, Loop


class EarlyStopping(Callback):
    """Ends the fit after `patience` epochs in a row in which the figure did not improve.

    Args:
        monitor: `val_loss`, `val_<metric>` or `train_loss`.
        patience: how many epochs without an improvement are waited for; 0 stops at the first.
        min_delta: what counts as an improvement: more than this, in the units of the figure.
        mode: "min" or "max"; None tells it by the name.
        restore_best: whether the model gets back the parameters and buffers that were the best, when the fit is
            complete or stopped by this. (A fit that was interrupted keeps its own, to be gone on with.) They are those
            that were evaluated: with `EMA`, the averaged ones. They are kept in memory.

    Afterwards `best` and `best_epoch` tell which it was, and `stopped_epoch` after which epoch the fit was ended (None
    where it was not). A new `fit(epochs)` waits anew. A figure that is NaN is no improvement.

    Source: Prechelt, Early Stopping — But When?, 1998.

    >>> EarlyStopping("val_accuracy", patience=3).mode
    'max'
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = False,
    ) -> None:
        if patience < 0 or min_delta < 0:
            raise ValueError(f"EarlyStopping: patience ({patience}) and min_delta ({min_delta}) are 0 or more.")
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self.mode, self.restore_best = better_mode(monitor, mode), restore_best
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self.waited = 0
        self._kept: int | None = None
        self._weights: dict[str, Any] | None = None
        self._evaluated: dict[str, Any] | None = None

    @property
    def kept_epoch(self) -> int | None:
        """After a fit, the epoch whose parameters the model got back; None where it has its last ones."""
        return self._kept

    @property
    def verdict(self) -> str:
        """What came out, in words."""
        if self.best is None:
            return f"{self.monitor} has not been measured yet."
        best = f"{self.monitor} was best after epoch {self.best_epoch}: {self.best:.4g}"
        best += "" if self._kept is None else ", and the model has the weights of then"
        return best + ("." if self.stopped_epoch is None else f". Stopped after epoch {self.stopped_epoch}.")

    def before_fit(self, learner: Loop) -> None:
        monitored(learner, self.monitor)  # to fail now, and not after an epoch
        if learner.epoch == learner.first_epoch and learner.batch == 0:
            self._forget()
        learner.at_end(lambda: self._restore(learner))
        if self.stopped_epoch is not None:  # the run that is resumed was at its end
            learner.stop()

    def after_evaluate(self, learner: Loop) -> None:
        if self.restore_best and self.monitor != "train_loss":
            self._evaluated = _weights(learner)  # before EMA, whose `order` is larger, takes the average out again

    def after_epoch(self, learner: Loop) -> None:
        evaluated, self._evaluated = self._evaluated, None
        value = monitored(learner, self.monitor)
        if value is None:
            return
        if improves(value, self.best, self.mode, self.min_delta):
            self.best, self.best_epoch, self.waited = value, learner.epoch, 0
            if self.restore_best:
                self._weights = evaluated or _weights(learner)
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped_epoch = learner.epoch
            learner.stop()

    def _restore(self, learner: Loop) -> None:
        if self._weights is not None and (self.stopped_epoch is not None or learner.epoch >= learner.epochs):
            learner.model.load_state_dict(self._weights)
            self._kept = self.best_epoch

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in _STATE:
            setattr(self, name, state[name])


def _weights(learner: Loop) -> dict[str, Any]:
    with no_grad():
        return {name: tensor.clone() for name, tensor in learner.model.state_dict().items()}


_STATE = ("best", "best_epoch", "stopped_epoch", "waited", "_weights")
