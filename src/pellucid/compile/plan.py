"""From a graph to one Python function that runs it: matrix products into memory planned for them, loops as machine
code, every other op as eager mode computes it.

    plan = Plan(graph)
    plan.source      # the function's text
    plan(x, y)       # run it on arrays

What a step needs between its beginning and its end lies in buffers that are made once. What is handed out (results and
gradients) is in new memory at each run, since the caller may keep it. Held arrays are bound: where one was replaced
by another, `bound()` is False and the plan is made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backend import NUMPY, Array
from pellucid.core import Tensor, state, wrap
from pellucid.core.tensor import counter_of
from pellucid.kernels.pool import share
from pellucid.kernels.table import address

from . import classes, scalars, updates
from .graph import CONSTANT, HELD, INPUT, Graph, Node, Value, mapped
from .loops import native
from .passes.fusion import Loop

_EACH = 1 << 14  # numbers that a thread takes at least
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Plan:
    """How a graph runs. `loops` are the fused loops, `natives` how many of them are machine code."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names: dict[str, Any] = {
            "empty": np.empty, "matmul": np.matmul, "asarray": np.asarray, "address": address, "share": share,
            "laid": laid_out, "own": self._own,
        }  # fmt: skip
        self.lines: list[str] = []
        self.static: dict[int, Array] = {}
        self.dynamic: dict[int, str] = {}
        self.loops: list[Loop] = [node for node in graph.nodes if isinstance(node, Loop)]
        self.natives = 0
        self.buffers: dict[int, Array] = {}
        self._fresh: set[int] = set()  # handed-out values that are in memory of their own anyway
        self._handed_out = {value.memory for value in graph.escaping()}
        self.held: list[tuple[Tensor, Array]] = []
        for value in graph.values():
            if value.kind == CONSTANT:
                self.static[id(value)] = value.array
            elif value.kind == HELD and value.tensor is not None:
                self.static[id(value)] = value.tensor._array
                self.held.append((value.tensor, value.tensor._array))
        for i, value in enumerate(graph.inputs):
            self.dynamic[id(value)] = f"x{i}"
        self.groups = updates.groups(graph.nodes)
        for node in graph.nodes:
            self._node(node)
        self._counters = [counter_of(v.tensor) for node in graph.nodes for v in node.writes if v.tensor is not None]
        self._finish()

    # ----------------------------------------------------------------------------------------------------- running

    def bound(self) -> bool:
        """Whether the tensors that the function holds still have the arrays that the plan knows."""
        return all(tensor._array is array for tensor, array in self.held)

    def __call__(self, inputs: list[Tensor]) -> Any:
        """Run on the arrays of `inputs`; gradients are put where eager mode puts them."""
        for group in self.groups:
            group.refresh()
        outputs = state.run(self._run, *[tensor._array for tensor in inputs])
        for counter in self._counters:
            counter[0] += 1
        return self._hand_out(inputs, outputs)

    def _hand_out(self, inputs: list[Tensor], outputs: tuple[Array, ...]) -> Any:
        for (leaf, _), place in zip(self.graph.gradients, self._of_gradients, strict=True):
            leaf._grad = None if place is None else wrap(outputs[place])
        if self._single is not None:
            return wrap(outputs[self._single])
        place = iter(self._of_results)
        return mapped(self.graph.result, lambda value: self._result(value, inputs, outputs, next(place)))

    def _result(self, value: Value, inputs: list[Tensor], outputs: tuple[Array, ...], place: int) -> Tensor:
        if value.kind == INPUT:
            return inputs[next(i for i, each in enumerate(self.graph.inputs) if each is value)]
        return value.tensor if value.tensor is not None else wrap(outputs[place])

    def _own(self, array: Array) -> Array:
        """The array in memory that nothing here will write to again."""
        return array.copy() if array.base is not None or id(array) in self._ids else array

    # ------------------------------------------------------------------------------------------------ making the text

    def _finish(self) -> None:
        outputs: list[str] = []
        places: dict[int, int] = {}

        def place(value: Value) -> int:
            if id(value) not in places:
                name = self._read(value)
                made = value.kind not in (INPUT, HELD)
                outputs.append(f"own({name})" if made and id(value) not in self._fresh else name)
                places[id(value)] = len(outputs) - 1
            return places[id(value)]

        self._of_gradients = [None if value is None else place(value) for _, value in self.graph.gradients]
        results: list[int] = []
        mapped(self.graph.result, lambda value: results.append(place(value)))
        self._of_results = results
        result = self.graph.result
        self._single = results[0] if isinstance(result, Value) and result.kind not in (INPUT, HELD) else None
        self._ids = {id(array) for array in self.static.values()}
        head = ", ".join(f"x{i}" for i in range(len(self.graph.inputs)))
        body = [*self.lines, f"return ({''.join(name + ', ' for name in outputs)})"]
        self.source = "\n".join([f"def run({head}):", *("    " + line for line in body)])
        namespace = dict(self.names)
        exec(compile(self.source, "<pellucid.compile>", "exec"), namespace)  # noqa: S102  the text made above
        self._run: Callable[..., Any] = namespace["run"]

    def _name(self, prefix: str, thing: Any) -> str:
        name = f"{prefix}{len(self.names)}"
        self.names[name] = thing
        return name

    def _read(self, value: Value) -> str:
        """The name of an array."""
        if id(value) in self.dynamic:
            return self.dynamic[id(value)]
        array = self.static[id(value)]
        for name, known in self.names.items():
            if known is array:
                return name
        return self._name(value.kind[0], array)

    def _argument(self, argument: Any) -> str:
        if isinstance(argument, Value):
            return self._read(argument)
        return repr(argument) if type(argument) in (int, bool, type(None)) else self._name("n", argument)

    def _buffer(self, value: Value) -> str:
        """The name of memory for a value: made once, or at each run where it is handed out."""
        value.made_dense()
        if value.memory in self._handed_out:
            name = self.dynamic[id(value)] = f"v{value.number}"
            self.lines.append(f"{name} = empty({value.shape!r}, {self._name('t', value.dtype)})")
            self._fresh.add(id(value))
            return name
        if id(value) not in self.static:
            self.static[id(value)] = self.buffers[id(value)] = np.empty(value.shape, value.dtype)
        return self._read(value)

    def _address(self, value: Value, strides: tuple[int, ...]) -> str:
        """The address of an array that lies as `strides` say."""
        if id(value) in self.static:
            return str(address(self.static[id(value)]))
        name = self.dynamic[id(value)]
        if value.kind != INPUT and id(value) not in self._fresh:
            self.lines.append(f"if {name}.strides != {strides!r}: {name} = laid({name}, {strides!r})")
        return f"address({name})"

    def _strides(self, value: Value) -> tuple[int, ...]:
        return self.static[id(value)].strides if id(value) in self.static else value.strides

    def _node(self, node: Node) -> None:
        if isinstance(node, Loop):
            self._loop(node)
        elif node.alias and self._view(node):
            pass
        elif node.name == "matmul" and self._is_product(node):
            a, b = map(self._argument, node.args)
            out = self._buffer(node.outputs[0])
            self.lines.append(f"matmul({a}, {b}, {out})")
        elif not (_lowered(node) and (self._update(node) if node.writes else self._classes(node))):
            self._plain(node)

    def _view(self, node: Node) -> bool:
        """Make a view of an array that is always the same now, once."""
        values = list(node.reads())
        if node.forward is None or len(node.outputs) != 1 or any(id(value) not in self.static for value in values):
            return False
        arrays = [self.static[id(each)] if isinstance(each, Value) else each for each in node.args]
        made = state.run(node.forward, node.xp, *arrays, **node.kwargs)
        if not isinstance(made, np.ndarray) or not any(np.shares_memory(made, self.static[id(v)]) for v in values):
            return False
        self.static[id(node.outputs[0])] = made
        return True

    def _is_product(self, node: Node) -> bool:
        a, b = node.args
        if not (isinstance(a, Value) and isinstance(b, Value)) or node.xp is not NUMPY.xp:
            return False
        return a.dtype == b.dtype and a.dtype in _FLOATS and min(len(a.shape), len(b.shape)) >= 2

    def _loop(self, loop: Loop) -> None:
        strides = {id(value): self._strides(value) for value in loop.args}
        made = native(loop, strides) if all(v.dtype.isnative for v in loop.args) else None
        if made is None:
            for node in loop.body:
                self._call(node)
            for source, out in loop.sums:
                self.lines.append(f"{self._name_of(out)} = {self._read(source)}"
                                  f".reshape(-1, {source.shape[-1]}).sum(axis=0)")  # fmt: skip
                self._fresh.add(id(out))
            return
        self.natives += 1
        outs = [self._buffer(value) for value in loop.outputs]
        given = [self._address(value, strides[id(value)]) for value in loop.args]
        given += [
            self._address(value, value.strides) if id(value) in self.static else f"address({name})"
            for value, name in zip(loop.outputs, outs, strict=True)
        ]
        function = self._name("loop", made.function)
        listed = ", ".join(given)
        if made.splits and made.total * made.row >= 2 * _EACH:
            self.lines.append(f"share({function}, {made.total}, {max(1, _EACH // made.row)}, {listed})")
        else:
            self.lines.append(f"{function}(0, {made.total}, {listed})")

    def _name_of(self, value: Value) -> str:
        return self.dynamic.setdefault(id(value), f"v{value.number}")

    def _call(self, node: Node) -> None:
        """An elementwise op by NumPy alone, into memory that is there already where one call does it."""
        (out,) = node.outputs
        ufunc = None if node.kwargs.get("alpha", 1) != 1 else scalars.CALLS.get(node.name)
        if ufunc is None:
            self._plain(node)
            return
        given = ", ".join(map(self._argument, node.args))
        self.lines.append(f"{self._name(node.name, ufunc)}({given}, {self._buffer(out)})")

    def _classes(self, node: Node) -> bool:
        made = classes.native(node)
        if made is None:
            return False
        given = node.args[:2] if node.name == "cross_entropy" else node.args[:3]
        names = [self._dense(value) for value in given]
        if node.name == "cross_entropy":
            loss, probs = node.outputs
            into = self._buffer(probs)
            self.lines.append(f"{self._name_of(loss)} = {self._name('loss', made.loss)}({', '.join(names)}, {into})")
            self._fresh.add(id(loss))
        else:
            into = self._buffer(node.outputs[0])
            self.lines.append(f"{self._name('slope', made.slope)}({', '.join(names)}, {into})")
        return True

    def _dense(self, value: Value) -> str:
        """The name of an array that lies in one piece, the last index first: of a copy where it does not."""
        name = self._read(value)
        if id(value) in self.static and self.static[id(value)].flags.c_contiguous:
            return name
        self.lines.append(f"d{value.number} = {name} if {name}.flags.c_contiguous else {name}.copy()")
        return f"d{value.number}"

    def _update(self, node: Node) -> bool:
        update = updates.native(node, lambda value: self.static.get(id(value)))
        if update is None:
            return False
        grad = node.args[1]
        where = self._address(grad, grad.strides)
        self.lines.append(f"{self._name('update', update.run)}({where})")
        return True

    def _plain(self, node: Node) -> None:
        """An op as eager mode computes it."""
        if node.forward is None:
            raise ValueError(f"{node.name} has nothing to run it")
        given = ", ".join([self._name("xp", node.xp), *map(self._argument, node.args)])
        function = self._name(node.name, node.forward)
        if node.kwargs:
            given += f", **{self._name('kwargs', node.kwargs)}"
        if not node.outputs:
            self.lines.append(f"{function}({given})")
            return
        names = [self._name_of(value) for value in node.outputs]
        self.lines.append(f"{', '.join(names)} = {function}({given})")
        for value, name in zip(node.outputs, names, strict=True):
            if not value.shape:
                self.lines.append(f"{name} = asarray({name})")


def _lowered(node: Node) -> bool:
    """Whether an op has machine code of its own here."""
    return node.name in updates.NATIVE or node.name in ("cross_entropy", "cross_entropy_backward")


def laid_out(array: Array, strides: tuple[int, ...]) -> Array:
    """A copy of an array that lies in memory as `strides` say."""
    size = 1 + sum((length - 1) * abs(step) for length, step in zip(array.shape, strides, strict=True) if length)
    memory = np.empty(size // array.itemsize + 1, array.dtype)
    made = np.lib.stride_tricks.as_strided(memory, array.shape, strides)
    made[...] = array
    return made
