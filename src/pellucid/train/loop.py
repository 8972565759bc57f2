"""The training loop: five verbs, a moment for the callbacks after each, and nothing left behind when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pellucid.core import Tensor
from pellucid.train.callback import HOOKS, Callback, SkipBatch, SkipEpoch, StopFit


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

    def __init__(self, callbacks: Sequence[Callback] = ()) -> None:
        self.epoch = self.step = self.batch = 0
        self.first_epoch = self.epochs = 0  # of this fit: it goes from the first of them to the second
        self.loss_sum, self.samples = 0.0, 0  # of this epoch
        self.evaluation: dict[str, float] = {}
        self.stopping = False
        self._under_way = False
        self._undo: list[Callable[[], Any]] = []
        self._replaced: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        self.callbacks: list[Callback] = []
        self.add(*callbacks)

    # The loop ---------------------------------------------------------------------------------------------------

    def fit(self, epochs: int | None = None, *, until: int | None = None) -> None:
        """Train for `epochs` more epochs, or `until` so many are complete in all: which is how a run is resumed.

        An epoch that was interrupted counts as one of those asked for. Ends early where a callback calls `stop` or
        raises `StopFit`. Whatever happens, `after_fit` of each callback is called and what they changed is undone.
        """
        self._begin(epochs, until)
        started: list[Callback] = []
        learner: Any = self  # of which the hooks know more than the loop does
        try:
            for callback in self.callbacks:
                started.append(callback)
                callback.before_fit(learner)
            while self.epoch < self.epochs and not self.stopping:
                self.fit_epoch()
        except StopFit:
            pass
        except BaseException as error:
            self._end(started, error)
            raise
        self._end(started)

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
            self.evaluation = self.evaluate_epoch()
        except SkipEpoch:
            pass
        self.epoch, self.batch = self.epoch + 1, 0
        self._call("after_epoch")

    def fit_batch(self) -> None:
        """The five verbs, with a moment for the callbacks after each."""
        self.output = self.loss = None
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
            call("after_step")
            self.zero_grad()
        except SkipBatch:
            pass
        self.count()
        call("after_batch")

    def forward(self) -> None:
        self.output = self.model(self.inputs)

    def get_loss(self) -> None:
        self.loss = self.loss_function(self.output, self.target)
        self.loss_value = self.loss.item()

    def backward(self) -> None:
        self.loss.backward()

    def update(self) -> None:
        self.optimizer.step()

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
        if self.loss is not None:
            try:
                size = len(self.target)
            except TypeError:
                raise TypeError(
                    f"The target of a batch is one number, not one for each sample: is the loader, a "
                    f"{type(self.loader).__name__}, a data set without batches? Write DataLoader(dataset, "
                    "batch_size=32)."
                ) from None
            self.loss_sum, self.samples = self.loss_sum + self.loss_value * size, self.samples + size
        self.step, self.batch = self.step + 1, self.batch + 1

    def batches(self) -> Iterable[Any]:
        """The batches of this epoch."""
        return self.loader

    def evaluate_epoch(self) -> dict[str, float]:
        """What is measured at the end of an epoch."""
        return {}

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
                raise TypeError(f"A callback is an object of a subclass of Callback, not {callback!r}. Write {hint}.")
        self._hang([*self.callbacks, *callbacks])

    def remove(self, *callbacks: Callback) -> None:
        """Take callbacks off again."""
        self._hang([callback for callback in self.callbacks if callback not in callbacks])

    def replace(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute of `owner`, or the key of a dict, until `fit` ends or fails: then it is as it was before.

        For callbacks. It may be called at each step (a learning rate): the value before the first time comes back.
        """
        if (id(owner), name) not in self._replaced:
            self._check_under_way()
            self._replaced[id(owner), name] = (owner, name, _get(owner, name))
        _set(owner, name, value)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """What callbacks replaced as it was before, for the length of a `with`: as if the fit had ended here."""
        now = [(owner, name, _get(owner, name)) for owner, name, _ in self._replaced.values()]
        try:
            for replaced in self._replaced.values():
                _set(*replaced)
            yield
        finally:
            for replaced in now:
                _set(*replaced)

    def at_end(self, function: Callable[[], Any]) -> None:
        """Have `function` called when `fit` ends or fails, after every `after_fit`; the last one asked for is first."""
        self._check_under_way()
        self._undo.append(function)

    def _check_under_way(self) -> None:
        if not self._under_way:
            raise RuntimeError("at_end and replace are for callbacks, in a fit, and no fit is under way.")

    def _hang(self, callbacks: Sequence[Callback]) -> None:
        self.callbacks = sorted(callbacks, key=lambda callback: callback.order)
        # Only the hooks that somebody overrides are called: nine empty calls for each callback would cost microseconds.
        self._hooks = {
            hook: [
                method
                for callback in self.callbacks
                if getattr(method := getattr(callback, hook), "__func__", None) is not vars(Callback)[hook]
            ]
            for hook in HOOKS
        }

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
        try:
            len(self.loader)
        except TypeError:
            raise TypeError(
                f"The loader is a {type(self.loader).__name__} without a length, so an epoch has no end that a "
                "schedule could go by. Give a DataLoader, or a list of batches: Learner(model, data, loss, optimizer)."
            ) from None
        if epochs is not None:
            self.first_epoch, until = self.epoch, self.epoch + epochs
        self.epochs, self.stopping, self._under_way = until or 0, False, True

    def check_idle(self, what: str) -> None:
        """Refuse what cannot be done while a fit is running."""
        if self._under_way:
            raise RuntimeError(f"{what} was called while fit is running: a callback cannot call it.")

    def _end(self, started: list[Callback], failure: BaseException | None = None) -> None:
        """Call each `after_fit` and undo each change, whichever of them fail; tell of the first that did."""
        errors: list[Exception] = []

        def attempt(function: Callable[..., Any], *args: Any) -> None:
            try:
                function(*args)
            except Exception as error:  # noqa: BLE001 (the others have their turn first)
                errors.append(error)

        for callback in started:
            attempt(callback.after_fit, self)
        while self._undo:
            attempt(self._undo.pop())
        for replaced in reversed(self._replaced.values()):
            attempt(_set, *replaced)
        self._replaced, self._under_way = {}, False
        if failure is not None:
            for error in errors:
                failure.add_note(f"When the fit ended, {type(error).__name__}: {error}")
        elif errors:
            raise errors[0]


def _get(owner: Any, name: str) -> Any:
    """The value of a key of a dict, or of an attribute that the object has itself: MISSING where it has none."""
    if isinstance(owner, dict):
        return owner.get(name, MISSING)
    return getattr(owner, name) if name in vars(owner) or not hasattr(type(owner), name) else MISSING


def _set(owner: Any, name: str, value: Any) -> None:
    if isinstance(owner, dict):
        if value is MISSING:
            owner.pop(name, None)
        else:
            owner[name] = value
    elif value is MISSING:
        delattr(owner, name)  # what the class has shows again
    else:
        setattr(owner, name, value)


MISSING = object()
