"""The source of an op: its forward expression, its gradient rules, and a rule as an expression to read."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from pellucid.declare import Op


def forward_source(op: Op) -> str:
    """The lines that compute the op, without the docstring; of an in-place op those of the op that it is made from."""
    text = textwrap.dedent(inspect.getsource(inspect.unwrap(op.declared)))
    function: Any = ast.parse(text).body[0]
    lines = text.splitlines()
    end = function.lineno - 1  # behind the decorators
    if ast.get_docstring(function) is not None:
        quoted = function.body[0]
        return "\n".join(lines[end : quoted.lineno - 1] + lines[quoted.end_lineno :])
    return "\n".join(lines[end:])


def rule_expression(op: Op, position: int) -> ast.expr | None:
    """What a gradient rule returns, as a tree: of a `lambda`, or of a function that is one `return`; else None."""
    rule: Any = inspect.unwrap(op.rules[position if op.star is None else min(position, op.star)])
    code: CodeType | None = getattr(rule, "__code__", None)
    if code is None:
        return None
    if code.co_name != "<lambda>":
        function: Any = ast.parse(textwrap.dedent(inspect.getsource(rule))).body[0]
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        return body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None
    names = list(code.co_varnames[: code.co_argcount])
    found = [
        node
        for node in ast.walk(_tree(importlib.import_module(rule.__module__)))
        if isinstance(node, ast.Lambda)
        and node.lineno == code.co_firstlineno
        and [argument.arg for argument in node.args.args] == names
    ]
    if len(found) > 1:  # several on one line: the one that holds what is done first
        found = [node for node in found if node.col_offset <= _column(code) <= (node.end_col_offset or 0)]
    return found[0].body if found else None


def _column(code: CodeType) -> int:
    """Where on its line the body of a lambda stands."""
    for line, _, column, _ in code.co_positions():
        if line == code.co_firstlineno and column:
            return column
    return -1


def rule_source(op: Op) -> str:
    """The lines of the source that declare the op's rules, with the private functions that they call."""
    home = importlib.import_module(op.__module__)
    spans: set[tuple[bool, str, int, int]] = set()  # what another chapter has comes first
    for statement in _tree(home).body:
        if _declares(statement, home, op):
            spans.add((True, home.__name__, statement.lineno, statement.end_lineno or statement.lineno))
    for rule in op.rules.values():
        for name, code in _codes(inspect.unwrap(rule)):
            spans.add((name == home.__name__, name, *_span(_tree(importlib.import_module(name)), code)))
    return "\n\n".join(
        textwrap.dedent("\n".join(inspect.getsource(importlib.import_module(name)).splitlines()[first - 1 : last]))
        for here, name, first, last in sorted(spans)
        if not any(_within((first, last), span[2:]) for span in spans if span[:2] == (here, name))
    )


def _within(inner: tuple[int, int], outer: tuple[int, int]) -> bool:
    return inner != outer and outer[0] <= inner[0] and inner[1] <= outer[1]


@functools.cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _declares(statement: ast.stmt, module: ModuleType, op: Op) -> bool:
    """Whether a statement is `NAME.vjp(…)`, where NAME is the op."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="vjp"))):
            return vars(module).get(name) is op
    return False


def _codes(function: Any, seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, CodeType]]:
    """The module and the code of a rule, and of the private functions of its module that it calls."""
    if not isinstance(function, FunctionType):
        return
    yield function.__module__, function.__code__
    for name in _names(function.__code__):
        called = function.__globals__.get(name)
        if name.startswith("_") and name not in seen and getattr(called, "__module__", "") == function.__module__:
            yield from _codes(called, seen | {name})


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _span(tree: ast.Module, code: CodeType) -> tuple[int, int]:
    """First and last line of the smallest statement that holds a code object."""
    line = code.co_firstlineno
    holding: list[tuple[int, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            first = min([node.lineno, *(entry.lineno for entry in getattr(node, "decorator_list", []))])
            last = node.end_lineno or node.lineno
            if first <= line <= last:
                holding.append((first, last))
    return min(holding, key=lambda span: span[1] - span[0])
