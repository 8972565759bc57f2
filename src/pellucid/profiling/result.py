"""What `profile` found: events as they came, a row for each op, a table, and a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from pellucid.compile.cost import measured
from pellucid.viz.flame import Flame, Frame


class Event(NamedTuple):
    """An op that ran: `name`, on behalf of the op `of`, from `start` on (seconds from the beginning of the step)."""

    name: str
    of: str
    phase: str
    modules: tuple[str, ...]
    start: float
    seconds: float
    bytes: int
    operations: int
    line: str


@dataclass(frozen=True)
class OpCost:
    """What an op costs in a step, all its calls together.

    Attributes:
        op: its name.
        calls: how often the program calls it; what backward runs is not counted.
        forward, backward, update: seconds; update is the time of an optimiser's op.
        bytes: of arguments and results, forward and backward.
        operations: forward and backward.
    """

    op: str
    calls: int
    forward: float
    backward: float
    update: float
    bytes: int
    operations: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.forward + self.backward + self.update


class Profile:
    """What each op of a function costs; made by `pellucid.profile`.

    Attributes:
        name: of the function.
        events: those of the median step, in order.
        rows: an `OpCost` for each op, the most expensive first.
        seconds: a step takes, watched, without the time that watching itself took; the median.
        plain: seconds that a step takes when nothing watches; the median.
    """

    def __init__(self, name: str, steps: Sequence[Sequence[Event]], lengths: Sequence[float], plain: float) -> None:
        self.name = name
        order = sorted(range(len(steps)), key=lambda i: lengths[i])
        middle = order[len(order) // 2]
        self.events = tuple(steps[middle])
        self._length = lengths[middle]
        self.seconds, self.plain = median(lengths), plain
        self.steps = len(steps)
        self.rows = _rows(steps, self.events)

    @property
    def outside(self) -> float:
        """Seconds that pass outside of ops: Python, the tape, data."""
        return max(0.0, self.seconds - sum(row.seconds for row in self.rows))

    def table(self, limit: int | None = None) -> str:
        """The rows as text, the `limit` most expensive."""
        cells = [("op", "calls", "forward µs", "backward µs", "share", "kB", "1000 ops", "Gop/s")]
        shown = self.rows if limit is None else self.rows[:limit]
        cells += [
            (
                row.op,
                str(row.calls or ""),
                _micro(row.forward + row.update),
                _micro(row.backward),
                f"{row.seconds / self.seconds:.1%}",
                f"{row.bytes / 1e3:,.1f}",
                f"{row.operations / 1e3:,.1f}",
                f"{row.operations / row.seconds / 1e9:.2f}" if row.seconds else "",
            )
            for row in shown
        ]
        if len(shown) < len(self.rows):
            rest = sum(row.seconds for row in self.rows[len(shown) :])
            name = f"{len(self.rows) - len(shown)} more"
            cells.append((name, "", "", "", f"{rest / self.seconds:.1%}", "", "", ""))
        cells.append(("outside of ops", "", _micro(self.outside), "", f"{self.outside / self.seconds:.1%}", "", "", ""))
        widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            ).rstrip()
            for row in cells
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([self._head(), "", *lines])

    def _head(self) -> str:
        return (
            f"{self.name}: {1e6 * self.seconds:,.0f} µs a step, median of {self.steps}; "
            f"{1e6 * self.plain:,.0f} µs when nothing watches; {len(self.events)} ops"
        )

    def save(self, path: str | Path) -> Path:
        """Write the page to `path`, which ends in .html; the file is whole or not there.

        Raises:
            ValueError: another ending.
        """
        return self.flame().save(path)

    def flame(self) -> Flame:
        """The chart of the median step: time to the right, phases, modules, lines and ops downwards."""
        frames = [Frame(_stack(event), event.start, event.seconds, _tip(event)) for event in self.events]
        return Flame(f"Profile of {self.name}", frames, self._length, self.table())

    def __roofline__(self) -> dict[str, Any]:
        """What `viz.roofline` draws: the machine's peaks, which are measured, and each op with its time."""
        peak = measured()
        rows = [(row.op, row.operations, row.bytes, row.seconds) for row in self.rows]
        return {"operations": peak.operations, "bytes": peak.bytes, "rows": rows}

    def __repr__(self) -> str:
        return self.table(limit=20)

    def _repr_html_(self) -> str:
        return self.flame().framed()


def _rows(steps: Sequence[Sequence[Event]], middle: Sequence[Event]) -> list[OpCost]:
    """A row for each op: times are medians over the steps, the rest is that of the median step."""
    times: dict[tuple[str, str], list[float]] = {}
    for number, events in enumerate(steps):
        for event in events:
            times.setdefault((event.of, event.phase), [0.0] * len(steps))[number] += event.seconds
    calls, moved, operations = defaultdict[str, int](int), defaultdict[str, int](int), defaultdict[str, int](int)
    for event in middle:
        calls[event.of] += event.phase != "backward"
        moved[event.of] += event.bytes
        operations[event.of] += event.operations
    taken = {key: median(values) for key, values in times.items()}
    rows: list[OpCost] = []
    for op in dict.fromkeys(op for op, _ in times):
        forward, backward, update = (taken.get((op, phase), 0.0) for phase in ("forward", "backward", "update"))
        rows.append(OpCost(op, calls[op], forward, backward, update, moved[op], operations[op]))
    return sorted(rows, key=lambda row: -row.seconds)


def _stack(event: Event) -> tuple[str, ...]:
    """What the event's frames are called, outermost first; behind a NUL is what tells apart two of one name."""
    line = () if event.modules or not event.line else (event.line,)
    of = (f"{event.of}, backward",) if event.phase == "backward" else ()
    return (event.phase, *event.modules, *line, *of, event.name)


def _tip(event: Event) -> str:
    moved = f"{event.bytes / 1e3:,.1f} kB, {event.operations:,} operations" if event.operations else "a view"
    return f"{moved}\n{event.line}".rstrip()


def _micro(seconds: float) -> str:
    return f"{1e6 * seconds:,.1f}" if seconds else ""
