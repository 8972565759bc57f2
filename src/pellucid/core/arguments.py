"""The types of arguments, as PyTorch's own parser sees them: which argument of which function is of a wrong type.

PyTorch looks at types before anything else and raises TypeError. Here a call runs first, since most are right and
looking costs time. What fails is then looked at: where an argument has a type that the signature does not allow, that
is what is said, rather than what became of it inside.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeGuard, TypeVar, cast

import numpy as np

from pellucid.types.dtypes import dtype

from .errors import with_line
from .tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

_NUMBERS = (int, float, np.integer, np.floating, np.bool_)


def is_list(value: Any) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether `value` is a list or a tuple, of whatever."""
    return isinstance(value, list | tuple)


def spread(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What `*given` of a function means for which `f(a, b)` and `f([a, b])` are the same."""
    return tuple(given[0]) if len(given) == 1 and is_list(given[0]) else given


def is_integer(value: Any) -> bool:
    """Whether PyTorch takes `value` for an integer: an int that is no bool, or a tensor with one integer."""
    if isinstance(value, Tensor):
        return value._array.size == 1 and value._array.dtype.kind in "iu"
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMBERS) or (isinstance(value, Tensor) and value._array.size == 1)


def _are_integers(value: Any) -> bool:
    if is_list(value):
        return all(map(is_integer, value))
    return value is None or is_integer(value)


def _is_dtype(value: Any) -> bool:
    return value is None or isinstance(value, dtype | type | np.dtype | str)


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "Tensor": ("Tensor", lambda value: isinstance(value, Tensor)),
    "int": ("int", is_integer),
    "bool": ("bool", lambda value: isinstance(value, bool | np.bool_)),
    "float": ("float", _is_number),
    "str": ("str", lambda value: isinstance(value, str)),
}
_DTYPE = ("torch.dtype", _is_dtype)
_DIM = ("int or a tuple of ints", _are_integers)


def kind_of_argument(name: str, annotation: Any) -> tuple[str, Callable[[Any], bool]] | None:
    """What an argument must be, from its annotation: the words for it, and the test; None where anything goes."""
    if name == "dtype":
        return _DTYPE
    text = str(annotation)
    found = _KINDS.get(text.removesuffix(" | None"))
    if found is not None and text.endswith(" | None"):
        words, test = found
        return words, lambda value: value is None or test(value)
    return _DIM if found is None and name in ("dim", "dims") and annotation == "Any" else found


def wrong_type(function: str, name: str, kind: tuple[str, Callable[[Any], bool]], value: Any) -> TypeError:
    """The error for an argument of a type that is not allowed."""
    advice = f"; write tensor({value!r})" if kind[0] == "Tensor" and isinstance(value, _NUMBERS) else ""
    got = type(cast("object", value)).__name__
    return TypeError(with_line(f"{function}(): argument {name!r} must be {kind[0]}, not {got}{advice}"))


def _given(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return
    for name, value in bound.arguments.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL and name == "tensors":
            for entry in spread(value):
                yield parameter.replace(annotation="Tensor"), entry
        elif parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield parameter, value


def refuse_types(name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise TypeError where an argument of a call is of a type that the signature does not allow."""
    for parameter, value in _given(signature, args, kwargs):
        kind = kind_of_argument(parameter.name, parameter.annotation)
        if kind is None or kind[1](value) or (value is None and (parameter.default is None or kind is _DIM)):
            continue
        raise wrong_type(name, parameter.name, kind, value)


def parsed(function: F, name: str) -> F:
    """The function, which takes NumPy's `axis` and `keepdims` for `dim` and `keepdim`, and names a wrong type."""
    parameters: Any = inspect.unwrap(function).__code__
    names = parameters.co_varnames[: parameters.co_argcount + parameters.co_kwonlyargcount]
    spelled = [(numpys, ours) for numpys, ours in (("axis", "dim"), ("keepdims", "keepdim"))
               if ours in names and numpys not in names]  # fmt: skip

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for numpys, ours in spelled:
                if numpys in kwargs and ours not in kwargs:
                    kwargs[ours] = kwargs.pop(numpys)
        try:
            return function(*args, **kwargs)
        except Exception:
            refuse_types(name, inspect.signature(function), args, kwargs)
            raise

    return cast("F", call)
