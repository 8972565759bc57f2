"""What an output can be, by the activations that it ends with, and whether that is what it is compared with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from ..criterion import DISTANCES, SCANS, SHAPING, SQUARES
from ..record import OpRecord, ProgramRecord
from ..suspicion import Suspicion
from ..treatments import Bypass

BEYOND = 0.25  # of the variance of targets, that an output cannot reach
RANGES = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, np.inf),
          "hardtanh": (-1.0, 1.0), "relu6": (0.0, 6.0), "hardsigmoid": (0.0, 1.0)}  # fmt: skip
RISING: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh, "relu": lambda x: max(x, 0.0),
    "hardtanh": lambda x: min(max(x, -1.0), 1.0), "relu6": lambda x: min(max(x, 0.0), 6.0),
}  # fmt: skip
EDGES = {"sigmoid": (0.02, 0.98), "tanh": (-0.98, 0.98), "hardtanh": (-0.999, 0.999)}


def unreachable(record: ProgramRecord) -> Iterator[Suspicion]:
    """Targets outside of the range of the output."""
    loss = record.start or record.loss
    if loss.kind not in DISTANCES or not record.targets:
        return
    op = next((op for op in loss.chain if op.key[0] not in SHAPING), None)  # 5 * sigmoid(x) has another range
    if op is None or op.key[0] not in RANGES:
        return
    low, high = range_of(loss.chain)
    targets = np.concatenate([t.ravel() for t in record.targets]).astype(float)
    outside = float(((targets < low - 1e-6) | (targets > high + 1e-6)).mean())
    if outside < 0.02:
        if op.key[0] == "softmax" and op is loss.chain[0]:
            yield from _sums(record, op)
        return
    yield Suspicion(
        "output-range-mismatch",
        f"{outside:.0%} of the targets, which go from {targets.min():.3g} to {targets.max():.3g}, lie outside of "
        f"what {op.key[0]} can give.",
        f"The output passes {op.key[0]}, which never gives these targets, however long it is trained.",
        f"leave {op.key[0]} out at the output, or bring the targets into its range",
        op.place,
        [Bypass(op.key)],
        certain=outside > 0.25 and op.key[0] != "relu",
        otherwise="error" if outside > 0.25 and loss.kind == "mse_loss" else "",
    )


def range_of(chain: list[OpRecord]) -> tuple[float, float]:
    """What an output can be that ends in activations, one behind the other: sigmoid(relu(x)) is at least 1/2."""
    ending = itertools.takewhile(lambda op: op.key[0] in RANGES or op.key[0] in SHAPING, chain)
    low, high = -np.inf, np.inf
    for op in reversed([op for op in ending if op.key[0] in RANGES]):
        name = op.key[0]
        if name in RISING:
            low, high = (float(RISING[name](edge)) for edge in (low, high))
        else:
            low, high = RANGES[name]
    return low, high


def beyond_states(record: ProgramRecord) -> Iterator[Suspicion]:
    """Targets beyond -1 and 1, where the states of a recurrence, which stay within, are the output."""
    loss = record.start or record.loss
    scan = loss.body[0] if loss.body and loss.body[0].key[0] in SCANS else None
    if scan is None or loss.kind not in DISTANCES or not record.targets or record.several:
        return
    if scan.attributes.get("relu") or any(op.key[0] not in SHAPING for op in loss.chain):
        return
    kind = scan.key[0].removesuffix("_scan")
    starts = [op.attributes["start"] for op in loss.chain if "start" in op.attributes]
    if kind == "lstm" and (len(scan.inputs) > 4 or not starts or starts[-1]):  # a projection of the states, the cells
        return
    targets = np.concatenate([t.ravel() for t in record.targets]).astype(float)
    spread = float(targets.var())
    lost = float(((targets - targets.clip(-1, 1)) ** 2).mean()) / spread if spread else 0.0
    if not BEYOND < lost < np.inf:
        return
    place = next((op.place for op in loss.chain if op.place is not None), None) or scan.called or scan.place
    yield Suspicion(
        "output-range-mismatch",
        f"The output is the states of the {kind.upper()} themselves, which lie between -1 and 1, and targets go from "
        f"{targets.min():.3g} to {targets.max():.3g}: what is out of reach comes to {lost:.0%} of how they vary.",
        "Each state passes tanh, which never gives these targets, however long it is trained.",
        "a linear layer behind the recurrence: nn.Linear(hidden_size, n) makes the output of its states",
        place,
        certain=True,
    )


def held_back(record: ProgramRecord) -> Iterator[Suspicion]:
    """An output that lies at the edge of the range of its activation, where what it is compared with is not known."""
    loss = record.loss
    op = loss.chain[0] if loss.kind == SQUARES and loss.chain else None
    if op is None or op.key[0] not in EDGES:
        return
    low, high = EDGES[op.key[0]]
    if op.low > low and op.high < high:
        return
    yield Suspicion(
        "output-range-mismatch",
        f"The output of {op.key[0]} reaches {op.low if op.low <= low else op.high:.3g}, the edge of what it can give, "
        "and without it the loss becomes much smaller.",
        f"The output passes {op.key[0]}, which never gives what is wanted, however long it is trained.",
        f"leave {op.key[0]} out at the output",
        op.place,
        [Bypass(key) for key in loss.outermost],
        strictly=True,
    )


def _sums(record: ProgramRecord, op: OpRecord) -> Iterator[Suspicion]:
    """Targets of which several hold at once, or none, and outputs that sum to 1."""
    dim = axis_of(op)
    rows = [t for t in record.targets if t.shape[1:] == op.shape[1:] and t.ndim == 2]
    if dim != 1 or not rows:
        return
    sums = np.concatenate(rows).astype(float).sum(1)
    other = float((np.abs(sums - 1) > 0.1).mean())
    if other > 0.2:
        yield Suspicion(
            "output-range-mismatch",
            f"The outputs of a row sum to 1 by its softmax, and {other:.0%} of the targets do not: their sums go from "
            f"{sums.min():.3g} to {sums.max():.3g}.",
            "A softmax says which one of several holds. Where several hold at once, each wants a sigmoid of its own.",
            "leave softmax out at the output, with binary_cross_entropy_with_logits",
            op.place,
            certain=True,
        )


def axis_of(op: OpRecord) -> int | None:
    dim = op.attributes.get("dim")
    return None if not isinstance(dim, int) or not op.shape else dim % len(op.shape)
