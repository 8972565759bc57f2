"""Cross-entropy over classes as machine code: the loss with the probabilities, and the gradient of the scores.

For scores (N, C) and one class for each row, as a mean or a sum over the rows, without weights or smoothing. A class
out of range is left to eager mode, which says what is wrong; so is `ignore_index`, where a row has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backend import Array
from pellucid.kernels import compiler
from pellucid.kernels import mathematics as m
from pellucid.kernels.emitter import Emitter, Variable
from pellucid.kernels.emitter import Value as Scalar
from pellucid.kernels.table import TYPES, address

from .graph import Node, Value
from .segment import Call, kernel

_made: dict[Any, Callable[..., None] | None] = {}


def _forward(type: str, classes: int) -> Emitter:
    """loss = Σ (log Σ exp(z) - z[target]) / divisor over the rows, summed in float64; probs = softmax(scores).

    `count` becomes the number of rows whose class is out of range, which is then not looked up.
    """
    pointers = dict.fromkeys(("scores", "target", "probs", "loss", "count"), "ptr")
    k = Emitter(f"cross_entropy_{classes}_{type}", {**pointers, "divisor": "double"})
    width = k.constant("i64", classes)
    total, odd = k.variable(k.constant("double", 0.0)), k.variable(k.constant("double", 0.0))
    with k.loop(k.start, k.stop) as row:
        first = row * classes
        peak = k.variable(k.load(type, k.scores, first))
        with k.loop(1, width) as j:
            z = k.load(type, k.scores, first + j)
            peak.set(k.intrinsic("maximum", peak.get(), z))
        top = peak.get()
        with k.loop(0, width) as j:
            k.store(m.exp(k, k.load(type, k.scores, first + j) - top), k.probs, first + j)
        summed = k.variable(k.constant(type, 0.0))
        with k.loop(0, width) as j:
            summed.add(k.load(type, k.probs, first + j), reassociate=True)
        whole = summed.get()
        share = 1 / whole
        with k.loop(0, width) as j:
            k.store(k.load(type, k.probs, first + j) * share, k.probs, first + j)
        own = k.load(type, k.scores, first + _class(k, row, classes, odd)) - top
        total.add(k.convert(k.intrinsic("log", whole) - own, "double"))
    k.store(k.convert(total.get() / k.divisor, type), k.loss)
    k.store(odd.get(), k.count)
    return k


def _class(k: Emitter, row: Scalar, classes: int, odd: Variable) -> Scalar:
    """The class of a row; 0 for one that is out of range, which is counted."""
    given = k.load("i64", k.target, row)
    raised = k.select(given < 0, k.constant("i64", classes), given)
    within = raised < classes
    odd.add(k.select(within, k.constant("double", 0.0), 1.0))
    return k.select(within, raised, 0)


def _backward(type: str, classes: int) -> Emitter:
    """out = scale · probs, less `scale` at each row's class; scale = grad / rows, or grad."""
    pointers = dict.fromkeys(("probs", "target", "grad", "out", "count"), "ptr")
    k = Emitter(f"cross_entropy_backward_{classes}_{type}", {**pointers, "rows": type})
    scale = k.load(type, k.grad) / k.rows
    odd = k.variable(k.constant("double", 0.0))
    with k.loop(k.start, k.stop) as row:
        first = row * classes
        with k.loop(0, k.constant("i64", classes)) as j:
            k.store(k.load(type, k.probs, first + j) * scale, k.out, first + j)
        at = first + _class(k, row, classes, odd)
        k.store(k.load(type, k.out, at) - scale, k.out, at)
    k.store(odd.get(), k.count)
    return k


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
    if not usual(node) or compiler.target() is None:
        return None
    scores: Any = node.args[0 if node.name == "cross_entropy" else 1]
    key = node.name, scores.dtype, scores.shape[1]
    if key not in _made:
        emit = _forward if node.name == "cross_entropy" else _backward
        _made[key] = compiler.function(emit(TYPES[scores.dtype], scores.shape[1]))
    function = _made[key]
    return None if function is None else Classes(node, function)
