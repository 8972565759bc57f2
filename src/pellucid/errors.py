"""Errors that teach: what was asked, what was received, where in the user's code, and what to write instead."""

from __future__ import annotations

import inspect
import os
import re
import warnings
from types import FrameType
from typing import Any, Protocol, cast

import numpy as np

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_COMMANDS = os.path.join(_PACKAGE, "cli", "")
_NOWHERE = re.compile(r"index -?\d+ is out of bounds for axis \d+ with size 0")  # as PyTorch says it
_NUMBERS = (int, float, complex, np.integer, np.floating, np.bool_)


class Described(Protocol):
    """What of the declaration of an op is needed to say how it was called."""

    name: str
    inputs: tuple[str, ...]
    star: int | None
    elementwise: bool


class ShapeError(RuntimeError, ValueError):
    """Shapes do not fit together."""


class DimensionError(IndexError, RuntimeError):
    """A dimension or an index is out of range. PyTorch raises sometimes the one and sometimes the other."""


def in_package(frame: FrameType) -> bool:
    """Whether a stack frame is pellucid's own, or one of Python's own machinery."""
    return frame.f_code.co_filename.startswith((_PACKAGE, "<frozen", "<string>"))


def user_frame() -> FrameType | None:
    """The stack frame of the innermost caller outside of pellucid; None if there is none.

    Nor is there one where pellucid's own command line calls: outside of it are only the libraries that read it.
    """
    frame = inspect.currentframe()
    while frame is not None and in_package(frame):
        frame = None if frame.f_code.co_filename.startswith(_COMMANDS) else frame.f_back
    return frame


def user_line() -> str | None:
    """`file.py:12, in train: loss = net(x)` of the innermost caller outside of pellucid; None if there is none."""
    frame = user_frame()
    if frame is None:
        return None
    import linecache

    name, line = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(name, line).strip()
    short = os.path.relpath(name) if os.path.isabs(name) and name.startswith(os.getcwd() + os.sep) else name
    return f"{short}:{line}, in {frame.f_code.co_name}" + (f": {source}" if source else "")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, at the line of the innermost caller outside of pellucid, however many calls lie between."""
    frame = inspect.currentframe()
    level = 1
    while frame is not None and in_package(frame):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def called_from_outside() -> bool:
    """Whether the function that asks was called by code that is not pellucid's own."""
    here = inspect.currentframe()
    asks = None if here is None else here.f_back
    caller = None if asks is None else asks.f_back
    return caller is not None and not in_package(caller)


def describe(value: Any) -> str:
    """`float32 (3, 4)` for a tensor, the value itself for a number."""
    array = getattr(value, "_array", None)
    if array is None:
        return repr(value)
    kind = "bfloat16" if array.dtype.kind == "V" else array.dtype
    return f"{kind} {tuple(array.shape)}"


