"""What `parity` found: for the terminal, for a program, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.check.parity.judge import BEYOND, TensorComparison
from pellucid.check.parity.sides import KINDS, OF_LAYERS
from pellucid.check.report import Report
from pellucid.files import write_json
from pellucid.train.records.divergence import Difference

_TOGETHER = frozenset({"output gradient", "gradient", "update", "parameter"})


@dataclass(frozen=True)
class Row:
    """A tensor at a step: `kind` is a word of KINDS, `name` says which of them. Step 0 is before the first."""

    step: int
    kind: str
    name: str
    verdict: TensorComparison

    def __str__(self) -> str:
        return place(self.kind, self.name)

    def to_dict(self) -> dict[str, Any]:
        found = self.verdict
        return {
            "step": self.step,
            "kind": self.kind,
            "name": self.name,
            "error": found.error,
            "rounding": found.floor,
            "error_float64": found.exact,
            "relative_error": _part(found.error, found.scale),
            "units": found.units,
            "beyond": found.beyond,
        }


@dataclass(frozen=True)
class Divergence:
    """The first tensor that differs beyond rounding.

    Attributes:
        step: at which step; 0 is before the first.
        kind: "input", "output", "loss", "output gradient", "gradient", "update", "parameter" or "buffer".
        name: of the layer or the parameter, as the first side calls it.
        verdict: how much it differs, and how much of that is rounding.
        hints: what the numbers and the settings say about why.
        autopsy: of a gradient that was written by hand, a function that has `check.backward` name the mistake.
    """

    step: int
    kind: str
    name: str
    verdict: TensorComparison
    hints: list[str] = field(default_factory=list)
    autopsy: Callable[[], Report] | None = None

    @property
    def difference(self) -> Difference:
        """The element that differs most, how many do, the greatest absolute and relative error."""
        return self.verdict.difference  # type: ignore[return-value]

    def __str__(self) -> str:
        return place(self.kind, self.name)

    def to_dict(self) -> dict[str, Any]:
        worst = self.difference
        return {
            "step": self.step,
            "kind": self.kind,
            "name": self.name,
            "max_abs": worst.max_abs,
            "max_rel": worst.max_rel,
            "units": self.verdict.units,
            "rounding": self.verdict.rounding,
            "reason": self.verdict.reason,
            "text": str(worst),
            "hints": list(self.hints),
        }


@dataclass
class ParityReport:
    """Whether two models are the same.

    Attributes:
        status: "equal" up to rounding, "different", or "inconclusive" where a side draws numbers that no seed sets, or
            where both sides are no longer finite.
        frameworks: of the two sides.
        steps: how many were compared.
        first: the first tensor that differs beyond rounding, or None.
        rows: every tensor of every step, in order.
        notes: what was not compared, and what stood in the way.
    """

    status: str
    frameworks: tuple[str, str]
    steps: int
    first: Divergence | None = None
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.status == "equal"

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        steps = f"{self.steps} step{'s' * (self.steps != 1)}"
        ours, theirs = self.frameworks
        pair = f"{ours} and {theirs}" if ours != theirs else f"two models of {ours}"
        tensors = len({(row.kind, row.name) for row in self.rows})
        lines = {
            "equal": [f"{pair}: equal up to rounding, in {tensors} tensors of each of {steps}."],
            "different": [f"{pair}: different."],
            "inconclusive": [f"{pair}: whether they are the same could not be told."],
        }[self.status]
        if self.first is not None and self.status == "different":
            lines += self._told(self.first)
        if self.status == "equal":
            last = next(row.verdict for row in reversed(self.rows) if row.kind == "loss")
            lines.append(
                f"  The last loss differs by {_part(last.error, last.scale):.1g} of its value in float32, "
                f"where rounding explains {_part(last.rounding, last.scale):.1g}."
            )
        trace = self.trace
        if trace is not None:
            lines.append(
                f"  {'From' if self.first is None else 'Already from'} step {trace.step} on {trace} differs by "
                f"{_part(trace.verdict.exact or 0.0, trace.verdict.scale):.1g} of its greatest element in float64: "
                "less than float32 resolves, more than rounding in float64. A constant that one side keeps in float32 "
                "would do that, or a setting that is nearly the same."
            )
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])

    def _told(self, first: Divergence) -> list[str]:
        when = f"at step {first.step}" if first.step else "before the first step"
        difference = str(first.difference).removeprefix(f"{first.name} ")
        ours, theirs = self.frameworks
        lines = [f"First difference beyond rounding: {first}, {when}."]
        if first.difference.kind == "value":
            lines.append(f"  {ours} / {theirs}: it {difference}.")
            units = f"{first.verdict.units:.3g}" if math.isfinite(first.verdict.units) else "infinitely many"
            lines.append(f"  That is {units} times what rounding explains (more than {BEYOND:g} is a difference).")
        else:
            lines.append(f"  {ours} / {theirs}: it {difference}.")
        if first.verdict.reason == "precision":
            lines.append("  In float64 they agree: one side loses more digits in float32 than the other, or overflows.")
        lines += [f"  {hint}" for hint in first.hints]
        if first.kind == "output gradient":
            lines.append("  Everything forward agrees; what differs is the way back, from the loss to here.")
        if first.autopsy is not None:
            lines.append(
                "  These gradients were written by hand: report.first.autopsy() has check.backward name the mistake."
            )
        return lines

    @property
    def trace(self) -> Row | None:
        """The first tensor before `first` whose float64 values differ, by less than float32 resolves."""
        for row in self.rows:
            if row.verdict.beyond:
                return None
            if row.verdict.trace:
                return row
        return None

    def to_dict(self) -> dict[str, Any]:
        """`{"status", "frameworks", "steps", "first": {"step", "kind", "name", …} | None, "tensors": […], …}`."""
        return {
            "status": self.status,
            "frameworks": list(self.frameworks),
            "steps": self.steps,
            "first": self.first and self.first.to_dict(),
            "tensors": [row.to_dict() for row in self.rows],
            "notes": list(self.notes),
        }

    def save(self, path: str | Path) -> None:
        """Write `to_dict()` as JSON, whole or not at all; what is not finite becomes null."""
        write_json(Path(path), self.to_dict())

    def record(self) -> dict[str, Any]:
        """For `viz.parity`: `{"tensors": {text: {"kind", "step", "error", "rounding", "units", "beyond"}}, …}`.

        Errors are parts of the tensor's greatest magnitude; of gradients, updates and parameters, of the greatest in
        any of their kind: a bias whose gradient is zero but for rounding is not off by its whole size.
        """
        greatest: dict[tuple[int, str], float] = {}
        for row in self.rows:
            if row.kind in _TOGETHER and math.isfinite(row.verdict.scale):
                greatest[row.step, row.kind] = max(greatest.get((row.step, row.kind), 0.0), row.verdict.scale)
        tensors: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            if row.step:
                tensor = tensors.setdefault(
                    _label(row.kind, row.name),
                    {"kind": row.kind, "step": [], "error": [], "rounding": [], "units": [], "beyond": []},
                )
                scale = max(row.verdict.scale, greatest.get((row.step, row.kind), row.verdict.scale))
                tensor["step"].append(row.step)
                tensor["error"].append(_part(row.verdict.error, scale))
                tensor["rounding"].append(_part(row.verdict.floor, scale))
                tensor["units"].append(row.verdict.units)
                tensor["beyond"].append(row.verdict.beyond)
        first = self.first
        return {
            "frameworks": list(self.frameworks),
            "tensors": tensors,
            "first": first and {"step": first.step, "tensor": _label(first.kind, first.name), "text": str(first)},
        }

    def plot(self, **options: Any) -> Any:
        """How the difference grows, and the floor that rounding makes: a matplotlib figure."""
        from pellucid.viz import parity

        return parity(self.record(), **options)


def place(kind: str, name: str) -> str:
    """A tensor of a step in words.

    >>> place("output", "encoder.0, call 2"), place("output", ""), place("update", "0.weight")
    ('the output of layer encoder.0, call 2', 'the output of the model', 'the update of 0.weight')
    """
    if kind in OF_LAYERS and (not name or name.startswith(("[", ", call"))):
        return f"{KINDS[kind].removesuffix(' layer')} the model{name and ' ' + name}"
    return f"{KINDS[kind]} {name}".strip()


def _label(kind: str, name: str) -> str:
    return f"{kind} {name or '(model)'}" if kind in OF_LAYERS else f"{kind} {name}".strip()


def _part(value: float, scale: float) -> float:
    if math.isnan(scale):
        return math.inf
    return value / scale if scale else (math.inf if value else 0.0)
