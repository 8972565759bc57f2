"""A step of a recorded backward pass with another operator than it should have, `+` where `*` was meant, or one that
sums over samples what each of them should keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pellucid.check.record.tape import Site, Tape, TapeNode
from pellucid.doctor.probes.lines import behind, first_alike
from pellucid.doctor.probes.values import Value, Values

OPERATORS: dict[str, tuple[str, Callable[..., np.ndarray]]] = {
    "add": ("+", np.add),
    "subtract": ("-", np.subtract),
    "multiply": ("*", np.multiply),
    "divide": ("/", np.divide),
}
# What may be typed for what; a plus for a minus is a wrong sign, which is looked for elsewhere.
MEANT = {
    "add": ("multiply", "divide"),
    "subtract": ("multiply", "divide"),
    "multiply": ("add", "subtract", "divide"),
    "divide": ("multiply", "subtract"),
}


SUM = "sum"
SHARE = "share"


@dataclass
class Mistyped:
    """A step that would be a true gradient with another operator."""

    site: Site | None
    written: str
    meant: str
    derived: bool  # one side is a mere function of the forward pass, as the derivative of an activation is
    tensors: list[str]

    def named(self) -> tuple[str, str, str]:
        """The mistake, what is wrong, and what to write."""
        if self.written == SUM:
            text = "This line sums a gradient, and what it makes is given to each row again: each should keep its own."
            return "unknown", text, "leave the sum out here: sums over the samples belong to the weights and biases"
        if self.written == SHARE:
            text = (
                "This line multiplies a gradient with the one share of a mixture, f, where the other, 1 - f, belongs."
            )
            return "unknown", text, "write (1 - f), not f, for the factor f in this product"
        sides = ("a derivative and a gradient", "them") if self.derived else ("two values", "these")
        said = {"+": "adds", "-": "subtracts", "*": "multiplies", "/": "divides"}[self.written]
        text = f"This line {said} {sides[0]}: it has {self.written} where {self.meant} belongs between {sides[1]}."
        mistake = "missing-activation-derivative" if self.derived and self.meant == "*" else "unknown"
        return mistake, text, f"write {self.meant}, not {self.written}"


def mistyped(
    tape: Tape, wrong: Iterable[str], given: Mapping[str, np.ndarray], moved: Mapping[str, np.ndarray]
) -> Mistyped | None:
    """The first such step on the way to the wrong tensors; None where there is none, or two operators would do."""
    right = Values(tape, moved)
    led: dict[int, list[str]] = {}
    for name, step in first_alike(right, list(wrong), given).items():
        for made in behind(step, right):
            led.setdefault(made.index, []).append(name)
    for index in sorted(led):
        step = right.steps[index]
        if step.op == "sum" and _spreads(step, tape, right):
            return Mistyped(step.site, SUM, "", False, led[index])
        term = _of_other_share(step, right) if step.op == "add" else None
        if term is not None:
            return Mistyped(term.site, SHARE, "", False, led[index])
        sides = [right(side) for side in right.sources(step)] if step.op in MEANT else []
        found = [meant for meant in MEANT[step.op] if _fits(step, meant, right)] if any(sides) else []
        if len(found) == 1:
            derived = sum(sides) == 1
            return Mistyped(step.site, OPERATORS[step.op][0], OPERATORS[found[0]][0], derived, led[index])
    return None


def _spreads(step: Value, tape: Tape, right: Values) -> bool:
    """Whether a whole true gradient is summed, and the sum goes on to all that it was made of."""
    (source,) = step.nodes[0].inputs
    truth = right.truths.of(source.value)
    if truth is None or not truth.whole or source.value.size == step.value.size or step.value.size < FEWEST:
        return False
    users = [node for node in tape.nodes if step.nodes[0] in node.inputs]
    return any(node.op == "multiply" and node.shape == source.shape for node in users)


def _of_other_share(step: Value, right: Values) -> TapeNode | None:
    """The term of a sum that is a gradient times a value f of the forward pass, between 0 and 1, where the sum would be
    a whole true gradient with 1 - f, as that of a gate."""
    if len(step.nodes) > 1 or step.value.size < FEWEST:
        return None
    todo, terms = [step.nodes[0]], list[TapeNode]()
    while todo:
        node = todo.pop()
        inner = node.op == "add" and all(source.shape == node.shape for source in node.inputs)
        todo += node.inputs if inner else []
        terms += [] if inner or node.op != "multiply" or len(node.inputs) != 2 else [node]
    for term in terms:
        for gradient, factor in (term.inputs, term.inputs[::-1]):
            f = factor.value
            if factor.index not in right.forward or f.shape != step.value.shape or not np.ptp(f):
                continue
            if f.min() < 0 or f.max() > 1 or gradient.shape != f.shape:
                continue
            truth = right.truths.of(step.nodes[0].value + gradient.value * (1 - 2 * f))
            if truth is not None and truth.whole:
                return term
    return None


def _fits(step: Value, meant: str, right: Values) -> bool:
    """Whether the step would be a whole true gradient: of two arrays, each of which the pass computes."""
    node = step.nodes[0]
    if len(node.inputs) != 2 or any(not s.needs or s.value.size < 2 for s in node.inputs) or step.value.size < FEWEST:
        return False
    with np.errstate(all="ignore"):
        value = OPERATORS[meant][1](*(source.value for source in node.inputs))
    if not np.isfinite(value).all() or value.shape != step.value.shape or not np.ptp(value):
        return False
    truth = right.truths.of(value)
    return truth is not None and truth.whole


FEWEST = 3  # numbers: fewer are a multiple of a gradient by chance
