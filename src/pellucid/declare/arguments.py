"""The types of arguments, as PyTorch's own parser sees them: which argument of which function has a wrong type.

PyTorch looks at types before anything else and raises TypeError. So does a function composed of ops; an op that is
called with its arrays alone runs first, since looking costs time, and looks at their types when it fails.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeGuard, TypeVar, cast

import numpy as np

from pellucid.core.node import Arguments, Attributes
from pellucid.core.tensor import Tensor
from pellucid.errors import is_wide, too_wide, with_line, wrong_type
from pellucid.types.devices import device
from pellucid.types.dtypes import dtype
from pellucid.types.layouts import strided

from .older_order import newer_order
from .outputs import stored
from .overrides import ask, derived, overriding

F = TypeVar("F", bound=Callable[..., Any])

Number = Any
"""The annotation of an argument that may be any number, or a tensor of no dimensions."""

NEVER_ASKED = frozenset({"is_tensor"})  # functions that classes of a program's own have no say in, as in PyTorch
_NUMBERS = (int, float, complex, np.integer, np.floating, np.bool_)


def is_list(value: Any) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Whether `value` is a list or a tuple, whatever is in it."""
    return isinstance(value, list | tuple)


def spread(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a function for which `f(a, b)` and `f([a, b])` mean the same, from its `*given`."""
    return tuple(given[0]) if len(given) == 1 and is_list(given[0]) else given


def is_integer(value: Any) -> bool:
    """Whether PyTorch takes `value` for an integer: one of 64 bits, not a bool, or a tensor with one such element."""
    if type(value) is int:
        return not is_wide(value)
    if isinstance(value, Tensor):
        return value._array.size == 1 and value._array.dtype.kind in "iu"
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def integer(value: Any, what: str = "an index", wide: type[Exception] = ValueError) -> int:
    """`value` as an int; raises TypeError for what is no integer, `wide` for one beyond 64 bits."""
    if not is_integer(value):
        if is_wide(value):
            raise wide(too_wide(what))
        raise TypeError(with_line(f"{what} must be int, not {type(cast('object', value)).__name__}"))
    return int(value)


def is_number(value: Any) -> bool:
    """Whether PyTorch takes `value` for a number: one of Python's or NumPy's, or a tensor of no dimensions."""
    if isinstance(value, Tensor):
        return not value._array.ndim and not value.requires_grad
    return isinstance(value, _NUMBERS)


def _are_integers(value: Any) -> bool:
    if is_list(value):
        return all(map(is_integer, value))
    return value is None or is_integer(value)


def _is_dtype(value: Any) -> bool:
    return value is None or isinstance(value, dtype | type | np.dtype | str)


Kind = tuple[str, Callable[[Any], bool]]
"""What an argument must be: the words for it, and the test."""

_KINDS: dict[str, Kind] = {
    # A sparse tensor, which has no array of its numbers, is asked first what it makes of the function.
    "Tensor": ("Tensor", lambda v: type(v) is Tensor or (isinstance(v, Tensor) and v.layout is strided)),
    "int": ("int", is_integer),
    "bool": ("bool", lambda value: isinstance(value, bool | np.bool_)),
    "float": ("float", is_number),
    "Number": ("Number", is_number),
    "str": ("str", lambda value: isinstance(value, str)),
}
_OPTIONAL: dict[str, Kind] = {
    name + " | None": (words, lambda value, test=test: value is None or test(value))
    for name, (words, test) in _KINDS.items()
}
_DTYPE: Kind = ("torch.dtype", _is_dtype)
_DEVICE: Kind = ("torch.device", lambda value: value is None or isinstance(value, str | int | device))
_DIMS = frozenset(("dim", "dims", "dim0", "dim1", "dim2", "start_dim", "end_dim"))
_DIMENSION: Kind = ("int", lambda value: is_integer(value) and not getattr(value, "ndim", 0))
_DIM: Kind = ("int or a tuple of ints", _are_integers)


def kind_of_argument(name: str, annotation: Any) -> Kind | None:
    """What an argument must be, from its annotation; None where anything goes."""
    if name in ("dtype", "device"):
        return _DTYPE if name == "dtype" else _DEVICE
    text = str(annotation)
    if text in _OPTIONAL:
        return _OPTIONAL[text]
    if "dim" in name:
        return {"Any": _DIM, "int": _DIMENSION}.get(text) if name in _DIMS else _KINDS.get(text)
    return _KINDS.get(text)


class Parser:
    """The types that a function's signature allows, looked up when it is first called."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.name = name
        made: Any = inspect.unwrap(function)
        code = made.__code__
        count, keyword = code.co_argcount, code.co_kwonlyargcount
        names = code.co_varnames
        defaults: Attributes = dict(
            zip(names[count - len(made.__defaults__ or ()) : count], made.__defaults__ or (), strict=True)
        )
        defaults.update(made.__kwdefaults__ or {})
        self.kinds = {
            given: self._kind(given, made.__annotations__.get(given), defaults) for given in names[: count + keyword]
        }
        self.positional = tuple((given, self.kinds[given]) for given in names[:count])
        starred = names[count + keyword] if code.co_flags & inspect.CO_VARARGS else None
        self.tensors = starred == "tensors"

    def _kind(self, name: str, annotation: Any, defaults: Attributes) -> Kind | None:
        kind = kind_of_argument(name, annotation)
        if kind is not None and defaults.get(name, kind) is None:
            words, test = kind
            return words, lambda value: value is None or test(value)
        return kind

    def check(self, args: Arguments, kwargs: Attributes) -> None:
        """Raise TypeError where an argument of a call is of a type that the signature does not allow."""
        for value, (name, kind) in zip(args, self.positional, strict=False):
            if kind is not None and not kind[1](value):
                raise wrong_type(self.name, name, kind[0], value)
        for name, value in kwargs.items():
            kind = self.kinds.get(name)
            if kind is not None and not kind[1](value):
                raise wrong_type(self.name, name, kind[0], value)
        if self.tensors:
            rest = args[len(self.positional) :]
            given = cast("list[Any]", rest[0]) if len(rest) == 1 and isinstance(rest[0], tuple | list) else rest
            for entry in given:
                if not isinstance(entry, Tensor):
                    raise wrong_type(self.name, "tensors", "Tensor", entry)


def method_of_sparse(name: str, args: Arguments) -> Callable[..., Any] | None:
    """How a sparse tensor, which is of the room `sparse` above, computes this itself: `torch.mm(sparse, dense)`."""
    kind = cast("type[Any]", type(args[0])) if args else Tensor
    found = getattr(kind, name, None) if getattr(kind, "layout", strided) is not strided else None
    return None if found is getattr(Tensor, name, None) else found


def parsed(function: F, name: str, outs: bool = False) -> F:
    """The function, which takes NumPy's `axis` and `keepdims` for `dim` and `keepdim`, and refuses a wrong type."""
    parameters: Any = inspect.unwrap(function).__code__
    names = parameters.co_varnames[: parameters.co_argcount + parameters.co_kwonlyargcount]
    spelled = [(numpys, ours) for numpys, ours in (("axis", "dim"), ("keepdims", "keepdim"))
               if ours in names and numpys not in names]  # fmt: skip
    takes_out = outs and "out" not in names and not parameters.co_flags & inspect.CO_VARKEYWORDS
    parser: Parser | None = None
    asks = name not in NEVER_ASKED

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal parser
        if derived and asks and (asked := overriding(args, kwargs)):
            return ask(asked, call, args, kwargs)
        if kwargs:
            for numpys, ours in spelled:
                if numpys in kwargs and ours not in kwargs:
                    kwargs[ours] = kwargs.pop(numpys)
        if parser is None:
            parser = Parser(function, name)
        if takes_out and "out" in kwargs:
            return stored(name, call, args, kwargs)
        try:
            parser.check(args, kwargs)
        except TypeError:
            own = method_of_sparse(name, args)
            if own is not None:
                return own(*args, **kwargs)
            asked = overriding(args, kwargs)
            if asked:
                return ask(asked, call, args, kwargs)
            newer = newer_order(name, args, kwargs)
            if newer is None:
                raise
            args, kwargs = newer
        try:
            return function(*args, **kwargs)
        except Exception:
            asked = overriding(args, kwargs)
            if not asked:
                raise
            return ask(asked, call, args, kwargs)

    call.parses = True  # pyright: ignore[reportAttributeAccessIssue, reportFunctionMemberAccess]
    return cast("F", call)
