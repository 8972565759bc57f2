"""Broken gradient rules.

Whole rules are broken from outside: another sign, twice, half, nothing, transposed, moved along an axis, taken along
another `dim`, cut off from the graph (which shows at second order alone). And the expression of a rule, with the
helpers in the same language (functions of `m`) that it calls, is broken in one place at a time: a term or a factor
dropped, an operator, a comparison, a constant, a branch or an argument exchanged.
"""

import ast
import copy
import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from pellucid.core import Tensor
from pellucid.declare import TABLE, Op

Rule = Callable[..., Any]


@dataclass(frozen=True)
class Mutant:
    """One rule of an op, broken in one way: `where` is the input, or the by-product that is recomputed."""

    op: str
    where: str
    what: str
    rule: Rule

    @property
    def key(self) -> str:
        return f"{self.op}.{self.where}: {self.what}"


def mutants(op: Op) -> Iterator[Mutant]:
    """All mutants of an op's rules; no two of the same key."""
    seen: dict[str, int] = {}
    for where, rule in rules(op).items():
        for what, broken in (*from_outside(op, rule), *from_inside(rule)):
            made = Mutant(op.name, where, what, broken)
            seen[made.key] = seen.get(made.key, 0) + 1
            if seen[made.key] > 1:
                made = Mutant(op.name, where, f"{what} (place {seen[made.key]})", broken)
            yield made


def rules(op: Op) -> dict[str, Rule]:
    """The rules of an op by the input that they are for, then those of its by-products."""
    return {
        **{op.inputs[i]: rule for i, rule in op.rules.items()},
        **{f"recomputed {k}": v for k, v in op.recompute.items()},
    }


class broken:
    """For the length of a `with` block, an op has another rule; and so have those that share its rules (in place)."""

    def __init__(self, op: str, where: str, rule: Rule) -> None:
        self.op, self.where, self.rule = TABLE[op], where, rule

    def __enter__(self) -> None:
        self.before = self._put(self.rule)

    def __exit__(self, *_: object) -> None:
        self._put(self.before)

    def _put(self, rule: Rule) -> Rule:
        name = self.where.removeprefix("recomputed ")
        if name != self.where:
            before, self.op.recompute[name] = self.op.recompute[name], rule
            return before
        position = self.op.inputs.index(name)
        before, self.op.rules[position] = self.op.rules[position], rule
        for other in TABLE.values():
            if other.rules is self.op.rules:
                other.plans.clear()
        return before


# --- from outside -----------------------------------------------------------------------------------------------------


def transposed(m: Any, result: Any) -> Any:
    rank = len(result.shape)
    if rank < 2:
        return result
    turned = m.permute(result, dims=(*range(rank - 2), rank - 1, rank - 2))
    return turned if turned.shape == result.shape else m.reshape(turned, shape=tuple(result.shape))


def shifted(m: Any, result: Any) -> Any:
    return m.roll(result, shifts=(1,), dims=(len(result.shape) - 1,)) if len(result.shape) else result


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "sign": lambda m, result: -result,
    "factor 2": lambda m, result: result * 2,
    "factor ½": lambda m, result: result * 0.5,
    "zero": lambda m, result: result * 0,
    "transposed": transposed,
    "shifted": shifted,
    "cut off": lambda m, result: detached(result),
}
AXES = ("dim", "dims", "dimension", "dim0", "dim1")


def detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def from_outside(op: Op, rule: Rule) -> Iterator[tuple[str, Rule]]:
    for what, change in CHANGES.items():
        yield what, _changed(rule, change)
    names = list(inspect.signature(rule).parameters)
    for name in AXES:
        if name in names:
            yield f"another {name}", _another_axis(rule, names.index(name))
    for place, name in enumerate(names[1:], 1):
        if name in ("g", "out", *op.inputs, *op.recompute):
            yield f"{name} cut off", _argument_detached(rule, place)


def _changed(rule: Rule, change: Callable[[Any, Any], Any]) -> Rule:
    @functools.wraps(rule)
    def mutated(m: Any, *given: Any, **named: Any) -> Any:
        result = rule(m, *given, **named)
        return None if result is None else change(m, result)

    return mutated


