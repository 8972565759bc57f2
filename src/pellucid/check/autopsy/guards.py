"""Guards: what keeps a logarithm, a division or a root away from 0, and is left out of most backward passes.

`log(p + 1e-7)`, `np.clip(p, 1e-7, 1 - 1e-7)`, `x / (s + 1e-8)`: the loss has them, the formula p − y has not. A
gradient without them is right for the loss that was meant, and differs from the recorded one by about guard / p.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.check.record.reverse import Change, Edge
from pellucid.check.record.rules import unbroadcast
from pellucid.check.record.tape import Array, Node, Tape

SMALL = 1e-4  # what is added to a number to keep it from 0
BOUND = 1e-3  # how near to 0 and to 1 a clip of a probability lies
INVENTED = tuple(10.0**-digits for digits in range(12, 3, -1))  # guards that only the backward pass may have


def guards(tape: Tape) -> Iterator[tuple[str, Change]]:
    """Ways to write the backward pass as if a guard were not there, or were there where the loss has none."""
    clips, sums = Change(), Change()
    for node in tape.useful():
        if _keeps_inside(node):
            for position, _ in enumerate(node.inputs):
                clips.edges[node.index, position] = _through if position == _open(node) else _nothing
        for position, amount in _guarded(node):
            sums.edges[node.index, position] = _moved(node, -amount)
            if node.op == "divide":
                sums.edges[node.index, 0] = _moved(node, -amount)
    named = [("the clip", clips), ("the small number that is added", sums)]
    there = [(said, change) for said, change in named if change.edges]
    yield from there
    if len(there) == 2:
        yield "both guards", clips | sums
    bare = [node for node in tape.useful() if node.op == "log" and not list(_guarded(node)) and node.inputs[0].needs]
    for amount in INVENTED if bare else ():
        change = Change(edges={(node.index, 0): _moved(node, amount) for node in bare})
        yield f"the guard {amount:g} that only the backward pass has", change
        if clips.edges:
            yield f"the clip, and the guard {amount:g} that only the backward pass has", change | clips


def _through(node: Node, position: int, adjoint: Array) -> Array:
    return unbroadcast(np.broadcast_to(adjoint, node.shape), node.inputs[position].shape)


def _nothing(node: Node, position: int, adjoint: Array) -> None:
    return None


def _open(node: Node) -> int:
    """Which input of a clip, a maximum or a minimum is the one that is kept inside."""
    return 0 if node.op == "clip" or node.inputs[0].needs else 1


def _keeps_inside(node: Node) -> bool:
    """Whether a node only keeps a probability from 0 and from 1."""
    if node.op == "clip":
        low, high = (_number(source) for source in node.inputs[1:3])
        return low is not None and high is not None and 0 < low <= BOUND and high >= 1 - BOUND
    if node.op in ("maximum", "minimum"):
        bound = _number(node.inputs[1 - _open(node)])
        if bound is None or node.inputs[1 - _open(node)].needs:
            return False
        return 0 < bound <= BOUND if node.op == "maximum" else 1 - BOUND <= bound < 1
    return False


def _guarded(node: Node) -> Iterator[tuple[int, float]]:
    """The inputs of a logarithm, a division or a root that are a sum with a small number, and that number."""
    position = {"log": 0, "sqrt": 0, "divide": 1, "reciprocal": 0, "log2": 0}.get(node.op)
    if position is None or not node.inputs[position].needs:
        return
    added = node.inputs[position]
    if added.op not in ("add", "subtract"):
        return
    for source in added.inputs[::-1]:
        amount = _number(source)
        if amount is not None and not source.needs and 0 < abs(amount) <= (1e-6 if node.op == "sqrt" else SMALL):
            yield position, amount if added.op == "add" else -amount
            return


def _moved(node: Node, amount: float) -> Edge:
    """The derivative of a node with its guarded input moved by `amount`."""

    def edge(node: Node, position: int, adjoint: Array) -> Array:
        with np.errstate(all="ignore"):
            values = [np.asarray(source.value, float) for source in node.inputs]
            if node.op == "divide":
                below = values[1] + amount
                slope = 1 / below if position == 0 else -values[0] / below**2
            elif node.op == "sqrt":
                slope = 0.5 / np.sqrt(values[0] + amount)
            elif node.op == "reciprocal":
                slope = -1 / (values[0] + amount) ** 2
            else:
                slope = 1 / (values[0] + amount) / (np.log(2) if node.op == "log2" else 1.0)
            return unbroadcast(adjoint * slope, node.inputs[position].shape)

    return edge


def _number(node: Node) -> float | None:
    return float(node.value.ravel()[0]) if node.value.size == 1 else None
