"""The training loop: predict, loss, backward, step, zero_grad; and what must be kept to go on with it later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pellucid.core import Tensor, default_generator, no_grad
from pellucid.train.callback import Callback

Metric = Callable[[Any, Any], "tuple[float, int]"]


class Learner:
    """A model, its data, a loss, an optimiser, and the loop that brings them together.

    Args:
        model: called with a batch of inputs; has `parameters()`, `train()`, `eval()`, `state_dict()`.
        loader: an iterable of `(inputs, target)` batches, with a length; its `generator`, where it has one, decides
            the order of the data and is part of the state.
        loss: `loss(output, target)`, the mean over the batch, a Tensor of no dimensions.
        optimizer: has `step()`, `zero_grad()`, `state_dict()`.
        valid: the batches that `evaluate` goes through at the end of every epoch, or None.
        metrics: `{name: Metric()}`, see `pellucid.train.metrics`.
        callbacks: what is called at each moment of the loop, see `Callback`.

    The counters are part of the state: `epoch` (whole epochs done), `step` (steps done in all), `batch` (batches done
    in this epoch).
    """

    def __init__(
        self,
        model: Any,
        loader: Any,
        loss: Callable[[Any, Any], Tensor],
        optimizer: Any,
        valid: Iterable[tuple[Any, Any]] | None = None,
        metrics: dict[str, Callable[[], Any]] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.model, self.loader, self.loss_function, self.optimizer = model, loader, loss, optimizer
        self.valid, self.metrics = valid, metrics or {}
        self.callbacks: list[Callback] = []
        self.add(*callbacks)
        self.epoch = self.step = self.batch = 0
        self.loss_sum, self.samples = 0.0, 0  # of this epoch
        self.stopping = False
        self.evaluation: dict[str, float] = {}
        self._epoch_random: dict[str, Any] = {}
        self._resumed = False

    def add(self, *callbacks: Callback) -> None:
        """Hang callbacks on the loop; where several share a moment, the one with the smaller `order` comes first."""
        self.callbacks = sorted([*self.callbacks, *callbacks], key=lambda callback: callback.order)

    # The loop ---------------------------------------------------------------------------------------------------

    def fit(self, epochs: int) -> None:
        """Train until `epochs` epochs are complete in all, or until a callback calls `stop`."""
        self.epochs, self.stopping = epochs, False
        self._call("before_fit")
        try:
            while self.epoch < epochs and not self.stopping:
                self.fit_epoch()
        finally:
            self._call("after_fit")

    def fit_epoch(self) -> None:
        """One epoch, or the rest of it where it was interrupted."""
        self.model.train()
        if self.batch == 0:
            self.loss_sum, self.samples = 0.0, 0
        self._call("before_epoch")
        for batch in self._batches():
            self.inputs, self.target = batch
            self.fit_batch()
            if self.stopping and self.batch < len(self.loader):
                return
        self.evaluation = self.evaluate(self.valid) if self.valid is not None else {}
        self.epoch, self.batch = self.epoch + 1, 0
        self._call("after_epoch")

    def fit_batch(self) -> None:
        """The five verbs, with a moment for the callbacks after each."""
        self._call("before_batch")
        self.predict()
        self._call("after_predict")
        self.get_loss()
        self._call("after_loss")
        self.backward()
        self._call("after_backward")
        self.optimizer.step()
        self._call("after_step")
        self.optimizer.zero_grad()
        self.count()
        self._call("after_batch")

    def predict(self) -> None:
        self.output = self.model(self.inputs)

    def get_loss(self) -> None:
        self.loss = self.loss_function(self.output, self.target)
        self.loss_value = self.loss.item()

    def backward(self) -> None:
        self.loss.backward()

    def count(self) -> None:
        size = len(self.target)
        self.loss_sum, self.samples = self.loss_sum + self.loss_value * size, self.samples + size
        self.step, self.batch = self.step + 1, self.batch + 1

    def stop(self) -> None:
        """End `fit` after the step that is under way."""
        self.stopping = True

    @property
    def train_loss(self) -> float:
        """Mean loss over the samples of this epoch so far, each as it was when the model saw it."""
        return self.loss_sum / self.samples if self.samples else float("nan")

    def evaluate(self, batches: Iterable[tuple[Any, Any]]) -> dict[str, float]:
        """Loss and metrics over `batches`, in `eval` mode, without gradients; each sample counts once."""
        metrics = {name: make() for name, make in self.metrics.items()}
        total, samples = 0.0, 0
        self.model.eval()
        with no_grad():
            for inputs, target in batches:
                output = self.model(inputs)
                total, samples = total + self.loss_function(output, target).item() * len(target), samples + len(target)
                for metric in metrics.values():
                    metric.update(output, target)
        self.model.train()
        return {"loss": total / samples, **{name: metric.value() for name, metric in metrics.items()}}

    def _call(self, hook: str) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(self)

    # The state --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All that decides how the run goes on: taken here and loaded elsewhere, it goes on bit for bit the same."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "batch": self.batch,
            "loss_sum": self.loss_sum,
            "samples": self.samples,
            "random": self.random_state(),
            "epoch_random": self._epoch_random,
            "callbacks": {type(callback).__name__: callback.state_dict() for callback in self.callbacks},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave, between two steps or two epochs."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("epoch", "step", "batch", "loss_sum", "samples"):
            setattr(self, name, state[name])
        self._epoch_random = state["epoch_random"]
        self.set_random_state(state["random"])
        self._resumed = self.batch > 0
        for callback in self.callbacks:
            callback.load_state_dict(state["callbacks"].get(type(callback).__name__, {}))

    def _batches(self) -> Iterable[tuple[Any, Any]]:
        """The batches of an epoch, without those that a run before this one has seen.

        The order is drawn when the iteration begins. So a resumed epoch goes back to the random state of its
        beginning, draws the same order, lets the batches that were seen pass by, and only then takes up the random
        state of the moment it was interrupted.
        """
        if not self._resumed:
            self._epoch_random = self.random_state()
            yield from self.loader
            return
        self._resumed = False
        now = self.random_state()
        self.set_random_state(self._epoch_random)
        batches = iter(self.loader)
        for _ in range(self.batch):
            next(batches)
        self.set_random_state(now)
        yield from batches

    def _generators(self) -> dict[str, Any]:
        own = getattr(self.loader, "generator", None)
        return {"default": default_generator} | ({} if own is None else {"loader": own})

    def random_state(self) -> dict[str, Any]:
        return {name: generator.get_state() for name, generator in self._generators().items()}

    def set_random_state(self, state: dict[str, Any]) -> None:
        for name, generator in self._generators().items():
            generator.set_state(state[name])
