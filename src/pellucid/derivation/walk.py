"""`Walk`: a computation one op at a time, with every number and where each gradient comes from; and as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.record.graph import FULL, Graph, GraphNode

from . import words
from .algebra import why
from .letters import Matrix
from .rule import Rule


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
    """A step of the walk: `phase` is "start", "forward", "seed", "backward" or "end"; `node` the op it is about."""

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
        return [flow for flow in self.flows if flow.source == node]

    def out_of(self, node: int) -> list[Flow]:
        """What an op sent back to its arguments."""
        return [flow for flow in self.flows if flow.target == node]

    def name(self, node: int) -> str:
        """What a node is called: its variable, the tensor's name, or the op's with a number where there are several."""
        entry = self.graph.nodes[node]
        if entry.kind != "op":
            return entry.name or entry.kind
        if entry.variable:
            called = [other.id for other in self.graph.nodes if entry.variable in (other.variable, other.name)]
            return entry.variable if len(called) == 1 else f"{entry.variable}{_lowered(called.index(node) + 1)}"
        same = [o.id for o in self.graph.nodes if o.kind == "op" and o.name == entry.name and not o.variable]
        return entry.name if len(same) == 1 else f"{entry.name}{_lowered(same.index(node) + 1)}"

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
        to = [self.name(flow.source) for flow in self.out_of(node.id)]
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
                "id": node.id, "kind": node.kind, "name": self.name(node.id),
                "op": node.name if node.kind == "op" else "",
                "shape": node.shape, "attributes": node.attributes, "line": node.line,
                "value": self.values[node.id].tolist() if node.id in self.values else None,
                "gradient": self.gradients[node.id].tolist() if node.id in self.gradients else None,
            }
            for node in self.graph.nodes
        ]  # fmt: skip
        return {
            "title": self.title,
            "result": self.result,
            "nodes": nodes,
            "edges": [vars(edge) for edge in self.graph.edges],
            "flows": [
                {"source": flow.source, "target": flow.target, "argument": flow.argument,
                 "contribution": flow.array.tolist(), "rule": flow.rule.to_dict()}
                for flow in self.flows
            ],
            "steps": [{**vars(step), "words": self.words(step)} for step in self.steps],
            "notes": self.notes,
        }  # fmt: skip

    def page_data(self) -> dict[str, Any]:
        """What the page needs besides the graph."""

        def matrix(array: np.ndarray) -> dict[str, Any]:
            few = array.size <= FULL
            return {"shape": list(array.shape), "numbers": array.tolist() if few else None}

        def term(entry: Matrix | str) -> Any:
            return entry if isinstance(entry, str) else {"symbol": entry.symbol, **matrix(entry.array)}

        return {
            "walk": {
                "steps": [{**vars(step), "words": self.words(step)} for step in self.steps],
                "notes": self.notes,
                "names": [self.name(node.id) for node in self.graph.nodes],
                "calls": [self.call(node) if node.kind == "op" else "" for node in self.graph.nodes],
                "why": [why(node.name) if node.kind == "op" else "" for node in self.graph.nodes],
                "result": self.result,
                "seed": None if self.seed is None else matrix(self.seed),
                "flows": [
                    {"source": flow.source, "target": flow.target, "argument": flow.argument,
                     "letter": self.letters.get(flow.target, {}).get(flow.argument, flow.argument),
                     "array": matrix(flow.array), "text": flow.rule.text, "terms": [term(t) for t in flow.rule.terms],
                     "code": flow.rule.code, "entry": flow.rule.entry}
                    for flow in self.flows
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


def _lowered(number: int) -> str:
    """Which of several of one name, as in h₁: the numbers on the line are those of the steps."""
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


# The text -------------------------------------------------------------------------------------------------------------


def _text(made: Walk) -> list[str]:
    title = made.title[: words.WIDTH]
    lines = [title, "═" * len(title)]
    for note in made.notes:
        lines += words.wrapped(note, 0)
    lines += words.heading("1. What is given")
    for node in made.graph.nodes:
        if node.kind != "op":
            lines += _numbers(f"{made.name(node.id)} ({node.kind})" if node.kind != "input" else made.name(node.id),
                              made.values.get(node.id))  # fmt: skip
    lines += words.heading("Forward")
    for number, step in enumerate(made.steps, 1):
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
        lines += words.heading(f"{len(made.steps)}. The gradients of {name}")
    for node in leaves:
        uses = Counter(made.name(edge.target) for edge in made.into(node.id))
        told = ", ".join(f"{name} ({count} times)" if count > 1 else name for name, count in uses.items())
        lines += words.wrapped(f"{made.name(node.id)}: from {told or 'nothing that the record shows'}")
        lines += _arrived(made, node)
    return lines


def _numbers(name: str, array: np.ndarray | None, indent: int = 3) -> list[str]:
    if array is None:
        return []
    label = f"{name} {array.shape}" if array.ndim else name
    return words.labelled(f"{label} =", array, indent)


def _arrived(made: Walk, node: GraphNode) -> list[str]:
    """The gradient of a tensor, as the sum of what its uses sent."""
    name, into, gradient = made.name(node.id), made.into(node.id), made.gradients[node.id]
    if len(into) < 2:
        lines = _numbers(f"d {name}", gradient)
    else:
        terms: list[Matrix | str] = [Matrix(f"d {name}", gradient), "="]
        for i, edge in enumerate(into):
            terms += ["+"] * bool(i) + [Matrix(f"from {made.name(edge.target)}", edge.array)]
        told = " + ".join(f"what {made.name(flow.target)} sent" for flow in into)
        lines = words.wrapped(f"d {name} = {told}", 3, 3) + words.equation(terms, 3)
    if node.id in made.rest:
        lines += words.wrapped("A part of it came by a way that the record does not show.", 3)
    return lines


def _backward(made: Walk, node: GraphNode) -> list[str]:
    lines = _arrived(made, node)
    for entry in made.out_of(node.id):
        lines += ["", *words.wrapped(f"to {made.name(entry.source)}: {entry.rule.text}", 3, 3)]
        lines += words.equation(entry.rule.terms, 3)
        if entry.rule.entry:
            lines += words.wrapped(entry.rule.entry, 3, 3)
    return lines
