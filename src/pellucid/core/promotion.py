"""How the dtypes of an op's arguments mix, by the op's kind.

| kind | arguments | result |
|---|---|---|
| `arith` | promoted to one type | that type |
| `float` | the same, integers and bools to the default float | a floating type |
| `compare` | as `arith` | what forward makes (bool) |
| None | left as they are | what forward makes |
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from pellucid.errors import explain, with_line, wrong_type
from pellucid.types.bfloat16 import converted
from pellucid.types.dtypes import (
    OF_NUMPY,
    SCALAR_TYPES,
    bfloat16,
    category,
    dtype,
    get_default_dtype,
    of_number,
    promote_types,
    refuse_wide,
)

from .conversion import from_data
from .declaration import Declaration
from .narrow import is_factor
from .node import Arguments
from .tensor import Tensor, wrap


def result_type(*args: Any) -> dtype:
    """The dtype that an arithmetic op over `args` (tensors and numbers) has.

    >>> import pellucid
    >>> result_type(pellucid.ones(2, dtype=pellucid.int64), 1.5)
    torch.float32
    """
    found: list[dtype | None] = [None, None, None]  # tensors with dimensions, 0-d tensors, numbers
    for argument in args:
        if isinstance(argument, Tensor):
            rank, kind = (0 if argument._array.ndim else 1), OF_NUMPY[argument._array.dtype]
        else:
            rank, kind = 2, of_number(argument)
        known = found[rank]
        found[rank] = kind if known is None else promote_types(known, kind)
    result = None
    for kind in found:  # a later rank decides only where its category is higher
        if kind is not None and kind.is_complex and result is not None and result.is_floating_point:
            result = result.to_complex()
        elif kind is not None and (result is None or category(kind.numpy) > category(result.numpy)):
            result = kind
    if result is None:
        raise TypeError("result_type needs at least one tensor or number")
    return result


def as_arguments(op: Declaration, args: Arguments) -> Arguments:
    """Arguments that are tensors, Python numbers or None, from what a user may pass instead."""
    return tuple(_as_argument(op, index, argument) for index, argument in enumerate(args))


def _as_argument(op: Declaration, index: int, argument: Any) -> Any:
    if argument is None or isinstance(argument, Tensor) or type(argument) in (float, bool, complex):
        return argument
    if type(argument) is int:
        return _in_64_bits(op, argument, index)
    if isinstance(argument, np.generic):
        return cast("np.generic[Any]", argument).item()
    if isinstance(argument, np.ndarray):
        return from_data(argument, copy=False)
    if isinstance(argument, int | float):  # of a class of its own: an IntEnum, say
        return _in_64_bits(op, int(argument), index) if isinstance(argument, int) else float(argument)
    if op.star is not None:
        index = min(index, op.star)
    name = op.inputs[index] if index < len(op.inputs) else f"argument {index}"
    raise TypeError(
        f"{op.name}(): argument {name!r} must be a Tensor (or a number), not {type(argument).__name__}; "
        "write pellucid.tensor(...) around it"
    )


def _in_64_bits(op: Declaration, number: int, index: int) -> int:
    if index == 0 and not op.elementwise and not -(2**63) <= number < 2**64:
        raise wrong_type(op.name, op.inputs[index], "Tensor", number)
    try:
        refuse_wide(number)
    except OverflowError as failure:
        raise OverflowError(with_line(f"{op.name}(): {failure}")) from None
    return number


def promotion_of(op: Declaration, args: Arguments) -> tuple[list[Any], list[int], dtype]:
    """What the op's kind makes of the dtypes of its arguments.

    Returns the arguments, with numbers made tensors where NumPy would not take them; the positions of the tensors that
    are to be cast; and the dtype to cast them to.
    """
    if op.check is not None:
        try:
            op.check(*args)
        except Exception as failure:  # noqa: BLE001  reported with the op and the user's line
            raise explain(op, args, {}, failure) from None
    chosen = range(len(args)) if op.promotes is None else sorted(op.promotes)
    mixing = [args[i] for i in chosen if i < len(args) and args[i] is not None]
    target = result_type(*mixing)
    if op.kind == "float" and not (target.is_floating_point or target.is_complex):
        target = get_default_dtype()
    alone = not any(isinstance(value, Tensor) for value in mixing)
    if alone and not op.numbers:
        raise TypeError(f"{op.name}() needs a Tensor among its arguments, got {', '.join(map(repr, args))}")
    result, cast = list(args), list[int]()
    for i in chosen:
        if i >= len(args) or args[i] is None:
            continue
        value = args[i]
        if not isinstance(value, Tensor):
            if alone or not _fits(value, target):
                if type(value) is int and value >= 2**63:
                    _refuse_unsigned(op, mixing)
                result[i] = wrap(converted(np.array(value), target.numpy))
        elif value._array.dtype != target.numpy and not (target is bfloat16 and is_factor(op, value._array)):
            cast.append(i)
    return result, cast, target


def _refuse_unsigned(op: Declaration, mixing: list[Any]) -> None:
    """Raise RuntimeError for an integer from 2**63 on beside bools alone: as in PyTorch, no type has both."""
    if not any(isinstance(value, Tensor) and value._array.dtype.kind != "b" for value in mixing):
        raise RuntimeError(with_line(f"{op.name}(): promotion of bool and an integer from 2**63 on is not supported"))


def _fits(number: bool | int | float | complex, target: dtype) -> bool:
    """Whether NumPy takes the Python number as a weak scalar beside arrays of type `target`."""
    if target.is_floating_point or target.is_complex:
        return target.is_complex or not isinstance(number, complex)
    if target.numpy.kind == "b" or isinstance(number, complex):
        return isinstance(number, bool)
    info = np.iinfo(target.numpy)
    return info.min <= number <= info.max


def check_dtypes(op: Declaration, args: Arguments) -> None:
    """Raise NotImplementedError where the op has no kernel for the dtype of its tensors, or that they promote to."""
    if op.kind is None:  # the first alone counts; this runs for each look-up and each loss of classes
        for tensor in args:
            if isinstance(tensor, Tensor):
                if tensor._array.dtype in op.refuses:
                    raise refused_dtype(op.name, tensor.dtype)
                return
        return
    tensors = [tensor for tensor in args if isinstance(tensor, Tensor)]
    if not tensors:
        return
    kinds = [result_type(*tensors)]
    if kinds[0].is_floating_point:
        kinds = [tensor.dtype for tensor in tensors if tensor.dtype.is_complex]
    for kind in kinds:
        if kind.numpy in op.refuses:
            raise refused_dtype(op.name, kind)


def refused_dtype(name: str, kind: dtype) -> NotImplementedError:
    """The error for a function that has no kernel for a dtype."""
    if kind.is_complex:
        text = f"{name}() is not implemented for complex numbers; take .abs(), .real or .imag of them first"
    else:
        text = f"\"{name}\" not implemented for '{SCALAR_TYPES[kind.name]}': it takes floating-point tensors, this one "
        text += f"is {kind!r}; write .float() first"
    return NotImplementedError(with_line(text))
