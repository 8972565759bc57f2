"""Common subexpressions: the same op on the same values, with nothing overwritten in between, is computed once."""

from __future__ import annotations

from typing import Any

from ..graph import Graph, Node, Value


def run(graph: Graph) -> None:
    """Put the first of equal values in the place of the others."""
    written = graph.written()
    handed_out = {id(value) for value in graph.escaping()}
    first: dict[Any, Node] = {}
    same: dict[int, Value] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        node.args = tuple(same.get(id(argument), argument) for argument in node.args)
        key = _key(node) if node.pure and _steady(node, written) else None
        known = first.get(key) if key is not None else None
        if known is None or any(id(value) in handed_out for value in node.outputs):
            if key is not None:
                first.setdefault(key, node)
            kept.append(node)
            continue
        same.update(zip(map(id, node.outputs), known.outputs, strict=True))
    graph.nodes = kept
    graph.substitute(same)


def _steady(node: Node, written: set[int]) -> bool:
    """Whether neither what it reads nor what it makes is ever overwritten."""
    return not any(value.memory in written for value in (*node.reads(), *node.outputs))


def _key(node: Node) -> Any:
    args = tuple(("value", id(each)) if isinstance(each, Value) else (type(each), each) for each in node.args)
    try:
        key = (node.name, args, tuple(sorted((name, repr(value)) for name, value in node.kwargs.items())))
        hash(key)
    except TypeError:
        return None
    return key
