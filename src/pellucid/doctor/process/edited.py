"""A pass that is run with a statement written otherwise: the body of the loop compiled anew, or a function of it.

At the head of a pass, in a fork, the body is run in the variables of the frame, and a function that is changed gets
another code; what is left of both is the state that a laboratory puts back.
"""

from __future__ import annotations

import ast
import gc
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from pellucid.doctor.process.instrument import ProgramLoop
from pellucid.doctor.process.paths import Scope, is_leaf, is_users
from pellucid.doctor.process.variants import Variant

COLLECT, PASS = "__pellucid_collect__", "__pellucid_pass__"
SHORT = 0.3  # seconds that a pass may take at least
Unit = tuple[str, str, int]  # a function by its file, its name and its first line; the loop's body has no name


class EditedPass:
    """The body of a loop at the head of a pass, and the functions that it calls. Raises LookupError where the source
    has no such loop."""

    def __init__(self, scope: Scope, loop: ProgramLoop, sources: dict[str, str]) -> None:
        if scope.frame is None or loop.yields:
            raise LookupError(loop.line)
        self.scope, self.frame, self.loop, self.limit = scope, scope.frame, loop, 5.0
        self.trees = {file: ast.parse(text) for file, text in sources.items()}
        kinds = (ast.For, ast.While)
        found = [n for n in ast.walk(self.trees[loop.file]) if isinstance(n, kinds) and n.lineno == loop.line]
        if len(found) != 1:
            raise LookupError(loop.line)
        self.node = found[0]
        self.functions: dict[Unit, list[FunctionType]] = {}
        gc.unfreeze()
        for item in gc.get_objects():
            if type(item) is FunctionType and item.__code__.co_filename in sources:
                self.functions.setdefault(_unit(item.__code__), []).append(item)
        gc.freeze()
        self.ran: dict[Unit, dict[str, tuple[int, ...]]] = {}
        self.variants: list[Variant] = []  # those that hold for each run

    def units(self) -> Iterator[tuple[Unit, list[ast.stmt]]]:
        """The body of the loop and each function that a pass ran, with their statements."""
        yield (self.loop.file, "", 0), list(_statements(self.node.body))
        for file, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef) and (unit := _unit_of(file, node)) in self.ran:
                    yield unit, list(_statements(node.body))

    def run(self, *variants: Variant) -> Scope:
        """Run the pass with these changes; the scope of what it left."""
        every = [*self.variants, *variants]
        own = [v for v in every if self._is_in_body(v)]
        with self._written(every):
            changed = [change for v in every if v not in own for change in self._codes(v)]
        with self._written(own):
            body = self._compiled()
        for function, _, new in changed:
            function.__code__ = new
        try:
            with _at_most(self.limit), np.errstate(all="ignore"):
                return self._execute(body)
        finally:
            for function, old, _ in changed:
                function.__code__ = old

    def shapes(self) -> None:
        """Run the pass as it is, and note which functions it ran, and the shapes of what they know at their end."""

        def note(frame: FrameType, event: str, argument: Any) -> None:
            code = frame.f_code
            own = code.co_name == PASS or code.co_name.startswith("<")
            if event == "return" and code.co_filename in self.trees and not own:
                self._note(_unit(code), frame.f_locals)

        sys.setprofile(note)
        try:
            left = self.run()
        finally:
            sys.setprofile(None)
        names = left.frame.f_locals if left.frame is not None else {}
        self._note((self.loop.file, "", 0), names)

    def _note(self, unit: Unit, names: dict[str, Any]) -> None:
        known = self.ran.setdefault(unit, {})
        for name, value in list(names.items()):
            if name.startswith("__") or len(known) > 300:
                continue
            if is_leaf(value):
                known[name] = np.shape(value)
            elif isinstance(value, dict) and len(value) < 60:
                known |= {
                    f"{name}[{key!r}]": np.shape(v) for key, v in value.items() if isinstance(key, str) and is_leaf(v)
                }
            elif is_users(value, self.scope.modules) and isinstance(getattr(value, "__dict__", None), dict):
                known |= {f"{name}.{key}": np.shape(v) for key, v in vars(value).items() if is_leaf(v)}

    # Within -----------------------------------------------------------------------------------------------------

    def _is_in_body(self, variant: Variant) -> bool:
        return variant.file == self.loop.file and any(s is variant.old for s in _statements(self.node.body))

    @contextmanager
    def _written(self, variants: list[Variant]) -> Iterator[None]:
        """The tree with these statements in the place of those that stand there."""
        undo: list[tuple[list[ast.stmt], int, ast.stmt]] = []
        for variant in variants:
            for block in _blocks(self.trees[variant.file]):
                for i, statement in enumerate(block):
                    if statement is variant.old:
                        undo.append((block, i, statement))
                        block[i] = ast.fix_missing_locations(ast.copy_location(variant.new, statement))
        try:
            yield
        finally:
            for block, i, statement in undo:
                block[i] = statement

    def _compiled(self) -> CodeType:
        once = ast.For(
            ast.Name("__pellucid_once__", ast.Store()), ast.Tuple([ast.Constant(0)], ast.Load()), self.node.body, []
        )
        ast.copy_location(once, self.node)
        if self.frame.f_code.co_name == "<module>":
            whole = ast.Module([ast.fix_missing_locations(once)], [])
            return compile(whole, self.loop.file, "exec", dont_inherit=True)
        functions = [n for n in ast.walk(self.trees[self.loop.file]) if isinstance(n, ast.FunctionDef)]
        around = [n for n in functions if any(part is self.node for part in ast.walk(n))]
        outer: list[ast.stmt] = [n for f in around[-1:] for n in ast.walk(f) if isinstance(n, ast.Global)]
        taken = {name for node in outer if isinstance(node, ast.Global) for name in node.names}
        names = [name for name in self.frame.f_locals if name.isidentifier() and name not in taken]
        tell = ast.Expr(ast.Call(ast.Name(COLLECT, ast.Load()), [ast.Call(ast.Name("locals", ast.Load()), [], [])], []))
        function = ast.parse(f"def {PASS}({', '.join([COLLECT, *names])}): pass").body[0]
        if isinstance(function, ast.FunctionDef):
            function.body = [*outer, ast.Try([once], [], [], [tell])]
        ast.copy_location(function, self.node)
        return compile(ast.Module([ast.fix_missing_locations(function)], []), self.loop.file, "exec", dont_inherit=True)

    def _execute(self, body: CodeType) -> Scope:
        modules, objects, space = self.scope.modules, self.scope.objects, self.frame.f_globals
        if self.frame.f_code.co_name == "<module>":
            exec(body, space)  # noqa: S102 (a part of the user's program, in its own variables)
            return Scope(_frame(space, self.frame), modules, objects)
        made: dict[str, Any] = {}
        exec(body, space, made)  # noqa: S102
        left: dict[str, Any] = {}
        names = {name: value for name, value in self.frame.f_locals.items() if name.isidentifier()}
        function = made[PASS]
        taken = function.__code__.co_varnames[: function.__code__.co_argcount]
        function(left.update, **{name: names[name] for name in taken if name in names})
        return Scope(_frame(left, self.frame), modules, objects)

    def _codes(self, variant: Variant) -> Iterator[tuple[FunctionType, CodeType, CodeType]]:
        """The functions that hold a statement, each with its code as it is and as it is with the tree as it stands."""
        for top in self.trees[variant.file].body:
            if top.lineno <= variant.line <= (top.end_lineno or top.lineno):
                code = compile(ast.Module([top], []), variant.file, "exec", dont_inherit=True)
                around = {_unit_of(variant.file, node) for node in ast.walk(top) if _spans(node, variant.line)}
                for inner in _codes_in(code):
                    for function in self.functions.get(_unit(inner), []) if _unit(inner) in around else ():
                        if inner.co_freevars == function.__code__.co_freevars:
                            yield function, function.__code__, inner


def _frame(names: dict[str, Any], frame: FrameType) -> Any:
    return SimpleNamespace(f_locals=names, f_code=frame.f_code, f_globals=frame.f_globals)


def _unit(code: CodeType) -> Unit:
    return code.co_filename, code.co_name, code.co_firstlineno


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield part
            yield from _codes_in(part)


def _spans(node: ast.AST, line: int) -> bool:
    return isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)


def _unit_of(file: str, node: Any) -> Unit:
    return file, node.name, min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body and of the blocks in it, but for those of functions."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        yield statement
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, name, []))


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what takes longer: a loop that a change may never let end."""

    def late(signum: int, frame: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, max(seconds, SHORT), 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
