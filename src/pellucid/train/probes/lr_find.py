"""The learning rate finder: train for a moment with ever larger rates, look at the loss, and undo it all."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pellucid.train.loop import Callback, Loop, StopFit
from pellucid.train.probes.lr_curve import LEAST_FALL, read
from pellucid.train.probes.rewind import Snapshot

# Rates beyond the suggested ones are tried for as long as the largest is the best, up to this number in all.
MOST_TRIALS = 10
# Of rates whose trials fell by nearly as much as the best, to within this part, the smallest is taken: a larger one
# that gains little in a hundred steps leaps about, or comes apart, in a thousand.
NEAR = 0.06
# And it keeps this far from the one that came furthest, whose hundred steps may just have been lucky.
MARGIN = 2.0
# A rate read off the curve is withdrawn where its own trial comes less than this part of the way of the best: it is too
# small to train with. On 34 networks of benchmarks/lr_find.py the rates that were
# too small came to 0.46 of it at most, the others to 0.54 at least. So is one that is larger than the best: of 400 in
# that benchmark one trained badly, and its hundred steps had shown nothing of it.
FAR = 0.5
# Where the loss rises before it has fallen by more than its noise, the steps are spent once more on this factor below
# the largest rate: in a range of eight decades few of them have a rate that moves anything.
CLOSER = 1000.0


@dataclass(frozen=True, repr=False)
class LRFinder:
    """What `lr_find` found.

    Attributes:
        lrs: the learning rates tried, (n,) float64, rising by a constant factor. Of several parameter groups, the rate
            of the one whose rate is the largest; the others keep their proportion to it.
        losses: the loss of the batch at each, before the step with that rate.
        smoothed: the losses without their noise.
        suggestions: "best": the smallest rate with which the training itself comes about as far as with any, at most
            half of the one that comes furthest (None where none was tried); "steepest": the largest rate at which the
            smoothed loss falls about as fast as anywhere, between a tenth and a quarter of the rate where it is least;
            "valley": two thirds into its longest fall. None each where the curve is not usable; and the last two where
            they are larger than the best, or the trial of the rate came less than half as far as its.
        trials: by rate, the mean loss over the last third of the steps that it was tried for, each from the same
            weights and on the same batches; infinity where it did not stay finite. Tried are the suggested rates, a
            tenth and a half of the one where the loss is least, and its doubles while they are better.
        usable: whether the curve says anything.
        reason: why it does not; or what to keep in mind; or "".
    """

    lrs: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestions: dict[str, float | None]
    usable: bool
    reason: str = ""
    trials: dict[float, float] = field(default_factory=dict[float, float])

    def plot(self, ax: Any = None, save: Any = None) -> Any:
        """The curve with the suggestions marked; see `pellucid.viz.lr_finder`."""
        from pellucid import viz

        return viz.lr_finder(self, ax=ax, save=save)

    def __repr__(self) -> str:
        if not self.usable:
            return f"no learning rate to suggest: {self.reason}"
        rates = ", ".join(f"{name} {rate:.2g}" for name, rate in self.suggestions.items() if rate)
        return f"suggested learning rates: {rates}" + (f" ({self.reason})" if self.reason else "")


def lr_find(
    learner: Loop,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    divergence: float = 4.0,
    callbacks: Sequence[Callback] | None = None,
    trials: int | None = None,
) -> LRFinder:
    """Train for `steps` batches with learning rates from `start` to `end`, read the curve, and try what it suggests.

    Each step has a rate larger than the one before by the same factor. It ends early where the loss is no longer a
    number, or (averaged over some steps) `divergence` times the least it has been. Where the loss rises before it has
    fallen, the last three decades are searched once more. Afterwards everything is as before,
    to the bit: parameters, buffers, gradients, the optimiser's state and rates, the random streams and so the order of
    the data, the learner's counters and callbacks, training mode. So it is after Ctrl-C and after an error.

    Args:
        learner: not within a `fit`. A loader of fewer batches than `steps` is gone through again.
        start, end: the range of rates.
        steps: more steps make a finer and less noisy curve.
        divergence: how many times the least loss ends the search.
        callbacks: those that take part; by default the learner's own that change what a step does (`GradientClip`,
            `Accumulate`, `MixUp`). They are copied. No other is called.
        trials: for how many steps each suggested rate is tried; by default as many as the search may take, and 0 for
            none. One step at a rate says little of hundreds of them: momentum and the noise of the batches move the
            curve, to lower and to higher rates.

    Raises:
        ValueError: the range is not one, there are too few steps or no batches.
        RuntimeError: a fit is under way.

    Where the optimiser has a line search, as L-BFGS may have, the curve shows how far it came and nothing of rates:
    none is suggested.

    Source: Smith, Cyclical Learning Rates for Training Neural Networks, 2017 (arXiv:1506.01186); "valley" is fastai's.

    >>> from pellucid import nn, optim, tensor
    >>> from pellucid.train import Learner
    >>> model = nn.Linear(1, 1)
    >>> batches = [(tensor([[1.0], [2.0]]), tensor([[3.0], [5.0]]))]
    >>> learner = Learner(model, batches, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1))
    >>> found = lr_find(learner)
    >>> found.usable, list(found.suggestions)
    (True, ['best', 'steepest', 'valley'])
    """
    if not isinstance(learner, Loop):
        raise TypeError(
            f"lr_find takes a Learner, not a {type(learner).__name__}: Learner(model, data, loss, optimizer).lr_find()."
        )
    if not 0 < start < end < math.inf:
        raise ValueError(f"lr_find tries rates from start to end, 0 < start < end, but was given {start} and {end}.")
    if not isinstance(steps, int) or steps < 10:
        raise ValueError(f"lr_find needs at least 10 steps to make a curve of, but was given steps={steps!r}.")
    if not divergence > 1:
        raise ValueError(f"divergence is how many times the least loss ends the search, above 1; it is {divergence}.")
    if len(learner.loader) == 0:
        raise ValueError("lr_find was given a learner whose loader has no batches.")
    if trials is not None and (not isinstance(trials, int) or trials < 0):
        raise ValueError(f"trials is how many steps each suggested rate is tried for; it is {trials!r}.")
    learner.check_idle("lr_find")
    if callbacks is None:
        callbacks = [callback for callback in learner.callbacks if callback.changes_step]
    count = steps if trials is None else trials
    found, rises = _look(learner, np.geomspace(start, end, steps), divergence, callbacks, count)
    if rises and count and (nearer := float(found.lrs[-1]) / CLOSER) > start:
        again, _ = _look(learner, np.geomspace(nearer, nearer * CLOSER, steps), divergence, callbacks, count)
        if again.usable and _has_trained(again):
            return again
    return found


def _has_trained(found: LRFinder) -> bool:
    """Whether a rate that was tried got below what the losses began with, by more than their noise."""
    began = found.losses[: max(len(found.losses) // 3, 1)]
    return min(found.trials.values()) < float(began.mean()) - max(
        float(began.std()), LEAST_FALL * abs(float(began.mean()))
    )


def _look(
    learner: Loop, rates: np.ndarray, divergence: float, callbacks: Sequence[Callback], count: int
) -> tuple[LRFinder, bool]:
    """What a mock training with these rates says, each suggestion tried for `count` steps; and of one that says
    nothing, whether its loss rises."""
    search = _Search(rates, divergence)
    _train(learner, search, callbacks)
    lrs, losses = np.array(search.lrs), np.array(search.losses)
    reading = read(lrs, losses, search.diverged)
    if any(group.get("line_search_fn") for group in learner.optimizer.param_groups):
        nothing = dict.fromkeys(["best", *reading.suggestions])
        return LRFinder(lrs, losses, reading.smoothed, nothing, False, _OF_ITS_OWN), False
    suggestions = {"best": None, **reading.suggestions}
    found = LRFinder(lrs, losses, reading.smoothed, suggestions, reading.usable, reading.reason)
    if not found.usable or not count:
        return found, reading.rises

    def loss_of(rate: float) -> float:
        trial = _Search(np.full(count, rate), math.inf)
        _train(learner, trial, callbacks)
        return math.inf if trial.diverged else float(np.mean(trial.losses[-math.ceil(count / 3) :]))

    least = float(lrs[reading.smoothed.argmin()])
    for rate in sorted({*(rate for rate in reading.suggestions.values() if rate), least / 10, least / 2}):
        found.trials[rate] = loss_of(rate)
    while len(found.trials) < MOST_TRIALS and _best(found.trials) == (largest := max(found.trials)):
        found.trials[2 * largest] = loss_of(2 * largest)
    least_loss = min(found.trials.values())
    enough = least_loss + max(NEAR * (float(losses[0]) - least_loss), 0.0)
    near = min(rate for rate, loss in found.trials.items() if loss <= enough)
    best = min(near, _best(found.trials) / MARGIN)
    behind = max(float(losses[0]) - FAR * (float(losses[0]) - least_loss), least_loss)
    poor = [name for name, rate in suggestions.items() if rate and (rate > best or found.trials[rate] > behind)]
    return replace(found, suggestions={**suggestions, **dict.fromkeys(poor), "best": best}), False


_OF_ITS_OWN = (
    "the optimiser finds the length of each step by a line search, from whatever rate it begins with: leave the rate "
    "at the optimiser's own (of L-BFGS 1)"
)


def _best(trials: dict[float, float]) -> float:
    return min(trials, key=lambda rate: (trials[rate], rate))


def _train(learner: Loop, search: _Search, callbacks: Sequence[Callback]) -> None:
    """Train with the rates of `search`, a step for each, and undo it."""
    snapshot = Snapshot(learner)
    try:
        for parameter in [p for group in learner.optimizer.param_groups for p in group["params"]]:
            parameter.grad = None
        for parameter in learner.model.parameters():
            parameter.grad = None
        learner.batch = 0
        learner.loader, learner.valid = _Cycle(learner.loader, len(search.rates)), None
        learner.remove(*learner.callbacks)
        learner.add(search, *copy.deepcopy(list(callbacks)))
        with np.errstate(all="ignore"):  # a loss that overflows is what is looked for
            learner.fit(1)
    finally:
        snapshot.restore()


class _Search(Callback):
    """Sets the rate of each step, and ends the fit where the loss has had enough."""

    order = -50

    def __init__(self, rates: np.ndarray, divergence: float) -> None:
        self.rates = rates
        self.divergence = divergence
        self.lrs: list[float] = []
        self.losses: list[float] = []
        self.diverged = False
        self._sum = self._weight = 0.0
        self._first = self._least = self._spread = math.inf

    def before_fit(self, learner: Loop) -> None:
        largest = max(float(group["lr"]) for group in learner.optimizer.param_groups)
        self.parts = [float(g["lr"]) / largest if largest else 1.0 for g in learner.optimizer.param_groups]

    def before_batch(self, learner: Loop) -> None:
        for group, part in zip(learner.optimizer.param_groups, self.parts, strict=True):
            learner.replace(group, "lr", float(self.rates[learner.batch]) * part)

    def after_loss(self, learner: Loop) -> None:
        if not math.isfinite(learner.loss_value):
            self.diverged = True
            raise StopFit
        self.lrs.append(float(self.rates[learner.batch]))
        self.losses.append(learner.loss_value)
        # The running mean, so that one unlucky batch does not end it; and not before there is something to compare.
        self._sum, self._weight = 0.8 * self._sum + learner.loss_value, 0.8 * self._weight + 1
        mean = self._sum / self._weight
        if len(self.losses) == max(len(self.rates) // 10, 5):
            self._first, self._spread = mean, float(np.std(self.losses))
        if self._first < math.inf:
            self._least = min(self._least, mean)
            # A least loss of almost nothing (or below it) is no measure: then the losses' spread is, or a tenth of
            # what they have fallen by.
            scale = max(abs(self._least), (self._first - self._least) / 10, self._spread)
            if mean > self._least + (self.divergence - 1) * scale:
                self.diverged = True
                raise StopFit


class _Cycle:
    """`steps` batches of a loader, from its beginning again where it ends."""

    def __init__(self, loader: Any, steps: int) -> None:
        self.loader, self.steps = loader, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Any]:
        given = 0
        while given < self.steps:
            before = given
            for batch in self.loader:
                yield batch
                given += 1
                if given == self.steps:
                    return
            if given == before:
                raise ValueError("lr_find: the loader gave no batches.")
