"""Tensors whose numbers follow from their place: counted, spaced, the identity, grids, the places of a triangle."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from pellucid.core import Tensor, apply, as_dtype, get_default_dtype
from pellucid.core import dtype as DType
from pellucid.declare import TABLE, function, op
from pellucid.declare.arguments import is_number, spread
from pellucid.errors import warn, with_line
from pellucid.random.box_muller import fused_multiply_add
from pellucid.types.bfloat16 import converted
from pellucid.types.dtypes import bool_, int64, refuse_wide

from .creation import attributes, sizes


@op(name="arange", method=False, public=False)
def _arange(xp: Any, *, start: Any, step: Any, length: int, dtype: DType, device: Any = None) -> Any:
    """start + step · i for i from 0 to length - 1, in int64 or float64 before the cast.

    PyTorch counts anew, from a rounded number, at each vector of the processor of 32 bytes, and takes the vectors in
    twos; what is left it counts from the start. So it is here, to have its last digits.
    """
    kind = dtype.numpy
    if kind.kind != "f":
        return (xp.arange(length) * int(step) + int(start)).astype(kind)
    place, step, start = xp.arange(length, dtype=xp.float64), float(step), float(start)
    if kind.itemsize < 4:
        return (place * step + start).astype(kind)
    lanes = 32 // kind.itemsize
    place[length - length % (2 * lanes) :] = 0
    place %= lanes
    base = fused_multiply_add(xp.arange(length) - place, step, start).astype(kind)
    return fused_multiply_add(place, step, base.astype(xp.float64)).astype(kind)


@function(method=False)
def arange(*bounds: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **others: Any) -> Tensor:
    """Numbers from `start` (0) up to but without `end`, `step` (1) apart: `arange(end)`, `arange(start, end[, step])`.

    int64 where all bounds are integers, else the default dtype. Raises RuntimeError for a step of 0 or one that leads
    away from `end`.

    >>> arange(1, 7, 2)
    tensor([1, 3, 5])
    """
    names = ("end",) if len(bounds) == 1 and not {"start", "end"} & others.keys() else ("start", "end", "step")
    if len(bounds) == 1 and "start" in others:
        names = ("end",)
    given = {**dict(zip(names, bounds, strict=False)), **others}
    start, end, step = (_number(given.pop(name, None), of) for name, of in (("start", 0), ("end", None), ("step", 1)))
    sizes((), given, "arange")
    if len(bounds) > 3:
        raise TypeError(with_line(f"arange() takes at most 3 positional arguments ({len(bounds)} given)"))
    if end is None:
        raise TypeError("arange() is missing end; it is called as arange(end) or arange(start, end, step)")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: start={start}, end={end}, step={step}"
        )
    if dtype is None:
        dtype = int64 if all(isinstance(entry, int) for entry in (start, end, step)) else get_default_dtype()
    known = attributes(dtype, device)
    if known["dtype"] is bool_ or known["dtype"].is_complex:
        raise NotImplementedError(f"arange() is not implemented for {known['dtype'].name}; write dtype=int64")
    if known["dtype"] is int64:
        start, end, step = int(start), int(end), int(step)
        if step == 0:
            raise RuntimeError("step must be nonzero")
        length = -((start - end) // step)
    else:
        length = math.ceil((end - start) / step)
    made = apply(TABLE["arange"], (), {"start": start, "step": step, "length": max(length, 0), **known})
    return made.requires_grad_() if requires_grad else made


def _number(value: Any, default: Any) -> Any:
    """A bound as a Python number; raises TypeError for what is none, OverflowError for an integer beyond 64 bits."""
    if value is None:
        return default
    if isinstance(value, Tensor) and value.ndim == 1 and value.numel() == 1:
        return value.item()
    if not is_number(value):
        raise TypeError(with_line(f"a bound must be Number, not {type(value).__name__}"))
    if isinstance(value, int):
        refuse_wide(value)
    return cast("Any", value).item() if isinstance(value, Tensor | np.generic) else value


@op(name="linspace", method=False, public=False, any_dtype=True)
def _linspace(xp: Any, *, start: Any, end: Any, steps: int, dtype: DType, device: Any = None) -> Any:
    """`steps` numbers evenly spaced from `start` to `end`, counted from the nearer end, as in PyTorch."""
    kind = dtype.numpy
    wide = kind if kind.itemsize > 2 else np.dtype(np.float32)
    if kind.kind in "iub":
        start, end, wide = int(start), int(end), np.dtype(np.float64)
    first, last = (converted(converted(np.asarray(bound, wide), kind), wide)[()] for bound in (start, end))
    if steps == 1:
        return converted(xp.full((1,), first, wide), kind)
    step = (last - first) / wide.type(max(steps - 1, 1))
    half = steps // 2
    index = xp.arange(steps)
    index[half:] -= steps - 1
    if wide is not kind and wide.itemsize == 4:  # of 16 bits: rounded at each operation
        step = _in_16_bits((last - first) / _in_16_bits(wide.type(max(steps - 1, 1)), kind), kind)
        made = _in_16_bits(_in_16_bits(index.astype(wide), kind) * step, kind)
        made[:half] += first
        made[half:] += last
    elif wide.kind == "c" or wide is not kind:
        made = index * step
        made[:half] += first
        made[half:] += last
    else:  # rounded once, as the processor does
        index, step = index.astype(xp.float64), float(step)
        made = xp.concatenate([
            fused_multiply_add(index[:half], step, float(first)), fused_multiply_add(index[half:], step, float(last))
        ])  # fmt: skip
    return converted(made, kind)


def _in_16_bits(numbers: Any, kind: Any) -> Any:
    """float32 rounded to a dtype of 16 bits."""
    return converted(converted(np.asarray(numbers), kind), np.dtype(np.float32))


@function(method=False)
def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
             **ignored: Any) -> Tensor:  # fmt: skip
    """`steps` numbers evenly spaced from `start` to `end`, both included.

    >>> linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    sizes((), ignored, "linspace")
    return _spaced("linspace", start, end, steps, dtype, device, requires_grad)


