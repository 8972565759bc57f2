"""Tensors out of nothing: filled, counted up, spaced; and tensors from Python's and NumPy's data.

What is computed (zeros, ranges, identity) is an op without inputs, so that a tracer sees it. What comes from the user's
data (`tensor`, `from_numpy`) is a constant.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np

from pellucid.core import Tensor, apply, as_dtype, from_data, get_default_dtype
from pellucid.core import device as Device
from pellucid.core import dtype as DType
from pellucid.declare import TABLE, function, op
from pellucid.declare.arguments import Number, integer, is_list, is_number, spread
from pellucid.errors import warn, with_line
from pellucid.types.devices import CPU, default
from pellucid.types.dtypes import bool_, int64, number_in, of_number, refuse_wide

from .elements import check_number
from .memory import RANKS, clone

# --- from data -------------------------------------------------------------------------------------------------------


@function(method=False)
def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
           pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A tensor with a copy of `data`: a number, nested lists, an array or a tensor.

    Python floats become the default dtype, integers int64, bools bool; arrays keep their dtype. Raises ValueError for
    lists of unequal lengths, TypeError for what is not a number.

    >>> tensor([[1, 2], [3, 4]], dtype=float)
    tensor([[1., 2.],
            [3., 4.]], dtype=torch.float64)
    """
    if isinstance(data, Tensor):
        warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor)."
        )
    return from_data(data, dtype, device or default()).requires_grad_(requires_grad)


@function(method=False)
def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, without a copy where it is a tensor or an array of the right dtype already."""
    device = device or default()
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)
    return from_data(data, dtype, device, copy=False)


@function(method=False)
def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
            requires_grad: bool | None = None) -> Tensor:  # fmt: skip
    """`obj` as a tensor; `copy=True` always copies, `copy=False` refuses where a copy is needed (ValueError).

    A tensor keeps its history unless `requires_grad` is given.
    """
    if isinstance(obj, Tensor):
        result = as_tensor(obj, dtype, device)
        shared = result is obj
        if requires_grad is None:
            requires_grad = result.requires_grad
        result = result if result.requires_grad == requires_grad else result.detach()
        if copy and shared:
            result = TABLE["clone"](result)
    else:
        result = from_data(obj, dtype, device or default(), copy=bool(copy))
        shared = isinstance(obj, np.ndarray) and np.may_share_memory(cast("Any", obj), result._array)
    if copy is False and not shared:
        raise ValueError("asarray: a copy is needed here (copy=False was given); leave copy out to allow it")
    return result if bool(requires_grad) == result.requires_grad else result.requires_grad_(bool(requires_grad))


@function(method=False)
def from_numpy(ndarray: Any) -> Tensor:
    """A tensor that shares memory with a NumPy array: changes to one are seen in the other.

    >>> array = np.zeros(2)
    >>> from_numpy(array).add_(1)
    tensor([1., 1.], dtype=torch.float64)
    >>> array
    array([1., 1.])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__}); write tensor(...) for other data")
    return from_data(ndarray, copy=False)


