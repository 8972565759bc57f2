"""`Walk`: a computation one op at a time, forward and backward, with every number and where each gradient comes from."""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false
from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import Op, Tensor, enable_grad, grad, interpreter
from pellucid.core.errors import describe
from pellucid.core.graph import FULL, Graph, GraphEdge, GraphNode, measure
from pellucid.core.recording import Recorder
from pellucid.core.state import state
from pellucid.core.tensor import ones_like
from pellucid.nn import Module
from pellucid.nn.graph import _arguments, _Modules, _tensors, _unchanged
from pellucid.ops.cost import multiply_adds

from . import words
from .algebra import why
from .application import Application
from .rule import Matrix, Rule, letter, result_letter, rule_of

LONGEST = 400  # ops: more are no small network, and nobody walks through them


@dataclass
class Flow:
    """What one use of a tensor sends back to it: through the argument `argument` of the op `target`."""

    source: int
    target: int
    argument: str
    array: np.ndarray
    rule: Rule


@dataclass
class Step:
    """A step of the walk: `phase` is "start", "forward", "seed", "backward" or "end"; `node` the op that it is about."""

    phase: str
    node: int | None = None


@dataclass
class Walk:
    """What `pellucid.explain` shows of a computation. Print it, look at it in a notebook, or `.save("walk.html")` it.

    Attributes:
        title: what was computed.
        graph: the record of the forward pass, with each value and each gradient; its nodes are numbered from 0.
        values, gradients: the numbers of a node, and the gradient of the result with respect to them, by its number.
        flows: every use of a tensor that sent a gradient back; those of one tensor add up to its gradient.
        rest: what of a gradient came by a way that the record does not show, where there is one.
        steps: from the first op forward to the last gradient.
        notes: what else is to be said, such as that no gradient reaches anything.
    """

    title: str
    graph: Graph
    result: int
    values: dict[int, np.ndarray] = field(default_factory=dict[int, np.ndarray])
    gradients: dict[int, np.ndarray] = field(default_factory=dict[int, np.ndarray])
    flows: list[Flow] = field(default_factory=list[Flow])
    rest: dict[int, np.ndarray] = field(default_factory=dict[int, np.ndarray])
    seed: np.ndarray | None = None
    steps: list[Step] = field(default_factory=list[Step])
    notes: list[str] = field(default_factory=list[str])
    letters: dict[int, dict[str, str]] = field(default_factory=dict[int, dict[str, str]])

    def into(self, node: int) -> list[Flow]:
        """What the uses of a tensor sent back to it."""
        return [one for one in self.flows if one.source == node]

    def out_of(self, node: int) -> list[Flow]:
        """What an op sent back to its arguments."""
        return [one for one in self.flows if one.target == node]

    def name(self, node: int) -> str:
        """What a node is called: its variable, the tensor's name, or the op's with a number where there are several."""
        one = self.graph.nodes[node]
        if one.kind != "op":
            return one.name or one.kind
        if one.variable:
            return one.variable
        same = [other.id for other in self.graph.nodes if other.kind == "op" and other.name == one.name]
        return one.name if len(same) == 1 else f"{one.name} {same.index(node) + 1}"

    def words(self, step: Step) -> str:
        """A step in a sentence."""
        if step.phase == "start":
            return "What is given."
        if step.phase == "end":
            return "Done: every gradient is whole."
        node = self.graph.nodes[step.node or 0]
        if step.phase == "forward":
            return f"Forward: {self.call(node)}."
        if step.phase == "seed":
            if self.seed is not None and self.seed.ndim:
                return f"Backward begins: the gradient of the sum of {self.name(self.result)} is 1 everywhere."
            name = self.name(self.result)
            return f"Backward begins: the gradient of {name} with respect to itself is 1."
        to = [self.name(one.source) for one in self.out_of(node.id)]
        uses = len(self.into(node.id))
        whole = f"the gradients of its {uses} uses are added up" if uses > 1 else "its gradient is there"
        goes = f"It sends on to {', '.join(dict.fromkeys(to))}" if to else "It sends nothing on"
        return f"Backward through {self.name(node.id)}: {whole}. {goes}."

    def call(self, node: GraphNode) -> str:
        """`h = tanh(x = linear)`: an op with what it is given."""
        letters = self.letters.get(node.id, {})
        given = [f"{letters.get(edge.argument, edge.argument)} = {self.name(edge.source)}"
                 for edge in self.graph.edges if edge.target == node.id]  # fmt: skip
        given += [f"{name}={value}" for name, value in node.attributes.items()]
        return f"{self.name(node.id)} = {node.name}({', '.join(given)})"

    def to_dict(self) -> dict[str, Any]:
        """Nodes, steps and flows as plain data, for JSON."""
        nodes = [
            {
                "id": one.id, "kind": one.kind, "name": self.name(one.id), "op": one.name if one.kind == "op" else "",
                "shape": one.shape, "attributes": one.attributes, "line": one.line,
                "value": self.values[one.id].tolist() if one.id in self.values else None,
                "gradient": self.gradients[one.id].tolist() if one.id in self.gradients else None,
            }
            for one in self.graph.nodes
        ]  # fmt: skip
        return {
            "title": self.title,
            "result": self.result,
            "nodes": nodes,
            "edges": [vars(edge) for edge in self.graph.edges],
            "flows": [
                {"source": one.source, "target": one.target, "argument": one.argument,
                 "contribution": one.array.tolist(), "rule": one.rule.to_dict()}
                for one in self.flows
            ],
            "steps": [{**vars(one), "words": self.words(one)} for one in self.steps],
            "notes": self.notes,
        }  # fmt: skip

    def page_data(self) -> dict[str, Any]:
        """What the page needs besides the graph."""

        def matrix(array: np.ndarray) -> dict[str, Any]:
            few = array.size <= FULL
            return {"shape": list(array.shape), "numbers": array.tolist() if few else None}

        def term(one: Matrix | str) -> Any:
            return one if isinstance(one, str) else {"symbol": one.symbol, **matrix(one.array)}

        return {
            "walk": {
                "steps": [{**vars(one), "words": self.words(one)} for one in self.steps],
                "notes": self.notes,
                "names": [self.name(one.id) for one in self.graph.nodes],
                "calls": [self.call(one) if one.kind == "op" else "" for one in self.graph.nodes],
                "why": [why(one.name) if one.kind == "op" else "" for one in self.graph.nodes],
                "result": self.result,
                "seed": None if self.seed is None else matrix(self.seed),
                "flows": [
                    {"source": one.source, "target": one.target, "argument": one.argument,
                     "letter": self.letters.get(one.target, {}).get(one.argument, one.argument),
                     "array": matrix(one.array), "text": one.rule.text, "terms": [term(t) for t in one.rule.terms],
                     "code": one.rule.code, "entry": one.rule.entry}
                    for one in self.flows
                ],
                "rest": {str(node): matrix(array) for node, array in self.rest.items()},
                "gradients": {str(node): matrix(array) for node, array in self.gradients.items()},
            }
        }  # fmt: skip

    def html(self) -> str:
        """A self-contained page: the graph, a slider through the steps (or the arrow keys), and each node's numbers."""
        from pellucid.viz.derivation import walk_page

        return walk_page(self.graph, self.page_data(), self.title)

    def save(self, path: str | Path) -> Path:
        """Write the page; the file is whole or not there. Raises ValueError for an ending other than .html."""
        from pellucid.viz.derivation import save_page

        return save_page(self.html(), path)

    def _repr_html_(self) -> str:
        from pellucid.viz.derivation import framed

        return framed(self.html(), self.title)

    def __rich__(self) -> Any:
        from rich.text import Text

        return Text(str(self))

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return "\n".join(_text(self))


