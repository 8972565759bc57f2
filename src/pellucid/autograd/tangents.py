"""Forward mode: tangents carried beside values, through every op, while a level is open.

A level is an interpreter behind the door. A tangent belongs to an array: what backward has saved, and wraps in a Tensor
anew, has it, too, and so the gradients of a backward within a level get tangents by themselves. The tangent of a view
is the view of the tangent, and an op that changes a tensor in place changes its tangent in place. Else Jt is found by
the op's own rules: u ↦ uᵀJ is linear, and its gradient in direction t is Jt.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np

from pellucid.backend import Array
from pellucid.core.application import OpNode
from pellucid.core.context import state
from pellucid.core.declaration import Declaration
from pellucid.core.door import Interpreter, apply, below, promote
from pellucid.core.modes import inference_mode
from pellucid.core.node import Arguments, Attributes
from pellucid.core.promotion import as_arguments
from pellucid.core.recorder import record
from pellucid.core.tensor import UNCOUNTED, Chain, Tensor, edge_of, like, wrap, zeros_like
from pellucid.core.views import keep_overwritten, memory_of
from pellucid.declare import TABLE
from pellucid.reverse import grad
from pellucid.reverse.rules import tensor_gradients
from pellucid.reverse.vocabulary import LIFTED


class _Switch(threading.local):
    """Whether the ops of a thread compute tangents where a level is open."""

    on = True


switch = _Switch()


class Level(Interpreter):
    """The tangents of a level of forward mode, and the interpreter that computes them."""

    as_given = True

    def __init__(self) -> None:
        # By the id of an array: a reference to it, at whose end the entry goes, and the tangent; None for what is a
        # view in memory, but leaves the level's sight: the value that `unpack_dual` hands out.
        self._known: dict[int, tuple[object, Tensor | None]] = {}

    def of(self, tensor: Tensor) -> Tensor | None:
        """The tangent of a tensor; None where it does not depend on a dual."""
        known = self._known.get(id(tensor._array))
        if known is not None:
            return known[1]
        view = tensor._view
        of_base = None if view is None else self.of(view.base)
        if view is None or of_base is None:
            return None
        found = self._part(of_base, view.chain)
        self.note(tensor, found)
        return found

    def note(self, tensor: Tensor, tangent: Tensor | None) -> None:
        """Make `tangent` the tensor's, from here on."""
        array, key = tensor._array, id(tensor._array)
        known = self._known
        known[key] = weakref.ref(array, lambda _: known.pop(key, None)), tangent

    def forget(self, tensor: Tensor) -> None:
        """From here on the tensor has no tangent."""
        self.note(tensor, None)

    @contextmanager
    def aside(self) -> Generator[None]:
        """A block whose ops compute no tangents."""
        before = state.interpreters
        state.interpreters = tuple(other for other in before if other is not self)
        try:
            yield
        finally:
            state.interpreters = before

    def apply(self, op: Declaration, args: Arguments, kwargs: Attributes) -> object:
        moving = self.moving(args) if switch.on else {}
        if not moving:
            out = below(self, op, args, kwargs)
            if op.view and id(args[0]._array) in self._known:
                self.forget(out)
            return out
        if op.composition is not None and not op.rules:
            return op.composition(LIFTED, *args, **kwargs)
        args = as_arguments(op, args)
        if op.kind is not None:
            args = (*args[: len(op.mutates)], *promote(op, args)[len(op.mutates) :])
            moving = self.moving(args)
        if op.mutates:
            return self._change(op, args, kwargs, moving)
        out = below(self, op, args, kwargs)
        first, *others = cast("tuple[Tensor, ...]", out) if isinstance(out, tuple) else (cast("Tensor", out),)
        if first.is_floating_point() or first.is_complex():
            if op.view and list(moving) == [0]:
                with self.aside():
                    tangent = apply(op, (moving[0], *args[1:]), kwargs)
            else:
                made = _node(op, args, kwargs, moving, first, [other._array for other in others])
                tangent = self._pushed(made, args, moving, first)
            self.note(first, laid_as(first._array, tangent))
        return out

    def moving(self, args: Arguments) -> dict[int, Tensor]:
        """The tangents of those arguments that have one, by position."""
        found = ((i, self.of(value)) for i, value in enumerate(args) if isinstance(value, Tensor))
        return {i: tangent for i, tangent in found if tangent is not None}

    def _change(self, op: Declaration, args: Arguments, kwargs: Attributes, moving: dict[int, Tensor]) -> Tensor:
        """An op that changes its first argument in place, and then the tangent of that."""
        target: Tensor = args[0]
        holder = wrap(target._array)
        made = _node(op, args, kwargs, moving, holder, [])
        if made is not None:
            keep_overwritten(op, made)
            made.guards = ()
        result = below(self, op, args, kwargs)
        tangent = self._pushed(made, args, moving, target)
        own = moving.get(0)
        if own is None:
            own = self._begin(target)
        with self.aside():
            TABLE["copy_"](own, tangent)
        return result

    def _pushed(self, made: OpNode | None, args: Arguments, moving: dict[int, Tensor], result: Tensor) -> Tensor:
        """The tangent of the result of an op, by the rules of a node of it."""
        if made is None:
            return zeros_like(result)
        given = (*moving.values(), *(value for value in args if isinstance(value, Tensor)))
        connected = state.grad and any(tensor.requires_grad for tensor in given)
        history = edge_of(result)
        with self.aside(), inference_mode(False):
            u = zeros_like(result).requires_grad_()
            try:
                found = tensor_gradients(made, u, connected, positions=moving, history=history)
                pulled = [(g, moving[position]) for position, g in found if g.requires_grad]
            except NotImplementedError as failure:
                raise _unsupported(made.op, str(failure)) from None
            if not pulled:
                return zeros_like(result)
            ends, ways = zip(*pulled, strict=True)
            (along,) = grad(ends, u, ways, create_graph=connected, allow_unused=True)
        return zeros_like(result) if along is None else along

    def _begin(self, target: Tensor) -> Tensor:
        """Zeros, as the tangent of what had none, and of the tensor that it is a part of."""
        view = target._view
        if view is None or id(target._array) in self._known:
            made = laid_as(target._array, zeros_like(target))
        else:
            of_base = self.of(view.base)
            if of_base is None:
                of_base = laid_as(view.base._array, zeros_like(view.base))
                self.note(view.base, of_base)
            whole = same_layout(view.base._array, target._array)
            made = of_base if whole else self._part(of_base, view.chain)
        self.note(target, made)
        return made

    def _part(self, tangent: Tensor, chain: Chain) -> Tensor:
        with self.aside():
            for op, kwargs in chain:
                tangent = apply(op, (tangent,), kwargs)
        return tangent


