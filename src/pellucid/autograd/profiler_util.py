"""`torch.autograd.profiler_util`: what a profile has measured, one event for each call, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pellucid.torch_names import absent

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "Interval"]


class Interval:
    """From when to when, in microseconds."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end

    def elapsed_us(self) -> float:
        """How long it is."""
        return self.end - self.start


class _Averages:
    """What follows from the sums of an event, or of several. There is no other device, and so no time on one."""

    count: int
    self_cpu_time_total: float
    cpu_time_total: float
    device_time_total = self_device_time_total = cuda_time_total = self_cuda_time_total = 0.0
    device_memory_usage = self_device_memory_usage = 0
    use_device = None

    @property
    def cpu_time(self) -> float:
        """Of one call, on average."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def device_time(self) -> float:
        """Of one call on another device: none."""
        return 0.0

    @property
    def cpu_time_str(self) -> str:
        """The time of one call, in words."""
        return _format_time(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """The time of all calls, in words."""
        return _format_time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """The time of all calls without those within, in words."""
        return _format_time(self.self_cpu_time_total)


class FunctionEvent(_Averages):
    """One call: under which name, from when to when, in microseconds, and what was called within.

    Attributes:
        key, name: `aten::mul`.
        cpu_time_total, self_cpu_time_total: with what was called within, and without.
        input_shapes: of the tensors it got, where they were asked for.
        cpu_children, cpu_parent: the events of calls within, and that of the call that it is within.
        sequence_nr: of an op that was recorded the number of its node, else -1.

    >>> FunctionEvent(id=0, name="mul", thread=0, start_us=10, end_us=15).cpu_time_total
    5
    """

    def __init__(
        self,
        id: int,
        name: str,
        thread: int,
        start_us: float,
        end_us: float,
        fwd_thread: int | None = None,
        input_shapes: list[list[int]] | None = None,
        stack: list[str] | None = None,
        scope: int = 0,
        cpu_memory_usage: int = 0,
        is_async: bool = False,
        is_remote: bool = False,
        sequence_nr: int = -1,
        node_id: int = -1,
        trace_name: str | None = None,
        **rest: object,
    ) -> None:
        self.id, self.node_id, self.name, self.trace_name = id, node_id, name, trace_name
        self.time_range = Interval(start_us, end_us)
        self.thread, self.fwd_thread = thread, fwd_thread
        self.count, self.scope, self.sequence_nr = 1, scope, sequence_nr
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.input_shapes, self.stack = input_shapes, stack
        self.cpu_memory_usage, self.is_async, self.is_remote = cpu_memory_usage, is_async, is_remote
        vars(self).update(rest)

    @property
    def key(self) -> str:
        """What events are gathered by: the name."""
        return self.name

    @property
    def cpu_time_total(self) -> float:
        """How long it took."""
        return 0 if self.is_async else self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:
        """Without what was called within."""
        return 0 if self.is_async else self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    def append_cpu_child(self, child: FunctionEvent) -> None:
        """Enter a call that was made within this one."""
        self.cpu_children.append(child)

    def set_cpu_parent(self, parent: FunctionEvent) -> None:
        """Enter the call that this one was made within."""
        self.cpu_parent = parent

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} node_id={self.node_id} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start} end_us={self.time_range.end} "
            f"cpu_children={[child.id for child in self.cpu_children]} thread={self.thread} "
            f"input_shapes={self.input_shapes} is_async={self.is_async} seq_nr={self.sequence_nr}>"
        )


class FunctionEventAvg(_Averages):
    """The sums of several events of one name.

    >>> several = FunctionEventAvg()
    >>> for start in (0, 10):
    ...     _ = several.add(FunctionEvent(id=start, name="mul", thread=0, start_us=start, end_us=start + 4))
    >>> several.count, several.cpu_time
    (2, 4.0)
    """

    def __init__(self) -> None:
        self.key: str | None = None
        self.count, self.cpu_time_total, self.self_cpu_time_total = 0, 0.0, 0.0
        self.input_shapes: list[list[int]] | None = None
        self.node_id, self.is_async, self.is_remote = 0, False, False
        self.cpu_memory_usage = 0

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Add an event, or such sums."""
        if self.key is None:
            self.key, self.input_shapes = other.key, other.input_shapes
            self.node_id, self.is_async, self.is_remote = other.node_id, other.is_async, other.is_remote
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.count += other.count
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str}  self_device_time=0.000us device_time=0.000us "
            f"input_shapes={self.input_shapes or ''} cpu_memory_usage={self.cpu_memory_usage} device_memory_usage=0>"
        )


