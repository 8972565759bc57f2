"""Constants: what is computed from constants alone is computed now, once."""

from __future__ import annotations

from typing import Any

from pellucid.core import state

from ..graph import CONSTANT, Graph, Node, Value

_LARGEST = 1 << 16  # elements: what is larger costs more memory than it saves time


def run(graph: Graph) -> None:
    """Compute the nodes that read nothing but constants, unless what they make is overwritten or handed out."""
    written = graph.written()
    handed_out = {value.memory for value in graph.escaping()}
    kept: list[Node] = []
    for node in graph.nodes:
        steady = not any(v.memory in written or v.memory in handed_out or v.size > _LARGEST for v in node.outputs)
        if node.pure and steady and node.forward is not None and all(v.kind == CONSTANT for v in node.reads()):
            _settle(node)
        else:
            kept.append(node)
    graph.nodes = kept


def _settle(node: Node) -> None:
    arrays = [argument.array if isinstance(argument, Value) else argument for argument in node.args]
    made: Any = state.run(node.forward, node.xp, *arrays, **node.kwargs)
    for value, array in zip(node.outputs, made if isinstance(made, tuple) else (made,), strict=True):
        value.kind, value.array = CONSTANT, node.xp.asarray(array)
