"""The training loop: five verbs, a moment for the callbacks after each, and nothing left behind when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from pellucid.core import Tensor
from pellucid.train.files.described import describe
from pellucid.train.hook_names import check_hooks, check_verbs
from pellucid.train.undo import Changes


class SkipBatch(Exception):
    """Raised by a hook: leave out what is left of this batch, up to `after_batch`."""


class SkipEpoch(Exception):
    """Raised by a hook: leave out what is left of this epoch and its evaluation, up to `after_epoch`."""


class StopFit(Exception):
    """Raised by a hook: end the fit at once. `learner.stop()` ends it after the step that is under way."""


class Callback:
    """Base class: every hook is here, and does nothing. Override those you need.

    `order` decides who is called first where several callbacks share a moment (small numbers first). `state_dict` and
    `load_state_dict` put what a callback must remember into the checkpoint.

    Any hook may `raise SkipBatch` (the verbs still to come are left out), `SkipEpoch` or `StopFit`. What a callback
    changes in the model, the optimiser or the learner it changes by `learner.replace(owner, name, value)`, or it says
    by `learner.at_end(function)` how to undo it: so it is undone when the fit ends, also when it fails.

    >>> class Constant(Callback):
    ...     def before_fit(self, learner):
    ...         for group in learner.optimizer.param_groups:
    ...             learner.replace(group, "lr", 0.1)  # until the end of this fit

    A method that looks like a hook and is none is refused when the class is defined, so that a misspelt one, or one of
    another library, cannot be silently ignored; so is a hook that cannot be called with the learner alone:

    >>> class Wrong(Callback):
    ...     def after_epochs(self, learner): ...
    Traceback (most recent call last):
    ...
    TypeError: Wrong.after_epochs is no hook of the training loop. Did you mean after_epoch?
    """

    order: int = 0
    changes_step: bool = False  # whether it changes what a step computes, and so takes part in `lr_find`
    observes: bool = False  # whether it only looks at the run: a checkpoint then does without it

    def __repr__(self) -> str:
        return describe(self)

    def before_fit(self, learner: Loop) -> None:
        """Once, before the first epoch of this call of `fit`."""

    def before_epoch(self, learner: Loop) -> None:
        """Before the first batch of an epoch (and before the first of the rest, in a resumed epoch)."""

    def before_batch(self, learner: Loop) -> None:
        """`learner.inputs` and `learner.target` are there."""

    def after_predict(self, learner: Loop) -> None:
        """`learner.output` is there."""

    def after_loss(self, learner: Loop) -> None:
        """`learner.loss` (a Tensor) and `learner.loss_value` (a float) are there."""

    def after_backward(self, learner: Loop) -> None:
        """Each parameter's `.grad` is there; the parameters are still those of before the step."""

    def after_step(self, learner: Loop) -> None:
        """The optimiser has moved the parameters; the gradients are still there."""

    def after_batch(self, learner: Loop) -> None:
        """The gradients are gone; `learner.step` counts this step already.

        Comes for a skipped batch too; `learner.loss` is then None if it was skipped before it had one.
        """

    def before_evaluate(self, learner: Loop) -> None:
        """Before the first batch of an evaluation, at the end of an epoch or when it is asked for; in `eval` mode."""

    def after_evaluate(self, learner: Loop) -> None:
        """After its last batch, also where one failed; still in `eval` mode."""

    def after_epoch(self, learner: Loop) -> None:
        """`learner.evaluation` holds the validation loss and metrics; `learner.epoch` counts this epoch already.

        Comes for a skipped epoch too, with nothing in `learner.evaluation`.
        """

    def after_fit(self, learner: Loop) -> None:
        """Once, when `fit` ends: complete, stopped or failed."""

    def state_dict(self) -> dict[str, Any]:
        """What this callback must remember across a resume."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__mro__:  # mixins too
            if base is not Callback and base is not object:
                check_hooks(cls.__name__, vars(base).items(), HOOKS, bound=False)


HOOKS = tuple(name for name in vars(Callback) if name.startswith(("before_", "after_")))


def needs_closure(optimizer: Any) -> bool:
    """Whether a step of an optimiser, such as L-BFGS, takes a function that computes the loss again."""
    return getattr(optimizer, "needs_closure", False)


class Loop:
    """The loop itself, which `Learner` fills. Any verb may be overridden, any hook may break off what is under way.

    The counters are part of the state of a run: `epoch` (whole epochs done), `batch` (batches done in this epoch),
    `step` (batches done in all, whether or not the optimiser moved after each).
    """

    model: Any
    loader: Any
    optimizer: Any
    loss_function: Callable[[Any, Any], Tensor]
    inputs: Any  # of the batch that is under way
    target: Any
    output: Any
    loss: Any
    loss_value: float
    valid: Any = None  # the batches of the evaluation at the end of an epoch, where a Learner has some
    metrics: dict[str, Callable[[], Any]] = {}  # noqa: RUF012 (a Learner sets its own)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_verbs(cls, HOOKS)

    def __init__(self, callbacks: Sequence[Callback] = ()) -> None:
        self.epoch = self.step = self.batch = 0
        self.first_epoch = self.epochs = 0  # of this fit: it goes from the first of them to the second
        self.loss_sum, self.samples = 0.0, 0  # of this epoch
        self.evaluation: dict[str, float] = {}
        self.stopping = False
        self.failure: BaseException | None = None  # what ended the last fit, for `after_fit`
        self._under_way = False
        self._busy = ""  # what the state of the run is in the midst of
        self._moved = False  # whether this batch has moved the parameters and is not counted yet
        self._waiting: list[Callable[[], Any]] = []  # for the state to be whole
        self._changes = Changes()
        self.callbacks: list[Callback] = []
        self.add(*callbacks)

    # The loop ---------------------------------------------------------------------------------------------------

    def fit(self, epochs: int | None = None, *, until: int | None = None) -> None:
        """Train for `epochs` more epochs, or until `until` of them are complete: which is how a run is resumed.

        An epoch that was interrupted counts as one of those asked for. Ends early where a callback calls `stop` or
        raises `StopFit`. Whatever happens, `after_fit` of each callback is called and what they changed is undone.
        """
        self._begin(epochs, until)
        started: list[Callback] = []
        try:
            for callback in filter(self.hears, self.callbacks):
                started.append(callback)
                callback.before_fit(self)
            while self.epoch < self.epochs and not self.stopping:
                self.fit_epoch()
        except StopFit:
            pass
        except BaseException as error:
            self._end(started, error)
            if isinstance(error, KeyboardInterrupt):
                error.add_note(self._interrupted())
            raise
        self._end(started)

    def _interrupted(self) -> str:
        """What is said below Python's traceback of a Ctrl-C: where the run is, and how it goes on."""
        return (
            f"fit was interrupted in epoch {self.epoch + 1} of {self.epochs}, after step {self.step}. The learner is "
            f"whole: learner.fit(until={self.epochs}) goes on where it was, and learner.save(path) keeps it."
        )

    def fit_epoch(self) -> None:
        """One epoch, or the rest of it where it was interrupted."""
        self.model.train()
        if self.batch == 0:
            self.loss_sum, self.samples = 0.0, 0
        self.evaluation = {}
        try:
            self._call("before_epoch")
            for batch in self.batches():
                self.unpack(batch)
                self.fit_batch()
                if self.stopping and self.batch < len(self.loader):
                    return
            self._busy = "the end of an epoch"
            self.evaluation = self.evaluate_epoch()
        except SkipEpoch:
            pass
        self._busy = "after_epoch"
        self.epoch, self.batch = self.epoch + 1, 0
        self._call("after_epoch")
        self._settle()

    def fit_batch(self) -> None:
        """The five verbs, with a moment for the callbacks after each."""
        self.output = self.loss = None
        self._busy = "a batch"
        call = self._call
        try:
            call("before_batch")
            self.forward()
            call("after_predict")
            self.get_loss()
            call("after_loss")
            self.backward()
            call("after_backward")
            self.update()
            self._moved = True
            call("after_step")
            self.zero_grad()
        except SkipBatch:
            pass
        except BaseException:
            if self._moved:  # a step that was made counts, whatever failed after it
                self.count()
            raise
        self.count()
        self._busy = "after_batch"
        call("after_batch")
        if self.batch < len(self.loader):  # else the evaluation and `after_epoch` belong to it
            self._settle()

    def forward(self) -> None:
        self.output = self.model(self.inputs)

    def get_loss(self) -> None:
        self.loss = self.loss_function(self.output, self.target)
        self.loss_value = self.loss.item()

    def backward(self) -> None:
        self.loss.backward()

    def update(self) -> None:
        if needs_closure(self.optimizer):
            self.update_with_closure()
        else:
            self.optimizer.step()

    def update_with_closure(self) -> None:
        """The step of an optimiser that computes loss and gradients again, on the same batch, at other parameters.

        It begins with those that the verbs have just computed. Afterwards `output` and `loss` are those of before the
        step, as with every other optimiser; the gradients are the last that it asked for.
        """
        before = (self.output, self.loss, self.loss_value)
        first = True

        def closure() -> float:
            nonlocal first
            if not first:
                self.zero_grad()
                self.forward()
                self.get_loss()
                self.backward()
            first = False
            return self.loss_value

        self.optimizer.step(closure)
        self.output, self.loss, self.loss_value = before

    def zero_grad(self) -> None:
        self.optimizer.zero_grad()

    # Around it --------------------------------------------------------------------------------------------------

    def unpack(self, batch: Any) -> None:
        """From what the loader gives to `inputs` and `target`. Override it for batches of another form."""
        try:
            self.inputs, self.target = batch
        except (TypeError, ValueError):
            got = f"{len(batch)} parts" if isinstance(batch, tuple | list) else f"a {type(batch).__name__}"
            raise TypeError(
                f"The loader gave {got} where a batch is a pair (inputs, target). Override `unpack` of the Learner for "
                "batches of another form: it sets `self.inputs` and `self.target`."
            ) from None

    def count(self) -> None:
        """The counters and the sums of the epoch; a batch that was skipped before it had a loss adds none."""
        self._moved = False
        if self.loss is not None and (weight := self.weight()):
            self.loss_sum, self.samples = self.loss_sum + self.loss_value * weight, self.samples + weight
        self.step, self.batch = self.step + 1, self.batch + 1

    def weight(self) -> float:
        """What the loss of this batch counts among those of others, by which their mean is the loss over all samples.

        It is what the loss divided by, where it says so by `total_weight(output, target)`, as those of `nn` do: the sum
        of the weights of the targets' classes, or the number of targets that are not ignored. Else it is the number of
        samples.
        """
        try:
            size = len(self.target)
        except TypeError:
            raise TypeError(
                f"The target of a batch is one number, not one for each sample: is the loader, a "
                f"{type(self.loader).__name__}, a data set without batches? Write DataLoader(dataset, "
                "batch_size=32)."
            ) from None
        ask = getattr(self.loss_function, "total_weight", None)
        if ask is None or getattr(self.loss_function, "reduction", "mean") == "sum":
            return size
        return ask(self.output, self.target)

    def batches(self) -> Iterable[Any]:
        """The batches of this epoch."""
        return self.loader

    def evaluate_epoch(self) -> dict[str, float]:
        """What is measured at the end of an epoch."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """All that decides how the run goes on."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its state is: use a Learner.")

    def random_state(self) -> dict[str, Any]:
        """The state of each random stream that decides how the run goes on, by name."""
        return {}

    def at_rest(self, function: Callable[[], Any]) -> None:
        """Call `function` when the state of the run is whole: now, or after the batch that is under way.

        In the midst of a batch the parameters may have been moved by a step that is not counted yet; in an evaluation
        they may be replaced by an average. At the end of an epoch it waits for `after_epoch` of every callback.
        """
        if self._busy:
            self._waiting.append(function)
        else:
            function()

    def _settle(self) -> None:
        self._busy = ""
        while self._waiting:
            self._waiting.pop(0)()

    def stop(self) -> None:
        """End `fit` after the step that is under way."""
        self.stopping = True

    @property
    def train_loss(self) -> float:
        """Mean loss over the samples of this epoch so far, each as it was when the model saw it."""
        return self.loss_sum / self.samples if self.samples else float("nan")

    @property
    def steps(self) -> int:
        """The number of steps of this fit, from its first epoch to its last."""
        return (self.epochs - self.first_epoch) * len(self.loader)

    @property
    def progress(self) -> float:
        """The part of this fit that is done, from 0 to 1: what a schedule goes by, in a resumed run as well."""
        return ((self.epoch - self.first_epoch) * len(self.loader) + self.batch) / max(self.steps, 1)

    # Callbacks --------------------------------------------------------------------------------------------------

    def add(self, *callbacks: Callback) -> None:
        """Hang callbacks on the loop; where several share a moment, the one with the smaller `order` comes first."""
        for callback in callbacks:
            if not isinstance(callback, Callback):
                hint = f"{callback.__name__}()" if isinstance(callback, type) else "a subclass of Callback"
                if hasattr(callback, "step") and hasattr(callback, "optimizer"):
                    hint = f"Scheduler({type(callback).__name__}(optimizer, …))"
                raise TypeError(f"A callback is an object of a subclass of Callback, not {callback!r}. Write {hint}.")
        self._hang([*self.callbacks, *callbacks])

    def named_callbacks(self) -> list[tuple[str, Callback]]:
        """Each callback by its class, with a number where there are several: two schedules do not share a state."""
        count: dict[str, int] = {}
        named: list[tuple[str, Callback]] = []
        for callback in self.callbacks:
            kind = type(callback).__name__
            count[kind] = count.get(kind, 0) + 1
            named.append((kind if count[kind] == 1 else f"{kind} {count[kind]}", callback))
        return named

    def remove(self, *callbacks: Callback) -> None:
        """Take callbacks off again."""
        self._hang([callback for callback in self.callbacks if callback not in callbacks])

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of `owner`, or the key of a dict, until `fit` ends or fails: then it is as it was before.

        For callbacks. It may be called at each step (a learning rate): the value before the first time comes back.
        """
        self._check_under_way()
        self._changes.replace(owner, name, value)

    def restored(self) -> AbstractContextManager[None]:
        """What callbacks replaced as it was before, for the length of a `with`: as if the fit had ended here."""
        return self._changes.restored()

    def at_end(self, function: Callable[[], Any]) -> None:
        """Have `function` called when `fit` ends or fails, after every `after_fit`; the last one asked for is first."""
        self._check_under_way()
        self._changes.at_end(function)

    def _check_under_way(self) -> None:
        if not self._under_way:
            raise RuntimeError("at_end and replace are for callbacks, in a fit, and no fit is under way.")

    def _hang(self, callbacks: Sequence[Callback]) -> None:
        for callback in callbacks:
            # What was put into the object, or into its class after that was defined, has not been looked at yet.
            check_hooks(type(callback).__name__, vars(callback).items(), HOOKS, bound=True)
            check_hooks(type(callback).__name__, vars(type(callback)).items(), HOOKS, bound=False)
        self.callbacks = sorted(callbacks, key=lambda callback: callback.order)
        # Only the hooks that somebody overrides are called: nine empty calls for each callback would cost microseconds.
        self._hooks = {
            hook: [
                method
                for callback in filter(self.hears, self.callbacks)
                if getattr(method := getattr(callback, hook), "__func__", None) is not vars(Callback)[hook]
            ]
            for hook in HOOKS
        }

    def hears(self, callback: Callback) -> bool:
        """Whether a callback takes part in this process."""
        return True

    def _call(self, hook: str) -> None:
        for method in self._hooks[hook]:
            method(self)

    def _begin(self, epochs: int | None, until: int | None) -> None:
        if (epochs is None) == (until is None):
            raise TypeError("fit takes either the number of epochs to go, fit(3), or that of all, fit(until=10).")
        number = until if epochs is None else epochs
        if not isinstance(number, int) or number < 0:
            raise ValueError(f"fit was asked for {number!r} epochs: it takes a whole number from 0.")
        self.check_idle("fit")
        self.check_callbacks()
        try:
            len(self.loader)
        except TypeError:
            raise TypeError(
                f"The loader is a {type(self.loader).__name__} without a length, so an epoch has no end that a "
                "schedule could go by. Give a DataLoader, or a list of batches: Learner(model, data, loss, optimizer)."
            ) from None
        if epochs is not None:
            self.first_epoch, until = self.epoch, self.epoch + epochs
        self._hang(self.callbacks)  # a hook may have been put into a callback since it was added
        self.epochs, self.stopping, self._under_way = until or 0, False, True

    def check_callbacks(self) -> None:
        """Refuse what changes the gradients before a step that computes them anew, and so undoes the change."""
        own = vars(Callback)["after_backward"]
        for callback in self.callbacks if needs_closure(self.optimizer) else ():
            if callback.changes_step and type(callback).after_backward is not own:
                raise ValueError(
                    f"{type(self.optimizer).__name__} computes the gradients anew within its step, so "
                    f"{type(callback).__name__} cannot change them before it: leave the callback out, or take another "
                    "optimizer."
                )

    def check_idle(self, what: str) -> None:
        """Refuse what cannot be done while a fit is running."""
        if self._under_way:
            raise RuntimeError(f"{what} was called while fit is running: a callback cannot call it.")

    def _end(self, started: list[Callback], failure: BaseException | None = None) -> None:
        """Call each `after_fit` and undo each change, whichever of them fail; tell of the first that did."""
        self.failure = failure
        errors: list[Exception] = []
        for function in (self._settle, *(partial(callback.after_fit, self) for callback in started)):
            try:
                function()
            except Exception as error:  # noqa: BLE001 (the others have their turn first)
                errors.append(error)
        self._waiting.clear()
        errors += self._changes.undo()
        self._under_way = False
        if failure is not None:
            for error in errors:
                failure.add_note(f"When the fit ended, {type(error).__name__}: {error}")
        elif errors:
            raise errors[0]