class Watcher(Recorder):
    """A recorder that also keeps what each op was given, and each gradient, whole."""

    def __init__(self, title: str) -> None:
        super().__init__(title, cost=multiply_adds)
        self.applied: dict[int, tuple[Op, tuple[Any, ...], dict[str, Any]]] = {}
        self.results: dict[int, np.ndarray] = {}
        self.flowing: dict[int, np.ndarray] = {}
        self.order_back: list[int] = []

    def apply(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        forward = state.node is None
        before = tuple(_still(one) if forward else one for one in args)  # as they were, should the op overwrite one
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
        recorded = tensor._node
        if recorded is None or state.node is not None:
            return

        def keep(gradient: Tensor) -> None:
            self.flowing[node.id] = _array(gradient)
            self.order_back.append(node.id)

        recorded.hooks = [*(recorded.hooks or ()), keep]
        self._hooked.append((recorded, keep))


def _array(tensor: Tensor) -> np.ndarray:
    from pellucid import backend

    return np.array(backend.of_array(tensor._array).to_numpy(tensor._array))


def _still(one: Any) -> Any:
    if not isinstance(one, Tensor):
        return one
    from pellucid.core import from_data

    return from_data(_array(one))


def walk(function: Callable[..., Any], inputs: tuple[Any, ...], loss: Callable[..., Any] | None, title: str) -> Walk:
    """Compute `function(*inputs)`, or `loss(function(*inputs[:-1]), inputs[-1])`, and record both ways.

    Nothing is left behind: gradients, buffers, and the random generators are as they were.
    """
    watcher = Watcher(title)
    modules = _Modules(watcher)
    root = function if isinstance(function, Module) else Module()
    if isinstance(function, Module):
        modules.learn(function)
    given = inputs[:-1] if loss is not None else inputs
    if not isinstance(function, Module):  # an expression's variables are what it is differentiated by
        given = tuple(_variable(one) for one in given)
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
            found = next((one for _, one in _tensors(result)), None)
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
    return _walk(watcher, graph, gradients, seed, title, notes)


def _variable(one: Any) -> Any:
    if isinstance(one, Tensor) and one.dtype.is_floating_point and not one.requires_grad:
        return one.detach().requires_grad_()
    return one


def _named(function: Any, given: tuple[Any, ...]) -> list[tuple[str, Any]]:
    if isinstance(function, Module):
        return list(_arguments(function, given, {}))
    try:
        return list(inspect.signature(function).bind(*given).arguments.items())
    except TypeError as wrong:
        shapes = ", ".join(describe(one) if isinstance(one, Tensor) else repr(one) for one in given)
        raise TypeError(f"explain: the function cannot be called with ({shapes}): {wrong}") from None
    except ValueError:  # a builtin has no signature
        return [(f"input {i}", one) for i, one in enumerate(given)]


def _gradients(result: Tensor, watcher: Watcher, notes: list[str]) -> tuple[np.ndarray | None, dict[int, Any]]:
    leaves = [one for one in watcher.sources.values() if one.requires_grad]
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
        id(leaf._array): one._array for leaf, one in zip(leaves, found, strict=True) if one is not None
    }


