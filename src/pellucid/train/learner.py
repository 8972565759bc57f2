"""The Learner: a model, its data, a loss and an optimiser, trained, measured, and kept so that it can go on later."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import Tensor, from_data, no_grad
from pellucid.random import default_generator
from pellucid.train.callbacks.progress import Progress
from pellucid.train.callbacks.schedule import OneCycle
from pellucid.train.files.checkpoint import load_checkpoint, save_checkpoint
from pellucid.train.loop import Callback, Loop
from pellucid.train.probes.lr_find import LRFinder, lr_find
from pellucid.train.records.recorder import Recorder

Metrics = "dict[str, Callable[[], Any]] | Sequence[Any]"


class Learner(Loop):
    """A model, its data, a loss, an optimiser, and the loop that brings them together.

    Args:
        model: called with a batch of inputs; has `parameters()`, `modules()`, `train()`, `eval()`, `state_dict()`.
        data: the batches to train on, or a tuple of them and of those to validate on at the end of every epoch. Batches
            are an iterable of `(inputs, target)` with a length; its `generator`, where it has one, decides the order of
            the data and is part of the state.
        loss: `loss(output, target)`, the mean over the batch, a Tensor of no dimensions.
        optimizer: has `step()`, `zero_grad()`, `param_groups`, `state_dict()`.
        metrics: `{name: factory}`, or a sequence of metrics (classes or objects) that go by their `name`, or else that
            of their class; see `pellucid.train.metrics`.
        callbacks: what is called at each moment of the loop, see `Callback`.
        defaults: the callbacks that a Learner has unless one of their kind is among `callbacks`.

    >>> from pellucid import nn, optim, tensor
    >>> model = nn.Linear(1, 1)
    >>> batches = [(tensor([[1.0], [2.0]]), tensor([[3.0], [5.0]])), (tensor([[0.0]]), tensor([[1.0]]))]
    >>> learner = Learner(model, batches, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1))
    >>> learner.fit(200)
    >>> print(f"{model.weight.item():.2f} {model.bias.item():.2f}")
    2.00 1.00
    """

    defaults: Sequence[type[Callback]] = (Recorder, Progress)

    def __init__(
        self,
        model: Any,
        data: Any,
        loss: Callable[[Any, Any], Tensor],
        optimizer: Any,
        metrics: Any = None,
        callbacks: Sequence[Callback] = (),
        *,
        defaults: Sequence[type[Callback]] | None = None,
    ) -> None:
        for name, part, example in (
            ("model", model, "()"), ("loss", loss, "()"), ("optimizer", optimizer, "(model.parameters(), lr=0.01)"),
        ):  # fmt: skip
            if isinstance(part, type):
                raise TypeError(
                    f"The {name} is the class {part.__name__}, not an object: write {part.__name__}{example}."
                )
        if not hasattr(optimizer, "param_groups"):
            raise TypeError(
                f"The optimizer is a {type(optimizer).__name__}, which has no param_groups. The order is "
                "Learner(model, data, loss, optimizer)."
            )
        self.model, self.loss_function, self.optimizer = model, loss, optimizer
        self.loader, self.valid = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
        self.metrics = by_name(metrics)
        own = [
            kind()
            for kind in (self.defaults if defaults is None else defaults)
            if not any(isinstance(callback, kind) for callback in callbacks)
        ]
        super().__init__([*callbacks, *own])
        self._epoch_random: dict[str, Any] = {}

    @property
    def recorder(self) -> Recorder:
        """The `Recorder` among the callbacks: losses, metrics and learning rates so far, and their curves."""
        for callback in self.callbacks:
            if isinstance(callback, Recorder):
                return callback
        raise AttributeError("This Learner has no Recorder: add one, learner.add(Recorder()), before fit.")

    def fit_one_cycle(self, epochs: int, max_lr: float, **options: Any) -> None:
        """Train for `epochs` more epochs with the learning rate going up to `max_lr` and down to almost nothing.

        `options` are those of `pellucid.train.OneCycle`. Source: Smith and Topin, Super-Convergence, 2018.
        """
        with self.added(OneCycle(max_lr, **options)):
            self.fit(epochs)

    def lr_find(self, **options: Any) -> LRFinder:
        """Try learning rates from tiny to huge and say which are usable; see `pellucid.train.lr_find`.

        Leaves the learner as it was, to the bit. `learner.lr_find().plot()` shows the curve.
        """
        return lr_find(self, **options)

    @contextmanager
    def added(self, *callbacks: Callback) -> Iterator[None]:
        """The learner with these callbacks, for the length of a `with`."""
        self.add(*callbacks)
        try:
            yield
        finally:
            self.remove(*callbacks)

    # Looking ----------------------------------------------------------------------------------------------------

    def evaluate(self, batches: Iterable[Any] | None = None) -> dict[str, float]:
        """Loss and metrics over `batches` (the validation data if none are given); each sample counts once.

        In `eval` mode and without gradients; afterwards each layer is in the mode it was in.
        """
        batches = self.valid if batches is None else batches
        if batches is None:
            raise ValueError("evaluate has nothing to go through: give it batches, or the Learner (train, valid).")
        metrics = {name: make() for name, make in self.metrics.items()}
        total, samples = 0.0, 0
        kept = self.__dict__.get("inputs"), self.__dict__.get("target")
        with self.evaluating():
            for batch in batches:
                self.unpack(batch)
                output, target = self.model(self.inputs), self.target
                total, samples = total + self.loss_function(output, target).item() * len(target), samples + len(target)
                for metric in metrics.values():
                    metric.update(output, target)
        self.inputs, self.target = kept
        if not samples:
            raise ValueError("evaluate was given no samples: the batches are empty, or an iterator that is used up.")
        return {"loss": total / samples, **{name: metric.value() for name, metric in metrics.items()}}

    def evaluate_epoch(self) -> dict[str, float]:
        return self.evaluate(self.valid) if self.valid is not None else {}

    def predict(self, data: Any) -> Tensor:
        """The model's outputs in `eval` mode, without gradients: of an array of inputs, or of all of `data`'s batches.

        Shape: one row per sample, `(N, …)` as the model gives it.
        """
        with self.evaluating():
            if isinstance(data, Tensor | np.ndarray):
                return self.model(data if isinstance(data, Tensor) else from_data(data))
            # A batch of a loader has its target with it, which is not looked at.
            outputs = [self.model(b[0] if isinstance(b, tuple | list) else b) for b in data]
        if not outputs:
            raise ValueError("predict was given no batches.")
        whole = np.concatenate([output.detach().cpu().numpy() for output in outputs])
        return from_data(whole, device=outputs[0].device, copy=False)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """`eval` mode without gradients, between the callbacks' `before_evaluate` and `after_evaluate`."""
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        try:
            self._call("before_evaluate")
            try:
                with no_grad():
                    yield
            finally:
                self._call("after_evaluate")
        finally:
            for module, training in modes:
                module.training = training

    # The state --------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write `state_dict()` to a safetensors file, atomically: `load` and `fit(until=…)` go on from there."""
        save_checkpoint(Path(path), self.state_dict())

    def load(self, path: str | Path) -> None:
        """Take back what `save` wrote. Raises CheckpointError where the file is missing, torn or something else."""
        self.load_state_dict(load_checkpoint(Path(path)))

    def state_dict(self) -> dict[str, Any]:
        """All that decides how the run goes on: taken here and loaded elsewhere, it goes on bit for bit the same."""
        with self.restored():  # a callback that replaced something does so again
            optimizer = self.optimizer.state_dict()
        return {
            "model": self.model.state_dict(),
            "optimizer": optimizer,
            **{name: getattr(self, name) for name in _COUNTERS},
            "random": self.random_state(),
            "epoch_random": self._epoch_random,
            "callbacks": {name: callback.state_dict() for name, callback in self._named_callbacks()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave, between two steps or two epochs."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in _COUNTERS:
            setattr(self, name, state[name])
        self._epoch_random = state["epoch_random"]
        self.set_random_state(state["random"])
        for name, callback in self._named_callbacks():
            if name in state["callbacks"]:  # one that was added since begins anew
                callback.load_state_dict(state["callbacks"][name])

    def batches(self) -> Iterable[Any]:
        """The batches of an epoch, without those that a fit before this one has seen.

        The order is drawn when the iteration begins. So a resumed epoch goes back to the random state of its
        beginning, draws the same order, lets the batches that were seen pass by, and only then takes up the random
        state of the moment it was interrupted.
        """
        if self.batch == 0:
            self._epoch_random = self.random_state()
            yield from self.loader
            return
        now = self.random_state()
        self.set_random_state(self._epoch_random)
        batches = iter(self.loader)
        for _ in range(self.batch):
            next(batches)
        self.set_random_state(now)
        yield from batches

    def random_state(self) -> dict[str, Any]:
        return {name: generator.get_state() for name, generator in self._generators().items()}

    def set_random_state(self, state: dict[str, Any]) -> None:
        for name, generator in self._generators().items():
            generator.set_state(state[name])

    def _generators(self) -> dict[str, Any]:
        own = getattr(self.loader, "generator", None)
        return {"default": default_generator} | ({} if own is None else {"loader": own})

    def _named_callbacks(self) -> list[tuple[str, Callback]]:
        """Each callback by its class, with a number where there are several: two schedules do not share a state."""
        count: dict[str, int] = {}
        named: list[tuple[str, Callback]] = []
        for callback in self.callbacks:
            kind = type(callback).__name__
            count[kind] = count.get(kind, 0) + 1
            named.append((kind if count[kind] == 1 else f"{kind} {count[kind]}", callback))
        return named


_COUNTERS = ("first_epoch", "epoch", "step", "batch", "loss_sum", "samples")


def by_name(metrics: Any) -> dict[str, Callable[[], Any]]:
    """`{name: factory}` of metrics in any form that a Learner takes."""
    if metrics is None:
        return {}
    if isinstance(metrics, dict):
        return dict(metrics)
    result: dict[str, Callable[[], Any]] = {}
    for metric in metrics:
        kind = metric if isinstance(metric, type) else type(metric)
        if not (hasattr(kind, "update") and hasattr(kind, "value")):
            raise TypeError(
                f"{metric!r} is no metric: one has update(output, target) and value(), as pellucid.train.Accuracy."
            )
        name = getattr(metric, "name", "") or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()
        if name in result:
            raise ValueError(
                f"Two metrics are called {name!r}. Give names of your own: metrics={{{name + '_1'!r}: lambda: …, …}}."
            )
        result[name] = kind if isinstance(metric, type) else (lambda metric=metric: copy.deepcopy(metric))
    return result
