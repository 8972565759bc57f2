"""The graph of a Tensor, from what autograd recorded of it."""

from __future__ import annotations

from typing import Any

from ..core.application import OpNode
from ..core.hooks import RemovableHandle, hang_on_node
from ..core.node import OUT, VALUE, Node
from ..core.tensor import Tensor
from ..reverse.gradients import grad
from .graph import Graph, GraphEdge, GraphNode, attributes_of, formula_of, measure, user_tensors
from .grouping import fold, settle

_LONG = 60  # ops from which on repetitions are folded


def tensor_graph(root: Tensor, backward: bool = False, limit: int | None = None) -> Graph:
    """The graph that autograd recorded for `root`: the ops that a gradient passes through, and the leaves.

    Autograd keeps of the values what backward needs, so not every node has one; a tensor that is still in a variable
    of the caller has its value and that name. With `backward`, the gradients of a scalar are computed for every node,
    and none is added to any `grad`. With a `limit`, the graph has that number of ops, the latest.
    """
    graph = Graph("computation graph")
    if root.grad_fn is None:
        graph.nodes.append(_leaf(0, root))
        _name(graph, {root: 0})
        graph.outputs.append(0)
        return graph
    nodes, graph.left_out = _recorded(root, limit)
    gradients = _gradients(root, nodes) if backward else {}
    ids: dict[Any, int] = {}
    for node in nodes:
        ids[node] = len(ids)
        graph.nodes.append(_op_node(ids[node], node))
        if node in gradients:
            graph.nodes[-1].gradient = measure(gradients[node])
    cut: GraphNode | None = None
    for node in nodes:
        for position, edge in enumerate(node.edges):
            name = _argument(node, position)
            source = _through_picks(edge)
            if source is None:
                continue
            if source not in ids and isinstance(source, Node):
                if cut is None:
                    cut = GraphNode(len(graph.nodes), "cut", f"{graph.left_out:,} earlier ops")
                    graph.nodes.append(cut)
                graph.edges.append(GraphEdge(cut.id, ids[node], name))
                continue
            if source not in ids:
                ids[source] = len(graph.nodes)
                graph.nodes.append(_leaf(ids[source], source, gradients.get(source)))
            graph.edges.append(GraphEdge(ids[source], ids[node], name))
    _values(graph, root, nodes, ids)
    graph.outputs.append(ids[_through_picks(root.grad_fn)])
    if len(nodes) > _LONG:
        sites = {ids[node]: (graph.nodes[ids[node]].name, node.where) for node in nodes}
        fold(graph, [("node", node) for node in sites], sites, {})
        settle(graph, {})
    return graph


def _recorded(root: Tensor, limit: int | None) -> tuple[list[Node], int]:
    """The nodes that lead to `root`, inputs first, and how many of them the limit leaves out."""
    first: Node = _through_picks(root.grad_fn)
    found, stack = {first}, [first]
    while stack:
        for edge in stack.pop().edges:
            node = _through_picks(edge)
            if isinstance(node, Node) and node not in found:
                found.add(node)
                stack.append(node)
    ordered = sorted(found, key=lambda node: node.number)
    left_out = 0 if limit is None else max(0, len(ordered) - limit)
    return ordered[left_out:], left_out


def _through_picks(edge: Any) -> Any:
    """A custom Function has one node for itself and one for each output; here it is a single one."""
    return edge.application() if isinstance(edge, Node) else edge


def _argument(node: Node, position: int) -> str:
    if not isinstance(node, OpNode):
        return ""
    op = node.op
    if op.star is not None and position >= op.star:
        return f"{op.inputs[op.star]}[{position - op.star}]"
    return op.inputs[position]


def _op_node(number: int, node: Node) -> GraphNode:
    made = GraphNode(number, "op", node.name(), line=node.where or "")
    if isinstance(node, OpNode):
        made.name, made.formula = node.op.name, formula_of(node.op)
        made.attributes = attributes_of(node.kwargs)
    else:
        made.name, made.formula = node.describe()
    return made


