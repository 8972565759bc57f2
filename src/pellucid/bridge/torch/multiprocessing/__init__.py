"""`torch.multiprocessing`: Python's `multiprocessing`, with `spawn`. Tensors are sent by copying them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from typing import Any

__all__ = [
    *multiprocessing.__all__, "ProcessContext", "ProcessExitedException", "ProcessRaisedException",
    "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip

_strategy = "file_system"


class ProcessRaisedException(Exception):
    """A process ended by an error."""


class ProcessExitedException(Exception):
    """A process ended by itself with an exit code."""


def get_all_sharing_strategies() -> set[str]:
    """How PyTorch can share memory."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """What was set; nothing depends on it."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Keep a strategy; nothing depends on it."""
    global _strategy
    if new_strategy not in get_all_sharing_strategies():
        raise ValueError(f"{new_strategy!r} is not one of {sorted(get_all_sharing_strategies())}")
    _strategy = new_strategy


class ProcessContext:
    """The processes that `spawn` started."""

    def __init__(self, processes: list[Any], errors: Any) -> None:
        self.processes, self._errors = processes, errors

    def pids(self) -> list[int]:
        """Their numbers."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None) -> bool:
        """Wait for all; raise the first error of theirs."""
        for process in self.processes:
            process.join(timeout)
        if any(process.exitcode is None for process in self.processes):
            return False
        for i, process in enumerate(self.processes):
            if process.exitcode:
                if not self._errors.empty():
                    i, said = self._errors.get()
                    raise ProcessRaisedException(f"\n\n-- Process {i} terminated with the following error:\n{said}")
                raise ProcessExitedException(f"process {i} terminated with exit code {process.exitcode}")
        return True


def _called(fn: Callable[..., Any], i: int, args: tuple[Any, ...], errors: Any) -> None:
    import traceback

    try:
        fn(i, *args)
    except Exception:  # noqa: BLE001  it is raised again where the processes are joined
        errors.put((i, traceback.format_exc()))
        errors.close()
        errors.join_thread()  # what is said is sent before the process ends
        os._exit(1)


def start_processes(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "fork",
) -> ProcessContext | None:  # fmt: skip
    """Call `fn(i, *args)` in `nprocs` processes, forks of this one wherever the system has forks."""
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else start_method
    context: Any = multiprocessing.get_context(method)
    errors = context.Queue()
    processes = [
        context.Process(target=_called, args=(fn, i, tuple(args), errors), daemon=daemon) for i in range(nprocs)
    ]
    for process in processes:
        process.start()
    started = ProcessContext(processes, errors)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:  # fmt: skip
    """Call `fn(i, *args)` in `nprocs` processes; see `start_processes`."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)
