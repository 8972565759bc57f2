"""`GraphRecorder`: an interpreter behind the door that makes a `Graph` of all that passes.

It sees each op with its inputs and its result, forward and backward (the engine runs the rules of a backward through
the door while an interpreter listens). Which tensor is which is known by its array. What is around the door tells it
more: `open` and `close` put a group around ops (nn does so for each call of a module), `name` says what a tensor is
called. `finish` gives the graph.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from ..core.context import state
from ..core.declaration import Declaration
from ..core.door import Interpreter, below
from ..core.hooks import RemovableHandle, hang_on_node
from ..core.node import Node
from ..core.tensor import Tensor
from ..errors import argument_names, in_package, user_line
from .graph import (
    Graph,
    GraphEdge,
    GraphGroup,
    GraphNode,
    attributes_of,
    formula_of,
    measure,
    user_tensors,
)
from .grouping import fold, settle

Cost = Callable[[str, list[Any], Any, dict[str, Any]], int]


class GraphRecorder(Interpreter):
    """The interpreter. With `values` it measures every result and gradient; `cost` counts an op's multiply-adds."""

    def __init__(self, title: str, *, values: bool = True, cost: Cost | None = None) -> None:
        self.graph = Graph(title)
        self.values, self.cost = values, cost
        self.made: dict[int, int] = {}  # id of an array -> its node
        self.known: dict[int, tuple[str, str, Tensor]] = {}  # id of an array -> kind and name of the tensor
        self.sources: dict[int, Tensor] = {}  # node -> the tensor that came from outside
        self.stack: list[int] = []  # open groups
        self.places: dict[int, int | None] = {}  # where tensors were that were handed to a group
        self.sites: dict[int, tuple[Any, ...]] = {}  # node -> what is equal when a loop comes round to it
        self.group_sites: dict[int, tuple[Any, ...]] = {}
        self.order: list[tuple[str, int]] = []  # nodes and groups, as they began
        self._alive: list[Any] = []  # every array seen, so that an id means one array
        self._hooked: list[RemovableHandle] = []
        self._nodes: dict[Node, int] = {}  # autograd's node -> ours
        self._of: dict[int, int | None] = {}  # op of a backward -> the op whose backward it is a part of

    # --- what happens while it listens -------------------------------------------------------------------------------

    def apply(self, op: Declaration, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Have the op applied, and record it."""
        names = argument_names(op, len(args))
        sources = [
            (name, self.node_of(argument))
            for name, argument in zip(names, args, strict=True)
            if isinstance(argument, Tensor)
        ]
        given = {
            name: argument
            for name, argument in zip(names, args, strict=True)
            if isinstance(argument, bool | int | float)
        }
        result = below(self, op, args, kwargs)
        first = result[0] if isinstance(result, tuple) else result
        node = GraphNode(
            len(self.graph.nodes), "op", op.name, attributes=attributes_of({**given, **kwargs}), formula=formula_of(op)
        )
        self._place(node, sources)
        if isinstance(first, Tensor):
            array = first._array
            node.shape, node.dtype = tuple(array.shape), str(array.dtype)
            node.nbytes = 0 if op.mutates or (op.view and array.base is not None) else int(array.nbytes)
            if self.values:
                node.value = measure(array)
            if self.cost is not None:
                shapes = [argument._array.shape if isinstance(argument, Tensor) else None for argument in args]
                node.multiply_adds = self.cost(op.name, shapes, node.shape, kwargs)
            self._follow(first, node)
        self.graph.nodes.append(node)
        self.graph.edges += [GraphEdge(source, node.id, name) for name, source in sources]
        self.order.append(("node", node.id))
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, Tensor):
                self._is(tensor._array, node.id)
                if op.mutates and tensor._view is not None:
                    self._is(tensor._view.base._array, node.id)  # what was changed is a part of that
        return result

    def _place(self, node: GraphNode, sources: list[tuple[str, int]]) -> None:
        """Say where the op belongs: to the forward pass and the open group, or to the backward of another op."""
        behind = [source for _, source in sources if self.graph.nodes[source].phase == "backward"]
        if state.node is None and not behind:
            node.line = user_line() or ""
            node.group = self.stack[-1] if self.stack else None
            self.sites[node.id] = (node.name, *_site())
            return
        node.phase = "backward"
        # Where the engine is between two nodes, it adds gradients or stores one: that belongs to what they come from.
        self._of[node.id] = self._nodes.get(state.node) if state.node is not None else self._of.get(behind[0])

    def _follow(self, tensor: Tensor, node: GraphNode) -> None:
        """Note the user's line on autograd's node, and have the gradient of the result reported here."""
        recorded = tensor.grad_fn
        if recorded is None or state.node is not None:
            return
        recorded.where = recorded.where or node.line or None
        self._nodes[recorded] = node.id
        if not self.values:
            return

        def keep(gradient: Tensor) -> None:
            node.gradient = measure(gradient._array)

        self._hooked.append(hang_on_node(recorded, keep))

    def node_of(self, tensor: Tensor) -> int:
        """The node of a tensor; a new one for a tensor that no op made while this listened."""
        known = self.made.get(id(tensor._array))
        if known is not None:
            return known
        array = tensor._array
        kind, name, _ = self.known.get(id(array), ("leaf" if tensor.requires_grad else "constant", "", None))
        node = GraphNode(
            len(self.graph.nodes),
            kind,
            name,
            tuple(array.shape),
            str(array.dtype),
            value=measure(array) if self.values else None,
            nbytes=int(array.nbytes),
            trainable=tensor.requires_grad,
        )
        self.graph.nodes.append(node)
        if state.node is not None and kind == "constant":
            node.name = "seed" if array.size == 1 and array.item() == 1 else "kept for backward"
        self.sources[node.id] = tensor
        self._is(array, node.id)
        return node.id

    def given(self, tensor: Tensor) -> None:
        """Say that a tensor is an argument of the group that opens next: it came from outside of it."""
        node = self.graph.nodes[self.node_of(tensor)]
        if node.id not in self.places and node.kind in ("leaf", "constant"):
            self.places[node.id] = self.stack[-1] if self.stack else None

    def _is(self, array: Any, node: int) -> None:
        self.made[id(array)] = node
        self._alive.append(array)

    # --- modules, as they are called ----------------------------------------------------------------------------------

    def name(self, tensor: Tensor, kind: str, name: str) -> None:
        """Say what a tensor is: an "input", "parameter" or "buffer", and its name."""
        node = self.graph.nodes[self.node_of(tensor)]
        node.kind, node.name = kind, name

    def open(self, kind: str, name: str, **what: Any) -> GraphGroup:
        """Put what comes next into a new group, inside of the one that is open."""
        parent = self.stack[-1] if self.stack else None
        group = GraphGroup(len(self.graph.groups), kind, name, parent, line=user_line() or "", **what)
        self.graph.groups.append(group)
        self.order.append(("group", group.id))
        self.group_sites[group.id] = (kind, group.path, name, *_site())
        self.stack.append(group.id)
        return group

    def close(self, outputs: list[Tensor]) -> None:
        """End the innermost group, which returned `outputs`."""
        self.graph.groups[self.stack.pop()].outputs = [tuple(output._array.shape) for output in outputs]

    # --- the graph ---------------------------------------------------------------------------------------------------

    def finish(self, outputs: list[Tensor], gradients: dict[int, Any] | None = None) -> Graph:
        """The graph of what was seen. `outputs` are its results, `gradients` arrays by the id of the leaf's array."""
        for handle in self._hooked:
            handle.remove()
        graph = self.graph
        by_variable: dict[int, str] = {}
        for name, tensor, parameter in user_tensors():
            node = self.made.get(id(tensor._array))
            if node is not None and node not in by_variable:
                by_variable[node] = name
                if parameter and node in self.sources and graph.nodes[node].kind in ("leaf", "constant"):
                    graph.nodes[node].kind, graph.nodes[node].name = "parameter", name
        for node, name in by_variable.items():
            made = graph.nodes[node]
            made.variable = name if made.kind == "op" else ""
            made.name = made.name or name
            if made.kind == "constant":
                made.kind = "input"  # a tensor of data that has a name
        for node, tensor in self.sources.items():
            made = graph.nodes[node]
            gradient = (gradients or {}).get(id(tensor._array))
            if gradient is None and tensor._grad is not None:
                gradient = tensor._grad._array
            if gradient is not None:
                made.gradient = measure(gradient) if self.values else None
                arrived = self.made.get(id(gradient))
                if arrived is not None and graph.nodes[arrived].phase == "backward":
                    graph.nodes[arrived].kind, graph.nodes[arrived].name = "gradient", f"gradient of {made.name}"
        graph.outputs = [self.node_of(output) for output in outputs]
        fold(graph, self.order, self.sites, self.group_sites)
        settle(graph, self.places)
        _mirror(graph, self._of)
        return graph


def _site() -> tuple[Any, ...]:
    """Where in the code the op is called: the places in pellucid's functions, and that in the user's."""
    found: list[Any] = []
    frame: Any = sys._getframe(2)
    while frame is not None:
        found += (frame.f_code, _position(frame.f_code, frame.f_lasti))
        if not in_package(frame):
            break
        frame = frame.f_back
    return tuple(found)


def _position(code: Any, instruction: int) -> Any:
    """Line and column; the number of the instruction itself changes when Python specialises what runs often."""
    if code not in _positions:
        _positions[code] = list(code.co_positions())
    return _positions[code][instruction // 2]


_positions: dict[Any, list[Any]] = {}


def _mirror(graph: Graph, of: dict[int, int | None]) -> None:
    """Group the ops of a backward by the op that they are the backward of, in groups nested as those of the forward."""
    mirrored: dict[tuple[str, int], int] = {}

    def group_for(key: tuple[str, int], name: str, parent: int | None, like: GraphGroup | None) -> int:
        if key not in mirrored:
            above = None
            if parent is not None:
                up = graph.groups[parent]
                above = group_for(("group", parent), up.name, up.parent, up)
            made = GraphGroup(len(graph.groups), "backward", name, above)
            if like is not None:
                made.path, made.type, made.call, made.of = like.path, like.type, like.call, like.id
            mirrored[key] = made.id
            graph.groups.append(made)
        return mirrored[key]

    several = Counter(graph.nodes[node].group for node in set(of.values()) if node is not None)
    for number, forward in of.items():
        if forward is None:
            continue
        node = graph.nodes[forward]
        graph.nodes[number].line = node.line
        if node.group is not None and several[node.group] == 1:  # a layer of one op needs no second frame in its own
            above = graph.groups[node.group]
            graph.nodes[number].group = group_for(("group", node.group), above.name, above.parent, above)
        else:
            graph.nodes[number].group = group_for(("node", forward), node.name, node.group, None)