def _walk(
    watcher: Watcher, graph: Graph, gradients: dict[int, Any], seed: np.ndarray | None, title: str, notes: list[str]
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
        for i, one in app.vjp(g).items():
            source = sources.get((node, app.names[i]))
            if source is not None and source in made.gradients:  # others need none
                made.flows.append(Flow(source, node, app.names[i], one, rule_of(app, i, g, one)))
    _complete(made)
    back = list(dict.fromkeys(new[old] for old in watcher.order_back if old in new))
    made.steps = [Step("start"), *(Step("forward", new[old]) for old in watcher.applied)]
    if seed is not None:
        made.steps += [Step("seed", made.result), *(Step("backward", node) for node in back), Step("end")]
    return made


def _complete(made: Walk) -> None:
    """Put gradients into the graph, and note what of them no recorded use has sent."""
    for node, gradient in made.gradients.items():
        made.graph.nodes[node].gradient = measure(gradient)
        total = np.zeros(gradient.shape)
        for one in made.into(node):
            total = total + one.array
        if node == made.result and made.seed is not None:
            total = total + made.seed
        rest = gradient - total
        size = float(np.nan_to_num(np.abs(gradient)).max()) if gradient.size else 0.0
        if gradient.size and float(np.nan_to_num(np.abs(rest)).max()) > 1e-4 * size + 1e-12:
            made.rest[node] = rest


def _forward_only(graph: Graph) -> list[int]:
    """Leave the forward pass in the graph, numbered from 0; the old numbers of what is left, in order."""
    used = {end for edge in graph.edges for end in (edge.source, edge.target) if graph.nodes[edge.target].phase == "forward"}
    kept = [one.id for one in graph.nodes if one.phase == "forward" and (one.id in used or one.kind == "op")]
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
        node.group = None if node.group is None else of.get(node.group)
    graph.groups = groups
    for number, group in enumerate(groups):
        group.id = number
        group.parent = None if group.parent is None else of.get(group.parent)
    graph.outputs = [new[one] for one in graph.outputs if one in new]
    return kept


# The text -------------------------------------------------------------------------------------------------------------


def _text(made: Walk) -> list[str]:
    title = made.title[: words.WIDTH]
    lines = [title, "═" * len(title)]
    for note in made.notes:
        lines += words.wrapped(note, 0)
    lines += words.heading("What is given")
    for node in made.graph.nodes:
        if node.kind != "op":
            lines += _numbers(f"{made.name(node.id)} ({node.kind})" if node.kind != "input" else made.name(node.id),
                              made.values.get(node.id))  # fmt: skip
    lines += words.heading("Forward")
    number = 0
    for step in made.steps:
        number += 1
        if step.phase in ("forward", "backward") and step.node is not None:
            node = made.graph.nodes[step.node]
            if step.phase == "forward":
                lines += ["", *words.wrapped(f"{number}. {made.call(node)}", 0, 3)]
                lines += _numbers(made.name(node.id), made.values.get(node.id))
            else:
                lines += ["", *words.wrapped(f"{number}. {made.words(step)}", 0, 3)]
                lines += _backward(made, node)
        elif step.phase == "seed":
            lines += words.heading("Backward")
            lines += words.wrapped(f"{number}. {made.words(step)}", 0, 3)
    leaves = [node for node in made.graph.nodes if node.kind != "op" and node.id in made.gradients]
    if leaves:
        name = made.name(made.result)
        lines += words.heading(f"The gradients of {name}")
    for node in leaves:
        uses = Counter(made.name(one.target) for one in made.into(node.id))
        told = ", ".join(f"{name} ({count} times)" if count > 1 else name for name, count in uses.items())
        lines += words.wrapped(f"{made.name(node.id)}: from {told or 'nothing that the record shows'}")
        lines += _arrived(made, node)
    return lines


def _numbers(name: str, array: np.ndarray | None, indent: int = 3) -> list[str]:
    if array is None:
        return []
    label = f"{name} {array.shape}" if array.ndim else name
    return [" " * indent + line for line in words.beside([[label], ["="], words.block(array)])]


def _arrived(made: Walk, node: GraphNode) -> list[str]:
    """The gradient of a tensor, as the sum of what its uses sent."""
    name, into, gradient = made.name(node.id), made.into(node.id), made.gradients[node.id]
    if len(into) < 2:
        lines = _numbers(f"d {name}", gradient)
    else:
        terms: list[Matrix | str] = [Matrix(f"d {name}", gradient), "="]
        for i, one in enumerate(into):
            terms += ["+"] * bool(i) + [Matrix(f"from {made.name(one.target)}", one.array)]
        told = " + ".join(f"what {made.name(one.target)} sent" for one in into)
        lines = words.wrapped(f"d {name} = {told}", 3, 3) + words.equation(terms, 3)
    if node.id in made.rest:
        lines += words.wrapped("A part of it came by a way that the record does not show.", 3)
    return lines


def _backward(made: Walk, node: GraphNode) -> list[str]:
    lines = _arrived(made, node)
    for one in made.out_of(node.id):
        lines += ["", *words.wrapped(f"to {made.name(one.source)}: {one.rule.text}", 3, 3)]
        lines += words.equation(one.rule.terms, 3)
        if one.rule.entry:
            lines += words.wrapped(one.rule.entry, 3, 3)
    return lines
