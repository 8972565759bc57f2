"""Whether a loss is highest where what is predicted is what it is compared with: it goes the wrong way then.

The pass is done again from a prediction on, with the target in its place and with numbers beside it. Of `1 - cosine`,
of a distance and of a likelihood with its minus the target is the lowest that there is, whatever the loss is made of;
of a similarity, and of a likelihood without, the highest. Of what a prediction is only weighed or masked with it is
neither.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.core import Tensor, no_grad

from .arrays import array_of
from .composed import Called, Composed, compose, leaves
from .criterion import SeenOp, producers, tensors
from .record import Place

WEIGHING = ("mul", "div", "true_divide")
MOST = 6  # pairs that are tried
NEAR = 0.02  # of the spread of the target, by which numbers lie beside it
TIMES = 4  # that they are drawn
EVEN = 3.0  # times as much, by which a loss may fall on one side and on the other
CLEARLY = 1e-6  # of the loss, by which it falls
FALLS = 10.0  # times what it falls beside the target, that it falls with the targets of other rows


def highest_at_target(root: Tensor, seen: list[SeenOp], called: list[Called]) -> tuple[bool, Place | None]:
    """Whether a loss has its top at a target, and the line in which a prediction meets that."""
    for prediction, target, at in _pairs(root, seen, called):
        loss = compose(called, seen, [prediction], root)
        if loss is not None and _is_top(loss, prediction, target):
            return True, at
    return False, None


def _pairs(root: Tensor, seen: list[SeenOp], called: list[Called]) -> Iterator[tuple[Tensor, Tensor, Place | None]]:
    """Results of networks, and what meets numbers without a gradient, with those that have their shape."""
    made, todo, path = producers(seen), [root], dict[int, SeenOp]()
    while todo:
        op = made.get(id(todo.pop()))
        if op is not None and id(op) not in path and not op.module:
            path[id(op)] = op
            todo += [t for t in tensors(op.args) if t.requires_grad]
    weights = [t for op in path.values() if op.key[0] in WEIGHING for t in tensors(op.args) if not t.requires_grad]
    given = {id(leaf) for call in called for leaf in leaves((call.args, call.kwargs))}
    said = [leaf for call in called for leaf in leaves(call.result) if leaf.requires_grad]
    pairs: dict[tuple[int, int], tuple[Tensor, Tensor, Place | None]] = {}
    for op in path.values():
        met = tensors(op.args)
        for target in met:
            if target.requires_grad or target.numel() < 2 or not target.is_floating_point() or id(target) in given:
                continue
            if not np.ptp(array_of(target)) > 0 or any(
                _weighs(t, len(target)) and not _is_of(t, target, made) for t in weights
            ):
                continue  # as what actions brought, which say of each row whether it is to be likelier
            for prediction in (*(t for t in met if t.requires_grad), *said):
                if prediction.shape == target.shape:
                    pairs.setdefault((id(prediction), id(target)), (prediction, target, op.place))
    outputs = set(map(id, said))
    yield from sorted(pairs.values(), key=lambda pair: id(pair[0]) not in outputs)[:MOST]


def _weighs(tensor: Tensor, rows: int) -> bool:
    """Whether numbers are others for each row, or not all above 0."""
    values = array_of(tensor)
    each = values.ndim > 0 and len(values) == rows
    return values.size > 1 and bool(values.min() <= 0 or (each and np.ptp(values, axis=0).max() > 0))


def _is_of(tensor: Tensor, target: Tensor, made: dict[int, SeenOp]) -> bool:
    """Whether numbers are computed of a target, or are those."""
    todo, done = [tensor], set[int]()
    while todo:
        at = todo.pop()
        if at is target or id(at) in done:
            continue
        done.add(id(at))
        given = tensors(made[id(at)].args) if id(at) in made else []
        if not given:
            return False
        todo += [t for t in given if t.numel() > 1]
    return True


def _is_top(loss: Composed, prediction: Tensor, target: Tensor) -> bool:
    values = array_of(target).astype(float)
    spread, draw = float(values.std()), np.random.default_rng(0)

    def at(numbers: np.ndarray) -> float:
        with no_grad():
            return float(array_of(loss(prediction.detach().new_tensor(numbers))).mean())

    if not np.isfinite(values).all():
        return False
    try:
        top, falls = at(values), list[float]()
        for _ in range(TIMES):
            beside = NEAR * spread * draw.normal(size=values.shape)
            one, other = top - at(values + beside), top - at(values - beside)
            if not min(one, other) > CLEARLY * abs(top) or max(one, other) > EVEN * min(one, other):
                return False
            falls += [one, other]
        return len(values) > 1 and top - at(np.roll(values, 1, axis=0)) > FALLS * float(np.mean(falls))
    except Exception:  # noqa: BLE001 (what the program computes cannot be computed of other numbers)
        return False
