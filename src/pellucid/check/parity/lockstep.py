"""Two sides a step at a time, in float32 and in float64; of each tensor only the verdict is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from pellucid.check.parity.functions import NumPySide
from pellucid.check.parity.hints import hint
from pellucid.check.parity.judge import EPS32, FORWARD, TensorComparison, distance, judge
from pellucid.check.parity.names import PairedNames
from pellucid.check.parity.report import Divergence, ParityReport, Row
from pellucid.check.parity.report import place as place_of
from pellucid.check.parity.sides import Array, Batch, Key, Side
from pellucid.train.records.divergence import ROUNDING_UNITS

Tensors = dict[Key, Array]


class Lockstep:
    """Both sides in float32, and the twin of each: in float64 if it runs in that.

    Args:
        sides: makes both, in float64 or not; called once for each.
        names, transpose: as of `parity`.
        seed: of step 0.
    """

    def __init__(
        self,
        sides: Callable[[bool], list[Side]],
        names: Mapping[str, str] | None,
        transpose: Iterable[str] | None,
        seed: int,
    ) -> None:
        self._sides = sides
        self._single = sides(False)
        self._twins, self._exact = sides(True), True
        self._names = PairedNames(self._single[0], self._single[1], names, transpose)
        self._names.carry(self._single[0], self._single[1])
        self._seed, self._steps = seed, 0
        self._rows: list[Row] = []
        self._first: Divergence | None = None
        self._notes: list[str] = []
        self._doubt = ""
        self._lost = ""
        self._lone = [dict.fromkeys(self._names.only_ours), dict.fromkeys(self._names.only_theirs)]

    def step(self, step: int, batch: Batch) -> None:
        """Run a step on each side, and compare every tensor of it; the first step is 1."""
        if step == 1:
            for place in (0, 1):
                self._start(place, batch)
            self._compare(0, batch, *self._of_all(_state))
        self._before = [side.parameters() for side in self._single]
        self._compare(step, batch, *self._of_all(lambda side: _advance(side, step, batch, self._seed)))
        self._steps = step

    def _start(self, place: int, batch: Batch) -> None:
        """Try a side out, and give its twin the weights that it has."""
        side, twin = self._single[place], self._twins[place]
        weights = {**side.parameters(), **side.buffers()}

        def forward(runner: Side) -> Tensors:
            runner.load(weights)
            found = runner.run(batch, self._seed + 1)
            runner.load(weights)
            return {key: value for key, value in found.items() if key[0] in FORWARD}

        with _told_whose(side, 1):
            here, again = forward(side), forward(side)
        if not all(_alike(value, again[key], ROUNDING_UNITS * EPS32) for key, value in here.items()):
            self._doubt = (
                f"{side.framework} computes something else each time, from the same weights, batch and seed: it draws "
                "random numbers that no seed sets. Nothing can be told of it."
            )
        try:
            there = forward(twin)
        except Exception as error:  # noqa: BLE001 (whatever a model that knows only float32 does with float64)
            why = f"does not run in float64 ({type(error).__name__}: {error!s:.120})."
        else:
            other = next((key for key, value in here.items() if not _alike(value, there[key])), None)
            if other is None or self._doubt:
                return
            why = f"has other numbers in float64 from {place_of(*other)} on; random ones?"
        self._exact = False
        self._twins[place] = twin = self._sides(False)[place]
        rng = np.random.default_rng(self._seed)
        twin.load({name: _moved(value, rng) for name, value in weights.items()})
        self._notes.append(
            f"{side.framework} {why} What rounding explains was estimated in float32 alone, and less is seen."
        )

    def _of_all(self, function: Callable[[Side], Tensors]) -> tuple[list[Tensors], list[Tensors]]:
        """What a function gives for both sides, and for their twins, by our names and in our layout."""
        single, twins = ([function(side) for side in sides] for sides in (self._single, self._twins))
        return [single[0], self._names.here(single[1])], [twins[0], self._names.here(twins[1])]

    def _compare(self, step: int, batch: Batch, single: list[Tensors], twins: list[Tensors]) -> None:
        ours, theirs = single
        for key, array in ours.items():
            kind, name = key
            if key not in theirs:
                if kind == "output":
                    self._lone[0][name] = None
                continue
            pair, double = (array, theirs[key]), (twins[0][key], twins[1][key])
            stored = 0.0
            if kind == "update":
                stored = max(float(np.abs(side["parameter", name]).max(initial=0.0)) for side in single)
            if kind not in ("input", "output") and not self._lost and _lost(pair, double):
                self._lost = (
                    f"From step {step} on, {place_of(kind, name)} is not finite on either side: that they agree in "
                    "this says nothing of the models."
                )
            verdict = judge(kind, name, step, pair, double, self._exact, stored)
            self._rows.append(Row(step, kind, name, verdict))
            if verdict.beyond and self._first is None:
                shown = double if self._exact and verdict.reason == "formula" else pair
                self._first = self._divergence(step, kind, name, verdict, shown, batch)
        self._lone[1] |= {name: None for kind, name in theirs if kind == "output" and (kind, name) not in ours}

    def _divergence(
        self, step: int, kind: str, name: str, verdict: TensorComparison, pair: Any, batch: Batch
    ) -> Divergence:
        settings = [
            self._single[0].describe(kind, name),
            self._single[1].describe(kind, self._names.name_there(name)),
        ]
        frameworks = [side.framework for side in self._single]
        autopsy = None
        for side, params in zip(self._single, self._before if step else [], strict=bool(step)):
            if isinstance(side, NumPySide) and kind == "gradient":
                autopsy = partial(side.autopsy, params, batch)
        return Divergence(step, kind, name, verdict, hint(kind, pair, settings, frameworks, batch), autopsy)

    def report(self) -> ParityReport:
        """What was found up to now."""
        notes = [self._doubt] if self._doubt else []
        notes += self._notes
        for side, names in zip(self._single, self._lone, strict=True):
            shown = [name or "the model" for name in names]
            if shown:
                more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""
                notes.append(f"Only {side.framework} has {', '.join(shown[:6])}{more}: not compared.")
        if self._lost and not self._first:
            notes.append(self._lost)
        status = "inconclusive" if self._doubt else "different" if self._first else "equal"
        status = "inconclusive" if status == "equal" and self._lost else status
        frameworks = (self._single[0].framework, self._single[1].framework)
        return ParityReport(status, frameworks, self._steps, self._first, self._rows, notes)


def _lost(*pairs: tuple[Array, Array]) -> bool:
    """Whether both sides are NaN or infinite somewhere, in either precision: from there on nothing can be compared."""
    return any(all(value.dtype.kind == "f" and not np.isfinite(value).all() for value in pair) for pair in pairs)


def _state(side: Side) -> Tensors:
    parameters: Tensors = {("parameter", name): value for name, value in side.parameters().items()}
    return parameters | {("buffer", name): value for name, value in side.buffers().items()}


def _advance(side: Side, step: int, batch: Batch, seed: int) -> Tensors:
    """A training step, and all its tensors."""
    before = side.parameters()
    with _told_whose(side, step):
        tensors = side.run(batch, seed + step)
        side.update()
    after = side.parameters()
    updates: Tensors = {("update", name): value - before[name] for name, value in after.items()}
    return {**tensors, **updates, **_state(side)}


def _alike(single: Array, double: Array, part: float = 1e-2) -> bool:
    """Whether two runs of a side are one computation: no rounding of a forward pass is so large a part of it."""
    finite = np.isfinite(single) & np.isfinite(double)  # what overflows in float32 alone is rounding, too
    single, double = single[finite].astype(np.float64), double[finite].astype(np.float64)
    greatest = np.abs(double).max(initial=0.0)
    return distance(single, double) <= part * greatest


def _moved(value: Array, rng: np.random.Generator) -> Array:
    if not np.issubdtype(value.dtype, np.floating):
        return value
    return (value * (1 + np.finfo(np.float32).eps * rng.normal(size=value.shape))).astype(value.dtype)


@contextmanager
def _told_whose(side: Side, step: int) -> Iterator[None]:
    """A model's own failure, with the side and the step that it came from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This was on the side of {side.framework}, at step {step} of parity.")
        raise
