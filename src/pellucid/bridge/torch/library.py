"""`torch.library`: a program's own operators, which it then calls as `torch.ops.mine.name(…)`.

There is one device, so of the kernels of an operator the one for the CPU is called. Its derivative is what
`register_autograd` says, a kernel for `"Autograd"`, or, for a `"CompositeImplicitAutograd"` one, that of its ops.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from pellucid.autograd import Function
from pellucid.autograd.graph import increment_version
from pellucid.core import Tensor
from pellucid.core.context import state
from pellucid.torch_names import absent
from pellucid.utils.overloads import Namespace, OpOverload, OpOverloadPacket

__all__ = [
    "CustomOpDef", "Library", "custom_op", "define", "get_ctx", "impl", "impl_abstract", "infer_schema",
    "register_autograd", "register_fake", "register_kernel", "triton_op", "wrap_triton",
]  # fmt: skip

_TYPES: dict[Any, str] = {
    Tensor: "Tensor", int: "SymInt", float: "float", bool: "bool", str: "str", complex: "Scalar",
    int | float: "Scalar", int | float | bool: "Scalar",
}  # fmt: skip
_COMPUTES = ("CPU", "CompositeExplicitAutograd", "CompositeImplicitAutograd")

operators: dict[str, Operator] = {}
"""Those that are defined, by qualified name: `mine::name`."""


class _Below(threading.local):
    """The operators whose kernels for autograd are running in a thread: within, the others are called."""

    def __init__(self) -> None:
        self.names: list[str] = []


_below = _Below()


class Operator:
    """What is known of an operator: its schema, its kernels by where they run, its derivative."""

    def __init__(self, qualname: str, schema: str) -> None:
        self.qualname, self.schema = qualname, schema
        self.kernels: dict[str, Callable[..., Any]] = {}
        self.fake: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None
        self.setup: Callable[..., Any] | None = None
        self.mutates: frozenset[str] = frozenset()
        self.signature = _signature(schema)
        self.strict = False  # whether what it returns must not be what it got

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        args, kwargs = bound.args, bound.kwargs
        tensors = [value for value in _leaves((*args, *kwargs.values())) if isinstance(value, Tensor)]
        if "Autograd" in self.kernels and self.qualname not in _below.names:
            _below.names.append(self.qualname)
            try:
                return self.kernels["Autograd"](*args, **kwargs)
            finally:
                _below.names.remove(self.qualname)
        name = next((name for name in _COMPUTES if name in self.kernels), None)
        kernel = self.kernels[name] if name is not None else None
        if self.fake is not None and any(tensor.device.type == "meta" for tensor in tensors):
            return self.fake(*args, **kwargs)
        if kernel is None:
            raise NotImplementedError(
                f"Could not run '{self.qualname}' with arguments from the 'CPU' backend: no kernel was registered for "
                f"it; write torch.library.impl({self.qualname!r}, 'cpu', function)"
            )
        if name == "CompositeImplicitAutograd":
            return kernel(*args, **kwargs)
        wanted = state.grad and any(tensor.requires_grad for tensor in tensors)
        result = self._recorded(kernel, args, kwargs) if wanted else self._computed(kernel, args, kwargs)
        for key, value in bound.arguments.items():
            if key in self.mutates and isinstance(value, Tensor):
                increment_version(value)
        return result

    def _computed(self, kernel: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        result = kernel(*args, **kwargs)
        given = {id(value) for value in _leaves(args) if isinstance(value, Tensor)}
        if self.strict and any(id(value) in given for value in _leaves(result)):
            name = self.qualname.partition("::")[2]
            raise RuntimeError(
                f"{name} (with implementation in {inspect.getmodule(kernel)}): The output of this "
                "custom operator (1) must not also be an input to this custom operator and (2) may not alias any "
                "inputs to this custom operator or other returns. The most common way to trigger this error is if we "
                "have y = custom_op(x) and y and x are the same Tensor. Please instead return a clone of the offending "
                "output tensor(s) (e.g. return x.clone())"
            )
        return result

    def _recorded(self, kernel: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The result as that of a Function, which has tensors alone as arguments."""
        flat, shape = _flattened(args)
        operator, lists = self, []

        def forward(ctx: Any, *given: Any) -> Any:
            whole = _rebuilt(given, shape)
            result = operator._computed(kernel, whole, kwargs)
            if operator.setup is not None:
                names = {"keyword_only_inputs": kwargs} if kwargs else {}
                operator.setup(ctx=ctx, inputs=whole, output=result, **names)
            lists.append(isinstance(result, list))
            return tuple(result) if isinstance(result, list) else result

        def backward(ctx: Any, *grads: Any) -> Any:
            if operator.backward is None:
                raise RuntimeError(
                    f"Trying to backward through {operator.qualname}.default but no autograd formula was registered. "
                    "Please use register_autograd to add one."
                )
            found = operator.backward(ctx, *([list(grads)] if lists[0] else grads))
            found = found if isinstance(found, tuple) else (found,)
            return tuple(_spread(found, shape))

        methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        made: Any = type(self.qualname.replace("::", "_"), (Function,), methods).apply(*flat)
        return list(made) if lists[0] else made


