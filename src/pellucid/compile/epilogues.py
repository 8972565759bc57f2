"""Sums that a product begins with: a bias for each column, and a matrix that it is added to.

    P = matmul(A, B); loop: Q = add(P, bias); R = add(Q, X)  ->  R = A · B + bias + X, in the product's kernel

The loop is then no loop of its own: what the product leaves is its result.
"""

from __future__ import annotations

from typing import NamedTuple

from .graph import Graph, Node, Value
from .passes.fusion import Loop


class Epilogue(NamedTuple):
    """The loop behind a product, the product's value as it reads it, and what it adds."""

    loop: Loop
    product: Value
    bias: Value | None
    matrix: Value | None


def epilogues(graph: Graph) -> dict[int, Epilogue]:
    """By the `id` of a product's node."""
    makers = {id(value): node for node in graph.nodes for value in node.outputs}
    at = {id(node): i for i, node in enumerate(graph.nodes)}
    readers: dict[int, int] = {}
    for value in (*graph.escaping(), *(value for node in graph.nodes for value in node.reads())):
        readers[id(value)] = readers.get(id(value), 0) + 1
    handed_out = {value.memory for value in graph.escaping()}

    def product_of(value: Value) -> Node | None:
        """The product that a value is, if only the loop has it."""
        node = makers.get(id(value))
        while node is not None and node.alias and node.name in ("reshape", "view") and readers[id(value)] == 1:
            value = node.args[0]
            node = makers.get(id(value))
        fits = node is not None and node.name == "matmul" and len(node.args) == 2 and len(value.shape) == 2
        return node if fits and readers[id(value)] == 1 else None

    found: dict[int, Epilogue] = {}
    for loop in graph.nodes:
        if not isinstance(loop, Loop) or loop.sums or len(loop.outputs) != 1:
            continue
        terms = _terms(loop)
        if terms is None or loop.outputs[0].memory in handed_out:
            continue
        for product in terms:
            node = product_of(product) if product.shape == loop.shape else None
            if node is None or id(node) in found or product.memory in handed_out:
                continue
            others = [term for term in terms if term is not product]
            between = graph.nodes[at[id(node)] : at[id(loop)]]
            late = any(value is term for each in between for value in each.outputs for term in others)
            changed = {value.memory for each in between for value in each.writes}
            if late or any(term.memory in changed for term in others):
                continue
            biases = [term for term in others if term.shape == loop.shape[-1:]]
            matrices = [term for term in others if term.shape == loop.shape and len(loop.shape) > 1]
            if len(biases) + len(matrices) == len(others) and max(len(biases), len(matrices)) == 1:
                matrix = matrices[0] if matrices else None
                found[id(node)] = Epilogue(loop, product, biases[0] if biases else None, matrix)
                break
    return found


def _terms(loop: Loop) -> list[Value] | None:
    """What a loop adds up, each once; None where it does something else."""
    terms: list[Value] = []
    made: list[Value] = []
    for node in loop.body:
        if node.name != "add" or node.kwargs.get("alpha", 1) != 1 or len(node.args) != 2:
            return None
        for each in node.args:
            if not isinstance(each, Value):
                return None
            if made and each is made[-1]:
                continue
            if any(each is value for value in (*made, *terms)) or each.size == 1:
                return None
            terms.append(each)
        made.append(node.outputs[0])
    ends = len(terms) == len(loop.body) + 1 and loop.outputs[0] is made[-1]
    return terms if ends and len(terms) <= 3 else None
