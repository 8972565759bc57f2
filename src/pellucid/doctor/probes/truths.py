"""The values that a right backward pass may hold: true gradients of what the forward pass made, and parts of them.

Where a value of the forward pass is used several times, its gradient is a sum; a backward pass adds its terms up one
after the other, so that each term, and each sum of some of them, is right as well, though not yet whole.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pellucid.check.record.reverse import ReversePass, contributions
from pellucid.check.record.tape import TapeNode

FEW = 4  # terms of which every sum of some is known
LARGEST = 2_000_000  # elements of sums that are kept of one value
CLOSE = 1e-9


@dataclass(frozen=True)
class Truth:
    """What a value of the backward pass is: a multiple of the gradient of forward nodes, or of parts of it."""

    times: float
    nodes: frozenset[int]
    whole: bool


@dataclass
class Truths:
    """The right values by their size, in the order of a number that transposing and factors leave as it is."""

    found: dict[int, list[tuple[float, int, np.ndarray, int, bool]]] = field(default_factory=dict)

    def add(self, value: np.ndarray, node: int, whole: bool) -> None:
        mark = _mark(value)
        if mark is not None:
            row = self.found.setdefault(value.size, [])
            row.append((mark, len(row), value, node, whole))

    def sort(self) -> None:
        for row in self.found.values():
            row.sort(key=lambda entry: entry[:2])

    def of(self, value: np.ndarray) -> Truth | None:
        """What a value is; a whole gradient before a part of one."""
        mark = _mark(value)
        row = self.found.get(value.size)
        if mark is None or not row:
            return None
        alike: list[tuple[int, bool]] = []
        times = 0.0
        for known, _, other, node, whole in row[bisect_left(row, (mark * (1 - 1e-6),)) :]:
            if known > mark * (1 + 1e-6):
                break
            sign = along(value, other)
            if sign:
                if not any(other_whole >= whole for _, other_whole in alike):
                    times = sign * float(np.linalg.norm(value) / np.linalg.norm(other))
                alike.append((node, whole))
        found = any(whole for _, whole in alike)
        return Truth(times, frozenset(node for node, whole in alike if whole is found), found) if alike else None


def truths(way: ReversePass, alone: Iterable[Sequence[TapeNode]]) -> Truths:
    """Those of one way back. `alone`: nodes of one number each that stand for one value together."""
    found = Truths()
    for nodes in alone:
        values = [way.adjoints[node.index] for node in nodes if node.index in way.adjoints]
        if len(values) == len(nodes):
            whole = values[0] if len(values) == 1 else np.concatenate([value.ravel() for value in values])
            found.add(whole, nodes[-1].index, True)
    for source, parts in _terms(way).items():
        for value in _sums(parts):
            found.add(value, source, False)
    found.sort()
    return found


def _terms(way: ReversePass) -> dict[int, list[np.ndarray]]:
    """For each node that is used several times, what it gets of each use, the last use first."""
    terms: dict[int, list[np.ndarray]] = {}
    with np.errstate(all="ignore"):
        for node in reversed(way.tape.useful()):
            adjoint = way.raw.get(node.index, way.adjoints.get(node.index))
            if adjoint is not None:
                for source, value in contributions(node, adjoint, way.change)[1]:
                    terms.setdefault(source.index, []).append(value)
    return {index: parts for index, parts in terms.items() if len(parts) > 1 and parts[0].size > 1}


def _sums(parts: list[np.ndarray]) -> Iterator[np.ndarray]:
    yield from parts
    if len(parts) * parts[0].size > LARGEST or any(part.shape != parts[0].shape for part in parts):
        return
    if len(parts) <= FEW:
        for count in range(2, len(parts)):
            for some in itertools.combinations(parts, count):
                yield np.sum(some, axis=0)
        return
    for order in (parts, parts[::-1]):
        yield from itertools.islice(itertools.accumulate(order), 1, len(parts) - 1)


def _mark(value: np.ndarray) -> float | None:
    """The sum of absolute values over the root of the sum of squares: the same for each multiple and transposition."""
    flat = np.asarray(value, dtype=float).ravel()
    size = float(np.sqrt(flat @ flat)) if flat.size else 0.0
    if not (size > 0 and np.isfinite(size)):
        return None
    return float(np.abs(flat).sum()) / size


def along(first: np.ndarray, other: np.ndarray) -> int:
    """1 or −1 if two values are multiples of each other, up to a transposition and axes of length 1; else 0."""
    a, b = _unit(np.squeeze(np.asarray(first, float))), _unit(np.squeeze(np.asarray(other, float)))
    for turned in (b, b.T):
        if a.shape == turned.shape:
            inner = float((a * turned).sum())
            if abs(abs(inner) - 1) < CLOSE:
                return 1 if inner > 0 else -1
    return 0


def _unit(value: np.ndarray) -> np.ndarray:
    size = float(np.sqrt((value * value).sum()))
    return value / size if size else value
