"""A recorded computation as a small typed graph: values with their shapes and dtypes, nodes in the order they ran.

    graph = build(tracer, inputs, result)

A `Value` is an input, a tensor that the function holds (a parameter, a buffer, the optimiser's state), a constant, or
what a node made. A `Node` is one application: of an op of the table, or of what a pass put in its place. Values whose
arrays share memory have one `memory`; a node that overwrites memory lists the value in `writes`, and no pass moves a
read across it. `verify` says what is wrong with a graph; the tests call it between passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pellucid.backend import NUMPY, Array
from pellucid.core import Declaration, Tensor

from .tracer import Instruction, Slot, Tracer

INPUT, HELD, CONSTANT, MADE = "input", "held", "constant", "made"
_RANDOM = "pellucid.ops.random"


class Value:
    """An array of the graph: what it is like, and where it comes from."""

    __slots__ = ("array", "dtype", "kind", "memory", "number", "shape", "strides", "tensor")

    def __init__(self, kind: str, number: int, array: Any, memory: int, tensor: Tensor | None = None) -> None:
        self.kind, self.number, self.memory, self.tensor = kind, number, memory, tensor
        self.shape: tuple[int, ...] = array.shape
        self.dtype: Any = array.dtype
        self.strides: tuple[int, ...] = array.strides
        self.array: Array | None = array if kind == CONSTANT else None

    @property
    def size(self) -> int:
        """Number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        return self.size * self.dtype.itemsize

    @property
    def dense(self) -> bool:
        """Whether it lies in one piece of memory, the last index first."""
        step = self.dtype.itemsize
        for length, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if length != 1 and stride != step:
                return False
            step *= length
        return True

    def made_dense(self) -> None:
        """Say that it will lie so from now on."""
        strides, step = list[int](), self.dtype.itemsize
        for length in reversed(self.shape):
            strides.append(step)
            step *= length
        self.strides = tuple(reversed(strides))

    def __repr__(self) -> str:
        return {INPUT: "in", HELD: "held", CONSTANT: "const", MADE: "%"}[self.kind] + str(self.number)

    def describe(self) -> str:
        """`float32 (64, 128)`."""
        return f"{self.dtype} {self.shape}"


class Node:
    """One application. `writes` are the values whose memory it overwrites; `alias` says its result is a view."""

    __slots__ = ("alias", "args", "forward", "kwargs", "live", "name", "op", "outputs", "random", "writes", "xp")

    def __init__(
        self, name: str, args: tuple[Any, ...], outputs: tuple[Value, ...], *, op: Declaration | None = None,
        kwargs: dict[str, Any] | None = None, forward: Callable[..., Any] | None = None, xp: Any = NUMPY.xp,
        writes: tuple[Value, ...] = (), alias: bool = False, random: bool = False,
    ) -> None:  # fmt: skip
        self.name, self.args, self.outputs, self.op, self.forward, self.xp = name, args, outputs, op, forward, xp
        self.kwargs = kwargs or {}
        self.writes, self.alias, self.random = writes, alias, random
        self.live: Any = None  # whose hyperparameters its attributes are, read anew in each run

    def reads(self) -> Iterator[Value]:
        """The values among its arguments."""
        for argument in self.args:
            if isinstance(argument, Value):
                yield argument

    @property
    def pure(self) -> bool:
        """Whether it does nothing but make its outputs from its arguments."""
        return not self.writes and not self.random

    def __str__(self) -> str:
        left = ", ".join(f"{value!r}: {value.describe()}" for value in self.outputs)
        if self.writes and not self.outputs:
            left = ", ".join(map(repr, self.writes))
        parts = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{left} {'<-' if self.writes and not self.outputs else '='} {self.name}({', '.join(parts)})"


class Graph:
    """The nodes in order, and what comes in and goes out."""

    def __init__(
        self, inputs: list[Value], nodes: list[Node], result: Any, gradients: list[tuple[Tensor, Any]]
    ) -> None:
        self.inputs, self.nodes = inputs, nodes
        self.result = result  # a nest of tuples, lists and dicts whose leaves are Values and constants
        self.gradients = gradients  # (leaf, the value of its gradient afterwards, or None)
        self._numbers = 1 + max((value.number for value in self.values()), default=-1)

    def values(self) -> Iterator[Value]:
        """Every value, each once."""
        seen: set[int] = set()
        sources = [self.inputs, self.escaping()]
        sources += [[*node.reads(), *node.outputs, *node.writes] for node in self.nodes]
        for source in sources:
            for value in source:
                if id(value) not in seen:
                    seen.add(id(value))
                    yield value

    def new(self, like: Array | Any, memory: int | None = None) -> Value:
        """A value that a pass makes."""
        number, self._numbers = self._numbers, self._numbers + 1
        return Value(MADE, number, like, -1 - number if memory is None else memory)

    def escaping(self) -> list[Value]:
        """What is handed out: results and gradients."""
        return [*leaves(self.result), *(value for _, value in self.gradients if value is not None)]

    def written(self) -> set[int]:
        """The memories that some node overwrites."""
        return {value.memory for node in self.nodes for value in node.writes}

    def substitute(self, new: dict[int, Any]) -> None:
        """Put other values in the place of some, by their `id`."""

        def found(value: Any) -> Any:
            while isinstance(value, Value) and id(value) in new:
                value = new[id(value)]
            return value

        for node in self.nodes:
            node.args = tuple(found(argument) for argument in node.args)
            node.writes = tuple(found(value) for value in node.writes)
        self.result = mapped(self.result, found)
        self.gradients = [(leaf, found(value)) for leaf, value in self.gradients]

    def __str__(self) -> str:
        return "\n".join(map(str, self.nodes))


