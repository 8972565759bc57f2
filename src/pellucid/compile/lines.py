"""The text of a plan as it grows: lines of Python, segments of machine code, and where each value is in memory.

A value is *static* where its array is the same in all runs (what the function holds, constants, buffers), *kept* where
it is handed out, in memory of its own (see `memory`), else *dynamic*: a variable of the text.
"""

from __future__ import annotations

import re
from sys import getrefcount
from typing import Any

import numpy as np

from pellucid.backend import Array
from pellucid.core import Tensor
from pellucid.kernels.calling import address
from pellucid.kernels.pool import share

from .graph import CONSTANT, HELD, INPUT, Graph, Value
from .lifetimes import Pool, unite
from .memory import ALONE, Kept
from .products import multiplied
from .segment import Call, Later, Named, Segment

_NAME = re.compile(r"\b[vd]\d+\b")


class Lines:
    """Lines, calls, names and memory."""

    def __init__(self, graph: Graph) -> None:
        unite(graph)
        self.graph = graph
        self.names: dict[str, Any] = {
            "matmul": multiplied, "asarray": np.asarray, "address": address, "share": share,
            "laid": laid_out, "separate": separate,
            "references": getrefcount, "ALONE": ALONE,
        }  # fmt: skip
        self.early: list[str] = []  # memory for what is handed out
        self.lines: list[str] = []  # statements, each of one line or more: names are in use until its end
        self.segments: list[Segment] = []
        self._open: Segment | None = None
        self._kept: dict[int, Kept] = {}
        self._odd: list[str] = []  # for each call of the open segment, what runs where it ended the segment
        self._alive: list[Value] = []  # values made here: an id means one of them
        self.static: dict[int, Array] = {}
        self.dynamic: dict[int, str] = {}
        self.pool = Pool()
        self._blocks: dict[int, Array] = {}  # by the memory of the values that lie in one
        self._fresh: set[int] = set()  # handed-out values that are in memory of their own anyway
        self._handed_out = {value.memory for value in graph.escaping()}
        self.held: list[tuple[Tensor, Array]] = []
        for value in graph.values():
            if value.kind == CONSTANT:
                self.static[id(value)] = value.array
            elif value.kind == HELD and value.tensor is not None:
                self.static[id(value)] = value.tensor._array
                self.held.append((value.tensor, value.tensor._array))
        for i, value in enumerate(graph.inputs):
            self.dynamic[id(value)] = f"x{i}"

    def _name(self, prefix: str, thing: Any) -> str:
        name = f"{prefix}{len(self.names)}"
        self.names[name] = thing
        return name

    def _read(self, value: Value) -> str:
        """The name of an array."""
        if id(value) in self.dynamic:
            return self.dynamic[id(value)]
        array = self.static[id(value)]
        for name, known in self.names.items():
            if known is array:
                return name
        return self._name(value.kind[0], array)

    def _argument(self, argument: Any) -> str:
        if isinstance(argument, Value):
            return self._read(argument)
        return repr(argument) if type(argument) in (int, bool, type(None)) else self._name("n", argument)

    def _buffer(self, value: Value) -> str:
        """The name of memory for a value: made once, or at each run where it is handed out."""
        value.made_dense()
        if value.memory in self._handed_out:
            name = self.dynamic[id(value)] = f"v{value.number}"
            self._kept[id(value)] = kept = Kept(value.shape, value.dtype)
            own = self._name("kept", kept)
            self.early.append(f"{name} = {own}.array if references({own}.array) == ALONE else {own}.anew()")
            self._fresh.add(id(value))
            return name
        if id(value) not in self.static:
            self.static[id(value)], self._blocks[value.memory] = self.pool.take(value.shape, value.dtype)
        return self._read(value)

    def _bury(self, memories: set[int]) -> None:
        """Let what is made next lie where these did."""
        for memory in memories:
            if memory in self._blocks:
                self.pool.give(self._blocks.pop(memory))

    def _overwrite(self, old: Value, new: Value) -> None:
        """Have a value lie where another one did, which dies now."""
        if id(old) in self.static:
            self.static[id(new)] = self.static[id(old)].view()
            if old.memory in self._blocks:
                self._blocks[new.memory] = self._blocks.pop(old.memory)
        else:
            self.dynamic[id(new)] = self.dynamic[id(old)]
            self._fresh.add(id(new))  # it lies as it is said to

    def _address(self, value: Value, strides: tuple[int, ...]) -> str:
        """The address of an array that lies as `strides` say."""
        if id(value) in self.static:
            return str(address(self.static[id(value)]))
        name = self.dynamic[id(value)]
        if value.kind != INPUT and id(value) not in self._fresh:
            self._say(f"if {name}.strides != {strides!r}: {name} = laid({name}, {strides!r})")
        return f"address({name})"

    def _place(self, value: Value, strides: tuple[int, ...] | None = None) -> Any:
        """As `_address`, as the argument of a call in a segment."""
        if id(value) in self.static:
            return address(self.static[id(value)])
        if id(value) in self._kept:
            return Later(self._kept[id(value)].put, f"address({self.dynamic[id(value)]})")
        return Named(self._address(value, value.strides if strides is None else strides))

    # -------------------------------------------------------------------------------------------------- lines, calls

    def _say(self, line: str) -> None:
        """A line of Python."""
        self._close()
        self.lines.append(line)

    def _call_native(self, call: Call, odd: str = "") -> None:
        """A call of machine code; `odd` runs where it says that it cannot go on."""
        if self._open is None:
            self._open = Segment()
            self._odd = []
        self._open.add(call)
        self._odd.append(odd)

    def _close(self) -> None:
        """End the segment."""
        segment, self._open = self._open, None
        if segment is None:
            return
        segment.close()
        self.segments.append(segment)
        table = self._name("table", memoryview(segment.table))
        function = self._name("segment", segment.function)
        where = address(segment.table)
        lines = [f"{table}[{place}] = {expression}" for place, expression in segment.named]
        labels = ", ".join(call.label for call in segment.calls)
        lines.append(f"{function}(0, 0, {where})  # {labels}")
        if segment.stops:
            lines.append(f"while {table}[0]:")
            for i in segment.stops:
                lines.append(f"    if {table}[0] == {i + 1}: {self._odd[i]}")
            lines.append(f"    {function}({table}[0], 0, {where})")
        self.lines.append("\n".join(lines))

    def _let_go(self, after: list[str]) -> list[str]:
        """The lines, each variable that `after` does not name deleted behind the last statement that does."""
        own = set(self.dynamic.values()).difference(*map(_NAME.findall, after))
        last = {name: i for i, text in enumerate(self.lines) for name in _NAME.findall(text) if name in own}
        gone: dict[int, list[str]] = {}
        for name, i in last.items():
            gone.setdefault(i, []).append(name)
        return [f"{text}\ndel {', '.join(gone[i])}" if i in gone else text for i, text in enumerate(self.lines)]

    def _strides(self, value: Value) -> tuple[int, ...]:
        return self.static[id(value)].strides if id(value) in self.static else value.strides

    def _name_of(self, value: Value) -> str:
        return self.dynamic.setdefault(id(value), f"v{value.number}")

    def _is_dense(self, value: Value) -> bool:
        """Whether it is known to lie in one piece, the last index first."""
        if id(value) in self.static:
            return self.static[id(value)].flags.c_contiguous
        return value.dense and (id(value) in self._kept or value.kind == INPUT)


def separate(made: Array, *given: Array) -> Array:
    """What an op made of `given`; a copy where it lies in the memory of one, though it did not when it was recorded.

    Whether a reshape copies depends on how its argument lies, and the loops of a plan may lay it otherwise.
    """
    for each in given:
        if made is each or (made.base is not None and np.may_share_memory(made, each)):
            return made.copy()
    return made


def laid_out(array: Array, strides: tuple[int, ...]) -> Array:
    """A copy of an array that lies in memory as `strides` say."""
    size = 1 + sum((length - 1) * abs(step) for length, step in zip(array.shape, strides, strict=True) if length)
    memory = np.empty(size // array.itemsize + 1, array.dtype)
    made = np.lib.stride_tricks.as_strided(memory, array.shape, strides)
    made[...] = array
    return made
