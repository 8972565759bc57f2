"""Lowering: layers become what they consist of, and copies that nobody needs go.

    linear(x, W, b)  ->  matmul(x, Wᵀ), add(…, b)

so that the sum with the bias can join the loop of what follows it. The product of many matrices with one is that of
all their rows. A gradient is copied before it is kept, since in
eager mode a rule may have handed on memory that it shares; here it is known who shares what.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.declare import TABLE

from ..graph import MADE, Graph, Node, Value

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def run(graph: Graph) -> None:
    """Lower the layers, then drop copies."""
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name == "linear" and _plain(node):
            nodes += _linear(graph, node)
        elif node.name == "matmul" and _is_stack(node):
            nodes += _flattened(graph, node)
        else:
            nodes.append(node)
    graph.nodes = nodes
    _drop_copies(graph)


def _plain(node: Node) -> bool:
    x, weight, bias = node.args[:3]
    values: list[Any] = [x, weight, *([] if bias is None else [bias])]
    if not all(isinstance(value, Value) and value.dtype == x.dtype for value in values):
        return False
    return len(weight.shape) == 2 and len(x.shape) >= 2 and x.dtype in _FLOATS


def view(graph: Graph, name: str, of: Value, like: Any, **kwargs: Any) -> Node:
    """A node that gives a view of a value."""
    op = TABLE[name]
    made = graph.new(like, of.memory)
    return Node(name, (of,), (made,), op=op, kwargs=kwargs, forward=op.forward, alias=True)


def stand_in(shape: tuple[int, ...], dtype: Any, strides: tuple[int, ...] | None = None) -> Any:
    """An array without memory of its own, to say what a value is like."""
    zero = np.zeros((), dtype)
    return np.lib.stride_tricks.as_strided(zero, shape, strides or (0,) * len(shape))


def dense(shape: tuple[int, ...], dtype: Any) -> Any:
    """A stand-in that lies in one piece, the last index first."""
    strides, step = list[int](), dtype.itemsize
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return stand_in(shape, dtype, tuple(reversed(strides)))


def _linear(graph: Graph, node: Node) -> list[Node]:
    x, weight, bias = node.args[:3]
    (out,) = node.outputs
    made: list[Node] = []
    rows = x
    if len(x.shape) > 2:
        shape = (math.prod(x.shape[:-1]), x.shape[-1])
        made.append(_as_rows(graph, x, shape))
        rows = made[-1].outputs[0]
    turned = view(graph, "matrix_transpose", weight, stand_in(weight.shape[::-1], x.dtype, weight.strides[::-1]))
    made.append(turned)
    matmul, add = TABLE["matmul"], TABLE["add"]
    shape = (rows.shape[0], weight.shape[0])
    product = out if bias is None and rows is x else graph.new(dense(shape, x.dtype))
    product.made_dense()
    made.append(Node("matmul", (rows, turned.outputs[0]), (product,), op=matmul, forward=matmul.forward))
    if rows is not x and bias is None:
        made.append(view(graph, "reshape", product, dense(out.shape, x.dtype), shape=out.shape))
        out.memory = product.memory
        made[-1].outputs = (out,)
        return made
    if rows is not x:
        made.append(view(graph, "reshape", product, dense(out.shape, x.dtype), shape=out.shape))
        product = made[-1].outputs[0]
    if bias is not None:
        out.made_dense()
        made.append(Node("add", (product, bias), (out,), op=add, forward=add.forward))
    return made


def _as_rows(graph: Graph, x: Value, shape: tuple[int, ...]) -> Node:
    """A reshape: a view, or a copy where it does not lie in one piece."""
    node = view(graph, "reshape", x, dense(shape, x.dtype), shape=shape)
    if x.dense:
        return node
    made = graph.new(dense(shape, x.dtype))
    return Node(node.name, node.args, (made,), op=node.op, kwargs=node.kwargs, forward=node.forward)


def _is_stack(node: Node) -> bool:
    """Whether it is the product of many matrices with the same one."""
    a, b = node.args
    if not (isinstance(a, Value) and isinstance(b, Value)) or a.dtype != b.dtype or a.dtype not in _FLOATS:
        return False
    return len(a.shape) > 2 and len(b.shape) == 2 and a.dense and a.size > 0


def _flattened(graph: Graph, node: Node) -> list[Node]:
    """matmul(A, B) with the rows of all matrices of A in one."""
    a, b = node.args
    (out,) = node.outputs
    shape = (math.prod(a.shape[:-1]), a.shape[-1])
    rows = view(graph, "reshape", a, dense(shape, a.dtype), shape=shape)
    product = graph.new(dense((shape[0], b.shape[1]), a.dtype))
    whole = Node("matmul", (rows.outputs[0], b), (product,), op=node.op, forward=node.forward)
    back = view(graph, "reshape", product, dense(out.shape, a.dtype), shape=out.shape)
    out.memory = product.memory
    out.made_dense()
    back.outputs = (out,)
    return [rows, whole, back]


def _drop_copies(graph: Graph) -> None:
    """A copy of a value that has memory of its own, which nobody overwrites or hands out, is the value."""
    written = graph.written()
    handed_out = {value.memory for value in graph.escaping()}
    own = {id(value) for node in graph.nodes if not node.alias for value in node.outputs}
    same: dict[int, Value] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        if node.name != "clone" or node.kwargs.get("memory_format") or not isinstance(node.args[0], Value):
            kept.append(node)
            continue
        given: Value = node.args[0]
        (copy,) = node.outputs
        source = same.get(id(given), given)
        free = source.memory not in written and copy.memory not in written
        if source.kind == MADE and id(source) in own and free and source.memory not in handed_out and source.dense:
            same[id(copy)] = source
            if copy.memory in handed_out:
                handed_out.add(source.memory)
        else:
            kept.append(node)
    graph.nodes = kept
    graph.substitute(same)
