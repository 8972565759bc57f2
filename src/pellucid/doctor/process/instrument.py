"""The user's source with hooks in every loop, so that a pass can be watched and repeated.

                                    __pellucid_enter__(7)
    for x in data:                  for x in data:
        BODY                            __pellucid_head__(7)
                                        while True:
                                            BODY
                                            if not __pellucid_tail__(7): break

The hook at the end says whether the pass is to be run once more, in the same frame: a laboratory (see `lab`) puts the
state back and asks for it. `continue` and `break` mean what they meant. Line numbers stay those of the user's file.

What is subtracted from one another is let through another hook where it has no name: of `d = np.tanh(x @ w) - y[i:j]`
both the output and the labels can be seen so. In a loop, the rows that a call is given, `forward(X[batch])`, are, too.
What a `for` goes through is handed to a hook that can turn it round.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TypeGuard

from pellucid.doctor.process.caught import Told
from pellucid.doctor.process.paths import OF_LIST
from pellucid.doctor.sources import text_of

HOOKS = ("head", "tail", "leave", "left", "enter", "value", "order", "decide")
HEAD, TAIL, LEAVE, LEFT, ENTER, VALUE, ORDER, DECIDE = (f"__pellucid_{name}__" for name in HOOKS)

ROWS = re.compile(r"(self\.)?(x|y|t|data|input|image|img|sample|feature|target|label|train)\w*\[", re.I)
ARITHMETIC = re.compile(r"(np|numpy|math|random|sum|min|max|abs|len|range|float|int|str|print|sigmoid|tanh|relu)\b")
SUBTRACTION = re.compile(r"((np|numpy)\.)?subtract")
LABEL = re.compile(r"(self\.)?(y\w*|t[s\d]*|t_\w+|tgt\w*|target\w*|tr(ue|uth)\w*|label\w*|expected\w*)\b", re.I)


@dataclass(frozen=True)
class ProgramLoop:
    """A loop of the user's program: where it is, and the loop around it in the same function."""

    number: int
    file: str
    line: int
    last_line: int
    function: str
    outer: int | None
    anew: frozenset[str] = frozenset()  # variables, `h` and `self.h`, that the loop around sets before each run of it
    local: frozenset[str] = frozenset()  # the same of the function around it
    own: frozenset[str] = frozenset()  # variables that the loop itself sets in each pass
    yields: bool = False  # a generator's loop: what consumes it runs within its passes


def of_list(name: str) -> str:
    """What a variable of a comprehension is called where the comprehension is written as a loop."""
    return name + OF_LIST


class Loops:
    """Every loop that was seen in the user's files, by number, and the source of these files."""

    def __init__(self) -> None:
        self.loops: dict[int, ProgramLoop] = {}
        self.sources: dict[str, str] = {}
        self.targets: set[str] = set()  # names that loops assign
        self.values: list[str] = []  # the expressions that have a hook, as they are written
        self.pairs: set[tuple[str, str]] = set()  # what is subtracted from one another: an output and its label
        self.items: dict[str, set[str]] = {}  # variables of loops, and the lists whose items they are
        self.orders: list[tuple[str, int]] = []  # the file and line of each `for`

    def compile(self, source: str, file: str) -> CodeType:
        tree = ast.parse(source, file)
        self.sources[file] = source
        for item, whole in items(tree):
            self.items.setdefault(item, set()).add(whole)
        tree = _Comprehensions().visit(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.For | ast.AsyncFor):
                self.targets |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
        tree = _Hooks(self, file).visit(Told().visit(tree))
        ast.fix_missing_locations(tree)
        return compile(tree, file, "exec", dont_inherit=True)

    def line(self, file: str, line: int) -> str:
        lines = self.sources.get(file, "").splitlines()
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""