class _Packet(OpOverloadPacket):
    """`torch.ops.mine.name`: an operator of a program's own."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _operator(f"{self.namespace}::{self.__name__}")(*args, **kwargs)


class _Own(Namespace):
    """`torch.ops.mine`, where there is what a program has defined."""

    def __getattr__(self, name: str) -> OpOverloadPacket:
        raise AttributeError(f"'_OpNamespace' {self.name!r} object has no attribute {name!r}")


def namespace(name: str) -> Namespace | None:
    """`torch.ops.NAME`, where operators of it are defined."""
    return _spaces.get(name)


_spaces: dict[str, Namespace] = {}


def _defined(qualname: str, schema: str) -> Operator:
    where, _, name = qualname.partition("::")
    if not name or "::" in name:
        raise ValueError(f"expected the name of an operator as 'namespace::name', but got {qualname!r}")
    made = operators[qualname] = Operator(qualname, schema)
    space = _spaces.setdefault(where, _Own(where))
    vars(space)[name.partition(".")[0]] = _Packet(where, name.partition(".")[0])
    return made


def _operator(named: Any) -> Operator:
    if isinstance(named, CustomOpDef):
        return named.operator
    name = named.name() if isinstance(named, OpOverload) else str(named)
    name = name.removesuffix(".default")
    if name not in operators:
        raise RuntimeError(f"There is no operator {name!r}: define it first, torch.library.define(name, schema)")
    return operators[name]


# --- schemas ----------------------------------------------------------------------------------------------------------


def infer_schema(
    prototype_function: Callable[..., Any], /, *, mutates_args: str | Iterable[str], op_name: str | None = None
) -> str:
    """The schema that the annotations of a function say.

    Raises:
        ValueError: an argument has no annotation, or one that no operator takes.

    >>> def scaled(x: Tensor, factor: float = 2.0) -> Tensor: ...
    >>> infer_schema(scaled, mutates_args=())
    '(Tensor x, float factor=2.0) -> Tensor'
    """
    signature = inspect.signature(prototype_function, eval_str=True)
    shown = f"Got func with signature {signature}"
    parts: list[str] = []
    starred = False
    for name, parameter in signature.parameters.items():
        if parameter.annotation is parameter.empty:
            raise ValueError(f"infer_schema(func): Parameter {name} must have a type annotation. {shown}")
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            parts.append("*")
        kind = _type(parameter.annotation)
        if kind is None:
            raise ValueError(
                f"infer_schema(func): Parameter {name} has unsupported type {parameter.annotation}. The valid types "
                f"are: Tensor, int, float, bool, str, and lists and optionals of them. {shown}"
            )
        if mutates_args == "unknown" or name in mutates_args:
            kind = kind.replace("Tensor", f"Tensor(a{len(parts)}!)", 1) if "Tensor" in kind else kind
        default = parameter.default
        shown_default = f'"{default}"' if isinstance(default, str) else str(default)
        parts.append(f"{kind} {name}" + ("" if default is parameter.empty else f"={shown_default}"))
    return f"{op_name or ''}({', '.join(parts)}) -> {_returned(signature.return_annotation, shown)}"


def _returned(annotation: Any, shown: str) -> str:
    if annotation is None or annotation is inspect.Signature.empty:
        if annotation is None:
            return "()"
        raise ValueError(f"infer_schema(func): No return type annotation was provided. Please add one. {shown}")
    if typing.get_origin(annotation) is tuple:
        return "(" + ", ".join(_type(part) or "Any" for part in typing.get_args(annotation)) + ")"
    found = _type(annotation)
    if found is None:
        raise ValueError(f"infer_schema(func): Return has unsupported type {annotation}. {shown}")
    return found


def _type(annotation: Any) -> str | None:
    if annotation in _TYPES:
        return _TYPES[annotation]
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (list, Sequence, typing.Sequence) and len(parts) == 1:
        inner = _type(parts[0])
        return None if inner is None else f"{inner}[]"
    if type(None) in parts and len(parts) == 2:
        inner = _type(next(part for part in parts if part is not type(None)))
        return None if inner is None else f"{inner}?"
    return None


def _signature(schema: str) -> inspect.Signature:
    """The names and defaults of the arguments that a schema lists."""
    inside = schema[schema.index("(") + 1 : schema.rindex("->")].strip().removesuffix(")")
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    found: list[inspect.Parameter] = []
    for part in _split(inside):
        if part == "*":
            kind = inspect.Parameter.KEYWORD_ONLY
            continue
        said, _, default = part.partition("=")
        name = said.split()[-1]
        value = inspect.Parameter.empty if not default else _default(default.strip())
        found.append(inspect.Parameter(name, kind, default=value))
    return inspect.Signature(found)


def _split(inside: str) -> Iterator[str]:
    depth, part = 0, ""
    for letter in inside:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            yield part.strip()
            part = ""
        else:
            part += letter
    if part.strip():
        yield part.strip()


def _default(text: str) -> Any:
    words = {"None": None, "True": True, "False": False, "[]": []}
    if text in words:
        return words[text]
    if text[0] in "\"'":
        return text[1:-1]
    if text[0] == "[":
        return [_default(part) for part in _split(text[1:-1])]
    return float(text) if any(letter in text for letter in ".en") else int(text)


# --- arguments --------------------------------------------------------------------------------------------------------


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for part in cast("Sequence[Any]", value):
            yield from _leaves(part)
    else:
        yield value


def _flattened(args: Sequence[Any]) -> tuple[list[Any], list[int | None]]:
    """The arguments with lists of tensors spread; and for each how many it gave, None where it is no list of them."""
    flat: list[Any] = []
    shape: list[int | None] = []
    for value in args:
        spread = isinstance(value, list | tuple) and any(isinstance(part, Tensor) for part in cast("list[Any]", value))
        shape.append(len(value) if spread else None)
        flat += value if spread else [value]
    return flat, shape


def _rebuilt(flat: Sequence[Any], shape: list[int | None]) -> tuple[Any, ...]:
    rest = iter(flat)
    return tuple(next(rest) if count is None else [next(rest) for _ in range(count)] for count in shape)


def _spread(found: Sequence[Any], shape: list[int | None]) -> Iterator[Any]:
    """The gradients of spread lists, each alone."""
    for value, count in zip(found, shape, strict=True):
        if count is None:
            yield value
        else:
            yield from [None] * count if value is None else value


# --- what programs call -----------------------------------------------------------------------------------------------


class CustomOpDef:
    """An operator that `custom_op` made: called, it computes; its methods add to it."""

    def __init__(self, operator: Operator, function: Callable[..., Any]) -> None:
        self.operator, self._init_fn = operator, function
        self._qualname = operator.qualname
        self._namespace, _, self._name = operator.qualname.partition("::")
        self.__name__ = self._name
        self.__doc__ = function.__doc__

    @property
    def _opoverload(self) -> OpOverload:
        return getattr(getattr(_spaces[self._namespace], self._name), "default")  # noqa: B009  made by `__getattr__`

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.operator(*args, **kwargs)

    def register_kernel(self, device_types: str | Sequence[str], fn: Callable[..., Any] | None = None, /) -> Any:
        """Compute with `fn` on these devices; also a decorator."""
        return register_kernel(self, device_types, fn)

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Use `fn` for tensors without memory (`device="meta"`); also a decorator."""
        self.operator.fake = fn
        return fn

    def register_autograd(
        self, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None
    ) -> None:
        """Say its derivative: `setup_context(ctx, inputs, output)` keeps what `backward(ctx, *grads)` needs."""
        self.operator.backward, self.operator.setup = backward, setup_context

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"


