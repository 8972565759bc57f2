"""`replace_pattern`: wherever a graph does what a pattern does, it does something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pellucid import nn

from ._symbolic_trace import symbolic_trace
from .graph import Graph
from .graph_module import GraphModule
from .node import Argument, Node

__all__ = ["Match", "replace_pattern"]


class Match(NamedTuple):
    """A place that was found: its last node, and the node for each of the pattern's."""

    anchor: Node
    nodes_map: dict[Node, Node]


def replace_pattern(
    gm: GraphModule, pattern: Callable[..., Any] | nn.Module, replacement: Callable[..., Any] | nn.Module
) -> list[Match]:
    """Put what `replacement` does wherever `gm` does what `pattern` does; the inputs of both are in the same order.

    A place counts only where nothing outside of it needs what happens inside.
    """
    wanted, instead = symbolic_trace(pattern).graph, symbolic_trace(replacement).graph
    matches = _matches(gm.graph, wanted)
    replaced: dict[Node, Node] = {}
    for match in matches:
        pairs = zip(_inputs(wanted), _inputs(instead), strict=True)
        values = {new: _now(match.nodes_map[old], replaced) for old, new in pairs}
        with gm.graph.inserting_before(match.anchor):
            result = gm.graph.graph_copy(instead, values)
        if isinstance(result, Node):
            match.anchor.replace_all_uses_with(result)
            replaced[match.anchor] = result
        for node in reversed(wanted.nodes):
            found = match.nodes_map.get(node)
            if found is not None and node.op != "placeholder" and not found._erased and not found.users:
                gm.graph.erase_node(found)
    gm.recompile()
    return matches


def _now(node: Node, replaced: dict[Node, Node]) -> Node:
    while node in replaced:
        node = replaced[node]
    return node


def _inputs(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if node.op == "placeholder"]


def _matches(graph: Graph, wanted: Graph) -> list[Match]:
    """The places, none of which share a node that is to be replaced."""
    last = wanted.output_node().args[0]
    found: list[Match] = []
    taken: set[Node] = set()
    for node in graph.nodes:
        pairs: dict[Node, Node] = {}
        if not isinstance(last, Node) or not _same(last, node, pairs):
            continue
        inside = {there for here, there in pairs.items() if here.op not in ("placeholder", "get_attr")}
        alone = all(set(there.users) <= inside for there in inside if there is not node)
        if alone and not inside & taken:
            taken |= inside
            found.append(Match(node, pairs))
    return found


def _same(here: Argument, there: Argument, pairs: dict[Node, Node]) -> bool:
    """Whether an argument of the pattern fits one of the graph; notes which node stands for which."""
    if isinstance(here, Node):
        if not isinstance(there, Node):
            return False
        if here in pairs:
            return pairs[here] is there
        pairs[here] = there
        if here.op == "placeholder":
            return True
        if here.op != there.op or here.target != there.target:
            return False
        return _same(here.args, there.args, pairs) and _same(here.kwargs, there.kwargs, pairs)
    if isinstance(here, tuple | list):
        if type(here) is not type(there) or len(here) != len(there):
            return False
        return all(_same(a, b, pairs) for a, b in zip(here, there, strict=True))
    if isinstance(here, dict):
        return isinstance(there, dict) and here.keys() == there.keys() and all(
            _same(value, there[key], pairs) for key, value in here.items()
        )  # fmt: skip
    return bool(here == there)
