"""The state of a run: all that decides how it goes on, taken, kept in a file, and taken up again to the bit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pellucid.random.streams import find_streams, program_streams, set_stream_state, stream_state
from pellucid.train.files.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from pellucid.train.files.identity import differences, identity
from pellucid.train.loop import Callback, Loop
from pellucid.train.ranks import Ranks, first_of_all

State = dict[str, Any]  # of a run, or of a part of it, by name


class Lasting(Loop):
    """A loop whose state can be taken, saved and loaded; what it consists of, `Learner` says."""

    _ranks: Ranks | None = None  # in a fit, where there are several processes
    _epoch_random: State
    _cycle_callback: Callback | None
    _cycle: State | None

    def save(self, path: str | Path) -> None:
        """Write `state_dict()` to a safetensors file, atomically: `load` and `fit(until=…)` go on from there.

        Called by a hook in the midst of a batch, or of an evaluation, it is done when that is over (see `at_rest`).
        Of several processes the first writes.
        """
        if not first_of_all():
            return
        self.at_rest(lambda: save_checkpoint(Path(path), self.state_dict()))

    def load(self, path: str | Path) -> None:
        """Take back what `save` wrote.

        Raises CheckpointError where the file is missing, torn or something else, or is of a Learner that differs in
        what decides a run: model, loss, optimiser, data, callbacks. Nothing is changed then. For the model alone:
        `learner.model.load_state_dict(load_checkpoint(path)["model"])`.
        """
        try:
            self.load_state_dict(load_checkpoint(Path(path)))
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise error if str(path) in str(error) else CheckpointError(f"{path}: {error}") from None
            raise CheckpointError(f"{path} holds no state of a Learner: {error}") from error

    def state_dict(self) -> State:
        """All that decides how the run goes on: taken here and loaded elsewhere, it goes on bit for bit the same.

        Taken in `after_step`, it counts the step that was made. Raises RuntimeError in an evaluation at the end of an
        epoch, and in a batch before the step, when there is no such state: `save` waits until there is one.
        """
        if self._under_way and (self._busy == "the end of an epoch" or (self._busy == "a batch" and not self._moved)):
            raise RuntimeError(
                f"The state was asked for in the midst of {self._busy}, from where no run can go on. Ask for it in "
                "after_batch or after_epoch; or write learner.save(path), or learner.at_rest(function), which wait."
            )
        with self.restored():  # a callback that replaced something does so again
            optimizer, loss = self.optimizer.state_dict(), _state_of(self.loss_function)
        callbacks = self._lasting_callbacks()
        counters = {name: getattr(self, name) for name in _COUNTERS}
        if self._moved:
            self.count()
            counted = {name: getattr(self, name) for name in _COUNTERS}
            vars(self).update(counters)
            self._moved, counters = True, counted
        return {
            "model": self.model.state_dict(),
            "loss": loss,
            "optimizer": optimizer,
            **counters,
            "one_cycle": self._cycle,
            "random": self.random_state(),
            "epoch_random": self._epoch_random,
            "callbacks": {name: callback.state_dict() for name, callback in callbacks},
            "identity": self._identity(),
        }

    def load_state_dict(self, state: State) -> None:
        """Take back what `state_dict` gave, between two steps or two epochs.

        Raises CheckpointError, and changes nothing, where it is of a Learner that differs in what decides a run.
        """
        missing = [name for name in _PARTS if name not in state]
        if missing:
            raise CheckpointError(f"This is no state of a Learner, or of another version: it has no {missing[0]!r}.")
        found = differences(state["identity"], self._identity()) or self._other_streams(state["random"])
        if found:
            raise CheckpointError(
                f"The state is of another Learner, and the run would not go on as it was: {'; '.join(found)}. Build "
                "the Learner as it was. To take over the model alone: "
                'learner.model.load_state_dict(load_checkpoint(path)["model"]).'
            )
        try:
            self.optimizer.load_state_dict(state["optimizer"])
            self.model.load_state_dict(state["model"])
            if hasattr(self.loss_function, "load_state_dict"):
                self.loss_function.load_state_dict(state["loss"])  # type: ignore[attr-defined]
        except (ValueError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"The state does not fit this Learner: {error}") from error
        for name in _COUNTERS:
            setattr(self, name, state[name])
        self._cycle = state["one_cycle"]
        self._epoch_random = state["epoch_random"]
        self.set_random_state(state["random"])
        for name, callback in self._lasting_callbacks():
            if name in state["callbacks"]:  # one that was added since begins anew
                callback.load_state_dict(state["callbacks"][name])

    def _identity(self) -> State:
        with self.restored():
            return identity(self, self._lasting_callbacks())

    def _lasting_callbacks(self) -> list[tuple[str, Callback]]:
        """The callbacks by name, without that of `fit_one_cycle`, which is there for one fit."""
        return [(name, callback) for name, callback in self.named_callbacks() if callback is not self._cycle_callback]

    def batches(self) -> Iterable[object]:
        """The batches of an epoch, without those that a fit before this one has seen.

        The order is drawn when the iteration begins. So a resumed epoch goes back to the random state of its
        beginning, draws the same order, lets the batches that were seen pass by, and only then takes up the random
        state of the moment it was interrupted.
        """
        if self.batch == 0:
            if self._ranks is not None:
                self.set_random_state(self._ranks.of_first(self.random_state()))
            self._epoch_random = self.random_state()
            yield from self.loader
            return
        now = self.random_state()
        self.set_random_state(self._epoch_random)
        batches = iter(self.loader)
        for place in range(self.batch):
            if next(batches, _NO_MORE) is _NO_MORE:
                raise RuntimeError(
                    f"The loader gave {place} batches, and this epoch had {self.batch} before it was interrupted: go "
                    "on with the data and the batch size that it was begun with."
                )
        self.set_random_state(now)
        yield from batches

    def random_state(self) -> State:
        """The state of each random stream that decides how the run goes on, by name.

        These are the program's (pellucid's default generator, those of Python's `random` and of `numpy.random`), and
        those that the data, the model, the loss and the callbacks hold, see `pellucid.random.streams.find_streams`.

        Raises CheckpointError for one that has no state, such as `random.SystemRandom`.
        """
        state: State = {}
        for name, stream in self._streams().items():
            try:
                state[name] = stream_state(stream)
            except TypeError as error:
                raise CheckpointError(f"{name} cannot be in a checkpoint. {error} Write random.Random(seed).") from None
        return state

    def set_random_state(self, state: State) -> None:
        """Put back what `random_state` gave."""
        for name, stream in self._streams().items():
            if name in state:  # one that came into being since is where it began
                try:
                    set_stream_state(stream, state[name])
                except ValueError as error:
                    raise CheckpointError(f"The random stream {name} is another one: {error}.") from None

    def _streams(self) -> State:
        roots = {"loader": self.loader, "valid": self.valid, "model": self.model, "loss": None}
        # A callback that says what its state is has its streams in it.
        roots |= {
            f"callbacks.{name}": callback
            for name, callback in self._lasting_callbacks()
            if type(callback).state_dict is Callback.state_dict
        }
        with self.restored():  # a callback may have put a function of its own in the place of the loss
            roots["loss"] = self.loss_function
            found = find_streams(roots, outside=Loop)
        own = found.pop("loader.generator", None)
        return program_streams() | ({} if own is None else {"loader": own}) | found

    def _other_streams(self, state: State) -> list[str]:
        """How the random streams of a state and of this Learner differ."""
        own = self._streams()
        lost = [name for name in state if name not in own]
        new = [name for name in own if name not in state and not name.startswith("callbacks.")]
        return [f"the random stream {name} is missing" for name in lost[:1]] + [
            f"the random stream {name} was not there" for name in new[:1]
        ]


_COUNTERS = ("first_epoch", "epoch", "step", "batch", "loss_sum", "samples")
_PARTS = (*("model", "loss", "optimizer", *_COUNTERS, "one_cycle", "random", "epoch_random", "callbacks", "identity"),)
_NO_MORE = object()


def _state_of(loss: Any) -> State:
    return loss.state_dict() if hasattr(loss, "state_dict") else {}
