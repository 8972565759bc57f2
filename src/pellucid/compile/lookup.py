"""Rows that are looked up in a table, and rows added up by what they were looked up as, in a plan.

An index that the table has not is left to eager mode, which says what is wrong.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.kernels.calling import address
from pellucid.kernels.classes import LOOKED_UP, PLACED
from pellucid.kernels.pieces import CLEAR
from pellucid.kernels.table import TYPES

from .graph import Node, Value
from .segment import Call, kernel

NATIVE = ("embedding", "index_embed")


def usual(node: Node) -> bool:
    """Whether an application is of rows of numbers that kernels compute with."""
    if node.name not in NATIVE:
        return False
    rows, index = node.args[:2]
    if not isinstance(rows, Value) or not isinstance(index, Value) or index.dtype != np.int64 or not index.size:
        return False
    if len(rows.shape) != 2 or rows.dtype not in TYPES or not rows.size or node.outputs[0].dtype != rows.dtype:
        return False
    if node.name == "embedding":
        return True
    return node.kwargs["dim"] == 0 and index.shape == rows.shape[:1] and len(node.kwargs["shape"]) == 2


class Lookup:
    """One application as machine code, and what runs where an index is odd."""

    def __init__(self, node: Node, function: Any, clear: Any) -> None:
        self.node, self.function, self.clear = node, function, clear
        self.odd = np.zeros(1, np.float64)

    def calls(self, rows: Any, index: Any, out: Any) -> list[Call]:
        """The calls that put the result into `out`, the last with an index that it may refuse."""
        (given, places, *_), made = self.node.args, self.node.outputs[0]
        label = f"{made!r} = {self.node.name}"
        width, pointers = given.shape[1], (rows, index, out, address(self.odd))
        if self.node.name == "embedding":
            numbers = (width, given.shape[0])
            return [kernel(label, self.function, 0, places.size, *pointers, *numbers, stop=address(self.odd))]
        numbers = (places.size, width, made.shape[0])
        return [
            kernel(label, self.clear, 0, math.prod(made.shape), out),
            kernel(label, self.function, 0, width, *pointers, *numbers, stop=address(self.odd)),
        ]

    def as_eager(self, rows: Any, index: Any, out: Any) -> None:
        """The error for an index that the table has not."""
        forward: Any = self.node.forward
        out[...] = forward(self.node.xp, rows, index, **self.node.kwargs)


def native(node: Node) -> Lookup | None:
    """Machine code for an application, if it is of the usual kind."""
    if not usual(node):
        return None
    dtype = node.args[0].dtype
    function = (LOOKED_UP if node.name == "embedding" else PLACED).function(dtype)
    clear = CLEAR.function(dtype)
    return None if function is None or clear is None else Lookup(node, function, clear)
