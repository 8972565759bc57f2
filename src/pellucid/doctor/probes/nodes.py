"""The nodes of an engine of the program's own: which op made each of them, and how it hands its gradient on.

Engines differ: closures on the node (`out._backward`), closures on a tape, functions with `forward` and `backward` and
a context, a class for each op, pairs of a parent and a local derivative. They have in common that a function that is
given nodes makes one node. Such calls are taken down while a pass runs; each can be made again by itself.
"""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType
from typing import Any

import numpy as np

from pellucid.doctor.process.paths import NUMBER_NAMES, attributes, is_node

EACH = 4  # calls of one kind that are kept
MOST = 400
TIRED = 300  # calls of a function in a row that were of kinds of which enough are kept
PUSHES = ("backward", "_backward", "back", "backprop", "backward_pass")


@dataclass
class Call:
    """A call that makes one node of others.

    Attributes:
        op: `Value.__mul__`, `matmul`, `Sigmoid`.
        function: makes the node anew, from the nodes as they are then.
        inputs: the nodes that it is given, by how the op calls them.
        code: that of the op.
        line: where it makes the node.
    """

    op: str
    function: Callable[[], Any]
    inputs: dict[str, Any]
    code: CodeType
    line: int


def number(node: Any) -> Any:
    """What a node holds."""
    return getattr(node, number_name(node))


def number_name(node: Any) -> str:
    return next(name for name in NUMBER_NAMES if hasattr(node, name))


class Creations:
    """Takes down the calls that make nodes, while it is on."""

    def __init__(self, modules: dict[str, dict[str, Any]], files: Any) -> None:
        self.files = files
        self.calls: list[Call] = []
        self.count = 0
        self.keeps = True
        self._kinds: dict[Any, int] = {}
        self._in_vain: dict[CodeType, int] = {}
        self._classes = {
            kind
            for names in modules.values()
            for kind in names.values()
            if isinstance(kind, type) and kind.__module__ in modules
        }
        self._patched: list[tuple[type, Any]] = []
        self._inits: set[CodeType] = set()
        self._functions: dict[CodeType, Any] = {}
        for names in modules.values():
            for value in names.values():
                if isinstance(value, FunctionType):
                    self._functions.setdefault(value.__code__, value)
        for kind in self._classes:
            for value in vars(kind).values():
                inner = value.__func__ if isinstance(value, staticmethod | classmethod) else value
                if isinstance(inner, FunctionType):
                    self._functions.setdefault(inner.__code__, inner)

    def start(self) -> None:
        for kind in self._classes:
            init = vars(kind).get("__init__")
            if not isinstance(init, FunctionType):
                continue
            self._inits.add(init.__code__)
            names = {*init.__code__.co_names}
            if "grad" in names and names & {*NUMBER_NAMES}:
                self._patched.append((kind, init))
                kind.__init__ = self._noting(init)  # type: ignore[misc]

    def stop(self) -> None:
        for kind, init in self._patched:
            kind.__init__ = init
        self._patched.clear()

    def _noting(self, init: Any) -> Any:
        def noting(*args: Any, **named: Any) -> None:
            init(*args, **named)
            self.count += 1
            if self.keeps and len(self.calls) < MOST:
                frame = sys._getframe(1)
                in_vain = self._in_vain.get(frame.f_code, 0)
                if in_vain < TIRED:
                    known = len(self.calls)
                    with suppress(Exception):  # whatever cannot be noted, the program goes on
                        self._note(args[0], frame)
                    self._in_vain[frame.f_code] = in_vain + 1 if len(self.calls) == known else 0

        self._inits.add(noting.__code__)
        return noting

    def _note(self, node: Any, frame: FrameType | None) -> None:
        init: FrameType | None = None
        while frame is not None and frame.f_code in self._inits:
            init, frame = (frame if "self" in frame.f_locals else init), frame.f_back
        call = self._of_class(node, init) or (self._of_function(frame) if frame is not None else None)
        if call is None:
            return
        shapes = tuple(np.shape(number(value)) for value in call.inputs.values())
        kind = (call.code, call.op, tuple(call.inputs), tuple(len(shape) for shape in shapes), len({*shapes}))
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        if self._kinds[kind] <= EACH:
            self.calls.append(call)

    def _of_class(self, node: Any, frame: FrameType | None) -> Call | None:
        """A class for each op: `Add(a, b)`, which has a `backward` of its own."""
        kind = type(node)
        push = next((vars(kind)[name] for name in PUSHES if name in vars(kind)), None)
        if frame is None or push is None or frame.f_code.co_filename not in self.files:
            return None
        args, inputs = _given(frame)
        if not inputs or frame.f_locals.get("self") is not node:
            return None
        return Call(
            kind.__name__, lambda: kind(*args[1:]), inputs, getattr(push, "__code__", frame.f_code), frame.f_lineno
        )

    def _of_function(self, frame: FrameType) -> Call | None:
        code = frame.f_code
        function = self._functions.get(code)
        if function is None or code.co_filename not in self.files:
            return None
        args, inputs = _given(frame)
        if not inputs:
            return None
        op, code = code.co_qualname, function.__code__
        for value in args[:1]:  # `apply(cls, *inputs)`, `__call__(self, *inputs)`: the op is the class
            kind = value if isinstance(value, type) else type(value)
            rule = getattr(kind, "backward", None)
            if not is_node(value) and kind in self._classes and isinstance(rule, FunctionType):
                op, code = kind.__name__, rule.__code__
        return Call(op, lambda: function(*args), inputs, code, frame.f_lineno)


