"""The one door: every op, from wherever it is called, goes through `apply`.

Behind the door stands an interpreter. With none pushed it is `evaluate`: compute the result and, where a gradient
will be wanted, record the application as a node. A tool (tracer, anomaly detection, observers) is an interpreter that
is pushed for the length of a context, sees each application and hands it on with `below`. Ops never know.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid import backend

from . import views
from .errors import explain
from .node import Node, shape_and_dtype
from .promote import as_arguments, promote
from .state import TABLE, Interpreter, state
from .tensor import Tensor, counter_of, wrap

if TYPE_CHECKING:
    from .op import Op

_new: Any = object.__new__
_ndarray = np.ndarray
_numpy = backend.NUMPY.xp
_OUT, _VALUE, _SHAPE, _AUX = range(4)  # as in core.op
_NUMBERS = frozenset((int, float, bool))


def apply(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply `op` to `args` (tensors, numbers, None) with the attributes `kwargs`."""
    interpreters = state.interpreters
    if interpreters:
        return interpreters[-1].apply(op, args, kwargs)
    return evaluate(op, args, kwargs)


@contextmanager
def interpreter(one: Interpreter) -> Iterator[Interpreter]:
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


def evaluate(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute an op, and record it where a gradient will be wanted."""
    arrays: list[Any] = []
    needs = mixed = odd = False
    dtype = None
    for one in args:
        if isinstance(one, Tensor):
            array = one._array
            arrays.append(array)
            if one._view is not None:
                views.refresh(one)
            if one._requires:
                needs = True
            if dtype is None:
                dtype = array.dtype
            elif array.dtype is not dtype:
                mixed = True
            if type(array) is not _ndarray:
                odd = True
        else:
            arrays.append(one)
            if one is not None and type(one) not in _NUMBERS:
                return evaluate(op, as_arguments(op, args), kwargs)
    if op.kind is not None and (mixed or dtype is None or dtype.kind != "f"):
        promoted = promote(op, args, _cast)
        if any(new is not old for new, old in zip(promoted, args, strict=True)):
            if op.mutates:
                views.check_in_place_dtype(op, args, promoted)
                promoted = (args[0], *promoted[1:])
                arrays = [one._array if isinstance(one, Tensor) else one for one in promoted]
                args = promoted
            else:
                return evaluate(op, promoted, kwargs)
    if op.mutates:
        return views.evaluate_in_place(op, args, arrays, kwargs, needs, _run, record)
    out = _run(op, args, arrays, kwargs, odd)
    if op.aux:
        results = tuple(wrap(one) for one in out)
        if needs and state.grad and op.rules and out[0].dtype.kind == "f":
            record(op, args, arrays, kwargs, results[0], out[1:])
        return results
    tensor = _new(Tensor)
    tensor._array = out
    if op.view:
        views.mark(tensor, op, args[0], kwargs)
    if needs and state.grad and op.rules and out.dtype.kind == "f":
        record(op, args, arrays, kwargs, tensor, ())
    return tensor


def _run(op: Op, args: tuple[Any, ...], arrays: list[Any], kwargs: dict[str, Any], odd: bool) -> Any:
    """The op's forward on raw arrays; what comes back is an array (NumPy makes 0-d results scalars), or a tuple."""
    xp = _numpy
    if odd or not arrays:
        xp = _namespace(op, args, kwargs)
    try:
        if kwargs:
            out = state.run(op.forward, xp, *arrays, **kwargs)
        else:
            out = state.run(op.forward, xp, *arrays)
    except Exception as failure:  # noqa: BLE001  whatever it is, it is told with the op and the user's line
        raise explain(op, args, kwargs, failure) from None
    if type(out) is _ndarray:
        return out
    if type(out) is tuple:
        return tuple(one if hasattr(one, "flags") else xp.asarray(one) for one in out)
    return xp.asarray(out) if isinstance(out, np.generic | int | float) else out


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


def record(op: Op, args: tuple[Any, ...], arrays: list[Any], kwargs: dict[str, Any], out: Tensor, aux: Any) -> Node:
    """Make `out` the result of a new node, which keeps what the rules of `op` ask for."""
    edges: list[Any] = []
    wanted: list[int] = []
    metas: list[Any] = []
    rules = op.rules
    star = op.star
    for i, one in enumerate(args):
        if isinstance(one, Tensor) and one._requires:
            edges.append(one._node or one)
            if (i if star is None or i < star else star) in rules:
                wanted.append(i)
                metas.append(shape_and_dtype(one))
        else:
            edges.append(None)
    plan = op.plan(tuple(wanted))
    saved: list[Any] = []
    guards: list[Any] = []
    for what, which in plan.saves:
        if what == _VALUE:
            if which is None:  # all inputs of an op over a list
                for one in args[star:]:
                    guards.append((counter_of(one), one._version, len(saved)))
                saved.append(list(arrays[star:]))
                continue
            saved.append(arrays[which])
            one = args[which]
            if isinstance(one, Tensor):
                counter = one._counter or counter_of(one)
                guards.append((counter, counter[0], len(saved) - 1))
        elif what == _OUT:
            counter = out._counter or counter_of(out)
            guards.append((counter, counter[0], len(saved)))
            saved.append(out._array)
        elif what == _SHAPE:
            saved.append(tuple(one.shape for one in arrays[star:]) if which is None else np.shape(arrays[which]))
        elif what == _AUX:
            saved.append(aux[which])
        else:
            name, default = which
            saved.append(kwargs.get(name, default) if name else default)
    out._node = node = Node(op, plan, edges, saved, guards, metas, kwargs)
    out._requires = True
    return node


def _cast(tensor: Tensor, to: Any) -> Tensor:
    return evaluate(TABLE["cast"], (tensor,), {"dtype": to})
