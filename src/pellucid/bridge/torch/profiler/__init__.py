"""`torch.profiler`: marks in a program do nothing; a profile itself is refused, with what to use instead."""

from __future__ import annotations

import contextlib
import enum
from typing import Any, NoReturn

__all__ = ["ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "tensorboard_trace_handler"]


class ProfilerActivity(enum.Enum):
    """What a profile may measure."""

    CPU = 0
    CUDA = 1


class ProfilerAction(enum.Enum):
    """What a schedule has a profile do at a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


class record_function(contextlib.ContextDecorator):
    """A mark in a profile: without one it does nothing."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name

    def __enter__(self) -> record_function:
        return self

    def __exit__(self, *error: Any) -> None:
        """Nothing."""


def _refuse(what: str) -> NoReturn:
    raise NotImplementedError(
        f"pellucid does not have {what}: measure the program with `python -m cProfile -s cumtime -m pellucid run "
        "SCRIPT`, or with py-spy"
    )


def profile(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError, and says what to use."""
    _refuse("torch.profiler.profile")


def schedule(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError, and says what to use."""
    _refuse("torch.profiler.schedule")


def tensorboard_trace_handler(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError, and says what to use."""
    _refuse("torch.profiler.tensorboard_trace_handler")