class _Comprehensions(ast.NodeTransformer):
    """`costs = [model.train(b) for b in batches]` as the loop that it is, so that it can be the training loop."""

    def visit_Assign(self, node: ast.Assign) -> Any:
        value = node.value
        if not isinstance(value, ast.ListComp) or not isinstance(value.elt, ast.Call) or len(value.generators) != 1:
            return node
        generator, target = value.generators[0], node.targets[0]
        inner = (ast.NamedExpr, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp, ast.Await)
        plain = len(node.targets) == 1 and isinstance(target, ast.Name) and not generator.ifs and not generator.is_async
        if (
            not plain
            or not isinstance(target, ast.Name)
            or any(isinstance(part, inner) for part in ast.walk(value.elt))
        ):
            return node
        own = {part.id for part in ast.walk(generator.target) if isinstance(part, ast.Name)}
        used = {part.id for part in ast.walk(generator.iter) if isinstance(part, ast.Name)}
        if (
            own & used
            or target.id in own | used
            or any(isinstance(part, ast.Name) and part.id == target.id for part in ast.walk(value.elt))
        ):
            return node
        names = {name: of_list(name) for name in own}  # the variables of a comprehension are its own
        for part in (*ast.walk(generator.target), *ast.walk(value.elt)):
            if isinstance(part, ast.Name) and part.id in names:
                part.id = names[part.id]
        added = ast.Expr(
            ast.Call(ast.Attribute(ast.Name(target.id, ast.Load()), "append", ast.Load()), [value.elt], [])
        )
        loop = ast.For(generator.target, generator.iter, [added], [])
        made = [ast.Assign([target], ast.List([], ast.Load())), loop]
        for statement in made:
            for part in ast.walk(statement):
                if "lineno" in part._attributes and not hasattr(part, "lineno"):
                    ast.copy_location(part, node)
        return made


