"""Training from the first pass on in a fork: as it is, or with one thing changed, and the losses on the way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.doctor.probes.losses import Candidate, Key
from pellucid.doctor.probes.tables import Holder
from pellucid.doctor.probes.training import Mended, moving
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Again, Ended, Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.paths import Scope

BURST = 40  # passes in a row whose losses are averaged
SKIPPED = 8  # passes of a burst in a row that may have no loss
WIDE = 240  # the same, where a pass sees one row or a few
MOST_KEPT = 100_000  # numbers of a burst that are kept for the parent, and those of the pass that goes beyond
GROWTH = 1.35  # from one burst to the next

Change = Callable[[Scope], Any]


@dataclass(frozen=True)
class Remedy:
    """What is changed in a trial.

    Attributes:
        name: of the cause that it would cure.
        scale: of every update.
        begin: change the state once, at the head of the first pass, after the parameters are put back.
        each: change the state at the head of every pass.
        repeat: how often each pass is run; `epochs`: how often each turn of the loop around the training loop is.
        undecayed: the shares of some parameters that are given back after each pass.
        units: what a loss is multiplied with, where labels were divided by a scale of their own.
    """

    name: str = ""
    what: str = "as it is"
    scale: float = 1.0
    begin: tuple[Change, ...] = ()
    repeat: int = 1
    undecayed: tuple[tuple[str, float], ...] = ()
    each: tuple[Change, ...] = ()
    units: float = 1.0
    epochs: int = 1

    def and_(self, other: Remedy) -> Remedy:
        return Remedy(
            other.name,
            other.what,
            self.scale * other.scale,
            (*self.begin, *other.begin),
            self.repeat * other.repeat,
            (*self.undecayed, *other.undecayed),
            (*self.each, *other.each),
            self.units * other.units,
            self.epochs * other.epochs,
        )


@dataclass
class Trial:
    """A training from the initial parameters.

    Attributes:
        at, losses: the pass of each loss that was taken down, in bursts of passes in a row.
        passes: how many passes there were; `ended`: the program left its loop then, `ended_by` an error.
        burst: how many passes in a row are averaged; `still`: no update was made, so that all of them are alike.
        turns: how often the loop around the training loop came to its end.
        first, last: the values that were asked for, of the passes of the first and of the last burst.
        moved: by parameter, the size of the largest update seen as a share of the size of the parameter.
        values: the parameters after the last pass, but for those that have another size by then.
    """

    what: str = ""
    at: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    passes: int = 0
    ended: bool = False
    first: dict[Key, list[np.ndarray]] = field(default_factory=dict)
    last: dict[Key, list[np.ndarray]] = field(default_factory=dict)
    moved: dict[str, float] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    ended_by: str = ""
    burst: int = BURST
    still: bool = False
    turns: int = 0

    def curve(self, passes: int | None = None) -> list[float]:
        """The mean loss of each burst; of those that began in the first `passes`, and of two at least."""
        parts, begins, count = self._bursts(), [0], 0
        for part in parts[:-1]:
            count += len(part)
            begins.append(self.at[min(count, len(self.at) - 1)])
        kept = [p for i, p in enumerate(parts) if i < 2 or passes is None or begins[i] < passes]
        return [float(np.mean(part)) for part in kept]

    def drawn(self, passes: int | None = None) -> list[float]:
        """What a picture shows: the curve, or every loss where there are hardly any."""
        curve = self.curve(passes)
        return (
            curve
            if len(curve) > 2
            else [loss for at, loss in zip(self.at, self.losses, strict=True) if not passes or at < passes]
        )

    def _bursts(self) -> list[list[float]]:
        parts: list[list[float]] = []
        for i, (at, loss) in enumerate(zip(self.at, self.losses, strict=True)):
            if i == 0 or at > self.at[i - 1] + SKIPPED or len(parts[-1]) >= self.burst:
                parts.append([])
            parts[-1].append(loss)
        if len(parts) > 1 and len(parts[-1]) < self.burst // 2:  # too few for a mean of their own
            parts[-2:] = [[*parts[-2], *parts[-1]][-self.burst :]]
        return parts

    @property
    def finite(self) -> bool:
        return bool(self.losses) and bool(np.isfinite(self.losses).all())

    @property
    def level(self) -> float:
        """The mean loss at the end; infinite where it is no number."""
        parts = self._bursts()
        part = parts[-1] if parts else []
        if len(parts) == 1 and len(part) > 8 and not self.still:  # one short run: its last quarter
            part = part[-max(4, len(part) // 4) :]
        return float(np.mean(part)) if part and np.isfinite(part).all() else float("inf")

    @property
    def noise(self) -> float:
        """How uncertain the level is."""
        parts = self._bursts()
        part = parts[-1] if parts else []
        return float(np.std(part) / np.sqrt(len(part))) if part and np.isfinite(part).all() else float("inf")

    def level_at(self, passes: int) -> float:
        """The mean loss of the burst that ends nearest to a number of passes."""
        parts, ends, count = self._bursts(), [], 0
        for part in parts:
            count += len(part)
            ends.append(self.at[min(count, len(self.at)) - 1])
        best = min(range(len(parts)), key=lambda i: abs(ends[i] - passes), default=None)
        part = parts[best] if best is not None else []
        return float(np.mean(part)) if part and np.isfinite(part).all() else float("inf")


def trial(
    lab: Lab,
    found: Parameters,
    candidate: Candidate,
    initial: dict[str, np.ndarray],
    passes: int,
    seconds: float,
    remedy: Remedy,
    keys: frozenset[Key] = frozenset(),
    burst: int = BURST,
    enough: float | None = None,
    mended: Mended | None = None,
) -> Generator[PassRun, PassOutcome, Trial]:
    """In a laboratory: train from the initial parameters on, for a number of passes or of seconds of the processor, or
    until the mean loss of a burst is below `enough`; by the right gradient, where the program's is `mended`.

    Not of the clock: on a busy machine a training would be cut short, and a remedy that helps late would not be seen.
    """
    result = Trial(remedy.what, burst=burst, still=remedy.scale == 0.0)
    lab.repeats, lab.turns = remedy.epochs, 0
    losses, all_keys = frozenset(candidate.keys), frozenset(candidate.keys) | keys
    started = time.process_time()
    following, collected = burst, 0
    turn, moves = 0, True  # of the pass that is run again and again
    kept: dict[Key, list[np.ndarray]] = {}
    unchanged = remedy.scale == 1.0 and not remedy.undecayed
    move = None if unchanged else scaled(lab, found, remedy.scale, dict(remedy.undecayed))
    with np.errstate(all="ignore"):
        try:
            while result.passes < passes and time.process_time() - started < seconds and lab.left() > 0.15:
                at = result.passes
                taken = at < burst or at >= following
                begin = beginning(lab, found, initial, (*remedy.begin, *remedy.each)) if at == 0 else None
                if at and remedy.each:
                    begin = _all(remedy.each)
                if mended is not None and remedy.scale != 0.0:  # it is that of a state in which a pass has begun
                    slopes = (yield from mended.gradient(lab)) if at else {}
                    rate = None if mended.rate is None else mended.rate * remedy.scale
                    move = moving(lab, found, 1.0, slopes, rate, mended.wrong) if at else scaled(lab, found, 0.0)
                extra = keys and taken
                again = turn + 1 < remedy.repeat and (turn == 0 or moves)
                outcome = yield (Again if again else Next)(
                    watch=(all_keys if extra else losses) if taken else None, before=begin, after=move
                )
                turn = turn + 1 if again else 0
                moves = not again or _moves(outcome, found)  # one that makes no update need not be run again
                result.passes += 1
                result.values = {n: v for n, v in outcome.after.items() if v.size == outcome.before.get(n, v).size}
                if not taken or not losses <= outcome.seen.keys():  # a pass may have nothing to do: if i != j
                    continue
                value = remedy.units * candidate.value(outcome.seen)
                result.at.append(at)
                result.losses.append(value)
                if at < burst:
                    _keep(result.first, outcome.seen, keys)
                if collected == 0:
                    kept = {}
                _keep(kept, outcome.seen, keys)
                collected += 1
                result.last = kept
                if at >= following and collected >= burst:
                    following, collected = max(int(at * GROWTH), at + 1), 0
                elif at == burst - 1:
                    following, collected = burst, 0
                if at % 10 == 0:
                    _sizes(result, outcome, found)
                done = at >= burst and collected in (0, burst)  # a burst is whole
                if enough is not None and done and float(np.mean(result.losses[-burst:])) < enough:
                    break
                if not np.isfinite(value) and len(result.losses) > 3:
                    break
        except Ended as end:
            result.ended = True
            result.error, result.ended_by = str(end), end.by
    result.seconds = time.process_time() - started
    result.turns = lab.turns
    return result


def _moves(outcome: PassOutcome, found: Parameters) -> bool:
    """Whether a pass moved a parameter."""
    before, after = outcome.before, outcome.after
    return any(n in before and n in after and not np.array_equal(before[n], after[n]) for n in found.parameters)


def _all(changes: tuple[Change, ...]) -> Change:
    def before(scope: Scope) -> None:
        for change in changes:
            change(scope)

    return before


def _keep(store: dict[Key, list[np.ndarray]], seen: dict[Key, list[np.ndarray]], keys: frozenset[Key]) -> None:
    if store and sum(value.size for series in store.values() for value in series) > MOST_KEPT:
        return
    for key in keys:
        if key in seen:
            store.setdefault(key, []).extend(seen[key][: max(1, 400 - len(store.get(key, ())))])


def _sizes(result: Trial, outcome: PassOutcome, found: Parameters) -> None:
    for name in found.parameters:
        if name in outcome.before and name in outcome.after:
            old, new = outcome.before[name], outcome.after[name]
            size = float(np.sqrt((old * old).sum()))
            step = float(np.sqrt(((new - old) ** 2).sum()))
            share = step / size if size > 0 else float("inf") if step > 0 else 0.0
            result.moved[name] = max(result.moved.get(name, 0.0), share)


def gently(
    lab: Lab, found: Parameters, work: Generator[PassRun, PassOutcome, Any]
) -> Generator[PassRun, PassOutcome, Any]:
    """The same work, but from one pass to the next the parameters hardly move."""
    outcome: PassOutcome | None = None
    try:
        while True:
            request = next(work) if outcome is None else work.send(outcome)
            while True:
                if isinstance(request, Next) and request.after is None:
                    request.after = scaled(lab, found, 1e-4)
                try:
                    outcome = yield request
                    break
                except Ended as end:
                    request = work.throw(end)
    except StopIteration as end:
        return end.value


def as_studied(
    session: TrainingSession, lab: Lab, work: Generator[PassRun, PassOutcome, Any]
) -> Generator[PassRun, PassOutcome, Any]:
    """The work on the passes that slopes are measured in: after a return to the first weights, these hardly move."""
    return gently(lab, session.found, work) if session.returned else work


def scaled(lab: Lab, found: Parameters, scale: float, undecayed: dict[str, float] | None = None) -> Change:
    """At the end of a pass: every update this many times as large, and without a decay of some parameters.

    What has decayed is taken out of a velocity, too, which would bring it into all later updates. With no updates an
    optimiser remembers none: by a velocity a pass looks ahead of where the parameters are, further each time.
    """

    def after(scope: Scope) -> None:
        for name in found.memory if scale == 0 else ():
            if name in lab.before and name in lab.groups:
                lab.groups[name].write(scope, lab.before[name])
        for name in found.parameters:
            old = lab.before.get(name)
            if old is not None:
                new = lab.groups[name].read(scope)
                back = (undecayed or {}).get(name, 0.0) * old
                lab.groups[name].write(scope, old + scale * (new - old + back))
                if name in (undecayed or {}):
                    _give_back(lab, found, name, new - old, back, scope)

    return after


def _give_back(lab: Lab, found: Parameters, name: str, moved: np.ndarray, back: np.ndarray, scope: Scope) -> None:
    """Take a decay out of the velocities of a parameter: of what its update is a multiple of."""
    for memory in (memory for memory, owner in found.memory.items() if owner == name and memory in lab.groups):
        velocity = lab.groups[memory].read(scope)
        if velocity.shape != moved.shape or not velocity.any():
            continue
        share = float(moved @ velocity) / float(velocity @ velocity)
        if share and np.abs(moved - share * velocity).max() < 1e-6 * np.abs(moved).max():
            lab.groups[memory].write(scope, velocity + back / share)


def beginning(lab: Lab, found: Parameters, initial: dict[str, np.ndarray], changes: tuple[Change, ...]) -> Change:
    """At the head of a pass: the parameters as they were before the first one, and these changes."""

    def before(scope: Scope) -> None:
        rewind(found, initial, scope)
        for change in changes:
            change(scope)
        lab.before.update({name: group.read(scope) for name, group in found.groups.items()})

    return before


def rewind(found: Parameters, initial: dict[str, np.ndarray], scope: Scope) -> None:
    """Put the parameters back to what they were before the first pass, and an optimiser's memory to nothing."""
    for name, group in found.groups.items():
        values = initial.get(name)
        if values is not None and values.size == group.size:
            group.write(scope, values)
        elif name in found.memory:
            group.write(scope, np.zeros(group.size))


def to_values(found: Parameters, name: str, values: np.ndarray) -> Change:
    """Begin with other values of a parameter."""
    return lambda scope: found.groups[name].write(scope, values)


def shaken(found: Parameters, seed: int) -> Change:
    """Begin from parameters up to a tenth larger or smaller, each tensor as a whole, and with other random draws."""

    def change(scope: Scope) -> None:
        rng = np.random.default_rng(seed)
        for name in found.parameters:
            group = found.groups[name]
            group.write(scope, group.read(scope) * rng.uniform(0.9, 1.1))
        np.random.seed(seed)  # noqa: NPY002 (the stream that the user's program draws from)
        random.seed(seed)

    return change


def transformed(tensors: Sequence[Holder], function: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Begin with other data. All is read before anything is written: one array may be a view of another."""

    def change(scope: Scope) -> None:
        old = [group.read(scope).reshape(group.shape) for group in tensors]
        for group, values in zip(tensors, old, strict=True):
            group.write(scope, function(values).ravel())

    return change
