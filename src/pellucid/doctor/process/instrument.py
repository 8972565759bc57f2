"""The user's source with hooks in every loop, so that a pass can be watched and repeated.

                                    __pellucid_enter__(7)
    for x in data:                  for x in data:
        BODY                            __pellucid_head__(7)
                                        while True:
                                            BODY
                                            if not __pellucid_tail__(7): break

The hook at the end says whether the pass is to be run once more, in the same frame: a laboratory (see `lab`) puts the
state back and asks for it. `continue` and `break` mean what they meant. Line numbers stay those of the user's file.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

HEAD, TAIL, LEAVE, LEFT, ENTER = (f"__pellucid_{name}__" for name in ("head", "tail", "leave", "left", "enter"))


@dataclass(frozen=True)
class Loop:
    """A loop of the user's program: where it is, and the loop around it in the same function."""

    number: int
    file: str
    line: int
    last_line: int
    function: str
    outer: int | None


class Loops:
    """Every loop that was seen in the user's files, by number, and the source of these files."""

    def __init__(self) -> None:
        self.loops: dict[int, Loop] = {}
        self.sources: dict[str, str] = {}
        self.targets: set[str] = set()  # names that loops assign

    def compile(self, source: str, file: str) -> CodeType:
        tree = ast.parse(source, file)
        self.sources[file] = source
        for node in ast.walk(tree):
            if isinstance(node, ast.For | ast.AsyncFor):
                self.targets |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
        tree = _Hooks(self, file).visit(tree)
        ast.fix_missing_locations(tree)
        return compile(tree, file, "exec", dont_inherit=True)

    def line(self, file: str, line: int) -> str:
        lines = self.sources.get(file, "").splitlines()
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""


class _Hooks(ast.NodeTransformer):
    def __init__(self, known: Loops, file: str) -> None:
        self.known, self.file = known, file
        self.stack: list[int] = []  # the loops around, within one function
        self.functions: list[str] = []
        self.breaks: set[int] = set()

    def _scope(self, node: Any) -> Any:
        stack, self.stack = self.stack, []
        self.functions.append(getattr(node, "name", "<lambda>"))
        self.generic_visit(node)
        self.functions.pop()
        self.stack = stack
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _scope

    def _loop(self, node: Any) -> Any:
        number = len(self.known.loops)
        self.known.loops[number] = Loop(
            number,
            self.file,
            node.lineno,
            getattr(node, "end_lineno", node.lineno) or node.lineno,
            ".".join(self.functions) or "<module>",
            self.stack[-1] if self.stack else None,
        )
        self.stack.append(number)
        body = _flat([self.visit(statement) for statement in node.body])
        self.stack.pop()
        node.orelse = _flat([self.visit(statement) for statement in node.orelse])
        first, last = node.body[0], node.body[-1]
        again = ast.While(ast.Constant(True), [*body, _unless(TAIL, number, last)], [])
        ast.copy_location(again, first)
        node.body = [ast.copy_location(ast.Expr(_call(HEAD, number, first)), first), again]
        if number in self.breaks:
            leave = ast.If(_call(LEFT, number, first), [ast.copy_location(ast.Break(), first)], [])
            node.body.append(ast.copy_location(leave, first))
        return [ast.copy_location(ast.Expr(_call(ENTER, number, node)), node), node]

    visit_For = visit_While = visit_AsyncFor = _loop

    def visit_Continue(self, node: ast.Continue) -> Any:
        return [_unless(TAIL, self.stack[-1], node), node] if self.stack else node

    def visit_Break(self, node: ast.Break) -> Any:
        if not self.stack:
            return node
        number = self.stack[-1]
        self.breaks.add(number)
        again = ast.If(_call(LEAVE, number, node), [ast.copy_location(ast.Continue(), node)], [])
        return [ast.copy_location(again, node), node]


def _call(name: str, number: int, at: ast.AST) -> ast.Call:
    call = ast.Call(ast.Name(name, ast.Load()), [ast.Constant(number)], [])
    for node in ast.walk(call):
        ast.copy_location(node, at)
    return call


def _unless(name: str, number: int, at: ast.AST) -> ast.If:
    test = ast.copy_location(ast.UnaryOp(ast.Not(), _call(name, number, at)), at)
    return ast.copy_location(ast.If(test, [ast.copy_location(ast.Break(), at)], []), at)


def _flat(statements: Sequence[Any]) -> list[ast.stmt]:
    return [node for item in statements for node in (item if isinstance(item, list) else [item])]


class Importer(importlib.abc.MetaPathFinder):
    """Modules that lie beside the script are instrumented like the script itself."""

    def __init__(self, known: Loops, root: Path) -> None:
        self.known, self.root = known, root.resolve()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return None
        if not is_users(spec.origin, self.root):
            return None
        spec.loader = _Loader(self.known, name, spec.origin)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, known: Loops, name: str, path: str) -> None:
        super().__init__(name, path)
        self.known = known

    def get_code(self, fullname: str) -> CodeType:
        data = self.get_data(self.path)
        return self.known.compile(importlib.util.decode_source(data), self.path)


def is_users(file: str, root: Path) -> bool:
    """Whether a file belongs to the user's program: beside the script, and not installed."""
    path = Path(file).resolve()
    parts = set(path.parts)
    installed = {"site-packages", "dist-packages"} & parts or str(path).startswith(str(Path(sys.prefix) / "lib"))
    return not installed and path.is_relative_to(root)
