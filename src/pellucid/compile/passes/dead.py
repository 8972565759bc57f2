"""Dead code: a node that only makes values which nobody reads is dropped.

What overwrites memory stays, and so does what draws random numbers: the stream must be where eager would have left it.
"""

from __future__ import annotations

from ..graph import Graph, Node


def run(graph: Graph) -> None:
    """Drop the nodes whose outputs are not needed."""
    needed = {id(value) for value in graph.escaping()}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if not node.pure or any(id(value) in needed for value in node.outputs):
            needed |= {id(value) for value in node.reads()}
            kept.append(node)
    graph.nodes = kept[::-1]
