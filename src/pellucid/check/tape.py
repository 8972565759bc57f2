"""A recording of what a NumPy program computed: every operation with its values, and the way back through it.

The way back can be taken as it is, which gives the gradient, or with one rule of it changed, which gives the gradient
that somebody with that mistake in their backward pass would get.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Site:
    """A place in the user's program: a line, and the instruction in it. A loop passes the same site again and again."""

    file: str
    line: int
    instruction: int
    part: str = ""  # which step of a function that is recorded as several, such as the mean within `var`

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(eq=False)
class Node:
    """One operation: its inputs, its value, and whether a parameter stands behind it."""

    index: int
    op: str
    inputs: tuple[Node, ...]
    attributes: dict[str, Any]
    value: Array
    site: Site | None
    needs: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def __repr__(self) -> str:
        return f"{self.index}:{self.op}{self.shape}"


@dataclass(eq=False)
class Tape:
    """The operations of one evaluation in their order, the parameters by name, and the node of the result."""

    nodes: list[Node] = field(default_factory=list)
    parameters: dict[str, Node] = field(default_factory=dict)
    result: Node | None = None

    def add(
        self,
        op: str,
        inputs: Iterable[Node],
        value: Any,
        site: Site | None = None,
        attributes: dict[str, Any] | None = None,
        needs: bool | None = None,
    ) -> Node:
        inputs = tuple(inputs)
        behind = any(node.needs for node in inputs) if needs is None else needs
        node = Node(len(self.nodes), op, inputs, attributes or {}, np.array(value), site, behind)
        self.nodes.append(node)
        return node

    def useful(self) -> list[Node]:
        """The nodes between the parameters and the result, in order."""
        if self.result is None:
            return []
        reached: set[int] = set()
        todo = [self.result]
        while todo:
            node = todo.pop()
            if node.index in reached or not node.needs:
                continue
            reached.add(node.index)
            todo += node.inputs
        return [node for node in self.nodes if node.index in reached]

    def groups(self) -> dict[tuple[Site | None, str], list[Node]]:
        """The useful nodes by the place in the program that made them: the passes of a loop stand together."""
        found: dict[tuple[Site | None, str], list[Node]] = {}
        for node in self.useful():
            found.setdefault((node.site, node.op), []).append(node)
        return found


# What is changed on the way back. `edges` replaces what one input of a node gets; `adjoints` alters the adjoint of a
# node before it goes on; `jumps` sends it elsewhere than to the node's inputs.
Edge = Callable[[Node, int, Array], Any]


@dataclass
class Change:
    edges: dict[tuple[int, int], Edge] = field(default_factory=dict)
    adjoints: dict[int, Callable[[Array], Array]] = field(default_factory=dict)
    jumps: dict[int, Callable[[Array], list[tuple[Node, Array]]]] = field(default_factory=dict)

    def __or__(self, other: Change) -> Change:
        return Change(self.edges | other.edges, self.adjoints | other.adjoints, self.jumps | other.jumps)


def backward(tape: Tape, change: Change | None = None, seed: float = 1.0) -> dict[int, Array]:
    """The adjoint of every useful node, by its index: d result / d node, or what it becomes by `change`."""
    from pellucid.check.rules import vjp

    change = change or Change()
    if tape.result is None:
        return {}
    adjoints: dict[int, Array] = {tape.result.index: np.full(tape.result.shape, seed)}
    for node in reversed(tape.useful()):
        adjoint = adjoints.get(node.index)
        if adjoint is None:
            continue
        if node.index in change.adjoints:
            adjoint = adjoints[node.index] = change.adjoints[node.index](adjoint)
        if node.index in change.jumps:
            for target, contribution in change.jumps[node.index](adjoint):
                _accumulate(adjoints, target, contribution)
            continue
        for position, source in enumerate(node.inputs):
            if not source.needs:
                continue
            edge = change.edges.get((node.index, position))
            contribution = edge(node, position, adjoint) if edge else vjp(node, position, adjoint)
            if contribution is not None:
                _accumulate(adjoints, source, contribution)
    return adjoints


def gradients(tape: Tape, change: Change | None = None) -> dict[str, Array]:
    """The gradient of each parameter: zeros where the result does not depend on it."""
    adjoints = backward(tape, change)
    return {name: adjoints.get(node.index, np.zeros(node.shape)) for name, node in tape.parameters.items()}


def _accumulate(adjoints: dict[int, Array], node: Node, contribution: Array) -> None:
    known = adjoints.get(node.index)
    adjoints[node.index] = contribution if known is None else known + contribution
