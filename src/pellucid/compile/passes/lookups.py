"""Lookups: what is done to each of the rows that were looked up in a table is done to the rows of the table.

    embedding(W, i) · B                 ->  embedding(W · B, i)
    index_embed(G · B, i), rows of V    ->  index_embed(G, i) · B
    Gᵀ · embedding(W, i)                ->  index_embed(G, i)ᵀ · W, and likewise the other way round
    the sum of the rows of G            ->  the sum of the rows of index_embed(G, i), where that is there

A text of two thousand letters has no more than some sixty different ones: sixty rows are multiplied, not two thousand.
The second and third are the gradients of the table and of B (`index_embed` adds up the rows of G that belong to one
row of the table). It is done where the table has at most half as many rows as are looked up. A row that nobody looks up
takes part with factors of zero, so that a NaN in it is seen here, and not in eager mode.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from pellucid.declare import TABLE

from ..graph import MADE, Graph, Node, Value
from .lowering import dense, stand_in, view

_LEAST = 16  # columns of a table: to multiply rows of fewer costs no more than to look up what they become


class _Step(NamedTuple):
    """A view that moves whole rows: its name, its attributes, and the shape of what it was made of."""

    name: str
    kwargs: dict[str, Any]
    before: tuple[int, ...]


class _Sums(NamedTuple):
    """The rows of `of` added up by what they were looked up as."""

    of: Value
    index: Value
    rows: int
    made: Value


def run(graph: Graph) -> None:
    """Multiply tables where rows that were looked up in them are multiplied."""
    if any(node.name == "embedding" for node in graph.nodes):
        _Lookups(graph).run()


class _Lookups:
    """The work on one graph: its nodes so far, in `done`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.done: list[Node] = []
        self.makers = {id(value): node for node in graph.nodes for value in node.outputs}
        self.sums: list[_Sums] = []
        self.written = graph.written()
        self.readers: dict[int, int] = {}
        for value in (*graph.escaping(), *(value for node in graph.nodes for value in node.reads())):
            self.readers[id(value)] = self.readers.get(id(value), 0) + 1

    def run(self) -> None:
        """Go through the nodes, in order."""
        rules = {"linear": (self._product,), "matmul": (self._outer, self._product), "index_embed": (self._scattered,),
                 "sum": (self._summed,)}  # fmt: skip
        for node in self.graph.nodes:
            if not (node.pure and any(rule(node) for rule in rules.get(node.name, ()))):
                self.done.append(node)
        self.graph.nodes = self.done

    # ------------------------------------------------------------------------------------------------------ the rules

    def _product(self, node: Node) -> bool:
        """embedding(W, i) · B (+ bias)."""
        rows, other, out = node.args[0], node.args[1], node.outputs[0]
        found = self._looked_up(rows)
        if found is None or len(other.shape) != 2 or other.dtype != rows.dtype:
            return False
        table, index, steps = found
        width = out.shape[-1]
        if not _pays(table.shape[0], rows) or not self._unchanged(table, rows) or not self._unchanged(index, rows):
            return False
        made = self.graph.new(dense((table.shape[0], width), out.dtype))
        self._add(Node(node.name, (table, *node.args[1:]), (made,), op=node.op, kwargs=node.kwargs,
                       forward=node.forward, xp=node.xp))  # fmt: skip
        out.made_dense()
        self._op("embedding", (made, self._along(index, steps)), out)
        return True

    def _scattered(self, node: Node) -> bool:
        """index_embed(G · B, i), or index_embed(G · Bᵀ, i)."""
        rows, index = node.args
        if node.kwargs["dim"] != 0 or len(rows.shape) != 2:
            return False
        source, steps = self._source(rows)
        product = self.makers.get(id(source))
        if product is None or product.name not in ("matmul", "linear") or product.args[2:] not in ((), (None,)):
            return False
        if self.readers[id(source)] != 1 or not self._once(rows, steps):
            return False
        grad, other = product.args[:2]
        if not _are_products(grad, other) or not _pays(node.kwargs["shape"][0], rows):
            return False
        if not self._unchanged(other, source) or not self._unchanged(index, source):
            return False
        for step in reversed(steps):
            index = self._undone(index, step)
        sums = self._sums_of(grad, index, node.kwargs["shape"][0])
        self._op(product.name, (sums, other, *product.args[2:]), node.outputs[0])
        return True

    def _outer(self, node: Node) -> bool:
        """Gᵀ · embedding(W, i), or embedding(W, i)ᵀ · G."""
        left, right = node.args
        turned = self.makers.get(id(left)) if isinstance(left, Value) else None
        if turned is None or turned.name not in ("transpose", "matrix_transpose") or len(left.shape) != 2:
            return False
        before = turned.args[0]
        if left.shape != before.shape[::-1] or not isinstance(right, Value) or len(right.shape) != 2:
            return False
        first = self._looked_up(before)
        rows, grad = (right, before) if first is None else (before, right)
        found = first or self._looked_up(right)
        if found is None or not _pays(found[0].shape[0], rows):
            return False
        table, index, steps = found
        if not self._unchanged(table, rows) or not self._unchanged(index, rows):
            return False
        sums = self._sums_of(grad, self._along(index, steps), table.shape[0])
        turns, other = (sums, table) if first is None else (table, sums)
        across = stand_in(turns.shape[::-1], turns.dtype, turns.strides[::-1])
        self._add(view(self.graph, "matrix_transpose", turns, across))
        self._op("matmul", (self.done[-1].outputs[0], other), node.outputs[0])
        return True

    def _summed(self, node: Node) -> bool:
        """The sum of the rows of G."""
        value, out = node.args[0], node.outputs[0]
        dim = node.kwargs.get("dim")
        dims = sorted(d % len(value.shape) for d in ((dim,) if isinstance(dim, int) else dim or ()))
        if dims != list(range(len(value.shape) - 1)) or node.kwargs.get("keepdim") or node.kwargs.get("dtype"):
            return False
        source, _ = self._source(value)
        found = next((sums.made for sums in self.sums if sums.of is source), None)
        if found is None:
            return False
        self._op("sum", (found,), out, dim=0)
        return True

    # -------------------------------------------------------------------------------------------------------- helpers

    def _add(self, node: Node) -> None:
        self.done.append(node)
        for value in node.outputs:
            self.makers[id(value)] = node

    def _op(self, name: str, args: tuple[Any, ...], out: Value, **kwargs: Any) -> None:
        op = TABLE[name]
        self._add(Node(name, args, (out,), op=op, kwargs=kwargs, forward=op.forward))

    def _source(self, value: Value) -> tuple[Value, list[_Step]]:
        """What a value is a view of that moves whole rows, and the views between, the first first."""
        steps: list[_Step] = []
        while True:
            node = self.makers.get(id(value))
            if node is None or not _moves_rows(node):
                return value, steps[::-1]
            value = node.args[0]
            steps.append(_Step(node.name, node.kwargs, value.shape))

    def _looked_up(self, value: Any) -> tuple[Value, Value, list[_Step]] | None:
        """(The table, what is looked up, the views since) where a value has rows of a table."""
        if not isinstance(value, Value):
            return None
        source, steps = self._source(value)
        node = self.makers.get(id(source))
        if node is None or node.name != "embedding" or source.kind != MADE:
            return None
        return node.args[0], node.args[1], steps

    def _once(self, value: Value, steps: list[_Step]) -> bool:
        """Whether nothing but the views that lead to it reads what lies on the way to a value, or the value."""
        for _ in steps:
            if self.readers[id(value)] != 1:
                return False
            value = self.makers[id(value)].args[0]
        return True

    def _unchanged(self, value: Value, since: Value) -> bool:
        """Whether nothing has overwritten a value since another one was computed."""
        source, _ = self._source(since)
        if value.memory not in self.written:
            return True
        at = next(i for i, node in enumerate(self.done) if any(out is source for out in node.outputs))
        return not any(each.memory == value.memory for node in self.done[at:] for each in node.writes)

    def _sums_of(self, grad: Value, index: Value, rows: int) -> Value:
        """index_embed(grad, index), made once."""
        source, _ = self._source(grad)
        index = self._reshaped(index, (index.size,))
        for known in self.sums:
            if known.of is source and known.index is index and known.rows == rows:
                return known.made
        flat = self._reshaped(grad, (math.prod(grad.shape[:-1]), grad.shape[-1]))
        made = self.graph.new(dense((rows, grad.shape[-1]), grad.dtype))
        self._op("index_embed", (flat, index), made, shape=made.shape, dim=0)
        self.sums.append(_Sums(source, index, rows, made))
        return made

    def _along(self, index: Value, steps: list[_Step]) -> Value:
        """What is looked up, in the order in which the views put the rows."""
        for step in steps:
            if step.name == "transpose":
                index = self._turned(index, *_dims(step))
            else:
                shape = step.kwargs["shape"]
                index = self._reshaped(index, tuple(shape[:-1]))
        return index

    def _undone(self, index: Value, step: _Step) -> Value:
        """The same, in the order before a view."""
        if step.name != "transpose":
            return self._reshaped(index, step.before[:-1])
        after = list(step.before)
        first, second = _dims(step)
        after[first], after[second] = after[second], after[first]
        return self._turned(self._reshaped(index, tuple(after[:-1])), first, second)

    def _turned(self, value: Value, first: int, second: int) -> Value:
        shape, strides = list(value.shape), list(value.strides)
        for row in (shape, strides):
            row[first], row[second] = row[second], row[first]
        return self._viewed("transpose", value, stand_in(tuple(shape), value.dtype, tuple(strides)),
                            dim0=first, dim1=second)  # fmt: skip

    def _reshaped(self, value: Value, shape: tuple[int, ...]) -> Value:
        node = self.makers.get(id(value))
        if node is not None and node.name in ("reshape", "view") and node.alias:
            value = node.args[0]
        shape = tuple(value.size // -math.prod(shape) if length == -1 else length for length in shape)
        if value.shape == shape:
            return value
        return self._viewed("reshape", value, dense(shape, value.dtype), shape=shape)

    def _viewed(self, name: str, value: Value, like: Any, **kwargs: Any) -> Value:
        """A view, or the one that is there already; a copy where a reshape makes one."""
        for known in self.done:
            if known.name == name and known.args[0] is value and known.kwargs == kwargs:
                return known.outputs[0]
        node = view(self.graph, name, value, like, **kwargs)
        if name == "reshape" and not value.dense:
            node = Node(name, (value,), (self.graph.new(like),), op=node.op, kwargs=kwargs, forward=node.forward)
        self._add(node)
        return node.outputs[0]


def _dims(step: _Step) -> tuple[int, int]:
    rank = len(step.before)
    return step.kwargs["dim0"] % rank, step.kwargs["dim1"] % rank


def _moves_rows(node: Node) -> bool:
    """Whether it is a view, or a copy, that leaves each row along the last dimension whole."""
    value = node.args[0] if node.args else None
    if not isinstance(value, Value) or len(node.outputs) != 1 or not node.pure:
        return False
    rank = len(value.shape)
    if node.name == "transpose":
        return rank > 2 and rank - 1 not in (node.kwargs["dim0"] % rank, node.kwargs["dim1"] % rank)
    return node.name in ("reshape", "view") and rank > 1 and node.outputs[0].shape[-1:] == value.shape[-1:]


def _are_products(grad: Any, other: Any) -> bool:
    """Whether these are many rows, and a matrix that each is multiplied by."""
    if not (isinstance(grad, Value) and isinstance(other, Value)) or grad.dtype != other.dtype:
        return False
    return len(other.shape) == 2 and len(grad.shape) >= 2


def _pays(rows: int, looked_up: Value) -> bool:
    """Whether a table with this number of rows is worth multiplying in the place of what is looked up in it."""
    return 2 * rows <= math.prod(looked_up.shape[:-1]) and looked_up.shape[-1] >= _LEAST
