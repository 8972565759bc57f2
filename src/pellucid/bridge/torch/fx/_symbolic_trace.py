"""Symbolic tracing: `forward` is called once with proxies, and what it did is the graph."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from pellucid import nn
from pellucid.core import Tensor

from .._symbols import _assert
from .graph import Graph
from .graph_module import GraphModule
from .names import WRAPPED
from .node import Argument
from .proxy import Proxy, TracerBase

__all__ = ["Tracer", "symbolic_trace", "wrap"]

_GLOBALS: dict[int, dict[str, Any]] = {}


def wrap(fn_or_name: str | Callable[..., Any]) -> Any:
    """Have the calls of a function, from the file that says so, noted as one node, and its inside left alone.

    A decorator, or `wrap("len")`.

    Raises:
        RuntimeError: neither a function nor the name of one.
        NotImplementedError: it is said inside a function, not where the file begins.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    names = frame.f_globals
    function = fn_or_name if callable(fn_or_name) else names.get(name, getattr(sys.modules["builtins"], name, None))
    assert_callable: Any = function
    WRAPPED[id(names), name] = assert_callable
    _GLOBALS[id(names)] = names
    return fn_or_name


class Tracer(TracerBase):
    """Traces a module, or a function: `Tracer().trace(root)` gives the graph. What it does may be changed by methods.

    Args:
        autowrap_modules: modules of Python whose functions are noted as one node each when they get a proxy.
        autowrap_functions: functions that are.
    """

    def __init__(
        self, autowrap_modules: tuple[Any, ...] = (math,), autowrap_functions: tuple[Callable[..., Any], ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:  # fmt: skip
        self._leaf_functions = set(autowrap_functions)
        self._leaf_modules = autowrap_modules
        for module in autowrap_modules:
            self._leaf_functions |= {value for name, value in vars(module).items()
                                     if not name.startswith("_") and callable(value)}  # fmt: skip
        self.root: Any = None
        self.submodule_paths: dict[Any, str] | None = None
        self._constants: dict[int, str] = {}
        self._inside = 0

    # ------------------------------------------------------------------------------------ what may be overridden

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a call of a submodule is one node: PyTorch's own layers are, but containers."""
        own = type(m).__module__.startswith(("pellucid.nn", "torch.nn"))
        return own and not isinstance(m, nn.Sequential)

    def path_of_module(self, mod: nn.Module) -> str:
        """The path of a submodule in the root.

        Raises:
            NameError: it is not in the root.
        """
        for name, found in self.root.named_modules(remove_duplicate=False):
            if found is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Note a call of a submodule, or go into it."""
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            return self.create_proxy("call_module", path, args, kwargs)
        return forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What the program gets for an attribute of a module: a proxy, of a parameter or a buffer."""
        if not isinstance(attr_val, Tensor):
            return attr_val
        for named in (self.root.named_parameters, self.root.named_buffers):
            for name, found in named():
                if found is attr_val:
                    if name not in parameter_proxy_cache:
                        parameter_proxy_cache[name] = self.create_proxy("get_attr", name, (), {})
                    return parameter_proxy_cache[name]
        return attr_val

    def create_arg(self, a: Any) -> Argument:
        """A value of the program as an argument; a tensor becomes an attribute of the root, under a name of its own."""
        if isinstance(a, nn.Parameter):
            for name, found in self.root.named_parameters():
                if found is a:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, Tensor):
            for name, found in self.root.named_buffers():
                if found is a:
                    return self.create_node("get_attr", name, (), {})
            if id(a) not in self._constants:
                at = next(n for n in range(10**9) if not hasattr(self.root, f"_tensor_constant{n}"))
                self._constants[id(a)] = f"_tensor_constant{at}"
                setattr(self.root, f"_tensor_constant{at}", a)
            return self.create_node("get_attr", self._constants[id(a)], (), {})
        if isinstance(a, nn.Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        return super().create_arg(a)

    # -------------------------------------------------------------------------------------------------- tracing

    def trace(self, root: nn.Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None) -> Graph:
        """The graph of what a module's `forward`, or a function, does.

        Args:
            concrete_args: values of arguments that the graph is to be made for.
        """
        if isinstance(root, nn.Module):
            self.root, function = root, type(root).forward
        else:
            self.root, function = nn.Module(), root
        self.graph = Graph(tracer_cls=type(self))
        cache: dict[str, Any] = {}
        args = self._inputs(function, isinstance(root, nn.Module), concrete_args or {})
        with self._noting(cache, function):
            result = _with_plain_arguments(function)(*args)
        returns = getattr(function, "__annotations__", {}).get("return")
        self.create_node("output", "output", (self.create_arg(result),), {}, type_expr=returns)
        return self.graph

    def _inputs(self, function: Any, is_module: bool, concrete: dict[str, Any]) -> list[Any]:
        """What the function is called with: a proxy for each argument."""
        parameters = list(inspect.signature(inspect.unwrap(function)).parameters.values())
        order = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # as the function has its variables
        parameters.sort(key=lambda one: order.index(one.kind) if one.kind in order else -1)
        args: list[Any] = [self.root] if is_module else []
        fixed = 0
        for parameter in parameters[1:] if is_module else parameters:
            name, default = parameter.name, parameter.default
            stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
            given = () if default is parameter.empty else (default,)
            if name in concrete and not stars:
                fixed += 1
                value = concrete[name]
                proxy = self.create_proxy("placeholder", f"{name}_{fixed}", given, {})
                if value is None:
                    self.create_proxy("call_function", _assert_is_none, (proxy, f"{name} {_SAYS} None {_BUT}"), {})
                elif isinstance(value, bool | int | float | str):
                    said = f"{name} {_SAYS} {value} {_BUT}"
                    self.create_proxy("call_function", _assert, (proxy == value, said), {})
            else:
                annotation = None if parameter.annotation is parameter.empty or stars else parameter.annotation
                if isinstance(annotation, str):
                    annotation = None
                value = self.create_proxy("placeholder", stars + name, given, {}, name=name if not stars else
                                          f"_{name}", type_expr=annotation)  # fmt: skip
            args.append(value)
        return args

    @contextlib.contextmanager
    def _noting(self, cache: dict[str, Any], function: Any) -> Iterator[None]:
        """A block in which calls and attributes of modules, and leaf functions, are noted."""
        call, found = nn.Module.__call__, object.__getattribute__
        tracer = self

        def called(module: nn.Module, /, *args: Any, **kwargs: Any) -> Any:
            return tracer.call_module(module, functools.partial(call, module), args, kwargs)

        def attribute(module: nn.Module, name: str) -> Any:
            value = found(module, name)
            if isinstance(value, Tensor) and not tracer._inside:
                tracer._inside += 1
                try:
                    return tracer.getattr(name, value, cache)
                finally:
                    tracer._inside -= 1
            return value

        replaced: list[tuple[dict[str, Any], str, Any]] = []
        own = getattr(inspect.unwrap(function), "__globals__", None)
        rooms: list[Any] = [*_GLOBALS.values(), *map(vars, self._leaf_modules), own or {}]
        places: dict[int, dict[str, Any]] = {id(names): names for names in rooms}
        for at, names in places.items():
            for name, value in list(names.items()):
                if (at, name) in WRAPPED or _is_leaf(value, self._leaf_functions):
                    replaced.append((names, name, value))
                    names[name] = _noted(value)
            for key, wrapped in WRAPPED.items():
                if key[0] == at and key[1] not in names:
                    replaced.append((names, key[1], _ABSENT))
                    names[key[1]] = _noted(wrapped)
        nn.Module.__call__ = called  # type: ignore[method-assign]
        nn.Module.__getattribute__ = attribute  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__call__ = call  # type: ignore[method-assign]
            del nn.Module.__getattribute__
            for names, name, value in reversed(replaced):
                if value is _ABSENT:
                    del names[name]
                else:
                    names[name] = value


def _with_plain_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose `*args` and `**kwargs` are arguments like the others: a proxy can be given for each."""
    inner: Any = function
    code = getattr(inner, "__code__", None)
    stars = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
    if code is None or not (code.co_flags & stars or code.co_kwonlyargcount):
        return function
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    plain = code.replace(
        co_argcount=count, co_posonlyargcount=0, co_kwonlyargcount=0, co_flags=code.co_flags & ~stars
    )  # fmt: skip
    return FunctionType(plain, inner.__globals__, inner.__name__, inner.__defaults__, inner.__closure__)


_SAYS, _BUT = "has been specialized to have value", "but got another value"
_ABSENT = object()


def _assert_is_none(value: Any, msg: str) -> None:
    if value is not None:
        raise AssertionError(msg)


def _is_leaf(value: Any, functions: set[Any]) -> bool:
    try:
        return value in functions
    except TypeError:  # it has no hash
        return False


def _noted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose call with a proxy among its arguments is noted."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        proxy = next((value for value in (*args, *kwargs.values()) if isinstance(value, Proxy)), None)
        if proxy is None:
            return function(*args, **kwargs)
        return proxy.tracer.create_proxy("call_function", function, args, kwargs)

    return called


def symbolic_trace(root: nn.Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None) -> GraphModule:
    """The module, or function, as a `GraphModule`: its `forward` noted as a graph, which can be read and changed."""
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, nn.Module) else getattr(root, "__name__", "GraphModule")
    return GraphModule(tracer.root, graph, name)
