"""Mistakes at a product: a factor transposed, or one that is the value of something else or of an earlier time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pellucid.check.autopsy.hypothesis import Hypothesis, TapeCase, edges, line, on_edges, shape
from pellucid.check.mistakes import MISSING_STEP, OUTER_PRODUCT, STALE_VALUE, TRANSPOSE, UPDATED_TOO_EARLY
from pellucid.check.record.reverse import Change, backward
from pellucid.check.record.rules import ELEMENTWISE, einsum_vjp, matmul_vjp, unbroadcast
from pellucid.check.record.tape import Array, TapeNode


def transposes(case: TapeCase) -> Iterator[Hypothesis]:
    """`dA = g @ B` for `g @ B.T`, and its kin, where the shapes allow them."""
    for nodes, position in edges(case):
        if nodes[0].op not in ("matmul", "einsum"):
            continue
        for said, fits, function in TURNED:
            able = [node for node in nodes if fits(node, position)]
            if able:
                yield Hypothesis(
                    TRANSPOSE,
                    on_edges(able, position, function),
                    f"In the backward of {line(able[0])}, {said}.",
                    "for c = a @ b:  da = dc @ b.T,  db = a.T @ dc",
                    able[0],
                    1.1,
                )


def outers(case: TapeCase) -> Iterator[Hypothesis]:
    """A dot product, or products element by element, where each weight's gradient is a product of its own.

    Of z = x @ W the gradient of W is x.T @ dz, for one sample the outer product of x and dz.
    """
    for nodes, position in edges(case):
        node = nodes[0]
        if node.op not in ("matmul", "einsum", "multiply") or len(node.inputs) != 2:
            continue
        other = node.inputs[1 - position].value
        source = node.inputs[position]
        if source.op not in ("parameter", "move") or source.value.ndim < 2:
            continue
        for said, make in OUTERS:
            if make(other, node.value, source.shape, position) is not None:
                yield Hypothesis(
                    OUTER_PRODUCT,
                    on_edges(
                        nodes, position, lambda n, p, g, make=make: make(n.inputs[1 - p].value, g, n.inputs[p].shape, p)
                    ),
                    f"In the backward of {line(node)}, {said} stands where an outer product belongs.",
                    "dW = np.outer(x, dz), for rows of samples x.T @ dz",
                    node,
                    1.0,
                )


def _dotted(x: Array, g: Array, to: tuple[int, ...], position: int) -> Array | None:
    """One number for all weights."""
    return np.full(to, float((x.ravel() * g.ravel()).sum())) if x.size == g.size and g.size > 1 else None


def _one_number(x: Array, g: Array, to: tuple[int, ...], position: int) -> Array | None:
    return np.asarray((x.ravel() * g.ravel()).sum()) if x.size == g.size and g.size > 1 else None


def _by_element(x: Array, g: Array, to: tuple[int, ...], position: int) -> Array | None:
    """Element by element, repeated over the rows."""
    if x.size != g.size or g.size < 2:
        return None
    product = (x.squeeze() * g.squeeze()) if x.squeeze().shape == g.squeeze().shape else None
    if product is not None and product.ndim == 2:
        product = product.sum(axis=0)
    return None if product is None or product.shape != to[-1:] else np.broadcast_to(product, to) + 0.0


def _by_element_of_columns(x: Array, g: Array, to: tuple[int, ...], position: int) -> Array | None:
    found = _by_element(x, g, to[::-1], position)
    return None if found is None or len(to) != 2 else found.T


def _summed_first(x: Array, g: Array, to: tuple[int, ...], position: int) -> Array | None:
    """The outer product of sums over the samples, for the sum of outer products."""
    if x.ndim != 2 or g.ndim != 2:
        return None
    for axis in (0, 1):
        first, second = (x, g) if position else (g, x)
        outer = np.outer(first.sum(axis=axis), second.sum(axis=axis))
        if outer.shape == to and x.shape[axis] == g.shape[axis] > 1:
            return outer
    return None


OUTERS: tuple[tuple[str, Callable[[Array, Array, tuple[int, ...], int], Array | None]], ...] = (
    ("a dot product, one number for all weights,", _dotted),
    ("a dot product, one number for all weights,", _one_number),
    ("a product element by element", _by_element),
    ("a product element by element", _by_element_of_columns),
    ("a product of sums over the samples", _summed_first),
)


def _flip(array: Array) -> Array:
    return np.swapaxes(array, -1, -2)


def _square(array: Array) -> bool:
    return array.ndim >= 2 and array.shape[-1] == array.shape[-2]


# What is transposed; where the shapes allow it; what comes out.
TURNED: list[tuple[str, Callable[[TapeNode, int], bool], Callable[[TapeNode, int, Array], Any]]] = [
    (
        "the other factor is transposed where it must not be, or the reverse",
        lambda n, p: len(n.inputs) == 2 and _square(n.inputs[1 - p].value),
        lambda n, p, g: product(n, p, g, {1 - p: _flip(n.inputs[1 - p].value)}),
    ),
    (
        "the gradient of the product is transposed",
        lambda n, p: _square(n.value),
        lambda n, p, g: product(n, p, _flip(g), {}),
    ),
    (
        "the result is transposed",
        lambda n, p: _square(n.inputs[p].value),
        lambda n, p, g: _flip(product(n, p, g, {})),
    ),
]


def product(node: TapeNode, position: int, adjoint: Array, values: dict[int, Array]) -> Array:
    """The backward of a product, with other values for its factors."""
    factors = [values.get(i, source.value) for i, source in enumerate(node.inputs)]
    if node.op == "matmul":
        return matmul_vjp(factors[0], factors[1], position, adjoint)
    if node.op == "einsum":
        return einsum_vjp(node.attributes["spec"], factors, position, adjoint)
    copies = tuple(
        TapeNode(-1, source.op, (), {}, np.asarray(value), None, source.needs)
        for source, value in zip(node.inputs, factors, strict=True)
    )
    slope = ELEMENTWISE[node.op][position]([np.asarray(copy.value, float) for copy in copies], node.value)
    return unbroadcast(adjoint * slope, node.inputs[position].shape)


Groups = dict[Any, list[TapeNode]]
PRODUCTS = ("matmul", "einsum", "multiply", "divide")


def stale(case: TapeCase) -> Iterator[Hypothesis]:
    """A factor of a product is the value of another array of the same shape, or its own of an earlier state."""
    groups = case.groups()
    yield from _earlier_adjoints(case)
    for nodes, position in edges(case):
        node = nodes[0]
        if node.op not in PRODUCTS:
            continue
        for other, factor in enumerate(node.inputs):
            uses = other != position or node.op == "divide"
            if uses and factor.value.ndim:
                yield from _last_sample(case, nodes, position, other)
                yield from _neighbours(groups, nodes, position, other)
                yield from _earlier(case, nodes, position, other)
                yield from _one_for_all(nodes, position, other)
                if len(nodes) == 1:
                    yield from _others(case, node, position, other)


def too_early(case: TapeCase) -> Iterator[Hypothesis]:
    """A factor of a product is a parameter that the program has updated already."""
    moved: dict[int, Array] = {}
    names: dict[int, str] = {}
    for name, node in case.tape.parameters.items():
        new = case.updated.get(name)
        if new is not None and new.shape == node.shape and not np.array_equal(new, node.value):
            moved[node.index], names[node.index] = new, name
    for node in case.tape.useful():  # a transpose or a slice of it moves with it
        if node.op == "move" and node.inputs[0].index in moved:
            places = node.attributes["places"]
            values = moved[node.inputs[0].index].ravel()[np.maximum(places, 0)]
            moved[node.index] = np.where(places >= 0, values, node.value)
            names[node.index] = names[node.inputs[0].index]
    everything = Change()
    for nodes, position in edges(case) if moved else ():
        for other in range(len(nodes[0].inputs)):
            able = [node for node in nodes if len(node.inputs) > other and node.inputs[other].index in moved]
            if other == position or nodes[0].op not in PRODUCTS or not able:
                continue
            change = _with(able, position, other, [moved[node.inputs[other].index] for node in able])
            everything |= change
            name = names[able[0].inputs[other].index]
            yield _too_early(change, able[0], name, 1.3)
    if len(everything.edges) > 1:
        node = case.tape.nodes[min(index for index, _ in everything.edges)]
        yield _too_early(everything, node, "the later layers", 1.25)


def _too_early(change: Change, node: TapeNode, name: str, weight: float) -> Hypothesis:
    return Hypothesis(
        UPDATED_TOO_EARLY,
        change,
        f"The backward of {line(node)} uses {name} as it is after the update, not as the forward pass used it.",
        "compute all gradients first, then update",
        node,
        weight,
    )


def _last_sample(case: TapeCase, nodes: list[TapeNode], position: int, other: int) -> Iterator[Hypothesis]:
    """Every sample takes the values of one: a variable is left over from a loop."""
    factor = nodes[0].inputs[other]
    value = factor.value
    while factor.op == "move":
        factor = factor.inputs[0]
    if nodes[0].op != "matmul" or value.ndim != 2 or len(nodes) > 1 or factor.op == "parameter":  # which has no samples
        return
    for axis in (0, 1):
        if value.shape[axis] < 2 or value.shape[axis] not in case.sizes:
            continue
        for which, said in ((-1, "last"), (0, "first")):
            kept = np.broadcast_to(np.take(value, [which], axis=axis), value.shape)
            alone = np.zeros_like(value)
            index = (slice(None),) * axis + (which,)
            alone[index] = value[index]
            for filled, mistake, how in (
                (kept, STALE_VALUE, f"every sample takes the values of the {said}"),
                (alone, MISSING_STEP, f"only the {said} sample counts"),
            ):
                yield Hypothesis(
                    mistake,
                    _with(nodes, position, other, [np.asarray(filled)]),
                    f"In the backward of {line(nodes[0])}, {how}.",
                    "pair each sample's gradient with that sample's input, and add them up",
                    nodes[0],
                    0.95,
                )


def _earlier_adjoints(case: TapeCase) -> Iterator[Hypothesis]:
    """What comes from above is of an earlier state: the predictions in a cache, the parameters of now."""
    for tape in case.earlier:
        if [node.op for node in tape.nodes] != [node.op for node in case.tape.nodes]:
            continue
        way = backward(tape, case.way.change)
        for nodes in case.groups().values():
            past = [way.adjoints[node.index] for node in nodes if node.index in way.adjoints]
            shapes = [node.shape for node in nodes]
            if nodes[0].op == "parameter" or [value.shape for value in past] != shapes:
                continue
            yield Hypothesis(
                STALE_VALUE,
                Change(adjoints={n.index: (lambda adjoint, p=p: p) for n, p in zip(nodes, past, strict=True)}),
                f"The gradient of {line(nodes[0])} is computed from the values of an earlier call.",
                "compute the forward pass anew before each backward, and keep its values for that backward alone",
                nodes[0],
                0.8,
            )


def _with(nodes: list[TapeNode], position: int, other: int, values: list[Array]) -> Change:
    return Change(
        edges={
            (node.index, position): (lambda n, p, g, value=value: product(n, p, g, {other: value}))
            for node, value in zip(nodes, values, strict=True)
        }
    )


def _neighbours(groups: Groups, nodes: list[TapeNode], position: int, other: int) -> Iterator[Hypothesis]:
    """In a loop: the factor of the step before or after."""
    for step in (1, -1):
        values = [
            nodes[i + step].inputs[other].value if 0 <= i + step < len(nodes) else None for i in range(len(nodes))
        ]
        shapes = {node.inputs[other].shape for node in nodes}
        if len(nodes) < 2 or len(shapes) > 1:
            continue
        beyond = nodes[-1].inputs[other].value if step == 1 else nodes[0].inputs[other].value
        further = _next_value(groups, nodes, other) if step == 1 else None
        for fill in (beyond, np.zeros_like(beyond), further):
            if fill is None or fill.shape != beyond.shape:
                continue
            filled = [fill if value is None else value for value in values]
            if all(np.array_equal(v, n.inputs[other].value) for v, n in zip(filled, nodes, strict=True)):
                continue
            way = "next" if step == 1 else "previous"
            yield Hypothesis(
                MISSING_STEP,
                _with(nodes, position, other, filled),
                f"In the backward of {line(nodes[0])}, each step takes the value of the {way} step.",
                "pair the gradient of step t with the value that step t used",
                nodes[0],
                1.0,
            )


def _one_for_all(nodes: list[TapeNode], position: int, other: int) -> Iterator[Hypothesis]:
    """In a loop: every step takes the factor of the same one."""
    own = [node.inputs[other].value for node in nodes]
    if len(nodes) < 2 or len({value.shape for value in own}) > 1:
        return
    for value, said in ((own[0], "first"), (own[-1], "last")):
        if all(np.array_equal(value, factor) for factor in own):
            continue
        yield Hypothesis(
            STALE_VALUE,
            _with(nodes, position, other, [value] * len(nodes)),
            f"In the backward of {line(nodes[0])}, every step takes the value of the {said} one.",
            "pair the gradient of step t with the value that step t used",
            nodes[0],
            0.9,
        )


def _next_value(groups: Groups, nodes: list[TapeNode], other: int) -> Array | None:
    """What a further step would take: the last state of an RNN, made where the factors of the other steps were made."""
    used = [node.inputs[other] for node in nodes]
    made = groups.get((used[-1].site, used[-1].op), [])
    return made[-1].value if made and all(made[-1] is not step for step in used) else None


def _earlier(case: TapeCase, nodes: list[TapeNode], position: int, other: int) -> Iterator[Hypothesis]:
    for tape in case.earlier:
        if any(node.index >= len(tape.nodes) for node in nodes):
            continue
        same = [tape.nodes[node.index] for node in nodes]
        if any(len(old.inputs) <= other for old in same):
            continue
        factors = [old.inputs[other].value for old in same]
        own = [node.inputs[other].value for node in nodes]
        if any(f.shape != o.shape for f, o in zip(factors, own, strict=True)):
            continue
        if all(np.array_equal(f, o) for f, o in zip(factors, own, strict=True)):
            continue
        yield Hypothesis(
            STALE_VALUE,
            _with(nodes, position, other, factors),
            f"The backward of {line(nodes[0])} uses a value from an earlier call: input {other + 1} as it was then.",
            "compute the forward pass anew before each backward, and keep its values for that backward alone",
            nodes[0],
            1.2,
        )


def _others(case: TapeCase, node: TapeNode, position: int, other: int) -> Iterator[Hypothesis]:
    own = node.inputs[other]
    seen: list[Array] = [own.value]
    useful = {useful_node.index for useful_node in case.tape.useful()}
    for candidate in case.tape.nodes:
        if candidate.index not in useful and candidate.op != "constant":
            continue
        value = candidate.value
        if value.dtype.kind != "f" or value.ndim == 0 or candidate.op in ("assign",):
            continue
        for array, turned in ((value, ""), (value.T, " transposed")):
            if array.shape != own.shape or any(np.array_equal(array, useful_node) for useful_node in seen):
                continue
            seen.append(array)
            if array.shape == own.value.T.shape and np.array_equal(array, own.value.T):
                continue  # that is a transpose
            yield Hypothesis(
                STALE_VALUE,
                _with([node], position, other, [array]),
                f"The backward of {line(node)} uses another array of shape {shape(own)} for its input {other + 1}: "
                f"that of {line(candidate)}{turned}.",
                f"use what {line(node)} was computed from",
                node,
                (0.85 if candidate.needs or candidate.op == "constant" else 0.6) - (0.2 if turned else 0.0),
            )
