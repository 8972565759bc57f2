"""Which of the numbers that move in a loop are parameters, tried out in a fork.

A parameter that is changed a little keeps that change, and alters how others move. A sum or a counter alters nothing, a
variable of the pass is overwritten, an optimiser's memory touches one element of one parameter only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Generator
from contextlib import suppress
from typing import Any

import numpy as np

from pellucid.doctor.process import origins
from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun, Work
from pellucid.doctor.process.moving import VELOCITY, Parameters, classify, root_of
from pellucid.doctor.process.paths import NUMBER_NAMES, Group, Path, Scope, is_node, leaves, root_name
from pellucid.doctor.process.scout import PARAMETER_NAME, differ, is_named, is_whole
from pellucid.doctor.process.widen import memory_of

MOST_GROUPS = 60


def parameters(lab: Lab, seen: Collection[str] | None = None) -> Work:
    """In a laboratory: which of the groups that move are parameters; or the name of one that must not be changed, since
    the program ended when it was. `seen`: what was seen to move in this loop; what was not is not waited for."""
    known = [name for name in lab.groups if seen is None or name in seen]
    try:
        plain = yield from next_move(lab, [name for name in known if is_named(name)] or known)
    except Ended:
        return Parameters({}, [], {})
    nodes: dict[str, Any] = {}

    def noted(scope: Scope) -> None:
        for name, group in lab.groups.items():
            if is_of_node(scope, group):
                nodes[name] = scope.get(group.paths[0][:-1])

    def lasting(scope: Scope) -> list[str]:
        return [name for name, node in nodes.items() if _held(scope, lab.groups[name]) is node]

    started = time.process_time()
    again = yield PassRun(before=noted, after=lasting)
    seconds = time.process_time() - started
    moved = [
        name
        for name, values in plain.after.items()
        if name in plain.before
        and values.shape == plain.before[name].shape
        and differ(values, plain.before[name])
        and not (values.size == 1 and is_whole(np.append(values, plain.before[name])))  # a position in a text, a count
        and not _is_shuffled(plain.before[name], values)
    ]
    # Sums over a set come in another order each time: what rounds differently is no change.
    noise = {name: _away(plain.after[name], again.after.get(name)) for name in moved}
    same = all(share <= 1e-9 for share in noise.values())
    moved = _without_aliases(moved, lab.groups, lab.scope)[:MOST_GROUPS]
    kept = [name for name in moved if name in again.said]
    if kept and seconds * len(moved) > 0.3 * lab.left():  # the nodes that an engine trains are known without a trial
        nodes_of = {name: lab.groups[name] for name in kept}
        return Parameters(nodes_of, kept, {}, dict.fromkeys(kept, 1.0), repeatable=same, seconds=seconds)
    rng = np.random.default_rng(0)
    shifts: dict[str, np.ndarray] = {}
    answers: dict[str, dict[str, np.ndarray]] = {}
    for name in moved:
        if lab.left() < 0:
            break
        old = plain.before[name]
        shifts[name] = step = _step(old, plain.after[name], lab.groups[name]) * rng.choice([-1.0, 1.0], old.shape)
        if old.size > 1:
            unchanged = rng.permutation(old.size)[: old.size // 2]
            moves = np.flatnonzero(plain.after[name] != old)
            if len(moves) < old.size:  # of an embedding a pass moves a few rows: half of what it moves is changed
                unchanged = np.setdiff1d(unchanged, moves[: (len(moves) + 1) // 2])
                step[plain.after[name] == old] = 0.0  # inputs that are held beside what moves are none of it
            step[unchanged] = 0.0
            if (old >= 0).all() and (plain.after[name] >= 0).all():  # a mean of squares, of which a root is taken
                step = shifts[name] = np.abs(step)
        try:
            outcome = yield PassRun({name: old + step})
            if _drowned(outcome.after[name] - plain.after[name], step):
                update = plain.after[name] - old
                step = shifts[name] = step * max(1.0, 30 * np.abs(update).max() / np.abs(step).max())
                outcome = yield PassRun({name: old + step})
        except Ended:
            return name
        answers[name] = {
            other: outcome.after[other] - plain.after[other]
            for other in moved
            if other in outcome.after and outcome.after[other].shape == plain.after[other].shape
        }
    found = classify(
        lab.groups, moved, plain.before, plain.after, shifts, answers, same, max(noise.values(), default=0.0)
    )
    if not found.parameters:
        yield from _far(lab, found, moved, plain)
    yield from _ask_once_more(lab, found, shifts, plain)
    yield from _look_ahead(lab, found, shifts, plain)
    if found.parameters:
        yield from _stills(lab, found, plain)
    found.seconds = seconds
    return found


def next_move(lab: Lab, names: Collection[str]) -> Generator[PassRun, PassOutcome, PassOutcome]:
    """Go on to the next pass that moves one of these, if it is not far: a perceptron rests where it does not err."""
    plain = yield PassRun()
    until = lab.left() - RESTING * lab.left()
    for _ in range(LONGEST_REST):
        known = [name for name in names if name in plain.before and name in plain.after]
        known = [name for name in known if plain.before[name].shape == plain.after[name].shape]
        moves = any(differ(plain.after[n], plain.before[n]) for n in known)
        if moves or not known or lab.left() < until:
            break
        yield Next()
        plain = yield PassRun()
    return plain


def recurs(lab: Lab, found: Parameters) -> Work:
    """In a laboratory: whether an element of a parameter moves twice in one run of the loop.

    A loop over layers or units moves each of them in one of its turns.
    """
    moved: dict[str, np.ndarray] = {}
    begun = lab.entered
    with suppress(Ended):
        for _ in range(LONGEST_REST):
            outcome = yield Next()
            if lab.entered != begun or lab.left() < 0.5:
                break
            for name in found.parameters:
                if name not in outcome.after or outcome.after[name].shape != outcome.before[name].shape:
                    continue
                mask = outcome.after[name] != outcome.before[name]
                if name in moved and (moved[name] & mask).any():
                    return True
                moved[name] = moved.get(name, False) | mask
    return False


LONGEST_REST, RESTING = 100, 0.2  # passes without a move, and the share of the time that they may take


def is_of_node(scope: Scope, group: Group) -> bool:
    """Whether a group is what nodes of an engine of the program's own hold: each has its gradient beside it."""
    path = group.paths[0]
    return len(path) > 1 and path[-1][0] == "attr" and path[-1][1] in NUMBER_NAMES and is_node(_held(scope, group))


