"""`torch.autograd.profiler` and, by `torch.profiler`, its schedule: the time of each op, and of marked ranges.

An interpreter behind the door takes the time of each op; what `record_function` marks contains those within. There is
no other device and no kernel, so what PyTorch adds of those is absent from the table.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pellucid.core.context import state
from pellucid.core.declaration import Declaration
from pellucid.core.door import Interpreter, below
from pellucid.core.node import Arguments, Attributes
from pellucid.core.tensor import Tensor
from pellucid.torch_names import absent

__all__ = ["EventList", "FunctionEvent", "kineto_available", "profile", "record_function"]


class FunctionEvent:
    """What was measured under one name: microseconds, and how often.

    Attributes:
        key: the name, `aten::mul`.
        count: number of calls.
        cpu_time_total, self_cpu_time_total: with what was called within, and without.
        input_shapes: of the tensors it got, where they were asked for.
    """

    def __init__(self, key: str, start: float, shapes: list[list[int]], thread: int = 0) -> None:
        self.key = self.name = key
        self.count = 1
        self.start, self.cpu_time_total, self.within = start, 0.0, 0.0
        self.input_shapes = shapes
        self.thread = thread
        self.device_time_total = self.self_device_time_total = 0.0

    @property
    def self_cpu_time_total(self) -> float:
        """Without what was called within."""
        return self.cpu_time_total - self.within

    @property
    def cpu_time(self) -> float:
        """Of one call, on average."""
        return self.cpu_time_total / self.count

    cuda_time_total = property(lambda self: self.device_time_total)

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={_time(self.self_cpu_time_total)} "
            f"cpu_time={_time(self.cpu_time)}  self_device_time=0.000us device_time=0.000us input_shapes="
            f"{self.input_shapes or ''} cpu_memory_usage=0 device_memory_usage=0>"
        )


class EventList(list[FunctionEvent]):
    """Events, and what is said of them."""

    def __init__(self, events: Iterable[FunctionEvent] = (), with_shapes: bool = False) -> None:
        super().__init__(events)
        self._with_shapes = with_shapes

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all, in microseconds."""
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(self, group_by_input_shapes: bool = False, **how: object) -> EventList:
        """The events of one name (and shapes) as one, with their sums."""
        groups: dict[Any, FunctionEvent] = {}
        for event in self:
            key = (event.key, str(event.input_shapes)) if group_by_input_shapes else event.key
            known = groups.get(key)
            if known is None:
                shapes = event.input_shapes if group_by_input_shapes else []
                known = groups[key] = FunctionEvent(event.key, event.start, shapes)
                known.count = 0
            known.count += event.count
            known.cpu_time_total += event.cpu_time_total
            known.within += event.within
        return EventList(groups.values(), group_by_input_shapes)

    def total_average(self) -> FunctionEvent:
        """All as one."""
        total = FunctionEvent("Total", 0.0, [])
        total.count = sum(event.count for event in self)
        total.cpu_time_total = sum(event.cpu_time_total for event in self)
        total.within = sum(event.within for event in self)
        return total

    def table(
        self, sort_by: str | None = None, row_limit: int = 100, max_name_column_width: int = 55, **how: object
    ) -> str:
        """The events as text, the largest by `sort_by` first."""
        events = list(self)
        if sort_by is not None:
            by = sort_by.replace("cuda", "device")
            if not hasattr(FunctionEvent("", 0.0, []), by):
                raise AttributeError(f"sort_by={sort_by!r} is no number of an event; write 'cpu_time_total'")
            events.sort(key=lambda event: getattr(event, by), reverse=True)
        total = self.self_cpu_time_total or 1.0
        heads = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]
        if self._with_shapes:
            heads.append("Input Shapes")
        rows = [
            [
                event.key
                if len(event.key) <= max_name_column_width
                else event.key[: max_name_column_width - 3] + "...",
                f"{100 * event.self_cpu_time_total / total:.2f}%",
                _time(event.self_cpu_time_total),
                f"{100 * event.cpu_time_total / total:.2f}%",
                _time(event.cpu_time_total),
                _time(event.cpu_time),
                str(event.count),
                *([str(event.input_shapes)] if self._with_shapes else []),
            ]
            for event in events[:row_limit]
        ]
        widths = [max(len(row[column]) for row in [heads, *rows]) + 2 for column in range(len(heads))]
        line = "  ".join("-" * width for width in widths)
        text = [
            line,
            *("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [heads]),
        ]
        text += [line, *("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows), line]
        return "\n".join([*text, f"Self CPU time total: {_time(self.self_cpu_time_total)}", ""])

    def export_chrome_trace(self, path: str) -> None:
        """Write the events as a file for chrome://tracing."""
        events = [
            {"name": event.key, "ph": "X", "ts": event.start, "dur": event.cpu_time_total, "pid": 0, "tid": 0}
            for event in self
        ]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events}, file)

    def __str__(self) -> str:
        return self.table()


def _time(microseconds: float) -> str:
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.3f}s"
    return f"{microseconds / 1e3:.3f}ms" if microseconds >= 1e3 else f"{microseconds:.3f}us"


