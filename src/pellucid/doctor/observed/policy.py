"""Policy gradients: whether a loss of log-probabilities and rewards makes what was rewarded likelier, or less so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.errors import user_frame

from .arrays import array_of
from .criterion import SeenOp, producers
from .criterion import tensors as tensors_of
from .record import Place

REWARDS = re.compile(r"reward|return|advantage|^advs?$|^rets?$|^G$|^R$", re.IGNORECASE)
COSTS = re.compile(r"cost|regret|penalt", re.IGNORECASE)
Term = tuple[int, np.ndarray, Place | None]
SUMS, LOGS = ("sum", "mean"), ("log_softmax", "log", "logsumexp")
SAME = ("add", "clone", "stack", "cat", "view", "reshape", "squeeze", "unsqueeze")
LEAST_OF = ("minimum", "min", "maximum", "max")  # of what is clipped and what is not
DEEP = 12  # ops between a loss and the product of log-probabilities with rewards, but for sums
FEW = 3  # actions of which a correlation says something
ALIKE = 0.5  # for it


def direction(ops: list[SeenOp], root: Any) -> tuple[int, Place | None]:
    """-1 where the loss falls as actions with more reward get likelier, +1 where it rises; 0 where it is none of these.
    And the line where the two are multiplied.

    The rewards are told by the names of the program's variables.
    """
    found: list[tuple[float, Place | None]] = []
    for sign, weights, at in _terms(root, producers(ops)):
        for given in _named(REWARDS, weights.size):
            costs = any(_correlation(given, cost) > ALIKE for cost in _named(COSTS, weights.size))  # to be small
            found.append(((-sign if costs else sign) * _correlation(weights, given), at))
    if not found:
        return 0, None
    # rewards of another episode, of as many actions, may happen to be alike: those that it was weighed by are most
    alike, at = max(found, key=lambda pair: abs(pair[0]))
    return (0, None) if abs(alike) <= ALIKE else (1 if alike > 0 else -1, at)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def weighs(ops: list[SeenOp], root: Any) -> bool:
    """Whether log-probabilities are multiplied with numbers that differ, whatever these are called."""
    return any(np.ptp(weights) > 0 for _, weights, _ in _terms(root, producers(ops)))


def _terms(root: Any, made: dict[int, SeenOp]) -> list[Term]:
    """What log-probabilities are multiplied with in a loss, and with which sign; single ones of a sum are put together,
    in their order."""
    found = list(_products(root, made, 1, 0))
    single = [[term for term in found if term[0] == sign and term[1].size == 1] for sign in (1, -1)]
    together = [(terms[0][0], np.array([w.item() for _, w, _ in terms]), terms[0][2]) for terms in single if terms]
    return [term for term in (*found, *together) if term[1].size >= FEW]


def _products(at: Any, made: dict[int, SeenOp], sign: int, depth: int) -> Iterator[Term]:
    seen = made.get(id(at))
    if seen is None or depth > DEEP or not seen.args:
        return
    name, tensors = seen.key[0], tensors_of(seen.args)
    numbers = [float(a) for a in seen.args if isinstance(a, int | float)]
    numbers += [t.item() for t in tensors if not t.requires_grad and t.numel() == 1]
    inner = [t for t in tensors if t.requires_grad]
    if name in SUMS or (name in SAME and inner):
        for other in inner:
            yield from _products(other, made, sign, depth + (name != "add" or len(inner) == 1))
    elif name in LEAST_OF:
        for other in inner:
            yield from _products(other, made, sign, depth + 1)
    elif name == "neg" and inner:
        yield from _products(inner[0], made, -sign, depth + 1)
    elif name == "sub":
        for number, other in enumerate(tensors):
            yield from _products(other, made, -sign if number else sign, depth + 1)
    elif name in ("mul", "div", "true_divide") and len(inner) == 1:
        weights = next((t for t in tensors if not t.requires_grad and t.numel() >= FEW), None)
        if numbers and weights is None:
            within = list(_products(inner[0], made, sign, depth + 1))
            turned = 0 if within or name != "mul" or inner[0].numel() > 1 else _log_probabilities(inner[0], made)
            yield from [(sign * turned, np.array(numbers[:1]), seen.place)] if turned else ()
            for way, of, at in within:  # a single term takes the number into its weight
                single = of.size == 1
                yield (way, of * numbers[0], seen.place) if single else (way if numbers[0] > 0 else -way, of, at)
        elif name == "mul" and weights is not None and weights.numel() == inner[0].numel():
            turned = _log_probabilities(inner[0], made)
            if turned:
                yield sign * turned, array_of(weights).ravel().astype(float), seen.place


def _log_probabilities(x: Any, made: dict[int, SeenOp]) -> int:
    """1 for logarithms of probabilities, -1 for minus such, 0 for neither."""
    values = array_of(x)
    if not np.isfinite(values).all() or not ((values <= 0).all() or (values >= 0).all()):
        return 0
    todo, done = [x], set[int]()
    made_by = made.get(id(x))
    grows = made_by is not None and made_by.key[0] == "exp"  # a ratio of probabilities
    while todo and len(done) < 400:
        seen = made.get(id(todo.pop()))
        if seen is None or id(seen) in done:
            continue
        done.add(id(seen))
        if seen.key[0] in LOGS:
            return 1 if grows or (values <= 0).all() else -1
        todo += tensors_of(seen.args)
    return 0


def _named(names: re.Pattern[str], size: int) -> Iterator[np.ndarray]:
    """Numbers of the program's, as many as there are actions, whose name says that they are rewards, or costs."""
    frame = user_frame()
    for _ in range(4):
        if frame is None:
            return
        for name, value in [*frame.f_locals.items(), *frame.f_globals.items()]:
            if not names.search(name):
                continue
            try:
                array = np.asarray(array_of(value) if isinstance(value, Tensor) else value, dtype=float).ravel()
            except (TypeError, ValueError):
                continue
            if array.size == size >= FEW and np.isfinite(array).all():
                yield array
        frame = frame.f_back
