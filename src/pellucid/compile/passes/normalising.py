"""Normalising: the loop after a normalisation, and the one before its gradient, become part of its kernel.

    y = batch_norm(x); z = relu(y + past)               ->  z = batch_norm(x) and then the loop, number by number
    g = threshold_backward(g, z); normalize_gradients(g)  ->  normalize_gradients of what the loop makes of each number

What is in between is neither stored nor read. Where the kernel does not run (other dtypes, few numbers, an array that
lies otherwise), the op runs as it does in eager mode, and the applications of the loop one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeGuard

from pellucid.backend import Array
from pellucid.kernels import rows
from pellucid.kernels.emitter import Emitter
from pellucid.kernels.emitter import Value as Scalar

from ..graph import Graph, Node, Value
from ..scalars import through
from .fusion import Loop, is_number

_NORMS = ("batch_norm", "layer_norm")


class Joined(Node):
    """A node with a loop behind its first output, or in front of its first argument."""

    __slots__ = ("each", "loop")

    def __init__(
        self, node: Node, each: Each, args: tuple[Any, ...], outputs: tuple[Value, ...], run: Callable[..., Any]
    ) -> None:
        super().__init__(node.name, args, outputs, op=node.op, kwargs=node.kwargs, forward=run, xp=node.xp)
        self.each, self.loop = each, each.loop

    def __str__(self) -> str:
        return "\n".join([super().__str__() + " with", *("    " + line for line in self.loop.lines())])


class Each:
    """What the loop makes of one number of each of `given`: in a kernel, and of whole arrays by NumPy."""

    def __init__(self, loop: Loop, given: list[Value]) -> None:
        self.loop, self.given = loop, given
        self.expression = rows.Expression(self._text(), len(given), self._emit)

    def _text(self) -> str:
        names = {id(value): f"x{i}" for i, value in enumerate(self.given)}
        lines: list[str] = []
        for node in self.loop.body:
            args = [self._number(each) if isinstance(each, Value) and is_number(each) else each for each in node.args]
            shown = [names[id(each)] if isinstance(each, Value) else repr(each) for each in args]
            names[id(node.outputs[0])] = f"y{len(names)}"
            lines.append(f"{names[id(node.outputs[0])]} = {node.name}({shown}, {sorted(node.kwargs.items())})")
        return "\n".join(lines)

    @staticmethod
    def _number(value: Value) -> float:
        return float(value.array.item()) if value.array is not None else float("nan")

    def _emit(self, k: Emitter, type: str, *numbers: Scalar) -> Scalar:
        known = through(k, type, self.loop.body, dict(zip(map(id, self.given), numbers, strict=True)), is_number)
        return known[id(self.loop.outputs[0])]

    def of_arrays(self, *arrays: Array) -> Array:
        """The same of whole arrays, one application after the other."""
        known: dict[int, Any] = dict(zip(map(id, self.given), arrays, strict=True))

        def found(argument: Any) -> Any:
            if not isinstance(argument, Value):
                return argument
            return known.get(id(argument), argument.array)

        for node in self.loop.body:
            if node.forward is None:
                raise ValueError(f"{node.name} has nothing to run it")
            known[id(node.outputs[0])] = node.forward(node.xp, *map(found, node.args), **node.kwargs)
        return known[id(self.loop.outputs[0])]


def run(graph: Graph) -> None:
    """Join what can be joined."""
    for join in (_behind, _in_front):
        for node in list(graph.nodes):
            join(graph, node)


def _is_usual(loop: Node | None, shape: tuple[int, ...]) -> TypeGuard[Loop]:
    """Whether it is a loop with one result, over arrays of one shape."""
    if not isinstance(loop, Loop) or loop.sums or len(loop.outputs) != 1 or loop.shape != shape:
        return False
    return all(value.shape == shape for value in loop.args)


def _reader(graph: Graph, value: Value) -> Node | None:
    """The one node that reads a value, if no other does, and nobody is given its memory."""
    own = [node for node in graph.nodes if any(each is value for each in node.reads())]
    handed_out = any(each.memory == value.memory for each in graph.escaping())
    return own[0] if len(own) == 1 and not handed_out else None


def _kept(nodes: list[Node], values: Iterable[Value]) -> bool:
    """Whether none of the nodes overwrites one of the values."""
    written = {value.memory for node in nodes for value in node.writes}
    return not any(value.memory in written for value in values)


def _behind(graph: Graph, node: Node) -> None:
    """Join a normalisation with the loop that reads its result."""
    if node.name not in _NORMS or node.forward is None:
        return
    out = node.outputs[0]
    loop = _reader(graph, out)
    if not _is_usual(loop, out.shape):
        return
    others = [value for value in loop.args if value is not out]
    at, target = _position(graph, node), _position(graph, loop)
    between = graph.nodes[at + 1 : target]
    if not _kept(between, (*node.reads(), *others)):
        return
    late = any(value is each for other in between for value in other.outputs for each in others)
    moved: list[Node] = []
    if late:  # then the normalisation goes to the loop, and what reads its by-products behind it
        own = {id(value) for value in node.outputs}
        moved = [each for each in between if any(id(value) in own for value in each.reads())]
        passed = [value for each in between if each not in moved for value in each.reads()]
        if any(each.name != "update_running_stats_" for each in moved) or not _kept(moved, passed):
            return
    each, forward = Each(loop, [out, *others]), node.forward
    by_unit, count = node.name == "batch_norm", len(node.args)

    def run(xp: Any, *arrays: Any, dims: Any, eps: float = 1e-5) -> Any:
        (x, weight, bias), given = arrays[:3], arrays[count:]
        found = rows.normalise(x, weight, bias, dims, eps, by_unit, each.expression, given)
        if found is None:
            made = forward(xp, *arrays[:count], dims=dims, eps=eps)
            return each.of_arrays(made[0], *given), *made[1:]
        made, normal, middle, spread, scale = found
        return (made, normal, scale, middle.reshape(-1), spread.reshape(-1)) if by_unit else (made, normal, scale)

    joined = Joined(node, each, (*node.args, *others), (*loop.outputs, *node.outputs[1:]), run)
    for value in loop.outputs:
        value.made_dense()
    gone = {id(each) for each in (node, loop, *moved)}
    kept: list[Node] = []
    for each_node in graph.nodes:
        if each_node is (loop if late else node):
            kept += [joined, *moved]
        elif id(each_node) not in gone:
            kept.append(each_node)
    graph.nodes[:] = kept


def _in_front(graph: Graph, node: Node) -> None:
    """Join the gradient of a batch norm with the loop that makes what it is given."""
    if node.name != "normalize_gradients" or not node.kwargs["channel"] or node.forward is None:
        return
    grad, forward = node.args[0], node.forward
    at = next((i for i, other in enumerate(graph.nodes) if any(out is grad for out in other.outputs)), None)
    if at is None or _reader(graph, grad) is not node:
        return
    loop = graph.nodes[at]
    if not _is_usual(loop, grad.shape) or not _kept(graph.nodes[at + 1 : _position(graph, node)], loop.args):
        return
    each, count = Each(loop, list(loop.args)), len(loop.args)

    def run(xp: Any, *arrays: Any, dims: Any, channel: bool) -> Any:
        given, (weight, normal, scale) = arrays[:count], arrays[count:]
        made = rows.joined_gradients(each.expression, given, weight, normal, scale, dims)
        if made is not None:
            return made
        return forward(xp, each.of_arrays(*given), weight, normal, scale, dims=dims, channel=channel)

    joined = Joined(node, each, (*loop.args, *node.args[1:]), node.outputs, run)
    graph.nodes[:] = [joined if other is node else other for other in graph.nodes if other is not loop]


def _position(graph: Graph, node: Node) -> int:
    return next(i for i, each in enumerate(graph.nodes) if each is node)
