"""The Learner: a model, its data, a loss and an optimiser, trained, measured, and kept so that it can go on later."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.core import Tensor, from_data, no_grad
from pellucid.train.batches import batches_of, not_ignored
from pellucid.train.callbacks.progress import Progress
from pellucid.train.callbacks.schedule import OneCycle
from pellucid.train.lasting import Lasting
from pellucid.train.loop import Callback, SkipEpoch, needs_closure
from pellucid.train.probes.lr_find import LRFinder, lr_find
from pellucid.train.ranks import Ranks, ranks_of
from pellucid.train.records.recorder import Recorder, scalars
from pellucid.train.schedule import cosine, linear

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
Metrics = "dict[str, Callable[[], Any]] | Sequence[Any]"


class Learner(Lasting):
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
        compile: whether a step is compiled, see `pellucid.compile`: the whole of it, or up to the gradients where a
            callback looks at them before the update. Steps in which something watches the layers (`ActivationStats`
            in every fiftieth) run as they are. Where a callback changes the output or the loss (one that does
            not say `observes`), or a verb is overridden, steps run as they are; so does what cannot be compiled, with
            a warning.

    Started as several processes (`pellucid launch -n 4 train.py`), each computes its rows of every batch, and the run
    is that of a single process with the same batches, to rounding (but for batch normalisation, which sees the rows of
    its process, and dropout, whose numbers differ). Callbacks that only look at the run are called at rank 0 alone,
    but for the `Recorder`; `save` writes there.

    >>> from pellucid import nn, optim, tensor
    >>> model = nn.Linear(1, 1)
    >>> batches = [(tensor([[1.0], [2.0]]), tensor([[3.0], [5.0]])), (tensor([[0.0]]), tensor([[1.0]]))]
    >>> learner = Learner(model, batches, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1))
    >>> learner.fit(200)
    >>> print(f"{model.weight.item():.2f} {model.bias.item():.2f}")
    2.00 1.00
    """

    defaults: Sequence[type[Callback]] = (Recorder, Progress)
    _rows = 0  # of the whole batch then

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
        compile: bool = False,
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
        self.compile = compile
        self._steps: dict[bool, Callable[..., tuple[Tensor, Tensor]]] = {}  # compiled, with the update and without
        self._made: Tensor | None = None  # the loss of a compiled step that is under way
        self._updated = False  # whether it has made the update, too
        self._epoch_random: dict[str, Any] = {}
        self._cycle_callback: Callback | None = None
        self._cycle: dict[str, Any] | None = None  # of fit_one_cycle, while it is not complete

    def __repr__(self) -> str:
        """What it consists of, and how far it is."""
        size = f"{sum(parameter.numel() for parameter in self.model.parameters()):,} parameters"
        optimizer = type(self.optimizer).__name__
        rates = dict.fromkeys(f"{float(group['lr']):g}" for group in self.optimizer.param_groups if "lr" in group)
        loss = getattr(self.loss_function, "__name__", type(self.loss_function).__name__)
        parts = [
            f"{type(self.model).__name__} ({size})",
            loss,
            optimizer + (f" lr {' / '.join(rates)}" if rates else ""),
        ]
        figures = {"train_loss": self.train_loss} if self.samples else {}
        figures |= scalars(self.evaluation)
        done = [f"epoch {self.epoch}", f"step {self.step}", *(f"{name} {value:.4g}" for name, value in figures.items())]
        return f"{type(self).__name__}({', '.join(parts)}; {', '.join(done)})"

    @property
    def recorder(self) -> Recorder:
        """The `Recorder` among the callbacks: losses, metrics and learning rates so far, and their curves."""
        for callback in self.callbacks:
            if isinstance(callback, Recorder):
                return callback
        raise AttributeError("This Learner has no Recorder: add one, learner.add(Recorder()), before fit.")

    def fit(self, epochs: int | None = None, *, until: int | None = None) -> None:
        """Train for `epochs` more epochs, or until `until` of them are complete: which is how a run is resumed.

        Where `fit_one_cycle` was interrupted, or a checkpoint of its midst was loaded, `fit(until=…)` completes the
        cycle; `fit(epochs)` begins something new. Else as in `Loop.fit`.

        Raises ValueError where `until` is not the end of a cycle that is under way.
        """
        self.check_idle("fit")
        cycle = self._cycle
        if until is None or cycle is None or self.epoch >= cycle["until"]:
            self._cycle = None
            super().fit(epochs, until=until)
            return
        if epochs is None and until != cycle["until"]:
            raise ValueError(
                f"fit(until={until}) would end elsewhere than the cycle of the learning rate that fit_one_cycle began, "
                f"which goes up to epoch {cycle['until']}: write fit(until={cycle['until']}), or fit({until} - "
                "learner.epoch) to train on without it."
            )
        options = {name: value for name, value in cycle.items() if name != "until"}
        anneal = options.pop("anneal", "cosine")
        if anneal not in _ANNEAL:
            raise ValueError(
                f"The cycle that fit_one_cycle began was shaped by {anneal}, a function that a checkpoint cannot hold. "
                f"Write fit_one_cycle(until={until}, max_lr={options['max_lr']}, anneal={anneal}), with the same"
                " options."
            )
        self._fit_cycle(OneCycle(**options, anneal=_ANNEAL[anneal]), epochs, until)

    def fit_one_cycle(
        self, epochs: int | None = None, max_lr: Any = None, *, until: int | None = None, **options: Any
    ) -> None:
        """Train for `epochs` more epochs with the learning rate going up to `max_lr` and down to almost nothing.

        `until` in the place of `epochs` goes on with a cycle that was begun. `options` are those of
        `pellucid.train.OneCycle`. Source: Smith and Topin, Super-Convergence, 2018.
        """
        callback = OneCycle(max_lr, **options)
        end = until if epochs is None else self.epoch + epochs
        anneal = options.get("anneal", cosine)
        name = next(
            (name for name, function in _ANNEAL.items() if function is anneal), getattr(anneal, "__name__", "?")
        )
        self.check_idle("fit_one_cycle")
        self._cycle = {**options, "max_lr": max_lr, "anneal": name, "until": end}
        self._fit_cycle(callback, epochs, until)

    def _fit_cycle(self, callback: OneCycle, epochs: int | None, until: int | None) -> None:
        with self.added(callback):
            self._cycle_callback = callback
            try:
                super().fit(epochs, until=until)
            finally:
                self._cycle_callback = None
        if self._cycle is not None and self.epoch >= self._cycle["until"]:
            self._cycle = None

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

    # Several processes ------------------------------------------------------------------------------------------

    def _begin(self, epochs: int | None, until: int | None) -> None:
        self.check_idle("fit")
        self._ranks = ranks_of(self.model, hooks=not self.compile)
        super()._begin(epochs, until)

    def _end(self, started: list[Callback], failure: BaseException | None = None) -> None:
        try:
            super()._end(started, failure)
        finally:
            if self._ranks is not None:
                self._ranks.close()
                self._ranks = None

    def hears(self, callback: Callback) -> bool:
        others = self._ranks is not None and self._ranks.rank > 0
        return not others or not callback.observes or isinstance(callback, Recorder)

    def fit_batch(self) -> None:
        ranks = self._ranks
        if ranks is None:
            super().fit_batch()
            return
        self._rows = len(self.target)
        self.inputs = ranks.divide(self.inputs, self._rows)
        self.target = ranks.divide(self.target, self._rows)
        try:
            super().fit_batch()
        finally:
            ranks.put_back()
        self.stopping = ranks.any(self.stopping)

    def weight(self) -> float:
        return super().weight() if self._ranks is None else self._ranks.weight

    def _in_parts(self, ranks: Ranks | None) -> Any:
        """The model's output for `inputs`, of which each rank computes its rows."""
        count = len(self.target)
        if ranks is not None:
            output = ranks.whole(self.model(ranks.divide(self.inputs, count)), count)
            if output is not None:
                return output
        return self.model(self.inputs)

    # Compiled steps ---------------------------------------------------------------------------------------------

    def forward(self) -> None:
        self._made, self._updated = None, False
        if self._ranks is None:
            self._forward()
            return
        self._ranks.set_aside()
        with self._ranks.own_random(self.step):
            self._forward()

    def _forward(self) -> None:
        kind = type(self)
        verbs = (kind.forward, kind.get_loss, kind.backward, kind.update)
        own = (Learner.forward, Learner.get_loss, Learner.backward, Learner.update)
        between = self._hooks["after_predict"] + self._hooks["after_loss"]
        again = needs_closure(self.optimizer)
        plain = not self.compile or again or verbs != own or not all(method.__self__.observes for method in between)
        if plain or self._is_watched():
            super().forward()
            return
        whole = not (between or self._hooks["after_backward"] or self._ranks)
        self.output, self._made = self._compiled(whole)(self.inputs, self.target)
        self._updated = whole

    def _is_watched(self) -> bool:
        """Whether a layer has hooks now, which a compiled step would not call."""
        return any(getattr(module, name, None) for module in self.model.modules() for name in _HOOKS)

    def get_loss(self) -> None:
        if self._made is None:
            super().get_loss()
        else:
            self.loss, self.loss_value = self._made, self._made.item()
        if self._ranks is not None:
            summed = getattr(self.loss_function, "reduction", "mean") == "sum"
            weight = super().weight() if self._ranks.has_rows(self._rows) else 0.0
            self.loss_value = self._ranks.weigh(self.loss_value, weight, summed)

    def backward(self) -> None:
        if self._made is None:
            super().backward()
        if self._ranks is not None:
            self._ranks.collect()

    def update(self) -> None:
        if not self._updated:
            super().update()

    def _compiled(self, whole: bool) -> Callable[..., tuple[Tensor, Tensor]]:
        """The step as a function of the batch, compiled: with the update, or up to the gradients."""
        if whole not in self._steps:
            from pellucid.compile import compile  # loaded where steps are compiled

            model, loss_function, optimizer = self.model, self.loss_function, self.optimizer

            def step(inputs: object, target: object) -> tuple[Tensor, Tensor]:
                output = model(inputs)
                loss = loss_function(output, target)
                loss.backward()
                if whole:
                    optimizer.step()
                return output, loss

            self._steps[whole] = compile(step)
        return self._steps[whole]

    # Looking ----------------------------------------------------------------------------------------------------

    def evaluate(self, batches: Iterable[Any] | None = None) -> dict[str, float]:
        """Loss and metrics over `batches` or a `Dataset` (by default the validation data); each sample counts once.

        In `eval` mode and without gradients; afterwards each layer is in the mode it was in.
        """
        batches = self.valid if batches is None else batches
        if batches is None:
            raise ValueError("evaluate has nothing to go through: give it batches, or the Learner (train, valid).")
        metrics = {name: make() for name, make in self.metrics.items()}
        total, weights, samples = 0.0, 0.0, 0
        kept = {name: self.__dict__.get(name) for name in ("inputs", "target", "output")}
        within, self._ranks = self._ranks, None  # what a batch weighs is here what this process sees: all of it
        ranks = within or ranks_of(self.model, hooks=False)
        try:
            with self.evaluating():
                for batch in batches_of(batches):
                    self.unpack(batch)
                    self.output = self._in_parts(ranks)
                    loss = self.loss_function(self.output, self.target).item()
                    samples += len(self.target)
                    if weight := self.weight():  # a batch whose targets are all ignored has no loss
                        total, weights = total + loss * weight, weights + weight
                    output, target = not_ignored(self.loss_function, self.output, self.target)
                    for metric in metrics.values() if len(output) else ():
                        metric.update(output, target)
        finally:
            self._ranks = within
        vars(self).update(kept)
        if not samples:
            raise ValueError("evaluate was given no samples: the batches are empty, or an iterator that is used up.")
        loss = total / weights if weights else float("nan")
        return {"loss": loss, **{name: metric.value() for name, metric in metrics.items()}}

    def evaluate_epoch(self) -> dict[str, float]:
        if self.valid is None:
            return {}
        before = self.random_state()
        try:
            return self.evaluate(self.valid)
        except SkipEpoch:
            raise
        except BaseException:
            self.set_random_state(before)  # a resumed run evaluates once more
            raise

    def predict(self, data: Any) -> Tensor:
        """The model's outputs in `eval` mode, without gradients: of an array of inputs, of all of `data`'s batches, or
        of the samples of a `Dataset`.

        Shape: one row per sample, `(N, …)` as the model gives it.
        """
        with self.evaluating():
            if isinstance(data, Tensor | np.ndarray):
                return self.model(data if isinstance(data, Tensor) else from_data(data))
            # A batch of a loader has its target with it, which is not looked at.
            outputs = [self.model(b[0] if isinstance(b, tuple | list) else b) for b in batches_of(data)]
        if not outputs:
            raise ValueError("predict was given no batches.")
        whole = np.concatenate([output.detach().cpu()._array for output in outputs])
        return from_data(whole, device=outputs[0].device, copy=False)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """`eval` mode without gradients, between the callbacks' `before_evaluate` and `after_evaluate`."""
        modes = [(module, module.training) for module in self.model.modules()]
        busy, self._busy = self._busy, self._busy or "an evaluation"
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
            if not busy:
                self._settle()


_ANNEAL = {"cosine": cosine, "linear": linear}  # the shapes of a cycle that a checkpoint can name


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
