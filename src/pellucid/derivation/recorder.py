"""The making of a walk: a computation is run once, both ways, under a recorder that keeps every number."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid import backend
from pellucid.core import Tensor, enable_grad, from_data, interpreter
from pellucid.core.context import state
from pellucid.core.hooks import hang_on_node
from pellucid.core.tensor import ones_like
from pellucid.declare import Op
from pellucid.errors import describe, user_line
from pellucid.nn import Module
from pellucid.nn.graph import _arguments, _Modules, _tensors, _unchanged
from pellucid.ops.cost import multiply_adds
from pellucid.record.graph import Graph, GraphEdge, GraphNode, measure
from pellucid.record.recording import GraphRecorder
from pellucid.reverse import grad

from . import words
from .application import Application
from .letters import letter, result_letter
from .rule import rule_of
from .walk import Flow, Step, Walk

LONGEST = 400  # ops: more are no small network, and nobody walks through them


class DerivationRecorder(GraphRecorder):
    """A recorder that also keeps what each op was given, and each gradient, whole."""

    def __init__(self, title: str) -> None:
        super().__init__(title, cost=multiply_adds)
        self.applied: dict[int, tuple[Op, tuple[Any, ...], dict[str, Any]]] = {}
        self.results: dict[int, np.ndarray] = {}
        self.flowing: dict[int, np.ndarray] = {}
        self.order_back: list[int] = []

    def apply(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        forward = state.node is None
        before = tuple(
            _still(argument) if forward else argument for argument in args
        )  # as they were, should the op overwrite one
        result = super().apply(op, args, kwargs)
        node = self.graph.nodes[-1]
        if forward and node.phase == "forward":
            self.applied[node.id] = (op, before, kwargs)
            first = result[0] if isinstance(result, tuple) else result
            if isinstance(first, Tensor):
                self.results[node.id] = _array(first)
            if len(self.applied) > LONGEST:
                raise ValueError(
                    f"explain walks through small computations, this one has more than {LONGEST} operations. Give it "
                    "a smaller example (fewer layers, fewer rounds), or draw the graph: viz.graph(model, x)"
                )
        return result

    def node_of(self, tensor: Tensor) -> int:
        node = super().node_of(tensor)
        if node not in self.results and self.graph.nodes[node].kind != "op":
            self.results[node] = _array(tensor)
        return node

    def _follow(self, tensor: Tensor, node: GraphNode) -> None:
        super()._follow(tensor, node)
        recorded = tensor.grad_fn
        if recorded is None or state.node is not None:
            return

        def keep(gradient: Tensor) -> None:
            self.flowing[node.id] = _array(gradient)
            self.order_back.append(node.id)

        self._hooked.append(hang_on_node(recorded, keep))


def _array(tensor: Tensor) -> np.ndarray:
    return np.array(backend.of_array(tensor._array).to_numpy(tensor._array))


def _still(entry: Any) -> Any:
    if not isinstance(entry, Tensor):
        return entry
    return from_data(_array(entry))


def walk(function: Callable[..., Any], inputs: tuple[Any, ...], loss: Callable[..., Any] | None, title: str) -> Walk:
    """Compute `function(*inputs)`, or `loss(function(*inputs[:-1]), inputs[-1])`, and record both ways.

    Nothing is left behind: gradients, buffers, and the random generators are as they were.
    """
    watcher = DerivationRecorder(title)
    modules = _Modules(watcher)
    root = function if isinstance(function, Module) else Module()
    if isinstance(function, Module):
        modules.learn(function)
    given = inputs[:-1] if loss is not None else inputs
    if not isinstance(function, Module):  # an expression's variables are what it is differentiated by
        given = tuple(_variable(value) for value in given)
    for name, tensor in _tensors(dict(_named(function, given))):
        watcher.name(tensor, "input", name)
    if loss is not None and isinstance(inputs[-1], Tensor):
        watcher.name(inputs[-1], "input", "target")
    notes: list[str] = []
    with _unchanged(root, watcher), interpreter(watcher), modules.listening(), enable_grad():
        result = function(*given)
        if loss is not None:
            result = loss(result, inputs[-1])
        if not isinstance(result, Tensor):
            found = next((tensor for _, tensor in _tensors(result)), None)
            if found is None:
                raise TypeError(
                    f"explain: what it explains must return a tensor, received {type(result).__name__}; return the "
                    "result itself, without .item() or .numpy()"
                )
            notes.append("The first of its results is what is differentiated.")
            result = found
        if not watcher.applied:
            raise ValueError("explain: no operation was recorded; use the function's arguments, or tensors, in it")
        seed, gradients = _gradients(result, watcher, notes)
        graph = watcher.finish([result], gradients)
    own = getattr(function, "__name__", "")
    called = "loss" if loss is not None else own if own.isidentifier() else ""
    return _walk(watcher, graph, gradients, seed, title, notes, called)


def _variable(entry: Any) -> Any:
    if isinstance(entry, Tensor) and entry.dtype.is_floating_point and not entry.requires_grad:
        return entry.detach().requires_grad_()
    return entry


def _named(function: Any, given: tuple[Any, ...]) -> list[tuple[str, Any]]:
    if isinstance(function, Module):
        return list(_arguments(function, given, {}))
    try:
        return list(inspect.signature(function).bind(*given).arguments.items())
    except TypeError as wrong:
        shapes = ", ".join(describe(value) if isinstance(value, Tensor) else repr(value) for value in given)
        raise TypeError(f"explain: the function cannot be called with ({shapes}): {wrong}") from None
    except ValueError:  # a builtin has no signature
        return [(f"input {i}", value) for i, value in enumerate(given)]


def _gradients(
    result: Tensor, watcher: DerivationRecorder, notes: list[str]
) -> tuple[np.ndarray | None, dict[int, Any]]:
    leaves = [source for source in watcher.sources.values() if source.requires_grad]
    if not result.requires_grad or not result.dtype.is_floating_point:
        notes.append(
            "No gradient: the result does not depend, by differentiable operations, on a tensor that requires one."
        )
        return None, {}
    if result.numel() != 1:
        notes.append(f"The result has shape {tuple(result.shape)}; what is differentiated is its sum.")
    seed = ones_like(result)
    watcher.name(seed, "constant", "seed of the backward")
    found = grad(result, leaves, seed, allow_unused=True)
    return _array(seed), {
        id(leaf._array): gradient._array for leaf, gradient in zip(leaves, found, strict=True) if gradient is not None
    }


def _walk(
    watcher: DerivationRecorder,
    graph: Graph,
    gradients: dict[int, Any],
    seed: np.ndarray | None,
    title: str,
    notes: list[str],
    called: str,
) -> Walk:
    result = graph.outputs[0]
    kept = _forward_only(graph)
    new = {old: number for number, old in enumerate(kept)}
    made = Walk(title, graph, new[result], seed=seed, notes=notes)
    for old in kept:
        if old in watcher.results:
            made.values[new[old]] = watcher.results[old]
        if old in watcher.flowing:
            made.gradients[new[old]] = watcher.flowing[old]
        elif old in watcher.sources and id(watcher.sources[old]._array) in gradients:
            made.gradients[new[old]] = np.array(gradients[id(watcher.sources[old]._array)])
    sources = {(edge.target, edge.argument): edge.source for edge in graph.edges}
    for old, (op, args, kwargs) in watcher.applied.items():
        node = new[old]
        app = Application(op, args, kwargs)
        made.letters[node] = {name: letter(app, i) for i, name in enumerate(app.names) if isinstance(args[i], Tensor)}
        made.letters[node]["out"] = result_letter(app)
        g = made.gradients.get(node)
        if g is None:
            continue
        for i, slope in app.vjp(g).items():
            source = sources.get((node, app.names[i]))
            if source is not None and source in made.gradients:  # others need none
                made.flows.append(Flow(source, node, app.names[i], slope, rule_of(app, i, g, slope)))
    _complete(made)
    _call_by_lines(graph, user_line())
    if not graph.nodes[made.result].variable and graph.nodes[made.result].kind == "op":
        graph.nodes[made.result].variable = called
    back = list(dict.fromkeys(new[old] for old in watcher.order_back if old in new))
    made.steps = [Step("start"), *(Step("forward", new[old]) for old in watcher.applied)]
    if seed is not None:
        made.steps += [Step("seed", made.result), *(Step("backward", node) for node in back), Step("end")]
    return made


def _call_by_lines(graph: Graph, asked: str | None) -> None:
    """Name the last op of each line `z = x @ w + b` by its variable: those of a function that has returned are gone.

    The line that `asked` for the walk gives its variable the walk.
    """
    ops = [node for node in graph.nodes if node.kind == "op"]
    for node, after in zip(ops, [*ops[1:], None], strict=True):
        assigned = re.search(r": (\w+) = ", node.line)
        if assigned and not node.variable and node.line != asked and (after is None or after.line != node.line):
            node.variable = assigned[1]


def _complete(made: Walk) -> None:
    """Put gradients into the graph, and note what of them no recorded use has sent."""
    for node, gradient in made.gradients.items():
        made.graph.nodes[node].gradient = measure(gradient)
        total = np.zeros(gradient.shape)
        for edge in made.into(node):
            total = total + edge.array
        if node == made.result and made.seed is not None:
            total = total + made.seed
        rest = gradient - total
        if words.largest(rest) > 1e-4 * words.largest(gradient) + 1e-12:
            made.rest[node] = rest


def _forward_only(graph: Graph) -> list[int]:
    """Leave the forward pass in the graph, numbered from 0; the old numbers of what is left, in order."""
    used = {
        end for edge in graph.edges for end in (edge.source, edge.target) if graph.nodes[edge.target].phase == "forward"
    }
    kept = [node.id for node in graph.nodes if node.phase == "forward" and (node.id in used or node.kind == "op")]
    new = {old: number for number, old in enumerate(kept)}
    groups = [group for group in graph.groups if group.kind != "backward"]
    of = {group.id: number for number, group in enumerate(groups)}
    graph.edges = [
        GraphEdge(new[edge.source], new[edge.target], edge.argument)
        for edge in graph.edges
        if edge.source in new and edge.target in new
    ]
    graph.nodes = [graph.nodes[old] for old in kept]
    for number, node in enumerate(graph.nodes):
        node.id = number
        for name, value in node.attributes.items():
            if re.fullmatch(r"-?\d+\.\d{5,}(e-?\d+)?", value):
                node.attributes[name] = words.figure(float(value))
        node.group = None if node.group is None else of.get(node.group)
    graph.groups = groups
    for number, group in enumerate(groups):
        group.id = number
        group.parent = None if group.parent is None else of.get(group.parent)
    graph.outputs = [new[output] for output in graph.outputs if output in new]
    return kept
