"""`torch.autograd.profiler` and, by `torch.profiler`, its schedule: the time of each op, and of marked ranges.

An interpreter behind the door takes the time of each op; what `record_function` marks contains those within. There is
no other device and no kernel, so what PyTorch adds of those is absent from the table.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, cast

from pellucid.core.context import state
from pellucid.core.declaration import Declaration
from pellucid.core.door import Interpreter, below
from pellucid.core.node import Arguments, Attributes
from pellucid.core.tensor import Tensor
from pellucid.torch_names import absent

from .profiler_util import EventList, FunctionEvent, FunctionEventAvg, Interval

__all__ = [
    "EventList", "FunctionEvent", "FunctionEventAvg", "Interval", "kineto_available", "profile", "record_function",
]  # fmt: skip


class _Timing(Interpreter):
    """Takes the time of each op."""

    def __init__(self, record_shapes: bool) -> None:
        self.record_shapes = record_shapes
        self.events: list[FunctionEvent] = []
        self.open: list[FunctionEvent] = []

    def apply(self, op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
        shapes = [list(given.shape) for given in args if isinstance(given, Tensor)] if self.record_shapes else None
        with self.measured(f"aten::{_NAMES.get(op.name, op.name)}", shapes) as event:
            result = below(self, op, args, kwargs)
            first = cast("Arguments", result)[0] if isinstance(result, tuple) else result
            node = first.grad_fn if isinstance(first, Tensor) and not op.view else None
            if node is not None:
                event.sequence_nr = node.number
            return result

    @contextlib.contextmanager
    def measured(self, name: str, shapes: list[list[int]] | None) -> Iterator[FunctionEvent]:
        """One event, for the length of a block."""
        now = time.perf_counter() * 1e6
        event = FunctionEvent(len(self.events), name, 0, now, now, fwd_thread=0, input_shapes=shapes)
        self.events.append(event)
        if self.open:
            self.open[-1].append_cpu_child(event)
            event.set_cpu_parent(self.open[-1])
        self.open.append(event)
        try:
            yield event
        finally:
            self.open.remove(event)
            event.time_range.end = time.perf_counter() * 1e6


_NAMES = {"true_divide": "div"}  # of ops, where PyTorch's is another


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

    def total_average(self) -> FunctionEventAvg:
        """All events as one."""
        return self.function_events.total_average()

    def table(self, sort_by: str | None = None, row_limit: int = 100, **how: object) -> str:
        """The events as text."""
        return self.function_events.table(sort_by, row_limit, **how)  # type: ignore[arg-type]

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
                stack.enter_context(pushed.measured(self.name, None))
        self._open.append(stack)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.pop().close()


__getattr__ = absent(__name__)
