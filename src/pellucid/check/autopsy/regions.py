"""Stretches of elementwise steps from one array to another of the same shape: activations, masks, scalings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pellucid.check.record.rules import ELEMENTWISE, derivative
from pellucid.check.record.tape import Array, Site, Tape, TapeNode

LONGEST = 14  # elementwise steps that one still calls an activation


@dataclass
class Region:
    """`out = f(start)`, element by element, with everything in between."""

    start: TapeNode
    out: TapeNode
    nodes: list[TapeNode]  # from the output's back to the first

    def derivative(self) -> Array:
        """f'(start), by the rules of the steps."""
        return self.derivative_at(None)[0]

    def derivative_at(self, point: Array | None) -> tuple[Array, Array]:
        """f' and f at another point (None: where it was)."""
        values: dict[int, Array] = {self.start.index: self.start.value if point is None else point}
        slopes: dict[int, Array] = {self.start.index: np.ones(self.start.shape)}
        with np.errstate(all="ignore"):
            for node in reversed(self.nodes):
                inputs = tuple(
                    TapeNode(-1, source.op, (), {}, values.get(source.index, source.value), None, source.needs)
                    for source in node.inputs
                )
                value = node.value if point is None else forward(node.op, [entry.value for entry in inputs])
                again = TapeNode(-1, node.op, inputs, node.attributes, value, None, True)
                values[node.index] = value
                slopes[node.index] = np.broadcast_to(
                    sum(
                        slopes[source.index] * derivative(again, i)
                        for i, source in enumerate(node.inputs)
                        if source.index in slopes
                    ),
                    node.shape,
                )
        return slopes[self.out.index], values[self.out.index]


def forward(op: str, values: list[Array]) -> Array:
    if op == "where":
        return np.where(values[0], values[1], values[2])
    if op == "clip":
        return np.clip(values[0], values[1], values[2])
    if op == "erf":
        from pellucid.backend.special import erf

        return erf(values[0])
    if op == "expit":
        return 1 / (1 + np.exp(-values[0]))
    if op in ("log_expit", "logit", "xlogy"):
        return {
            "log_expit": lambda z: -np.logaddexp(0, -z),
            "logit": lambda p: np.log(p / (1 - p)),
            "xlogy": lambda x, y: np.where(x == 0, 0.0, x * np.log(y)),
        }[op](*values)
    return getattr(np, op)(*values)


def regions(tape: Tape) -> dict[tuple[Site | None, Site | None], list[Region]]:
    """All regions by the places of their ends; the passes of a loop stand together."""
    found: dict[tuple[Site | None, Site | None], list[Region]] = {}
    for out in tape.useful():
        for region in _ending_in(out):
            found.setdefault((region.start.site, out.site), []).append(region)
    return found


def _ending_in(out: TapeNode) -> Iterator[Region]:
    """Go back from a node; wherever everything that is open has come together in one array, a region begins."""
    frontier, nodes = {out.index: out}, []
    while len(nodes) < LONGEST:
        node = frontier.pop(max(frontier))
        if node.op not in ELEMENTWISE or node.op == "flat":
            return
        nodes.append(node)
        for source in node.inputs:
            if source.needs:
                frontier[source.index] = source
        if not frontier or any(open_node.shape != out.shape for open_node in frontier.values()):
            return
        if len(frontier) == 1:
            yield Region(next(iter(frontier.values())), out, list(nodes))


# Functions that are known by name, with their derivatives by the input and by the output.
KNOWN = {
    "tanh": (np.tanh, "1 − tanh(z)²", "1 − a²", lambda a: 1 - a**2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), "σ(z)·(1 − σ(z))", "a·(1 − a)", lambda a: a * (1 - a)),
    "relu": (lambda z: np.maximum(z, 0), "1 where z > 0", "1 where a > 0", lambda a: (a > 0).astype(float)),
    "exp": (np.exp, "exp(z)", "a", lambda a: a),
    "sqrt": (np.sqrt, "1 / (2·√z)", "1 / (2·a)", lambda a: 0.5 / a),
    "log": (np.log, "1 / z", "exp(−a)", lambda a: np.exp(-a)),
    "square": (np.square, "2·z", "2·√a", lambda a: 2 * np.sqrt(np.abs(a))),
    "1/z": (lambda z: 1 / z, "−1 / z²", "−a²", lambda a: -(a**2)),
    "softplus": (lambda z: np.logaddexp(0, z), "σ(z)", "1 − exp(−a)", lambda a: 1 - np.exp(-a)),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        "1 where z > 0, else exp(z)",
        "1 where a > 0, else a + 1",
        lambda a: np.where(a > 0, 1, a + 1),
    ),
}


def known_as(region: Region) -> str | None:
    """The name of the function that a region computes."""
    for name, (function, *_) in KNOWN.items():
        with np.errstate(all="ignore"):
            if np.allclose(function(region.start.value), region.out.value, rtol=1e-9, atol=1e-12):
                return name
    return None