def _given(frame: FrameType) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the function that a frame runs, and the nodes among them, each once."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount]
    args = [frame.f_locals.get(name) for name in names]
    labels = list(names)
    if code.co_flags & inspect.CO_VARARGS:
        name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        more = list(frame.f_locals.get(name, ()))
        args += more
        labels += [f"{name}[{i}]" for i in range(len(more))]
    inputs: dict[str, Any] = {}
    for label, value in zip(labels, args, strict=True):
        items = enumerate(value) if isinstance(value, list | tuple) and len(value) < 50 else ()
        for name, item in [(label, value), *((f"{label}[{i}]", item) for i, item in items)]:
            if is_node(item) and not isinstance(item, type) and not any(item is known for known in inputs.values()):
                inputs[name] = item
    own = inputs.pop("self", None) if code.co_name == "__init__" else None
    del own
    return args, inputs


class Handed:
    """How a node hands its gradient to its inputs: `push(g)` gives, for each input, what is added to its gradient."""

    def __init__(self, node: Any, call: Call, files: Any) -> None:
        self.node, self.inputs, self.files = node, call.inputs, files
        self.ways = list(self._ways(call))

    def push(self, gradient: Any, start: float = 0.0) -> dict[str, Any] | None:
        """What each input's gradient is afterwards, if it was `start` before; None where no way is known."""
        for function in self.ways:
            for value in self.inputs.values():
                value.grad = _like(number(value), start)
            held = {name: np.array(value.grad, dtype=float) for name, value in self.inputs.items()}
            self.node.grad = gradient
            try:
                returned = function(gradient)
            except (TypeError, AttributeError):
                continue
            after = {
                name: np.array(value.grad, dtype=float) for name, value in self.inputs.items() if value.grad is not None
            }
            if isinstance(returned, _Handed):
                return returned.by(self.inputs, start)
            if any(name in after and not _same(after[name], held[name]) for name in held):
                return after
            if returned is not None:
                return _Handed(returned, self._order()).by(self.inputs, start)
            if not any(np.any(g) for g in [gradient]):
                continue
            return after
        return None

    def _order(self) -> list[Any]:
        """The inputs in the order in which a rule returns their gradients: that of the node's list of them."""
        for _, value in attributes(self.node):
            if isinstance(value, list | tuple) and value and all(is_node(item) for item in value):
                return list(value)
        return list(self.inputs.values())

    def _ways(self, call: Call) -> Iterator[Callable[[Any], Any]]:
        held = attributes(self.node)
        known = False
        for _, value in held:  # [(parent, local derivative)], or a function that gives it
            pairs = [_pair(item) for item in value] if isinstance(value, list | tuple) else []
            if pairs and all(pair is not None for pair in pairs):
                found: list[Any] = [pair for pair in pairs if pair is not None]

                def by_pairs(g: Any, found: list[Any] = found) -> _Handed:
                    grads = [local(g) if callable(local) else local * g for _, local in found]
                    return _Handed(grads, [node for node, _ in found])

                known = True
                yield by_pairs
        for parents, locals_ in _beside(held):  # a list of parents, and one of local derivatives beside it

            def by_lists(g: Any, parents: list[Any] = parents, locals_: list[Any] = locals_) -> _Handed:
                return _Handed([local(g) if callable(local) else local * g for local in locals_], parents)

            known = True
            yield by_lists
        for _, value in held:  # `_backward`, `grad_fn`: a closure over the nodes that it came from
            if isinstance(value, FunctionType) and value.__code__.co_filename in self.files and value.__closure__:
                known = True
                yield _with_as_many(value)
        for _, value in held:  # a function with a context, or the object that did the forward pass
            kind = value if isinstance(value, type) else type(value)
            rule = getattr(value, "backward", None)
            if is_node(value) or rule is None or getattr(rule, "__code__", None) is None:
                continue
            if rule.__code__.co_filename not in self.files or kind.__name__ != call.op.split(".")[0]:
                continue
            known = True
            contexts = [item for name, item in held if "ctx" in name or "context" in name]
            for context in contexts:
                yield lambda g, rule=rule, context=context: rule(context, g)
            if not contexts:
                yield _with_as_many(rule)
        if type(self.node).__name__ == call.op:  # a class for each op
            for name in PUSHES:
                method = getattr(self.node, name, None)
                if method is not None and name in vars(type(self.node)):
                    yield _with_as_many(method)
            return
        if known:  # who refers to a node is found by a look at all objects that there are
            return
        for cell in gc.get_referrers(self.node):  # a closure on a tape
            if type(cell).__name__ != "cell":
                continue
            for cells in gc.get_referrers(cell):
                for function in gc.get_referrers(cells) if isinstance(cells, tuple) else ():
                    if isinstance(function, FunctionType) and function.__code__.co_filename in self.files:
                        yield _with_as_many(function)


