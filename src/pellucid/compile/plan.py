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

import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backend import NUMPY, Array
from pellucid.core import Tensor, state, wrap
from pellucid.core.tensor import counter_of
from pellucid.kernels.calling import address
from pellucid.kernels.pool import Run, get_num_threads
from pellucid.kernels.table import TYPES

from . import calls, classes, lookup, loops, products, scalars, updates
from .cost import CONVOLUTIONS, filtering
from .epilogues import Epilogue, epilogues
from .graph import HELD, INPUT, Graph, Node, Value, mapped
from .guards import Conditions
from .lifetimes import deaths
from .lines import Lines
from .loops import native
from .passes.descent import Descent
from .passes.fusion import Loop, is_sum
from .passes.lowering import stand_in
from .segment import Later, kernel, texts

_EACH = 1 << 16  # numbers that a thread takes at least
_LARGE = 1 << 19  # bytes
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Plan(Lines):
    """How a graph runs. `loops` are the fused loops, `natives` how many of them are machine code."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.names |= {"own": self._own, "wrap": wrap}
        self.loops: list[Loop] = [node for node in graph.nodes if isinstance(node, Loop)]
        self.natives = 0
        self.runs: list[Run] = []  # they have memory of their own
        self._threads = get_num_threads()
        self.groups = updates.groups(graph.nodes)
        self._epilogues = epilogues(graph)
        self._joined: dict[int, Value] = {}  # by the id of a loop that is done, where its result is
        for node, self._dying in zip(graph.nodes, deaths(graph), strict=True):
            self._node(node)
            self._bury(self._dying)
        self._close()
        self._finish()
        conditions = Conditions()
        for tensor, array in self.held:
            conditions.same(f"{conditions.name(tensor)}._array", array)
        self.bound = conditions.function()  # whether the tensors that it holds still have the arrays that it knows

    # ----------------------------------------------------------------------------------------------------- running

    def __call__(self, inputs: list[Tensor]) -> Any:
        """Run on the arrays of `inputs`; gradients are put where eager mode puts them."""
        for group in self.groups:
            group.refresh()
        outputs = state.run(self._run, *[tensor._array for tensor in inputs])
        if self._single:
            return wrap(outputs)
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
                outputs.append(named(value))
                places[id(value)] = len(outputs) - 1
            return places[id(value)]

        def named(value: Value) -> str:
            name = self._read(value)
            made = value.kind not in (INPUT, HELD)
            return f"own({name})" if made and id(value) not in self._fresh else name

        # An old gradient is let go first: then its memory can be used again.
        leaves = [(self._name("leaf", leaf), value) for leaf, value in self.graph.gradients]
        before = [f"{leaf}._grad = None" for leaf, _ in leaves]
        after = [f"{leaf}._grad = wrap({named(value)})" for leaf, value in leaves if value is not None]
        for node in self.graph.nodes:
            for value in node.writes:
                if value.tensor is not None:
                    after.append(f"{self._name('counter', counter_of(value.tensor))}[0] += 1")
        results: list[int] = []
        mapped(self.graph.result, lambda value: results.append(place(value)))
        self._of_results = results
        result = self.graph.result
        self._single = isinstance(result, Value) and result.kind not in (INPUT, HELD)
        self._ids = {id(array) for array in self.static.values()}
        head = ", ".join(f"x{i}" for i in range(len(self.graph.inputs)))
        given = outputs[0] if self._single else f"({''.join(name + ', ' for name in outputs)})"
        after.append(f"return {given}")
        body = [*before, *self.early, *self._let_go(after), *after]
        self.source = f"def run({head}):\n" + textwrap.indent("\n".join(body), "    ")
        namespace = dict(self.names)
        exec(compile(self.source, "<pellucid.compile>", "exec"), namespace)  # noqa: S102  the text made above
        self._run: Callable[..., Any] = namespace["run"]

    def _node(self, node: Node) -> None:
        if isinstance(node, Loop):
            self._loop(node)
        elif isinstance(node, Descent):
            self._descent(node)
        elif node.alias and self._view(node):
            pass
        elif node.name == "matmul" and self._is_product(node):
            self._product(node)
        elif node.name == "sum" and self._sum_of_rows(node):
            pass
        elif calls.usual(node):
            if not self._calls(node):
                self._plain(node)
        elif node.name in lookup.NATIVE:
            if not self._looked_up(node):
                self._plain(node)
        elif not (_lowered(node) and (self._update(node) if node.writes else self._classes(node))):
            self._plain(node)

    def _matrix(self, value: Value) -> products.Matrix | None:
        """A matrix as it lies in memory, where that is known before a run."""
        known = id(value) in self.static or id(value) in self._kept or value.kind == INPUT
        if not known or len(value.shape) != 2 or value.dtype not in _FLOATS:
            return None
        strides = self._strides(value)
        if any(stride % value.dtype.itemsize or stride < 0 for stride in strides):
            return None
        down, across = (stride // value.dtype.itemsize for stride in strides)
        return products.Matrix((value.shape[0], value.shape[1]), (down, across), self._place(value))

    def _product(self, node: Node) -> None:
        left, right = node.args
        a, b = self._matrix(left), self._matrix(right)
        out = self._buffer(node.outputs[0])
        if a is not None and b is not None:
            dtype, place = left.dtype, self._place(node.outputs[0])
            epilogue = self._epilogues.get(id(node))
            if epilogue is not None and self._with_epilogue(node, epilogue, a, b):
                return
            label = f"{node.outputs[0]!r} = {left!r} @ {right!r}"
            made = products.own(label, dtype, a, b, place) or products.by_blas(label, dtype, a, b, place)
            if made is not None:
                self._multiply(made)
                return
        self._say(f"matmul({self._argument(left)}, {self._argument(right)}, {out})")

    def _with_epilogue(self, node: Node, epilogue: Epilogue, a: products.Matrix, b: products.Matrix) -> bool:
        """A product with what is added to it, where that is always in the same memory."""
        loop, product, bias, matrix = epilogue
        added = [value for value in (bias, matrix) if value is not None]
        if any(id(value) not in self.static or not self._is_dense(value) for value in added):
            return False
        left, right = node.args
        label = f"{loop.outputs[0]!r} = {left!r} @ {right!r}{''.join(f' + {value!r}' for value in added)}"
        places = [None if value is None else self._place(value) for value in (bias, matrix)]
        made = products.onto(label, left.dtype, a, b, self._place(node.outputs[0]), *places)
        if made is None:
            return False
        self._joined[id(loop)] = product
        self._multiply(made)
        return True

    def _multiply(self, made: products.Product) -> None:
        """A product: split among the threads where there are several, and it is large enough."""
        if self._threads == 1 or made.items < 2 * made.least or made.items == 1:
            self._call_native(made.call)
            return
        listed = ", ".join(texts(made.call.arguments[2:]))
        self._say(f"share({self._name('product', made.function)}, {made.items}, {made.least}, {listed})")

    def _descent(self, node: Descent) -> None:
        """A product that goes into a weight; one after the other where that is not possible."""
        left, right, param = node.args
        a, b = self._matrix(left), self._matrix(right)
        weight = self.static.get(id(param))
        if a is not None and b is not None and weight is not None and weight.flags.c_contiguous:
            label = f"{param!r} -= lr * {left!r} @ {right!r}"
            rates, out = updates.Rates(node), 0
            if node.keeps:
                self._buffer(node.outputs[0])
                out = self._place(node.outputs[0])
                label = f"{node.outputs[0]!r} = {left!r} @ {right!r}, {param!r} -= lr * {node.outputs[0]!r}"
            made = products.own(label, left.dtype, a, b, out, address(weight), self._later(rates))
            if made is None and not node.keeps:
                rates = updates.Descending(node)
                made = products.by_blas(label, left.dtype, a, b, address(weight), self._later(rates), 1.0)
            if made is not None:
                self._refreshed(node, rates)
                self._multiply(made)
                return
        if node.keeps and id(node.outputs[0]) in self.dynamic:  # its memory is there
            self.dynamic.pop(id(node.outputs[0]))
            self.early.pop()
        self._product(node.product)
        self._node(node.update)

    def _later(self, rates: updates.Rates) -> Later:
        return rates.later(0)._replace(text=f"{self._name('rates', rates)}.now()[0]")

    def _refreshed(self, node: Node, rates: updates.Rates) -> None:
        """Have the numbers of an update be those of its group."""
        next(group for group in self.groups if group.owner.group is node.live.group).updates.append(rates)

    def _sum_of_rows(self, node: Node) -> bool:
        """The sum of a matrix over all dimensions but the last, as a loop."""
        value, out = node.args[0], node.outputs[0]
        if not is_sum(node) or not value.size or not self._is_dense(value):
            return False
        columns = value.shape[-1]
        function = loops.sum_of_rows(value.size // columns, columns, TYPES[value.dtype])
        if function is None:
            return False
        self._buffer(out)
        places = self._place(value), self._place(out)
        self._call_native(kernel(f"{out!r} = sum of the rows of {value!r}", function, 0, columns, *places))
        return True

    def _calls(self, node: Node) -> bool:
        """The kernels of an op whose arguments are always in the same memory, and whose results are not handed out."""
        if any(each is not None and not isinstance(each, Value) for each in node.args):
            return False
        if any(id(value) not in self.static for value in node.reads()):
            return False
        if any(value.memory in self._handed_out for value in node.outputs):
            return False
        recorded = [value.strides for value in node.outputs]
        for value, strides in zip(node.outputs, recorded, strict=True):
            self._buffer(value)
            self.static[id(value)] = array = calls.laid(node, self.static[id(value)], strides)
            value.strides = array.strides
        given = [self.static[id(each)] if isinstance(each, Value) else each for each in node.args]
        runs = calls.NATIVE[node.name](node, given, [self.static[id(value)] for value in node.outputs])
        if runs is None:
            for value, strides in zip(node.outputs, recorded, strict=True):
                del self.static[id(value)]
                self.pool.give(self._blocks.pop(value.memory))
                value.strides = strides
            return False
        label = f"{', '.join(map(repr, node.outputs))} = {node.name}"
        for run in runs:
            self.runs.append(run)
            call = kernel(label, run.function, 0, run.total, *run.arguments)
            self._multiply(products.Product(call, run.function, run.total, run.least))
        return True

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
        if id(loop) in self._joined:
            self._overwrite(self._joined[id(loop)], loop.outputs[0])
            loop.outputs[0].made_dense()
            self.natives += 1
            return
        strides = {id(value): self._strides(value) for value in loop.args}
        over = self._overwritten(loop)
        made = native(loop, strides, over) if all(v.dtype.isnative for v in loop.args) else None
        if made is None:
            for node in loop.body:
                self._call(node)
            for source, out in loop.sums:
                self._say(f"{self._name_of(out)} = {self._read(source)}"
                          f".reshape(-1, {source.shape[-1]}).sum(axis=0)")  # fmt: skip
                self._fresh.add(id(out))
            return
        self.natives += 1
        each = [(value, strides[id(value)]) for value in loop.args]
        for value in loop.outputs:
            if id(value) in over:
                self._overwrite(over[id(value)], value)
            else:
                self._buffer(value)
                each.append((value, value.strides))
        if made.splits and made.total * made.row >= 2 * _EACH and self._threads > 1:
            listed = ", ".join(self._address(value, own) for value, own in each)
            function = self._name("loop", made.function)
            self._say(f"share({function}, {made.total}, {max(1, _EACH // made.row)}, {listed})")
            return
        label = f"loop for {', '.join(map(repr, loop.outputs))}"
        places = [self._place(value, own) for value, own in each]
        self._call_native(kernel(label, made.function, 0, made.total, *places))

    def _overwritten(self, loop: Loop) -> dict[int, Value]:
        """By an output's id, the argument in whose memory it can lie: one that dies here, and lies as it will.

        Where the argument is a variable of the text, only if it is large: memory that is the same in each run is faster
        to get at.
        """
        sums = {id(out) for _, out in loop.sums}
        memories = [value.memory for value in loop.args]
        free = [
            value for value in loop.args
            if value.memory in self._dying and memories.count(value.memory) == 1 and value.shape == loop.shape
            and value.dense and (value.memory in self._blocks or value.nbytes >= _LARGE)
            and (id(value) not in self.static or self.static[id(value)].flags.c_contiguous)
        ]  # fmt: skip
        found: dict[int, Value] = {}
        for out in loop.outputs:
            like = [value for value in free if value.dtype == out.dtype]
            if like and out.shape == loop.shape and id(out) not in sums and out.memory not in self._handed_out:
                found[id(out)] = like[0]
                free = [value for value in free if value is not like[0]]
        return found

    def _call(self, node: Node) -> None:
        """An elementwise op by NumPy alone, into memory that is there already where one call does it."""
        (out,) = node.outputs
        ufunc = None if node.kwargs.get("alpha", 1) != 1 else scalars.CALLS.get(node.name)
        if ufunc is None:
            self._plain(node)
            return
        given = ", ".join(map(self._argument, node.args))
        into = self._buffer(out)
        self._say(f"{self._name(node.name, ufunc)}({given}, {into})")

    def _classes(self, node: Node) -> bool:
        made = classes.native(node)
        if made is None:
            return False
        given = node.args[:2] if node.name == "cross_entropy" else node.args[:3]
        if not all(self._is_dense(value) for value in given if value.shape):
            given = [self._dense(value) for value in given]
        odd = made.odd_loss if node.name == "cross_entropy" else made.odd_slope
        outputs = node.outputs[::-1] if node.name == "cross_entropy" else node.outputs
        for value in outputs:
            self._buffer(value)
        values = [*given, *outputs]
        call = (made.loss if node.name == "cross_entropy" else made.slope)(*map(self._place, values))
        names = ", ".join(self._read(value) for value in values)
        self._call_native(call, f"{self._name('odd', odd)}({names})")
        return True

    def _looked_up(self, node: Node) -> bool:
        made = lookup.native(node)
        if made is None or not self._is_dense(node.args[0]):
            return False
        values = [node.args[0], self._dense(node.args[1]), node.outputs[0]]
        self._buffer(node.outputs[0])
        names = ", ".join(self._read(value) for value in values)
        *before, last = made.calls(*map(self._place, values))
        for call in before:
            self._call_native(call)
        self._call_native(last, f"{self._name('odd', made.as_eager)}({names})")
        return True

    def _dense(self, value: Value) -> Value:
        """A value that lies in one piece, the last index first: a copy where it does not."""
        if self._is_dense(value):
            return value
        name, made = self._read(value), self.graph.new(stand_in(value.shape, value.dtype))
        self._say(f"d{made.number} = {name} if {name}.flags.c_contiguous else {name}.copy()")
        self.dynamic[id(made)] = f"d{made.number}"
        self._fresh.add(id(made))
        self._alive.append(made)
        return made

    def _update(self, node: Node) -> bool:
        update = updates.native(node, lambda value: self.static.get(id(value)))
        if update is None:
            return False
        grad = node.args[1]
        if update.large:
            where = self._address(grad, grad.strides)
            self._say(f"{self._name('update', update.run)}({where})")
            return True
        self._refreshed(node, update)
        for call in update.calls(self._place(grad)):
            self._call_native(call)
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
            self._say(f"{function}({given})")
            return
        names = [self._name_of(value) for value in node.outputs]
        tile = filtering(node)[0] if node.name in CONVOLUTIONS else 0
        remark = f"  # in tiles of {tile} by {tile}, by Winograd's minimal filtering" if tile else ""
        self._say(f"{', '.join(names)} = {function}({given}){remark}")
        near = {value.memory for value in node.reads()}
        arguments = ", ".join(dict.fromkeys(map(self._argument, node.reads())))
        for value, name in zip(node.outputs, names, strict=True):
            if not value.shape:
                self._say(f"{name} = asarray({name})")
            elif near and value.memory not in near:
                self._say(f"{name} = separate({name}, {arguments})")


def _lowered(node: Node) -> bool:
    """Whether an op has machine code of its own here."""
    return node.name in updates.NATIVE or node.name in ("cross_entropy", "cross_entropy_backward")
