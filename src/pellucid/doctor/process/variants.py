"""A statement written otherwise in one place: another sign, another operand, another axis, a factor more or less.

A mistake in a backward pass is, more often than not, one such change away from what is right. Which one it is, a pass
that is run with it says (see `edited`); here is only what can be tried.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]  # of what a name, an attribute or an item is, as it is written
Change = tuple[str, ast.stmt]  # the kind, and the statement with it

DERIVES = re.compile(r"deriv|prime|grad|_d(er)?$|^d_?[a-z]", re.I)
ALIKE = 10  # values of one shape that are tried in the place of another
PRODUCTS = re.compile(r"(^|\.)(dot|matmul|outer|inner|multiply)$")
SUMS = re.compile(r"(^|\.)(sum|mean)$")
KEPT = re.compile(
    r"(^|\.)(zeros|ones|empty|array|arange|reshape|append|range|len|print|copy|astype|float|int)(_like)?$"
)


@dataclass(frozen=True)
class Variant:
    """A statement of a file, and what it would be."""

    kind: str
    file: str
    line: int
    old: ast.stmt
    new: ast.stmt

    @property
    def text(self) -> str:
        return _without_double(ast.unparse(self.new).splitlines()[0])


def _without_double(text: str) -> str:
    """Without the parentheses that Python writes around a generator, in those of a call.

    >>> _without_double("s = sum((a[k] * (b + 1) for k in range(n)))")
    's = sum(a[k] * (b + 1) for k in range(n))'
    """
    stack, drop = list[int](), set[int]()
    for i, letter in enumerate(text):
        if letter == "(":
            stack.append(i)
        elif letter == ")" and stack:
            start = stack.pop()
            inside = text[start - 1 : start] == "(" and text[i + 1 : i + 2] == ")" and " for " in text[start:i]
            drop |= {start, i} if inside else set()
    return "".join(letter for i, letter in enumerate(text) if i not in drop)


def variants(
    statement: ast.stmt, shapes: Shapes, idle: Collection[str] = (), scales: Collection[float] = ()
) -> Iterator[Change]:
    """What a statement may be meant to be. `idle`: names that nothing reads; `scales`: what a value may be off by.

    >>> tree = ast.parse("dz = dh * (h_prev - cand)").body[0]
    >>> [ast.unparse(new) for kind, new in variants(tree, {}) if kind == "sign"]
    ['dz = dh * (cand - h_prev)', 'dz = dh * (h_prev + cand)', 'dz = -(dh * (h_prev - cand))']
    >>> tree = ast.parse("dU = A @ dC").body[0]
    >>> [ast.unparse(new) for kind, new in variants(tree, {}) if kind == "transpose"]
    ['dU = dC @ A', 'dU = A.T @ dC', 'dU = A @ dC.T', 'dU = A.T @ dC.T']
    """
    value = _value(statement)
    if value is None:
        return
    points = _points(value)
    for node in ast.walk(value):
        for kind, new in _of_node(node, shapes):
            yield "point" if kind == "name" and node in points else kind, _with(statement, node, new)
    if isinstance(statement, ast.If | ast.While):
        return
    if isinstance(statement, ast.AugAssign):
        if isinstance(statement.op, ast.Add | ast.Sub):
            turned = copy.copy(statement)
            turned.op = ast.Sub() if isinstance(statement.op, ast.Add) else ast.Add()
            yield "sign", turned
        yield "sum", ast.copy_location(ast.Assign([statement.target], statement.value), statement)
    elif isinstance(statement, ast.Assign):
        yield from _of_targets(statement)
    if not isinstance(value, ast.Tuple):
        if not isinstance(statement, ast.AugAssign):
            yield "sign", _with(statement, value, ast.UnaryOp(ast.USub(), value))
        target = _target(statement)
        called = "" if target is None else ast.unparse(target)
        own = shapes.get(called)
        for name in idle:
            if shapes.get(name) == own or own is None:
                yield "term", _with(statement, value, ast.BinOp(value, ast.Add(), _parsed(name)))
                yield "derivative", _with(statement, value, ast.BinOp(value, ast.Mult(), _parsed(name)))
        alike = [n for n, s in shapes.items() if own and s == own and n != called]
        for name in alike[:ALIKE]:
            for text in (f"(1 - {name} ** 2)", f"{name} * (1 - {name})", f"({name} > 0)"):
                yield "derivative", _with(statement, value, ast.BinOp(value, ast.Mult(), _parsed(text)))
        for scale in scales:
            yield "scale", _with(statement, value, ast.BinOp(ast.Constant(scale), ast.Mult(), value))


def unread(statements: list[ast.stmt]) -> list[str]:
    """The names that some statements set, and none of them reads."""
    names = [node for s in statements for node in ast.walk(s) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    return list(dict.fromkeys(n.id for n in names if isinstance(n.ctx, ast.Store) and n.id not in read))


def _value(statement: ast.stmt) -> ast.expr | None:
    if isinstance(statement, ast.Assign | ast.AugAssign | ast.Return | ast.AnnAssign):
        return statement.value
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return statement.value
    return statement.test if isinstance(statement, ast.If) else None


def _points(value: ast.expr) -> set[ast.AST]:
    """What a derivative is taken at: z of `relu_grad(z)`, h of `1 - h ** 2`."""
    found = set[ast.AST]()
    for node in ast.walk(value):
        named = isinstance(node, ast.Call) and DERIVES.search(ast.unparse(node.func).split(".")[-1]) is not None
        less = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and isinstance(node.left, ast.Constant)
        found |= {*ast.walk(node)} if named or less else set()
    return found


def _target(statement: ast.stmt) -> ast.expr | None:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        return statement.targets[0]
    return statement.target if isinstance(statement, ast.AugAssign | ast.AnnAssign) else None


def _with(statement: ast.stmt, node: ast.AST, new: ast.AST) -> ast.stmt:
    return copy.deepcopy(statement, {id(node): new})


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _turned(node: ast.expr) -> ast.expr:
    """Transposed: without the `.T` that is there, or with one."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T", ast.Load())


