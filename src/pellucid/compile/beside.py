"""What Python does beside the ops while a function is recorded, and whether a replay may go without it."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.core.conversion import from_data

from .tracer import Tracer
from .watching import LIBRARIES, ROOT, is_schedule

_MUTATORS = frozenset(
    "append extend insert pop remove clear sort reverse update setdefault popitem add discard appendleft popleft "
    "write writelines send put set".split()
)
_CALLS = frozenset("print input open exec eval breakpoint".split())
_MODULES = ("_random", "time", "_datetime", "posix", "nt", "secrets", "_io", "_socket", "random", "numpy.random")


class Watch:
    """What Python does beside the ops while a function is recorded: a profiler for the length of a block."""

    def __init__(self, tracer: Tracer, lasting: set[int]) -> None:
        self.tracer, self.lasting = tracer, lasting
        self.schedules: list[tuple[Any, int]] = []  # that went on, and after how many ops
        self._within: types.FrameType | None = None  # the step of a schedule
        self.reason: str | None = None

    def __enter__(self) -> Watch:
        sys.setprofile(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Look no longer."""
        sys.setprofile(None)

    def _event(self, frame: types.FrameType, event: str, argument: Any) -> None:
        if self.reason is not None:
            return
        code = frame.f_code
        if self._within is not None:
            self._within = None if frame is self._within and event == "return" else self._within
            return
        if event == "call" and code.co_name == "step" and is_schedule(frame.f_locals.get("self")):
            self._within = frame
            self._schedule(frame.f_locals)
            return
        if event == "call" and code is from_data.__code__ and hasattr(frame.f_locals.get("data"), "__array__"):
            if not isinstance(frame.f_locals["data"], Tensor) and not isinstance(frame.f_locals["data"], np.generic):
                self._say(frame, "it makes a tensor of an array, whose numbers of now would be kept")
        elif event == "c_call" and not code.co_filename.startswith(ROOT) and not _is_ours(frame):
            self._call(frame, argument)

    def _schedule(self, given: dict[str, Any]) -> None:
        """A schedule of the learning rate goes on: Python's business, which each run does behind its plan."""
        schedule = given["self"]
        if any(value is not None for name, value in given.items() if name not in ("self", "__class__")):
            self.reason = f"{type(schedule).__name__}.step() is given an epoch or a metric"
        else:
            self.schedules.append((schedule, len(self.tracer.steps)))

    def _call(self, frame: types.FrameType, function: Any) -> None:
        name = getattr(function, "__name__", "")
        own = getattr(function, "__self__", None)
        module = getattr(function, "__module__", None) or (own.__name__ if isinstance(own, types.ModuleType) else "")
        kind = "" if own is None else type(own).__module__
        if (module == "builtins" and name in _CALLS) or module.startswith(_MODULES) or kind.startswith(_MODULES):
            self._say(frame, f"it calls {name}(), which a replay would not")
        elif name in _MUTATORS and (id(own) in self.lasting or (isinstance(own, list | set) and _was_there(own))):
            self._say(frame, f"it changes a {type(own).__name__} that was there before ({name})")

    def _say(self, frame: types.FrameType | None, what: str) -> None:
        while frame is not None and frame.f_code.co_filename.startswith(ROOT):
            frame = frame.f_back
        place = "" if frame is None else f" ({frame.f_code.co_filename}, line {frame.f_lineno})"
        self.reason = what + place


def _is_ours(frame: types.FrameType | None) -> bool:
    """Whether a library was called from here: a kernel that is compiled now, and read from a file."""
    while frame is not None and frame.f_code.co_filename.startswith(LIBRARIES):
        if frame.f_code.co_filename.startswith(ROOT):  # installed among the libraries
            return True
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(ROOT)


@contextmanager
def births() -> Iterator[None]:
    """For the length of a block, the collector's youngest generation is what was made in the block."""
    enabled = gc.isenabled()
    gc.disable()
    gc.collect(0)
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _was_there(container: Any) -> bool:
    """Whether a container was made before the block of `births`."""
    return not any(thing is container for thing in gc.get_objects(generation=0))
