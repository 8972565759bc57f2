"""Policy gradients: whether a loss of log-probabilities and rewards makes what was rewarded likelier, or less so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.errors import user_frame

from .criterion import SeenOp, producers

REWARDS = re.compile(r"reward|return|advantage|^advs?$|^rets?$|^G$|^R$", re.IGNORECASE)
SUMS, LOGS = ("sum", "mean"), ("log_softmax", "log", "logsumexp")
DEEP = 12  # ops between a loss and the product of log-probabilities with rewards
FEW = 3  # actions of which a correlation says something
ALIKE = 0.5  # for it


def direction(ops: list[SeenOp], root: Any) -> int:
    """-1 where the loss falls as actions with more reward get likelier, +1 where it rises; 0 where it is none of these.

    The rewards are told by the names of the program's variables.
    """
    made = producers(ops)
    for sign, weights in _products(root, made, 1, 0):
        values = weights.detach().numpy().ravel().astype(float)
        for given in _rewards(values.size):
            if np.ptp(values) > 0 and np.ptp(given) > 0:
                alike = float(np.corrcoef(values, given)[0, 1])
                if abs(alike) > ALIKE:
                    return sign if alike > 0 else -sign
    return 0


def _products(at: Any, made: dict[int, SeenOp], sign: int, depth: int) -> Iterator[tuple[int, Any]]:
    """What log-probabilities are multiplied with, and with which sign that enters the loss."""
    seen = made.get(id(at))
    if seen is None or depth > DEEP or not seen.args:
        return
    name, tensors = seen.key[0], [a for a in seen.args if isinstance(a, Tensor)]
    numbers = [float(a) for a in seen.args if isinstance(a, int | float)]
    numbers += [t.item() for t in tensors if not t.requires_grad and t.numel() == 1]
    inner = [t for t in tensors if t.requires_grad]
    if name in SUMS or (name in ("add", "clone", "stack", "cat", "view", "reshape", "squeeze") and inner):
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
            yield from _products(inner[0], made, sign if numbers[0] > 0 else -sign, depth + 1)
        elif name == "mul" and weights is not None and weights.numel() == inner[0].numel():
            turned = _log_probabilities(inner[0], made)
            if turned:
                yield sign * turned, weights


def _log_probabilities(x: Any, made: dict[int, SeenOp]) -> int:
    """1 for logarithms of probabilities, -1 for minus such, 0 for neither."""
    values = x.detach().numpy()
    if not np.isfinite(values).all() or not ((values <= 0).all() or (values >= 0).all()):
        return 0
    todo, done = [x], set[int]()
    while todo and len(done) < 400:
        seen = made.get(id(todo.pop()))
        if seen is None or id(seen) in done:
            continue
        done.add(id(seen))
        if seen.key[0] in LOGS:
            return 1 if (values <= 0).all() else -1
        todo += [a for a in seen.args if isinstance(a, Tensor)]
        todo += [t for a in seen.args if isinstance(a, list | tuple) for t in a if isinstance(t, Tensor)]
    return 0


def _rewards(size: int) -> Iterator[np.ndarray]:
    """Numbers of the program's, as many as there are actions, whose name says that they are rewards."""
    frame = user_frame()
    for _ in range(4):
        if frame is None:
            return
        for name, value in [*frame.f_locals.items(), *frame.f_globals.items()]:
            if not REWARDS.search(name):
                continue
            try:
                array = np.asarray(value.detach().numpy() if isinstance(value, Tensor) else value, dtype=float).ravel()
            except (TypeError, ValueError):
                continue
            if array.size == size >= FEW and np.isfinite(array).all():
                yield array
        frame = frame.f_back
