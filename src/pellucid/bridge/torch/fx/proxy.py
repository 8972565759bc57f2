"""What `forward` is called with while it is traced: a proxy notes in the graph whatever is done to it."""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pellucid.nn.functional as F
from pellucid.core import Tensor
from pellucid.types.devices import device
from pellucid.types.dtypes import dtype

from .code import signature_of
from .graph import Graph
from .names import called_as, is_python_there
from .node import Argument, Node, Target

__all__ = ["Attribute", "GraphAppendingTracer", "Proxy", "TraceError", "TracerBase"]


class TraceError(ValueError):
    """What a program asks of a value that is not there while it is traced."""


class TracerBase:
    """Makes nodes in `graph`, and proxies that stand for them."""

    graph: Graph

    def create_node(
        self, kind: str, target: Target, args: tuple[Argument, ...], kwargs: dict[str, Argument],
        name: str | None = None, type_expr: Any = None,
    ) -> Node:  # fmt: skip
        """Add a node to the graph."""
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def proxy(self, node: Node) -> Proxy:
        """What stands for a node's result in the program."""
        return Proxy(node, self)

    def create_proxy(
        self, kind: str, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any], name: str | None = None,
        type_expr: Any = None, proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:  # fmt: skip
        """Add a node whose arguments are the program's values. What stands for its result."""
        given, named = self.create_arg(args), self.create_arg(kwargs)
        node = self.create_node(kind, target, given, named, name, type_expr)
        return proxy_factory_fn(node) if proxy_factory_fn else self.proxy(node)

    def create_arg(self, a: Any) -> Argument:
        """A value of the program as an argument of a node.

        Raises:
            NotImplementedError: it is of a kind that a graph cannot hold.
        """
        if isinstance(a, Proxy):
            return a.node
        if isinstance(a, tuple):
            parts = [self.create_arg(one) for one in a]
            return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
        if isinstance(a, list):
            return [self.create_arg(one) for one in a]
        if isinstance(a, dict):
            return {self._key(key): self.create_arg(value) for key, value in a.items()}
        if isinstance(a, slice):
            return slice(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if a is None or a is ... or isinstance(a, int | float | complex | str | bytes | dtype | device | Node):
            return a
        if isinstance(a, range):
            return range(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if callable(a) or type(a).__module__.startswith("pellucid."):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def _key(self, key: Any) -> Any:
        if isinstance(key, Proxy):
            raise RuntimeError(f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {key}")
        return key

    def to_bool(self, obj: Proxy) -> bool:
        """Raise TraceError: which way a program goes cannot depend on a value that is not there."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """The parts of a value where as many are unpacked as the program says: `a, b = x`; else raise TraceError."""
        frame = sys._getframe(1)
        while frame.f_code.co_filename == __file__ and frame.f_back is not None:
            frame = frame.f_back
        code = frame.f_code.co_code
        at = frame.f_lasti
        # An adaptive interpreter puts room for a cache before the instruction that is asked of.
        if dis.opname[code[at]] == "UNPACK_SEQUENCE":
            parts: Any = obj
            return (parts[i] for i in range(code[at + 1]))
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a *args or "
            "**kwargs function argument. See the torch.fx docs on pytorch.org for a more detailed explanation of what "
            "types of control flow can be traced, and check out the Proxy docstring for help troubleshooting Proxy "
            "iteration errors"
        )

    def keys(self, obj: Proxy) -> Any:
        """What `**proxy` gives: a proxy of its keys."""
        return Attribute(obj, "keys")()


class GraphAppendingTracer(TracerBase):
    """Notes in a graph that there is already."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph


class Proxy:
    """What stands for a value while a program is traced: operators, methods, attributes and functions are noted."""

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Attribute:
        if k.startswith("__"):  # Python looks for these by itself: `__array__`, `__deepcopy__`
            raise AttributeError(f"'Proxy' object has no attribute {k!r}")
        return Attribute(self, k)

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator[Any]:
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be recorded, please call "
            "torch.fx.wrap('len') at module scope"
        )

    def __index__(self) -> int:
        raise TypeError("'Proxy' object cannot be interpreted as an integer")

    def __int__(self) -> int:
        raise TypeError("int() argument must be a string, a bytes-like object or a real number, not 'Proxy'")

    def __float__(self) -> float:
        raise TypeError("float() argument must be a string or a real number, not 'Proxy'")

    def __hash__(self) -> int:
        return id(self)

    @classmethod
    def __torch_function__(
        cls, orig_method: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Proxy:
        args, kwargs = args or (), kwargs or {}
        tracer = next(found.tracer for found in _proxies((args, kwargs)))
        orig_method, args, kwargs = _asked_by(orig_method, args, kwargs)
        of_tensor = isinstance(args[0] if args else None, Tensor)  # the method of a tensor that is there
        if of_tensor or orig_method in (F.sigmoid, F.tanh):  # which PyTorch writes as methods
            return tracer.create_proxy("call_method", orig_method.__name__, args, kwargs)
        if is_python_there(orig_method):
            args, kwargs = with_defaults(orig_method, args, kwargs)
        return tracer.create_proxy("call_function", orig_method, args, kwargs)


# Functions that hand their arguments on to one op at once, and are what the program called.
_HANDED_ON: dict[Any, Callable[..., Any]] = {
    function.__code__: function for function in (F.linear, F.relu, F.sigmoid, F.tanh)
}


def _asked_by(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The function that the program called, where that handed its arguments on to `function`; with its arguments."""
    frame = sys._getframe(2)
    for _ in range(6):
        called = _HANDED_ON.get(frame.f_code)
        if called is not None:
            names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
            given = [frame.f_locals[name] for name in names]
            if called is F.linear:
                return called, tuple(given if given[2] is not None else given[:2]), {}
            return called, (given[0],), dict(zip(names[1:], given[1:], strict=True))
        if frame.f_back is None:
            break
        frame = frame.f_back
    return called_as(function), args, kwargs


def with_defaults(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call's arguments as PyTorch's own Python hands them on: those without defaults in order, the rest by name."""
    signature = signature_of(function)
    if signature is None:
        return args, kwargs
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return args, kwargs
    bound.apply_defaults()
    first: list[Any] = []
    rest: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return args, kwargs
        if name.startswith("cudnn_"):  # of the function in torch itself
            continue
        if parameter.default is parameter.empty:
            first.append(bound.arguments[name])
        else:
            rest[name] = bound.arguments[name]
    return tuple(first), rest


def _proxies(value: Any) -> Iterator[Proxy]:
    if isinstance(value, Proxy):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _proxies(one)
    elif isinstance(value, dict):
        yield from _proxies(list(value.values()))


class Attribute(Proxy):
    """An attribute of a proxy: the call of a method if it is called, else `getattr`, noted when it is used."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node of `getattr`, made when it is first asked for."""
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


_OPERATORS = (
    "eq", "ne", "lt", "gt", "le", "ge", "pos", "neg", "invert", "add", "sub", "mul", "floordiv", "truediv", "mod",
    "pow", "lshift", "rshift", "and_", "or_", "xor", "getitem", "matmul", "abs",
)  # fmt: skip
_REFLECTED = (
    "add", "sub", "mul", "floordiv", "truediv", "mod", "pow", "lshift", "rshift", "and_", "or_", "xor", "matmul",
)  # fmt: skip


def _operator(name: str, reflected: bool) -> Callable[..., Proxy]:
    function = getattr(operator, name)

    def noted(self: Proxy, *others: Any) -> Proxy:
        args = (*others, self) if reflected else (self, *others)
        return self.tracer.create_proxy("call_function", function, args, {})

    return noted


for _name in _OPERATORS:
    setattr(Proxy, f"__{_name.rstrip('_')}__", _operator(_name, False))
for _name in _REFLECTED:
    setattr(Proxy, f"__r{_name.rstrip('_')}__", _operator(_name, True))
