"""The recorders for a training loop of one's own: they hang on the model and the optimiser; the loop stays as it is."""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pellucid.core import Tensor
from pellucid.core.context import EngineWatcher, state
from pellucid.train.records.hooks import Where
from pellucid.train.records.recorder import Recorder, Row
from pellucid.train.records.statistics import ActivationStats, GradientStats


def watch(model: Any, optimizer: Any, every: int = 50, bins: int = 64, where: Where = None) -> Watcher:
    """Record a training whose loop is not a Learner's: losses, learning rates, activations, gradients, updates.

    A step is one `optimizer.step()`, with all forwards and backwards since the one before. Nothing in the loop changes;
    the loss is noticed when `backward` is called on it (several in a step: their mean). Until `close()`, or the end of
    a `with` block, the hooks stay on the model and the optimiser.

    Args:
        model: has `named_modules()` and `named_parameters()`; its layers take forward hooks.
        optimizer: has `param_groups`, `register_step_pre_hook` and `register_step_post_hook`.
        every: steps from one record of `ActivationStats` and `GradientStats` to the next; losses and learning rates
            are recorded at each step.
        bins, where: as in `ActivationStats`.

    Raises TypeError for an object without these methods, ValueError as `ActivationStats` does.

    >>> from pellucid import nn, ones, optim
    >>> model = nn.Linear(2, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> with watch(model, optimizer, every=2) as watcher:
    ...     for step in range(4):
    ...         optimizer.zero_grad()
    ...         (model(ones(3, 2)) ** 2).mean().backward()
    ...         optimizer.step()
    >>> [row["step"] for row in watcher.rows]
    [1, 2, 3, 4]
    >>> watcher.record()["gradients"]["weight"]["step"]
    array([1, 2, 4])
    """
    return Watcher(model, optimizer, every, bins, where)


