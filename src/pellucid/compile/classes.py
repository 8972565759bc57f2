"""Cross-entropy over classes in a plan: the loss with the probabilities, and the gradient of the scores.

For scores (N, C) and one class for each row, as a mean or a sum over the rows, without weights or smoothing. A class
out of range is left to eager mode, which says what is wrong; so is `ignore_index`, where a row has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backend import Array
from pellucid.kernels.calling import address
from pellucid.kernels.classes import SLOPE, of_loss
from pellucid.kernels.table import TYPES

from .graph import Node, Value
from .segment import Call, kernel


def usual(node: Node) -> bool:
    """Whether an application is of the usual kind."""
    scores, target, weight = node.args[-3:] if node.name == "cross_entropy" else node.args[1:4]
    if weight is not None or not isinstance(scores, Value) or not isinstance(target, Value):
        return False
    if len(scores.shape) != 2 or scores.dtype not in TYPES or target.dtype != np.int64 or not target.dense:
        return False
    if target.shape != scores.shape[:1] or not scores.size or node.kwargs.get("label_smoothing"):
        return False
    if node.name == "cross_entropy_backward" and (node.args[0].shape or node.args[0].dtype != scores.dtype):
        return False
    if 0 <= node.kwargs.get("ignore_index", -100) < scores.shape[1]:
        return False
    return node.kwargs.get("reduction", "mean") in ("mean", "sum")


class Classes:
    """One application as machine code: the call of `loss`, or of `slope`, and what runs where a class is odd."""

    def __init__(self, node: Node, function: Callable[..., None]) -> None:
        scores: Any = node.args[0 if node.name == "cross_entropy" else 1]
        self.node, self.function = node, function
        self.rows, self.classes = scores.shape
        self.divisor = float(self.rows) if node.kwargs.get("reduction", "mean") == "mean" else 1.0
        self.odd = np.zeros(1, np.float64)
        self.forward: Any = node.forward

    def loss(self, scores: Any, target: Any, probs: Any, loss: Any) -> Call:
        """The call that puts the probabilities into `probs` and the loss into `loss`."""
        places = scores, target, probs, loss
        return kernel("cross_entropy", self.function, 0, self.rows, *places, address(self.odd), self.divisor,
                      stop=address(self.odd))  # fmt: skip

    def slope(self, grad: Any, probs: Any, target: Any, out: Any) -> Call:
        """The call that puts the gradient of the scores into `out`."""
        places = probs, target, grad, out
        return kernel("cross_entropy_backward", self.function, 0, self.rows, *places, address(self.odd), self.divisor,
                      stop=address(self.odd))  # fmt: skip

    def odd_loss(self, scores: Array, target: Array, probs: Array, loss: Array) -> None:
        """As eager mode computes it: the error for a class out of range, or a loss without the rows left out."""
        loss[...], probs[...] = self.forward(self.node.xp, scores, target, None, **self.node.kwargs)

    def odd_slope(self, grad: Array, probs: Array, target: Array, out: Array) -> None:
        """As eager mode computes it."""
        out[...] = self.forward(self.node.xp, grad, probs, target, None, **self.node.kwargs)


def native(node: Node) -> Classes | None:
    """Machine code for an application of the usual kind."""
    if not usual(node):
        return None
    scores: Any = node.args[0 if node.name == "cross_entropy" else 1]
    dtype, classes = scores.dtype, scores.shape[1]
    function = of_loss(dtype, classes) if node.name == "cross_entropy" else SLOPE.function(dtype, classes)
    return None if function is None else Classes(node, function)
