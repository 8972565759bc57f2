"""`torch.profiler`: the time of each op, by a schedule of steps where the program gives one."""

from __future__ import annotations

import enum
import os
import socket
import time
from collections.abc import Callable
from typing import Any

from pellucid.autograd import profiler
from pellucid.autograd.profiler import record_function
from pellucid.torch_names import absent

__all__ = [
    "ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule", "supported_activities",
    "tensorboard_trace_handler",
]  # fmt: skip


class ProfilerActivity(enum.Enum):
    """What a profile may measure; here there is a CPU alone."""

    CPU = 0
    CUDA = 1
    XPU = 2
    MTIA = 3


class ProfilerAction(enum.Enum):
    """What a schedule has a profile do at a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


_RECORDS = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def supported_activities() -> set[ProfilerActivity]:
    """What there is to be measured."""
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """Which step is measured: after `skip_first`, in turns, `wait` are not, `warmup` are not, `active` are.

    `repeat` is the number of turns, 0 for no end. `skip_first_wait` leaves the first turn's wait out.
    """

    def action(step: int) -> ProfilerAction:
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        turn = wait + warmup + active
        if repeat > 0 and step / turn >= repeat:
            return ProfilerAction.NONE
        step %= turn
        if step < wait:
            return ProfilerAction.NONE
        if step < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if step < turn - 1 else ProfilerAction.RECORD_AND_SAVE

    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise AssertionError("Invalid profiler schedule arguments")
    return action


class profile(profiler.profile):
    """Within the block, the time of each op is taken: in all of it, or in the steps that `schedule` names.

    `on_trace_ready(self)` is called when a turn of the schedule, or the block, ends.
    """

    def __init__(
        self, *, activities: Any = None, schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None, record_shapes: bool = False, **ignored: Any,
    ) -> None:  # fmt: skip
        super().__init__(record_shapes=record_shapes)
        self._schedule, self._ready = schedule, on_trace_ready
        self.step_num = 0

    def start(self) -> None:
        """Begin, as at the head of a `with` block."""
        if self._schedule is None or self._schedule(0) in _RECORDS:
            self.begin()

    def stop(self) -> None:
        """End, as after a `with` block."""
        if self._on:
            self.end()
            self._tell()

    def step(self) -> None:
        """Say that the next step begins."""
        before = None if self._schedule is None else self._schedule(self.step_num)
        self.step_num += 1
        if self._schedule is None:
            return
        if before is ProfilerAction.RECORD_AND_SAVE:
            self.end()
            self._tell()
        if self._schedule(self.step_num) in _RECORDS and not self._on:
            self.begin()

    def _tell(self) -> None:
        if self._ready is not None:
            self._ready(self)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def events(self) -> profiler.EventList:
        """All events of the last turn."""
        return self.function_events

    def add_metadata(self, key: str, value: str) -> None:
        """Nothing: the file of events holds events alone."""

    add_metadata_json = add_metadata


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """For `on_trace_ready`: writes each turn's events into a file in the folder `dir_name`."""

    def handler(profiled: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        name = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        profiled.export_chrome_trace(os.path.join(dir_name, f"{name}.{time.time_ns()}.pt.trace.json"))

    return handler


__getattr__ = absent(__name__)