def _another_axis(rule: Rule, place: int) -> Rule:
    @functools.wraps(rule)
    def mutated(*given: Any) -> Any:
        rank = max(1, max(len(array.shape) for array in given[1:] if hasattr(array, "shape")))
        dim = given[place]
        if isinstance(dim, int):
            other: Any = (dim + 1) % rank
        elif dim:
            other = tuple((axis + 1) % rank for axis in dim)
        else:
            other = 0
        return rule(*given[:place], other, *given[place + 1 :])

    return mutated


def _argument_detached(rule: Rule, place: int) -> Rule:
    @functools.wraps(rule)
    def mutated(*given: Any) -> Any:
        return rule(*given[:place], detached(given[place]), *given[place + 1 :])

    return mutated


# --- from inside ------------------------------------------------------------------------------------------------------


def from_inside(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """The rule with one place of its expression, or of a helper's, changed."""
    functions = reached(rule)
    for function in functions:
        tree = tree_of(function)
        if tree is None:
            continue
        for what, changed in changed_trees(tree):
            try:
                made = rebuilt(rule, functions, function, changed)
            except SyntaxError:
                continue
            yield what if function is rule else f"{function.__name__}: {what}", made


def reached(rule: Rule) -> list[FunctionType]:
    """The rule and all functions of the vocabulary (their first argument is `m`) that it calls, directly or not.

    Those of `core` are the engine's, not a rule's.
    """
    found: list[FunctionType] = []
    todo = [rule]
    while todo:
        function = todo.pop()
        if function in found or not isinstance(function, FunctionType):
            continue
        found.append(function)
        near = [function.__globals__.get(name) for name in names_in(function.__code__)]
        near += [cell.cell_contents for cell in function.__closure__ or ()]
        near = [
            helper for helper in near if isinstance(helper, FunctionType) and helper.__code__.co_varnames[:1] == ("m",)
        ]
        todo += [helper for helper in near if not helper.__module__.startswith("pellucid.core")]
    return found


def names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


@functools.cache
def nodes_of(file: str) -> dict[int, list[ast.Lambda | ast.FunctionDef]]:
    found: dict[int, list[Any]] = {}
    with open(file, encoding="utf-8") as source:
        for node in ast.walk(ast.parse(source.read())):
            if isinstance(node, ast.Lambda | ast.FunctionDef):
                found.setdefault(node.lineno, []).append(node)
    return found


def tree_of(function: FunctionType) -> ast.Lambda | ast.FunctionDef | None:
    """Where the function was written: by its line, the names of its arguments and the columns of its code."""
    code = function.__code__
    asked = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    spots = [(line, column) for line, _, column, _ in code.co_positions() if line and column]
    for node in nodes_of(code.co_filename).get(code.co_firstlineno, []):
        names = tuple(argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))
        start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
        if names == asked and all(start <= spot <= end for spot in spots):
            return node
    return None


def rebuilt(rule: Rule, functions: list[FunctionType], target: FunctionType, tree: Any) -> Rule:
    """The rule, with `tree` in place of one of the functions that it reaches; nothing else sees it."""
    spaces: dict[int, dict[str, Any]] = {}
    made: dict[FunctionType, FunctionType] = {}
    for function in functions:
        space = spaces.setdefault(id(function.__globals__), dict(function.__globals__))
        if function is target:
            made[function] = compiled(function, tree, space)
        else:
            made[function] = FunctionType(
                function.__code__, space, function.__name__, function.__defaults__, function.__closure__
            )
            made[function].__kwdefaults__ = function.__kwdefaults__
    for space in spaces.values():
        for name, value in list(space.items()):
            if isinstance(value, FunctionType) and value in made:
                space[name] = made[value]
    return made[rule]  # pyright: ignore[reportArgumentType]