class _Hooks(ast.NodeTransformer):
    def __init__(self, known: Loops, file: str) -> None:
        self.known, self.file = known, file
        self.stack: list[int] = []  # the loops around, within one function
        self.around: list[Any] = []  # the same as nodes
        self.functions: list[str] = []
        self.bodies: list[Any] = []
        self.breaks: set[int] = set()
        self.terms: set[ast.AST] = set()  # sums that are updates
        self.written: set[tuple[str, str]] = set()  # expressions that have a hook, by function

    def visit_Module(self, node: ast.Module) -> Any:
        self.bodies.append(node)
        self.generic_visit(node)
        self.bodies.pop()
        return node

    def _scope(self, node: Any) -> Any:
        stack, self.stack = self.stack, []
        around, self.around = self.around, []
        self.functions.append(getattr(node, "name", "<lambda>"))
        self.bodies.append(node)
        self.generic_visit(node)
        self.bodies.pop()
        self.functions.pop()
        self.stack, self.around = stack, around
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _scope

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        if not is_engine(node):
            return self._scope(node)
        for part in ast.walk(node):
            if isinstance(part, ast.For):
                part.iter = self._ordered(part)
        return node

    def _ordered(self, node: ast.For) -> ast.Call:
        """What a loop goes through, let through the hook for orders."""
        call = _call(ORDER, len(self.known.orders), node.iter)
        self.known.orders.append((self.file, node.lineno))
        call.args.append(node.iter)
        return call

    def _loop(self, node: Any) -> Any:
        number = len(self.known.loops)
        self.known.loops[number] = ProgramLoop(
            number,
            self.file,
            node.lineno,
            getattr(node, "end_lineno", node.lineno) or node.lineno,
            ".".join(self.functions) or "<module>",
            self.stack[-1] if self.stack else None,
            frozenset(_assigned(self.around[-1].body, node)) if self.around else frozenset(),
            frozenset(_assigned(self.bodies[-1].body, node)) if self.functions else frozenset(),
            frozenset(part.id for part in ast.walk(node.target) if isinstance(part, ast.Name))
            if not isinstance(node, ast.While)
            else frozenset(),
            _yields(node.body),
        )
        self.stack.append(number)
        self.around.append(node)
        if isinstance(node, ast.While):
            node.test = self.visit(node.test)
        else:
            node.iter = self.visit(node.iter)
            node.iter = self._ordered(node) if isinstance(node, ast.For) else node.iter
        body = _flat([self.visit(statement) for statement in node.body])
        self.stack.pop()
        self.around.pop()
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

    def _update(self, node: Any) -> Any:
        """Of an update, `w += a - decay * w`, the terms are no output and label."""
        target = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        if any(isinstance(part, Place) and ast.unparse(part) == target for part in ast.walk(node.value)):
            todo = [node.value]
            while todo:
                term = todo.pop()
                if isinstance(term, ast.BinOp) and isinstance(term.op, ast.Add | ast.Sub):
                    self.terms.add(term)
                    todo += [term.left, term.right]
        if _is_subtraction(node.value) and ast.unparse(node.value.args[0]) == target:
            self.terms.add(node.value)
        self.generic_visit(node)
        return node

    visit_Assign = visit_AugAssign = _update

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        sides = (node.left, node.right)
        texts = [ast.unparse(side) for side in sides]
        self.generic_visit(node)
        margin = isinstance(node.op, ast.Mult) and _is_margin(*texts)
        if (not margin and not isinstance(node.op, ast.Sub)) or node in self.terms:
            return node
        node.left, node.right = self._sides([node.left, node.right], sides, texts)
        return node

    def _sides(self, hooked: list[ast.expr], sides: Sequence[ast.expr], texts: list[str]) -> list[ast.expr]:
        """Two sides that are subtracted from one another, those without a name let through the hook; `sides` and
        `texts` are what the program has there."""
        for i, (side, text) in enumerate(zip(tuple(hooked), tuple(texts), strict=True)):
            turned = isinstance(side, ast.Attribute) and side.attr == "T"  # `a - Y[k].T`
            if (turned or isinstance(side, ast.BinOp | ast.Subscript | ast.Call | ast.UnaryOp)) and not _is_number(
                side
            ):
                hooked[i], texts[i] = self._value(side, text)
        wholes = [self._wholes(side) for side in sides]
        pairs = [(texts[0], texts[1]), *itertools.product(*wholes)]
        self.known.pairs |= {*pairs, *((b, a) for a, b in pairs)}
        return hooked

    def _wholes(self, side: ast.expr) -> set[str]:
        """The lists that a side may be an item of: target, of `target[i]`; outputs, of the variable of a loop."""
        if isinstance(side, ast.Subscript) and isinstance(side.slice, ast.Name):
            return {ast.unparse(side.value)}
        return self.known.items.get(side.id, set()) if isinstance(side, ast.Name) else set()

    def visit_Compare(self, node: ast.Compare) -> Any:
        """What is compared may be the sum of a unit and its threshold, which decide what the unit says; an item that is
        to be a certain number, `data[i, 2] == 1`, the label of a row."""
        text, item = ast.unparse(node), ast.unparse(node.left)
        is_item = isinstance(node.left, ast.Subscript) and _is_class(node)
        self.generic_visit(node)
        if is_item and self.stack:
            node.left = self._value(node.left, item)[0]
            return node
        if (not self.functions and not self.stack) or len(node.ops) > 1 or type(node.ops[0]) not in DECISIONS:
            return node
        left, right = node.left, node.comparators[0]
        if not _is_computed(left, right) and not _is_computed(right, left):
            return node
        call = _call(DECIDE, len(self.known.values), node)
        self.known.values.append(text)
        call.args += [ast.copy_location(ast.Constant(DECISIONS[type(node.ops[0])]), node), left, right]
        return call

    def visit_Call(self, node: ast.Call) -> Any:
        texts, given = [ast.unparse(argument) for argument in node.args], tuple(node.args)
        self.generic_visit(node)
        if _is_subtraction(node) and node not in self.terms:
            node.args = self._sides(node.args, given, texts)
            return node
        if self.stack and not ARITHMETIC.match(ast.unparse(node.func)):
            for i, (argument, text) in enumerate(zip(node.args, texts, strict=True)):
                rows = isinstance(argument, ast.Subscript) and not isinstance(argument.slice, ast.Constant)
                if rows and ROWS.match(text):
                    node.args[i] = self._value(argument, text)[0]
        return node

    def _value(self, node: ast.expr, text: str) -> tuple[ast.Call, str]:
        """An expression let through the hook for values, and how it is called."""
        again = (".".join(self.functions), text) in self.written
        self.written.add((".".join(self.functions), text))
        shown = f"{text} (line {node.lineno})" if again else text
        call = _call(VALUE, len(self.known.values), node)
        self.known.values.append(shown)
        call.args.append(node)
        return call, shown


DECISIONS = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<="}


def _is_class(node: ast.Compare) -> bool:
    """Whether something is compared with the number of a class: 0, 1, or -1."""
    right = ast.unparse(node.comparators[0])
    return isinstance(node.ops[0], ast.Eq | ast.NotEq) and re.fullmatch(r"-?[01](\.0*)?", right) is not None


def _is_computed(node: ast.expr, other: ast.expr) -> bool:
    """Whether a side of a comparison may be what a unit computes, which is seen nowhere else."""
    if isinstance(node, ast.Call):
        return not re.match(r"(len|int|abs|time|max|min|sum|range|random|np\.random)\b", ast.unparse(node.func))
    if isinstance(node, ast.Name):
        return not _is_number(other)
    return isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Mod) and not _is_number(node)


