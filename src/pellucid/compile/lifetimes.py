"""How long each value of a graph is needed, and memory that those share which are never needed at the same time.

A memory, that of views with what they are views of, dies at the last node that reads or overwrites a value in it. Not
what comes from outside or is handed out: that is others' to free. What is dead goes back to the `Pool`, and what is
made next may lie there; an elementwise loop may write over an argument that dies with it (see `Plan`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.backend import Array

from .graph import MADE, Graph

_LINE = 64  # bytes: blocks begin at a line of the processor's cache


def unite(graph: Graph) -> None:
    """Give one `memory` to all values that may lie in the same: a view, and whatever it was made from.

    Recorded memories say so at first; but a pass that puts one value in the place of another knows nothing of the
    views of the former.
    """
    above: dict[int, int] = {}

    def top(memory: int) -> int:
        while memory in above:
            memory = above[memory]
        return memory

    for node in graph.nodes:
        if node.alias:
            one, *others = {top(value.memory) for value in (*node.reads(), *node.outputs)}
            above.update((other, one) for other in others)
    for value in graph.values():
        value.memory = top(value.memory)


def deaths(graph: Graph) -> list[set[int]]:
    """For each node, the memories that nothing after it touches."""
    lasting = {value.memory for value in (*graph.escaping(), *graph.inputs)}
    last: dict[int, int] = {}
    for i, node in enumerate(graph.nodes):
        for value in (*node.reads(), *node.writes, *node.outputs):
            last[value.memory] = i
            if value.kind != MADE:
                lasting.add(value.memory)
    found: list[set[int]] = [set() for _ in graph.nodes]
    for memory, i in last.items():
        if memory not in lasting:
            found[i].add(memory)
    return found


class Pool:
    """Blocks of memory, each for one array after the other."""

    def __init__(self) -> None:
        self.size = 0  # bytes, of all
        self._free: list[Array] = []

    def take(self, shape: tuple[int, ...], dtype: Any) -> tuple[Array, Array]:
        """An array, and the block that it lies in: the smallest free one in which it leaves less than half empty."""
        dtype = np.dtype(dtype)
        wanted = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        fitting = [block for block in self._free if wanted <= block.size <= 2 * wanted]
        if fitting:
            block = min(reversed(fitting), key=len)
            self._free = [each for each in self._free if each is not block]
        else:
            whole = np.empty(wanted + _LINE, np.uint8)
            start = -whole.ctypes.data % _LINE
            block = whole[start : start + wanted]
            self.size += wanted
        return block[:wanted].view(dtype).reshape(shape), block

    def give(self, block: Array) -> None:
        """Nobody needs what lies in the block any longer."""
        self._free.append(block)