@dataclass
class _Handed:
    """Gradients that a rule returns, for these nodes in order."""

    gradients: Any
    nodes: list[Any]

    def by(self, inputs: dict[str, Any], start: float) -> dict[str, Any]:
        several = self.gradients if isinstance(self.gradients, tuple | list) else [self.gradients]
        result: dict[str, Any] = {}
        for name, value in inputs.items():
            own = [g for node, g in zip(self.nodes, several, strict=False) if node is value and g is not None]
            if own:
                result[name] = start + sum(np.asarray(g, dtype=float) for g in own)
        return result


def _beside(held: list[tuple[str, Any]]) -> Iterator[tuple[list[Any], list[Any]]]:
    """The parents of a node and as many local derivatives, each in an attribute of its own."""
    several = [list(value) for _, value in held if isinstance(value, list | tuple) and len(value)]
    for parents in several:
        if not all(is_node(item) and not isinstance(item, type) for item in parents):
            continue
        for locals_ in several:
            if len(locals_) == len(parents) and all(_is_local(item) for item in locals_):
                yield parents, locals_


def _is_local(item: Any) -> bool:
    """Whether something may be a local derivative: a number, an array, or a function of the gradient."""
    return (callable(item) and not is_node(item)) or isinstance(item, float | int | np.floating | np.ndarray)


def _pair(item: Any) -> tuple[Any, Any] | None:
    if not isinstance(item, tuple | list) or len(item) != 2:
        return None
    first, second = item
    return (first, second) if is_node(first) and not isinstance(first, type) and _is_local(second) else None


def _with_as_many(function: Any) -> Callable[[Any], Any]:
    """Call a rule with the gradient, or with nothing where it takes nothing."""
    required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    return (lambda g: function(g)) if required else (lambda g: function())


def _like(value: Any, start: float) -> Any:
    return np.full(np.shape(value), start) if isinstance(value, np.ndarray) else start


def _same(first: np.ndarray, other: np.ndarray) -> bool:
    return first.shape == other.shape and np.array_equal(first, other)
