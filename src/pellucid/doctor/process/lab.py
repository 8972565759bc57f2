"""A laboratory: a fork of the program in which the present pass is run again and again, each time from the same state.

What is tried out is a generator: it yields a request, gets a `PassOutcome` for it, and returns what the parent is to
hear.

    def work(lab):
        plain = yield PassRun()                          # the pass as it is; then the state is put back
        moved = yield PassRun({"w": plain.before["w"] + 1e-5})
        yield Next()                                 # the pass as it is; the program goes on to the next one
        return moved.after["w"] - plain.after["w"]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from pellucid.doctor.process.child import ChildAnswer
from pellucid.doctor.process.hold import Hold
from pellucid.doctor.process.paths import Group, Scope
from pellucid.doctor.process.state import SavedState
from pellucid.doctor.process.watch import Key, Watch

Values = dict[str, np.ndarray]


@dataclass
class PassRun:
    """Run the pass with these groups set to these values, then put the state back.

    Attributes:
        watch: what to take down: nothing, "all", or the keys.
        hold: the parameters that keep their values within the pass (see `hold`).
        turned: the number of a `for` that goes through its values in reverse.
        before, after: called at the head and at the end of the pass with the scope.
    """

    values: Values = field(default_factory=dict)
    watch: Any = None
    before: Callable[[Scope], Any] | None = None
    after: Callable[[Scope], Any] | None = None
    hold: tuple[str, ...] = ()
    turned: int = -1
    take: Callable[[Any], Any] | None = None  # how a value that is seen is kept, other than as an array


@dataclass
class Next(PassRun):
    """The same, and the program goes on from there."""


@dataclass
class Again(PassRun):
    """The pass as it is, and once more from the state that it left."""


@dataclass
class PassOutcome:
    """What came of a pass: the groups before and after it, and the values seen."""

    before: Values
    after: Values
    seen: dict[Key, list[np.ndarray]]
    watch: Watch | None = None
    said: Any = None  # what `after` returned
    scope: Scope | None = None
    held: Hold | None = None


class Ended(Exception):
    """The program left the loop; `by` says by which error, "" where it came to its end."""

    def __init__(self, said: str, by: str = "") -> None:
        super().__init__(said)
        self.by = by


Work = Generator[PassRun, PassOutcome, Any]


class Lab:
    """Drives a generator from the hooks of one loop."""

    def __init__(
        self,
        work: Callable[[Lab], Work],
        groups: dict[str, Group],
        files: Any,
        modules: dict[str, dict[str, Any]],
        seconds: float,
        answer: ChildAnswer | None,
        known: dict[str, Group] | None = None,
        patience: float = float("inf"),
    ) -> None:
        self.groups, self.files, self.modules, self.answer = groups, files, modules, answer
        self.deadline = time.process_time() + seconds
        self.closes = time.monotonic() + 0.9 * patience  # by the clock: then the parent waits no longer
        self.work: Work = work(self)
        self.request: PassRun | None = None
        self.state: SavedState | None = None
        self.watch: Watch | None = None
        self.holding: Hold | None = None
        self.before: Values = {}
        self.scope: Scope | None = None
        self.running = False
        self.passes = 0
        self.repeats = 1  # how often each turn of the loop around this one is run
        self.turns = 0  # of the loop around, that came to their end
        self.entered = 0  # how often this loop was begun anew
        self.orders: dict[int, str] = {}  # of each `for` of a pass that goes through several values, their kind
        self.known: dict[str, Group] = known or {}  # what was seen at the end of a pass, and where
        self.pairs: set[tuple[str, str]] = set()  # names of what is subtracted from one another somewhere

    def left(self) -> float:
        """Seconds until this laboratory has to close: of the processor, so that a busy machine sees as much as another;
        of the clock where the parent would otherwise hear nothing."""
        return min(self.deadline - time.process_time(), self.closes - time.monotonic())

    # The hooks --------------------------------------------------------------------------------------------------

    def head(self, scope: Scope) -> None:
        if self.running:  # the pass before did not reach its end
            self._stop()
            self.running = False
            self._advance(lambda: self.work.throw(Ended("a pass was left from within")))
        self.scope, self.state = scope, None
        if self.request is None:
            self._advance(lambda: next(self.work))
        self._begin()

    def tail(self, scope: Scope) -> bool:
        """The end of the pass; whether to run it again."""
        if not self.running or self.request is None:
            return False
        self._stop()
        self.running = False
        request = self.request
        self.scope = scope
        after: Values = {}
        for name, group in self.groups.items() if request.take is None else ():
            try:
                after[name] = group.read(scope)
            except (LookupError, AttributeError, TypeError, ValueError):
                continue
        if self.watch is not None:
            self.watch.finish(scope)
            self.known = self.watch.known
        said = request.after(scope) if request.after is not None else None
        outcome = PassOutcome(
            self.before, after, self.watch.series if self.watch else {}, self.watch, said, scope, self.holding
        )
        again = not isinstance(request, Next)
        if isinstance(request, Again):
            self.state = None
        elif again and self.state is not None:
            self.state.restore()
        if not again:
            self.passes += 1
        self._advance(lambda: self.work.send(outcome))
        if again:
            self._begin()
        return again

    def around(self) -> bool:
        """The end of a turn of the loop around the training loop; whether to run it again."""
        self.turns += 1
        return self.turns % self.repeats != 0

    def turn(self, number: int, frame: FrameType) -> None:
        """A loop inside the pass ends a turn."""
        if self.watch is not None and self.running:
            self.watch.turn(number, frame)

    def order(self, number: int, values: Any) -> Any:
        """What a `for` in the pass goes through: turned round, where that is asked for."""
        if self.request is not None and self.request.turned == number:
            return list(values)[::-1]
        if isinstance(values, Sequence | reversed | zip | enumerate | np.ndarray) and number not in self.orders:
            self.orders[number] = "numbers" if isinstance(values, range) else type(values).__name__
        return values

    def end(self, error: BaseException | None = None, by: str = "") -> None:
        """The program left the loop, or ended; `by` an error, of which this is said."""
        self._stop()
        self._advance(lambda: self.work.throw(Ended(str(error or "the program ended"), by)))
        self._finish_without("the program ended")

    # Within -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        request, scope = self.request, self.scope
        if request is None or scope is None:
            return
        if self.state is None and not isinstance(request, Next | Again):
            self.state = SavedState(scope)
        self.before = {}
        for name, group in self.groups.items():
            try:
                self.before[name] = group.read(scope)
            except (LookupError, AttributeError, TypeError, ValueError):
                continue
        if self.passes and any(values.size != self.groups[name].size for name, values in self.before.items()):
            self.end()  # the loop is that of another training now, of tensors of other sizes
            return
        for name, values in request.values.items():
            self.groups[name].write(scope, values)
        if request.before is not None:
            request.before(scope)
        self.watch = None
        if request.watch is not None:
            wanted = None if request.watch == "all" else request.watch
            self.watch = Watch(self.files, self.modules, wanted, self.known)
            if request.take is not None:
                self.watch.take = request.take
        self.running = True
        self.holding = None
        if request.hold:
            inner = self.watch.call if self.watch is not None else None
            self.holding = Hold(scope, {name: self.groups[name] for name in request.hold}, self.files, inner)
            self.holding.start()
        elif self.watch is not None:
            self.watch.start()

    def _stop(self) -> None:
        if self.holding is not None:
            self.holding.stop()
        if self.watch is not None:
            self.watch.stop()

    def _advance(self, step: Callable[[], PassRun]) -> None:
        try:
            self.request = step()
        except StopIteration as end:
            if self.answer is None:
                raise
            self.answer.send(end.value)
        except BaseException as error:
            if self.answer is None:
                raise
            self.answer.fail(error)

    def _finish_without(self, reason: str) -> None:
        if self.answer is not None:
            self.answer.fail(reason)