class Watcher:
    """What `watch` returns: it calls the callbacks `recorder`, `activations` and `gradients` as a Learner would.

    `log` takes a loss that was not noticed, and results of a validation. `rows`, `record()`, `plot()` and `report()`
    give what was recorded so far, also after `close()`; so do the methods of the three callbacks, as
    `watcher.gradients.to_pandas()`.
    """

    def __init__(self, model: Any, optimizer: Any, every: int, bins: int, where: Where) -> None:
        _check(model, "model", "named_modules", "named_parameters")
        _check(optimizer, "optimizer", "param_groups", "register_step_pre_hook", "register_step_post_hook")
        self.model, self.optimizer = model, optimizer
        self.recorder = Recorder()
        self.activations = ActivationStats(every, bins, where)
        self.gradients = GradientStats(every, bins)
        # What the callbacks ask of a Learner.
        self.epoch = self.step = 0
        self.loss: float | None = None
        self.loss_value = math.nan
        self.evaluation: dict[str, float] = {}
        self._sum, self._steps = 0.0, 0  # of the losses since the last validation
        self._losses: list[float] = []  # of the backwards since the last step
        self._given: float | None = None  # the loss that `log` was told
        self._noticed = False  # whether the last step's loss came from a backward
        self._in_closure = False
        self._call("before_fit")
        self._handles = [
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
        ]
        # Only the optimiser holds the watcher: where both are forgotten without `close`, the listener goes too.
        own = weakref.WeakMethod(self._backward)

        listener, watchers = _BackwardWatcher(own), state.watchers
        watchers.append(listener)
        self._unlisten = weakref.finalize(self, _remove, watchers, listener)
        self._call("before_batch")

    # What was recorded -------------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[Row]:
        """Losses, learning rates and times, a row per step and per validation, as in `Recorder`."""
        return self.recorder.rows

    def record(self) -> dict[str, Any]:
        """`{"rows": [...], "activations": ActivationStats.record(), "gradients": GradientStats.record()}`."""
        return {"rows": self.rows, "activations": self.activations.record(), "gradients": self.gradients.record()}

    def log(self, loss: Any = None, **validation: Any) -> None:
        """Tell what was not noticed.

        Args:
            loss: the loss of the step (a number, or a tensor of one element), in place of the one that was noticed.
                Between `backward()` and `optimizer.step()` it is that of the step to come, after it that of the step
                just made. Where gradients come about without a `backward` of pellucid, call it before the step.
            validation: results of a validation, `val_loss=0.4, val_accuracy=0.9`: a row of kind "epoch", with the mean
                loss of the steps since the last such row.

        Raises TypeError where there is nothing to log.
        """
        if loss is None and not validation:
            raise TypeError("log was given nothing: write log(loss=0.5), or log(val_loss=0.4, val_accuracy=0.9).")
        if loss is not None:
            if self._losses or not self._noticed:
                self._given = _number(loss)
            else:
                self._sum, self.loss_value = self._sum + _number(loss) - self.loss_value, _number(loss)
                self.recorder.amend(self.loss_value)
        if validation:
            self.epoch += 1
            self.evaluation = {name.removeprefix("val_"): _number(value) for name, value in validation.items()}
            self.recorder.after_epoch(self)  # type: ignore[arg-type]
            self._sum, self._steps = 0.0, 0

    @property
    def train_loss(self) -> float:
        """Mean of the steps' losses since the last validation that was logged."""
        return self._sum / self._steps if self._steps else math.nan

    def plot(self, show: str = "curves", ax: Any = None, save: Any = None) -> Any:
        """A matplotlib figure of what was recorded so far: of the "curves", the "activations" or the "gradients".

        Raises ValueError for another word.
        """
        callbacks = {"curves": self.recorder, "activations": self.activations, "gradients": self.gradients}
        if show not in callbacks:
            raise ValueError(f"plot was asked to show {show!r}: write one of {', '.join(map(repr, callbacks))}.")
        return callbacks[show].plot(ax=ax, save=save)

    def report(self, path: str | Path, **parts: Any) -> Path:
        """Write all of it as one HTML page that needs no network; `parts` as in `viz.report`, `title="…"` for one."""
        from pellucid.viz.report import report

        record = self.record()
        own = {
            "title": "A watched training",
            "recorder": record["rows"],
            "activations": record["activations"],
            "gradients": record["gradients"],
            "model": self.model,
        }
        return report(path, **{**own, **parts})

    # The loop, seen from outside ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Take all hooks off the model and the optimiser; what was recorded stays. A second time does nothing."""
        if not self._handles:
            return
        while self._handles:
            self._handles.pop().remove()
        self._unlisten()
        self._call("after_fit")

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def state_dict(self) -> dict[str, Any]:
        """What was recorded, for the checkpoint of a loop of one's own; between two steps."""
        callbacks = {name: getattr(self, name).state_dict() for name in ("recorder", "activations", "gradients")}
        return {**{name: getattr(self, name) for name in _COUNTERS}, **callbacks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._call("after_fit")
        for name in _COUNTERS:
            setattr(self, name, state[name])
        for name in ("recorder", "activations", "gradients"):
            getattr(self, name).load_state_dict(state[name])
        self._call("before_fit")
        self._call("before_batch")

    def _backward(self, roots: list[Any]) -> None:
        if not self._in_closure:
            self._losses += [float(root.item()) for root in roots if root.numel() == 1]

    def _before_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            self._call("after_backward")
            return None

        def watched() -> Any:  # the gradients come about inside of the step; its first call is at the step's beginning
            value = closure()
            if not self._in_closure:
                self._in_closure = True
                self._call("after_backward")
            return value

        return (optimizer, watched, *args[2:]), {name: value for name, value in kwargs.items() if name != "closure"}

    def _after_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._call("after_step")
        self._noticed = bool(self._losses)
        self.loss = self._given
        if self.loss is None and self._losses:
            self.loss = sum(self._losses) / len(self._losses)
        self.loss_value = math.nan if self.loss is None else self.loss
        if self.loss is not None:
            self._sum, self._steps = self._sum + self.loss, self._steps + 1
        self.step += 1
        self._losses, self._given, self._in_closure = [], None, False
        self._call("after_batch")
        self._call("before_batch")

    def _call(self, hook: str) -> None:
        for callback in (self.recorder, self.activations, self.gradients):
            getattr(callback, hook)(self)


_COUNTERS = ("epoch", "step", "_sum", "_steps")


def _number(value: Any) -> float:
    return float(value.item() if hasattr(value, "item") else value)


def _check(thing: Any, name: str, *needed: str) -> None:
    missing = [attribute for attribute in needed if not hasattr(thing, attribute)]
    if missing:
        raise TypeError(
            f"watch(model, optimizer) was given a {type(thing).__name__} as {name}, which has no {missing[0]}."
        )


class _BackwardWatcher(EngineWatcher):
    """Hands each `backward` of its thread on to the watcher that made it, as long as there is one."""

    def __init__(self, own: weakref.WeakMethod[Any]) -> None:
        self._own = own

    def before_backward(self, roots: Sequence[Tensor]) -> None:
        backward = self._own()
        if backward is not None:
            backward(roots)


def _remove(watchers: list[Any], listener: Any) -> None:
    if listener in watchers:
        watchers.remove(listener)
