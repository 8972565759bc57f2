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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from pellucid.doctor.examination import Options
from pellucid.doctor.examination import examine as examine_session
from pellucid.doctor.find import NoProgram, find
from pellucid.doctor.fix import copy_of
from pellucid.doctor.fix import fix as repair
from pellucid.doctor.observed.uses import uses_framework
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.scout import movers, parameters
from pellucid.doctor.process.step import StepProgram, StepSession
from pellucid.doctor.report import Report


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
    if fix:
        left = budget - (time.monotonic() - started)
        repair(report, path, lambda copy, seconds: _examined(copy, args, loss, seconds), left)
    report.seconds = time.monotonic() - started
    return report


def _examined(path: Path, args: Sequence[str], loss: str | None, budget: float) -> Report:
    if not hasattr(os, "fork"):
        raise NoProgram(
            "pellucid doctor forks the program that it examines, which this system cannot: use Linux, macOS, or WSL."
        )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        asked = {"script": str(path), "args": list(args), "loss": loss, "budget": budget, "out": str(out)}
        environment = dict(
            os.environ, MPLBACKEND="Agg", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1"
        )
        own = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [own, os.environ.get("PYTHONPATH", "")]))
        room = "pellucid.doctor.observed.subject" if uses_framework(path) else "pellucid.doctor.subject"
        process = subprocess.Popen(
            [sys.executable, "-m", room, json.dumps(asked)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        try:
            _, errors = process.communicate(timeout=budget + 5)
        except subprocess.TimeoutExpired:
            errors = b"its time was up"
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if not out.exists():
            last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["it ended without a word"]
            return Report("inconclusive", reason=f"The program could not be examined: {last[0]}", seconds=budget)
        return Report.from_json(out.read_text(encoding="utf-8"))


def examine(step: Callable[[], Any], *objects: Any, loss: str | None = None, budget: float = 60.0) -> Report:
    """Say what is wrong with a training step: one call of `step()` is one update of whatever it reaches.

    Args:
        step: it takes no arguments. What it reads and changes is found: variables around it, attributes of its object,
            globals of its module.
        objects: what else it changes, where it reaches that by a way that cannot be seen.
        loss: the name of the loss among the values that are seen, where the doctor does not find it.
        budget: seconds that it may take.

    Everything is tried out in forks of this process: nothing that `step` changes is changed here.

        def step():
            predicted = x @ w
            w[:] -= 0.1 * x.T @ (predicted - y)

        print(pellucid.doctor.examine(step).status)
    """
    if not hasattr(os, "fork"):
        raise NoProgram("examine() forks this process, which this system cannot do: use Linux, macOS, or WSL.")
    started = time.monotonic()
    named = {_name_of(value, i): value for i, value in enumerate(objects)}
    session = StepSession(StepProgram(step, named), started + budget)
    try:
        session.found = session.lab(parameters, movers(session.scope), min(15.0, budget / 3))
    except Lost as lost:
        return Report("inconclusive", reason=f"step() could not be repeated: {lost}")
    if not session.found.parameters:
        return Report(
            "inconclusive",
            reason="step() moves nothing that can be seen. Pass the arrays and objects that it updates: "
            "examine(step, model, weights).",
        )
    report = examine_session(cast(Any, session), Options(loss, budget, conditions=False))
    report.seconds = time.monotonic() - started
    return report


def _name_of(value: Any, number: int) -> str:
    """What the caller of `examine` calls an object."""
    frame = sys._getframe(3)
    names = {**frame.f_globals, **frame.f_locals}
    return next(
        (name for name, other in names.items() if other is value and not name.startswith("_")), f"object{number}"
    )
