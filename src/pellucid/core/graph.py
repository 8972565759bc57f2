"""The record of a computation as a graph: plain data, which `viz` draws and tests read.

A `Graph` has nodes (op applications, and what goes into them), edges (which result is which op's argument) and groups
(modules, loops) that nest. Two things make one: `Tensor.__graph__`, from what autograd kept (`tensor_graph` below),
and `recording`, which watches a computation while it runs and so knows more: every value, and the user's lines.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import backend

from .errors import in_package
from .function import _FunctionNode, _Pick
from .node import Node
from .op import OUT, VALUE
from .tensor import Tensor

if TYPE_CHECKING:
    from .op import Op

FULL = 64  # up to so many numbers are kept as they are, of more their statistics
BINS = 32


@dataclass
class Value:
    """What a tensor held: its numbers where they are few (`FULL`), and statistics over those that are finite."""

    shape: tuple[int, ...]
    dtype: str
    numbers: Any = None  # nested lists
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    zeros: float = 0.0  # share of exact zeros
    not_finite: int = 0  # how many are NaN or infinite
    counts: list[int] = field(default_factory=list[int])  # histogram in equal parts of [minimum, maximum]


@dataclass
class GraphNode:
    """One op application, or a tensor that came from outside.

    `kind` is "op", "input", "parameter", "buffer", "leaf" (a tensor made by the user that gets a gradient),
    "constant", "gradient" (what arrived in a leaf's `grad`), "output" or "cut" (earlier ops that are left out).
    """

    id: int
    kind: str
    name: str  # of the op; of the parameter; what the user calls the tensor
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    variable: str = ""  # what the user calls the result of an op
    value: Value | None = None
    gradient: Value | None = None
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    formula: str = ""
    line: str = ""  # the user's: `file.py:12, in train: loss = net(x)`
    phase: str = "forward"  # or "backward"
    group: int | None = None
    nbytes: int = 0  # memory that is new with this node: 0 for a view
    multiply_adds: int = 0
    trainable: bool = False


@dataclass
class GraphEdge:
    """The result of `source` is the argument `argument` of `target`."""

    source: int
    target: int
    argument: str = ""


@dataclass
class GraphGroup:
    """Nodes and groups that belong together: `kind` is "module" (one call of one), "loop", "step" or "backward"."""

    id: int
    kind: str
    name: str
    parent: int | None = None
    path: str = ""  # of a module: `layers.0.attention`
    type: str = ""  # of a module: `Linear`
    detail: str = ""  # of a module: `in_features=3, out_features=2`
    call: int = 1  # which call of the module it is
    root: int = 0  # which of several models it is a part of, in the order of their first calls
    line: str = ""
    outputs: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])  # shapes of what a module returned


@dataclass
class GraphParameter:
    """A parameter of a module, used or not. `shared` is the first name of one that has several."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    trainable: bool
    shared: str = ""
    buffer: bool = False
    root: int = 0


@dataclass
class Graph:
    """The record of a computation; `viz.graph(record)` draws it."""

    title: str
    nodes: list[GraphNode] = field(default_factory=list[GraphNode])
    edges: list[GraphEdge] = field(default_factory=list[GraphEdge])
    groups: list[GraphGroup] = field(default_factory=list[GraphGroup])
    parameters: list[GraphParameter] = field(default_factory=list[GraphParameter])
    outputs: list[int] = field(default_factory=list[int])  # ids of the nodes with the results
    left_out: int = 0  # earlier ops that the record does not hold

    def __graph__(self) -> Graph:
        return self


def measure(array: Any) -> Value:
    """The `Value` of an array of any library."""
    array = backend.of_array(array).to_numpy(array)
    value = Value(tuple(array.shape), str(array.dtype))
    if array.size <= FULL:
        value.numbers = array.tolist()
    if array.size == 0:
        return value
    numbers = array.astype(np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    value.not_finite = int(numbers.size - finite.size)
    value.zeros = float((numbers == 0).mean())
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        value.minimum, value.maximum = low, high
        with np.errstate(over="ignore", invalid="ignore"):  # numbers near the largest of all
            value.mean, value.std = float(finite.mean()), float(finite.std())
        if array.size > FULL and low < high and np.isfinite(high - low):
            value.counts = np.histogram(finite, BINS, (low, high))[0].tolist()
    return value


def formula_of(op: Op) -> str:
    """The first line of the op's docstring, which is its formula in words or signs."""
    return (op.__doc__ or "").strip().split("\n", 1)[0]


def attributes_of(kwargs: dict[str, Any]) -> dict[str, str]:
    """An op's attributes as text, generators and large things left out."""
    shown = {name: _short(value) for name, value in kwargs.items() if not hasattr(value, "get_state")}
    return {name: text for name, text in shown.items() if text}


def _short(value: Any) -> str:
    if value is None or isinstance(value, Tensor | np.ndarray):
        return ""
    text = _key(value) if isinstance(value, tuple) and any(isinstance(one, slice) for one in value) else repr(value)
    text = text.replace("pellucid.", "")
    return text if len(text) <= 80 else text[:79] + "…"


def _key(key: tuple[Any, ...]) -> str:
    """A subscript as it is written: `[:, 0, 1:3]`."""
    parts: list[str] = []
    for one in key:
        if isinstance(one, slice):
            bounds = [one.start, one.stop] if one.step is None else [one.start, one.stop, one.step]
            parts.append(":".join("" if bound is None else str(bound) for bound in bounds))
        else:
            parts.append("..." if one is ... else str(one))
    if parts[-1] == "..." and len(parts) > 1:
        parts.pop()  # it says nothing at the end
    return f"[{', '.join(parts)}]"


def user_tensors() -> Iterator[tuple[str, Tensor, bool]]:
    """Name, tensor and whether it is a parameter, of what the callers outside of pellucid have in variables.

    Those of the innermost caller come first; the parameters of a module in a variable have its name before theirs.
    """
    frame: Any = sys._getframe(1)
    while frame is not None:
        if not in_package(frame):
            for name, value in list(frame.f_locals.items()):
                if name.startswith("_"):
                    continue
                if isinstance(value, Tensor):
                    yield name, value, False
                elif hasattr(type(value), "named_parameters"):
                    for path, parameter in value.named_parameters():
                        yield (path if name == "self" else f"{name}.{path}"), parameter, True
        frame = frame.f_back


def tensor_graph(root: Tensor, backward: bool = False, limit: int | None = None) -> Graph:
    """The graph that autograd recorded for `root`: the ops that a gradient passes through, and the leaves.

    Autograd keeps of the values what backward needs, so not every node has one; a tensor that is still in a variable
    of the caller has its value and that name. With `backward`, the gradients of a scalar are computed for every node,
    and none is added to any `grad`. With a `limit`, so many of the ops, the latest, are in the graph.
    """
    graph = Graph("computation graph")
    if root._node is None:
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
    graph.outputs.append(ids[_through_picks(root._node)])
    return graph


def _recorded(root: Tensor, limit: int | None) -> tuple[list[Node], int]:
    """The nodes that lead to `root`, inputs first, and how many of them the limit leaves out."""
    first: Node = _through_picks(root._node)
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
    return edge.edges[0] if isinstance(edge, _Pick) else edge


def _argument(node: Node, position: int) -> str:
    op = getattr(node, "op", None)
    if op is None:
        return ""
    if op.star is not None and position >= op.star:
        return f"{op.inputs[op.star]}[{position - op.star}]"
    return op.inputs[position]


def _op_node(number: int, node: Node) -> GraphNode:
    op = getattr(node, "op", None)
    made = GraphNode(number, "op", node.name(), line=node.where or "")
    if op is not None:
        made.name, made.formula, made.attributes = op.name, formula_of(op), attributes_of(node.kwargs)
    elif isinstance(node, _FunctionNode):
        made.name = node.saved[0].__name__
        made.formula = (node.saved[0].__doc__ or "").strip().split("\n", 1)[0]
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
        trainable=tensor._requires,
    )


def _values(graph: Graph, root: Tensor, nodes: list[Node], ids: dict[Any, int]) -> None:
    """Fill in what is known of the results: what autograd saved, and what is still in a variable."""

    def known(source: Any, array: Any) -> None:
        if source in ids and hasattr(array, "dtype"):
            _describe(graph.nodes[ids[source]], array)

    for node in nodes:
        plan = getattr(node, "plan", None)
        if plan is None:
            continue
        if not node.freed:
            for (what, which), saved in zip(plan.saves, node.saved, strict=True):
                if what == OUT:
                    known(node, saved)
                elif what == VALUE and which is None:
                    for edge, one in zip(node.edges[node.op.star :], saved, strict=True):
                        known(_through_picks(edge), one)
                elif what == VALUE:
                    edge = _through_picks(node.edges[which])
                    known(edge, saved)
                    if edge is None:
                        _given(graph, graph.nodes[ids[node]], node.op.inputs[which], saved)
        for position, (shape, dtype) in zip(plan.wanted, node.metas, strict=True):
            source = _through_picks(node.edges[position])
            if source in ids and graph.nodes[ids[source]].shape is None:
                graph.nodes[ids[source]].shape, graph.nodes[ids[source]].dtype = tuple(shape), str(dtype)
        tensor = node.retain() if node.retain is not None else None
        if tensor is not None:
            known(node, tensor._array)
            if tensor._grad is not None:
                graph.nodes[ids[node]].gradient = measure(tensor._grad._array)
    known(_through_picks(root._node), root._array)
    _name(graph, ids)


def _name(graph: Graph, ids: dict[Any, int]) -> None:
    """Call the nodes what the caller calls the tensors."""
    for name, tensor, parameter in user_tensors():
        source = _through_picks(tensor._node or tensor)
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
    from .engine import grad

    found: dict[Any, Any] = {}
    leaves = list(dict.fromkeys(edge for node in nodes for edge in node.edges if isinstance(edge, Tensor)))
    handles: list[tuple[Node, Any]] = []
    for node in nodes:
        if isinstance(node, _FunctionNode):
            continue  # the gradients of its outputs arrive together

        def keep(g: Tensor, node: Node = node) -> None:
            found[node] = g._array

        node.hooks = [*(node.hooks or ()), keep]
        handles.append((node, keep))
    try:
        for leaf, got in zip(leaves, grad(root, leaves, retain_graph=True, allow_unused=True), strict=True):
            if got is not None:
                found[leaf] = got._array
    finally:
        for node, keep in handles:
            node.hooks = [one for one in node.hooks or () if one is not keep] or None
    return found