def _leaf(number: int, tensor: Tensor, gradient: Any = None) -> GraphNode:
    array = tensor._array
    if gradient is None and tensor._grad is not None:
        gradient = tensor._grad._array
    return GraphNode(
        number,
        "parameter" if type(tensor).__name__ == "Parameter" else "leaf",
        "",
        tuple(array.shape),
        str(array.dtype),
        value=measure(array),
        gradient=None if gradient is None else measure(gradient),
        nbytes=array.nbytes,
        trainable=tensor.requires_grad,
    )


def _values(graph: Graph, root: Tensor, nodes: list[Node], ids: dict[Any, int]) -> None:
    """Fill in what is known of the results: what autograd saved, and what is still in a variable."""

    def known(source: Any, array: Any) -> None:
        if source in ids and hasattr(array, "dtype"):
            _describe(graph.nodes[ids[source]], array)

    for node in nodes:
        if not isinstance(node, OpNode):
            continue
        plan = node.plan
        if not node.freed:
            for (what, which), saved in zip(plan.saves, node.saved, strict=True):
                if what == OUT:
                    known(node, saved)
                elif what == VALUE and which is None:
                    for edge, array in zip(node.edges[node.op.star :], saved, strict=True):
                        known(_through_picks(edge), array)
                elif what == VALUE:
                    edge = _through_picks(node.edges[which])
                    known(edge, saved)
                    if edge is None:
                        _given(graph, graph.nodes[ids[node]], node.op.inputs[which], saved)
        metas = iter(node.metas)
        for position, shape, dtype in zip(plan.wanted, metas, metas, strict=True):
            source = _through_picks(node.edges[position])
            if source in ids and graph.nodes[ids[source]].shape is None:
                graph.nodes[ids[source]].shape, graph.nodes[ids[source]].dtype = tuple(shape), str(dtype)
        tensor = node.retain() if node.retain is not None else None
        if tensor is not None:
            known(node, tensor._array)
            if tensor._grad is not None:
                graph.nodes[ids[node]].gradient = measure(tensor._grad._array)
    known(_through_picks(root.grad_fn), root._array)
    _name(graph, ids)


def _name(graph: Graph, ids: dict[Any, int]) -> None:
    """Call the nodes what the caller calls the tensors."""
    for name, tensor, parameter in user_tensors():
        source = _through_picks(tensor.grad_fn or tensor)
        if source not in ids:
            continue
        made = graph.nodes[ids[source]]
        if isinstance(source, Node):
            _describe(made, tensor._array)
            made.variable = made.variable or name
        elif not made.name or (parameter and made.kind != "parameter"):
            made.name = name
            made.kind = "parameter" if parameter else made.kind


def _describe(made: GraphNode, array: Any) -> None:
    if made.value is None:
        made.shape, made.dtype, made.value = tuple(array.shape), str(array.dtype), measure(array)
        made.nbytes = int(array.nbytes) if array.base is None else 0


def _given(graph: Graph, made: GraphNode, name: str, saved: Any) -> None:
    """An argument that wants no gradient, and that backward keeps: a number, or a tensor of data."""
    if isinstance(saved, bool | int | float):
        made.attributes = {name: repr(saved), **made.attributes}
    elif hasattr(saved, "dtype"):
        source = GraphNode(len(graph.nodes), "constant", "", nbytes=int(saved.nbytes))
        _describe(source, saved)
        graph.nodes.append(source)
        graph.edges.append(GraphEdge(source.id, made.id, name))


def _gradients(root: Tensor, nodes: list[Node]) -> dict[Any, Any]:
    """The gradient of `root` with respect to the result of every node and to every leaf, by node and leaf."""
    found: dict[Any, Any] = {}
    leaves = list(dict.fromkeys(edge for node in nodes for edge in node.edges if isinstance(edge, Tensor)))
    handles: list[RemovableHandle] = []
    for node in nodes:
        if node.bundled:
            continue  # the gradients of its outputs arrive together

        def keep(g: Tensor, node: Node = node) -> None:
            found[node] = g._array

        handles.append(hang_on_node(node, keep))
    try:
        for leaf, got in zip(leaves, grad(root, leaves, retain_graph=True, allow_unused=True), strict=True):
            if got is not None:
                found[leaf] = got._array
    finally:
        for handle in handles:
            handle.remove()
    return found