def custom_op(
    name: str,
    fn: Callable[..., Any] | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags: object = None,
) -> Any:
    """Make an operator of a function of tensors that is not differentiated through; also a decorator.

    `mutates_args` names the arguments that it changes in place. The schema is read off its annotations.

    Raises:
        ValueError: annotations that say no schema; a name without a namespace.

    >>> import numpy as np, pellucid
    >>> @custom_op("mine::sine", mutates_args=())
    ... def sine(x: Tensor) -> Tensor:
    ...     return pellucid.from_numpy(np.sin(x.numpy()))
    >>> sine(pellucid.zeros(2))
    tensor([0., 0.])
    """

    def made(function: Callable[..., Any]) -> CustomOpDef:
        said = schema or infer_schema(function, mutates_args=mutates_args)
        operator = _defined(name, said)
        operator.strict = True
        operator.mutates = frozenset(operator.signature.parameters if mutates_args == "unknown" else mutates_args)
        operator.kernels["CPU"] = function
        return CustomOpDef(operator, function)

    return made if fn is None else made(fn)


triton_op = custom_op  # of a function that calls kernels of Triton's: without a GPU none of them runs


def wrap_triton(triton_kernel: Any, /) -> Any:
    """The kernel itself."""
    return triton_kernel


def define(qualname: str, schema: str, *, lib: Library | None = None, tags: object = ()) -> None:
    """Define an operator by its schema, `"(Tensor x) -> Tensor"`; `impl` says what it computes."""
    _defined(qualname, schema)


