"""The one door: every op, from wherever it is called, goes through `apply`.

Behind the door stands an interpreter. With none pushed it is `evaluate`: compute the result and, where a gradient
will be wanted, record the application as a node. A tool (tracer, anomaly detection, observers) is an interpreter that
is pushed for the length of a context, sees each application and hands it on with `below`. Ops never know.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import backend

from . import views
from .context import TABLE, Interpreter, state
from .dtypes import ALL
from .errors import explain
from .node import Node, next_number
from .promotion import as_arguments, promote
from .tensor import Tensor, counter_of

if TYPE_CHECKING:
    from .declaration import Op

_new: Any = object.__new__
_ndarray = np.ndarray
_numpy = backend.NUMPY.xp
_OUT, _VALUE, _SHAPE, _AUX = range(4)  # as in core.declaration
_NUMBERS = frozenset((int, float, bool))
_SCALARS = (np.generic, int, float)
_FLOATS = frozenset(one.numpy for one in ALL if one.is_floating_point)


@contextmanager
def interpreter(one: Interpreter) -> Generator[Interpreter]:
    """Push an interpreter for the length of a `with` block."""
    before = state.interpreters
    state.interpreters = (*before, one)
    try:
        yield one
    finally:
        state.interpreters = before


def below(one: Interpreter, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Have an application done by what stands behind the interpreter `one`."""
    before = state.interpreters
    state.interpreters = before[: before.index(one)]
    try:
        return apply(op, args, kwargs)
    finally:
        state.interpreters = before


def apply(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply `op` to `args` (tensors, numbers, None) with the attributes `kwargs`."""
    interpreters = state.interpreters
    if interpreters:
        return interpreters[-1].apply(op, args, kwargs)
    return evaluate(op, args, kwargs)


def evaluate(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute an op, and record it where a gradient will be wanted.

    This runs for every op of every step: what is seldom needed is in functions of its own.
    """
    arrays: list[Any] = []
    dtype = None
    mixed = odd = viewed = False
    mask, bit = 0, 1  # a bit for each input that requires a gradient
    for one in args:
        if isinstance(one, Tensor):
            array = one._array
            arrays.append(array)
            if one._view is not None:
                one._view.refresh(one)
                viewed = True
            if one._requires:
                mask |= bit
            if array.dtype is not dtype:
                mixed = dtype is not None
                dtype = array.dtype
            if type(array) is not _ndarray:
                odd = True
        else:
            arrays.append(one)
            if one is not None and type(one) not in _NUMBERS:
                return evaluate(op, as_arguments(op, args), kwargs)
        bit += bit
    if op.kind is not None and (mixed or dtype not in _FLOATS):
        promoted = promote(op, args, _cast)
        if any(new is not old for new, old in zip(promoted, args, strict=True)):
            if not op.mutates:
                return evaluate(op, promoted, kwargs)
            views.check_in_place_dtype(op, args, promoted)
            args = (args[0], *promoted[1:])
            arrays = [one._array if isinstance(one, Tensor) else one for one in args]
    xp = _numpy if arrays and not odd else _namespace(op, args, kwargs)
    if op.mutates and (viewed or state.grad):
        return views.evaluate_in_place(op, args, arrays, kwargs, xp, mask, record)
    try:
        out = state.run(op.forward, xp, *arrays, **kwargs) if kwargs else state.run(op.forward, xp, *arrays)
    except Exception as failure:  # noqa: BLE001  whatever it is, it is told with the op and the user's line
        raise explain(op, args, kwargs, failure) from None
    if op.mutates:
        return views.changed(op, args)
    if type(out) is not _ndarray:
        if type(out) is tuple:
            return _with_aux(op, args, arrays, kwargs, mask, out, xp)
        if isinstance(out, _SCALARS):
            out = xp.asarray(out)  # NumPy makes 0-d results scalars
    tensor = _new(Tensor)
    tensor._array = out
    if op.view:
        views.mark(tensor, op, args[0], kwargs)
    if mask and state.grad and op.rules and out.dtype in _FLOATS:
        record(op, args, arrays, kwargs, mask, tensor, ())
    return tensor


def _with_aux(
    op: Op, args: tuple[Any, ...], arrays: list[Any], kwargs: dict[str, Any], mask: int, out: tuple[Any, ...], xp: Any
) -> tuple[Tensor, ...]:
    """The result of an op and its by-products."""
    results: list[Tensor] = []
    for one in out:
        tensor = _new(Tensor)
        tensor._array = xp.asarray(one) if isinstance(one, _SCALARS) else one
        results.append(tensor)
    first = results[0]
    if mask and state.grad and op.rules and first._array.dtype in _FLOATS:
        record(op, args, arrays, kwargs, mask, first, out[1:])
    return tuple(results)


def _namespace(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The array library of the tensors, which must all be on one device."""
    tensors = [one for one in args if isinstance(one, Tensor)]
    if not tensors:
        device = kwargs.get("device")
        return _numpy if device is None else device.backend.xp
    of = [backend.of_array(one._array) for one in tensors]
    if any(one is not of[0] for one in of):
        where = ", ".join(f"{name} on {one.device}" for name, one in zip(op.inputs, tensors, strict=False))
        raise RuntimeError(
            f"{op.name}: expected all tensors to be on the same device, but {where}; move one with .to(other.device)"
        )
    return of[0].xp


def record(
    op: Op, args: tuple[Any, ...], arrays: list[Any], kwargs: dict[str, Any], mask: int, out: Tensor, aux: Any
) -> Node:
    """Make `out` the result of a new node, which keeps what the rules of `op` ask for."""
    plan = op.plans.get(mask) or op.plan(mask)
    edges: list[Any] = [None] * len(args)
    for i in plan.tracked:
        one = args[i]
        edges[i] = one._node or one
    saved: list[Any] = []
    guards: list[Any] = []
    by_products = False
    for what, which in plan.saves:
        if what == _VALUE:
            if which is None:  # all the starred inputs
                _save_all(op.star, args, arrays, saved, guards)
                continue
            one = args[which]
            if isinstance(one, Tensor):
                counter = one._counter or counter_of(one)
                guards.append((counter, counter[0], len(saved)))
            saved.append(arrays[which])
        elif what == _OUT:
            counter = out._counter or counter_of(out)
            guards.append((counter, counter[0], len(saved)))
            saved.append(out._array)
        elif what == _SHAPE:
            saved.append(tuple(one.shape for one in arrays[op.star :]) if which is None else _shape(arrays[which]))
        elif what == _AUX:
            saved.append(aux[which])
            by_products = True
        else:
            name, default = which
            saved.append(kwargs.get(name, default) if name else default)
    node = _new(Node)
    node.op, node.plan, node.edges, node.saved, node.guards, node.kwargs = op, plan, edges, saved, guards, kwargs
    node.metas = metas = []
    for i in plan.wanted:
        array = arrays[i]
        metas.append((array.shape, array.dtype))
    node.number = next_number()
    if by_products:
        node.by_products = True
    if callable(op.node):
        node.called = op.node(args, kwargs)
    out._node = node
    out._requires = True
    return node


def _save_all(star: Any, args: tuple[Any, ...], arrays: list[Any], saved: list[Any], guards: list[Any]) -> None:
    for one in args[star:]:
        guards.append((counter_of(one), one._version, len(saved)))
    saved.append(list(arrays[star:]))


def _shape(array: Any) -> Any:
    return array.shape if hasattr(array, "shape") else ()


def _cast(tensor: Tensor, to: Any) -> Tensor:
    return evaluate(TABLE["cast"], (tensor,), {"dtype": to})