def _spaced(name: str, start: Any, end: Any, steps: int, dtype: Any, device: Any, requires_grad: bool,
            **more: Any) -> Tensor:  # fmt: skip
    steps = int(steps)
    for which, bound in (("start", start), ("end", end)):
        if isinstance(bound, Tensor) and bound.ndim:
            raise RuntimeError(
                f"{name} only supports 0-dimensional start and end tensors, but got {which} with "
                f"{bound.ndim} dimension(s)"
            )
    if dtype is not None and as_dtype(dtype) is bool_:
        raise NotImplementedError(f"{name}() is not implemented for bool; write dtype=int64")
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, got steps={steps}")
    start, end = _number(start, 0), _number(end, 0)
    if dtype is None and (isinstance(start, complex) or isinstance(end, complex)):
        dtype = get_default_dtype().to_complex()
    made = apply(TABLE[name], (), {"start": start, "end": end, "steps": steps, **more, **attributes(dtype, device)})
    return made.requires_grad_() if requires_grad else made


@op(name="logspace", method=False, public=False)
def _logspace(xp: Any, *, start: Any, end: Any, steps: int, base: float, dtype: DType, device: Any = None) -> Any:
    """base to the power of `steps` numbers evenly spaced from `start` to `end`."""
    kind = dtype.numpy
    wide = kind
    if kind.kind not in "fc":
        start, end, wide = int(start), int(end), np.dtype(np.float64)
    exponents = _linspace.forward(xp, start=start, end=end, steps=steps, dtype=as_dtype(wide))
    return xp.power(wide.type(base), exponents).astype(kind)