def _held(scope: Scope, group: Group) -> Any:
    """What holds the first value of a group; None where it is gone."""
    try:
        return scope.get(group.paths[0][:-1])
    except (LookupError, AttributeError, TypeError):
        return None


def _drowned(own: np.ndarray, step: np.ndarray) -> bool:
    """Whether the update changed by more than the parameter did: Adam's, where gradients are small, leaps about."""
    if own.shape != step.shape or step.size < 4 or not np.isfinite(own).all():
        return False
    size = float(np.linalg.norm(own) * np.linalg.norm(step))
    return float(np.linalg.norm(own)) > 0.5 * float(np.linalg.norm(step)) and abs(float(own @ step)) < 0.7 * size


def _far(lab: Lab, found: Parameters, moved: list[str], plain: PassOutcome) -> Generator[PassRun, PassOutcome, None]:
    """What touches nothing by a small change, but itself by a large one: the weights of a perceptron or of a support
    vector machine, whose step depends on the side of a margin that a sample is on."""
    for name in moved:
        old, own = plain.before[name], plain.after[name] - plain.before[name]
        share = found.response.get(name, 0.0)
        if lab.left() < 1 or not 0.5 < share < 1.5 or name.endswith(".grad"):
            continue
        size = 10 * max(float(np.linalg.norm(old)), float(np.linalg.norm(own)))
        for direction in (own, -own, -old):
            length = float(np.linalg.norm(direction))
            if length == 0:
                continue
            try:
                far = yield PassRun({name: old + size / length * direction})
            except Ended:
                break
            change = far.after[name] - plain.after[name] - share * size / length * direction
            if np.linalg.norm(change) > 0.3 * np.linalg.norm(own):
                found.parameters.append(name)
                found.groups[name] = lab.groups[name]
                break


FADES, MOST_PAIRS = 0.995, 12  # the share that a velocity keeps of a change, whatever it is called; pairs to be tried


