"""The function that records an application of an op, written for the op's plan.

All training goes through it, and a plan says beforehand which inputs are tracked and what is kept of which: so the
function is put together as text, without a loop and with few questions. For `mul`, of whose inputs the first wants a
gradient, it is

    def record(op, plan, args, arrays, kwargs, out, aux):
        guards = ()
        if isinstance(args[1], Tensor):
            c0 = args[1]._counter or savable(args[1])
            guards += ((c0, c0[0], 0),)
        metas = (arrays[0].shape, arrays[0].dtype)
        node = new(OpNode)
        node.op, node.plan, node.number = op, plan, next_number()
        node.edges = (args[0]._node or args[0], None)
        node.saved = (arrays[1],)
        node.metas = metas
        if guards:
            node.guards = guards
        …
        out._node, out._requires = node, True
        return node

Plans that ask for the same share one function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from pellucid.backend import Array
from pellucid.errors import with_line

from .application import OpNode
from .collector import spare_graphs
from .declaration import Declaration
from .node import ATTRIBUTE, AUX, OUT, SHAPE, VALUE, Arguments, Attributes, Counter, Guard, Plan, next_number
from .tensor import UNCOUNTED, Tensor, counter_of


def record(
    op: Declaration,
    args: Arguments,
    arrays: list[Any],
    kwargs: Attributes,
    mask: int,
    out: Tensor,
    aux: Sequence[Array],
) -> OpNode:
    """Make `out` the result of a new node. `mask` has a bit for each input that requires a gradient."""
    plan = op.plans.get(mask) or op.plan(mask)
    return (plan.record or recorder(op, plan))(op, plan, args, arrays, kwargs, out, aux)


def recorder(op: Declaration, plan: Plan) -> Callable[..., OpNode]:
    """The function of a plan, made when it is first needed."""
    spare_graphs(OpNode)
    made = plan.record = _record_list if op.star is not None else _made(_text(op, plan))
    return made


def _text(op: Declaration, plan: Plan) -> str:
    edges = [f"args[{i}]._node or args[{i}]" if i in plan.tracked else "None" for i in range(len(op.inputs))]
    saved: list[str] = []
    counts: list[str] = []
    guards: list[str] = []
    asked: list[str] = []  # lines that make guards of what may be a number, or nothing
    for slot, (what, which) in enumerate(plan.saves):
        tensor = "out" if what == OUT else f"args[{which}]"
        if what in (OUT, VALUE):
            count, guard = f"c{slot} = {tensor}._counter or savable({tensor})", f"(c{slot}, c{slot}[0], {slot})"
            if what == OUT or which in plan.tracked:
                counts.append(count)
                guards.append(guard)
            else:
                asked += [f"if isinstance({tensor}, Tensor):", f"    {count}", f"    guards += ({guard},)"]
        saved.append({
            OUT: "out._array", VALUE: f"arrays[{which}]", SHAPE: f"shape(arrays[{which}])", AUX: f"aux[{which}]",
            ATTRIBUTE: f"kwargs.get(*plan.saves[{slot}][1])",
        }[what])  # fmt: skip
    metas = [f"arrays[{i}].{what}" for i in plan.wanted for what in ("shape", "dtype")]
    # What is in a tuple is made before the node: a full collection takes two thirds of the time then (measured).
    lines = [
        *counts,
        f"guards = {_tuple(guards)}",
        *asked,
        f"metas = {_tuple(metas)}",
        "node = new(OpNode)",
        "node.op, node.plan, node.number = op, plan, next_number()",
        f"node.edges = {_tuple(edges)}",
        f"node.saved = {_tuple(saved)}",
        "node.metas = metas",
        "if guards:",
        "    node.guards = guards",
        *(["node.by_products = True"] if any(what == AUX for what, _ in plan.saves) else []),
        *(["node.called = op.node(args, kwargs)"] if callable(op.node) else []),
        "if kwargs:",
        "    node.kwargs = kwargs",
        "out._node, out._requires = node, True",
        "return node",
    ]
    return "\n    ".join(["def record(op, plan, args, arrays, kwargs, out, aux):", *lines])


def _tuple(entries: list[str]) -> str:
    return f"({''.join(entry + ', ' for entry in entries)})"


def savable(tensor: Tensor) -> Counter:
    """The count of a tensor's changes, with which it is saved for backward. RuntimeError for one without a count."""
    if tensor._counter is UNCOUNTED:
        raise RuntimeError(
            with_line(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode "
                "in computation tracked by autograd. To work around this, you can make a clone to get a normal tensor "
                "and use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
            )
        )
    return counter_of(tensor)


def _shape(array: object) -> tuple[int, ...]:
    return getattr(array, "shape", ())


@functools.cache
def _made(text: str) -> Callable[..., OpNode]:
    names: dict[str, Any] = {
        "OpNode": OpNode, "Tensor": Tensor, "savable": savable, "new": object.__new__,
        "next_number": next_number, "shape": _shape,
    }  # fmt: skip
    exec(compile(text, "<pellucid record>", "exec"), names)  # noqa: S102  the text made above
    return names["record"]


def _record_list(
    op: Declaration,
    plan: Plan,
    args: Arguments,
    arrays: list[Any],
    kwargs: Attributes,
    out: Tensor,
    aux: Sequence[Array],
) -> OpNode:
    """The same of an op over a list, whose plans are as many as there are lengths: nothing is written for them."""
    star = op.star or 0
    node: OpNode = object.__new__(OpNode)
    node.op, node.plan, node.number = op, plan, next_number()
    node.edges = tuple((tensor._node or tensor) if i in plan.tracked else None for i, tensor in enumerate(args))
    node.metas = tuple(what for i in plan.wanted for what in (arrays[i].shape, arrays[i].dtype))
    saved: list[Any] = []
    guards: list[Guard] = []

    def guard(tensor: object) -> None:
        if isinstance(tensor, Tensor):
            counter = savable(tensor)
            guards.append((counter, counter[0], len(saved)))

    for what, which in plan.saves:
        if what in (OUT, VALUE):
            for tensor in (out,) if what == OUT else args[star:] if which is None else (args[which],):
                guard(tensor)
            saved.append(out._array if what == OUT else list(arrays[star:]) if which is None else arrays[which])
        elif what == SHAPE:
            saved.append(tuple(map(_shape, arrays[star:])) if which is None else _shape(arrays[which]))
        elif what == AUX:
            saved.append(aux[which])
            node.by_products = True
        else:
            saved.append(kwargs.get(*which) if which[0] else which[1])
    node.saved, node.guards = tuple(saved), tuple(guards)
    if kwargs:
        node.kwargs = kwargs
    if callable(op.node):
        node.called = op.node(args, kwargs)
    out._node, out._requires = node, True
    return node
