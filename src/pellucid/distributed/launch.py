"""Start a program as several processes that find each other by MPI: `mpiexec`, and what it says put in order."""

from __future__ import annotations

import ctypes
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from .environment import FOLDER

__all__ = ["LaunchError", "launch", "machines", "mpiexec"]

# What mpiexec of MPICH prints where a process ended badly; the lines say nothing that a user could use.
_BANNER = re.compile(
    rb"={83}\n=   BAD TERMINATION.*?={83}\n"
    rb"|-{74}\n(?:(?:prterun|mpirun|mpiexec) (?:noticed|detected|has exited)|MPI_ABORT was).*?-{74}\n[ \0]*"
    rb"|YOUR APPLICATION TERMINATED WITH[^\n]*\nThis typically refers[^\n]*\nPlease see the FAQ[^\n]*\n"
    rb"|^(?:Abort\(\d+\) on node |\[(?:proxy:\d+|mpiexec)@[^\]\n]+\] )[^\n]*\n",
    re.DOTALL | re.MULTILINE,
)
_PLACES = ("PMI_", "PMIX_", "HYDI_", "MPI_LOCAL", "OMPI_COMM_", "PRTE_LAUNCHED")
_BEGINS = (
    b"=" * 83 + b"\n=   BAD TERMINATION", b"YOUR APPLICATION TERMINATED WITH",
    b"-" * 74 + b"\nMPI_ABORT was",
    *(
        b"%s\n%s %s" % (b"-" * 74, name, verb)
        for name in (b"prterun", b"mpirun", b"mpiexec") for verb in (b"noticed", b"detected", b"has exited")
    ),
)  # fmt: skip
_LINES = (b"Abort(", b"[proxy:", b"[mpiexec@")  # which MPICH says in a line each
# Of MPICH's lines, those that say why nothing began on a machine.
_NOT_BEGUN = (
    (
        re.compile(rb"\[proxy:\d+@(\S+)\] launch_procs"),  # more of it is lost at times
        "on {} nothing could be started in {folder}: the program must lie in the same place on each machine",
    ),
    (
        re.compile(rb"\[proxy:\d+@(\S+)\][^\n]*execvp error on file (.+) \("),
        "{} has no {}: Python, with pellucid, must lie in the same place on each machine",
    ),
    (
        re.compile(rb"Launch proxy failed"),
        (
            "a machine of --hosts was not reached, or has no mpiexec where this one has it (ssh says more above). "
            "`ssh MACHINE hostname` must answer without asking, and Python, with pellucid, lie in the same place"
        ),
    ),
)
# Of MPICH, of Intel MPI, of Open MPI: the process, its machine, and its exit code or the signal that ended it.
_ENDED = (
    re.compile(rb"=   PID (?P<pid>\d+) RUNNING AT (?P<host>\S+)\n=   EXIT CODE: (?P<number>\d+)"),
    re.compile(
        rb"=   RANK \d+ PID (?P<pid>\d+) RUNNING AT (?P<host>\S+)\n"
        rb"=   (?:EXIT STATUS|KILLED BY SIGNAL): (?P<number>\d+)"
    ),
    re.compile(rb"process rank \d+ with PID (?P<pid>\d+) on node (?P<host>\S+) exited on\s+signal (?P<number>\d+) \("),
)


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


def machines(hosts: str) -> dict[str, int]:
    """The machines of "a:4,b:4", each with its number of processes, 1 where none is given.

    Raises LaunchError where it does not read so.
    """
    found: dict[str, int] = {}
    for part in hosts.split(","):
        name, _, count = part.strip().rpartition(":") if ":" in part else (part.strip(), "", "1")
        if not name or not count.isdecimal() or count == "0" or name in found:
            raise LaunchError(
                f"--hosts {hosts!r}: each machine is named once, with its number of processes: --hosts a:4,b:4"
            )
        found[name] = int(count)
    return found


