"""Mistakes along one path: a factor, a sign, a term left out, a sum over what was broadcast, a step of a loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from pellucid.check.autopsy.hypothesis import Hypothesis, Said, TapeCase, edges, line, on_edges
from pellucid.check.mistakes import (
    BATCH_FACTOR,
    CONSTANT_FACTOR,
    DROPPED_TERM,
    MISSING_BROADCAST_SUM,
    MISSING_STEP,
    SIGN,
)
from pellucid.check.record.reverse import Change
from pellucid.check.record.rules import ELEMENTWISE, broadcast_axes, derivative, unbroadcast, vjp
from pellucid.check.record.tape import Array, TapeNode

MOST_TERMS = 30  # paths of which two are left out at once


def factors(case: TapeCase) -> Iterator[Hypothesis]:
    """A step's contribution is left out, has the opposite sign, or is off by a constant."""
    for nodes, position in edges(case):
        node = nodes[0]
        term = f"the path through input {position + 1} of `{node.op}`"

        def called(factor: float, node: TapeNode = node, position: int = position, term: str = term) -> Said:
            mistake, said, weight = _called(case, node, position, factor)
            return mistake, f"Of {line(node)}: {said.format(term=term)}.", _how(node, position, factor), weight

        yield Hypothesis(
            DROPPED_TERM,
            on_edges(nodes, position, lambda n, p, g: None),
            f"Of {line(node)}: {term} is left out of the gradient.",
            _how(node, position, 0.0),
            node,
            0.8,
            None if _nested(nodes) else called,
        )
        for factor in (-1.0, 2.0, 0.5) if _nested(nodes) and node.op != "assign" else ():
            mistake, explanation, fix, weight = called(factor)
            change = on_edges(nodes, position, lambda n, p, g, factor=factor: _scaled(n, p, g, factor))
            yield Hypothesis(mistake, change, explanation, fix, node, weight)


def _scaled(node: TapeNode, position: int, adjoint: Array, factor: float) -> Array | None:
    own = vjp(node, position, adjoint)
    return None if own is None else own * factor


def _nested(nodes: list[TapeNode]) -> bool:
    """Whether one pass of a loop is computed from the one before: a factor at each then counts several times."""
    if len(nodes) < 2:
        return False
    first, seen, todo = nodes[0].index, set[int](), [nodes[1]]
    while todo:
        node = todo.pop()
        if node.index == first:
            return True
        if node.index > first and node.index not in seen and node.needs:
            seen.add(node.index)
            todo += node.inputs
    return False


def _called(case: TapeCase, node: TapeNode, position: int, factor: float) -> tuple[str, str, float]:
    """What it is called when a step's contribution is multiplied by a factor."""
    sizes = set(case.sizes) | {round(node.attributes.get("mean", 0))}
    scale, kind = _scale(case, node, position, sizes)
    if scale and math.isclose(factor, 1 / scale, rel_tol=1e-4):
        return kind, f"its factor {_number(scale)} is missing on the way back", 1.1 if kind == DROPPED_TERM else 0.85
    if scale and math.isclose(factor, scale, rel_tol=1e-4):
        return (
            BATCH_FACTOR if kind == BATCH_FACTOR else CONSTANT_FACTOR,
            f"its factor {_number(scale)} is there twice on the way back",
            0.85,
        )
    if math.isclose(factor, -1.0, rel_tol=1e-4):
        return SIGN, "{term} has the opposite sign", 0.7
    if any(size > 2 and math.isclose(max(factor, 1 / factor), size, rel_tol=1e-4) for size in sizes if factor > 0):
        return BATCH_FACTOR, f"{{term}} is off by the factor {_number(factor)}", 0.55
    if math.isclose(factor, 2.0, rel_tol=1e-4) or math.isclose(factor, 0.5, rel_tol=1e-4):
        return CONSTANT_FACTOR, f"{{term}} is off by the factor {_number(factor)}", 0.6
    return CONSTANT_FACTOR, f"{{term}} is off by the factor {_number(factor)}", 0.3


