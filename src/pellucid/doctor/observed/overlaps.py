"""A loss that is how much a prediction and a mask have in common, as a share, and the sign that it has there.

1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)       the overlap, with a minus
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor

from .arrays import array_of
from .criterion import QUOTIENTS, SeenOp, producers, tensors
from .record import Place

DEEP = 24  # ops between a loss and the product
ALIKE = ("mean", "sum", "view", "reshape", "squeeze", "flatten", "clone", "cast", "add")  # the sign stays
STAYING = ("add", "mul", "sum", "mean", "view", "reshape", "squeeze", "flatten", "cast")  # of a numerator


def overlap_of(ops: list[SeenOp], root: Any) -> tuple[int, Place | None]:
    """1 where the loss grows with the overlap, -1 where it falls with it, 0 for any other loss; and the line."""
    made, at, sign = producers(ops), root, 1
    for _ in range(DEEP):
        seen = made.get(id(at))
        inner = [] if seen is None else [t for t in tensors(seen.args) if t.requires_grad]
        if seen is None or not inner:
            return 0, None
        name = seen.key[0]
        if name in QUOTIENTS and len(inner) == 2:
            return (sign, seen.place) if _is_common(inner[0], made) else (0, None)
        if len(inner) != 1 or name not in (*ALIKE, "neg", "sub"):
            return 0, None
        if name == "neg" or (name == "sub" and seen.args[0] is not inner[0]):
            sign = -sign
        at = inner[0]
    return 0, None


def _is_common(at: Any, made: dict[int, SeenOp]) -> bool:
    """Whether a numerator is made of the product of shares and of a mask of as many numbers, and of nothing else."""
    for _ in range(DEEP):
        seen = made.get(id(at))
        inner = [] if seen is None else [t for t in tensors(seen.args) if t.requires_grad]
        if seen is None or len(inner) != 1 or seen.key[0] not in STAYING:
            return False
        others = [a for a in seen.args if a is not inner[0] and isinstance(a, Tensor | int | float)]
        given = [array_of(a) if isinstance(a, Tensor) else np.asarray(a) for a in others]
        if seen.key[0] == "mul" and given and given[0].size > 1:
            shares, mask = array_of(inner[0]), given[0]
            whole = mask.shape == shares.shape and 0 < mask.mean() < 1 and bool(((mask == 0) | (mask == 1)).all())
            return whole and float(shares.min()) >= 0 and float(shares.max()) <= 1
        if any(value.size != 1 or not value >= 0 for value in given):
            return False
        at = inner[0]
    return False
