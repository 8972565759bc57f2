"""The Python that a graph stands for: as text to read, and with the functions themselves to be run."""

from __future__ import annotations

import inspect
import keyword
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pellucid
from pellucid.types.devices import device
from pellucid.types.dtypes import dtype

from .names import WRAPPED, path_of, text_of_type
from .node import Argument, Node, map_arg

__all__ = ["CodeGen", "PythonCode"]

_BINARY = {
    "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=", "add": "+", "sub": "-", "mul": "*",
    "floordiv": "//", "truediv": "/", "mod": "%", "pow": "**", "lshift": "<<", "rshift": ">>", "and_": "&",
    "or_": "|", "xor": "^", "matmul": "@",
}  # fmt: skip
_UNARY = {"pos": "+", "neg": "-", "invert": "~"}
_IN_PLACE = {f"i{name.rstrip('_')}": f"{sign}=" for name, sign in list(_BINARY.items())[6:]}


@dataclass
class PythonCode:
    """The source of a graph, and what its names stand for."""

    src: str
    globals: dict[str, Any]


class CodeGen:
    """Writes the Python of a graph."""

    def generate(self, graph: Any, root: str = "self", comment: str = "") -> tuple[str, PythonCode]:
        """The text to read, and the source to run, whose names are looked up in its globals."""
        functions: dict[str, Any] = {"torch": pellucid, "inf": math.inf, "nan": math.nan, "NoneType": type(None)}
        functions.update(device=device, dtype=dtype)

        def aliased(function: Any) -> str:
            name = f"_f{len(functions)}"
            functions[name] = function
            return name

        read = _Writer(graph, root, lambda function: _global_name(path_of(function)), False).text(comment)
        run = _Writer(graph, root, aliased, True).text("")
        return read, PythonCode(run, functions)


def _global_name(path: str) -> str:
    """A path as it is written in code: PyTorch's whole, of a built-in function its name, of another joined by _."""
    if path.startswith("torch."):
        return path
    name = path.replace(".", "_")
    return path.removeprefix("builtins.") if path.startswith("builtins.") else "_" * path.startswith("operator.") + name