def _scale(case: TapeCase, node: TapeNode, position: int, sizes: set[int]) -> tuple[float, str]:
    """A constant that scales on the way forward scales on the way back: which, and what it is called to forget it."""
    if node.op not in ("multiply", "divide", "power", "square"):
        return 0.0, ""
    slope = derivative(node, position)
    if slope.size != 1 or any(source.needs for i, source in enumerate(node.inputs) if i != position):
        return 0.0, ""
    scale = abs(float(slope.ravel()[0]))
    if not scale or math.isclose(scale, 1.0):
        return 0.0, ""
    if any(math.isclose(scale, size) or math.isclose(scale, 1 / size) for size in sizes if size > 2):
        return scale, BATCH_FACTOR
    root = any(math.isclose(scale, 1 / math.sqrt(d)) or math.isclose(scale, math.sqrt(d)) for d in _dims(case))
    return scale, DROPPED_TERM if root and _before_softmax(case, node) else CONSTANT_FACTOR


def _before_softmax(case: TapeCase, node: TapeNode) -> bool:
    """Whether an exponential is taken soon after: then the scale is that of attention's scores."""
    ahead = {node.index}
    for later in case.tape.useful():
        if any(source.index in ahead for source in later.inputs):
            if later.op == "exp":
                return True
            if later.op in ("add", "subtract", "where", "multiply", "divide", "move", "max", "assign"):
                ahead.add(later.index)
    return False


def terms(case: TapeCase) -> Iterator[Hypothesis]:
    """Two paths at once are left out: batch norm whose mean and variance are both taken for constants."""
    used: dict[int, int] = {}
    for node in case.tape.useful():
        for source in node.inputs:
            used[source.index] = used.get(source.index, 0) + 1
    several = [(nodes, p) for nodes, p in edges(case) if any(used[node.inputs[p].index] > 1 for node in nodes)]
    for path, other in combinations(several[:MOST_TERMS], 2):
        change = on_edges(path[0], path[1], lambda n, p, g: None) | on_edges(other[0], other[1], lambda n, p, g: None)
        first, second = line(path[0][0]), line(other[0][0])
        where = first if first == second else f"{first} and of {second}"
        yield Hypothesis(
            DROPPED_TERM,
            change,
            f"Two paths are left out of the gradient, those of {where}: what they compute is taken for a constant.",
            "add what goes back through each: where an array is used in several places, its gradients are summed",
            path[0][0],
            0.7,
        )


def _dims(case: TapeCase) -> set[int]:
    return {n for node in case.tape.nodes for n in node.shape if n > 1}


def _number(value: float) -> str:
    return f"1/{round(1 / value)}" if 0 < value < 1 and math.isclose(1 / value, round(1 / value)) else f"{value:.6g}"


def _how(node: TapeNode, position: int, factor: float) -> str:
    what = f"the gradient through `{node.op}`"
    if factor == 0:
        return f"add {what} to the others: where an array is used in several places, its gradients are summed"
    if factor == -1:
        return f"change the sign of {what}"
    return f"divide {what} by {_number(factor)}"


def broadcasts(case: TapeCase) -> Iterator[Hypothesis]:
    """Where the forward pass repeated an array, its gradient is a sum over the repetitions."""
    for nodes, position in edges(case):
        node, source = nodes[0], nodes[0].inputs[position]
        if node.op not in ELEMENTWISE or source.shape == node.shape:
            continue
        axes = broadcast_axes(node.shape, source.shape)
        count = math.prod(node.shape[axis] for axis in axes)

        def raw(n: TapeNode, p: int, g: Array) -> Array:
            return g * derivative(n, p)

        def averaged(n: TapeNode, p: int, g: Array, count: int = count) -> Array | None:
            own = vjp(n, p, g)
            return None if own is None else own / count

        where, sum_of = line(node), f"sum(axis={axes[0] if len(axes) == 1 else axes})"
        told = f"{where} broadcasts {source.shape} to {node.shape}, so its gradient is summed over axis {axes}"
        yield Hypothesis(
            MISSING_BROADCAST_SUM,
            on_edges(nodes, position, raw),
            f"{told}; here it is not summed.",
            f"append .{sum_of}",
            node,
            1.2,
        )
        if count not in case.sizes:
            yield Hypothesis(
                MISSING_BROADCAST_SUM,
                on_edges(nodes, position, averaged),
                f"{told}; here it is averaged.",
                f"write .{sum_of} for .mean(…)",
                node,
                1.1,
            )
        for which, said in ((0, "first"), (-1, "last")):
            yield Hypothesis(
                MISSING_BROADCAST_SUM,
                on_edges(nodes, position, lambda n, p, g, which=which, axes=axes: _one_of(n, p, g, which, axes)),
                f"{told}; here only the {said} is taken.",
                f"append .{sum_of}",
                node,
                1.0,
            )
        for axis in axes:
            for which, said in ((0, "first"), (-1, "last")):
                yield Hypothesis(
                    MISSING_STEP,
                    on_edges(
                        nodes,
                        position,
                        lambda n, p, g, axis=axis, which=which: _all_but(n, p, g, axis, which),
                    ),
                    f"{told}; here the {said} along axis {axis} is left out.",
                    f"append .{sum_of}, over all of them",
                    node,
                    0.9,
                )
        for wrong in _other_axes(node.shape, axes):
            fits = math.prod(n for i, n in enumerate(node.shape) if i not in wrong) == source.value.size
            if fits or source.op == "parameter":
                yield Hypothesis(
                    MISSING_BROADCAST_SUM,
                    on_edges(
                        nodes,
                        position,
                        lambda n, p, g, wrong=wrong, fits=fits: _summed(
                            raw(n, p, g), wrong, n.inputs[p].shape if fits else None
                        ),
                    ),
                    f"{told}; here it is summed over axis {wrong}.",
                    f"write .{sum_of}",
                    node,
                    1.1,
                )
    yield from _overwritten(case)


