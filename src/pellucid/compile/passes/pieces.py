"""Pieces: an array that is put together of parts, each embedded in zeros and then added, is written part by part.

    add(add(part_embed(a, …), part_embed(b, …)), part_embed(c, …))  ->  pieces(a, b, c)

So comes back the gradient of what was split: queries, keys and values out of one product. It is done where the parts do
not overlap, and nothing else reads what is in between; what no part covers is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.backend import Array

from ..graph import Graph, Node, Value

_MOST = 1 << 26  # numbers of an array that is looked at


def run(graph: Graph) -> None:
    """Put together what is embedded in parts."""
    makers = {id(value): node for node in graph.nodes for value in node.outputs}
    readers: dict[int, int] = {}
    for value in (*graph.escaping(), *(value for node in graph.nodes for value in node.reads())):
        readers[id(value)] = readers.get(id(value), 0) + 1
    written = graph.written()

    def parts(value: Any, top: bool = False) -> list[Node]:
        """The embeddings that a value is the sum of, with the sums themselves; none where it is something else."""
        node = makers.get(id(value))
        if node is None or not isinstance(value, Value) or (readers[id(value)] != 1 and not top):
            return []
        if node.name == "part_embed":
            return [node]
        if node.name != "add" or node.kwargs.get("alpha", 1) != 1 or len(node.args) != 2:
            return []
        left, right = (parts(each) for each in node.args)
        return [*left, *right, node] if left and right else []

    gone: set[int] = set()
    made: dict[int, Node] = {}
    for node in reversed(graph.nodes):
        if node.name != "add" or id(node) in gone:
            continue
        found = parts(node.outputs[0], top=True)
        embedded = [each for each in found if each.name == "part_embed"]
        if not embedded or any(value.memory in written for each in embedded for value in each.reads()):
            continue
        whole = _covered(node.outputs[0].shape, [each.kwargs["key"] for each in embedded])
        if whole is None or any(each.outputs[0].dtype != node.outputs[0].dtype for each in embedded):
            continue
        gone |= {id(each) for each in found}
        kwargs = {"shape": node.outputs[0].shape, "keys": [each.kwargs["key"] for each in embedded], "whole": whole}
        node.outputs[0].made_dense()
        made[id(node)] = Node("pieces", tuple(each.args[0] for each in embedded), node.outputs, kwargs=kwargs,
                              forward=together, xp=node.xp)  # fmt: skip
    graph.nodes = [made.get(id(node), node) for node in graph.nodes if id(node) in made or id(node) not in gone]


def _covered(shape: tuple[int, ...], keys: list[Any]) -> bool | None:
    """Whether the parts cover an array; None where they overlap, or it is too large to look."""
    if np.prod(shape, dtype=np.int64) > _MOST:
        return None
    count = np.zeros(shape, np.uint8)
    for key in keys:
        count[key] += 1
    return None if count.max(initial=0) > 1 else bool(count.all())


def together(xp: Any, *parts: Array, shape: tuple[int, ...], keys: list[Any], whole: bool) -> Array:
    """An array of `shape` with each of the parts at its key, and else 0."""
    made = (xp.empty if whole else xp.zeros)(shape, parts[0].dtype)
    for key, part in zip(keys, parts, strict=True):
        made[key] = part
    return made
