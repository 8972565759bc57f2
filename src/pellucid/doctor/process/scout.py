"""Which loop trains.

At some passes of every loop, what can be reached at the head is compared with what is there at the end. A training
loop moves the same floats in pass after pass; which of them are parameters is tried out then (`parameters`).
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.doctor.process.paths import Group, Path, Scope, groups, leaves

LOOKS = frozenset([2, 3, 4, 6, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000])
FEW, MANY = 6, 400  # passes, between which a loop that hardly ever moves anything is looked at in each
SURE = 20  # passes in one run of a loop, after which it is no loop over layers or steps of time
KEPT = 4  # passes that moved something
AT_REST = 0.3  # seconds that looking at passes may have taken until then
MOST_TESTS = 3  # of one loop
LARGEST_KEPT = 500_000  # elements of what is kept from the first pass of each loop


@dataclass
class Seen:
    """What is known of one loop."""

    count: int = 0
    activation: int = 0
    pending: tuple[int, dict[str, Group], dict[str, np.ndarray], dict[Path, np.ndarray]] | None = None
    moves: list[tuple[int, dict[str, np.ndarray]]] = field(default_factory=list)
    masks: dict[str, np.ndarray] = field(default_factory=dict)  # what moved in one run of the loop, all looks together
    run: int = 0  # which run that is
    again: set[str] = field(default_factory=set)  # what moved in the same elements twice in one run
    tested: int = 0
    asked: bool = False  # whether it was tested at all
    refused: frozenset[str] | None = None  # what moved when a test that took long, or two, found no parameters
    refusals: int = 0  # of these tests, those where nothing moved that has the name of a parameter
    in_vain: int = 0  # of these tests, those of a loop that moved each element once
    begun: int = 0  # passes of all loops, at its latest head
    initial: dict[str, np.ndarray] = field(default_factory=dict)  # at the head of its first pass
    spoilt: set[str] = field(default_factory=set)  # what held NaN or infinity after some passes, and was put back
    consumed: int = 0  # turns of a generator's loop
    resized: set[str] = field(default_factory=set)  # variables of another size after a pass: what goes through layers


class Scout:
    """Looks at passes of loops, until one looks like training."""

    def __init__(self) -> None:
        self.loops: dict[int, Seen] = {}
        self.spent = 0.0
        self.passes = 0  # of all loops

    def enter(self, number: int) -> None:
        self.loops.setdefault(number, Seen()).activation += 1

    def head(self, number: int, scope_of: Any) -> bool:
        """Whether the loop at whose head the program is should be tested."""
        seen = self.loops.setdefault(number, Seen())
        seen.count += 1
        self.passes += 1
        since, seen.begun = seen.begun, self.passes
        if seen.count == 1:
            started = time.monotonic()
            found, seen.initial, views = _values(scope_of(), LARGEST_KEPT)
            seen.pending = (seen.activation, found, seen.initial, views)
            self.spent += time.monotonic() - started
        looks, rests = seen.count in LOOKS, self._rests(seen)
        if not looks and not rests:
            return False
        started = time.monotonic()
        if self._waits(seen, since) or (seen.asked and not looks) or (looks and _is_refused(seen)):
            pass
        elif self._promising(seen) or (seen.count == 4 and stalled(seen)):
            seen.tested += 1
            seen.asked = True
            return True
        seen.pending = (seen.activation, *_values(scope_of()))
        self.spent += time.monotonic() - started
        return False

    def tail(self, number: int, scope_of: Any) -> None:
        seen = self.loops.get(number)
        if seen is None or seen.pending is None:
            return
        started = time.monotonic()
        activation, found, values, views = seen.pending
        seen.pending = None
        scope = scope_of()
        moved = differing(found, values, scope)
        seen.resized |= {n for n, group in found.items() if not is_named(n) and _is_resized(group, values[n], scope)}
        for name in [name for name in moved if _is_window(found[name], values[name], views, scope)]:
            del moved[name]
        _note(seen, activation, moved)
        if moved:
            seen.moves.append((activation, moved))
            if len(seen.moves) > KEPT:  # what moves in each pass is known by now: better one that moves a parameter
                plain = (i for i, (_, names) in enumerate(seen.moves) if not any(map(is_named, names)))
                del seen.moves[next(plain, 0)]
        self.spent += time.monotonic() - started

    def _rests(self, seen: Seen) -> bool:
        """Whether a loop moves something in a few of its passes only, as a perceptron does where it errs: then each of
        the first some hundred is looked at."""
        return FEW < seen.count <= MANY and seen.tested <= 0 and self.spent < AT_REST

    def _waits(self, seen: Seen, since: int) -> bool:
        """Whether a loop within the latest pass moves the same, and is tested at its own next head: that over the
        samples of an epoch."""
        moving = moved_again(seen)
        return any(
            other is not seen and other.begun > since and not other.asked and moved_again(other) & moving
            for other in self.loops.values()
        )

    def _promising(self, seen: Seen) -> bool:
        """Whether the same elements moved in two passes of one run of the loop."""
        if seen.tested >= MOST_TESTS:
            return False
        return bool(moved_again(seen))


def _note(seen: Seen, activation: int, moved: dict[str, np.ndarray]) -> None:
    """Note which elements move once more in one run of the loop: of a table, a pass moves this row or that one."""
    if activation != seen.run:
        seen.run, seen.masks = activation, {}
    for name, mask in moved.items():
        before = seen.masks.get(name)
        if before is not None and before.shape == mask.shape:
            if (before & mask).any():
                seen.again.add(name)
            seen.masks[name] = before | mask
        else:
            seen.masks[name] = mask


def _is_refused(seen: Seen) -> bool:
    """Whether a test would find no parameters once more: nothing else moves that has the name of one.
    One more is made, when it is sure by the number of passes that this is no loop over layers."""
    if seen.refused is None or seen.count == SURE:
        return False
    return not any(map(is_named, moved_again(seen) - seen.refused))


def moved_again(seen: Seen) -> set[str]:
    """What moved in the same elements in two passes of one run of the loop."""
    return set(seen.again)


def ever_moved(seen: Seen) -> set[str]:
    """What moved in any pass that was looked at."""
    return moved_again(seen).union(*(moved for _, moved in seen.moves))


def stalled(seen: Seen) -> bool:
    """Whether what is named like parameters moved in the first pass, and nothing so named did since: a loop over the
    parameters moves another of them in each turn."""
    first = {name for _, moved in seen.moves[:1] for name in moved if is_named(name)}
    return bool(first) and not any(is_named(name) for _, moved in seen.moves[1:] for name in moved)


def back_to_start(seen: Seen, scope: Scope) -> dict[str, Group]:
    """Put what is named like parameters back to its values before the first pass: after a step that was too long
    nothing moves any more. What is returned was put back."""
    put: dict[str, Group] = {}
    for name, group in movers(scope).items():
        old, now = seen.initial.get(name), group.read(scope)
        if old is not None and is_named(name) and old.size == now.size and differ(old, now):
            if is_whole(old) and is_whole(now):  # the variable of a loop over weights
                continue
            if not np.isfinite(now).all():
                seen.spoilt.add(name)
            group.write(scope, old)
            put[name] = group
    return put


def spoilt(seen: Seen, put: dict[str, Group]) -> bool:
    """Whether the first pass made NaN of all that it moved, so that no pass tells what its parameters are."""
    return bool(put) and put.keys() == seen.spoilt


def is_named(name: str) -> bool:
    """Whether a tensor has the name of a parameter: `net.layers[0].w[*].data`, `params['W1']`."""
    keys = re.findall(r"\['(\w+)'\]", name)
    parts = [part for part in re.sub(r"\[[^\]]*\]", "", name).split(".") if part not in ("data", "value", "val")]
    return bool(parts) and PARAMETER_NAME.search((keys or parts)[-1].lower()) is not None


def _values(
    scope: Scope, largest: float = np.inf
) -> tuple[dict[str, Group], dict[str, np.ndarray], dict[Path, np.ndarray]]:
    """What may move, its values now, and the views of other arrays among it."""
    reached = leaves(scope, rows=False)
    held = {p: v for p, v in reached.items() if _may_move(v) and np.size(v) <= largest and not _is_index(scope, p, v)}
    found = groups(held)
    views = {p: value for p, value in held.items() if isinstance(value, np.ndarray) and value.base is not None}
    return found, {name: group.read(scope) for name, group in found.items()}, views


def _is_window(group: Group, before: np.ndarray, views: dict[Path, np.ndarray], scope: Scope) -> bool:
    """Whether a variable only looks at another part of an array whose numbers did not move: `x = X[i]`."""
    if len(group.paths) != 1 or group.paths[0] not in views:
        return False
    old, now = views[group.paths[0]], scope.get(group.paths[0])
    return now is not old and _owner(now) is _owner(old) and not differ(np.asarray(old, dtype=float).ravel(), before)


def _is_resized(group: Group, before: np.ndarray, scope: Scope) -> bool:
    """Whether a variable holds an array of another size than before, as `x = layer.forward(x)`.

    A single number that becomes an array may be a parameter whose gradient was not summed, as may what is called one.
    """
    if len(group.paths) != 1 or len(group.paths[0]) != 1:
        return False
    try:
        return 1 < before.size != group.read(scope).size
    except (LookupError, AttributeError, TypeError, ValueError):
        return False


def _owner(value: Any) -> Any:
    """The array that the memory of a view belongs to."""
    while isinstance(value, np.ndarray) and value.base is not None:
        value = value.base
    return value


def _may_move(value: Any) -> bool:
    return not isinstance(value, np.ndarray) or value.dtype.kind == "f"


def differing(found: dict[str, Group], values: dict[str, np.ndarray], scope: Scope) -> dict[str, np.ndarray]:
    """The groups that have other values now, with the mask of the elements that moved."""
    moved: dict[str, np.ndarray] = {}
    for name, group in found.items():
        try:
            now = group.read(scope)
        except (LookupError, AttributeError, TypeError, ValueError):
            continue
        if now.shape == values[name].shape:
            mask = now != values[name]
            mask &= ~(np.isnan(now) & np.isnan(values[name]))
            if mask.any() and not (is_whole(now[mask]) and is_whole(values[name][mask])):
                moved[name] = mask
    return moved


def movers(scope: Scope) -> dict[str, Group]:
    """Every group of floats that might be a parameter, by name."""
    found = leaves(scope, rows=False).items()
    return groups({path: value for path, value in found if _may_move(value) and not _is_index(scope, path, value)})


def _is_index(scope: Scope, path: Path, value: Any) -> bool:
    """Whether a whole number stands beside a float in a tuple: the number of a unit, and the weight of its output."""
    if type(value) is not int or path[-1][0] != "item":
        return False
    whole = scope.get(path[:-1])
    return type(whole) is tuple and any(type(item) is float for item in whole)


PARAMETER_NAME = re.compile(
    r"^(?!va[rl]$|vel$)((hidden|inputs?|outputs?|in|out|layer\d*|l\d)_)?"
    r"(w|b|u|v|wt|weights?|bias(es)?|theta|gamma|beta|kernel|filters?|embeddings?|emb|syn|coef|intercept|params?)"
    r"(_?[a-z0-9]{0,3}|_?(hidden|inputs?|outputs?|layer|first|second|in|out)(_?(hidden|outputs?|layer|out))?_?\d{0,2})$"
)


def is_whole(values: np.ndarray) -> bool:
    return bool(np.equal(np.mod(values, 1), 0).all())


def differ(first: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays hold other numbers, or are of another shape."""
    if first.shape != other.shape:
        return True
    return bool((~((first == other) | (np.isnan(first) & np.isnan(other)))).any())
