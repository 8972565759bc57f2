"""The rules of a node, called on its gradient: on arrays in `array_rules`, on Tensors in `tensor_rules`.

There are two, since each op of each step of training passes through the first: to wrap its arrays in Tensors and go
through the door for every op of a rule, only to record nothing, would be work for no result. The rules themselves are
the same; each is a function of the vocabulary that it is spoken in.

Of complex numbers a gradient is PyTorch's: what to subtract to descend, ∂L/∂x + i ∂L/∂y. A function with the derivative
f' then hands on g · conj(f'). Rules are written for real numbers, linear in g, and conj(rule(conj(g))) is just that, so
it is done here once for all; an op that is not `holomorphic` conjugates in its rule.
"""

from __future__ import annotations

import inspect
from collections.abc import Container, Iterator, Sequence
from sys import getrefcount
from typing import Any, cast

import numpy as np

from pellucid import backend
from pellucid.backend import Array
from pellucid.core.application import SECOND_TIME, OpNode
from pellucid.core.context import is_reentry, run_within, state
from pellucid.core.node import AUX, OUT, VALUE, Node, Source, Vocabulary, steps
from pellucid.core.tensor import Tensor, wrap
from pellucid.declare import TABLE
from pellucid.errors import with_line
from pellucid.types.bfloat16 import BITS, converted
from pellucid.types.dtypes import OF_NUMPY, float32

from .vocabulary import LIFTED, NUMPY, sum_to

_ndarray = np.ndarray
_HALVES, _SINGLE = frozenset((np.dtype(np.float16), BITS)), np.dtype(np.float32)


def _references() -> int:
    """What `getrefcount` says of an array that one local variable alone refers to."""
    gradient = np.empty(0)
    return getrefcount(gradient)


_ALONE = _references()


def _counted(gradient: object) -> int:
    return getrefcount(gradient)


def _references_when_handed() -> int:
    """The same of a variable that is handed to a function."""
    gradient = np.empty(0)
    return _counted(gradient)


_HANDED = _references_when_handed()


def is_alone(gradient: Any) -> bool:
    """Whether only the variable that this is called with refers to an array and its memory: it may be handed over."""
    return type(gradient) is _ndarray and gradient.base is None and getrefcount(gradient) == _HANDED


def array_rules(node: OpNode, g: Any, vocabulary: Any, arrive: Any, useful: set[Any] | None) -> None:
    """Call the rules of a node on arrays, and hand what they give to `arrive(edge, gradient, fresh)`.

    `fresh` says that nobody else refers to the gradient, so that another may be added to it in place. With `useful`,
    only the rules for these edges are called.
    """
    call = state.run
    if node.freed:
        saved_by(node)
    saved = node.saved
    for counter, version, _ in node.guards:
        if counter[0] != version:
            saved_by(node)
    conjugated = False
    if g.dtype is not _SINGLE:
        if g.dtype.itemsize == 2:
            g, saved = _wide(g), [_wide(value) for value in saved]
        elif g.dtype.kind == "c" and node.op.holomorphic:
            g, conjugated = g.conj(), True
    if node.plan.shared:
        saved = _with_shared(node, vocabulary, g, saved)
    edges, elementwise = node.edges, node.op.elementwise
    metas = iter(node.metas)
    for (position, rule, slots), shape, dtype in zip(node.plan.rules, metas, metas):  # noqa: B905  as long
        edge = edges[position]
        if useful is not None and edge not in useful:
            continue
        try:
            if len(slots) == 1:
                gradient = call(rule, vocabulary, g, saved[slots[0]])
            else:
                gradient = call(rule, vocabulary, g, *map(saved.__getitem__, slots))
        except RuntimeError as failure:
            if not is_reentry(failure):
                raise
            gradient = run_within(rule, vocabulary, g, *[saved[slot] for slot in slots])
        if gradient is None:
            continue
        if elementwise and gradient.shape != shape:
            gradient = sum_to(vocabulary, gradient, shape)
        if conjugated:
            gradient = gradient.conj()
        if gradient.dtype is not dtype and gradient.dtype != dtype:
            gradient = _in_dtype(gradient, dtype)
        if type(gradient) is not _ndarray and vocabulary is NUMPY:
            gradient = np.asarray(gradient)
        fresh = gradient.base is None and getrefcount(gradient) == _ALONE  # within the call there is a reference more
        arrive(edge, gradient, fresh)


