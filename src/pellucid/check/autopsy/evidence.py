"""What can be seen of a gradient beside the right one: how far it is off, in which entries, by which factor."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.check.record.tape import Array
from pellucid.check.subject.measure import Measured


@dataclass
class Evidence:
    """One tensor: the gradient that was given beside the true one.

    Attributes:
        relative_error: ‖given − true‖ / max(‖given‖, ‖true‖); 0 where both are zero.
        cosine: of the angle between them; nan where one of them is zero or their shapes differ.
        ratio: the factor c for which c · true is nearest to given: <given, true> / <true, true>.
        pattern: which entries differ, in words.
    """

    name: str
    true: Array
    given: Array | None
    relative_error: float = math.inf
    cosine: float = math.nan
    ratio: float = math.nan
    pattern: str = ""
    wrong: bool = True
    steady: bool = True  # whether the ratio is the same at other points, as far as they were looked at
    notes: list[str] = field(default_factory=list)

    @property
    def difference(self) -> float | None:
        """‖given − true‖; None where their shapes differ."""
        if self.given is None or self.given.shape != self.true.shape:
            return None
        return norm(self.given - self.true)


def compare(name: str, true: Array, given: Any, tolerance: float, scale: float) -> Evidence:
    """The evidence for one tensor. `scale` is the largest norm among all gradients: what is tiny beside it is zero."""
    if given is None:
        return Evidence(name, true, None, pattern="there is no gradient")
    given = np.asarray(given)
    if given.dtype.kind not in "fiub":
        return Evidence(name, true, None, pattern=f"it holds {given.dtype}, not numbers")
    given = given.astype(float)
    found = Evidence(name, true, given)
    if given.shape != true.shape and _without_leading(given.shape) == _without_leading(true.shape):
        found.notes.append(f"its shape is {given.shape}, that of the parameter {true.shape}")
        given = found.given = given.reshape(true.shape)  # a bias of (1, n) and its gradient of (n,): they broadcast
    if given.shape != true.shape:
        found.pattern = f"its shape is {given.shape}, that of the parameter {true.shape}"
        return found
    if not np.isfinite(given).all():
        found.pattern = f"{int((~np.isfinite(given)).sum())} of {given.size} entries are not finite"
        return found
    difference, norms = norm(given - true), (norm(given), norm(true))
    found.relative_error = difference / max(norms) if max(norms) else 0.0
    inner = float((given * true).sum())
    if norms[1]:
        found.ratio = inner / norms[1] ** 2
    if all(norms):
        found.cosine = max(-1.0, min(1.0, inner / (norms[0] * norms[1])))
    found.wrong = found.relative_error > tolerance and difference > 1e-9 * scale
    if found.wrong:
        found.pattern = _pattern(true, given, max(norms))
    return found


def _without_leading(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the axes of length 1 that broadcasting adds at its front."""
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


def evidence_of(name: str, measured: Measured, found: dict[str, Measured]) -> Evidence:
    scale = max((float(np.sqrt((each.true**2).sum())) for each in found.values()), default=0.0)
    if not np.isfinite(measured.given).all():
        return compare(name, measured.true, measured.given, 0.0, scale)
    evidence = compare(name, measured.true, measured.given, 0.0 if measured.wrong else math.inf, 0.0)
    evidence.wrong = measured.wrong
    if not measured.wrong:
        evidence.relative_error = measured.away  # what was measured, of which the arrays know nothing
    return evidence


def norm(array: Array) -> float:
    return float(np.sqrt((np.asarray(array, float) ** 2).sum()))


def _pattern(true: Array, given: Array, scale: float) -> str:
    """Which entries differ: all, a slice along an axis, or how many."""
    differs = np.abs(given - true) > 1e-7 * scale / math.sqrt(true.size)
    count = int(differs.sum())
    if true.ndim == 0 or true.size == 1:
        return "it differs"
    if differs.all():
        return "every entry differs"
    for axis in range(true.ndim):
        others = tuple(i for i in range(true.ndim) if i != axis)
        lines = np.nonzero(differs.any(axis=others))[0]
        if len(lines) < true.shape[axis] and differs.take(lines, axis=axis).all():
            what = {1: "entries"}.get(true.ndim, {0: "rows", 1: "columns"}.get(axis, f"slices of axis {axis}"))
            shown = ", ".join(str(i) for i in lines[:5]) + (", …" if len(lines) > 5 else "")
            return f"{len(lines)} of {true.shape[axis]} {what} differ: {shown}"
    return f"{count} of {true.size} entries differ"