def _of_targets(statement: ast.Assign) -> Iterator[Change]:
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Name) and not isinstance(value, ast.Call | ast.Constant | ast.List | ast.Tuple):
        yield "sum", ast.copy_location(ast.AugAssign(target, ast.Add(), value), statement)
    if isinstance(target, ast.Tuple):
        yield from (("swap", _with(statement, target, new)) for new in _swapped(target))


def _swapped(node: ast.Tuple) -> Iterator[ast.Tuple]:
    """With two of its items exchanged, and with two of the tuples within it alike."""
    inner = [item for item in node.elts if isinstance(item, ast.Tuple)]
    together = inner if len(inner) == len(node.elts) > 1 and len({len(item.elts) for item in inner}) == 1 else []
    for i, j in itertools.combinations(range(len((together or [node])[0].elts)), 2):
        yield ast.Tuple([_exchanged(item, i, j) for item in together], node.ctx) if together else _exchanged(node, i, j)
    for k, item in enumerate(inner):
        for i, j in itertools.combinations(range(len(item.elts)), 2):
            yield ast.Tuple([*node.elts[:k], _exchanged(item, i, j), *node.elts[k + 1 :]], node.ctx)


def _exchanged(node: ast.Tuple, i: int, j: int) -> ast.Tuple:
    items = list(node.elts)
    items[i], items[j] = items[j], items[i]
    return ast.Tuple(items, node.ctx)


