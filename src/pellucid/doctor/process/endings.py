"""The end of a process, and of a program that would end it by `os._exit`, without a word to whoever watches it."""

from __future__ import annotations

import os
from typing import Any

end_process = os._exit
_owner = 0  # the process whose program this is


def own() -> None:
    """From here on, `os._exit` of this process raises SystemExit: the program is over, and the doctor goes on."""
    global _owner
    _owner = os.getpid()
    os._exit = _leave  # type: ignore[assignment]


def _leave(status: Any) -> None:
    if os.getpid() != _owner:  # a process that the program has forked
        end_process(status)
    raise SystemExit(status)