def _look_ahead(
    lab: Lab, found: Parameters, shifts: dict[str, np.ndarray], plain: PassOutcome
) -> Generator[PassRun, PassOutcome, None]:
    """A velocity that a gradient is taken ahead by: what changes with it changes alike with its parameter, w + µ v."""
    pairs = [
        (name, other)
        for name in found.parameters
        if name not in found.still
        for other in found.parameters
        if other != name
        and not VELOCITY.search(root_of(other))
        and lab.groups[other].shape == lab.groups[name].shape
        and abs(found.response[name]) < abs(found.response[other]) * (1 if VELOCITY.search(root_of(name)) else FADES)
    ][:MOST_PAIRS]
    if not pairs:
        return
    before = yield PassRun(watch="all")
    own = {("", name) for name in found.groups}
    for name, other in pairs:
        if name not in found.parameters or lab.left() < 1:
            continue
        step = 1e-2 * shifts[other] if np.abs(shifts[other]).max() > 1e-3 else shifts[other]
        first = yield PassRun({name: plain.before[name] + step}, watch="all")
        second = yield PassRun({other: plain.before[other] + step}, watch="all")
        ratios: list[float] = []
        for key, series in before.seen.items():
            if key in own or key not in first.seen or key not in second.seen:
                continue
            for a, b, c in zip(series, first.seen[key], second.seen[key], strict=False):
                if a.shape == b.shape == c.shape and np.isfinite(a).all() and differ(a, c) and a.size > 1:
                    x, y = (b - a).ravel(), (c - a).ravel()
                    share = float(x @ y) / float(y @ y)
                    ratios.append(share if np.abs(x - share * y).max() < 0.02 * np.abs(x).max() else np.nan)
        middle = float(np.nanmedian(ratios)) if ratios and not np.isnan(ratios).all() else 0.0
        if 0.05 < middle < 1 and np.mean(np.isclose(ratios, middle, rtol=0.02)) > 0.5:
            found.parameters.remove(name)
            found.memory[name] = other
            found.signs[name] = 1.0


def _ask_once_more(
    lab: Lab, found: Parameters, shifts: dict[str, np.ndarray], plain: PassOutcome
) -> Generator[PassRun, PassOutcome, None]:
    """A number that touches one other may be a parameter before it: then what changes with the other changes with it.

    A change of a memory is seen in the update alone.
    """
    asked = [name for name in found.memory if not name.endswith("grad") and plain.before[name].size == 1][:6]
    if not asked:
        return
    before = yield PassRun(watch="all")
    changes: dict[str, set[Any]] = {}
    for name in {*asked, *(found.memory[name] for name in asked)}:
        if lab.left() < 1:
            return
        after = yield PassRun({name: plain.before[name] + shifts[name]}, watch="all")
        changes[name] = {
            key
            for key, series in before.seen.items()
            if key in after.seen
            and any(a.shape == b.shape and differ(a, b) for a, b in zip(series, after.seen[key], strict=False))
        }
    for name in asked:
        other = changes[found.memory[name]]
        if len(changes[name] & other) > 0.6 * len(other):
            del found.memory[name], found.signs[name]
            found.parameters.append(name)


def _stills(lab: Lab, found: Parameters, plain: PassOutcome) -> Generator[PassRun, PassOutcome, None]:
    """Add what is named and held like the parameters and alters their updates, yet never moves.

    What has as many rows as an output, its labels and the inputs may be data: labels of which a gradient is said to be
    known, weights of samples.
    """
    if lab.scope is None:
        return
    beside: set[Any] = {_holder(path) for n in found.parameters for path in lab.groups[n].paths}
    seen = (yield PassRun(watch="all")).seen
    own = {re.findall(r"\w+", name)[-1] for name in found.groups}
    untouched: list[str] = []
    for name, group in lab.groups.items():
        if name in found.groups or name not in plain.before or len(found.still) >= 8 or lab.left() < 0.5:
            continue
        path = group.paths[0]
        names = [str(k[1]) if isinstance(k, tuple) else str(k) for _, k in path if not isinstance(k, int)]
        last = names[-1] if names[-1] not in ("data", "value", "cell_contents") or len(names) < 2 else names[-2]
        near = (_holder(path) in beside or len(path) > 2) and root_name(path) not in lab.scope.fleeting
        named = PARAMETER_NAME.search(last.lower()) is not None
        if not near or not (named or _has_gradient(last, group, seen)) or not _floats(lab, group):
            continue
        rows = _rows(lab, found, seen, own | {last})
        if group.shape and group.shape[0] in rows and (not named or len(group.shape) == 1):
            continue
        if not named and _is_data(lab.scope, path):
            continue
        old = plain.before[name]
        if set(group.sizes) == {1} and old.any() and not origins.is_drawn(lab.files, name):
            continue  # a number that is set once is a constant: a rate of decay, the mean rating, a bias that is given
        if not (yield from _alters(lab, found, name, plain)):
            untouched.append(name)
    with suppress(Ended):
        for _ in range(LATER):  # of a weight whose input is 0, another pass tells
            untouched = [name for name in untouched if name not in found.still]
            if not untouched or lab.left() < 0.5:
                break
            yield Next()
            plain = yield PassRun()
            for name in untouched:
                yield from _alters(lab, found, name, plain)
    known = {id(lab.scope.get(path)) for n in found.parameters for path in lab.groups[n].paths} if lab.scope else set()
    for name in found.still:
        if lab.scope is None or id(lab.scope.get(lab.groups[name].paths[0])) not in known:
            found.parameters.append(name)
            found.groups[name] = lab.groups[name]


