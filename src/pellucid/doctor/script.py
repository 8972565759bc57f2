"""Start the user's program in a process of its own, and wait for the report."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pellucid.doctor.again import Changed, look_again
from pellucid.doctor.find import NoProgram, find
from pellucid.doctor.fix import copy_of
from pellucid.doctor.fix import fix as repair
from pellucid.doctor.observed.uses import uses_framework
from pellucid.doctor.process.met import OF_FRAMEWORK
from pellucid.doctor.report import Report

GRACE = 5.0  # seconds beyond the budget, after which an examination is ended
SPARED = 1.0  # seconds before its end, when what was found by then is written


def examine_script(
    script: str | Path, args: Sequence[str] = (), loss: str | None = None, budget: float = 60.0, fix: bool = False
) -> Report:
    """Run a script, a notebook, or the script of a directory that trains, and say what is wrong with its training.

    Args:
        script: a file, or a directory with the file that trains.
        args: what the program is called with.
        loss: the name of the loss, where the doctor does not find it.
        budget: seconds that it may take, those of `fix` among them.
        fix: write a patched copy beside the script, `train.fixed.py`, if one is found that the doctor calls healthy.

    Raises:
        NoProgram: no such file, no loop in any file of the directory, or a system without `fork`.
        Exists: with `fix`, a file of the copy's name is there already.
    """
    started = time.monotonic()
    path = find(Path(script))
    if fix:
        copy_of(path)
    report = _examined(path, args, loss, budget)
    if Path(script).is_dir():
        report.facts["script"] = str(path)
    known: dict[tuple[tuple[Path, str], ...], Report] = {}

    def examined(changed: Changed, seconds: float) -> Report:
        key = tuple(sorted(changed.items()))
        if key not in known:
            known[key] = _examined(path, args, loss, seconds, changed)
        return known[key]

    look_again(report, path, examined, started + budget)
    if fix:
        repair(report, path, examined, budget - (time.monotonic() - started))
    report.seconds = time.monotonic() - started
    return report


def _examined(
    path: Path, args: Sequence[str], loss: str | None, budget: float, changed: Changed | None = None
) -> Report:
    """The report on a program, or on what it would be if other texts stood in its files."""
    if not hasattr(os, "fork"):
        raise NoProgram(
            "pellucid doctor forks the program that it examines, which this system cannot: use Linux, macOS, or WSL."
        )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        asked = {"script": str(path), "args": list(args), "loss": loss, "budget": budget, "out": str(out)}
        asked["changed"] = {str(file): text for file, text in (changed or {}).items()}
        ends = time.monotonic() + budget
        asked["until"] = ends - SPARED
        environment = dict(
            os.environ, MPLBACKEND="Agg", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"
        )
        own = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [own, os.environ.get("PYTHONPATH", "")]))
        code, errors = OF_FRAMEWORK, b""
        if not uses_framework(path):
            code, errors = _run("pellucid.doctor.subject", asked, environment, ends + GRACE)
        if code == OF_FRAMEWORK and not out.exists():
            asked["budget"] = ends - time.monotonic()
            _, errors = _run("pellucid.doctor.observed.subject", asked, environment, ends + SPARED)
        if not out.exists():
            last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["it ended without a word"]
            return Report("inconclusive", reason=f"The program could not be examined: {last[0]}", seconds=budget)
        return Report.from_json(out.read_text(encoding="utf-8"))


def _run(room: str, asked: dict[str, Any], environment: dict[str, str], ends: float) -> tuple[int, bytes]:
    """Start the process of an examination, and wait for it up to this time of `time.monotonic`: its exit code, and what
    it wrote of errors."""
    with tempfile.TemporaryFile() as written:  # no pipe: a fork that outlives the process would hold its end open
        process = subprocess.Popen(
            [sys.executable, "-m", room, json.dumps(asked)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=written,
            env=environment,
            start_new_session=True,
        )
        late = False
        try:
            process.wait(timeout=max(ends - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            late = True
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        written.seek(0)
        return process.returncode, b"its time was up" if late else written.read()
