"""Fusion: a chain of elementwise ops becomes one loop, which reads and writes each number once.

An application joins the loop that made one of its arguments, if all its arguments are there when the loop runs, and
nothing that it reads is overwritten in between. A sum over all dimensions but the last joins the loop that makes what
it sums. What only the loop itself reads is never stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import scalars
from ..graph import CONSTANT, MADE, Graph, Node, Value

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Loop(Node):
    """A fused loop over `shape`: its `body` in order, and the `sums` (what is summed, the result) over its rows."""

    __slots__ = ("body", "shape", "sums")

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__("loop", (), ())
        self.shape = shape
        self.body: list[Node] = []
        self.sums: list[tuple[Value, Value]] = []

    def close(self, needed: set[int]) -> None:
        """Settle what goes in and out; `needed` are the values that something else reads."""
        own = {id(value) for node in self.body for value in node.outputs}
        reads = {id(v): v for node in self.body for v in node.reads() if id(v) not in own and not is_number(v)}
        self.args = tuple(reads.values())
        stored = [value for node in self.body for value in node.outputs if id(value) in needed]
        self.outputs = (*stored, *(out for _, out in self.sums))

    def lines(self) -> list[str]:
        """The loop in readable form."""
        text = [f"for each of {self.shape}:"]
        stored = {id(value) for value in self.outputs}
        for node in self.body:
            parts = [*map(_short, node.args), *(f"{name}={value!r}" for name, value in node.kwargs.items())]
            kept = "" if id(node.outputs[0]) in stored else "   (not stored)"
            text.append(f"    {node.outputs[0]!r} = {node.name}({', '.join(parts)}){kept}")
        text += [f"    {out!r}[column] += {source!r}" for source, out in self.sums]
        return text

    def __str__(self) -> str:
        reads = ", ".join(f"{value!r}: {value.describe()}" for value in self.args)
        makes = ", ".join(f"{value!r}: {value.describe()}" for value in self.outputs)
        return "\n".join([f"loop({reads}) -> {makes}", *("    " + line for line in self.lines())])


def _short(argument: Any) -> str:
    if isinstance(argument, Value) and is_number(argument) and argument.array is not None:
        return repr(argument.array.item())
    return repr(argument)


def is_number(value: Value) -> bool:
    """Whether it is a constant of one number, which stands in the loop itself."""
    return value.kind == CONSTANT and value.size == 1


def run(graph: Graph) -> None:
    """Gather elementwise nodes into loops."""
    items: list[Node] = []
    position: dict[int, int] = {}  # of the item that makes a value
    source: dict[int, Value] = {}  # what a dense view with the same last dimension is a view of
    users = _views_first(graph)
    written = graph.written()
    for node in users:
        loop = None
        if _elementwise(node):
            loop = _loop_for(items, position, node, node.outputs[0].shape, written)
            if loop is None:
                loop = Loop(node.outputs[0].shape)
                items.append(loop)
            loop.body.append(node)
        elif is_sum(node):
            summed: Any = node.args[0]
            while id(summed) in source:
                summed = source[id(summed)]
            at = position.get(id(summed))
            steady = summed.memory not in written and node.outputs[0].memory not in written
            if at is not None and isinstance(items[at], Loop) and steady:
                loop = items[at]
                if not isinstance(loop, Loop) or summed.shape != loop.shape or loop.shape[-1] < 2:
                    loop = None
                else:
                    node.outputs[0].made_dense()
                    loop.sums.append((summed, node.outputs[0]))
        if loop is None:
            items.append(node)
        at = items.index(loop) if loop is not None else len(items) - 1
        for value in node.outputs:
            position[id(value)] = at
        if node.name in ("reshape", "view") and node.alias:
            of, out = node.args[0], node.outputs[0]
            if of.dense and out.dense and of.shape[-1:] == out.shape[-1:]:
                source[id(out)] = of
    needed = {id(value) for value in graph.escaping()}
    for item in items:
        if not isinstance(item, Loop):
            needed |= {id(value) for value in (*item.reads(), *item.writes)}
    for i, item in enumerate(items):
        if isinstance(item, Loop):
            others = {id(v) for other in items if other is not item and isinstance(other, Loop)
                      for node in other.body for v in node.reads()}  # fmt: skip
            item.close(needed | others)
            items[i] = item
    graph.nodes = items


def _views_first(graph: Graph) -> list[Node]:
    """The nodes, each view straight after what it is a view of."""
    after: dict[int, list[Node]] = {}
    made = {id(value) for node in graph.nodes for value in node.outputs}
    ordered: list[Node] = []
    plain: list[Node] = []

    def put(node: Node) -> None:
        ordered.append(node)
        for value in node.outputs:
            for view in after.pop(id(value), ()):
                put(view)

    for node in graph.nodes:
        values = list(node.reads())
        if node.alias and len(values) == 1 and node.pure and id(values[0]) in made:
            after.setdefault(id(values[0]), []).append(node)
            continue
        plain.append(node)
    first = [node for node in plain if node.alias and node.pure and len(list(node.reads())) == 1]
    rest = [node for node in plain if node not in first]
    for node in (*first, *rest):
        put(node)
    return ordered


def _elementwise(node: Node) -> bool:
    if not node.pure or len(node.outputs) != 1 or not scalars.can(node.name, node.args, node.kwargs):
        return False
    (out,) = node.outputs
    if out.dtype not in _FLOATS or node.alias or str(out.dtype) not in scalars.TYPES.get(node.name, (str(out.dtype),)):
        return False
    values = list(node.reads())
    if not values or any(argument is None for argument in node.args):
        return False
    for value in values:
        if value.dtype != out.dtype or len(value.shape) > len(out.shape):
            return False
        for length, whole in zip(reversed(value.shape), reversed(out.shape), strict=False):
            if length not in (1, whole):
                return False
    return out.size > 0


def is_sum(node: Node) -> bool:
    """Whether it is the sum of what a node made, over all dimensions but the last."""
    if node.name != "sum" or node.kwargs.get("keepdim") or node.kwargs.get("dtype") is not None:
        return False
    value = node.args[0]
    if not isinstance(value, Value) or value.kind != MADE or value.dtype not in _FLOATS or len(value.shape) < 2:
        return False
    dim = node.kwargs.get("dim")
    dims = (dim,) if isinstance(dim, int) else tuple(dim or ())
    rank = len(value.shape)
    return sorted(d % rank for d in dims) == list(range(rank - 1))


def _loop_for(
    items: list[Node], position: dict[int, int], node: Node, shape: tuple[int, ...], written: set[int]
) -> Loop | None:
    """The loop that the node can join."""
    at = [position[id(value)] for value in node.reads() if id(value) in position]
    if not at:
        return None
    last = max(at)
    loop = items[last]
    if not isinstance(loop, Loop) or loop.shape != shape:
        return None
    if loop.body[0].outputs[0].dtype != node.outputs[0].dtype:
        return None
    if any(value.memory in written for value in node.reads()):
        touched = {value.memory for item in items[last + 1 :] for value in item.writes}
        if any(value.memory in touched for value in node.reads()):
            return None
    sums = {id(out) for _, out in loop.sums}
    own = {id(value) for inner in loop.body for value in inner.outputs}
    for value in node.reads():
        if id(value) in sums:
            return None
        if id(value) not in own and position.get(id(value), -1) == last:
            return None
    return loop
