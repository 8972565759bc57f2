"""The order in which an engine of the program's own hands its gradients on, and what was in them before.

When the program's `backward` returns, its graph is gone through once more, in an order in which each node comes after
all that it is used in, by the rules of its own ops. What comes out is the gradient as it should be, if the rules are
right; that it is the slope of the root is tried out along one direction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from pellucid.doctor.probes.nodes import number
from pellucid.doctor.process.lab import Lab, PassOutcome, PassRun, Work
from pellucid.doctor.process.paths import Scope, attributes, is_node

MOST_NODES = 400_000
EXACT = 1e-6  # by which two orders of the same sums may differ
SLOPE = 1e-3  # by which a difference may differ from a slope
STEP = 1e-5  # of the size of the parameters


@dataclass
class Tape:
    """What the first call of `backward` in a pass left in the parameters.

    Attributes:
        start, given: the gradients before it and after it, by parameter.
        true: what the rules of the ops make of them in the right order; nothing where the graph is not known.
        root: the number that the gradients are of.
    """

    start: dict[str, np.ndarray] = field(default_factory=dict)
    given: dict[str, np.ndarray] = field(default_factory=dict)
    true: dict[str, np.ndarray] = field(default_factory=dict)
    root: float = float("nan")
    said: str = ""


def order(lab: Lab, names: list[str]) -> Work:
    """In a laboratory: "accumulated", "zero-gradient" or "dropped-term", or "right"; "" where it is not known."""
    plain: PassOutcome = yield from _run(lab, names, {}, whole=True)
    tape: Tape = plain.said
    if not tape.true or not all(np.isfinite(values).all() for values in (*tape.true.values(), *tape.given.values())):
        return ""
    if _alike(tape.given, tape.true):
        return "right"
    summed = {name: tape.true[name] + tape.start[name] for name in names}
    if _alike(tape.given, summed):
        return "accumulated" if _unchanged(tape, plain, lab) else ""
    rng = np.random.default_rng(5)
    step = {name: STEP * max(_size(plain.before[name]), 1e-2) for name in names}
    way = {name: step[name] * rng.choice([-1.0, 1.0], plain.before[name].shape) for name in names}
    up: PassOutcome = yield from _run(lab, names, {name: plain.before[name] + way[name] for name in names})
    down: PassOutcome = yield from _run(lab, names, {name: plain.before[name] - way[name] for name in names})
    slope = (up.said.root - down.said.root) / 2
    true, given = (sum(float(side[name] @ way[name]) for name in names) for side in (tape.true, tape.given))
    size = sum(float(np.abs(tape.true[name] * way[name]).sum()) for name in names)
    if size == 0 or not abs(slope - true) <= SLOPE * size or abs(slope - given) <= SLOPE * size:
        return ""
    return "dropped-term" if any(values.any() for values in tape.given.values()) else "zero-gradient"


def _run(lab: Lab, names: list[str], values: dict[str, np.ndarray], whole: bool = False) -> Work:
    """A pass whose first `backward` is looked at; with `whole`, its graph is gone through."""
    tape = Tape()
    patched: list[tuple[type, Any]] = []

    def before(scope: Scope) -> None:
        nodes = {name: [scope.get(path[:-1]) for path in lab.groups[name].paths] for name in names}
        for kind in {type(node) for held in nodes.values() for node in held}:
            own = vars(kind).get("backward")
            if isinstance(own, FunctionType):
                patched.append((kind, own))
                kind.backward = _looking(own, nodes, tape, whole)  # type: ignore[attr-defined]

    def after(scope: Scope) -> Tape:
        for kind, own in patched:
            kind.backward = own  # type: ignore[attr-defined]
        return tape

    outcome = yield PassRun(values, before=before, after=after)
    return outcome


def _looking(own: Any, nodes: dict[str, list[Any]], tape: Tape, whole: bool) -> Any:
    def backward(root: Any, *args: Any, **named: Any) -> Any:
        if tape.said:
            return own(root, *args, **named)
        tape.said = "seen"
        tape.root = float(np.sum(number(root)))
        if not whole or args or named:
            return own(root, *args, **named)
        tape.start = {name: _gradients(held) for name, held in nodes.items()}
        returned = own(root)
        tape.given = {name: _gradients(held) for name, held in nodes.items()}
        tape.true = gradients(root, nodes)
        return returned

    return backward


def gradients(root: Any, wanted: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    """The gradient of a node by others, by the rules of the ops alone; nothing where they are not known."""
    nodes = in_order(root)
    if nodes is None or len(nodes) < 2:
        return {}
    kept = {id(node) for several in wanted.values() for node in several}
    held = [(node, node.grad) for node in nodes]
    totals: dict[int, Any] = {id(root): np.ones(np.shape(number(root)))}
    try:
        for node in reversed(nodes):
            total = totals.get(id(node)) if id(node) in kept else totals.pop(id(node), None)
            push, inputs = _push(node), list(parents(node))
            if total is None or not inputs:
                continue
            if push is None:
                return {}
            for source in inputs:
                source.grad = _zeros(source)
            node.grad = total if isinstance(number(node), np.ndarray) else float(total)
            for source, added in push(inputs):
                before = totals.get(id(source))
                totals[id(source)] = added if before is None else before + added
        return {
            name: np.concatenate([np.ravel(totals.get(id(node), _zeros(node))) for node in several]).astype(float)
            for name, several in wanted.items()
        }
    except Exception:  # noqa: BLE001 (an engine of another kind)
        return {}
    finally:
        for node, grad in held:
            node.grad = grad


def in_order(root: Any) -> list[Any] | None:
    """All nodes that a node comes from, each after those that it comes from; None where they go round in a circle."""
    found: list[Any] = []
    state: dict[int, int] = {id(root): 1}  # 1: begun, 2: done
    stack = [(root, parents(root))]
    while stack:
        node, more = stack[-1]
        source = next(more, None)
        if source is None:
            stack.pop()
            state[id(node)] = 2
            found.append(node)
        elif id(source) not in state:
            if len(state) >= MOST_NODES:
                return None
            state[id(source)] = 1
            stack.append((source, parents(source)))
        elif state[id(source)] == 1:
            return None
    return found


def parents(node: Any) -> Iterator[Any]:
    """The nodes that a node was made of: those that it holds, each once."""
    seen = {id(node)}
    for _, value in attributes(node):
        held: Any = value if isinstance(value, list | tuple | set | frozenset) else (value,)
        for item in held:
            first = item[0] if isinstance(item, tuple) and item else item
            if id(first) not in seen and not isinstance(first, type | FunctionType) and is_node(first):
                seen.add(id(first))
                yield first


def _push(node: Any) -> Any:
    """The rule by which a node hands its gradient on: `push(inputs)` gives what is added to each of them."""
    for _, value in attributes(node):
        if isinstance(value, FunctionType) and value.__closure__:
            rule, count = value, value.__code__.co_argcount - len(value.__defaults__ or ())

            def by_closure(inputs: list[Any], rule: Any = rule, count: int = count) -> list[tuple[Any, Any]]:
                rule(*([node.grad] if count else []))
                return [(source, np.array(source.grad, dtype=float)) for source in inputs]

            return by_closure
        if isinstance(value, list | tuple) and value and all(isinstance(p, tuple) and len(p) == 2 for p in value):
            pairs: list[Any] = list(value)
            if all(is_node(source) for source, _ in pairs):

                def by_pairs(inputs: list[Any], pairs: list[Any] = pairs) -> list[tuple[Any, Any]]:
                    return [(s, local(node.grad) if callable(local) else local * node.grad) for s, local in pairs]

                return by_pairs
    return None


def _zeros(node: Any) -> Any:
    value = number(node)
    return np.zeros(np.shape(value)) if isinstance(value, np.ndarray) else 0.0


def _gradients(nodes: list[Any]) -> np.ndarray:
    return np.concatenate(
        [np.ravel(np.array(node.grad if node.grad is not None else _zeros(node), dtype=float)) for node in nodes]
    )


def _unchanged(tape: Tape, plain: PassOutcome, lab: Lab) -> bool:
    """Whether the pass moved the parameters by the whole of what is in their gradients."""
    moves = [plain.after[name] - plain.before[name] for name in tape.given]
    update, gradient = np.concatenate(moves), np.concatenate([tape.given[name] for name in tape.given])
    size = float(np.linalg.norm(update) * np.linalg.norm(gradient))
    return size > 0 and abs(float(update @ gradient)) > (1 - EXACT) * size


def _alike(first: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    size = max(float(np.abs(values).max(initial=0.0)) for values in (*first.values(), *other.values()))
    return all(np.abs(first[name] - other[name]).max(initial=0.0) <= EXACT * size for name in first)


def _size(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values * values)))
