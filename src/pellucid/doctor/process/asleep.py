"""Weights that no pass moves because of the values they begin with: all of them 0, say, or units that are off for every
row, so that no gradient gets through.

Nothing tells then which loop trains. A fork wakes them: it gives weights random values, sets biases to 0, and runs two
passes. Where these move the weights twice, the loop is a training, and it is examined with the weights awake; what they
began with is looked at later.
"""

from __future__ import annotations

import re

import numpy as np

from pellucid.doctor.process.lab import Ended, Lab, Next, Work
from pellucid.doctor.process.moving import VELOCITY, root_of
from pellucid.doctor.process.paths import NUMBER_NAMES, Group, Scope
from pellucid.doctor.process.scout import Seen, is_named, movers

FEWEST = 2  # of layers: a single one learns from 0
MOMENTS = re.compile(r"(m|v|s|[mvs]_?[twdh]|vel\w*|mom\w*|cache)$", re.I)  # what an optimiser calls them


def asleep(seen: Seen, scope: Scope, fewest: int = FEWEST) -> dict[str, Group]:
    """What has the names of weights, where there are several layers and no pass has moved it: all of them, with their
    biases, or those alone whose elements begin as one number."""
    moved = {name for _, names in seen.moves for name in names}
    every = {name: group for name, group in movers(scope).items() if is_named(name)}
    named = {name: group for name, group in every.items() if _is_matrix(name, group)}
    sides = {side for group in named.values() for side in group.shape}
    named |= {name: group for name, group in every.items() if _is_vector(name, group, sides, fewest)}
    named = {name: group for name, group in named.items() if not _is_memory(name, group, every)}
    if len(named) < fewest:
        return {}
    still = {n: g for n, g in named.items() if n not in moved and _stands(seen.initial.get(n), g, scope)}
    if len(still) == len(named):
        biases = {n: g for n, g in every.items() if is_bias(n) and n not in moved}
        return still | biases if any(seen.initial[name].any() for name in still) else still
    return {name: group for name, group in still.items() if _alike(seen.initial[name])}


def awake(values: dict[str, Group], seed: int = 0) -> dict[str, np.ndarray]:
    """Random values of the usual size, 1 / √(units); biases of 0."""
    rng = np.random.default_rng(seed)
    return {
        name: np.zeros(group.size)
        if is_bias(name) and (len(group.shape) < 2 or min(group.shape) == 1)
        else rng.normal(0, 1 / np.sqrt(np.mean(group.shape)), group.size)
        for name, group in values.items()
    }


def woken(lab: Lab, values: dict[str, np.ndarray]) -> Work:
    """In a laboratory: the names of what two passes in a row move in the same elements, once it has these values.

    A loop over layers moves each of them in one of its turns.
    """
    masks: list[dict[str, np.ndarray]] = []
    try:
        for start in (values, {}):
            outcome = yield Next(dict(start))
            before = {**outcome.before, **start}
            masks.append(
                {
                    name: (outcome.after[name] != before[name]) & np.isfinite(outcome.after[name])  # NaN is no step
                    for name in values
                    if name in outcome.after and outcome.after[name].shape == before[name].shape
                }
            )
    except Ended:
        return []
    first, second = masks  # of other sizes where the name stands for another tensor in each pass
    both = [n for n in values if n in first and n in second and first[n].shape == second[n].shape]
    return [n for n in both if not is_bias(n) and (first[n] & second[n]).any()]


DRAWS, PASSES = 3, 12  # of random values, and from each of them: a unit that decides may be right about some samples


def rests(lab: Lab, values: dict[str, Group]) -> Work:
    """In a laboratory: whether no pass moves any of these, from several random values either."""
    passes = 0
    try:
        for seed in range(DRAWS):
            start = awake(values, seed)
            for _ in range(PASSES):
                outcome = yield Next(dict(start))
                before = {**outcome.before, **start}
                if any(n not in outcome.after or not np.array_equal(outcome.after[n], before[n]) for n in values):
                    return False
                start, passes = {}, passes + 1
    except Ended:
        pass
    return passes >= PASSES


def _is_matrix(name: str, group: Group) -> bool:
    """Whether it connects units with units: no vector, and no bias that is held as a row or a column."""
    return len(group.shape) > 1 and group.size > 1 and not (min(group.shape) == 1 and is_bias(name))


def _is_vector(name: str, group: Group, sides: set[int], fewest: int) -> bool:
    """Whether it connects units with one unit: as long as a side of a matrix, where there is one, and no bias."""
    fits = group.size in sides or (not sides and fewest == 1)
    return len(group.shape) == 1 and group.size > 1 and fits and not is_bias(name)


def is_bias(name: str) -> bool:
    """Whether it is called like a bias.

    >>> is_bias("b1"), is_bias("net.layers[0].hidden_bias"), is_bias("w_out")
    (True, True, False)
    """
    return re.search(r"^b|_b$|bias|intercept|offset", _last(name).lower()) is not None


def _is_memory(name: str, group: Group, named: dict[str, Group]) -> bool:
    """Whether it belongs to another tensor: `vW1` beside `W1`, `m['W1']` beside `params['W1']`, `vs[0]` beside
    `params[0]`, `opt.v[0]['W']` beside `net[0].p['W']`, `p.m` beside `p.value`."""
    last, at = _last(name), _position(name)
    holder, _, attribute = name.rpartition(".")
    if holder and attribute not in NUMBER_NAMES and any(f"{holder}.{other}" in named for other in NUMBER_NAMES):
        return True
    for other, mate in named.items():
        if other == name or mate.shape != group.shape:
            continue
        prefixed = last != _last(other) and last.lower().endswith(_last(other).lower())
        beside = VELOCITY.search(root_of(name)) and not VELOCITY.search(root_of(other))
        moment = last == _last(other) and _of_moments(name) and not _of_moments(other)
        if prefixed or moment or (beside and (last == _last(other) or (at and at == _position(other)))):
            return True
    return False


def _of_moments(name: str) -> bool:
    """Whether what holds the tensor is called like the memory of an optimiser."""
    return any(MOMENTS.match(word) for word in re.findall(r"\w+", name)[:-1])


def _position(name: str) -> str:
    """The number at the end: `[0]` of `params[0]`."""
    found = re.search(r"\[\d+\]$", name)
    return found[0] if found else ""


def _last(name: str) -> str:
    keys = re.findall(r"\['(\w+)'\]", name)
    return keys[-1] if keys else re.sub(r"\[[^\]]*\]", "", name).split(".")[-1]


def _stands(old: np.ndarray | None, group: Group, scope: Scope) -> bool:
    return old is not None and old.size == group.size and bool(np.array_equal(old, group.read(scope)))


def _alike(values: np.ndarray) -> bool:
    """Whether all elements are one number."""
    return bool(np.ptp(values) <= 1e-9 * float(np.abs(values).max(initial=0)))