def _in_dtype(gradient: Array, dtype: np.dtype) -> Array:
    """The gradient as its input has it. Of a real input that became complex, the real part."""
    if gradient.dtype.kind == "c" and dtype.kind != "c":
        gradient = gradient.real
    return converted(gradient, dtype)


def tensor_rules(node: Node, g: Tensor, create: bool, arrive: Any, useful: set[Any] | None) -> None:
    """Call the rules of a node on Tensors, likewise; what they compute is recorded with `create`."""
    if not isinstance(node, OpNode):
        for edge, gradient in node.propagate(g, LIFTED, True, create):
            arrive(edge, gradient, False)
        return
    for position, gradient in tensor_gradients(node, g, create, useful):
        arrive(node.edges[position], gradient, False)


def tensor_gradients(
    node: OpNode,
    g: Tensor,
    create: bool,
    useful: set[Any] | None = None,
    positions: Container[int] | None = None,
    history: Source | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """(position, gradient) of each input that wants one: of those at `positions`, or of those whose edges are useful.

    `history` is that of the result, where it is not the node itself.
    """
    saved = saved_by(node)  # asked for once: what is packed, by a checkpoint, may be unpacked once alone
    values = [
        _lift(node, what, which, value, create, history or node, saved)
        for (what, which), value in zip(node.plan.saves, saved, strict=True)
    ]
    if g._array.itemsize == 2:
        g, values = _wide_tensor(g), [_wide_tensor(value) for value in values]
    conjugated = g._array.dtype.kind == "c" and node.op.holomorphic
    if conjugated:
        g = LIFTED.conj(g)
    if node.plan.shared:
        values = _with_shared(node, LIFTED, g, values)
    metas = iter(node.metas)
    for (position, rule, slots), shape, dtype in zip(node.plan.rules, metas, metas, strict=True):
        if useful is not None and node.edges[position] not in useful:
            continue
        if positions is not None and position not in positions:
            continue
        gradient = rule(LIFTED, g, *[values[slot] for slot in slots])
        if gradient is None:
            continue
        if node.op.elementwise and gradient._array.shape != shape:
            gradient = sum_to(LIFTED, gradient, shape)
        if conjugated:
            gradient = LIFTED.conj(gradient)
        if gradient._array.dtype.kind == "c" and dtype.kind != "c":
            gradient = LIFTED.real(gradient)
        if gradient._array.dtype != dtype:
            gradient = TABLE["cast"](gradient, dtype=OF_NUMPY[dtype])
        if create and node.op.piecewise and node.edges[0] is not None:
            gradient = TABLE["along"](gradient, _input_in_name(node, gradient))
        yield position, gradient


def _with_shared(node: OpNode, vocabulary: Vocabulary, g: Array, saved: Sequence[Array]) -> list[Array]:
    """The values that the rules ask for, followed by what several rules share."""
    made = list(saved)
    for rule, slots in node.plan.shared:
        values = [saved[slot] for slot in slots]
        try:
            made.append(state.run(rule, vocabulary, g, *values))
        except RuntimeError as failure:
            if not is_reentry(failure):
                raise
            made.append(run_within(rule, vocabulary, g, *values))
    return made


def _input_in_name(node: OpNode, gradient: Tensor) -> Tensor:
    """A tensor with the history of the op's first input, for ops that ask for the history alone."""
    edge = node.edges[0]
    if isinstance(edge, Tensor):
        return edge
    shape, dtype = node.metas[:2]
    if type(gradient._array) is _ndarray:
        return _with_history(_ndarray(shape, dtype, _ZEROS, 0, (0,) * len(shape)), edge)
    xp = backend.of_array(gradient._array).xp
    return _with_history(xp.broadcast_to(xp.zeros((), dtype), shape), edge)


_ZEROS = bytes(16)  # as many as a number of any dtype has


def _lift(node: OpNode, what: int, which: Any, value: Any, create: bool, history: Source, saved: Sequence[Any]) -> Any:
    """A saved array as the Tensor that it was, with its history."""
    if what == OUT:
        return _with_history(value, history)
    if what == VALUE:
        if which is None:
            return [_with_history(array, edge) for array, edge in zip(value, node.edges[node.op.star :], strict=True)]
        return _with_history(value, node.edges[which])
    if what == AUX:
        name: str = node.op.aux[which]  # pyright: ignore[reportUnknownVariableType]
        if (create or state.tangents is not None) and name in node.op.recompute:
            return _recomputed(node, node.op.recompute[name], history, saved)
        return wrap(value)
    return value


def _recomputed(node: OpNode, rule: Any, history: Source, saved: Sequence[Any]) -> Any:
    op = node.op
    names: list[str] = list(inspect.signature(rule).parameters)[1:]
    kept = dict(zip(node.plan.saves, saved, strict=True))
    given: list[Any] = []
    for name in names:
        if name == "out":
            given.append(_with_history(kept[OUT, 0], history))
        elif name in op.inputs:
            position = op.inputs.index(name)
            if (VALUE, position) not in kept:
                raise TypeError(f"{op.name}: a rule that uses a recomputed by-product must also ask for {name!r}")
            given.append(_with_history(kept[VALUE, position], node.edges[position]))
        else:
            given.append(node.kwargs.get(name, op.attributes[name]))
    return rule(LIFTED, *given)


def _with_history(array: Any, edge: Any) -> Any:
    if edge is not None and not isinstance(edge, Node):
        if edge._array is array:
            return edge  # the leaf itself
        edge = through(edge)  # what was saved of it is other memory: it was packed, or the leaf has new data
    if array is None or isinstance(array, int | float | complex):
        return array
    tensor = wrap(array)
    if edge is not None:
        tensor._node, tensor._requires = edge, True
    return tensor


class _Through(Node):
    """Hands its gradient on to a leaf: the history of a value that was saved of the leaf in other memory."""

    number = -1  # the last to be visited: only a leaf follows

    def __init__(self, leaf: Source) -> None:
        self.edges, self.kwargs = [leaf], {}

    def propagate(self, g: Any, vocabulary: Vocabulary, lifted: bool, create: bool) -> list[tuple[Source | None, Any]]:
        return [(self.edges[0], g)]


def through(source: Source) -> Node:
    """A node from which a gradient goes to `source`: itself, or in front of a leaf one that hands it on."""
    return source if isinstance(source, Node) else _Through(source)


def saved_by(node: OpNode) -> Sequence[Any]:
    """What the node kept, if it is still there and unchanged."""
    if node.freed:
        raise RuntimeError(
            with_line(
                f"{SECOND_TIME} What {node.op.name} had saved for backward was freed by the first: compute the loss "
                "anew; a value carried from one step to the next wants .detach()"
            )
        )
    for counter, version, slot in node.guards:
        if counter[0] != version:
            raise RuntimeError(_modified(node, counter[0], version, slot))
    return node.saved


def _modified(node: OpNode, now: int, then: int, slot: int) -> str:
    what, which = node.plan.saves[slot]
    value = node.saved[slot]
    name = (
        "its result"
        if what == OUT
        else f"its input {node.op.inputs[(node.op.star or 0) if which is None else which]!r}"
    )
    shape = f"{OF_NUMPY[value.dtype].name} {tuple(value.shape)}" if hasattr(value, "dtype") else "a list"
    where = f" recorded at {node.where}" if node.where else ""
    return with_line(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"{node.op.name}{where} needs {name} ({shape}), which is at version {now}; expected version {then} instead. "
        "Write the op that is not in place, or clone() before changing it"
    )


def _wide(value: Any) -> Any:
    """float16 and bfloat16 as float32. A rule computes in float32 and its result is rounded once, as in PyTorch's
    kernels: a count or a factor above 65504 must not become infinite on the way.
    """
    if isinstance(value, list):
        return [_wide(part) for part in cast("list[Any]", value)]
    return converted(value, _SINGLE) if getattr(value, "dtype", None) in _HALVES else value


def _wide_tensor(value: Any) -> Any:
    if isinstance(value, list):
        return [_wide_tensor(part) for part in cast("list[Any]", value)]
    if isinstance(value, Tensor) and value._array.dtype in _HALVES:
        return TABLE["cast"](value, dtype=float32)
    return value


def _step(node: Node, grads: tuple[Any, ...]) -> object:
    """What a node makes of the gradients of its results, outside of any backward; recorded where ops are."""
    whole = node.application()
    several = len(getattr(whole, "outputs", (None,)))
    if len(grads) != several:
        raise TypeError(f"expected {several} arguments, got {len(grads)} instead")
    made: list[tuple[Any, Any]] = []
    g = whole.bundle(grads)

    def arrive(edge: Source, gradient: Tensor, fresh: bool) -> None:
        made.append((edge, gradient))

    tensor_rules(whole, g, state.grad, arrive, None)
    found: list[Any] = []
    for edge in whole.edges:
        at = next((place for place, (other, _) in enumerate(made) if other is edge), None)
        found.append(None if edge is None or at is None else made.pop(at)[1])
    return found[0] if len(found) == 1 else tuple(found)


steps.append(_step)
