"""A derivative in a recorded backward pass that is taken at another value of the same shape than it should: the program
multiplies a right gradient by s'(error), where s'(z) belongs."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from pellucid.check.record.rules import ELEMENTWISE
from pellucid.check.record.tape import Site, Tape, TapeNode
from pellucid.doctor.edits import statement_at
from pellucid.doctor.probes.lines import behind, first_alike
from pellucid.doctor.probes.substitute import called
from pellucid.doctor.probes.truths import along
from pellucid.doctor.probes.values import Values

FEWEST = 3  # numbers: fewer are a multiple of a gradient by chance
LONGEST = 12  # steps of a derivative
MOST = 200  # values that are put in the place of one


class Elsewhere:
    """A product that would be a true gradient with its derivative at another value."""

    def __init__(self, node: TapeNode, taken: TapeNode, meant: TapeNode, tensors: list[str]) -> None:
        self.site, self.taken, self.meant, self.tensors = node.site, taken, meant, tensors

    def said(self, files: Mapping[str, str]) -> tuple[str, str]:
        """What is wrong and what to write, by the names of the program."""
        taken, meant = (name_of(node.site, files) for node in (self.taken, self.meant))
        where = f" of line {self.meant.site.line}" if self.meant.site is not None and meant is None else ""
        meant = meant or f"the value{where}"
        text = f"The derivative is taken at {taken or 'another value'}, where it should be taken at {meant}."
        line = _with(self.site, taken, meant, files) if taken else None
        return text, line or f"take {meant} for {taken or 'it'} where this derivative is computed"


def _with(site: Site | None, taken: str, meant: str, files: Mapping[str, str]) -> str | None:
    """The statement with what the function of the derivative is given; None where several calls are given it."""
    statement = (
        statement_at(ast.parse(files[site.file]), site.line) if site is not None and site.file in files else None
    )
    calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)] if statement is not None else []
    given = [(node, i) for node in calls for i, value in enumerate(node.args) if ast.unparse(value) == taken]
    if statement is None or len(given) != 1 or ast.unparse(given[0][0].func).endswith(("multiply", "dot", "matmul")):
        return None
    call, at = given[0]
    call.args[at] = ast.parse(meant, mode="eval").body
    return ast.unparse(statement)


def elsewhere(
    tape: Tape, wrong: Iterable[str], given: Mapping[str, np.ndarray], moved: Mapping[str, np.ndarray]
) -> Elsewhere | None:
    """The first such product on the way to the wrong tensors; None where no value, or more than one, would do."""
    right = Values(tape, moved)
    led: dict[int, list[str]] = {}
    for name, step in first_alike(right, list(wrong), given).items():
        for made in (value for value in behind(step, right) if value.op == "multiply" and value.value.size >= FEWEST):
            led.setdefault(made.index, []).append(name)
    for index in sorted(led):
        node = right.steps[index].nodes[0]
        found = [pair for pair in _pairs(node, tape, right) if not _known(pair[1], right, node)]
        if found and all(along(found[0][1].value, other.value) for _, other in found):
            return Elsewhere(node, *found[0], led[index])
    return None


def _known(meant: TapeNode, right: Values, node: TapeNode) -> bool:
    return meant.index not in right.forward or meant.index > node.index


def _pairs(node: TapeNode, tape: Tape, right: Values) -> Iterator[tuple[TapeNode, TapeNode]]:
    """What a product's derivative takes, and what makes of the product a whole true gradient in its place."""
    if len(node.inputs) != 2 or node.inputs[0].shape != node.inputs[1].shape:
        return
    for gradient, factor in (node.inputs, node.inputs[::-1]):
        truth = right.truths.of(gradient.value)
        if truth is None or not truth.whole or gradient.index in right.forward or factor is gradient:
            continue
        fitting = [n for n in tape.useful() if n.shape == factor.shape and n.site is not None and n.index < node.index]
        for taken in _leaves(factor, right):
            for meant in fitting[-MOST:]:
                if meant is taken or np.array_equal(meant.value, taken.value):
                    continue
                with np.errstate(all="ignore"):
                    value = gradient.value * _at(factor, taken, meant.value)
                found = right.truths.of(value) if np.isfinite(value).all() else None
                if found is not None and found.whole and not found.nodes & truth.nodes:
                    yield taken, meant


def _leaves(factor: TapeNode, right: Values) -> list[TapeNode]:
    """What a derivative is computed from, step by step of each element: its values of the forward pass, and gradients
    that are right by themselves."""
    todo, leaves, seen = [factor], list[TapeNode](), set[int]()
    while todo and len(seen) < LONGEST:
        node = todo.pop()
        if node.index in seen or node.shape != factor.shape or node.op in ("constant", "parameter"):
            continue
        seen.add(node.index)
        inner = node.op in ELEMENTWISE and hasattr(np, node.op) and node.index not in right.forward
        if inner and (node is factor or right.truths.of(node.value) is None):
            todo += node.inputs
        else:
            leaves.append(node)
    return leaves


def _at(node: TapeNode, taken: TapeNode, value: np.ndarray) -> Any:
    """A step of a derivative with another value in the place of the one that it takes."""
    if node is taken:
        return value
    if node.op not in ELEMENTWISE or not hasattr(np, node.op) or node.index < taken.index:
        return node.value
    return getattr(np, node.op)(*(_at(source, taken, value) for source in node.inputs))


def name_of(site: Site | None, files: Mapping[str, Any]) -> str | None:
    """The name that a line assigns a value to, or one that calls the function which returns it."""
    name = called(site, files)
    calls = site.calls if site is not None and name is None else ()
    for code, instruction in zip(calls[::2], calls[1::2], strict=False):
        name = name or called(Site(code.co_filename, instruction // 10_000**2, 0), files)
    return name
