"""Start a program as several processes that find each other by MPI: `mpiexec`, and what it says put in order."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from .environment import FOLDER

__all__ = ["LaunchError", "launch", "mpiexec"]

# What mpiexec of MPICH prints where a process ended badly; the lines say nothing that a user could use.
_BANNER = re.compile(
    rb"={83}\n=   BAD TERMINATION.*?={83}\n"
    rb"|YOUR APPLICATION TERMINATED WITH[^\n]*\nThis typically refers[^\n]*\nPlease see the FAQ[^\n]*\n"
    rb"|Abort\(\d+\) on node [^\n]*\n",
    re.DOTALL,
)
_BEGINS = (b"=" * 83, b"YOUR APPLICATION TERMINATED WITH", b"Abort(")
_ENDED = re.compile(rb"=   PID (\d+) RUNNING AT (\S+)\n=   EXIT CODE: (\d+)")


class LaunchError(RuntimeError):
    """The processes could not be started."""


def mpiexec() -> str:
    """The program that starts MPI programs: that of the package `mpich` beside this Python, or of the system.

    Raises LaunchError where there is none.
    """
    beside = Path(sysconfig.get_path("scripts"), "mpiexec")
    found = str(beside) if beside.is_file() else shutil.which("mpiexec")
    if found is None:
        raise LaunchError(
            "There is no mpiexec here, which starts programs of several processes. Install it with: "
            'pip install "pellucid[mpi]"'
        )
    return found


def launch(processes: int, command: Sequence[str], hosts: str | None = None) -> int:
    """Run `command` as `processes` processes, and return the exit code of the first that failed; else 0.

    Each has in its environment `RANK`, `WORLD_SIZE`, `LOCAL_RANK` and the rest of what PyTorch's `torchrun` sets, and
    as many threads as it has cores to itself. A process that fails ends all.

    Args:
        hosts: the machines, "a:4,b:4", each with its number of processes; this machine by default.
    """
    program = mpiexec()
    environment = dict(os.environ)
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment.setdefault(name, str(max(1, cores // processes)))
    for name in [name for name in environment if name.startswith(("PMI_", "HYDI_", "MPI_LOCAL"))]:
        del environment[name]  # launched from a process that was launched itself
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        environment.pop(name, None)
    options = ["-n", str(processes)] + (["-hosts", hosts] if hosts else [])
    with tempfile.TemporaryDirectory(prefix="pellucid-launch-") as folder:
        environment[FOLDER] = folder
        process = subprocess.Popen(
            [program, *options, *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        ends: list[bytes] = []
        streams = ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
        threads = [
            threading.Thread(target=_forward, args=(source, target.fileno(), ends))
            for source, target in streams
            if source is not None
        ]
        sys.stdout.flush()
        for thread in threads:
            thread.start()
        code = _wait(process)
        for thread in threads:
            thread.join()
        return _verdict(code, b"".join(ends), Path(folder), processes)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code; Ctrl-C reaches the processes by mpiexec, which ends them."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)


def _verdict(code: int, ends: bytes, folder: Path, processes: int) -> int:
    """The exit code, and a line on a process that ended without a word of its own."""
    failed = folder / "failed"
    if code and failed.exists():
        if (said := folder / "said").exists():
            print(said.read_text(encoding="utf-8"), end="", file=sys.stderr)  # noqa: T201
        print(  # noqa: T201
            f"pellucid launch: rank {failed.read_text(encoding='utf-8')} of {processes} failed, and all were ended.",
            file=sys.stderr,
        )
        return code if code < 128 and code not in (9, 15) else 1
    if (found := _ENDED.search(ends)) is not None:
        number = int(found[3])
        names = {int(known): known.name for known in signal.Signals}
        by_signal = b"(signal" in ends and number in names
        how = f"was ended by {names[number]}" if by_signal else f"ended with exit code {number}"
        print(  # noqa: T201
            f"pellucid launch: a process of {processes} on {found[2].decode()} {how}, and all were ended.",
            file=sys.stderr,
        )
        return 128 + number if by_signal else code or 1
    return code


def _forward(source: IO[bytes], target: int, ends: list[bytes]) -> None:
    """Write what comes as it comes, but for the banner of mpiexec, which is kept."""
    held = b""
    while chunk := os.read(source.fileno(), 65536):
        held = _BANNER.sub(lambda found: ends.append(found[0]) or b"", held + chunk)
        cut = min((at for mark in _BEGINS if (at := _begins(held, mark)) >= 0), default=len(held))
        _write(target, held[:cut])
        held = held[cut:]
    _write(target, held)
    source.close()


def _begins(text: bytes, mark: bytes) -> int:
    """Where the mark begins in the text, or a part of it at the end of the text; else -1."""
    found = text.find(mark)
    if found >= 0:
        return found
    for length in range(min(len(mark) - 1, len(text)), 0, -1):
        if text.endswith(mark[:length]):
            return len(text) - length
    return -1


def _write(target: int, text: bytes) -> None:
    while text:
        text = text[os.write(target, text) :]
