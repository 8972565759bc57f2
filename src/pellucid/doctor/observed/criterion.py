"""What a loss is made of: the prediction, the target, and the ops from one to the other, found in the ops of a pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.core.node import Node

from .arrays import array_of
from .record import LossRecord, OpRecord, Place

FUNCTIONS = (
    "cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss",
    "smooth_l1_loss", "huber_loss", "kl_div", "hinge_embedding_loss", "margin_ranking_loss", "triplet_margin_loss",
    "cosine_embedding_loss", "multi_margin_loss", "poisson_nll_loss", "gaussian_nll_loss", "soft_margin_loss",
)  # fmt: skip
DISTANCES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
TWO_SIDED = ("sub", "smooth_l1")  # ops that compare elements of a prediction and a target
LIKELIHOOD = "negative_log_likelihood"  # written out, of probabilities
SQUARES = "sum_of_squares"  # written out, of what is to be 0
BINARY = ("binary_cross_entropy", "binary_cross_entropy_with_logits")
WEIGHTED = frozenset(
    ("linear", "matmul", "mm", "addmm", "bmm", "convolution", "conv_transpose", "lstm_scan", "gru_scan", "rnn_scan",
     "bilinear", "embedding", "einsum")
)  # fmt: skip
SCANS = ("rnn_scan", "gru_scan", "lstm_scan")  # recurrences over a whole sequence
LOOKING_UP = ("index", "index_select")  # rows of a table, as of vectors of letters
SHAPING = frozenset(
    ("view", "reshape", "squeeze", "unsqueeze", "flatten", "transpose", "permute", "part", "cast", "matrix_transpose",
     "expand", "clone", "contiguous", "stack", "cat")
)  # fmt: skip
ACTIVATIONS = frozenset(
    ("relu", "sigmoid", "tanh", "softmax", "log_softmax", "leaky_relu", "elu", "gelu", "silu", "softplus", "hardtanh",
     "clamp", "relu6", "logsigmoid", "selu", "hardsigmoid", "softsign", "threshold", "exp", "clip", "abs", "square")
)  # fmt: skip
QUOTIENTS = frozenset(("div", "true_divide", "reciprocal"))
EDGES = QUOTIENTS | frozenset(("log", "log2", "log10", "log1p", "sqrt", "rsqrt", "pow", "acos", "asin"))
NEARLY = 0.01  # of what a loss is expected to be
TINY = 1e-30
LINEAR = SHAPING | frozenset(
    ("linear", "matmul", "mm", "addmm", "convolution", "add", "mean", "sum", "avg_pool", "mul", "dropout_mask", "sub")
)


@dataclass
class SeenOp:
    """An op of this pass with what it was given and gave."""

    key: tuple[str, int]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    place: Place | None
    module: tuple[Any, ...]
    called: Place | None = None
    op: Any = None  # itself

    def __post_init__(self) -> None:
        self.version = self.output._version if isinstance(self.output, Tensor) else 0

    @property
    def finite(self) -> bool:
        """Whether it gave no NaN and no infinity; what the program wrote into its result later is not its own."""
        return finite(self.output) or self.output._version != self.version

    @property
    def output(self) -> Any:
        return self.result[0] if isinstance(self.result, tuple) else self.result


@dataclass
class LossCall:
    """A call of a loss, or one that is written out.

    Attributes:
        unit: its value over what the loss gave, where a treatment brings what is compared to another scale.
        single: it is of one row, without an axis for the batch, which its arrays get here.
    """

    kind: str
    prediction: Any
    target: Any
    reduction: str
    place: Place | None
    value: float | None = None
    unit: float = 1.0
    single: bool = False

    @classmethod
    def of(cls, kind: str, args: Any, kwargs: Any, result: Any, at: Place | None) -> LossCall | None:
        given = [*args, *(kwargs[name] for name in ("input", "target") if name in kwargs)]
        if len(given) < 2 or not isinstance(given[0], Tensor) or not isinstance(given[1], Tensor):
            return None
        summed = kwargs.get("size_average") is False  # an option of old
        reduction = "none" if result.dim() else "sum" if summed else kwargs.get("reduction", "mean")
        left, right = given[:2]
        if kind in DISTANCES and right.requires_grad and not left.requires_grad:
            left, right = right, left
        return cls(kind, left, right, reduction, at, float(array_of(result).mean()))

    def target_array(self) -> np.ndarray | None:
        if not isinstance(self.target, Tensor) or self.target.requires_grad:
            return None
        return array_of(self.target)[None] if self.single else array_of(self.target)

    def given_array(self) -> np.ndarray:
        return array_of(self.prediction)[None] if self.single else array_of(self.prediction)

    def is_of_row(self, batch: Any) -> bool:
        """Whether what is compared was made of one row of several numbers, and not of one number for each row."""
        if (
            not isinstance(batch, Tensor)
            or not isinstance(self.prediction, Tensor)
            or not isinstance(self.target, Tensor)
        ):
            return False
        rows = batch.is_floating_point() and batch.dim() == 1
        return rows and self.prediction.dim() < 2 > self.target.dim() and self.prediction.shape != batch.shape

    def right(self) -> np.ndarray | None:
        """For each answer of the batch whether it is right, where the targets are classes."""
        target = self.target_array()
        if target is None or not isinstance(self.prediction, Tensor):
            return None
        given = self.given_array()
        if self.kind in ("cross_entropy", "nll_loss", LIKELIHOOD):
            if given.ndim < 2:
                return None
            if target.shape == given.shape:
                target = target.argmax(1)
            return given.argmax(1) == target if given.argmax(1).shape == target.shape else None
        if self.kind in BINARY and given.size == target.size and set(np.unique(target)) <= {0.0, 1.0}:
            edge = 0.0 if self.kind.endswith("logits") else 0.5
            return (given.ravel() > edge) == (target.ravel() > 0.5)
        if given.ndim == 2 and given.shape == target.shape and given.shape[1] > 1 and one_hot(target):
            return given.argmax(1) == target.argmax(1)
        return None

    def scale(self) -> float:
        """What a loss that is called a mean is, over the mean of all numbers: how many there are in a row, where those
        of a row are summed, as in `((a - b) ** 2).sum(1).mean()`."""
        target = self.target_array()
        if self.reduction != "mean" or target is None or not self.value or not isinstance(self.prediction, Tensor):
            return 1.0
        given = self.given_array()
        if given.shape != target.shape or self.kind != "mse_loss":
            return 1.0
        mean = float(((given.astype(float) - target) ** 2).mean()) * self.unit
        ratio = self.value / mean if mean > 0 else 1.0
        row = given.size / max(len(given), 1) if given.ndim else 1.0
        return ratio if abs(ratio / row - 1) < NEARLY else 1.0

    def accuracy(self) -> float | None:
        """The share of right answers in the batch, where the targets are classes."""
        right = self.right()
        return None if right is None or not right.size else float(right.mean())

    def labels(self) -> np.ndarray | None:
        """The class of each row, where the targets are classes, one for a row."""
        target = self.target_array()
        if target is None or self.right() is None:
            return None
        return target.argmax(1) if target.ndim == 2 and target.shape[1] > 1 else target.ravel()


def one_hot(target: np.ndarray) -> bool:
    return bool(((target == 0) | (target == 1)).all() and (target.sum(1) == 1).all())


def refused(args: Any) -> tuple[tuple[int, ...], float, float] | None:
    """What a loss was given that raised an error: the shape of the prediction, and the range of the targets."""
    if len(args) < 2 or not isinstance(args[0], Tensor) or not isinstance(args[1], Tensor) or not args[1].numel():
        return None
    target = array_of(args[1])
    return tuple(args[0].shape), float(target.min()), float(target.max())


def finite(value: Any) -> bool:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return True
    return bool(np.isfinite(array_of(value)).all())


def off_domain(seen: SeenOp) -> bool:
    """Whether a logarithm, root or quotient is given numbers at the edge of its domain, or outside."""
    name, given = seen.key[0], [array_of(a) for a in seen.args if isinstance(a, Tensor)]
    if not given or name not in EDGES:
        return False
    if name in QUOTIENTS:
        return bool((np.abs(given[-1]) < TINY).any()) if len(given) == 2 or name == "reciprocal" else False
    if name == "pow" and (len(given) > 1 or not isinstance(seen.args[-1], int | float) or seen.args[-1] >= 1):
        return False
    if name == "log1p":
        return bool((given[0] <= -1).any())
    if name in ("acos", "asin"):
        return bool((np.abs(given[0]) >= 1).any())
    return bool((given[0] <= TINY).any())


def leaves(root: Any) -> list[Any]:
    """The leaf tensors that a backward from `root` reaches."""
    found: dict[int, Any] = {}
    todo: list[Any] = [root.grad_fn] if root.grad_fn is not None else []
    seen: set[int] = set()
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Tensor):
            found[id(node)] = node
        elif isinstance(node, Node):
            todo += node.edges
    return list(found.values())


def tensors(args: Any) -> list[Tensor]:
    """What an op is given, those of a list among them."""
    found = [t for a in args for t in (a if isinstance(a, list | tuple) else (a,))]
    return [t for t in found if isinstance(t, Tensor)]


def producers(ops: list[SeenOp]) -> dict[int, SeenOp]:
    made: dict[int, SeenOp] = {}
    for seen in ops:
        for result in seen.result if isinstance(seen.result, tuple) else (seen.result,):
            if isinstance(result, Tensor):
                made.setdefault(id(result), seen)
    return made


def describe(call: LossCall, ops: list[SeenOp], names: dict[int, str]) -> LossRecord:
    """The loss as data, with the ops that lead to it."""
    made = producers(ops)
    record = LossRecord(call.kind, call.place, call.reduction, call.scale())
    if isinstance(call.prediction, Tensor):
        record.prediction = call.given_array().copy()
    target = call.target_array()
    record.target = None if target is None else target.copy()
    for seen in ops:
        if seen.key[0] in TWO_SIDED and len(seen.args) == 2 and seen.args[0] is not seen.args[1]:
            shapes = [tuple(a.shape) if isinstance(a, Tensor) else None for a in seen.args]
            sides = {id(a) for a in seen.args}
            if None not in shapes and shapes[0] != shapes[1] and sides == {id(call.prediction), id(call.target)}:
                record.subtraction = seen.key
    at: Any = call.prediction
    behind: SeenOp | None = None
    while True:
        seen = made.get(id(at))
        if seen is None:
            break
        if seen.key[0] in WEIGHTED:
            behind = seen
            break
        if not record.chain:
            alike = [s.key for s in ops if s.key[0] == seen.key[0] and s.place == seen.place and _of_same(s, seen)]
            record.outermost = alike
        record.chain.append(_described(seen, names))
        at = next((a for a in seen.args if isinstance(a, Tensor) and a.requires_grad), None)
        if len(record.chain) > 60:
            break
    if behind is not None:
        record.body = [_described(seen, names) for seen in _behind(behind, made)]
    return record


def with_keys_of(first: LossRecord, later: LossRecord) -> LossRecord:
    """What was seen in the first pass, with the keys that its ops have in all later ones: ahead of the first, the
    program prepares its data."""
    pairs = ((first.chain, later.chain), (first.body, later.body))
    if any([a.key[0] for a in ops] != [b.key[0] for b in others] for ops, others in pairs):
        return first
    chain, body = ([replace(a, key=b.key) for a, b in zip(*pair, strict=True)] for pair in pairs)
    return replace(first, chain=chain, body=body, subtraction=later.subtraction)


def _of_same(seen: SeenOp, other: SeenOp) -> bool:
    """Whether two ops are of the same module."""
    return len(seen.module) == len(other.module) and all(a is b for a, b in zip(seen.module, other.module, strict=True))


def rows_at_weights(name: str, args: tuple[Any, ...]) -> Any:
    """What has no gradient of an op that multiplies it with weights, or looks it up in a table of them; else None."""
    if name not in WEIGHTED and name not in LOOKING_UP:
        return None
    tensors = [a for a in args if isinstance(a, Tensor)]
    if not any(a.requires_grad for a in tensors) or (name in LOOKING_UP and not tensors[0].requires_grad):
        return None
    return next((a for a in tensors if not a.requires_grad and a.dim()), None)


def inputs_of(call: LossCall, met: list[Any]) -> tuple[Any, ...]:
    """Of a program without modules, the rows that meet weights first: as many as there are targets."""
    count = len(call.target) if isinstance(call.target, Tensor) and call.target.dim() else None
    rows = next((rows for rows in met if len(rows) == count), None)
    return () if rows is None else (rows,)


def _behind(last: SeenOp, made: dict[int, SeenOp]) -> Iterator[SeenOp]:
    """All ops that lead to one, itself first."""
    todo, done = [last], {id(last)}
    while todo:
        seen = todo.pop(0)
        yield seen
        for argument in seen.args:
            before = made.get(id(argument))
            if not isinstance(argument, Tensor) or argument.grad_fn is None:
                continue  # what the program made a parameter of is no part of what it computes from it
            if before is not None and id(before) not in done and getattr(before.output, "requires_grad", False):
                done.add(id(before))
                todo.append(before)


def _described(seen: SeenOp, names: dict[int, str]) -> OpRecord:
    output = seen.output
    shape = tuple(output.shape) if isinstance(output, Tensor) else ()
    inputs = [tuple(a.shape) for a in seen.args if isinstance(a, Tensor)]
    kwargs = {k: v for k, v in seen.kwargs.items() if isinstance(v, int | float | str | bool | None)}
    key = seen.kwargs.get("key")
    if seen.key[0] == "part" and isinstance(key, tuple) and key and isinstance(key[0], slice):
        kwargs["start"] = key[0].start or 0
    weight = next((names[id(a)] for a in seen.args if id(a) in names), "")
    record = OpRecord(seen.key, seen.place, shape, inputs, kwargs, weight, called=seen.called)
    if seen.key[0] in SCANS:
        record.varies = bool(np.ptp(array_of(seen.args[0]), axis=1).max(initial=0.0) > 0)  # (steps, rows, gates)
    if isinstance(output, Tensor) and output.is_floating_point() and output.numel():
        values = array_of(output)
        known = values[np.isfinite(values)]
        if known.size:
            record.low, record.high = float(known.min()), float(known.max())
        flat = values.reshape(len(values), -1) if values.ndim > 1 else values[:, None] if values.ndim else None
        if flat is not None and seen.key[0] in ACTIVATIONS and len(flat) > 1:
            record.zero = float((flat == 0).all(0).mean())
            top = {"sigmoid": (0.01, 0.99), "tanh": (-0.98, 0.98)}.get(seen.key[0])
            if top is not None:
                record.limit = float(((flat < top[0]) | (flat > top[1])).mean())
    return record
