"""Ctrl-C, and the signals by which a system ends programs: the work under way is finished and saved.

The first signal asks for that, and answers at once. A second one ends the program without waiting.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

INTERRUPTED = 128 + signal.SIGINT  # what a shell expects of a program that Ctrl-C ended

# SIGTERM comes from `kill`, a batch system or a shutdown, SIGHUP from a terminal that was closed; Windows has none.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@dataclass
class Received:
    """The signals that came. It is true once there was one."""

    signals: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.signals)

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells count; 0 where there was none."""
        return 128 + self.signals[0] if self.signals else 0


@contextmanager
def stop_on_signal(stop: Callable[[], None], doing: Callable[[], str]) -> Iterator[Received]:
    """Within this context the first signal calls `stop` and prints what `doing` says; a second one ends the program.

    A signal that was ignored stays ignored where that is how programs are detached from a terminal: `nohup` does so
    with SIGHUP.
    """
    received = Received()

    def ask(number: int, _: Any) -> None:
        received.signals.append(number)
        for which in before:  # a second one does not wait
            signal.signal(which, signal.default_int_handler if which == signal.SIGINT else signal.SIG_DFL)
        stop()
        _say_at_once(f"\npellucid: {doing()}. Ctrl-C again ends at once.\n")

    before: dict[Any, Any] = {}
    for which in SIGNALS:
        if which == signal.SIGINT or signal.getsignal(which) != signal.SIG_IGN:
            before[which] = signal.signal(which, ask)
    try:
        yield received
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def _say_at_once(message: str) -> None:
    """To stderr past Python's buffers, which the program may be in the middle of writing to."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        os.write(2, message.encode("ascii", "replace"))