_Event = FunctionEvent | FunctionEventAvg


class EventList(list[_Event]):
    """Events, and what is said of them."""

    def __init__(self, events: Iterable[_Event] = (), with_shapes: bool = False) -> None:
        super().__init__(events)
        self._with_shapes = with_shapes

    def _populate_cpu_children(self) -> None:
        """Enter which calls were made within which: those of one thread that lie within in time."""
        sync = [event for event in self if isinstance(event, FunctionEvent) and not event.is_async]
        for thread in sorted({(event.thread, event.node_id) for event in sync}):
            own = [event for event in sync if (event.thread, event.node_id) == thread]
            around: list[FunctionEvent] = []
            for event in sorted(own, key=lambda event: (event.time_range.start, -event.time_range.end)):
                span = event.time_range
                while around and (span.start >= around[-1].time_range.end or span.end > around[-1].time_range.end):
                    around.pop()
                if around:
                    around[-1].append_cpu_child(event)
                    event.set_cpu_parent(around[-1])
                around.append(event)

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all, in microseconds."""
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(self, group_by_input_shapes: bool = False, **how: object) -> EventList:
        """The events of one name (and shapes) as one, with their sums."""
        groups: dict[tuple[str | None, str], FunctionEventAvg] = {}
        for event in self:
            key = event.key, str(event.input_shapes) if group_by_input_shapes else ""
            known = groups.setdefault(key, FunctionEventAvg()).add(event)
            if not group_by_input_shapes:
                known.input_shapes = None
        return EventList(groups.values(), group_by_input_shapes)

    def total_average(self) -> FunctionEventAvg:
        """All as one."""
        total = FunctionEventAvg()
        for event in self:
            total.add(event)
        total.key = "Total"
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        header: str | None = None,
        top_level_events_only: bool = False,
        **how: object,
    ) -> str:
        """The events as text, the largest by `sort_by` first; a `row_limit` of -1 is none."""
        events: list[_Event] = list(self)
        if sort_by is not None:
            by = sort_by.replace("cuda", "device")
            if not hasattr(FunctionEventAvg(), by):
                raise AttributeError(f"sort_by={sort_by!r} is no number of an event; write 'cpu_time_total'")
            events.sort(key=lambda event: getattr(event, by), reverse=True)
        if top_level_events_only:
            events = [event for event in events if getattr(event, "cpu_parent", None) is None]
        if row_limit >= 0:
            events = events[:row_limit]
        total = self.self_cpu_time_total or 1.0
        heads = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]
        if self._with_shapes:
            heads.append("Input Shapes")
        rows = [
            [
                _shortened(event.key or "", max_name_column_width),
                f"{100 * event.self_cpu_time_total / total:.2f}%",
                event.self_cpu_time_total_str,
                f"{100 * event.cpu_time_total / total:.2f}%",
                event.cpu_time_total_str,
                event.cpu_time_str,
                str(event.count),
                *([str(event.input_shapes or [])] if self._with_shapes else []),
            ]
            for event in events
        ]
        widths = [max(len(row[column]) for row in [heads, *rows]) + 2 for column in range(len(heads))]
        line = "  ".join("-" * width for width in widths)
        head, *body = (
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [heads, *rows]
        )
        title = [] if header is None else ["=" * len(line), header, "=" * len(line)]
        end = f"Self CPU time total: {_format_time(self.self_cpu_time_total)}"
        return "\n".join([*title, line, head, line, *body, line, end, ""])

    def export_chrome_trace(self, path: str) -> None:
        """Write the events as a file for chrome://tracing."""
        events = [
            {
                "name": event.key, "ph": "X", "ts": event.time_range.start, "dur": event.cpu_time_total, "pid": 0,
                "tid": event.thread,
            }
            for event in self
            if isinstance(event, FunctionEvent)
        ]  # fmt: skip
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events}, file)

    def __str__(self) -> str:
        return self.table()


def _shortened(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 3] + "..."


def _format_time(time_us: float) -> str:
    """A time in microseconds, in words."""
    if time_us >= 1e6:
        return f"{time_us / 1e6:.3f}s"
    return f"{time_us / 1e3:.3f}ms" if time_us >= 1e3 else f"{time_us:.3f}us"


__getattr__ = absent(__name__)
