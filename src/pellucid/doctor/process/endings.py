"""The end of a process, and of a program that would end it by `os._exit`, without a word to whoever watches it; and
which of the processes are the program's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

end_process = os._exit
_owner = 0  # the process whose program this is
_ours = False  # whether the doctor is forking


def own() -> None:
    """From here on, `os._exit` of this process raises SystemExit: the program is over, and the doctor goes on."""
    global _owner
    _owner = os.getpid()
    os._exit = _leave  # type: ignore[assignment]


def fork() -> int:
    """`os.fork`, of the doctor."""
    global _ours
    _ours = True
    pid = os.fork()
    _ours = False
    return pid


def when_the_program_forks(parent: Callable[[], None], child: Callable[[], None]) -> None:
    """From here on, call these in both processes where another one forks."""
    os.register_at_fork(
        after_in_parent=lambda: None if _ours else parent(), after_in_child=lambda: None if _ours else child()
    )


def _leave(status: Any) -> None:
    if os.getpid() != _owner:  # a process that the program has forked
        end_process(status)
    raise SystemExit(status)
