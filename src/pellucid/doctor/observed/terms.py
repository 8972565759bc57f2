"""What a loss is a sum of: its terms, each with the sign that it has there.

BCE + 0.5 * KL.sum()                    two terms
(squares.sum(1) - kl.sum(1)).mean()     two terms, the second with a minus
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from pellucid.core import Tensor

from .arrays import array_of
from .criterion import SeenOp, producers, tensors
from .record import TermRecord

DEEP = 24  # ops between a loss and a term
FEW, MANY = 2, 8  # terms that can be told from each other
CONSTANT = ("add", "sub")  # of a number, or of what has no gradient
THROUGH = ("mean", "sum", "view", "reshape", "squeeze", "clone")  # what each term of a sum passes alike


def terms_of(ops: list[SeenOp], root: Any, parameters: Container[object] = ()) -> list[TermRecord]:
    """The terms of a loss that is a sum of several; nothing for others."""
    made = producers(ops)
    found = list(_terms(root, made, 1.0, 0, parameters))
    return found if FEW <= len(found) <= MANY and len({term.key for term in found}) == len(found) else []


def _terms(
    at: Any, made: dict[int, SeenOp], factor: float, depth: int, parameters: Container[object], whole: bool = True
) -> Iterator[TermRecord]:
    """`whole`: no sum was met, so that a number that all is multiplied with is no part of a term."""
    seen = made.get(id(at))
    if seen is None or depth > DEEP or not isinstance(at, Tensor):
        return
    inner = [t for t in tensors(seen.args) if t.requires_grad]
    name = seen.key[0]
    if name in ("add", "sub") and len(inner) == 2:
        for number, part in enumerate(inner):
            yield from _terms(part, made, -factor if name == "sub" and number else factor, depth + 1, parameters, False)
    elif name in ("neg", *CONSTANT, *THROUGH) and len(inner) == 1 and _is_sum(inner[0], made, depth, whole):
        turned = name == "neg" or (name == "sub" and inner[0] is seen.args[-1])
        shrunk = at.numel() / max(inner[0].numel(), 1) if name == "sum" else 1.0
        yield from _terms(inner[0], made, (-factor if turned else factor) / shrunk, depth + 1, parameters, whole)
    elif whole and (times := _times(seen, inner)) and _is_sum(inner[0], made, depth, whole):
        yield from _terms(inner[0], made, factor * times, depth + 1, parameters)
    elif at.numel():
        value = factor * float(array_of(at).mean())
        yield TermRecord(seen.key, seen.place, value, _of_weights(seen, made, parameters))


def _times(seen: SeenOp, inner: list[Any]) -> float:
    """What an op multiplies the one tensor with that has a gradient, where that is a number; 0 for others."""
    if seen.key[0] not in ("mul", "div", "true_divide") or len(inner) != 1 or len(seen.args) != 2:
        return 0.0
    divides = seen.key[0] != "mul"
    other = next((a for a in seen.args if a is not inner[0]), None)
    if isinstance(other, Tensor):
        other = float(array_of(other).reshape(())) if other.numel() == 1 else None
    if not isinstance(other, int | float) or not other or (divides and seen.args[0] is not inner[0]):
        return 0.0
    return 1 / float(other) if divides else float(other)


def _of_weights(last: SeenOp, made: dict[int, SeenOp], parameters: Container[object]) -> bool:
    """Whether nothing but parameters, and numbers, leads to an op."""
    todo, done = [last], {id(last)}
    while todo:
        seen = todo.pop()
        given = tensors(seen.args)
        if not given and isinstance(seen.output, Tensor) and seen.output.numel() > 1:
            return False  # made, as data are
        for argument in given:
            before = made.get(id(argument))
            if before is None and argument not in parameters and argument.numel() > 1:
                return False
            if before is not None and id(before) not in done:
                done.add(id(before))
                todo.append(before)
    return True


def _is_sum(at: Any, made: dict[int, SeenOp], depth: int, whole: bool) -> bool:
    """Whether two terms with gradients meet behind what they pass alike."""
    seen = made.get(id(at))
    for _ in range(DEEP - depth):
        if seen is None:
            return False
        inner = [t for t in tensors(seen.args) if t.requires_grad]
        if seen.key[0] in ("add", "sub") and len(inner) == 2:
            return True
        if len(inner) != 1 or not (seen.key[0] in ("neg", *CONSTANT, *THROUGH) or (whole and _times(seen, inner))):
            return False
        seen = made.get(id(inner[0]))
    return False
