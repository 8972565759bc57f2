"""A product of a recorded backward pass that takes another value of the same shape than it should."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from pellucid.check.record.tape import Site, Tape, TapeNode
from pellucid.doctor.edits import statement_at
from pellucid.doctor.probes.lines import behind, first_alike
from pellucid.doctor.probes.truths import along
from pellucid.doctor.probes.values import Value, Values

MOST = 400  # values that are put in the place of one
PRODUCTS: dict[str, Callable[..., np.ndarray]] = {
    "matmul": lambda values, _: np.matmul(*values),
    "einsum": lambda values, node: np.einsum(node.attributes["spec"], *values),
}


MULTIPLY: dict[str, Callable[..., np.ndarray]] = {"multiply": lambda values, _: np.multiply(*values)}


class Exchanged:
    """A product that would be a true gradient with another value in the place of one that it takes."""

    def __init__(self, node: TapeNode, taken: TapeNode, meant: TapeNode, tensors: list[str]) -> None:
        self.site, self.taken, self.meant, self.tensors = node.site, taken, meant, tensors

    def said(self, files: Mapping[str, str]) -> tuple[str, str]:
        """What is wrong and what to write, by the names of the program."""
        taken, meant = (called(node.site, files) or "a value" for node in (self.taken, self.meant))
        where = f" of line {self.meant.site.line}" if self.meant.site is not None else ""
        shape = tuple(self.meant.shape)
        text = f"The product takes {taken} where it should take {meant}{where}: both have the shape {shape}."
        return text, f"take {meant} for {taken}"


def exchanged(
    tape: Tape,
    wrong: Iterable[str],
    given: Mapping[str, np.ndarray],
    moved: Mapping[str, np.ndarray],
    products: Mapping[str, Callable[..., np.ndarray]] = PRODUCTS,
) -> Exchanged | None:
    """The first such product on the way to the wrong tensors; None where no value, or more than one, would do."""
    right = Values(tape, moved)
    led, known = _led(right, wrong, given, products), _known(right)
    for index in sorted(led):
        found = _meant(right.steps[index], tape, right, known, products)
        if found is not None:
            return Exchanged(*found, led[index])
    return None


class Turned:
    """A product that would be a true gradient with one of its square operands turned over."""

    def __init__(self, node: TapeNode, taken: TapeNode, tensors: list[str]) -> None:
        self.site, self.taken, self.tensors = node.site, taken, tensors

    def said(self, files: Mapping[str, str]) -> tuple[str, str]:
        taken = called(self.taken.site, files) or "one of its operands"
        text = f"The product takes {taken} as it is, where it should take its transpose: square, it fits both ways."
        return text, f"take {taken}.T" if taken.isidentifier() else "turn that operand over: .T"


def turned(
    tape: Tape, wrong: Iterable[str], given: Mapping[str, np.ndarray], moved: Mapping[str, np.ndarray]
) -> list[Turned]:
    """Such products on the way to the wrong tensors, all of them: who forgets one .T forgets others."""
    right = Values(tape, moved)
    known = _known(right)
    found: list[Turned] = []
    led = _led(right, wrong, given)
    for index, names in [*led.items()]:  # what is a true gradient, too, as of rows that are all alike, may be meant for
        for source in right.sources(right.steps[index]):  # another one
            if source.op in PRODUCTS and source.nodes[0].index not in right.forward:
                led[source.index] = [*dict.fromkeys((*led.get(source.index, []), *names))]
    for index, names in sorted(led.items()):
        node = right.steps[index].nodes[0]
        for position, taken in enumerate(node.inputs):
            shape = taken.value.shape
            if len(shape) < 2 or shape[-1] != shape[-2] or shape[-1] < 2:
                continue
            values = [source.value for source in node.inputs]
            values[position] = np.swapaxes(taken.value, -1, -2)
            truth = right.truths.of(PRODUCTS[node.op](values, node))
            if truth is not None and truth.whole and not truth.nodes & known:
                found.append(Turned(node, taken, names))
                break
    return found


def _led(
    right: Values, wrong: Iterable[str], given: Mapping[str, np.ndarray], products: Collection[str] = PRODUCTS
) -> dict[int, list[str]]:
    """The products on the way to the wrong tensors that are no true gradients, each with these tensors."""
    led: dict[int, list[str]] = {}
    for name, step in first_alike(right, list(wrong), given).items():
        for made in (value for value in behind(step, right) if value.op in products):
            led.setdefault(made.index, []).append(name)
    return led


def _known(right: Values) -> frozenset[int]:
    """The nodes whose whole gradients the backward pass computes."""
    return frozenset[int]().union(*_gradients(right).values())


def _gradients(right: Values) -> dict[int, frozenset[int]]:
    """The steps of the backward pass that are whole gradients, each with the nodes that it is the gradient of."""
    made = [s for s in right.steps.values() if s.needs and s.value.size > 1 and s.nodes[0].index not in right.forward]
    told = [(s.nodes[0].index, truth) for s in made if (truth := right.truth(s)) is not None]
    return {index: truth.nodes for index, truth in told if truth.whole}


def _meant(
    step: Value,
    tape: Tape,
    right: Values,
    known: frozenset[int],
    products: Mapping[str, Callable[..., np.ndarray]],
) -> tuple[TapeNode, TapeNode, TapeNode] | None:
    """The product, what it takes, and what makes of it a gradient that is computed nowhere else."""
    node = step.nodes[0]
    found: list[tuple[TapeNode, TapeNode]] = []
    told = _gradients(right) if products is MULTIPLY else {}
    for position, taken in enumerate(node.inputs):
        if products is MULTIPLY and taken.index not in right.forward:
            continue
        for other in _alike(tape.nodes[: node.index], taken, products is MULTIPLY):
            if products is MULTIPLY and other.index not in told:
                continue
            value = other.value if other.shape == taken.shape else other.value.T
            values = [value if i == position else source.value for i, source in enumerate(node.inputs)]
            truth = right.truths.of(products[node.op](values, node))
            if truth is None or not truth.whole or truth.nodes & known:
                continue
            alike = (other.index in right.forward) == (taken.index in right.forward)
            if alike and (_made_of(other, taken) or _made_of(taken, other)):
                continue  # a step that is left out, or taken twice, is another mistake
            if not any(along(other.value, first.value) for _, first in found):
                found.append((taken, other))
    return (node, *found[0]) if len(found) == 1 else None


def _made_of(node: TapeNode, source: TapeNode) -> bool:
    todo, seen = [node], set[int]()
    while todo:
        here = todo.pop()
        if here.index == source.index:
            return True
        new = [n for n in here.inputs if n.index >= source.index and n.index not in seen]
        seen |= {n.index for n in new}
        todo += new
    return False


def _alike(nodes: list[TapeNode], taken: TapeNode, over: bool) -> Iterator[TapeNode]:
    """Other values of a shape, the latest first, and `over` those of it turned over; what is the same turned over is
    another mistake."""
    turned = taken.value.T if taken.value.ndim == 2 else None
    shapes = {taken.shape, taken.shape[::-1]} if over else {taken.shape}
    fitting = [n for n in reversed(nodes) if n.shape in shapes and n.value.size > 3 and n.site is not None]
    for other in fitting[:MOST]:
        same = turned is not None and other.shape == turned.shape and np.array_equal(other.value, turned)
        if not same and not np.array_equal(other.value, taken.value):
            yield other


def called(site: Site | None, files: Mapping[str, Any]) -> str | None:
    """The name that a line assigns its value to."""
    if site is None or site.file not in files:
        return None
    statement = statement_at(ast.parse(files[site.file]), site.line)
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name | ast.Attribute):
        return ast.unparse(statement.targets[0])
    return None
