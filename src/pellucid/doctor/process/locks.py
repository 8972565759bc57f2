"""Locks of `multiprocessing` without files: in a fork of the doctor, whose writes are kept in memory.

A semaphore that processes share is a file in memory, which the limit of what a fork may write forbids. A fork has no
processes of its own to share one with, and its threads do with this.
"""

from __future__ import annotations

import threading
from typing import Any

RECURSIVE = 0  # the kind of a lock that its owner may take again


class Lock:
    """As `_multiprocessing.SemLock`, within one process."""

    SEM_VALUE_MAX = 2**31 - 1
    name, handle = None, 0

    def __init__(self, kind: int, value: int, maxvalue: int, name: str = "", unlink: bool = False) -> None:
        self.kind, self.maxvalue = kind, maxvalue
        self._value, self._taken, self._owner = value, 0, 0
        self._changed = threading.Condition()

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        with self._changed:
            if self.kind == RECURSIVE and self._is_mine():
                self._taken += 1
                return True
            if not self._changed.wait_for(lambda: self._value > 0, timeout if block else 0):
                return False
            self._value -= 1
            self._taken, self._owner = self._taken + 1, threading.get_ident()
            return True

    def release(self) -> None:
        with self._changed:
            if self.kind == RECURSIVE:
                if not self._is_mine():
                    raise AssertionError("attempt to release recursive lock not owned by thread")
                self._taken -= 1
                if self._taken:
                    return
            else:
                if self._value >= self.maxvalue:
                    raise ValueError("semaphore or lock released too many times")
                self._taken = max(self._taken - 1, 0)
            self._value += 1
            self._changed.notify()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _count(self) -> int:
        return self._taken

    def _is_mine(self) -> bool:
        return self._taken > 0 and self._owner == threading.get_ident()

    def _get_value(self) -> int:
        return self._value

    def _is_zero(self) -> bool:
        return self._value == 0

    def _after_fork(self) -> None:
        self._taken = 0


def within_the_process() -> None:
    """From here on, in this process, locks of `multiprocessing` are these."""
    try:
        import _multiprocessing as own
    except ImportError:
        return
    made: Any = own
    made.SemLock = Lock
