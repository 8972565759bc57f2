"""The one door: every op, from wherever it is called, goes through `apply`.

Behind the door is an interpreter. With none pushed, `apply` itself computes the result and, where a gradient will
be wanted, records the application as a node. A tool (tracer, anomaly detection, observers) is an interpreter that is
pushed for the length of a block, sees each application and hands it on with `below`. Ops never know.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from pellucid import backend
from pellucid.errors import wrong_type
from pellucid.types.dtypes import ALL, bfloat16

from . import views
from .application import recompute
from .context import EngineWatcher, state
from .declaration import TABLE, Declaration
from .narrow import forward_of
from .node import Arguments, Attributes
from .promotion import as_arguments, check_dtypes, promotion_of
from .recorder import record, recorder
from .tensor import UNCOUNTED, Tensor, inference

_new: Any = object.__new__
_ndarray = np.ndarray
_numpy = backend.NUMPY.xp
_PLAIN = frozenset((float, bool, complex))
_SCALARS = (np.generic, int, float, complex)
_FLOATS = frozenset(dtype.numpy for dtype in ALL if dtype.is_floating_point and dtype is not bfloat16)
_DIFFERENTIABLE = _FLOATS | {dtype.numpy for dtype in ALL if dtype.is_complex} | {bfloat16.numpy}

W = TypeVar("W", bound=EngineWatcher)


class Interpreter(EngineWatcher):
    """What can stand behind the door; as it is, it hands everything on. It also has the hooks of a watcher."""

    def apply(self, op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
        """Interpret one application of an op."""
        return below(self, op, args, kwargs)


@contextmanager
def interpreter(pushed: W) -> Generator[W]:
    """Push an interpreter for the length of a `with` block."""
    before, watchers = state.interpreters, state.watchers
    state.interpreters = (*before, pushed)
    watchers.append(pushed)
    try:
        yield pushed
    finally:
        state.interpreters = before
        watchers.remove(pushed)


def below(above: EngineWatcher, op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
    """Have an application done by what stands behind the interpreter `above`."""
    before = state.interpreters
    state.interpreters = before[: before.index(above)]
    try:
        return apply(op, args, kwargs)
    finally:
        state.interpreters = before


def apply(op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
    """Apply `op` to `args` (tensors, numbers, None) with the attributes `kwargs`.

    With no interpreter pushed it is computed, and recorded where a gradient will be wanted. That runs for every op of
    every step: what is seldom needed is in functions of its own.
    """
    if state.interpreters:
        return state.interpreters[-1].apply(op, args, kwargs)
    arrays: list[Any] = []
    dtype = None
    mixed = odd = viewed = False
    forward = op.forward
    mask, bit = 0, 1  # a bit for each input that requires a gradient
    for argument in args:
        if isinstance(argument, Tensor):
            array = argument._array
            arrays.append(array)
            if argument._view is not None:
                argument._view.refresh(argument)
                viewed = True
            if argument._requires:
                mask |= bit
            if array.dtype is not dtype:
                mixed = dtype is not None
                dtype = array.dtype
            if type(array) is not _ndarray:
                odd = True
        else:
            arrays.append(argument)
            if argument is None:
                if op.elementwise and len(arrays) <= op.required:
                    raise wrong_type(op.name, op.inputs[len(arrays) - 1], "Tensor", None)
            elif type(argument) not in _PLAIN and not (type(argument) is int and -(2**63) <= argument < 2**64):
                return apply(op, as_arguments(op, args), kwargs)
        bit += bit
    if mixed or dtype not in _FLOATS:
        if op.refuses:
            check_dtypes(op, args)
        promoted = args if op.kind is None else promote(op, args)
        if promoted is not args and any(new is not old for new, old in zip(promoted, args, strict=True)):
            if not op.mutates:
                return apply(op, promoted, kwargs)
            views.check_in_place_dtype(op, args, promoted)
            args = (args[0], *promoted[1:])
            arrays = [argument._array if isinstance(argument, Tensor) else argument for argument in args]
        forward = forward_of(op, arrays, kwargs)
    xp = _numpy if arrays and not odd else _namespace(op, args, kwargs)
    if op.mutates and (viewed or state.grad):
        return views.evaluate_in_place(op, args, arrays, kwargs, xp, mask, forward)
    try:
        out = state.run(forward, xp, *arrays, **kwargs) if kwargs else state.run(forward, xp, *arrays)
    except Exception as failure:  # noqa: BLE001
        out = recompute(op, args, arrays, kwargs, xp, forward, failure)
    if op.mutates:
        return views.changed(op, args)
    if type(out) is not _ndarray:
        if isinstance(out, tuple):
            return _with_aux(op, args, arrays, kwargs, mask, out, xp, viewed)  # pyright: ignore[reportUnknownArgumentType]
        if isinstance(out, _SCALARS):
            out = xp.asarray(out)  # NumPy makes 0-d results scalars
    tensor = _new(Tensor)
    tensor._array = out
    if op.view:
        views.mark(tensor, op, args[0], kwargs)
        if tensor._counter is UNCOUNTED:
            return tensor
    if mask and state.grad and op.rules and out.dtype in _DIFFERENTIABLE:
        if viewed:
            views.check_usable(args)
        plan = op.plans.get(mask) or op.plan(mask)
        (plan.record or recorder(op, plan))(op, plan, args, arrays, kwargs, tensor, ())  # as `record` does
    elif inference.on and tensor._counter is None:
        tensor._counter = UNCOUNTED
    return tensor


def _with_aux(
    op: Declaration,
    args: Arguments,
    arrays: list[Any],
    kwargs: Attributes,
    mask: int,
    out: tuple[Any, ...],
    xp: Any,
    viewed: bool,
) -> tuple[Tensor, ...]:
    """The result of an op and its by-products."""
    results: list[Tensor] = []
    for array in out:
        tensor = _new(Tensor)
        tensor._array = xp.asarray(array) if isinstance(array, _SCALARS) else array
        results.append(tensor)
    first = results[0]
    if mask and state.grad and op.rules and first._array.dtype in _DIFFERENTIABLE:
        if viewed:
            views.check_usable(args)
        record(op, args, arrays, kwargs, mask, first, out[1:])
    elif inference.on:
        for tensor in results:
            tensor._counter = UNCOUNTED
    return tuple(results)


def _namespace(op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
    """The array library of the tensors, which must all be on one device."""
    tensors = [tensor for tensor in args if isinstance(tensor, Tensor)]
    if not tensors:
        device = kwargs.get("device")
        return _numpy if device is None else device.backend.xp
    of = [backend.of_array(tensor._array) for tensor in tensors]
    if any(library is not of[0] for library in of):
        where = ", ".join(f"{name} on {tensor.device}" for name, tensor in zip(op.inputs, tensors, strict=False))
        raise RuntimeError(
            f"{op.name}: expected all tensors to be on the same device, but {where}; move one with .to(other.device)"
        )
    return of[0].xp


def promote(op: Declaration, args: Arguments) -> Arguments:
    """The arguments in one dtype, by the op's kind. A cast is applied, and recorded, like any other op."""
    result, cast, target = promotion_of(op, args)
    for position in cast:
        result[position] = apply(TABLE["cast"], (result[position],), {"dtype": target})
    return tuple(result)