def _one_of(node: TapeNode, position: int, adjoint: Array, which: int, axes: tuple[int, ...]) -> Array:
    value = adjoint * derivative(node, position)
    for axis in sorted(axes, reverse=True):
        value = np.take(value, which, axis=axis)
    return value.reshape(node.inputs[position].shape)


def _all_but(node: TapeNode, position: int, adjoint: Array, axis: int, which: int) -> Array:
    return unbroadcast(_without(adjoint * derivative(node, position), axis, which), node.inputs[position].shape)


def _summed(value: Array, axes: tuple[int, ...], shape: tuple[int, ...] | None) -> Array:
    return value.sum(axis=axes, keepdims=True) if shape is None else value.sum(axis=axes).reshape(shape)


def _other_axes(big: tuple[int, ...], right: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Axes that could be summed by mistake."""
    for count in range(1, len(big) + 1):
        for axes in combinations(range(len(big)), count):
            if axes != right and math.prod(big[i] for i in axes) > 1:
                yield axes


def _overwritten(case: TapeCase) -> Iterator[Hypothesis]:
    """`db[f] = …` for `db[f] += …`: of several uses of an element, only one reaches its gradient."""
    for nodes, position in edges(case):
        node = nodes[0]
        if node.op == "move" and node.inputs[0].value.size:
            places = node.attributes["places"].ravel()
            known = places[places >= 0]
            if len(np.unique(known)) < len(known):
                yield Hypothesis(
                    MISSING_BROADCAST_SUM,
                    on_edges(nodes, position, _last_of_each),
                    f"{line(node)} takes some elements several times; only the last gradient of each stays.",
                    "np.add.at(dx, index, dy): with dx[index] += dy, an index that is there twice counts once",
                    node,
                    1.1,
                )
        if len(nodes) < 2 or not all(_is_parameter(use.inputs[position]) for use in nodes):
            continue
        for order, said in ((nodes, "last"), (nodes[::-1], "first")):
            kept = {_elements(use.inputs[position]): use.index for use in order}
            lost = [use for use in nodes if kept[_elements(use.inputs[position])] != use.index]
            if lost:
                yield Hypothesis(
                    MISSING_BROADCAST_SUM if node.op == "add" else MISSING_STEP,
                    on_edges(lost, position, lambda n, p, g: None),
                    f"The loop uses {line(node)} {len(nodes)} times; of what goes back only the {said} pass stays.",
                    "sum over the passes: += for =",
                    node,
                    1.0,
                )


def _elements(node: TapeNode) -> tuple[int, bytes]:
    """Which elements of a parameter a node is."""
    found = b""
    while node.op == "move":
        found += node.attributes["places"].tobytes()
        node = node.inputs[0]
    return node.index, found


def _last_of_each(node: TapeNode, position: int, adjoint: Array) -> Array:
    places = node.attributes["places"].ravel()
    result = np.zeros(node.inputs[0].value.size)
    result[places[places >= 0]] = adjoint.ravel()[places >= 0]
    return result.reshape(node.inputs[0].shape)


def steps(case: TapeCase) -> Iterator[Hypothesis]:
    """A pass of a loop is left out: its share of the parameters' gradients, or all that goes back through it."""
    groups = [nodes for nodes in case.loops().values() if len(nodes) > 1]
    lengths = sorted({len(nodes) for nodes in groups if len(nodes) <= 64})
    for length in lengths:
        together = [nodes for nodes in groups if len(nodes) == length]
        for which, said in _passes(length):
            shares: Change = Change()
            for nodes in together:
                for position, source in enumerate(nodes[which].inputs):
                    if _is_parameter(source):
                        shares.edges[nodes[which].index, position] = lambda n, p, g: None
            node = together[0][which]
            if shares.edges:
                yield Hypothesis(
                    MISSING_STEP,
                    shares,
                    f"The {said} of the {length} steps of the loop at {line(node)} adds nothing to the gradients.",
                    f"let the backward loop go over all {length} steps",
                    node,
                    1.0,
                )
            closed = Change(adjoints={nodes[which].index: np.zeros_like for nodes in together})
            yield Hypothesis(
                MISSING_STEP,
                closed,
                f"The backward loop leaves out the {said} of the {length} steps at {line(node)}.",
                f"let the backward loop go over all {length} steps",
                node,
                1.05,
            )
    for nodes, position in edges(case, case.loops()):
        if len(nodes) > 1 and nodes[0].op != "assign":
            for which, said in _passes(len(nodes)):
                node = nodes[which]
                yield Hypothesis(
                    MISSING_STEP,
                    Change(edges={(node.index, position): lambda n, p, g: None}),
                    f"The {said} pass of {line(node)} is left out of the gradient.",
                    f"let the backward loop go over all {len(nodes)} passes",
                    node,
                    0.75,
                )


def _passes(length: int) -> Iterator[tuple[int, str]]:
    yield 0, "first"
    yield length - 1, "last"
    if length <= 12:
        yield from ((k, f"{k + 1}th") for k in range(1, length - 1))


def _is_parameter(node: TapeNode) -> bool:
    while node.op == "move" and node.inputs:
        node = node.inputs[0]
    return node.op == "parameter"


def _without(array: Array, axis: int, which: int) -> Array:
    rest = np.array(array)
    rest[(slice(None),) * axis + (which,)] = 0
    return rest


def slices(case: TapeCase) -> Iterator[Hypothesis]:
    """A slice of what goes back is left out, or everything is shifted by one: a time step, a row of windows."""
    whole = {node.inputs[0].index for node in case.tape.useful() if node.op == "assign"}  # written to again later
    alone = [nodes[0] for nodes in case.groups().values() if len(nodes) == 1 or nodes[0].op == "assign"]
    alone += [nodes[-1] for nodes in case.groups().values() if len(nodes) > 1 and nodes[0].op == "assign"]
    for node in alone:
        if node.op == "parameter" or node.index in whole:
            continue
        for axis, length in enumerate(node.shape):
            if length < 2:
                continue
            for which, said in ((0, "first"), (-1, "last")):
                yield Hypothesis(
                    MISSING_STEP,
                    Change(adjoints={node.index: lambda a, axis=axis, which=which: _without(a, axis, which)}),
                    f"The {said} of {length} slices along axis {axis} of {line(node)} is left out on the way back.",
                    f"let the backward pass go over all {length} of them",
                    node,
                    0.7,
                )
            for step in (1, -1):

                def shifted(adjoint: Array, axis: int = axis, step: int = step, around: bool = False) -> Array:
                    moved = np.roll(adjoint, step, axis)
                    if not around:
                        moved[(slice(None),) * axis + (0 if step == 1 else -1,)] = 0
                    return moved

                for around in (False, True):
                    yield Hypothesis(
                        MISSING_STEP,
                        Change(adjoints={node.index: lambda a, f=shifted, around=around: f(a, around=around)}),
                        f"What goes back into {line(node)} is shifted by one along axis {axis}.",
                        "pair each step with its own gradient, not its neighbour's",
                        node,
                        0.5,
                    )
