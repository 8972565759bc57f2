"""Guards: what keeps a logarithm, a division or a root away from 0, and is left out of most backward passes.

`log(p + 1e-7)`, `np.clip(p, 1e-7, 1 - 1e-7)`, `x / (s + 1e-8)`: the loss has them, the formula p − y has not. A
gradient without them is right for the loss that was meant, and differs from the recorded one by about guard / p.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.check.autopsy.regions import forward
from pellucid.check.record.reverse import Change, Edge
from pellucid.check.record.rules import ELEMENTWISE, unbroadcast
from pellucid.check.record.tape import Array, Tape, TapeNode

SMALL = 1e-4  # what is added to a number to keep it from 0
SMALL_IN_ROOT = 1e-6  # the same under a root, where a larger one is a part of the formula (batch norm's)
BOUND = 1e-3  # how near to 0 and to 1 a clip of a probability lies
AMOUNTS = (0.0, *(10.0**-digits for digits in range(12, 3, -1)), 1e-15)  # guards that the backward pass may have
STEEP = {"log": (0,), "log2": (0,), "log10": (0,), "sqrt": (0,), "divide": (1,), "reciprocal": (0,)}
THROUGH = ("add", "subtract", "multiply", "negative", "divide")  # what may lie between a clip and a logarithm


def guards(tape: Tape) -> Iterator[tuple[str, Change]]:
    """Ways to write the backward pass as if a guard were not there, or were another than that of the loss."""
    clips = [node for node in tape.useful() if _keeps_inside(node)]
    sums = {node.inputs[p].index: _amount(node, p) for node in tape.useful() for p in STEEP.get(node.op, ())}
    sums = {index: amount for index, amount in sums.items() if amount}
    logarithms = any(node.op in ("log", "log2", "log10") for node in tape.useful())
    kinds: list[tuple[str, list[TapeNode], set[int]]] = [("", [], set())]
    if clips:
        kinds.append(("the bounds that keep a probability from 0 and 1", clips, set()))
    if sums:
        kinds.append(("the small number that keeps a value from 0", [], set(sums)))
    if clips and sums:
        kinds.append(("its guards against 0", clips, set(sums)))
    for amount in AMOUNTS if logarithms or sums else (0.0,):
        for said, opened, dropped in kinds:
            if amount:
                said = f"{said}, with a guard of {amount:g} of its own" if said else f"a guard of {amount:g} of its own"
            if said:
                yield said, _without(tape, opened, dropped, amount)


def _without(tape: Tape, clips: list[TapeNode], sums: set[int], amount: float) -> Change:
    """The derivative with these guards taken away, and `amount` added under each logarithm, division and root."""
    change = Change()
    inside = {node.index for node in clips}
    raw: dict[int, Array] = {}
    with np.errstate(all="ignore"):
        for node in tape.useful():
            if node.index in inside:
                kept = node.inputs[_open(node)]
                raw[node.index] = raw.get(kept.index, kept.value)
                for position, _ in enumerate(node.inputs):
                    change.edges[node.index, position] = _through if position == _open(node) else _nothing
                continue
            touched = any(source.index in raw for source in node.inputs)
            if node.index in sums:
                kept = next(source for source in node.inputs if source.needs)
                raw[node.index] = raw.get(kept.index, kept.value) * np.ones(node.shape)
                if node.op == "subtract" and kept is node.inputs[1]:
                    raw[node.index] = -raw[node.index]
                continue
            steep = STEEP.get(node.op, ())
            guarded = "log" in node.op or any(node.inputs[position].index in sums for position in steep)
            if node.op not in ELEMENTWISE or not (touched or (guarded and amount)):
                continue
            values = [np.asarray(raw.get(source.index, source.value), float) for source in node.inputs]
            if guarded:
                values = [value + amount if position in steep else value for position, value in enumerate(values)]
            out = forward(node.op, values)
            for position, source in enumerate(node.inputs):
                if source.needs:
                    slope = np.asarray(ELEMENTWISE[node.op][position](values, out), float)
                    change.edges[node.index, position] = _by(slope)
            if node.op in THROUGH and not steep:
                raw[node.index] = out
    return change


def _by(slope: Array) -> Edge:
    return lambda node, position, adjoint: unbroadcast(adjoint * slope, node.inputs[position].shape)


def _through(node: TapeNode, position: int, adjoint: Array) -> Array:
    return unbroadcast(np.broadcast_to(adjoint, node.shape), node.inputs[position].shape)


def _nothing(node: TapeNode, position: int, adjoint: Array) -> None:
    return None


def _open(node: TapeNode) -> int:
    """Which input of a clip, a maximum or a minimum is the one that is kept inside."""
    return 0 if node.op == "clip" or node.inputs[0].needs else 1


def _keeps_inside(node: TapeNode) -> bool:
    """Whether a node only keeps a probability from 0 and from 1."""
    if node.op == "clip":
        low, high = (_number(source) for source in node.inputs[1:3])
        return low is not None and high is not None and 0 < low <= BOUND and high >= 1 - BOUND
    if node.op in ("maximum", "minimum"):
        other = node.inputs[1 - _open(node)]
        bound = _number(other)
        if bound is None or other.needs:
            return False
        return 0 < bound <= BOUND if node.op == "maximum" else 1 - BOUND <= bound < 1
    return False


def _amount(node: TapeNode, position: int) -> float:
    """The small number that an input of a logarithm, a division or a root has had added to it; 0 where none was."""
    added = node.inputs[position]
    if not added.needs or added.op not in ("add", "subtract"):
        return 0.0
    for source in added.inputs[::-1]:
        amount = _number(source)
        if (
            amount is not None
            and not source.needs
            and 0 < abs(amount) <= (SMALL_IN_ROOT if node.op == "sqrt" else SMALL)
        ):
            return amount
    return 0.0


def _number(node: TapeNode) -> float | None:
    return float(node.value.ravel()[0]) if node.value.size == 1 else None
