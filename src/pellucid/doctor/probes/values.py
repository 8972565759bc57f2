"""The values of a recorded pass, and which of them are true gradients of something in the forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.check.record.reverse import ReversePass, backward
from pellucid.check.record.tape import Tape, TapeNode
from pellucid.doctor.probes.truths import Truth, truths


class Value:
    """The value of a node, or of all nodes of one place that compute a single number each."""

    def __init__(self, nodes: list[TapeNode]) -> None:
        self.nodes, first = nodes, nodes[0]
        self.index, self.op, self.site = nodes[-1].index, first.op, first.site
        self.needs = any(node.needs for node in nodes)
        self.value = first.value if len(nodes) == 1 else np.concatenate([node.value.ravel() for node in nodes])


class Values:
    """Whether a value is the true gradient of something in the forward pass."""

    def __init__(
        self,
        tape: Tape,
        moved: Mapping[str, np.ndarray],
        way: ReversePass | None = None,
        layers: Mapping[int, int] | None = None,
    ) -> None:
        """`way`: the way back with the mistakes in it that are known already. `layers`: of each node, the layer; the
        numbers that one place computes for one layer after the other are a value for each."""
        self.moved = moved
        self.forward = {node.index for node in tape.useful()}
        self.parameters = {name: node.index for name, node in tape.parameters.items()}
        layers = layers or {}
        together: dict[Any, list[TapeNode]] = {}
        for node in tape.nodes:
            alone = node.site is None or node.value.size != 1 or node.op in ("parameter", "constant")
            calls = () if node.site is None else node.site.calls
            key = (
                node.index
                if alone
                else (node.site, calls, node.op, node.index in self.forward, layers.get(node.index, 0))
            )
            together.setdefault(key, []).append(node)
        self.steps = {nodes[-1].index: Value(nodes) for nodes in together.values()}
        self.of = {node.index: step for step in self.steps.values() for node in step.nodes}
        values = [step.nodes for step in self.steps.values() if step.nodes[0].index in self.forward]
        self.truths = truths(way or backward(tape), values)
        self.known: dict[int, Truth | None] = {}
        self.after: dict[tuple[int, str | None], bool] = {}

    def __call__(self, step: Value) -> bool:
        return self.truth(step) is not None

    def times(self, step: Value) -> float:
        """How many times a true gradient, or a part of one, a value is; 0 where it is none."""
        found = self.truth(step)
        return 0.0 if found is None else found.times

    def truth(self, step: Value) -> Truth | None:
        """Which gradient a value is."""
        if step.index not in self.known:
            found = self.truths.of(step.value) if step.value.any() else None
            if found is None and len(step.nodes) > 1:
                found = self.truths.of(step.value[::-1])
            self.known[step.index] = found
        return self.known[step.index]

    def updated(self, step: Value, name: str | None = None) -> bool:
        """Whether a value is a parameter after the update; the one of that name."""
        if (step.index, name) not in self.after:
            flat, after = step.value.ravel(), [m for n, m in self.moved.items() if name in (None, n)]
            found = any(flat.size == m.size and np.allclose(flat, m.ravel(), rtol=1e-12, atol=0.0) for m in after)
            self.after[step.index, name] = found
        return self.after[step.index, name]

    def sources(self, step: Value) -> list[Value]:
        """What a value was computed from, but for itself."""
        found = {self.of[source.index].index for node in step.nodes for source in node.inputs} - {step.index}
        return [self.steps[index] for index in sorted(found)]


def layers_of(tape: Tape) -> dict[int, int]:
    """How often what a number was made of came by the place of the number itself: of a loop over layers, the layer.

    A sum that goes on, `s += w * x`, takes what the same place made before it: it stays where it is.
    """
    layers: dict[int, int] = {}
    passed: dict[int, frozenset[Any]] = {}
    for node in tape.nodes:
        before = [source for source in node.inputs if source.needs]
        layer = max((layers[source.index] for source in before), default=0)
        near = [source for source in before if layers[source.index] == layer]
        here = (node.site, node.op)
        places = frozenset[Any]().union(*(passed[source.index] for source in near))
        if here in places and node.site is not None and all((s.site, s.op) != here for s in near):
            layer, places = layer + 1, frozenset()
        layers[node.index], passed[node.index] = layer, places | {here}
    return layers
