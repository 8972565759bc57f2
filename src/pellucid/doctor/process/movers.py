"""Updates that are no plain `w = w - lr * g`: functions that move what they are given, `def step(w, g): return w - lr *
g`, and lists that are made anew, `[w - lr * g for w, g in zip(weights, gradients)]`."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class MovingFunction:
    """A function that returns one of its arguments with a step added to it, or taken from it.

    Attributes:
        own: the number of the argument that is moved, and `name` what the function calls it.
        sign: −1 where the step is subtracted.
    """

    function: str
    own: int
    name: str
    sign: int


def moving_functions(trees: Iterable[ast.AST]) -> dict[str, MovingFunction]:
    """By their names; of functions of one name, as the methods of several classes, only what all of them do.

    >>> moving_functions([ast.parse("def step(self, w, g):\\n    return w - self.lr * g")])
    {'step': MovingFunction(function='step', own=0, name='w', sign=-1)}
    """
    found: dict[str, set[MovingFunction | None]] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, set()).add(_moving(node))
    alone = {name: next(iter(kinds)) for name, kinds in found.items() if len(kinds) == 1}
    return {name: kind for name, kind in alone.items() if kind is not None}


def moved_by(
    call: ast.expr, functions: dict[str, MovingFunction]
) -> tuple[MovingFunction, ast.expr, list[ast.expr]] | None:
    """What a call of one of these functions moves, as it is written there, and all that it is given."""
    if not isinstance(call, ast.Call):
        return None
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    kind = functions.get(name)
    if kind is None:
        return None
    given = {word.arg: word.value for word in call.keywords}
    own = call.args[kind.own] if kind.own < len(call.args) else given.get(kind.name)
    return None if own is None else (kind, own, [*call.args, *given.values()])


def moved_in_turn(value: ast.expr) -> tuple[str, int] | None:
    """What a list is made of with a step added to each item, as it is written, and the sign of the step.

    >>> moved_in_turn(ast.parse("[w - lr * g for w, g in zip(self.weights, nabla)]", mode="eval").body)
    ('self.weights', -1)
    """
    if not isinstance(value, ast.ListComp) or len(value.generators) != 1:
        return None
    step, turn = _step(value.elt), value.generators[0]
    if step is None:
        return None
    parts, source = [turn.target], [turn.iter]
    if isinstance(turn.target, ast.Tuple) and isinstance(turn.iter, ast.Call):
        parts, source = turn.target.elts, turn.iter.args
    found = [s for part, s in zip(parts, source, strict=False) if isinstance(part, ast.Name) and part.id == step[0]]
    return (ast.unparse(found[0]), step[1]) if found else None


def _moving(node: ast.FunctionDef) -> MovingFunction | None:
    arguments = [argument.arg for argument in node.args.args]
    arguments = arguments[1:] if arguments[:1] in (["self"], ["cls"]) else arguments
    ends = [part for part in ast.walk(node) if isinstance(part, ast.Return)]
    if len(ends) != 1 or len(arguments) < 2 or ends[0].value is None:
        return None
    found = _step(ends[0].value)
    if found is None and isinstance(ends[0].value, ast.Name):  # moved before it is returned
        steps = [_changed(part) for part in ast.walk(node)]
        known = [step for step in steps if step is not None and step[0] == ends[0].value.id]
        found = known[0] if len(known) == 1 else None
    if found is None or found[0] not in arguments:
        return None
    return MovingFunction(node.name, arguments.index(found[0]), *found)


def _step(value: ast.expr) -> tuple[str, int] | None:
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub) and isinstance(value.left, ast.Name):
        return value.left.id, -1 if isinstance(value.op, ast.Sub) else 1
    return None


def _changed(node: ast.AST) -> tuple[str, int] | None:
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return _step(ast.BinOp(ast.Name(node.target.id), node.op, node.value))
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        found = _step(node.value)
        return found if found is not None and found[0] == node.targets[0].id else None
    return None