class _Timing(Interpreter):
    """Takes the time of each op."""

    def __init__(self, record_shapes: bool) -> None:
        self.record_shapes = record_shapes
        self.events: list[FunctionEvent] = []
        self.open: list[FunctionEvent] = []

    def apply(self, op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
        shapes = [list(given.shape) for given in args if isinstance(given, Tensor)] if self.record_shapes else []
        with self.measured(f"aten::{op.name}", shapes):
            return below(self, op, args, kwargs)

    @contextlib.contextmanager
    def measured(self, name: str, shapes: list[list[int]]) -> Iterator[None]:
        """One event, for the length of a block."""
        event = FunctionEvent(name, time.perf_counter() * 1e6, shapes)
        self.events.append(event)
        self.open.append(event)
        try:
            yield
        finally:
            self.open.pop()
            event.cpu_time_total = time.perf_counter() * 1e6 - event.start
            if self.open:
                self.open[-1].within += event.cpu_time_total


class profile:
    """Within the block, the time of each op is taken.

    What there is no machine for here (`use_cuda`, `profile_memory`, stacks, modules, flops) is accepted and ignored.

    >>> import pellucid
    >>> with profile() as measured:
    ...     _ = pellucid.ones(3) * 2
    >>> [(event.key, event.count) for event in measured.key_averages()]
    [('aten::full', 1), ('aten::mul', 1)]
    """

    def __init__(self, enabled: bool = True, *, record_shapes: bool = False, **ignored: object) -> None:
        self.enabled, self.record_shapes = enabled, record_shapes
        self._timing: _Timing | None = None
        self._on = False

    def __enter__(self) -> profile:
        if self.enabled:
            self.begin()
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def begin(self) -> None:
        """Measure from here on, anew."""
        self._timing = _Timing(self.record_shapes)
        state.interpreters = (*state.interpreters, self._timing)
        self._on = True

    def end(self) -> None:
        """Measure no longer."""
        if self._on:
            self._on = False
            state.interpreters = tuple(other for other in state.interpreters if other is not self._timing)

    @property
    def function_events(self) -> EventList:
        """All events, in the order in which they began."""
        if self._timing is None:
            raise RuntimeError("Profiler didn't finish running: use it as `with profile() as measured:`, or start() it")
        return EventList(self._timing.events, self.record_shapes)

    def key_averages(self, group_by_input_shape: bool = False, **how: object) -> EventList:
        """The events by name; see `EventList.key_averages`."""
        return self.function_events.key_averages(group_by_input_shape)

    def total_average(self) -> FunctionEvent:
        """All events as one."""
        return self.function_events.total_average()

    def table(self, sort_by: str | None = None, row_limit: int = 100, **how: object) -> str:
        """The events as text."""
        return self.function_events.table(sort_by, row_limit)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events as a file for chrome://tracing."""
        self.function_events.export_chrome_trace(path)

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all ops, in microseconds."""
        return self.function_events.self_cpu_time_total

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._timing is None else self.table()


def kineto_available() -> bool:
    """True: `profile(use_kineto=True)` measures as it does without."""
    return True


def is_enabled() -> bool:
    """Whether a `profile` is measuring in this thread."""
    return any(isinstance(pushed, _Timing) for pushed in state.interpreters)


class record_function(contextlib.ContextDecorator):
    """A range under a name in a profile; without one it does nothing."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self._open: list[contextlib.ExitStack] = []

    def __enter__(self) -> record_function:
        stack = contextlib.ExitStack()
        for pushed in state.interpreters:
            if isinstance(pushed, _Timing):
                stack.enter_context(pushed.measured(self.name, []))
        self._open.append(stack)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.pop().close()


__getattr__ = absent(__name__)
