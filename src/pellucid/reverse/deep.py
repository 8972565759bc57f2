"""Backwards within backwards within …: each is a call within a call, and Python allows a thread only so deep a nest.

So some way down the next one runs in a thread of its own, which has all of the depth before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from pellucid.core.context import state
from pellucid.core.tensor import inference

T = TypeVar("T")

DEEP = 16  # backwards within one another in one thread: Python's usual 1,000 calls are enough for 60 or so

_KEPT = ("grad", "overrides", "tangents", "pushing", "walk", "packers", "node", "interpreters", "watchers")


def in_another_thread(function: Callable[[], T]) -> T:
    """What the function returns, or raises, called in a new thread in which this thread's modes hold."""
    modes, inferring = {name: getattr(state, name) for name in _KEPT}, inference.on
    made: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        for name, value in modes.items():
            setattr(state, name, value)
        inference.on = inferring
        try:
            made.append(function())
        except BaseException as failure:  # noqa: BLE001  raised again where it was called
            failed.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]
