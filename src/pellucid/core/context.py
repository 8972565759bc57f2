"""What holds for the length of a context, per thread: grad mode and the interpreters; and the table of ops."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from .declaration import Op

TABLE: dict[str, Op] = {}
"""Every op by name, in order of declaration."""


class Interpreter(Protocol):
    """What can stand behind the door: it sees each application of an op, and calls `door.below` to have it done."""

    def apply(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Interpret one application."""
        ...


class State(threading.local):
    """The state of one thread."""

    grad = True  # whether ops record themselves for backward
    inference = False  # whether `inference_mode` is open
    node: Any = None  # whose backward is running, where an interpreter may want to know
    interpreters: tuple[Interpreter, ...] = ()  # innermost last; empty is the fast path

    def __init__(self) -> None:
        # NumPy warns of overflow, log(0) and the like; PyTorch does not, and the doctor will say it better. To enter
        # `numpy.errstate` costs 0.8 µs an op, to run in a context in which it was set once costs 0.05 µs.
        quiet = contextvars.copy_context()
        quiet.run(np.seterr, all="ignore")
        self.run: Callable[..., Any] = quiet.run


state = State()
