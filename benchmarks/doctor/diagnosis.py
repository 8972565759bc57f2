"""One case: what the doctor says of it, what other tools say, and whether the fix helps."""

from __future__ import annotations

import functools
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.handwritten.cases import Case
from pellucid.doctor.finding import Finding
from pellucid.doctor.observed.findings import curves
from pellucid.doctor.repairs import repairs, together

from .plain import printed, recorded
from .rivals import verdicts

PATIENCE = 120.0  # seconds until a doctor that does not answer is ended
ALARMS = ("error", "warning")
PATCHES = 3  # of a finding that are tried


def diagnose(case: Case, right: Case | None, better: str, budget: float) -> dict[str, Any]:
    """The row of a case.

    Args:
        right: the program without the fault.
        better: whether its score is to be "higher" or "lower".
    """
    report, code, errors, seconds, spent = asked(case, budget)
    alarms = [finding for finding in report["findings"] if finding["severity"] in ALARMS]
    names = [finding["cause"] for finding in alarms]
    accepted = {name for mistake in case.mistakes for name in mistake.names()}
    line = alarms[0]["line"] if alarms else None
    record = recorded(case.source)
    row: dict[str, Any] = {
        "planted": [mistake.id for mistake in case.mistakes],
        "accepted": sorted(accepted),
        "status": report["status"],
        "exit": code,
        "named": names,
        "line": line,
        "detected": report["status"] == "faults" and bool(alarms),
        "rank1": bool(names) and names[0] in accepted,
        "top3": bool(accepted & set(names[:3])),
        "line right": line is not None and any(abs(line - wanted) <= 1 for wanted in case.lines),
        "seconds": round(seconds, 1),
        "cpu": round(spent, 1),
        "overhead": round(report.get("overhead") or 0.0, 1),
        "reason": report.get("reason") or errors,
        "others": {tool: [[said, list(causes)] for said, causes in found] for tool, found in verdicts(record).items()},
    }
    if right is not None and alarms and row["rank1"]:
        row |= recovered(case, right, alarms, better)
    return row


def asked(case: Case, budget: float) -> tuple[dict[str, Any], int, str, float, float]:
    """The report of `pellucid doctor`, its exit code, the end of its errors, and the seconds by clock and processor."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "train.py").write_text(case.source, encoding="utf-8")
        command = [sys.executable, "-m", "pellucid", "doctor", "train.py", "--json", "said.json"]
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            done = subprocess.run(
                [*command, "--budget", str(budget)],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                env=dict(os.environ, OMP_NUM_THREADS="1"),
            )
            code, errors = done.returncode, done.stderr[-300:] if done.returncode not in (0, 1) else ""
        except subprocess.TimeoutExpired:
            code, errors = -1, "no answer in time"
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        said = Path(folder, "said.json")
        report = json.loads(said.read_text()) if said.is_file() else {"status": "none", "findings": []}
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return report, code, errors, seconds, spent


def recovered(case: Case, right: Case, findings: list[dict[str, Any]], better: str) -> dict[str, Any]:
    """The share of the gap to the right program that is made up, by the first finding's fork and by patches.

    Of a program in which more than one fault was found, the patches are of all of them, as `--fix` tries them.
    """
    found: dict[str, Any] = {}
    fork = findings[0].get("fork") or {}
    if "with the fix" in fork:
        found["fork recovers"] = _by_fork(fork, right)
    named = [Finding(**{name: f[name] for name in Finding.__dataclass_fields__ if name in f}) for f in findings]
    patches = list(repairs(named[0], case.source))[:PATCHES]
    if len(named) > 1:
        patches += list(together(named, case.source, each=2))[:PATCHES]
    if patches:
        wrong, meant = printed(case.source).score, _score(right)
        shares = [share(wrong, meant, printed(patch).score, better) for patch in patches]
        found["patch recovers"] = max((s for s in shares if s is not None), default=None)
    return found


@functools.cache
def _score(case: Case) -> float:
    return printed(case.source).score


@functools.cache
def _curves(case: Case) -> dict[str, Any]:
    record = recorded(case.source)
    return curves(record, record) if record is not None else {}


def _by_fork(fork: dict[str, Any], right: Case) -> float | None:
    meant = _curves(right)
    if meant.get("what") != fork.get("what"):
        return None
    ends = [_end(values) for values in (fork["as it was"], meant["as it was"], fork["with the fix"])]
    if not math.isfinite(ends[0]):
        ends[0] = next((v for v in fork["as it was"] if v is not None and math.isfinite(v)), math.nan)
    return share(*ends, better="higher" if "answers" in fork["what"] else "lower")


def _end(values: list[float | None]) -> float:
    """The mean of the last fifth of a curve."""
    last = [math.nan if v is None else v for v in values[-max(len(values) // 5, 1) :]]
    return float(np.mean(last)) if last else math.nan


def share(wrong: float, meant: float, fixed: float, better: str) -> float | None:
    """How much of the way from `wrong` to `meant` was made up; None where there is none.

    A program that gives no number at all has made up everything with as good a number as the right one, and nothing
    without.
    """
    sign = 1.0 if better == "higher" else -1.0
    if not math.isfinite(meant):
        return None
    if not math.isfinite(fixed):
        return 0.0
    if not math.isfinite(wrong):
        return 1.0 if sign * (fixed - meant) >= -0.1 * abs(meant) else 0.0
    gap = sign * (meant - wrong)
    if gap <= 0.02 * max(abs(meant), abs(wrong)):
        return None
    return round(sign * (fixed - wrong) / gap, 3)