Place = ast.Name | ast.Attribute | ast.Subscript  # what a value can be kept in


def items(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each variable of a loop or a comprehension that stands for the items of a list, with that list.

    >>> sorted(items(ast.parse("[o - t for i, (o, t) in enumerate(zip(outputs, y))]\\nfor w in net.weights: w")))
    [('o', 'outputs'), ('t', 'y'), ('w', 'net.weights')]
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension):
            yield from _items_of(node.target, node.iter)


def _items_of(target: ast.expr, source: ast.expr) -> Iterator[tuple[str, str]]:
    called = source.func.id if isinstance(source, ast.Call) and isinstance(source.func, ast.Name) else ""
    if isinstance(source, ast.Name | ast.Attribute) and isinstance(target, ast.Name):
        yield target.id, ast.unparse(source)
    elif isinstance(source, ast.Call) and isinstance(target, ast.Tuple) and called == "zip":
        for part, whole in zip(target.elts, source.args, strict=False):
            yield from _items_of(part, whole)
    elif isinstance(source, ast.Call) and isinstance(target, ast.Tuple) and called == "enumerate" and source.args:
        yield from _items_of(target.elts[-1], source.args[0])


def is_engine(node: ast.ClassDef) -> bool:
    """Whether a class is that of the nodes of an engine: no loop of its methods trains, and they run thousands of times
    in a pass."""
    methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    return "backward" in methods and bool({"__add__", "__mul__"} & methods)


def _is_subtraction(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether it is `np.subtract(a, b)`."""
    return (
        isinstance(node, ast.Call) and len(node.args) == 2 and SUBTRACTION.fullmatch(ast.unparse(node.func)) is not None
    )


def _is_number(node: ast.expr) -> bool:
    """Whether an expression is made of constants, such as -1 or 2 * 3."""
    return all(not isinstance(part, ast.Name | ast.Call) for part in ast.walk(node))


def _yields(body: Sequence[ast.stmt]) -> bool:
    """Whether the statements hand values out, as those of a generator do."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return False


def _assigned(body: Sequence[ast.stmt], inner: ast.stmt) -> set[str]:
    """Variables that the statements set to something else, those of one loop left out."""
    found: set[str] = set()
    todo: list[ast.AST] = [statement for statement in body if statement is not inner]
    while todo:
        node = todo.pop()
        if node is inner or isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Assign):
            read = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
            read |= {ast.unparse(part) for part in ast.walk(node.value) if isinstance(part, ast.Attribute)}
            names = {
                ast.unparse(part)
                for target in node.targets
                for part in (target.elts if isinstance(target, ast.Tuple | ast.List) else [target])
                if isinstance(part, ast.Name | ast.Attribute)
            }
            found |= names - read
        todo += ast.iter_child_nodes(node)
    return found


def made_anew(source: str, line: int) -> set[str]:
    """Variables that the loop at a line sets to something that does not come from themselves."""
    loops = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.For | ast.While | ast.AsyncFor))
    return {name for node in loops if node.lineno == line for name in _assigned(node.body, node)}


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
        return self.known.compile(text_of(Path(self.path)), self.path)


def is_users(file: str, root: Path) -> bool:
    """Whether a file belongs to the user's program: beside the script, and not installed."""
    path = Path(file).resolve()
    parts = set(path.parts)
    installed = {"site-packages", "dist-packages"} & parts or str(path).startswith(str(Path(sys.prefix) / "lib"))
    return not installed and path.is_relative_to(root)


def _is_margin(*texts: str) -> bool:
    """Whether a product is that of a label and an output, y[i] * (x @ w); the one of y and 1 - y is the derivative of a
    sigmoid at its output y.

    >>> _is_margin("y[i]", "x @ w"), _is_margin("y", "1 - y"), _is_margin("2 * x", "y - m * x")
    (True, False, False)
    >>> _is_margin("t[i]", "x @ w"), _is_margin("table[i, 0]", "s")
    (True, False)
    """
    return any(
        LABEL.match(text) and not _is_error(text) and not re.search(rf"\b{re.escape(text)}(?!\w)", other)
        for text, other in zip(texts, reversed(texts), strict=True)
    )


def _is_error(text: str) -> bool:
    """Whether a label is subtracted from something, or something from it."""
    node = ast.parse(text, mode="eval").body
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Sub):
        return False
    return any(isinstance(part, ast.Name) for part in ast.walk(node.right))