def _of_node(node: ast.AST, shapes: Shapes) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.BinOp):
        yield from _of_operation(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign", node.operand
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in FLIPPED:
        yield "mask", ast.Compare(node.left, [FLIPPED[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.IfExp):
        yield "mask", ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
        yield from (("swap", new) for new in _swapped(node))
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose", node.value
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield from _of_index(node)
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield from _in_its_place(node, shapes)


FLIPPED: dict[Any, Any] = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE, ast.Eq: ast.NotEq}


def _of_operation(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    left, right = node.left, node.right
    if isinstance(node.op, ast.Sub):
        if not isinstance(left, ast.Constant):
            yield "sign", ast.BinOp(right, ast.Sub(), left)
        yield "sign", ast.BinOp(left, ast.Add(), right)
        if isinstance(left, ast.Constant) and not isinstance(right, ast.BinOp):
            yield "derivative", ast.BinOp(left, ast.Sub(), ast.BinOp(right, ast.Pow(), ast.Constant(2)))
    elif isinstance(node.op, ast.Add):
        yield "sign", ast.BinOp(left, ast.Sub(), right)
        yield "sign", ast.BinOp(right, ast.Sub(), left)
    elif isinstance(node.op, ast.MatMult):
        yield "transpose", ast.BinOp(right, ast.MatMult(), left)
        yield "transpose", ast.BinOp(_turned(left), ast.MatMult(), right)
        yield "transpose", ast.BinOp(left, ast.MatMult(), _turned(right))
        yield "transpose", ast.BinOp(_turned(left), ast.MatMult(), _turned(right))
    if isinstance(node.op, ast.Add | ast.Sub):
        yield "extra", left
        yield "extra", right
    elif isinstance(node.op, ast.Mult | ast.Div | ast.Pow):
        number = any(isinstance(side, ast.Constant) for side in (left, right)) or isinstance(node.op, ast.Div)
        yield "factor" if number else "derivative", left
        if isinstance(node.op, ast.Mult):
            yield "factor" if number else "derivative", right


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    name, method = ast.unparse(node.func), isinstance(node.func, ast.Attribute)
    if re.search(r"(^|\.)(zeros|ones|empty|full)_like$", name) and not any(k.arg == "dtype" for k in node.keywords):
        yield (
            "dtype",
            ast.Call(node.func, node.args, [*node.keywords, ast.keyword("dtype", ast.Name("float", ast.Load()))]),
        )
    if KEPT.search(name) or any(isinstance(argument, ast.Starred) for argument in node.args):
        return
    if SUMS.search(name):
        yield from _of_sum(node, name)
    for i, j in itertools.combinations(range(min(len(node.args), 4)), 2):
        items = list(node.args)
        items[i], items[j] = items[j], items[i]
        yield "swap", ast.Call(node.func, items, node.keywords)
    if PRODUCTS.search(name):
        for i, argument in enumerate(node.args):
            items = [*node.args[:i], _turned(argument), *node.args[i + 1 :]]
            yield "transpose", ast.Call(node.func, items, node.keywords)
        if method and isinstance(node.func, ast.Attribute) and len(node.args) == 1:
            owner, other = node.func.value, node.args[0]
            for first, second in ((_turned(owner), other), (other, owner), (_turned(owner), _turned(other))):
                yield "transpose", ast.Call(ast.Attribute(first, node.func.attr, ast.Load()), [second], [])
    elif len(node.args) == 1:
        yield "derivative", node.args[0]


def _of_sum(node: ast.Call, name: str) -> Iterator[tuple[str, ast.AST]]:
    others = [k for k in node.keywords if k.arg != "axis"]
    axes = [k.value for k in node.keywords if k.arg == "axis"]
    for axis in (0, 1, None):
        if axis is None and axes:
            yield "sum", ast.Call(node.func, node.args, [])
        elif axis is not None and not (axes and ast.unparse(axes[0]) == str(axis)):
            yield "sum", ast.Call(node.func, node.args, [*others, ast.keyword("axis", ast.Constant(axis))])
    if isinstance(node.func, ast.Attribute):
        other = "mean" if name.endswith("sum") else "sum"
        yield "factor", ast.Call(ast.Attribute(node.func.value, other, ast.Load()), node.args, node.keywords)


def _of_index(node: ast.Subscript) -> Iterator[tuple[str, ast.AST]]:
    place = node.slice
    if isinstance(place, ast.Constant) and isinstance(place.value, int):
        shifted = [ast.Constant(place.value + by) for by in (1, -1)]
    elif isinstance(place, ast.UnaryOp) and isinstance(place.operand, ast.Constant) and place.operand.value in (1, 2):
        shifted = [ast.UnaryOp(ast.USub(), ast.Constant(3 - place.operand.value))]
    elif isinstance(place, ast.Name):
        shifted = [ast.BinOp(place, op, ast.Constant(1)) for op in (ast.Add(), ast.Sub())]
    elif (
        isinstance(place, ast.BinOp)
        and isinstance(place.op, ast.Add | ast.Sub)
        and isinstance(place.right, ast.Constant)
    ):
        other = ast.Sub() if isinstance(place.op, ast.Add) else ast.Add()
        shifted = [place.left, ast.BinOp(place.left, other, place.right)]
    elif isinstance(place, ast.Tuple) and len(place.elts) == 2 and all(isinstance(e, ast.Name) for e in place.elts):
        shifted = [ast.Tuple(place.elts[::-1], ast.Load())]
    else:
        return
    for new in shifted:
        yield "index", ast.Subscript(node.value, new, ast.Load())


def _in_its_place(node: ast.expr, shapes: Shapes) -> Iterator[tuple[str, ast.AST]]:
    """What else there is of the same shape, or of that shape transposed."""
    own = ast.unparse(node)
    shape = shapes.get(own)
    if shape is None:
        return
    alike = [name for name, other in shapes.items() if other == shape and name != own]
    alike.sort(key=lambda name: name[:1] != own[:1])
    for name in alike[:ALIKE]:
        yield "name", _parsed(name)
    if len(shape) == 2 and shape[0] != shape[1]:
        for name in [name for name, other in shapes.items() if other == shape[::-1]][:ALIKE]:
            yield "name", _parsed(f"{name}.T")
