"""The clock of a program: it stands still while the doctor looks at it, and goes on in each fork from where it was.

A program that trains until a time is over would else end in its forks as soon as they begin.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from pellucid.doctor.process.descriptors import is_installed

_real = {name: getattr(time, name) for name in ("time", "monotonic", "perf_counter")}
_began: dict[str, float] = {}
_went = 0.0  # seconds of the processor that the program has had, up to where it stood still last, and what it slept
_since: float | None = None  # the seconds of this process's processor at which it went on


def keep() -> None:
    """From here on, in this process, the program's own calls of `time` are answered by its clock."""
    _began.update((name, own()) for name, own in _real.items())
    go_on()
    for name, own in _real.items():
        setattr(time, name, _clock(name, own))
        setattr(time, f"{name}_ns", _clock_in_ns(name, getattr(time, f"{name}_ns")))


def stand_still() -> None:
    """The doctor works."""
    global _went, _since
    if _since is not None:
        _went, _since = went(), None


def go_on() -> None:
    """The program works, in this process or in a fork of it."""
    global _since
    _since = time.process_time()


def sleep(seconds: float) -> None:
    """In the place of `time.sleep`."""
    global _went
    _went += max(float(seconds), 0.0)


def went() -> float:
    """The seconds that the program has had."""
    return _went + (time.process_time() - _since if _since is not None else 0.0)


def _clock(name: str, own: Any) -> Any:
    def now() -> float:
        if is_installed(sys._getframe(1).f_code.co_filename):
            return own()
        return _began[name] + went()

    return now


def _clock_in_ns(name: str, own: Any) -> Any:
    def now() -> int:
        if is_installed(sys._getframe(1).f_code.co_filename):
            return own()
        return int(1e9 * (_began[name] + went()))

    return now
