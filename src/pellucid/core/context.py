"""What holds for the length of a block, per thread: grad mode, interpreters and watchers."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from pellucid.backend import Array

from .declaration import Declaration
from .node import Arguments, Attributes, Node
from .tensor import Tensor


class EngineWatcher:
    """What is called when something happens beside the door. Each hook does nothing; override those that matter.

    An interpreter (see `door`) is a watcher, too, while it is pushed. What only watches is put into `state.watchers`,
    and costs the ops nothing.
    """

    as_given = False  # whether it is known to hand arguments on as they are
    in_backward = True  # whether it also sees what a backward applies, which then walks on Tensors

    def apply(self, op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
        """Interpret one application of an op: `door.Interpreter` does."""
        raise NotImplementedError(
            f"{type(self).__name__} only watches: what is to stand behind the door derives from Interpreter"
        )

    def read(self, tensor: Tensor) -> None:
        """The values of `tensor` leave for Python."""

    def overwrite(self, array: Array, kept: Array) -> None:
        """An op is about to overwrite `array`, and backward will use the copy `kept`."""

    def before_backward(self, roots: Sequence[Tensor]) -> None:
        """`backward` was called on `roots`, and is about to run."""

    def returned(self, node: Node, gradients: Arguments) -> None:
        """The `backward` of a `Function` returned these, in a backward that goes through the door."""

    def function(self, kind: type[Any], args: Arguments, kwargs: Attributes) -> None:
        """A `Function` is about to be applied and recorded."""


class ForwardLevel(Protocol):
    """A level of forward mode, as the rooms below it know it."""

    def moving(self, args: Arguments) -> dict[int, Tensor]:
        """The tangents of those arguments that have one, by position."""
        ...


class ThreadState(threading.local):
    """The state of one thread."""

    grad = True  # whether ops record themselves for backward
    overrides = True  # whether functions ask the classes that a program derived from Tensor (`declare.overrides`)
    tangents: ForwardLevel | None = None  # the level of forward mode that is open (see `autograd.tangents`)
    pushing = False  # whether a backward runs for the sake of `func.jvp`
    walk: object = None  # the backward that is running, `reverse.engine.Walk`
    packers: tuple[object, ...] = ()  # what packs values saved for backward, innermost last: `autograd.graph`
    node: Node | None = None  # whose backward is running, where an interpreter may want to know
    interpreters: tuple[EngineWatcher, ...] = ()  # behind the door, innermost last; empty is the fast path

    def __init__(self) -> None:
        self.watchers: list[EngineWatcher] = []  # interpreters, and who only watches
        # NumPy warns of overflow, log(0) and the like; PyTorch does not, and the doctor will say it better. To enter
        # `numpy.errstate` costs 0.8 µs an op, to run in a context in which it was set once costs 0.05 µs.
        quiet = contextvars.copy_context()
        quiet.run(np.seterr, all="ignore")
        self.run: Callable[..., Any] = quiet.run


state = ThreadState()


def is_reentry(failure: Exception) -> bool:
    """Whether `state.run` failed because this thread is within it already.

    An op was interrupted and another one runs meanwhile: a signal handler evaluates, or a finaliser that the
    garbage collector called. NumPy is quiet then, and the function may be called as it is.
    """
    return type(failure) is RuntimeError and str(failure).startswith("cannot enter context")


def run_within(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function that `state.run` could not enter for."""
    with np.errstate(all="ignore"):
        return function(*args, **kwargs)


def note_read(tensor: Tensor) -> None:
    """Tell who watches that the values of `tensor` leave for Python."""
    for watcher in state.watchers:
        watcher.read(tensor)