def impl(qualname: Any, types: str | Sequence[str], func: Callable[..., Any] | None = None, *, lib: Any = None) -> Any:
    """Compute an operator with `func` for these devices or keys of PyTorch's dispatcher; also a decorator."""
    if isinstance(qualname, Library):  # an older form: impl(library, name, key)
        return lambda function: qualname.impl(types, function, cast("str", func or "")) or function

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        for kind in (types,) if isinstance(types, str) else types:
            key = "CPU" if kind in ("cpu", "default") else kind.upper() if kind.islower() else kind
            _operator(qualname).kernels[key] = function
        return function

    return enter if func is None else enter(func)


def register_kernel(
    op: Any, device_types: str | Sequence[str] | None, func: Callable[..., Any] | None = None, /, *, lib: Any = None
) -> Any:
    """Compute an operator with `func` on these devices, None for all; also a decorator."""
    return impl(_operator(op).qualname, device_types or "cpu", func)


def register_fake(
    op: Any, func: Callable[..., Any] | None = None, /, *, lib: Any = None, _stacklevel: int = 1
) -> Any:  # fmt: skip
    """Use `func` for tensors without memory (`device="meta"`); also a decorator."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        _operator(op).fake = function
        return function

    return enter if func is None else enter(func)


impl_abstract = register_fake  # its older name


def register_autograd(
    op: Any, backward: Callable[..., Any], /, *, setup_context: Callable[..., Any] | None = None, lib: Any = None
) -> None:
    """Say an operator's derivative: `setup_context(ctx, inputs, output)` keeps what `backward(ctx, *grads)` needs."""
    operator = _operator(op)
    operator.backward, operator.setup = backward, setup_context


class get_ctx:
    """What a function for tensors without memory asks of sizes that depend on values: there are none of these."""

    def __init__(self) -> None:
        raise RuntimeError("a size that depends on values is not known for tensors without memory: compute on the CPU")


class Library:
    """Operators of one namespace: `define` says a schema, `impl` what is computed."""

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("DEF", "IMPL", "FRAGMENT"):
            raise ValueError(f"Unsupported library kind: {kind}")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        self._own: list[str] = []

    def define(self, schema: str, alias_analysis: str = "", *, tags: object = ()) -> str:
        """Define an operator by name and schema, `"name(Tensor x) -> Tensor"`; returns its name."""
        name = schema[: schema.index("(")].strip()
        _defined(f"{self.ns}::{name}", schema)
        self._own.append(f"{self.ns}::{name}")
        return name

    def impl(self, op_name: Any, fn: Callable[..., Any], dispatch_key: str = "", *, with_keyset: bool = False) -> None:
        """Compute an operator with `fn` for a key of PyTorch's dispatcher: of all keys, where none is given."""
        name = op_name.name() if isinstance(op_name, OpOverload) else str(op_name)
        name = name if "::" in name else f"{self.ns}::{name}"
        key = dispatch_key or self.dispatch_key or "CompositeImplicitAutograd"
        if key == "Meta":
            _operator(name).fake = fn
        else:
            _operator(name).kernels[key] = fn

    def _destroy(self) -> None:
        """Forget the operators that were defined here."""
        for name in self._own:
            operators.pop(name, None)
            vars(_spaces[self.ns]).pop(name.partition("::")[2], None)
        self._own.clear()


@contextlib.contextmanager
def _scoped_library(ns: str, kind: str, dispatch_key: str = "") -> Iterator[Library]:
    """A library for the length of a block."""
    made = Library(ns, kind, dispatch_key)
    try:
        yield made
    finally:
        made._destroy()


__getattr__ = absent(__name__)