def leaves(nest: Any) -> Iterator[Value]:
    """The values in a nest of tuples, lists and dicts."""
    if isinstance(nest, Value):
        yield nest
    elif isinstance(nest, dict):
        for entry in nest.values():
            yield from leaves(entry)
    elif isinstance(nest, tuple | list):
        for entry in nest:
            yield from leaves(entry)


def mapped(nest: Any, function: Callable[[Any], Any]) -> Any:
    """The same nest with each value, or slot, replaced."""
    if isinstance(nest, Value | Slot | Tensor):
        return function(nest)
    if isinstance(nest, dict):
        return {name: mapped(entry, function) for name, entry in nest.items()}
    if isinstance(nest, tuple | list):
        items = [mapped(entry, function) for entry in nest]
        return type(nest)(*items) if hasattr(nest, "_fields") else type(nest)(items)
    return nest


def build(
    tracer: Tracer, inputs: list[Tensor], result: Any, gradients: list[tuple[Tensor, Tensor | None]],
    constant: Callable[[Tensor], bool],
) -> Graph:  # fmt: skip
    """The graph of what a tracer saw. `constant` says of a held tensor that nothing else can change it."""
    made: dict[int, Value] = {}
    held: dict[int, Value] = {}

    def of_slot(slot: Slot) -> Value:
        seen = tracer.seen[int(slot)]
        if seen.held is not None:
            return of_tensor(seen.held)
        if int(slot) not in made:
            kind = INPUT if int(slot) < tracer.inputs or int(slot) in tracer.late else MADE
            made[int(slot)] = Value(kind, int(slot), seen, seen.memory)
        return made[int(slot)]

    def of_tensor(tensor: Tensor) -> Value:
        array = tensor._array
        if id(array) not in held:
            kind = CONSTANT if constant(tensor) else HELD
            held[id(array)] = Value(kind, len(tracer.seen) + len(held), array, tracer.memory(array), tensor)
        return held[id(array)]

    def found(argument: Any) -> Any:
        if type(argument) is Slot:
            return of_slot(argument)
        return of_tensor(argument) if isinstance(argument, Tensor) else argument

    nodes = [_node(step, found) for step in tracer.steps]
    referenced = mapped(result, tracer.reference)
    after = [(leaf, None if grad is None else found(tracer.reference(grad))) for leaf, grad in gradients]
    own = [made.get(i) or of_slot(tracer.slots[id(tensor._array)]) for i, tensor in enumerate(inputs)]
    return Graph(own, nodes, mapped(referenced, found), after)


def _node(step: Instruction, found: Callable[[Any], Any]) -> Node:
    op = getattr(step.op, "__func__", step.op)  # an optimiser's formula comes as a method of it
    args = tuple(found(argument) for argument in step.args)
    outputs = tuple(found(slot) for slot in step.outputs)
    writes = tuple(args[i] for i in op.mutates if i < len(args) and args[i] is not None)
    random = op.forward.__module__ == _RANDOM or "generator" in op.attributes
    shared = {value.memory for value in args if isinstance(value, Value)}
    alias = not writes and any(value.memory in shared for value in outputs)
    return Node(
        op.name, args, () if writes else outputs, op=op, kwargs=dict(step.kwargs), forward=step.forward, xp=step.xp,
        writes=writes, alias=alias, random=random,
    )  # fmt: skip


def verify(graph: Graph) -> None:
    """Raise ValueError where a graph is not one: a value is read before it is made, or made twice."""
    known = {id(value) for value in graph.values() if value.kind != MADE}
    for node in graph.nodes:
        for value in (*node.reads(), *node.writes):
            if id(value) not in known:
                raise ValueError(f"{value!r} is read before it is made, by {node}")
        for value in node.outputs:
            if id(value) in known:
                raise ValueError(f"{value!r} is made twice, by {node}")
            known.add(id(value))
    for value in graph.escaping():
        if id(value) not in known:
            raise ValueError(f"{value!r} is handed out, and nothing makes it")
