"""A loss that the program writes out, recognised by the ops that end in it: distances, and logarithms of probabilities.

    ((p - y) ** 2).mean()                                   mse_loss
    -(y * log(p) + (1 - y) * log(1 - p)).mean()             binary_cross_entropy
    -log_p[range(n), y].mean(), -(one_hot * log_p).sum()    nll_loss, LIKELIHOOD
    -p[range(n), y].log().mean()                            LIKELIHOOD
    (s.log() + ((m - y) / s) ** 2 / 2).mean()               gaussian_nll_loss
    residual(p).pow(2).mean() + 5 * (q - y).abs().mean()    SQUARES, of what the network gave

What is weighted row by row is no loss of classes: rewards weigh the logarithms of a policy so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import Tensor

from .arrays import array_of
from .criterion import LIKELIHOOD, SHAPING, SQUARES, LossCall, SeenOp, one_hot, producers, tensors

Made = dict[int, SeenOp]
KEEPING = ("clamp", "add", "maximum", "minimum", *SHAPING - {"part", "cat", "stack"})  # a logarithm off its edge
SMALL = 0.01  # what is added to keep a logarithm off 0
MANY = 5  # classes, of which one row says that it is one of them
LONGEST = 12  # ops from the loss to what it is made of


def written_out(ops: list[SeenOp], root: Any, output: Any = None) -> LossCall | None:
    """The loss at whose end `root` is; None where it is none of those that are known. `output`: of the network."""
    made = producers(ops)
    if id(root) not in made:
        return None
    found = _distance(made, root) or _logarithms(made, root) or _gaussian(made, root)
    if found is None and id(output) in made and _squares(made, root):
        return LossCall(SQUARES, output, None, "mean", made[id(root)].place, float(array_of(root).mean()))
    return found


def _squares(made: Made, root: Any) -> bool:
    """Whether a loss is a sum of squares and of sizes of differences, which is 0 at best, as of an equation."""
    todo, seen = [(root, 0)], made.get(id(root))
    while todo:
        at, depth = todo.pop()
        seen = made.get(id(at))
        if seen is None or depth > 2 * LONGEST:
            return False
        name, by = seen.key[0], _number(seen)
        squared = name in ("square", "abs") or (name == "pow" and by is not None and by % 2 == 0)
        if squared or (name == "mul" and seen.args[0] is seen.args[1]):
            continue
        weighed = name in ("mul", "true_divide", "div") and by is not None and by > 0
        if not (weighed or name in ("mean", "sum", "add", "sqrt", *SHAPING)):
            return False
        todo += [(a, depth + 1) for a in tensors(seen.args) if a.requires_grad]
    return True


@dataclass
class _Path:
    """The way from the loss down to what it is made of: its reduction, and the sign of what is reduced."""

    name: str = ""  # of the reduction that comes last
    value: float | None = None  # what that gave
    sign: float = 1.0  # between it and what is looked at
    divisors: tuple[float, ...] = ()  # of what it gave
    rooted: bool = False

    def passes(self, seen: SeenOp) -> bool:
        """Whether an op on the way is one that may be there in any loss."""
        name = seen.key[0]
        by = _number(seen)
        if name in ("mean", "sum"):
            self._reduced(seen)
        elif name == "neg" or (name == "mul" and by == -1):
            self.sign = -self.sign if self.name else self.sign
        elif name in ("true_divide", "div") and by is not None and seen.args[0] is _with_gradient(seen):
            if self.name == "sum" and by > 1 and by in _counts(seen.output):
                self.name = "mean"
            elif not self.name:
                self.divisors = (*self.divisors, by)
        else:
            return name in SHAPING and name not in ("part", "cat", "stack")
        return True

    def _reduced(self, seen: SeenOp) -> None:
        name = seen.key[0]
        if self.name:
            self.name = name if name == "mean" else self.name
            return
        self.name, self.value = name, float(array_of(seen.output).mean())
        for by in self.divisors:
            if name == "sum" and by > 1 and by in _counts(seen.args[0]):
                self.name, self.value = "mean", self.value / by
                return

    def loss(self, own: float) -> float | None:
        """The value of the loss, where what is reduced is `own` times it."""
        return None if self.value is None or self.rooted else self.value * self.sign * own


def _counts(tensor: Tensor) -> tuple[int, ...]:
    return (tensor.numel(), len(tensor)) if tensor.dim() else ()


def _with_gradient(seen: SeenOp) -> Any:
    return next((a for a in seen.args if isinstance(a, Tensor) and a.requires_grad), None)


def _number(seen: SeenOp) -> float | None:
    """The number, or the constant of one element, that an op is given beside a tensor."""
    for argument in seen.args:
        if isinstance(argument, int | float) and not isinstance(argument, bool):
            return float(argument)
        if isinstance(argument, Tensor) and not argument.requires_grad and argument.numel() == 1:
            return float(array_of(argument).reshape(()))
    return None


def _distance(made: Made, root: Any) -> LossCall | None:
    """The mean or sum of squares or sizes of a difference."""
    at, path, distance = root, _Path(), ""
    for _ in range(LONGEST):
        seen = made.get(id(at))
        if seen is None:
            return None
        name = seen.key[0]
        if name in ("square", "abs", "pow"):
            distance = {"abs": "l1_loss"}.get(name, "mse_loss")
        elif name == "mul" and seen.args[0] is seen.args[1]:
            distance = "mse_loss"
        elif name == "sub" and distance:
            left, right = seen.args[:2]
            if not (isinstance(left, Tensor) and isinstance(right, Tensor)):
                return None
            if left.requires_grad == right.requires_grad:
                return None
            prediction, target = (left, right) if left.requires_grad else (right, left)
            return LossCall(distance, prediction, target, path.name, seen.place, path.loss(1.0))
        elif name == "sqrt":
            path.rooted = path.rooted or bool(not path.name)
        elif not path.passes(seen) and name not in ("true_divide", "div", "mul", "part"):
            return None
        at = _with_gradient(seen)
        if at is None:
            return None
    return None


def _gaussian(made: Made, root: Any) -> LossCall | None:
    """The mean or sum of the logarithm of a spread and of a square error over it."""
    at, path = root, _Path()
    for _ in range(LONGEST):
        seen = made.get(id(at))
        if seen is None:
            return None
        if seen.key[0] in ("add", "sub") and _number(seen) is None and path.name:
            terms = [term for _, term in _terms(made, at) if term is not None]
            found = next((pair for term in terms if (pair := _square_error(made, term)) is not None), None)
            if found is None or len(terms) < 2:
                return None
            return LossCall("gaussian_nll_loss", *found, path.name, seen.place, path.loss(1.0))
        if not path.passes(seen) and seen.key[0] not in ("mul", "add"):
            return None
        at = _with_gradient(seen)
    return None


def _square_error(made: Made, seen: SeenOp) -> tuple[Tensor, Tensor] | None:
    """The prediction and the target of a square of their difference, which something may be multiplied with."""
    todo, squared = [(seen, False)], False
    for _ in range(2 * LONGEST):
        if not todo:
            return None
        now, squared = todo.pop()
        name = now.key[0]
        if name == "sub" and squared and all(isinstance(a, Tensor) for a in now.args):
            left, right = now.args
            if left.requires_grad != right.requires_grad and left.shape == right.shape:
                return (left, right) if left.requires_grad else (right, left)
        elif name in ("square", "pow", "mul", "true_divide", "div", "neg", *SHAPING):
            square = squared or name == "square" or (name == "pow" and _number(now) == 2)
            square = square or (name == "mul" and now.args[0] is now.args[1])
            todo += [(made[id(a)], square) for a in now.args if id(a) in made]
    return None


def _logarithms(made: Made, root: Any) -> LossCall | None:
    """The mean or sum of logarithms of probabilities, with a minus, or, where the sign is wrong, without."""
    at, path = root, _Path()
    for _ in range(LONGEST):
        seen = made.get(id(at))
        if seen is None:
            return None
        found = _of_two(made, at) or _of_classes(made, at)
        if found is not None:
            value = path.loss(-found.sign)
            return LossCall(found.kind, found.prediction, found.target, path.name, seen.place, value)
        if not path.passes(seen):
            return None
        at = _with_gradient(seen)
        if at is None:
            return None
    return None


@dataclass
class _Likelihood:
    """Logarithms of the probabilities of what is so, row by row, times `sign`."""

    kind: str
    prediction: Tensor
    target: Tensor
    sign: float = 1.0


def _terms(made: Made, at: Any, sign: float = 1.0) -> Iterator[tuple[float, SeenOp | None]]:
    """The terms of a sum, with their signs."""
    seen = made.get(id(at))
    if seen is not None and seen.key[0] in ("add", "sub") and len(seen.args) == 2:
        yield from _terms(made, seen.args[0], sign)
        yield from _terms(made, seen.args[1], -sign if seen.key[0] == "sub" else sign)
    elif seen is not None and seen.key[0] == "neg":
        yield from _terms(made, seen.args[0], -sign)
    else:
        yield sign, seen


def _factors(seen: SeenOp | None) -> tuple[Tensor, Tensor] | None:
    """What has no gradient, and what has one, of a product of two tensors."""
    if seen is None or seen.key[0] != "mul" or len(seen.args) != 2:
        return None
    left, right = seen.args
    if not (isinstance(left, Tensor) and isinstance(right, Tensor)) or left.requires_grad == right.requires_grad:
        return None
    return (right, left) if left.requires_grad else (left, right)


def _of_two(made: Made, at: Any) -> _Likelihood | None:
    """y · log p + (1 - y) · log (1 - p)."""
    seen = made.get(id(at))
    if seen is None or seen.key[0] not in ("add", "sub"):
        return None
    terms = list(_terms(made, at))
    if len(terms) != 2:
        return None
    weights: dict[bool, tuple[float, np.ndarray]] = {}  # by whether it is of 1 - p
    kinds: set[str] = set()
    bases: list[np.ndarray] = []
    prediction: Any = None
    for sign, term in terms:
        factors = _factors(term)
        found = None if factors is None else _logarithm(made, factors[1])
        if factors is None or found is None:
            return None
        kind, prediction, turned = found
        kinds.add(kind)
        bases.append(array_of(prediction))
        weights[turned] = (sign, array_of(factors[0]))
    if len(weights) < 2 or len(kinds) > 1 or not np.array_equal(bases[0], bases[1]):
        return None
    (sign, direct), (other_sign, other) = weights[False], weights[True]
    if direct.shape != other.shape:
        return None
    for a, b in ((1, 1), (-1, 1), (1, -1), (-1, -1)):  # as in -y * log p - (1 - y) * log (1 - p)
        if np.abs(a * direct + b * other - 1).max(initial=0.0) <= 1e-4 and sign * a == other_sign * b:
            return _Likelihood(kinds.pop(), prediction, prediction.detach().new_tensor(a * direct), sign * a)
    return None


def _logarithm(made: Made, at: Any) -> tuple[str, Tensor, bool] | None:
    """The loss that log p or log (1 - p) belongs to, the tensor p, and whether it is 1 - p; of logits, z and -z."""
    seen = _behind_shapes(made, at)
    if seen is None or seen.key[0] not in ("log", "logsigmoid"):
        return None
    logits = seen.key[0] == "logsigmoid"
    turned, now = False, seen.args[0]
    for _ in range(LONGEST):
        inner = made.get(id(now))
        if inner is None:
            break
        name, number = inner.key[0], _number(inner)
        from_one = name == "sub" and _is_near(number, 1) and inner.args[1] is _with_gradient(inner)
        if (logits and name == "neg") or (from_one and not logits):
            turned = not turned
        elif name not in KEEPING or (name == "add" and (logits or not _is_near(number, 0))):
            break
        now = _with_gradient(inner)
    kind = "binary_cross_entropy_with_logits" if logits else "binary_cross_entropy"
    return (kind, now, turned) if isinstance(now, Tensor) else None


def _is_near(number: float | None, value: float) -> bool:
    return number is not None and abs(number - value) < SMALL


def _of_classes(made: Made, at: Any) -> _Likelihood | None:
    """log p of the class that is so: taken by its number, or by a product with 1 at its place."""
    seen = made.get(id(at))
    if seen is None:
        return None
    factors = _factors(seen)
    if factors is not None:
        target, logs = factors
        sign = 1.0
        values = array_of(target)
        if values.size and values.max() <= 0 and values.min() < 0:
            sign, values = -1.0, -values
        if logs.dim() != 2 or values.shape != tuple(logs.shape) or values.shape[1] < 2:
            return None
        if len(values) < 2 and values.shape[1] < MANY:  # an action of two, rather
            return None
        if not one_hot(values):
            return None
        return _of_logs(made, logs, logs.detach().new_tensor(values), sign)
    inner = seen
    if seen.key[0] == "log":
        inner = _behind_shapes(made, seen.args[0], KEEPING)
        if inner is None:
            return None
    taken = _taken(inner)
    if taken is None:
        return None
    source, ids = taken
    if seen.key[0] == "log":
        return _Likelihood(LIKELIHOOD, source, ids)
    return _of_logs(made, source, ids, 1.0)


def _of_logs(made: Made, logs: Tensor, target: Tensor, sign: float) -> _Likelihood | None:
    """What goes with logarithms of probabilities; None where they are none."""
    sums = np.exp(np.minimum(array_of(logs).astype(float), 50.0)).sum(1)
    if np.isfinite(sums).all() and np.abs(sums - 1).max() < 0.01:
        return _Likelihood("nll_loss", logs, target, sign)
    seen = _behind_shapes(made, logs)
    if seen is None or seen.key[0] != "log":
        return None
    return _Likelihood(LIKELIHOOD, seen.args[0], target, sign)


def _taken(seen: SeenOp) -> tuple[Tensor, Tensor] | None:
    """A table, and for each of its rows the number of the column that is taken."""
    name, args = seen.key[0], seen.args
    source = args[0] if args else None
    if not isinstance(source, Tensor) or source.dim() != 2 or len(source) < 2:
        return None
    if name == "index" and len(args) == 3 and seen.kwargs.get("slots") == (True, True):
        rows, ids = args[1:]
        if len(rows) == len(ids) == len(source) and (array_of(rows) == np.arange(len(source))).all():
            return source, ids
    if name == "gather" and seen.kwargs.get("dim") in (1, -1) and tuple(args[1].shape) == (len(source), 1):
        return source, args[1].reshape(-1)
    return None


def _behind_shapes(made: Made, at: Any, through: tuple[str, ...] = tuple(SHAPING)) -> SeenOp | None:
    """The op that made a tensor, before its shape was changed."""
    for _ in range(LONGEST):
        seen = made.get(id(at))
        if seen is None or seen.key[0] not in through or seen.key[0] in ("part", "cat", "stack"):
            return seen
        at = _with_gradient(seen)
    return None
