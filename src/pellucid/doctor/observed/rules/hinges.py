"""Losses of pairs and triplets, which are to bring what is alike together and to keep the rest apart."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ..record import Place, ProgramRecord
from ..suspicion import Suspicion
from ..uses import own_files

BY_INSTANCE = ("forward", "__call__", "__init__")  # methods that are called without their name
HINGES = ("relu", "clamp", "clamp_min", "max", "maximum", "clip")
ALIKE = re.compile(r"pos|same|(^|_)d?(ap|dp)(_|$)", re.IGNORECASE)
OTHER = re.compile(r"neg|differ|(^|_)d?(an|dn)(_|$)", re.IGNORECASE)
DISTANCE = re.compile(r"dist|norm|(^|_)d(_|pos|neg|ap|an)|(^|_)(dp|dn)(_|$)", re.IGNORECASE)


def swapped(record: ProgramRecord) -> Iterator[Suspicion]:
    """A loss that asks for the distance to what is alike to be the larger one."""
    at = record.lines.get("backward")
    where = _swapped(at) if at is not None and record.steps else None
    if where is not None:
        yield Suspicion(
            "loss-sign-flipped",
            "The loss falls where the distance to the negative is smaller than that to the positive.",
            "It draws to the anchor what is to be kept apart from it: the lowest that can be had is one point for all.",
            "relu(distance to the positive - distance to the negative + margin); anchor, positive, negative in this "
            "order",
            where,
            certain=True,
            confidence=0.85,
        )


def _swapped(place: Place) -> Place | None:
    files = list(own_files(Path(place[0])))
    called = {_last(n.func) for _, tree in files for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for file, tree in files:
        own = set(_of_triplets(tree))
        made = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and _makes(n.value, own)]
        losses = {"triplet_margin_loss", *own, *(_last(target) for n in made for target in n.targets)}
        for call in _calls(tree, called):
            if (_last(call.func) in HINGES and _is_against(call)) or (_last(call.func) in losses and _is_turned(call)):
                return str(file), call.lineno
    return None


def _calls(node: ast.AST, called: set[str]) -> Iterator[ast.Call]:
    """The calls in a file, but for those in functions and classes that nothing calls."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child
        method = isinstance(node, ast.ClassDef) and child in node.body and getattr(child, "name", "") in BY_INSTANCE
        if not isinstance(child, ast.FunctionDef | ast.ClassDef) or child.name in called or method:
            yield from _calls(child, called)


def _last(node: ast.expr) -> str:
    return ast.unparse(node).rsplit(".", 1)[-1]


def _is_against(call: ast.Call) -> bool:
    """Whether a hinge takes the distance to the negative, less that to the positive."""
    inner = [call.func.value] if isinstance(call.func, ast.Attribute) else []
    for sum_ in (*inner, *call.args):
        terms = list(_terms(sum_, 1)) if isinstance(sum_, ast.BinOp) else []
        named = [(name, sign) for name, sign in terms if DISTANCE.search(name)]
        other = [sign for name, sign in named if OTHER.search(name) and not ALIKE.search(name)]
        alike = [sign for name, sign in named if ALIKE.search(name) and not OTHER.search(name)]
        if other == [1] and alike == [-1]:
            return True
    return False


def _is_turned(call: ast.Call) -> bool:
    """Whether a loss of triplets is given the negative in the place of the positive."""
    given = [ast.unparse(argument) for argument in call.args[1:3]]
    kinds = [(bool(ALIKE.search(name)), bool(OTHER.search(name))) for name in given]
    words = [set(re.findall(r"\w+", name)) for name in given]
    letters = len(words) == 2 and (words[0] - words[1], words[1] - words[0]) == ({"n"}, {"p"})
    return letters or kinds == [(False, True), (True, False)]


def _makes(value: ast.expr, own: set[str]) -> bool:
    """Whether a loss of triplets is made."""
    return "TripletMargin" in ast.unparse(value) or (isinstance(value, ast.Call) and _last(value.func) in own)


def _of_triplets(tree: ast.Module) -> Iterator[str]:
    """The names of functions, and of classes with such methods, that take a positive and then a negative second and
    third."""
    for scope in (n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef)):
        for function in (n for n in scope.body if isinstance(n, ast.FunctionDef)):
            names = [argument.arg for argument in function.args.args if argument.arg != "self"][1:3]
            kinds = [(bool(ALIKE.search(name)), bool(OTHER.search(name))) for name in names]
            if kinds == [(True, False), (False, True)]:
                yield scope.name if isinstance(scope, ast.ClassDef) else function.name


def _terms(node: ast.expr, sign: int) -> Iterator[tuple[str, int]]:
    """The terms of a sum, with their signs."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from _terms(node.left, sign)
        yield from _terms(node.right, sign if isinstance(node.op, ast.Add) else -sign)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield from _terms(node.operand, -sign)
    else:
        yield ast.unparse(node), sign


RULES = (swapped,)