class _Writer:
    """One way of writing a graph: with `name_of(function)` for each function that is called."""

    def __init__(self, graph: Any, root: str, name_of: Callable[[Any], str], runs: bool) -> None:
        self.graph, self.root, self.name_of, self.runs = graph, root, name_of, runs
        self.inputs: list[str] = []
        self.lines: list[str] = []
        self.returns = ""

    def text(self, comment: str) -> str:
        last = _last_uses(self.graph)
        for node in self.graph.nodes:
            line = self.line(node)
            if line is None:
                continue
            freed = last.get(node, []) + ([] if node.users or node.op in ("placeholder", "output") else [node])
            if node.op != "output" and freed:
                line += f";  {' = '.join([*(one.name for one in freed), 'None'])}"
            self.lines.append(f"    {line}")
        body = "\n".join([f"    {comment}"] * bool(comment) + (self.lines or ["    pass"]))
        arguments = ", ".join([self.root, *self.inputs])
        wraps = [] if self.runs else [f'torch.fx._symbolic_trace.wrap("{name}")' for name in self.wrapped()]
        top = ["", *wraps, ""] if wraps else ["", "", ""]
        return "\n".join([*top, f"def forward({arguments}){self.returns}:", body, "    "])

    def wrapped(self) -> list[str]:
        """The functions of the program's own that are leaves, which PyTorch says at the top."""
        called = {node.target for node in self.graph.nodes if node.op == "call_function"}
        return sorted(_global_name(path_of(f)) for f in called if callable(f) and f in WRAPPED.values())

    def line(self, node: Node) -> str | None:
        """The statement of a node; None for an input under its own name."""
        kind = f" : {text_of_type(node.type)}" if node.type and not self.runs else ""
        if node.op == "placeholder":
            own = str(node.target)
            default = f" = {self.value(node.args[0])}" if node.args else ""
            self.inputs.append(f"{own}{kind}{default}")
            bare = own.lstrip("*")
            return None if bare == node.name else f"{node.name} = {bare}"
        if node.op == "output":
            self.returns = f" -> {text_of_type(node.type)}" if node.type and not self.runs else ""
            return f"return {self.value(node.args[0])}"
        return self.statement(node, f"{node.name}{kind} = ")

    def statement(self, node: Node, begin: str) -> str:
        if node.op == "get_attr":
            return begin + _attribute(self.root, str(node.target))
        if node.op == "call_module":
            return f"{begin}{_attribute(self.root, str(node.target))}({self.arguments(node.args, node.kwargs)})"
        if node.op == "call_method":
            owner, *rest = node.args
            arguments = self.arguments(tuple(rest), node.kwargs)
            return f"{begin}{_attribute(self.value(owner), str(node.target))}({arguments})"
        path = path_of(node.target) if callable(node.target) else str(node.target)
        args = [self.value(arg) for arg in node.args]
        name = path.removeprefix("operator.") if path.startswith("operator.") else ""
        if name in _BINARY and len(args) == 2:
            return f"{begin}{args[0]} {_BINARY[name]} {args[1]}"
        if name in _UNARY and len(args) == 1:
            return f"{begin}{_UNARY[name]}{args[0]}"
        if name == "getitem":
            return f"{begin}{args[0]}[{args[1]}]"
        if name in _IN_PLACE:
            return f"{args[0]} {_IN_PLACE[name]} {args[1]};  {begin}{args[0]}"
        if path == "builtins.getattr" and len(args) == 2 and str(node.args[1]).isidentifier():
            return begin + _attribute(args[0], str(node.args[1]))
        return f"{begin}{self.name_of(node.target)}({self.arguments(node.args, node.kwargs)})"

    def arguments(self, args: tuple[Argument, ...], kwargs: dict[str, Argument]) -> str:
        return ", ".join([*map(self.value, args), *(f"{key} = {self.value(value)}" for key, value in kwargs.items())])

    def value(self, arg: Argument) -> str:
        """An argument as it is written."""
        if isinstance(arg, tuple):
            inside = ", ".join(map(self.value, arg)) + ("," if len(arg) == 1 else "")
            return f"{self.name_of(type(arg))}({inside})" if hasattr(arg, "_fields") else f"({inside})"
        if isinstance(arg, list):
            return f"[{', '.join(map(self.value, arg))}]"
        if isinstance(arg, dict):
            return f"{{{', '.join(f'{key!r}: {self.value(value)}' for key, value in arg.items())}}}"
        if isinstance(arg, slice):
            return f"slice({self.value(arg.start)}, {self.value(arg.stop)}, {self.value(arg.step)})"
        if isinstance(arg, Node):
            return arg.name
        if callable(arg) and not isinstance(arg, type):
            return self.name_of(arg)
        if isinstance(arg, type):
            return self.name_of(arg) if self.runs else text_of_type(arg)
        plain = arg is None or isinstance(arg, int | float | complex | str | bytes | dtype | device)
        return repr(arg) if plain or not self.runs else self.name_of(arg)


def _attribute(base: str, target: str) -> str:
    """`base.a.b`, with `getattr` for what is no name: `getattr(base.a, "0")`."""
    for part in target.split("."):
        plain = part.isidentifier() and not keyword.iskeyword(part)
        base = f"{base}.{part}" if plain else f'getattr({base}, "{part}")'
    return base


def _last_uses(graph: Any) -> dict[Node, list[Node]]:
    """For each node, the nodes whose results nobody needs after it."""
    found: dict[Node, list[Node]] = {}
    seen: set[Node] = set()
    for user in reversed(graph.nodes):

        def note(node: Node, user: Node = user) -> Node:
            if node not in seen:
                seen.add(node)
                found.setdefault(user, []).append(node)
            return node

        map_arg((user.args, user.kwargs), note)
    return found


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature of a function; None where Python does not know it."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None
