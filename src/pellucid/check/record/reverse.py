"""The way back through a recording.

It can be taken as it is, which gives the gradient, or with one rule of it changed, which gives the gradient that
somebody with that mistake in their backward pass would get.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.check.record.rules import vjp
from pellucid.check.record.tape import Array, Tape, TapeNode

# What is changed on the way back. `edges` replaces what one input of a node gets; `adjoints` alters the adjoint of a
# node before it goes on; `jumps` sends it elsewhere than to the node's inputs.
Edge = Callable[[TapeNode, int, Array], Any]


@dataclass
class Change:
    edges: dict[tuple[int, int], Edge] = field(default_factory=dict)
    adjoints: dict[int, Callable[[Array], Array]] = field(default_factory=dict)
    jumps: dict[int, Callable[[Array], list[tuple[TapeNode, Array]]]] = field(default_factory=dict)

    def places(self) -> set[int]:
        """The nodes at which something is changed."""
        return {index for index, _ in self.edges} | self.adjoints.keys() | self.jumps.keys()

    def reaches(self, tape: Tape, reach: dict[int, frozenset[str]]) -> frozenset[str]:
        """The parameters whose gradients it can alter."""
        starts = [tape.nodes[index].inputs[position].index for index, position in self.edges]
        return frozenset[str]().union(*(reach.get(i, ()) for i in (*starts, *self.adjoints, *self.jumps)))

    def __or__(self, other: Change) -> Change:
        return Change(self.edges | other.edges, self.adjoints | other.adjoints, self.jumps | other.jumps)


@dataclass
class ReversePass:
    """One way back through a tape: the adjoint of every useful node by its index, with the change that was made.

    `raw` holds what came in at the nodes whose adjoint the change altered.
    """

    tape: Tape
    change: Change
    adjoints: dict[int, Array] = field(default_factory=dict)
    raw: dict[int, Array] = field(default_factory=dict)
    work: int = 0  # nodes gone back through for changes

    def gradients(self) -> dict[str, Array]:
        """The gradient of each parameter: zeros where the result does not depend on it."""
        found = self.adjoints
        return {name: found.get(node.index, np.zeros(node.shape)) for name, node in self.tape.parameters.items()}

    def changed(self, change: Change) -> dict[str, Array]:
        """The gradients that a further change alters. Only what it touches is computed anew."""
        both = self.change | change
        touched, special = change.places(), both.places()
        todo = [-index for index in touched if index in self.adjoints]
        heapq.heapify(todo)
        deltas: dict[int, Any] = {}
        misshapen: dict[int, Any] = {}  # what a parameter gets that has not its shape: a sum that was not taken
        seen: set[int] = set(todo)
        while todo:
            index = -heapq.heappop(todo)
            node = self.tape.nodes[index]
            delta: Any = deltas.get(index)
            old: list[tuple[TapeNode, Array]] = []
            if index in special:
                before = self.raw.get(index, self.adjoints.get(index, np.zeros(node.shape)))
                _, old = contributions(node, before, self.change)
                after, new = contributions(node, before if delta is None else before + delta, both)
                if node.op == "parameter":
                    deltas[index] = after - self.adjoints.get(index, np.zeros(node.shape))
            else:
                _, new = contributions(node, np.asarray(delta), _UNCHANGED)
            for source, value in (*new, *((source, -value) for source, value in old)):
                odd = source.op == "parameter" and value.shape != source.shape
                into = misshapen if odd else deltas
                known = into.get(source.index)
                into[source.index] = value if known is None else known + value
                if -source.index not in seen:
                    seen.add(-source.index)
                    heapq.heappush(todo, -source.index)
        self.work += len(seen)
        found: dict[str, Array] = {}
        for name, node in self.tape.parameters.items():
            if node.index in deltas or node.index in misshapen:
                base = self.adjoints.get(node.index, np.zeros(node.shape))
                rest = base + deltas.get(node.index, 0.0)
                odd = misshapen.get(node.index)
                alone = odd is not None and np.abs(rest).max(initial=0) <= 1e-12 * np.abs(base).max(initial=0)
                found[name] = rest if odd is None else odd if alone else odd + rest
        return found


_UNCHANGED = Change()


def backward(tape: Tape, change: Change | None = None) -> ReversePass:
    """The way back: d result / d node for every useful node, or what it becomes by `change`."""
    change = change or _UNCHANGED
    found = ReversePass(tape, change)
    if tape.result is None:
        return found
    adjoints = found.adjoints
    adjoints[tape.result.index] = np.ones(tape.result.shape)
    with np.errstate(all="ignore"):
        for node in reversed(tape.useful()):
            adjoint = adjoints.get(node.index)
            if adjoint is None:
                continue
            if node.index in change.adjoints:
                found.raw[node.index] = adjoint
            adjoints[node.index], given = contributions(node, adjoint, change)
            for source, value in given:
                known = adjoints.get(source.index)
                adjoints[source.index] = value if known is None else known + value
    return found


def contributions(node: TapeNode, adjoint: Array, change: Change) -> tuple[Array, list[tuple[TapeNode, Array]]]:
    """The adjoint of a node as the change leaves it, and what its inputs get of it."""
    alter = change.adjoints.get(node.index)
    if alter is not None:
        adjoint = alter(adjoint)
    jump = change.jumps.get(node.index)
    if jump is not None:
        return adjoint, jump(adjoint)
    result: list[tuple[TapeNode, Array]] = []
    for position, source in enumerate(node.inputs):
        if source.needs:
            edge = change.edges.get((node.index, position))
            value = edge(node, position, adjoint) if edge else vjp(node, position, adjoint)
            if value is not None:
                result.append((source, value))
    return adjoint, result


def gradients(tape: Tape, change: Change | None = None) -> dict[str, Array]:
    """The gradient of each parameter along the tape."""
    return backward(tape, change).gradients()
