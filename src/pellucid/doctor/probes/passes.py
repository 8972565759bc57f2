"""Passes that were studied: the update of each parameter, the gradient that it was made of, and slopes beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.doctor.probes.losses import Candidate, Key
from pellucid.doctor.process.lab import PassOutcome
from pellucid.doctor.process.parameters import Parameters


@dataclass
class StudiedPass:
    """One pass: for each tensor, the slope of each candidate and the program's own descent along some directions.

    Attributes:
        directions: (directions, elements) per tensor.
        given: minus the update along them, freed of an optimiser's memory.
        slopes: per candidate and tensor, the central differences; nan where a kink is near.
        update, values: the update itself, and the parameters before it.
        losses: the value of each candidate.
        clips: whether the program says that it clips anything.
    """

    index: int
    directions: dict[str, np.ndarray] = field(default_factory=dict)
    given: dict[str, np.ndarray] = field(default_factory=dict)
    slopes: dict[Candidate, dict[str, np.ndarray]] = field(default_factory=dict)
    update: dict[str, np.ndarray] = field(default_factory=dict)
    gradient: dict[str, np.ndarray] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    losses: dict[Candidate, float] = field(default_factory=dict)
    memory: dict[str, list[np.ndarray]] = field(default_factory=dict)  # of each tensor, what an optimiser remembers
    # of each of them, the share that a pass keeps, and what it is before and after it
    memories: dict[str, list[tuple[float, np.ndarray, np.ndarray]]] = field(default_factory=dict)
    clips: bool = False
    noise: dict[Candidate, dict[str, float]] = field(default_factory=dict)  # what rounding makes of a slope of 0


@dataclass
class SlopeStudy:
    """What a laboratory saw over several passes."""

    passes: list[StudiedPass] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    seen: dict[Key, list[np.ndarray]] = field(default_factory=dict)
    depends: set[Key] = field(default_factory=set)
    known: dict[str, Any] = field(default_factory=dict)
    lines: dict[Key, tuple[str, int]] = field(default_factory=dict)
    complete: bool = False
    late: set[Candidate] = field(default_factory=set)  # computed after the update, at the new parameters
    update_lines: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    slow: list[Candidate] = field(default_factory=list)  # those of them that are measured with the parameters held
    held: dict[str, np.ndarray] = field(default_factory=dict)  # the first pass's update with the parameters held
    rates: frozenset[float] = frozenset()  # the learning rates that the program writes


def descent(name: str, plain: PassOutcome, found: Parameters) -> np.ndarray:
    """The gradient that the program used, up to one factor: minus the update, freed of what an optimiser remembers."""
    update = plain.after[name] - plain.before[name]
    memories = [m for m, owner in found.memory.items() if owner == name and m in plain.after]
    linear = {_kind(m, found) for m in found.signs if m in plain.after and _signed(m, plain, found)}
    beside = plain.after.get(f"{name.rpartition('.')[0]}.grad")
    if found.shared and not memories and beside is not None and beside.shape == update.shape and beside @ update < 0:
        return beside  # of one memory for all, which makes steps of gradients that the engine keeps beside its numbers
    best: np.ndarray | None = None
    told = [m for m in memories if m in found.signs and _kind(m, found) in linear]
    both = [m for m in memories if m in found.signs and m in plain.after]
    if linear and not told and len(both) == 2:  # reached by another name here: the mean of gradients is the shorter one
        told = [min(both, key=lambda m: found.response.get(m, 0.0))]
    for memory in told:
        share = found.response.get(memory, 0.0)
        if share < 0.9999:
            fresh = plain.after[memory] - share * plain.before[memory]
            best = fresh if found.signs[memory] < 0 else -fresh
    if best is not None and best.shape == update.shape:
        return best
    for memory in memories:
        values = plain.after[memory]
        if memory.endswith("grad"):  # a gradient that is added to is no mean of squares
            continue
        if values.shape == update.shape and (values >= 0).all() and (values > 0).any():
            fresh = values - found.response.get(memory, 0.0) * plain.before[memory]
            gradient = -update * (np.sqrt(values) + 1e-12)
            if _parallel(fresh, gradient * gradient):  # a mean or a sum of squares of the gradient
                return _rooted(fresh, values, gradient)
            added = _below_the_root(update, values, fresh)
            if added is not None:
                return -update * np.sqrt(values + added)
    return -update


def _rooted(fresh: np.ndarray, values: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The gradient as the root of its squares, which a small number added below the fraction does not change; where
    the squares are lost beside those before them, as the update has it."""
    told = fresh > 1e-6 * values
    if not told.any():
        return gradient
    largest = told & (values >= np.median(values[told]))
    rate = float(np.median(np.abs(gradient[largest]) / np.sqrt(fresh[largest])))
    if not rate > 0:
        return gradient
    return np.where(told, np.sign(gradient) * np.sqrt(np.where(told, fresh, 0.0)), gradient / rate)


def _below_the_root(update: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> float | None:
    """The number that is added to the squares where it is not small beside them, g / √(v + ε): of u² (v + ε) = r² g²,
    where g² is what the pass adds to v, ε and r² are the solution of least squares. None where that does not fit."""
    squares = update * update
    if (fresh < 0).any() or not fresh.any() or fresh.size < 4 or not squares.any():
        return None
    columns = np.stack([fresh / np.linalg.norm(fresh), -squares / np.linalg.norm(squares)], 1)
    target = squares * values
    if not (np.isfinite(columns).all() and np.isfinite(target).all()):
        return None
    (rate, added), *_ = np.linalg.lstsq(columns, target, rcond=None)
    rest = float(np.linalg.norm(target - columns @ np.array([rate, added])))
    added = float(added / np.linalg.norm(squares))
    return added if rate > 0 and added > 0 and rest < 1e-4 * float(np.linalg.norm(target)) else None


def _signed(memory: str, plain: PassOutcome, found: Parameters) -> bool:
    """Whether a memory holds numbers below zero, as a mean of gradients does and one of their squares does not.

    Of squares that hardly grow, what a pass adds to them is less than the share that is kept is known by.
    """
    before, after = plain.before[memory], plain.after[memory]
    fresh = after - found.response.get(memory, 0.0) * before
    size = max(np.abs(before).max(initial=0.0), np.abs(after).max(initial=0.0))
    return bool((fresh < -KNOWN_BY * size).any() or (after < -1e-9 * size).any())


KNOWN_BY = 1e-4  # the share that a memory keeps


def _kind(memory: str, found: Parameters) -> str:
    """What the memories of several parameters have in common: `m` of `m['W1']`, `opt.m[0]` and `self.m_W1`.

    Of several that one parameter has under one name, as `state['W1'] = [m, v]`, their place is a part of it.
    """
    words = _words(memory, found)
    parts = re.findall(r"\w+", memory)
    for other, owner in found.memory.items():
        if other != memory and owner == found.memory.get(memory) and _words(other, found) == words:
            beside = re.findall(r"\w+", other)
            words += [f"{i}:{a}" for i, (a, b) in enumerate(zip(parts, beside, strict=False)) if a != b]
    return ".".join(words)


def _words(memory: str, found: Parameters) -> list[str]:
    owner = re.findall(r"[A-Za-z_]\w*", found.memory.get(memory, ""))[-1:]
    words = re.findall(r"[A-Za-z_]\w*", memory)
    return [word.removesuffix(owner[0]) if owner else word for word in words]


def _parallel(first: np.ndarray, other: np.ndarray) -> bool:
    size = float(np.sqrt((first @ first) * (other @ other)))
    return size > 0 and float(first @ other) / size > 0.999