def compiled(function: FunctionType, tree: Any, space: dict[str, Any]) -> FunctionType:
    """A function from a tree, with the surroundings and the defaults of another."""
    tree = copy.deepcopy(tree)
    for place, default in enumerate(tree.args.kw_defaults):
        tree.args.kw_defaults[place] = None if default is None else ast.Constant(None)
    tree.args.defaults = [ast.Constant(None) for _ in tree.args.defaults]
    if isinstance(tree, ast.FunctionDef):
        tree.decorator_list, tree.returns = [], None
        for argument in (*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs):
            argument.annotation = None
        body: list[ast.stmt] = [tree, ast.Return(ast.Name(tree.name, ast.Load()))]
    else:
        body = [ast.Return(tree)]
    free = function.__code__.co_freevars
    maker = ast.FunctionDef(
        name="_make", args=ast.arguments([], [ast.arg(name) for name in free], None, [], [], None, []),
        body=body, decorator_list=[],
    )  # fmt: skip
    module = ast.fix_missing_locations(ast.Module([maker], []))
    local: dict[str, Any] = {}
    exec(compile(module, function.__code__.co_filename, "exec"), space, local)  # noqa: S102  a mutant is made of source
    result = local["_make"](*[cell.cell_contents for cell in function.__closure__ or ()])
    result.__defaults__, result.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return result


def changed_trees(tree: ast.Lambda | ast.FunctionDef) -> Iterator[tuple[str, Any]]:
    """(what was changed, the tree) for each change of one place in the body."""
    inside = tree.body if isinstance(tree.body, list) else [tree.body]
    for part, statement in enumerate(inside):
        for number, node in enumerate(ast.walk(statement)):
            for other in changes(node):
                made = copy.deepcopy(tree)
                root = made.body[part] if isinstance(made.body, list) else made.body
                place = list(ast.walk(root))[number]
                made = _Put(place, other).visit(made)
                yield f"{shown(node)} → {shown(other)}", made


class _Put(ast.NodeTransformer):
    def __init__(self, place: ast.AST, other: ast.AST) -> None:
        self.place, self.other = place, other

    def visit(self, node: ast.AST) -> Any:
        return copy.deepcopy(self.other) if node is self.place else super().visit(node)


def shown(node: ast.AST) -> str:
    if isinstance(node, ast.If):
        return f"if {shown(node.test)}"
    text = ast.unparse(node)
    return text if len(text) <= 72 else f"{text[:48]} … {text[-20:]}"


MIRRORED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
NEIGHBOUR = {ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.LtE: ast.Lt, ast.GtE: ast.Gt}


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What a slip might have written in place of an expression."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            yield left
            yield right
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left, ast.Sub(), right):
            yield left
            yield ast.UnaryOp(ast.USub(), right)
            yield ast.BinOp(left, ast.Add(), right)
        case ast.BinOp(left, ast.Mult(), right):
            yield left
            yield right
        case ast.BinOp(left, ast.Div(), right):
            yield left
            yield ast.BinOp(left, ast.Mult(), right)
        case ast.BinOp(left, ast.BitAnd() | ast.BitOr(), right):
            yield left
            yield right
        case ast.BinOp(left, ast.Pow(), right):
            yield left
        case ast.BoolOp(_, values):
            yield from values
        case ast.Compare(left, [op], [right]) if type(op) in MIRRORED:
            yield ast.Compare(left, [MIRRORED[type(op)]()], [right])
            if type(op) in NEIGHBOUR:
                yield ast.Compare(left, [NEIGHBOUR[type(op)]()], [right])
        case ast.UnaryOp(ast.USub() | ast.Invert() | ast.Not(), operand):
            yield operand
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            small: dict[float, float] = {0: 1, 1: 2}
            yield ast.Constant(small.get(value, value / 2 if isinstance(value, float) else value - 1))
        case ast.IfExp(_, body, orelse):
            yield body
            yield orelse
        case ast.If(_, body, orelse):
            yield ast.If(ast.Constant(True), body, orelse)
            yield ast.If(ast.Constant(False), body, orelse)
        case ast.Call(ast.Attribute(ast.Name("m"), name) as called, arguments, keywords) if arguments:
            if name == "where":
                yield ast.Call(called, [arguments[0], arguments[2], arguments[1]], keywords)
                yield arguments[1]
                yield arguments[2]
            elif name in ("mean", "sum"):
                other = "sum" if name == "mean" else "mean"
                yield ast.Call(ast.Attribute(called.value, other, ast.Load()), arguments, keywords)
                yield arguments[0]
            else:
                yield arguments[0]
        case _:
            return