@function(method=False)
def frombuffer(buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A row of `count` numbers (all, for -1) that shares the memory of an object such as a bytearray or a file map.

    `offset` is in bytes. Raises ValueError where the memory is too short, or no multiple of a number's size.

    >>> frombuffer(bytearray([1, 0, 2, 0]), dtype="int16")
    tensor([1, 2], dtype=torch.int16)
    """
    kind = as_dtype(dtype).numpy
    view = memoryview(buffer)
    left = view.nbytes - offset
    if view.nbytes == 0 or count == 0:
        raise ValueError(with_line(f"both buffer length ({view.nbytes}) and count ({count}) must not be 0"))
    if not 0 <= offset < view.nbytes:
        raise ValueError(
            with_line(
                f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({view.nbytes} bytes) "
                "minus 1"
            )
        )
    if count < 0 and left % kind.itemsize:
        raise ValueError(
            with_line(
                f"buffer length ({left} bytes) after offset ({offset} bytes) must be a multiple of element size "
                f"({kind.itemsize})"
            )
        )
    if count > 0 and offset + count * kind.itemsize > view.nbytes:
        raise ValueError(
            with_line(
                f"requested buffer length ({count} * {kind.itemsize} bytes) after offset ({offset} bytes) must not be "
                f"greater than actual buffer length ({view.nbytes} bytes)"
            )
        )
    if view.readonly:
        warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can "
            "write to the underlying (supposedly non-writable) buffer using the tensor. Give a bytearray, or .clone()"
        )
    array = np.frombuffer(buffer, kind, count, offset)
    made = from_data(array, copy=False)
    return made.requires_grad_() if requires_grad else made


@function(method=False)
def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares memory with another library's array, through the DLPack protocol."""
    return from_data(np.from_dlpack(ext_tensor), copy=False)


@function(method=False)
def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of no dimensions that holds `s`, by default in the default dtype whatever `s` is."""
    return full((), s, dtype=dtype or get_default_dtype(), device=device, requires_grad=requires_grad)


# --- filled ----------------------------------------------------------------------------------------------------------


@op(name="full", method=False, public=False)
def _full(xp: Any, *, size: Any, fill_value: Any, dtype: DType, device: Any = None) -> Any:
    """A tensor of `size` with `fill_value` everywhere."""
    if fill_value == 0:
        return xp.zeros(size, dtype.numpy)
    check_number(fill_value, dtype.numpy)
    return xp.full(size, number_in(fill_value, dtype.numpy), dtype.numpy)


@op(name="empty", method=False, public=False)
def _empty(xp: Any, *, size: Any, dtype: DType, device: Any = None) -> Any:
    """A tensor of `size` with whatever the memory held."""
    return xp.empty(size, dtype.numpy)


def as_size(size: tuple[Any, ...]) -> tuple[int, ...]:
    """The lengths that a call's `*size` means: `zeros(2, 3)`, `zeros((2, 3))` and `zeros([2, 3])` are the same."""
    size = spread(size)
    try:
        lengths = tuple(integer(length, "a size", wide=TypeError) for length in size)
    except TypeError:
        got = ", ".join(type(entry).__name__ for entry in size)
        raise TypeError(f"a size must be integers or a tuple of integers, got ({got}): {size!r}") from None
    for length in lengths:
        if length < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {length}: {list(lengths)}")
    return lengths


def some_size(name: str, size: tuple[Any, ...]) -> None:
    """Raise TypeError where a call of `name(*size)` gives no size at all."""
    if not size:
        raise TypeError(
            with_line(f'{name}() missing 1 required positional argument: "size"; write {name}(()) for one number')
        )


def as_sequence(name: str, size: Any) -> tuple[int, ...]:
    """The lengths that `size` of a function means which takes no integers apart."""
    if not is_list(size):
        raise TypeError(with_line(f"{name}(): argument 'size' must be tuple of ints, not {type(size).__name__}"))
    return as_size((size,))


def attributes(dtype: Any, device: Any) -> dict[str, Any]:
    """The attributes that every creation op has; no device where it is the CPU, which is the fast path."""
    made: dict[str, Any] = {"dtype": get_default_dtype() if dtype is None else as_dtype(dtype)}
    where = default() if device is None else Device(device)
    if where is not None:
        made["device"] = where
    return made


def _filled(size: tuple[int, ...], value: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    made = apply(TABLE["full"], (), {"size": size, "fill_value": value, **attributes(dtype, device)})
    return made.requires_grad_() if requires_grad else made


@function(method=False)
def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **ignored: Any) -> Tensor:
    """A tensor of `size` filled with 0.

    >>> zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _filled(as_size(_sizes(size, ignored, "zeros", needed=True)), 0, dtype, device, requires_grad)


@function(method=False)
def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **ignored: Any) -> Tensor:
    """A tensor of `size` filled with 1."""
    return _filled(as_size(_sizes(size, ignored, "ones", needed=True)), 1, dtype, device, requires_grad)


@function(method=False)
def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, **ignored: Any) -> Tensor:
    """A tensor of `size` with undefined values, for what will be overwritten."""
    made = apply(
        TABLE["empty"], (), {"size": as_size(_sizes(size, ignored, "empty", needed=True)), **attributes(dtype, device)}
    )
    return _as_asked(made, requires_grad, ignored)


def _as_asked(made: Tensor, requires_grad: bool, others: dict[str, Any]) -> Tensor:
    """A new tensor in its `memory_format`, where that is another than row after row, and as a leaf."""
    wanted = others.get("memory_format")
    if wanted in RANKS:
        made = clone(made, memory_format=wanted)
    return made.requires_grad_() if requires_grad else made


_IGNORED = frozenset(("layout", "pin_memory", "memory_format", "out", "names"))


def _sizes(size: tuple[Any, ...], others: dict[str, Any], name: str, needed: bool = False) -> tuple[Any, ...]:
    """The size, given by position or as `size=`; arguments that say nothing here (`layout`, …) may be there."""
    if "size" in others:
        size = (others.pop("size"),)
    for other, value in others.items():
        if other not in _IGNORED or (other == "out" and value is not None):
            raise TypeError(f"{name}() got an unexpected keyword argument {other!r}")
    if needed:
        some_size(name, size)
    return size


@function(method=False)
def full(size: Any, fill_value: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
         **ignored: Any) -> Tensor:  # fmt: skip
    """A tensor of `size` filled with `fill_value`, whose type decides the dtype unless `dtype` does.

    >>> full((2,), 7)
    tensor([7, 7])
    """
    _sizes((), ignored, "full")
    value, dtype = _value(fill_value, dtype)
    return _filled(as_sequence("full", size), value, dtype, device, requires_grad)


def _value(value: Any, dtype: Any) -> tuple[Any, Any]:
    if isinstance(value, Tensor):
        return value.item(), value.dtype if dtype is None else dtype
    if isinstance(value, np.generic):
        value = cast("Any", value).item()
    return value, of_number(value) if dtype is None else dtype


def _like(input: Any, dtype: Any, device: Any) -> dict[str, Any]:
    if not isinstance(input, Tensor):
        raise TypeError(f"argument 'input' must be a Tensor, not {type(input).__name__}")
    where = device if device is not None else None if default() is None and input.device is CPU else input.device
    return {"dtype": input.dtype if dtype is None else dtype, "device": where}


@function(method=False)
def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
               **ignored: Any) -> Tensor:  # fmt: skip
    """Zeros in the shape, dtype and device of `input` unless told otherwise."""
    _sizes((), ignored, "zeros_like")
    return _as_asked(zeros(input.shape, **_like(input, dtype, device)), requires_grad, ignored)


@function(method=False)
def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              **ignored: Any) -> Tensor:  # fmt: skip
    """Ones in the shape, dtype and device of `input` unless told otherwise."""
    _sizes((), ignored, "ones_like")
    return _as_asked(ones(input.shape, **_like(input, dtype, device)), requires_grad, ignored)


@function(method=False)
def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
               **ignored: Any) -> Tensor:  # fmt: skip
    """Undefined values in the shape, dtype and device of `input` unless told otherwise."""
    _sizes((), ignored, "empty_like")
    return _as_asked(empty(input.shape, **_like(input, dtype, device)), requires_grad, ignored)


@function(method=False)
def full_like(input: Tensor, fill_value: Number, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              **ignored: Any) -> Tensor:  # fmt: skip
    """`fill_value` in the shape, dtype and device of `input` unless told otherwise."""
    _sizes((), ignored, "full_like")
    return _as_asked(full(input.shape, fill_value, **_like(input, dtype, device)), requires_grad, ignored)


@function(public=False)
def new_zeros(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              **ignored: Any) -> Tensor:  # fmt: skip
    """Zeros of `size` in this tensor's dtype and on its device unless told otherwise."""
    return zeros(*size, **ignored, **_like(self, dtype, device), requires_grad=requires_grad)


@function(public=False)
def new_ones(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
             **ignored: Any) -> Tensor:  # fmt: skip
    """Ones of `size` in this tensor's dtype and on its device unless told otherwise."""
    return ones(*size, **ignored, **_like(self, dtype, device), requires_grad=requires_grad)


@function(public=False)
def new_empty(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
              **ignored: Any) -> Tensor:  # fmt: skip
    """Undefined values of `size` in this tensor's dtype and on its device unless told otherwise."""
    return empty(*size, **ignored, **_like(self, dtype, device), requires_grad=requires_grad)


@function(public=False)
def new_full(self: Tensor, size: Any, fill_value: Number, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False, **ignored: Any) -> Tensor:  # fmt: skip
    """`fill_value` in `size` in this tensor's dtype and on its device unless told otherwise."""
    return full(size, fill_value, **ignored, **_like(self, dtype, device), requires_grad=requires_grad)


# --- counted and spaced ----------------------------------------------------------------------------------------------


@op(name="arange", method=False, public=False)
def _arange(xp: Any, *, start: Any, step: Any, length: int, dtype: DType, device: Any = None) -> Any:
    """start + step · i for i from 0 to length - 1, in int64 or float64 before the cast."""
    if dtype.numpy.kind == "f":
        return (xp.arange(length) * float(step) + float(start)).astype(dtype.numpy)
    return (xp.arange(length) * int(step) + int(start)).astype(dtype.numpy)


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
    _sizes((), given, "arange")
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


@op(name="linspace", method=False, public=False)
def _linspace(xp: Any, *, start: Any, end: Any, steps: int, dtype: DType, device: Any = None) -> Any:
    """`steps` numbers evenly spaced from `start` to `end`, counted from the nearer end, as in PyTorch."""
    kind = dtype.numpy
    wide = kind if kind.itemsize > 2 else np.dtype(np.float32)
    if kind.kind not in "fc":
        start, end, wide = int(start), int(end), np.dtype(np.float64)
    if steps == 1:
        return xp.full((1,), start, wide).astype(kind)
    first, last = wide.type(start), wide.type(end)
    step = (last - first) / wide.type(max(steps - 1, 1))
    index = xp.arange(steps).astype(wide)
    half = steps // 2
    made = xp.where(index < half, first + step * index, last - step * (steps - 1 - index))
    return made.astype(kind)


@function(method=False)
def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
             **ignored: Any) -> Tensor:  # fmt: skip
    """`steps` numbers evenly spaced from `start` to `end`, both included.

    >>> linspace(0, 1, 5)
    tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    _sizes((), ignored, "linspace")
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
    made = apply(TABLE[name], (), {"start": _number(start, 0), "end": _number(end, 0), "steps": steps, **more,
                                   **attributes(dtype, device)})  # fmt: skip
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
    _sizes((), ignored, "logspace")
    return _spaced("logspace", start, end, steps, dtype, device, requires_grad, base=base)


@op(name="eye", method=False, public=False)
def _eye(xp: Any, *, n: int, m: int, dtype: DType, device: Any = None) -> Any:
    """A matrix with 1 on the diagonal and 0 elsewhere."""
    return xp.eye(n, m, dtype=dtype.numpy)


@function(method=False)
def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
        **ignored: Any) -> Tensor:  # fmt: skip
    """An n × m (n × n) matrix with 1 on the diagonal and 0 elsewhere."""
    _sizes((), ignored, "eye")
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
    _sizes((), ignored, "tril_indices")
    return _triangle(row, col, offset, False, dtype, device)


@function(method=False)
def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
                 **ignored: Any) -> Tensor:  # fmt: skip
    """The indices of the upper triangle of a row × col matrix, from `offset` above the diagonal up: (2, n)."""
    _sizes((), ignored, "triu_indices")
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
