"""What a report says: findings with their curves, their order, and how the program was understood."""

from __future__ import annotations

import linecache
import math
import textwrap
from collections.abc import Iterable
from typing import Any

from pellucid.doctor.finding import SEVERITIES
from pellucid.doctor.report import Finding

from .compare import outcome, reached, stands
from .confirmation import FAR_MORE, one_by_one
from .record import ProgramRecord
from .rules import crash
from .suspicion import Suspicion

# what a wrong gradient or wrong data may look like, and never the other way round
OF_SCALE = (
    "lr-too-low", "lr-too-high", "late-instability", "too-few-updates", "exploding-gradients", "excessive-weight-decay",
    "loss-reduction-scale",
)  # fmt: skip
POINTS = 60
CLASS_POINTS = 20  # of a curve by classes, as a rare one is not in each batch
NEAR = 4  # lines above and below that are shown


def finding_of(suspicion: Suspicion, was: ProgramRecord, now: ProgramRecord | None) -> Finding:
    finding = Finding(
        suspicion.cause, "error", suspicion.confidence, suspicion.evidence, suspicion.explanation, suspicion.fix
    )
    if suspicion.place is not None:
        show(finding, *suspicion.place)
    finding.details = [suspicion.measured] if suspicion.measured else []
    finding.fork = curves(was, now) if now is not None else dict(suspicion.curves)
    if suspicion.by_recall and now is not None and finding.fork:
        finding.fork = by_class(was, now) or finding.fork
    alone = one_by_one(was, now) if now is not None and suspicion.by_single else None
    if alone is not None and alone[1] - alone[0] > FAR_MORE:  # in a batch, its answers may be as good
        finding.fork = {
            "as it was": [alone[0]] * 2,
            "with the fix": [alone[1]] * 2,
            "what": "share of right answers at the end, each row by itself",
        }
    return finding


def show(finding: Finding, file: str, line: int) -> None:
    """Have a finding stand in a line."""
    finding.file, finding.line = file, line
    finding.code = linecache.getline(file, line).strip()
    finding.around = _around(file, line)


def _around(file: str, line: int) -> list[tuple[int, str]]:
    """The lines near one, with their numbers; what all of them are indented by is taken away."""
    lines = linecache.getlines(file) if file.endswith(".py") else []
    first = max(line - NEAR, 1)
    near = textwrap.dedent("".join(lines[first - 1 : line + NEAR])).splitlines()
    return list(enumerate(near, first))


def findings_of_error(record: ProgramRecord) -> list[Finding]:
    """What the error says that ended a run."""
    return [finding_of(suspicion, record, None) for suspicion in crash.crashed(record)]


def status_of(findings: Iterable[Finding]) -> str:
    faults = any(f.severity == "error" or (f.severity == "warning" and f.verified) for f in findings)
    return "faults" if faults else "healthy"


def rank(finding: Finding) -> tuple[int, bool, float]:
    """The worst first; of errors, what is wrong before what does not suit."""
    return SEVERITIES.index(finding.severity), finding.cause in OF_SCALE, -finding.confidence


def proved_beside(finding: Finding, others: Iterable[str], was: ProgramRecord, now: ProgramRecord) -> None:
    """Both runs have these other causes mended, without which its own fix does nothing."""
    finding.verified = True
    finding.fork = {**curves(was, now), "beside": ", ".join(dict.fromkeys(others))}


def curves(was: ProgramRecord, now: ProgramRecord) -> dict[str, Any]:
    """Both runs, for the report."""
    classes = was.classes and now.classes
    most = len(now.steps) if len(now.steps) > 2 * len(was.steps) else len(was.steps)  # where more updates are the fix
    values = [[step.accuracy if classes else step.loss for step in record.steps[:most]] for record in (was, now)]
    return {
        "as it was": _thinned(values[0]),
        "with the fix": _thinned(values[1]),
        "what": "share of right answers in the batch" if classes else "loss",
    }


def by_class(was: ProgramRecord, now: ProgramRecord) -> dict[str, Any]:
    """Both runs by what is recognised of each class, all classes alike; {} where that is not known of two of them.

    The share of right answers is highest where only the common class is ever said.
    """
    curves = [_recalled(record) for record in (was, now)]
    if any(len(curve) < 2 for curve in curves):
        return {}
    what = "share recognised, mean over the classes"
    return {"as it was": curves[0], "with the fix": curves[1], "what": what}


def _recalled(record: ProgramRecord) -> list[float | None]:
    size = max(len(record.steps) // CLASS_POINTS, 1)
    found: list[float | None] = []
    for start in range(0, len(record.steps), size):
        sums: dict[int, list[int]] = {}
        for step in record.steps[start : start + size]:
            for kind, (right, count) in step.recognised.items():
                both = sums.setdefault(kind, [0, 0])
                both[0] += right
                both[1] += count
        shares = [right / count for right, count in sums.values() if count]
        if len(shares) > 1:
            found.append(sum(shares) / len(shares))
    return found


def _thinned(values: list[float | None]) -> list[float | None]:
    known = [0.0 if value is None else value for value in values]
    size = max(len(known) // POINTS, 1)
    return [sum(known[i : i + size]) / len(known[i : i + size]) for i in range(0, len(known), size)]


def facts_of(record: ProgramRecord) -> dict[str, Any]:
    """How the program was understood."""
    facts: dict[str, Any] = {
        "parameters": [
            {"name": p.name, "shape": list(p.shape), "elements": _size(p.shape)}
            for p in record.parameters.values()
            if p.known
        ],
        "steps": len(record.steps),
    }
    at = record.lines.get("backward")
    if at is not None:
        facts["loop"] = {"file": at[0], "line": at[1], "function": "", "code": linecache.getline(*at).strip()}
    if record.loss.kind:
        facts["loss"] = {"title": record.loss.kind, "how": "seen as it was called", "kind": record.loss.kind}
    if record.steps:
        facts["run"] = run_of(record)
    if record.optimizers:
        facts["optimizer"] = {"name": record.optimizers[0].name, **record.optimizers[0].options}
    return facts


def run_of(record: ProgramRecord) -> dict[str, Any]:
    """What a run came to, by which one of another text of the program is compared with it."""
    end = outcome(record)
    numbers = {"begin": end.begin, "end": end.loss, "accuracy": end.accuracy, "reached": reached(record)}
    known = {name: value if value is not None and math.isfinite(value) else None for name, value in numbers.items()}
    return {"steps": len(record.steps), "loss": record.loss.kind, "guesses": stands(record), **known}


def _size(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count
