"""What a forked program may not do: write files, open windows, read the keyboard, start programs, sleep."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import subprocess
import sys
import time
from typing import Any

from pellucid.doctor.process import alone, endings, imported, kept, locks, own_time

_own_open = builtins.open


def isolate() -> None:
    """From here on, in this process, writes go no further than its memory. For forks: there is no way back."""
    kept.keep()
    endings.own()
    locks.within_the_process()
    subprocess.Popen = _not_started  # type: ignore[assignment, misc]
    os.system = lambda command: 0  # type: ignore[assignment]
    with contextlib.suppress(ImportError, OSError, ValueError):  # whatever writes past Python is stopped by the kernel
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    sys.stdout = sys.stderr = _own_open(os.devnull, "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), 2)  # what keeps the stream that it had, as a progress bar does, would fail to write


def by_itself() -> None:
    """For a program that is forked while it runs: what it writes is kept, so that forks begin with that, and what a
    pool of threads would do is done at once, as forks have no threads. Its clock is that of its own work."""
    kept.keep()
    own_time.keep()
    time.sleep = own_time.sleep  # type: ignore[assignment]
    imported.when_imported(alone.THREADS)


def quiet() -> None:
    """For the program itself, too: no window, no waiting, no pool, nobody at the keyboard, no end without a word."""
    os.environ["MPLBACKEND"] = "Agg"
    imported.when_imported({"matplotlib": _agg("use"), "matplotlib.pyplot": _agg("switch_backend"), **alone.PROCESSES})
    endings.own()
    builtins.input = _no_input  # type: ignore[assignment]
    time.sleep = _nothing  # type: ignore[assignment]


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _no_input(prompt: Any = "") -> str:
    raise EOFError(
        "nobody is at the keyboard while the doctor runs the program: write the answer into it, or take it from "
        "sys.argv"
    )


def _agg(name: str) -> imported.Change:
    """Matplotlib as it is, but for the choice of what draws: `matplotlib.use("TkAgg")` would open windows."""

    def change(module: Any) -> None:
        own = getattr(module, name)
        setattr(module, name, lambda *_args, **_named: own("Agg"))

    return change


class _NotStarted:
    """A program that is not started, and says nothing: as one that ended well, with no output."""

    returncode, pid = 0, 0

    def __init__(self, args: Any, *_: Any, **given: Any) -> None:
        self.args = args
        as_text = any(given.get(name) for name in ("text", "universal_newlines", "encoding", "errors"))
        wanted = {name: given.get(name) == subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
        pipes: dict[str, Any] = {n: (io.StringIO() if as_text else io.BytesIO()) if wanted[n] else None for n in wanted}
        self.stdin, self.stdout, self.stderr = pipes["stdin"], pipes["stdout"], pipes["stderr"]

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        return self.stdout and self.stdout.read(), self.stderr and self.stderr.read()

    def wait(self, timeout: float | None = None) -> int:
        return self.returncode

    poll = wait

    def send_signal(self, signal: int) -> None:
        return None

    def kill(self) -> None:
        return None

    terminate = kill

    def __enter__(self) -> _NotStarted:
        return self

    def __exit__(self, *_: object) -> None:
        return None


_not_started: Any = _NotStarted