def describe_call(op: Described, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """`add(input: float32 (3,), other: float32 (4,))`."""
    named = zip(argument_names(op, len(args)), args, strict=False)
    parts = [f"{name}: {describe(value)}" for name, value in named if value is not None]
    parts += [f"{name}={value!r}" for name, value in kwargs.items() if not hasattr(value, "get_state")]
    return f"{op.name}({', '.join(parts)})"


def argument_names(op: Described, count: int) -> list[str]:
    """Names for the first `count` arguments: `input`, `other`; `tensors[0]`, `tensors[1]` of a starred one."""
    if op.star is None:
        return list(op.inputs[:count])
    return [*op.inputs[: op.star], *(f"{op.inputs[op.star]}[{i}]" for i in range(count - op.star))]


def with_line(message: str) -> str:
    """The message, followed by the user's line where there is one."""
    line = user_line()
    return f"{message}\n  at {line}" if line else message


def is_wide(value: Any) -> bool:
    """Whether `value` is an integer that 64 bits do not hold."""
    return type(value) is int and not -(2**63) <= value < 2**63


def too_wide(what: str) -> str:
    """The message for an integer that 64 bits do not hold."""
    return with_line(f"Overflow when unpacking long long: {what} must lie between -2**63 and 2**63 - 1")


def wrong_type(function: str, name: str, wanted: str, value: Any) -> Exception:
    """The error for an argument of a type that is not allowed, or for an integer of more than 64 bits."""
    entries = cast("list[Any]", value) if isinstance(value, tuple | list) else [value]
    if wanted.startswith("int") and any(is_wide(entry) for entry in entries):
        return ValueError(too_wide(f"{function}(): argument {name!r}"))
    advice = f"; write tensor({value!r})" if wanted == "Tensor" and isinstance(value, _NUMBERS) else ""
    got = type(cast("object", value)).__name__
    return TypeError(with_line(f"{function}(): argument {name!r} must be {wanted}, not {got}{advice}"))


def explain(op: Described, args: tuple[Any, ...], kwargs: dict[str, Any], failure: Exception) -> Exception:
    """The error to raise in place of what an op's forward raised."""
    call = describe_call(op, args, kwargs)
    shapes = [tuple(value._array.shape) for value in args if hasattr(value, "_array")]
    text = str(failure)
    numpy_s = isinstance(failure, ValueError) and not isinstance(failure, RuntimeError)  # not an error of our own
    if op.elementwise and numpy_s and "broadcast" in text:
        return ShapeError(with_line(f"{call}: {_broadcast_advice(shapes)}"))
    if isinstance(failure, np.exceptions.AxisError):
        return DimensionError(with_line(f"{call}: {_axis_advice(failure, shapes)}"))
    kind: type[Exception] = type(failure)
    if numpy_s:
        kind = ShapeError  # NumPy's ValueErrors are PyTorch's RuntimeErrors; this is both
    elif isinstance(failure, IndexError):
        kind, text = DimensionError, _NOWHERE.sub("index is out of bounds for dimension with size 0", text)
        text = text.replace("for axis", "for dimension")
    elif isinstance(failure, MemoryError):
        kind = RuntimeError
    try:
        return kind(with_line(f"{call}: {text}"))
    except TypeError:  # an exception class with a constructor of its own
        return RuntimeError(with_line(f"{call}: {text}"))


def _broadcast_advice(shapes: list[tuple[int, ...]]) -> str:
    """Which axis does not fit, and what might be meant."""
    rank = max(len(shape) for shape in shapes)
    for back in range(1, rank + 1):
        lengths = [shape[-back] for shape in shapes if len(shape) >= back]
        wrong = sorted({length for length in lengths if length != 1})
        if len(wrong) > 1:
            axis = rank - back
            first, second = (shape[-back] if len(shape) >= back else 1 for shape in (shapes * 2)[:2])
            words = ""
            if len(shapes) == 2:
                words = (
                    f"The size of tensor a ({first}) must match the size of tensor b ({second}) at non-singleton "
                    f"dimension {axis}: "
                )
            return words + (
                f"the sizes {' and '.join(str(shape) for shape in shapes)} do not broadcast: {wrong[0]} and {wrong[1]} "
                f"must match at dimension {axis} (counted from the left of the longer shape; sizes are aligned at the "
                f"right, and only 1 stretches).{_repair(shapes)}"
            )
    return f"the sizes {' and '.join(str(shape) for shape in shapes)} do not broadcast."


def _repair(shapes: list[tuple[int, ...]]) -> str:
    for shape, other in (shapes[:2], shapes[1::-1]) if len(shapes) >= 2 else ():
        if len(shape) == 1 and len(other) >= 2 and shape[0] == other[0]:
            return f" To pair {shape} with the first dimension of {other}, write x[:, None] on the first."
        if len(shape) == 2 and shape[::-1] == other:
            return " One is the transpose of the other: write .T on one of them."
    return ""


def _axis_advice(failure: Any, shapes: list[tuple[int, ...]]) -> str:
    axis, ndim = failure.axis, failure.ndim
    if axis is None:
        return str(failure)
    low, high = (-ndim, ndim - 1) if ndim else (-1, 0)
    return f"Dimension out of range (expected to be in range of [{low}, {high}], but got {axis})"
