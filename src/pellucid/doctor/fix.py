"""`--fix`: a copy of the program with the repair in it, beside the script, offered only if the doctor finds it healthy.

Each repair is tried as a program of its own, in the folder of the script, under the same arguments. One that leaves
another fault is kept for the next round, as a program may have two; one that changes nothing for the better is dropped.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pellucid.doctor.notebook import Book, is_notebook
from pellucid.doctor.repairs import repairs, together
from pellucid.doctor.report import Finding, Report
from pellucid.files import write_atomically

ROUNDS = 3

Examine = Callable[[Path, float], Report]


class Exists(Exception):
    """There is a file of that name already."""


def copy_of(script: Path) -> Path:
    """Where the patched copy goes. Raises Exists."""
    path = script.with_name(f"{script.stem}.fixed{script.suffix}")
    if path.exists():
        raise Exists(f"{path} is there already: move it away, or delete it, and ask for --fix again.")
    return path


def fix(report: Report, script: Path, examine: Examine, budget: float) -> None:
    """Try repairs, and write the copy and the diff of one that cured the program into the report.

    Nothing is written over the script. `report.fix` says what came of it: "path" and "diff", or "reason".
    """
    path = copy_of(script)
    end = time.monotonic() + budget
    before = _read(script)
    source, now, tried = before, report, 0
    for _ in range(ROUNDS):
        alarms = [f for f in now.findings if f.severity in ("error", "warning") and _of(f, script)]
        better: tuple[str, Report] | None = None
        all_at_once = list(together(alarms, source)) if len(alarms) > 1 else []
        for changed in [*all_at_once, *(changed for finding in alarms[:2] for changed in repairs(finding, source))]:
            left = end - time.monotonic()
            if left < 4:
                break
            tried += 1
            try:
                _write(path, script, before, changed)
                other = examine(path, left)
            finally:
                path.unlink(missing_ok=True)
            _called(other, path, script)
            if other.status == "healthy":
                _write(path, script, before, changed)
                report.fix = {"path": str(path), "diff": _diff(before, changed, script), "tried": tried}
                return
            if better is None and _is_better(now, other):
                better = changed, other
        if better is None:
            break
        source, now = better
    report.fix = {"reason": _reason(report, tried, end - time.monotonic() < 4), "tried": tried}


def _reason(report: Report, tried: int, late: bool) -> str:
    if report.status != "faults":
        return "There is nothing to repair."
    if not tried:
        return (
            "No copy was written: no change of a line is known that might repair this. The fix above says what to do."
        )
    why = "the time was up" if late else "with none of them the doctor found the program healthy"
    return f"No copy was written: {tried} repair{'s were' if tried > 1 else ' was'} tried, and {why}."


def _is_better(was: Report, now: Report) -> bool:
    """Whether the first fault is gone, and what is left is another one."""
    if now.status != "faults" or not now.findings or not was.findings:
        return False
    first, other = was.findings[0], now.findings[0]
    return (first.title, first.line) != (other.title, other.line) and _wrong(now) < _wrong(was)


def _wrong(report: Report) -> int:
    if not any(finding.tensors for finding in report.findings):
        return sum(finding.severity in ("error", "warning") for finding in report.findings)
    return sum(t.get("verdict") not in ("right", "unknown") for f in report.findings for t in f.tensors)


def _of(finding: Finding, script: Path) -> bool:
    return finding.file is not None and Path(finding.file).resolve() == script.resolve()


def _called(report: Report, path: Path, script: Path) -> None:
    """The findings of the copy are about the same lines of the script."""
    for finding in report.findings:
        if finding.file is not None and Path(finding.file).resolve() == path.resolve():
            finding.file = str(script)


def _read(script: Path) -> str:
    if is_notebook(script):
        return Book(script).source
    return script.read_text(encoding="utf-8")


def _write(path: Path, script: Path, before: str, changed: str) -> None:
    data = Book(script).patched(before, changed) if is_notebook(script) else changed
    write_atomically(path, data.encode())


def _diff(before: str, changed: str, script: Path) -> str:
    names: dict[str, Any] = {"fromfile": script.name, "tofile": f"{script.stem}.fixed{script.suffix}"}
    lines = difflib.unified_diff(before.splitlines(), changed.splitlines(), lineterm="", n=2, **names)
    return "\n".join(lines) + "\n"