def _unsupported(op: Declaration, why: str) -> NotImplementedError:
    return NotImplementedError(
        f"Trying to use forward AD with {op.name} that does not support it because it has not been implemented yet: "
        f"{why}"
    )


def _node(
    op: Declaration,
    args: Arguments,
    kwargs: Attributes,
    moving: dict[int, Tensor],
    out: Tensor,
    by_products: Sequence[Array],
) -> OpNode | None:
    """A node of the application whose rules give what Jt needs; None where the op has none."""
    if not op.rules:
        return None
    mask, given = 0, list(args)
    for i, value in enumerate(args):
        if isinstance(value, Tensor):
            if i in moving or value.requires_grad:
                mask |= 1 << i
            if value._counter is UNCOUNTED:
                given[i] = wrap(value._array)
    arrays = [value._array if isinstance(value, Tensor) else value for value in given]
    return record(op, tuple(given), arrays, kwargs, mask, wrap(out._array), by_products)


def alias(tensor: Tensor) -> Tensor:
    """Another tensor in the same memory, whose tangent is its own."""
    if tensor.requires_grad and state.grad:
        return tensor.view_as(tensor)
    return like(tensor, tensor._array[...])


def same_layout(one: Array, other: Array) -> bool:
    """Whether two arrays lie in memory of their own in the same way: what is a view of one is a view of the other."""
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return type(one) is type(other)
    if one.shape != other.shape:
        return False
    if not one.size:
        return True
    steps = zip(one.shape, one.strides, other.strides, strict=True)
    if any(length > 1 and step * other.itemsize != its * one.itemsize for length, step, its in steps):
        return False
    whole, its = memory_of(one), memory_of(other)
    return whole.size == its.size and _offset(whole, one) == _offset(its, other)


def _offset(whole: Array, part: Array) -> int:
    return (part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) // part.itemsize


def laid_as(array: Array, tangent: Tensor, memory: bool = False) -> Tensor:
    """The tangent, copied where the array lies in another way: as what is a view of it is to be a view of the tangent.

    With `memory`, the memory around the array counts, too, into which `as_strided` may look.
    """
    own = tangent._array
    if not isinstance(array, np.ndarray) or not isinstance(own, np.ndarray):
        return tangent
    if (same_layout(array, own) if memory else array.strides == own.strides) or not array.size:
        return tangent
    if any(step <= 0 and length > 1 for step, length in zip(array.strides, array.shape, strict=True)):
        return tangent
    whole = memory_of(array)
    if whole.dtype != array.dtype or own.dtype != array.dtype:
        return tangent
    lies = np.zeros(whole.size, own.dtype), _offset(whole, array) * array.itemsize
    made = wrap(np.ndarray(array.shape, own.dtype, *lies, array.strides))
    return TABLE["copy_"](made, tangent)


def level() -> Level | None:
    """The level that is open in this thread."""
    found = state.tangents
    return found if isinstance(found, Level) else None
