"""Two sides a step at a time, in float32 and in float64; of each tensor only the verdict is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from pellucid.check.parity_functions import NumPySide
from pellucid.check.parity_hints import hint
from pellucid.check.parity_judge import Verdict, judge
from pellucid.check.parity_names import Names
from pellucid.check.parity_report import Divergence, ParityReport, Row
from pellucid.check.parity_sides import Array, Batch, Key, Side

Tensors = dict[Key, Array]
_AS_FAR_AS = 1e-2  # of the loss: further apart float32 and float64 of one side are two computations, and not rounding


class Lockstep:
    """Both sides in float32, and each in float64 if it runs in that.

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
        self._single = sides(False)
        self._double: list[Side | None] = list(sides(True))
        self._names = Names(self._single[0], self._single[1], names, transpose)
        self._names.carry(self._single[0], self._single[1])
        self._seed, self._steps = seed, 0
        self._rows: list[Row] = []
        self._first: Divergence | None = None
        self._notes: list[str] = []
        self._doubt = ""
        self._lone = [dict.fromkeys(self._names.only_ours), dict.fromkeys(self._names.only_theirs)]

    def step(self, step: int, batch: Batch) -> None:
        """Run a step on each side, and compare every tensor of it; the first step is 1."""
        if step == 1:
            self._start(batch)
            self._compare(0, batch, *self._of_all(_state))
        self._before = [side.parameters() for side in self._single]
        single, double = self._of_all(lambda side: _advance(side, step, batch, self._seed))
        if step == 1:
            self._examine(single, double)
        self._compare(step, batch, single, double)
        self._steps = step

    def _start(self, batch: Batch) -> None:
        """The float64 sides: tried out, then given the weights that the float32 ones have."""
        for place, (one, twin) in enumerate(zip(self._single, self._double, strict=True)):
            if twin is None:
                continue
            try:
                twin.load({**one.parameters(), **one.buffers()})
                twin.run(batch, self._seed + 1)
                twin.load({**one.parameters(), **one.buffers()})
            except Exception as error:  # noqa: BLE001 (whatever a model that knows only float32 does with float64)
                if _fails(one, batch, self._seed + 1):
                    continue  # in float32 too: not because of float64, and `step` says so
                self._double[place] = None
                self._notes.append(
                    f"{one.framework} does not run in float64 ({type(error).__name__}: {error!s:.120}): "
                    "what rounding explains was estimated from float32's last place, and less is seen."
                )

    def _of_all(self, function: Callable[[Side], Tensors]) -> tuple[list[Any], list[Any]]:
        """What a function gives for both sides in float32, and in float64, by our names and in our layout."""
        single = [function(side) for side in self._single]
        double = [None if side is None else function(side) for side in self._double]
        for pair in (single, double):
            if pair[1] is not None:
                pair[1] = self._names.here(pair[1])
        return single, double

    def _examine(self, single: list[Tensors], double: list[Tensors | None]) -> None:
        """Where float32 and float64 of one side are two computations, nothing can be told from its rounding."""
        for side, one, twin in zip(self._single, single, double, strict=True):
            if twin is None:
                continue
            ours, exact = (float(tensors["loss", ""]) for tensors in (one, twin))
            if abs(ours - exact) > _AS_FAR_AS * max(abs(ours), abs(exact)):
                self._doubt = (
                    f"The loss of {side.framework} is {ours:.6g} in float32 and {exact:.6g} in float64, from the same "
                    "weights and the same batch: it draws random numbers that no seed sets, or rounding hides what it "
                    "computes. Nothing can be told of it."
                )

    def _compare(self, step: int, batch: Batch, single: Any, double: Any) -> None:
        ours, theirs = single
        for key, array in ours.items():
            kind, name = key
            if key not in theirs:
                if kind == "output":
                    self._lone[0][name] = None
                continue
            twins = tuple(None if twin is None else twin.get(key) for twin in double)
            stored = 0.0
            if kind == "update":
                stored = max(float(np.abs(side["parameter", name]).max(initial=0.0)) for side in single)
            verdict = judge(kind, name, step, (array, theirs[key]), twins, stored)  # type: ignore[arg-type]
            self._rows.append(Row(step, kind, name, verdict))
            if verdict.beyond and self._first is None:
                both = all(twin is not None for twin in twins) and verdict.reason == "formula"
                self._first = self._divergence(
                    step, kind, name, verdict, twins if both else (array, theirs[key]), batch
                )
        self._lone[1] |= {name: None for kind, name in theirs if kind == "output" and (kind, name) not in ours}

    def _divergence(self, step: int, kind: str, name: str, verdict: Verdict, pair: Any, batch: Batch) -> Divergence:
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
        status = "inconclusive" if self._doubt else "different" if self._first else "equal"
        frameworks = (self._single[0].framework, self._single[1].framework)
        return ParityReport(status, frameworks, self._steps, self._first, self._rows, notes)


def _state(side: Side) -> Tensors:
    parameters: Tensors = {("parameter", name): value for name, value in side.parameters().items()}
    return parameters | {("buffer", name): value for name, value in side.buffers().items()}


def _advance(side: Side, step: int, batch: Batch, seed: int) -> Tensors:
    """A training step, and all its tensors."""
    before = side.parameters()
    try:
        tensors = side.run(batch, seed + step)
        side.update()
    except Exception as error:
        error.add_note(f"This was on the side of {side.framework}, at step {step} of parity.")
        raise
    after = side.parameters()
    updates: Tensors = {("update", name): value - before[name] for name, value in after.items()}
    return {**tensors, **updates, **_state(side)}


def _fails(side: Side, batch: Batch, seed: int) -> bool:
    weights = {**side.parameters(), **side.buffers()}
    try:
        side.run(batch, seed)
    except Exception:  # noqa: BLE001
        return True
    side.load(weights)
    return False