def _rows(lab: Lab, found: Parameters, seen: dict[Any, list[np.ndarray]], own: set[str]) -> set[int]:
    """How many rows an output that is subtracted from its labels may have; a step that is taken from what is called as
    a parameter, `b - lr * db`, is none."""
    subtracted = {name for pair in lab.pairs if not own & {*pair} for name in pair}
    rows = {s[0].shape[0] for (_, name), s in seen.items() if name in subtracted and s[0].ndim > 0} - {1}
    return rows & {s[0].shape[0] for (_, name), s in seen.items() if s[0].ndim > 1 and name not in found.groups}


LATER = 4  # passes in which what alters nothing in the first is tried again


def _alters(lab: Lab, found: Parameters, name: str, plain: PassOutcome) -> Generator[PassRun, PassOutcome, bool]:
    """Whether a change of this alters the update of a parameter; if so and it never moves, it is a still one."""
    old = plain.before[name]
    signs = np.random.default_rng(2).choice([-1.0, 1.0], old.shape)
    outcome = yield PassRun({name: old + _step(old, old, lab.groups[name]) * signs})
    touched = any(
        outcome.after[p].shape == plain.after[p].shape and not np.array_equal(outcome.after[p], plain.after[p])
        for p in found.parameters
    )
    if touched and np.array_equal(plain.after.get(name, old), old):
        found.still.append(name)
    return touched


def _is_data(scope: Scope, path: Path) -> bool:
    """Whether a variable holds the same array: what a layer keeps of its inputs, `self.x = x`, is no parameter."""
    array = scope.get(path)
    return any(value is array and len(other) == 1 for other, value in leaves(scope).items() if other != path)


def _has_gradient(last: str, group: Group, seen: dict[Any, list[np.ndarray]]) -> bool:
    """Whether something of its size is called its gradient, or is returned under its name."""
    called = re.compile(rf"(d|grad_?|d_|g_?|nabla_?){re.escape(last)}|{re.escape(last)}_?grad(ient)?s?", re.I)
    return group.size > 1 and any(
        series[0].size == group.size
        and (called.fullmatch(name) or (name.startswith("return[") and name.endswith(f"['{last}']")))
        for (_, name), series in seen.items()
    )


def _holder(path: Path) -> Any:
    """What a value is held by: an object or a list, or the variables of a function or a module."""
    return path[:-1] if len(path) > 1 else next(iter(path))[:1]


def _floats(lab: Lab, group: Group) -> bool:
    try:
        value = lab.scope.get(group.paths[0]) if lab.scope is not None else None
    except (LookupError, AttributeError, TypeError):
        return False
    return isinstance(value, float | list) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def _away(first: np.ndarray, other: np.ndarray | None) -> float:
    """How far apart two results are, as a share of their size."""
    if other is None or first.shape != other.shape:
        return np.inf
    size = float(np.abs(first).max(initial=0))
    return float(np.abs(first - other).max(initial=0)) / size if size > 0 else 0.0


def _step(old: np.ndarray, new: np.ndarray, group: Group) -> float:
    size = float(np.sqrt(np.mean(old * old)))
    return 1e-4 * size if size > 0 else 1e-4


def _is_shuffled(old: np.ndarray, new: np.ndarray) -> bool:
    """Whether an array holds the same numbers in another order: data, shuffled in place."""
    return old.size > 8 and len(np.unique(old)) > 1 and bool(np.array_equal(np.sort(old), np.sort(new)))


def _without_aliases(names: list[str], known: dict[str, Group], scope: Scope | None) -> list[str]:
    """Of several names for one array, the first that a parameter may have, or else the first: `parameters['W1']`, not
    `caches[0][1]`. None for what another name holds among more, `for row in W`, nor for a view of a
    part of another, `h = W[word]`."""
    held: dict[str, frozenset[int]] = {}
    looks: dict[str, frozenset[int]] = {}  # at the memory of which arrays a name looks
    for name in names:
        try:
            values = [scope.get(path) for path in known[name].paths] if scope is not None else []
        except (LookupError, AttributeError, TypeError):
            values = []
        held[name] = frozenset(id(value) for value in values if isinstance(value, np.ndarray | list))
        arrays = [value for value in values if isinstance(value, np.ndarray)]
        views = len(arrays) == len(values) > 0 and all(memory_of(value).size > value.size for value in arrays)
        looks[name] = frozenset(id(memory_of(value)) for value in arrays) if views else frozenset()
    kept: list[str] = []
    for name in sorted(names, key=lambda name: not is_named(name)):
        own = held[name]
        if own and any(own == held[other] for other in kept):
            continue
        if own and any(own < held[other] for other in names):
            continue
        if looks[name] and not is_named(name) and any(looks[name] <= held[other] for other in names if other != name):
            continue
        kept.append(name)
    return [name for name in names if name in kept]
