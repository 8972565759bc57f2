"""How a program of several processes ends: an error of any of them ends all, is printed once, and names its rank."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from .environment import FOLDER, place

__all__ = ["GRACE", "abort", "claim", "end_all", "leaving", "sign", "tell", "watched"]

GRACE = 10.0
"""Seconds for which a rank that is not to blame waits to be ended by the rank that is."""

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


def watched(hook: Hook) -> Hook:
    """The `sys.excepthook` that calls `hook` and then ends all ranks; `hook` itself where there are no others."""
    found = place()
    if found is None or found.size == 1 or getattr(hook, "ends_all", False):
        return hook

    def ends_all(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stdout.flush()
        if not claim(found.rank):
            time.sleep(GRACE)
        elif kind is not KeyboardInterrupt:
            with redirect_stderr(io.StringIO()) as said:
                hook(kind, error, trace)
            tell(f"rank {found.rank} of {found.size} failed:\n{said.getvalue()}")
        abort(130 if kind is KeyboardInterrupt else 1)

    ends_all.ends_all = True  # type: ignore[attr-defined]
    return ends_all


def leaving(exits: Callable[[int], NoReturn], leave: Callable[[], None]) -> Callable[[int], NoReturn]:
    """The `os._exit` of a rank: with 0 it ends as programs do, by `leave`; with another code it ends all."""
    process, found = os.getpid(), place()

    def _exit(status: int) -> NoReturn:
        if os.getpid() == process and found is not None:  # and not in a process that was forked from it
            if status:
                if not claim(found.rank):
                    time.sleep(GRACE)
                tell(f"rank {found.rank} of {found.size} called os._exit({status})\n")
                abort(status)
            leave()
            module = sys.modules["mpi4py.MPI"]
            if not module.Is_finalized():
                module.Finalize()
        exits(status)

    return _exit


def sign(rank: int) -> None:
    """Tell `pellucid launch`, where it started this process on this machine, which process is this rank."""
    folder = os.environ.get(FOLDER)
    if folder and os.path.isdir(folder):
        Path(folder, f"process-{rank}").write_text(str(os.getpid()), encoding="utf-8")


def tell(text: str) -> None:
    """Have an error printed: by `pellucid launch`, once all have ended, or else here.

    What a process writes just before it ends all may be lost, on its way through `mpiexec`.
    """
    folder = os.environ.get(FOLDER)
    if folder and os.path.isdir(folder):
        Path(folder, "said").write_text(text, encoding="utf-8")
    else:
        sys.stderr.write(text)
        sys.stderr.flush()
        time.sleep(0.2)


def claim(rank: int) -> bool:
    """Whether this rank is the first to fail: that of which the traceback is shown."""
    folder = os.environ.get(FOLDER)
    if not folder or not os.path.isdir(folder):  # not by `pellucid launch`, or on another machine
        return True
    try:
        with open(os.path.join(folder, "failed"), "x", encoding="utf-8") as file:
            file.write(str(rank))
    except FileExistsError:
        return False
    return True


def end_all(code: int) -> None:
    """End all ranks with this exit code, where it is not 0 and there are others."""
    found = place()
    if code and found is not None and found.size > 1:
        if not claim(found.rank):
            time.sleep(GRACE)
        abort(code)


def abort(code: int) -> None:
    """End all ranks with this exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    module = sys.modules.get("mpi4py.MPI")
    if module is not None and module.Is_initialized() and not module.Is_finalized():
        module.COMM_WORLD.Abort(code)
    # MPI was never entered, and its launcher notices only an end by a signal.
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
