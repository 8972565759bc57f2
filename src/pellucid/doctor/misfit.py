"""Which arrays do not fit together where a program ended in an error of shapes, and which one in sight would."""

from __future__ import annotations

import ast
import difflib
import linecache
import re
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

Shape = tuple[int, ...]

_OF_SHAPES = r"not aligned|broadcast|shapes? .*(mismatch|cannot be multiplied)|mismatch in its core dimension"
_PRODUCTS = frozenset({"dot", "matmul", "mm"})
_ALIKE = 0.75  # how like the name of another array must be to the one that stands there, as difflib counts
# An error is sent back through weights as it is: where it has another width, the weights or the labels are wrong.
_ERRORS = re.compile(r"delta|err|grad|(^|[._])d_?[azh]\d*(\.T)?$", re.IGNORECASE)
_WEIGHTS = re.compile(r"w(_|$|h|o|x|i)|weight|theta|syn|param", re.IGNORECASE)
_MOST = 2  # arrays that are named


def misfit(error: BaseException, frame: FrameType, line: int) -> str:
    """The shapes of the two arrays of a product, sum or quotient in this line that do not fit, and what would.

    "" where that is not known. Nothing of the program is called: names, attributes and numbered elements are looked up.
    """
    if not isinstance(error, ValueError | RuntimeError) or not re.search(_OF_SHAPES, str(error)):
        return ""
    for left, right, is_product in _pairs(frame.f_code.co_filename, line):
        a, b = _shape(_looked_up(frame, left)), _shape(_looked_up(frame, right))
        if a is None or b is None or _fit(a, b, is_product):
            continue
        names = ast.unparse(left), ast.unparse(right)
        fitting = list(_fitting(frame, names, (a, b), is_product))[:_MOST]
        would = f" {' or '.join(fitting)} would fit." if fitting else ""
        if not would and is_product and _fit(b, a, True):
            would = " They fit in the other order."
        return f"There {names[0]} is {a} and {names[1]} is {b}.{would}"
    return ""


def _pairs(file: str, line: int) -> Iterator[tuple[ast.expr, ast.expr, bool]]:
    """The two operands of each product, sum or quotient in a line, and whether it is a product of matrices."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.AugAssign) and node.lineno <= line <= (node.end_lineno or line):
            yield from _operands(node)


def _operands(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr, bool]]:
    if isinstance(node, ast.BinOp):
        yield node.left, node.right, isinstance(node.op, ast.MatMult)
    elif isinstance(node, ast.AugAssign):
        yield node.target, node.value, isinstance(node.op, ast.MatMult)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in _PRODUCTS and len(node.args) == 1:
            yield node.func.value, node.args[0], True
        elif len(node.args) == 2:
            yield node.args[0], node.args[1], node.func.attr in _PRODUCTS


def _shape(value: Any) -> Shape | None:
    shape = getattr(value, "shape", None)
    return tuple(int(n) for n in shape) if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape) else None


def _looked_up(frame: FrameType, node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return frame.f_locals.get(node.id, frame.f_globals.get(node.id))
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Attribute):
        owner = _looked_up(frame, node.value)
        kept = getattr(owner, "__dict__", None)
        if isinstance(kept, dict) and node.attr in kept:
            return kept[node.attr]
        return owner.T if node.attr == "T" and _shape(owner) is not None else None
    if isinstance(node, ast.Subscript):
        owner: Any = _looked_up(frame, node.value)
        key: Any = _looked_up(frame, node.slice)
        if isinstance(node.slice, ast.UnaryOp) and isinstance(node.slice.operand, ast.Constant):
            key = -node.slice.operand.value if isinstance(node.slice.operand.value, int) else None
        try:
            return owner[key] if isinstance(owner, dict | list | tuple) else None
        except (LookupError, TypeError):
            return None
    return None


def _fit(a: Shape, b: Shape, is_product: bool) -> bool:
    if not is_product:
        return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b), strict=False))
    return bool(a and b) and a[-1] == b[-2 if len(b) > 1 else -1]


def _fitting(frame: FrameType, names: tuple[str, str], shapes: tuple[Shape, Shape], is_product: bool) -> Iterator[str]:
    """What would fit in the place of the second, or else of the first: the same one turned, or one of a like name."""
    for place in (1, 0):
        found = False
        other = _stem(names[1 - place].removesuffix(".T"))
        is_sent_back = is_product and _ERRORS.search(names[place]) is not None and _WEIGHTS.match(other) is not None
        for name, shape in _near(frame, names[place], may_turn=not is_sent_back):
            put = (shapes[0], shape) if place else (shape, shapes[1])
            # A sum of two that both grow is seldom what was meant.
            grows = (
                not is_product and place and len(shape) == len(shapes[0]) and _result(*put) not in (shape, shapes[0])
            )
            if name not in names and len(shape) == len(shapes[place]) and _fit(*put, is_product) and not grows:
                found = True
                yield f"{name} {shape}"
        if found:
            return


def _result(a: Shape, b: Shape) -> Shape:
    return tuple(max(m, n) for m, n in zip(a, b, strict=False))


def _near(frame: FrameType, name: str, may_turn: bool) -> Iterator[tuple[str, Shape]]:
    """The array itself, turned or not, and those in sight whose names are like it, each turned as it is."""
    turned = name.endswith(".T")
    bare = name.removesuffix(".T")
    names = {**_sight(frame)}
    own = names.pop(bare, None)
    if own is not None and len(own) == 2 and may_turn:
        yield (bare, own) if turned else (f"{bare}.T", own[::-1])
    for other, shape in names.items():
        if len(shape) == 2 and difflib.SequenceMatcher(None, _stem(bare), _stem(other)).ratio() >= _ALIKE:
            yield (f"{other}.T", shape[::-1]) if turned else (other, shape)


def _stem(name: str) -> str:
    """`w` of `self.W2`: what names of the same kind of thing have in common."""
    return name.rpartition(".")[2].lower().rstrip("0123456789_")


def _sight(frame: FrameType) -> Mapping[str, Shape]:
    """The arrays that a line can name: local ones, global ones, and the attributes of `self`."""
    found: dict[str, Any] = {**frame.f_globals, **frame.f_locals}
    kept = getattr(frame.f_locals.get("self"), "__dict__", {})
    found.update({f"self.{name}": value for name, value in kept.items()})
    return {name: shape for name, value in found.items() if (shape := _shape(value)) is not None}
