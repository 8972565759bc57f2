"""Start the user's program in a process of its own, and wait for the report."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pellucid.doctor.report import Report


class NoProgram(Exception):
    """There is nothing to examine at the path, or it cannot be examined here."""


def examine_script(
    script: str | Path, args: Sequence[str] = (), loss: str | None = None, budget: float = 60.0
) -> Report:
    """Run a script, a notebook, or the script of a directory that trains, and say what is wrong with its training.

    Raises:
        NoProgram: no such file, no loop in any file of the directory, or a system without `fork`.
    """
    path = find(Path(script))
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
        process = subprocess.Popen(
            [sys.executable, "-m", "pellucid.doctor.subject", json.dumps(asked)],
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


def find(path: Path) -> Path:
    """The script itself; of a directory, the one whose loops look most like training."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise NoProgram(f"There is no file {path} to examine.")
    scored = [(_likely(file), file) for file in sorted(path.rglob("*.py")) if "site-packages" not in file.parts]
    best = max(scored, key=lambda item: item[0], default=(0, path))
    if best[0] <= 0:
        raise NoProgram(f"No script in {path} has a loop that updates anything: name the script itself.")
    return best[1]


def _likely(file: Path) -> int:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return 0
    score = 2 * len(re.findall(r"[-+]=\s*\w*(?:lr|learning_rate|alpha|eta)\b", text))
    score += len(re.findall(r"\bfor\s+\w*(?:epoch|iter|step|i)\w*\s+in\b|\bwhile\b", text))
    score += 5 * ("__main__" in text) + 3 * len(re.findall(r"\.(?:fit|train)\(", text))
    return score if re.search(r"^\s*(?:for|while)\b", text, re.M) else 0