def launch(processes: int, command: Sequence[str], hosts: str | None = None) -> int:
    """Run `command` as `processes` processes, and return the exit code of the first that failed; else 0.

    Each has in its environment `RANK`, `WORLD_SIZE`, `LOCAL_RANK` and the rest of what PyTorch's `torchrun` sets, and
    as many threads as it has cores to itself. A process that fails ends all.

    Args:
        hosts: the machines, "a:4,b:4", each with its number of processes; this machine by default.
    """
    program = mpiexec()
    of_open_mpi = b"Open MPI" in subprocess.run([program, "--version"], capture_output=True).stdout
    environment = dict(os.environ)
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment.setdefault(name, str(max(1, cores // processes)))
    for name in [name for name in environment if name.startswith(_PLACES)]:
        del environment[name]  # launched from a process that was launched itself
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        environment.pop(name, None)
    if of_open_mpi and not hosts:  # more processes than cores are no mistake here
        environment.setdefault("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe")
        environment.setdefault("OMPI_MCA_rmaps_base_oversubscribe", "1")  # of version 4
    options = ["-n", str(processes)] + (["--host" if of_open_mpi else "-hosts", hosts] if hosts else [])
    with tempfile.TemporaryDirectory(prefix="pellucid-launch-") as folder:
        environment[FOLDER] = folder
        process = subprocess.Popen(
            [program, *options, *command],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        watch = _Watch(Path(folder), processes)
        watch.start()
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
        code, by = _wait(process)
        for thread in threads:
            thread.join()
        watch.over.set()
        watch.join()
        if by:
            print(f"pellucid launch: {signal.Signals(by).name} came, and all were ended.", file=sys.stderr)  # noqa: T201
            return 128 + by
        who = (
            f"rank {watch.first[0]} of {processes}"
            if watch.all and len(watch.first) == 1
            else f"a process of {processes}"
        )
        return _verdict(code, b"".join(ends), Path(folder), processes, who)


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """The exit code, and the signal that this process was sent, or 0: Ctrl-C and others end the ranks by mpiexec."""
    came: list[int] = []

    def end(number: int, frame: object) -> None:
        came.append(number)
        with suppress(ProcessLookupError):
            process.terminate() if len(came) == 1 else process.kill()

    known = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in known if signal.getsignal(number) != signal.SIG_IGN}
    try:
        return process.wait(), came[0] if came else 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    """In mpiexec before it begins: where this process is killed, Linux ends mpiexec, and that its processes."""
    with suppress(Exception):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class _Watch(threading.Thread):
    """Sees which rank on this machine ends first: those after it mpiexec may have ended, which does not say so."""

    def __init__(self, folder: Path, processes: int) -> None:
        super().__init__(daemon=True)
        self.folder, self.processes, self.over = folder, processes, threading.Event()
        self.first: list[int] = []  # several, where they were gone at the same moment
        self.all = False  # whether it saw all ranks: of those on other machines it sees nothing

    def run(self) -> None:
        if sys.platform != "linux":
            return
        ranks: dict[int, int] = {}
        with ExitStack() as closing:
            poll = select.poll()
            while not self.first and not self.over.is_set():
                for file in self.folder.glob("process-*"):
                    rank = int(file.name.partition("-")[2])
                    text = file.read_text(encoding="utf-8") if rank not in ranks.values() else ""
                    if text:
                        with suppress(ProcessLookupError):
                            descriptor = os.pidfd_open(int(text))
                            closing.callback(os.close, descriptor)
                            ranks[descriptor] = rank
                            poll.register(descriptor, select.POLLIN)
                ended = poll.poll(50 if len(ranks) < self.processes else 500)
                self.first = [ranks[descriptor] for descriptor, _ in ended]
                self.all = len(ranks) == self.processes


def _verdict(code: int, ends: bytes, folder: Path, processes: int, who: str) -> int:
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
    if not code:
        return 0
    for pattern, words in _NOT_BEGUN:
        if found := pattern.search(ends):
            words = words.format(*(part.decode(errors="replace") for part in found.groups()), folder=os.getcwd())
            print(f"pellucid launch: {words}.", file=sys.stderr)  # noqa: T201
            return code
    found = next((found for pattern in _ENDED if (found := pattern.search(ends))), None)
    number = int(found["number"]) if found else code - 128 if code > 128 else code
    names = {int(known): known.name for known in signal.Signals}
    by_signal = (b"(signal" in ends or b"SIGNAL" in ends or b"on\nsignal" in ends or code > 128) and number in names
    how = f"was ended by {names[number]}" if by_signal else f"ended with exit code {number}"
    where = f" on {found['host'].decode()}" if found else ""
    print(f"pellucid launch: {who}{where} {how}, and all were ended.", file=sys.stderr)  # noqa: T201
    return 128 + number if by_signal else code


def _forward(source: IO[bytes], target: int, ends: list[bytes]) -> None:
    """Write what comes as it comes, but for the banner of mpiexec, which is kept."""
    held = b""
    while chunk := os.read(source.fileno(), 65536):
        held = _BANNER.sub(lambda found: ends.append(found[0]) or b"", held + chunk)
        line = held.rfind(b"\n") + 1
        begins = [_begins(held, mark) for mark in _BEGINS] + [
            line + at for mark in _LINES if (at := _begins(held[line:], mark)) == 0
        ]
        cut = min((at for at in begins if at >= 0), default=len(held))
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