@function(method=False)
def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False, **ignored: Any) -> Tensor:  # fmt: skip
    """`steps` numbers from base^start to base^end, evenly spaced on a logarithmic scale."""
    sizes((), ignored, "logspace")
    return _spaced("logspace", start, end, steps, dtype, device, requires_grad, base=base)


@op(name="eye", method=False, public=False)
def _eye(xp: Any, *, n: int, m: int, dtype: DType, device: Any = None) -> Any:
    """A matrix with 1 on the diagonal and 0 elsewhere."""
    return xp.eye(n, m, dtype=dtype.numpy)


@function(method=False)
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
        **ignored: Any) -> Tensor:  # fmt: skip
    """An n × m (n × n) matrix with 1 on the diagonal and 0 elsewhere."""
    sizes((), ignored, "eye")
    for name, length in (("n", n), ("m", 0 if m is None else m)):
        if length < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {length}")
    made = apply(TABLE["eye"], (), {"n": n, "m": n if m is None else m, **attributes(dtype, device)})
    return made.requires_grad_() if requires_grad else made


@op(name="triangle_indices", method=False, public=False, reference="torch.tril_indices")
def _triangle_indices(
    xp: Any, *, row: int, col: int, offset: int, upper: bool, dtype: DType, device: Any = None
) -> Any:
    """The row and column numbers of the lower or upper triangle of a matrix, in row-major order."""
    rows, columns = xp.arange(row)[:, None], xp.arange(col)[None]
    inside = columns - rows >= offset if upper else columns - rows <= offset
    return xp.stack(xp.nonzero(inside)).astype(dtype.numpy)


def _triangle(row: int, col: int, offset: int, upper: bool, dtype: Any, device: Any) -> Tensor:
    if row < 0 or col < 0:
        raise RuntimeError(f"row and col must be non-negative, got row={row}, col={col}")
    known = attributes(int64 if dtype is None else dtype, device)
    return apply(TABLE["triangle_indices"], (), {"row": row, "col": col, "offset": offset, "upper": upper, **known})


@function(method=False)
def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
                 **ignored: Any) -> Tensor:  # fmt: skip
    """The indices of the lower triangle of a row × col matrix, from `offset` above the diagonal down: (2, n)."""
    sizes((), ignored, "tril_indices")
    return _triangle(row, col, offset, False, dtype, device)


@function(method=False)
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
                 **ignored: Any) -> Tensor:  # fmt: skip
    """The indices of the upper triangle of a row × col matrix, from `offset` above the diagonal up: (2, n)."""
    sizes((), ignored, "triu_indices")
    return _triangle(row, col, offset, True, dtype, device)


@function(method=False)
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """The coordinates of a grid: from n tensors of 1 (or 0) dimensions, n views of n dimensions.

    `indexing="ij"` (the default) has the first tensor vary along the first dimension, `"xy"` along the second.
    """
    tensors = spread(tensors)
    if not tensors:
        raise ValueError("meshgrid expects a non-empty TensorList")
    if indexing is None:
        warn("torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.")
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if any(tensor.ndim > 1 for tensor in tensors):
        raise RuntimeError(
            f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got shapes "
            f"{[tuple(tensor.shape) for tensor in tensors]}"
        )
    if len({tensor.dtype for tensor in tensors}) > 1:
        raise RuntimeError(
            f"meshgrid expects all tensors to have the same dtype, got {[tensor.dtype for tensor in tensors]}"
        )
    rank = len(tensors)
    order = list(range(rank))
    if indexing == "xy" and rank > 1:
        order[:2] = [1, 0]
    lengths = [tensor.numel() for tensor in tensors]
    size = tuple(lengths[i] for i in order)
    made: list[Tensor] = []
    for i, tensor in enumerate(tensors):
        shape = tuple(lengths[i] if order[axis] == i else 1 for axis in range(rank))
        made.append(tensor.reshape(shape).expand(size))
    return tuple(made)
