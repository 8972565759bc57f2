"""Forward and backward as two plans, for a function whose result has a history: `backward()` is called outside.

The record holds the forward pass and, after it, the backward pass from a gradient of each output that is yet to come.
`split` cuts it in two graphs. What the second reads of the first is *saved*: handed out by the first plan, in memory
that is not written to again while the history lives, and given to the second. A view is made anew there instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.autograd.function import Function, once_differentiable
from pellucid.backend import Array
from pellucid.core import Tensor, wrap

from .graph import HELD, INPUT, MADE, Graph, Node, Value, leaves, mapped
from .lines import laid_out
from .passes import PASSES
from .passes.lowering import stand_in
from .plan import Plan
from .watching import Refused


class Apart:
    """The two plans. `outputs` are what has a history, `targets` what gets a gradient: tensors, or places of inputs."""

    def __init__(
        self, graph: Graph, mark: int, outputs: list[Value], seeds: list[Value], slopes: list[Value | None],
        targets: list[Tensor | int], needs: list[bool],
    ) -> None:  # fmt: skip
        self.targets, self._needs = targets, needs  # `needs`: of each tensor of the result, whether it has a history
        forward, backward, saved = split(graph, mark, outputs, seeds, slopes)
        self.nest = graph.result  # of the function
        places = {id(value): i for i, value in enumerate(forward.inputs)}
        self._saved_inputs = [places[id(value)] for value in saved if id(value) in places]
        made = [value for value in saved if id(value) not in places]
        self._held = [value.tensor for value in backward.values() if value.kind == HELD and value.tensor is not None]
        results = list(leaves(self.nest))
        forward.result = (results, made)
        self._places = [[i for i, value in enumerate(results) if value is output] for output in outputs]
        self._same = [next((i for i, value in enumerate(results) if value is each), None) for each in made]
        given = backward.inputs
        for _, run in PASSES:
            run(forward)
            run(backward)
        self.forward, self.backward = forward, backward
        self.plan = Plan(forward)
        # The second plan trusts the layout of what it is given: that which the first gives it.
        for value, after in zip(given[len(self._saved_inputs) :], forward.result[1], strict=False):
            value.strides = after.strides
        self.second = Plan(backward)
        self._layouts = [value.strides for value in backward.inputs]

    @property
    def held(self) -> list[tuple[Tensor, Array]]:
        """The tensors that the function holds, and the arrays that the plans know."""
        return self.plan.held + self.second.held

    def rebuild(self) -> None:
        """Make the plans for the arrays of now."""
        self.plan, self.second = Plan(self.forward), Plan(self.backward)

    def run(self, inputs: list[Tensor]) -> Any:
        """The function's result, with a history."""
        targets = [inputs[each] if isinstance(each, int) else each for each in self.targets]
        results: list[Any] = []
        outputs = _Run.apply(self, inputs, results, *targets)
        for own, output in zip(self._places, outputs, strict=True):
            for i in own:
                results[i] = output if self._needs[i] else output.detach()
        place = iter(results)
        return mapped(self.nest, lambda _: next(place))

    def first(self, ctx: Any, inputs: list[Tensor], results: list[Any]) -> tuple[Tensor, ...]:
        """The forward pass: fills `results`, saves what the backward pass reads, gives the outputs."""
        found, made = self.plan(inputs)
        results += found
        kept = [each if same is None else found[same] for each, same in zip(made, self._same, strict=True)]
        ctx.save_for_backward(*self._held, *(inputs[i] for i in self._saved_inputs), *kept)
        ctx.second, ctx.held = self.second, len(self._held)
        return tuple(found[own[0]] for own in self._places)

    def last(self, ctx: Any, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
        """The backward pass."""
        given = [*ctx.saved_tensors[ctx.held :], *grads]
        if not ctx.second.bound():
            raise RuntimeError(
                "the memory of a parameter was replaced between the forward and the backward pass of a compiled "
                "function (tensor.data = …). Write into it (tensor.data.copy_(…)), or do so after backward()"
            )
        arrays = [
            tensor if tensor._array.strides == strides else wrap(laid_out(tensor._array, strides))
            for tensor, strides in zip(given, self._layouts, strict=True)
        ]
        return ctx.second(arrays)


class _Run(Function):
    """One run: `apply(apart, inputs, results, *targets)`."""

    @staticmethod
    def forward(ctx: Any, apart: Apart, inputs: list[Tensor], results: list[Any], *targets: Tensor) -> Any:
        ctx.apart = apart
        return apart.first(ctx, inputs, results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, None, None, *ctx.apart.last(ctx, grads)


def split(
    graph: Graph, mark: int, outputs: list[Value], seeds: list[Value], slopes: list[Value | None]
) -> tuple[Graph, Graph, list[Value]]:
    """The graph of the first `mark` nodes, that of the others, and what the second wants of the first, in order.

    The inputs of the second are that, and then `seeds`; its result are the `slopes`.
    """
    first, second = graph.nodes[:mark], graph.nodes[mark:]
    makers = {id(value): node for node in first for value in node.outputs}
    held = {value.memory for value in graph.values() if value.kind in (HELD, INPUT)}
    made = {value.memory for node in first for value in node.outputs if node.outputs and not node.alias} - held
    if any(value.memory in made | held for node in second for value in node.writes):
        raise Refused("its backward pass overwrites what the forward pass made")
    if any(value.memory in held and value.kind == MADE for value in outputs):
        raise Refused("it returns a view of an argument, or of what it holds")
    saved: list[Value] = []
    new: dict[int, Value] = {}
    views: list[Node] = []

    def wanted(value: Value) -> Value:
        """What stands for a value in the second graph."""
        if id(value) in new:
            return new[id(value)]
        maker = makers.get(id(value))
        if value.kind == INPUT or (maker is not None and not _is_view(maker)):
            saved.append(value)
            new[id(value)] = made = Value(INPUT, value.number, stand_in(value.shape, value.dtype), -1 - value.number)
            made.strides = value.strides
        elif maker is not None:
            args = tuple(wanted(each) if isinstance(each, Value) else each for each in maker.args)
            made = Value(MADE, value.number, stand_in(value.shape, value.dtype), args[0].memory)
            made.strides = value.strides
            new[id(value)] = made
            views.append(Node(maker.name, args, (made,), op=maker.op, kwargs=dict(maker.kwargs),
                              forward=maker.forward, xp=maker.xp, alias=True))  # fmt: skip
        else:
            return value
        return new[id(value)]

    for seed in seeds:
        made_seed = Value(INPUT, seed.number, stand_in(seed.shape, seed.dtype), -1 - seed.number)
        made_seed.strides = seed.strides
        new[id(seed)] = made_seed
    for node in second:
        node.args = tuple(wanted(each) if isinstance(each, Value) else each for each in node.args)
    result = [None if value is None else wanted(value) for value in slopes]
    own = [value for value in graph.inputs if all(value is not seed for seed in seeds)]
    ordered = [v for v in saved if any(v is each for each in own)] + [
        v for v in saved if all(v is not each for each in own)
    ]
    graph.inputs = own
    forward = Graph(own, first, graph.result, [])
    backward = Graph([new[id(value)] for value in (*ordered, *seeds)], [*views, *second], result, [])
    return forward, backward, ordered


def _is_view(node: Node) -> bool:
    """Whether it makes a view of its one argument, and can be done again."""
    values = list(node.reads())
    return node.alias and node.pure and len(values) == 1 and len(node.outputs) == 1 and node.args[0] is values[0]


def seeds_for(outputs: list[Tensor]) -> list[Tensor]:
    """A gradient for each output, as it may come."""
    return [wrap(np.ones(output._array.shape, output._array.dtype)) for output in outputs]


__all__ = ["Apart", "seeds_for", "split"]
