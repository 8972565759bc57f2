"""What a check found: for the terminal, for a program, and as a picture."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.check.autopsy.diagnose import Diagnosis
from pellucid.check.autopsy.evidence import Evidence
from pellucid.check.mistakes import UNKNOWN
from pellucid.files import write_atomically


@dataclass
class Report:
    """The verdict on a set of gradients.

    Attributes:
        status: "right", "wrong" or "inconclusive".
        tensors: the evidence for each tensor, by name.
        diagnoses: for each wrong one, what is most likely the mistake.
        notes: how it was measured, and what stood in the way.
    """

    status: str
    tensors: dict[str, Evidence] = field(default_factory=dict)
    diagnoses: dict[str, Diagnosis] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.status == "right"

    def __bool__(self) -> bool:
        return self.ok

    def to_dict(self) -> dict[str, Any]:
        """`{"status": …, "tensors": [{"name", "relative_error", "ratio", "cosine", "mistake", …}], "notes": […]}`."""
        rows: list[dict[str, Any]] = []
        for name, evidence in self.tensors.items():
            diagnosis = self.diagnoses.get(name)
            rows.append(
                {
                    "name": name,
                    "relative_error": _plain(evidence.relative_error),
                    "ratio": _plain(evidence.ratio),
                    "cosine": _plain(evidence.cosine),
                    "mistake": diagnosis.mistake if diagnosis else None,
                    "confidence": diagnosis.confidence if diagnosis else None,
                    "explanation": diagnosis.explanation if diagnosis else "",
                    "fix": diagnosis.fix if diagnosis else "",
                    "where": diagnosis.where if diagnosis else "",
                    "also_possible": diagnosis.others if diagnosis else [],
                    "pattern": evidence.pattern,
                }
            )
        return {"status": self.status, "tensors": rows, "notes": list(self.notes)}

    def save(self, path: str | Path) -> None:
        """Write `to_dict()` as JSON, whole or not at all."""
        write_atomically(path, json.dumps(self.to_dict(), indent=2, ensure_ascii=False))

    def __str__(self) -> str:
        lines = [_HEADLINES[self.status]]
        width = max((len(name) for name in self.tensors), default=0)
        for name, evidence in self.tensors.items():
            mark = "✗" if evidence.wrong else "✓"
            figures = f"relative error {_short(evidence.relative_error)}"
            if evidence.wrong:
                figures += f"  cosine {_short(evidence.cosine)}  ratio {_short(evidence.ratio)}"
            mistake = f"  {self.diagnoses[name].mistake}" if name in self.diagnoses else ""
            lines.append(f"  {mark} {name:<{width}}  {figures}{mistake}")
        for group, names in self.causes():
            lines += [
                "",
                f"{', '.join(names)}: {group.mistake}  (confidence {group.confidence:.0%})",
                f"  {group.explanation}",
            ]
            patterns = {self.tensors[name].pattern for name in names} - {""}
            if len(patterns) == 1:
                lines.append(f"  {patterns.pop().capitalize()}.")
            lines.append(f"  Write: {group.fix}" if group.mistake != UNKNOWN else f"  Next: {group.fix}")
            if group.others:
                lines.append(f"  The same numbers would come from: {', '.join(group.others)}")
        lines += [f"Note: {note}" for note in self.notes]
        return "\n".join(lines)

    def causes(self) -> list[tuple[Diagnosis, list[str]]]:
        """The diagnoses, each with the tensors that it explains."""
        found: dict[tuple[str, str, str], tuple[Diagnosis, list[str]]] = {}
        for name, diagnosis in self.diagnoses.items():
            key = (diagnosis.mistake, diagnosis.where, diagnosis.explanation)
            found.setdefault(key, (diagnosis, []))[1].append(name)
        return list(found.values())

    def plot(self, name: str | None = None, **options: Any) -> Any:
        """True, given and difference, side by side, of one tensor or of all wrong ones: a matplotlib figure."""
        from pellucid.viz import gradient_error

        wanted = [name] if name else [n for n, evidence in self.tensors.items() if evidence.wrong] or list(self.tensors)
        return gradient_error(
            {n: (self.tensors[n].true, self.tensors[n].given) for n in wanted},
            {n: evidence.mistake for n, evidence in self.diagnoses.items()},
            **options,
        )


_HEADLINES = {
    "right": "The gradients are right.",
    "wrong": "The gradients are wrong.",
    "inconclusive": "Whether the gradients are right could not be told.",
}


def _plain(value: float) -> float | None:
    """A number that JSON can hold."""
    return float(value) if math.isfinite(value) else None


def _short(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.2g}" if abs(value) < 1e-3 else f"{value:.4g}"
